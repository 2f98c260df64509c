/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "outcome.h"

#include <stdio.h>
#include <string.h>

#define RECOVER_BYTES 1536

/* Whoever owns the domain decides first: that is what a script must know. */
static enum lm_exit exit_by_owner(const struct outcome *o)
{
    if (o->owner == XLM_OWNER_UNKNOWN)
        return LM_EXIT_UNDECIDED;
    if (o->owner == XLM_OWNER_DESTINATION)
        return LM_EXIT_CLEANUP;
    return LM_EXIT_FAILED;
}

/* Refused before anything was done to the domain. */
static bool refused(const struct outcome *o)
{
    bool early = o->error_state <= XLM_STATE_NEGOTIATING;

    if (o->receiver_missing || (o->findings && o->findings->nr_blocking))
        return early;
    switch (o->code) {
    case XLM_ERR_INCOMPATIBLE:
    case XLM_ERR_VERSION:
    case XLM_ERR_BUSY:
    case XLM_ERR_NOCONVERGE: /* an estimate's answer */
        return early;
    }
    return false;
}

enum lm_exit outcome_exit(const struct outcome *o)
{
    if (!o->code && !o->worker_killed)
        return LM_EXIT_MOVED;
    switch (o->code) {
    case XLM_ERR_UNDECIDED:
        return LM_EXIT_UNDECIDED;
    case XLM_ERR_CLEANUP:
        return LM_EXIT_CLEANUP;
    case XLM_ERR_GUEST_ENDED:
        return LM_EXIT_ENDED;
    }
    if (o->owner != XLM_OWNER_SOURCE || o->worker_killed)
        return exit_by_owner(o);
    if (o->code == XLM_ERR_CANCELLED)
        return LM_EXIT_CANCELLED;
    return refused(o) ? LM_EXIT_REFUSED : LM_EXIT_FAILED;
}

const char *outcome_word(const struct outcome *o)
{
    enum lm_exit e = outcome_exit(o);

    if ((o->dry_run || o->estimate) && e == LM_EXIT_MOVED)
        return "possible";
    switch (e) {
#define LM_EXIT_CASE(name, value, word)                                        \
    case LM_EXIT_##name:                                                       \
        return word;
        LM_EXIT_MAP(LM_EXIT_CASE)
#undef LM_EXIT_CASE
    }
    return "failed";
}

const char *error_name(int code)
{
    switch (code) {
    case XLM_OK:
        return "OK";
#define ERROR_CASE(name, value, text)                                          \
    case XLM_ERR_##name:                                                       \
        return #name;
        XLM_ERROR_MAP(ERROR_CASE)
#undef ERROR_CASE
    }
    return "UNKNOWN";
}

const char *owner_name(enum xlm_owner owner)
{
    switch (owner) {
    case XLM_OWNER_SOURCE:
        return "source";
    case XLM_OWNER_DESTINATION:
        return "destination";
    case XLM_OWNER_UNKNOWN:
        break;
    }
    return "unknown";
}

/* Without contact we cannot claim that the other side is clean already. */
static bool lost_contact(int code)
{
    return code == XLM_ERR_CHANNEL || code == XLM_ERR_STREAM ||
           code == XLM_ERR_TIMEOUT;
}

/* It took the domain over, and was not heard of again. */
bool outcome_unheard(const struct outcome *o)
{
    return o->code == XLM_ERR_CLEANUP && lost_contact(o->first_code);
}

void outcome_what(const struct outcome *o, char *out, size_t bytes)
{
    const char *why = *o->message ? o->message : xlm_strerror(o->code);

    if (o->worker_killed)
        snprintf(out, bytes, "%s", why);
    else if (o->code == XLM_ERR_UNDECIDED)
        snprintf(out, bytes,
                 "contact with %s was lost after it got the permission to "
                 "start (%s)",
                 o->there, why);
    else if (outcome_unheard(o))
        snprintf(out, bytes,
                 "contact with %s was lost after it took the domain over (%s)",
                 o->there, why);
    else if (o->code == XLM_ERR_CLEANUP)
        snprintf(out, bytes, "the copy here could not be destroyed (%s)", why);
    else
        snprintf(out, bytes, "%s", why);
}

/* In single quotes, unless nothing in it means anything to a shell. */
static void shell_word(const char *word, char *out, size_t bytes)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyz"
                                "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "._+:@%/-";
    const bool quoted = !*word || word[strspn(word, plain)];
    size_t n = 0;

    if (quoted && bytes > 1)
        out[n++] = '\'';
    for (; *word && n + 6 < bytes; word++) {
        if (*word == '\'') {
            memcpy(out + n, "'\\'", 3);
            n += 3;
        }
        out[n++] = *word;
    }
    if (quoted && n + 1 < bytes)
        out[n++] = '\'';
    out[n] = '\0';
}

void outcome_recover(const struct outcome *o, char *out, size_t bytes)
{
    char ssh[512] = "", name[XLM_NAME_MAX + 16], host[512];

    shell_word(o->name, name, sizeof(name));
    shell_word(o->there, host, sizeof(host));
    if (o->ssh && strcmp(o->ssh, "ssh"))
        shell_word(o->ssh, ssh, sizeof(ssh));
    snprintf(out, bytes, "xl lmigrate-recover %s%s%s%s %s", *ssh ? "-s " : "",
             ssh, *ssh ? " " : "", name, host);
}

/* What the guardian did is in the message; the code is what it could not do. */
static void where_killed(const struct outcome *o, char *out, size_t bytes)
{
    char recover[RECOVER_BYTES];

    outcome_recover(o, recover, sizeof(recover));
    if (o->owner == XLM_OWNER_SOURCE)
        snprintf(out, bytes,
                 "%s %s %s; %s, out of contact, removes its unfinished copy by "
                 "itself",
                 o->name, o->code ? "stays with" : "runs on at", o->here,
                 o->there);
    else
        snprintf(out, bytes,
                 "%s is at %s; if 'xl list' here still shows its copy (id %u), "
                 "never resume that: %s",
                 o->name, o->there, o->domid, recover);
}

static void where_source(const struct outcome *o, char *out, size_t bytes)
{
    int n = snprintf(out, bytes, "%s runs on at %s", o->name, o->here);

    if (n < 0 || (size_t)n >= bytes)
        return;
    out += n;
    bytes -= (size_t)n;
    if (o->error_state <= XLM_STATE_NEGOTIATING)
        snprintf(out, bytes, "; nothing was started at %s", o->there);
    else if (lost_contact(o->code))
        snprintf(out, bytes,
                 "; %s, out of contact, removes its unfinished copy by itself",
                 o->there);
    else
        snprintf(out, bytes, "; nothing is left at %s", o->there);
}

/* Last in the line: a person copies it from there. */
static void where_unknown(const struct outcome *o, char *out, size_t bytes)
{
    char recover[RECOVER_BYTES];

    outcome_recover(o, recover, sizeof(recover));
    snprintf(
        out, bytes,
        "%s (id %u) stays suspended at %s, and may run at %s: never resume "
        "it by hand; this finds out, and finishes or undoes the move: %s",
        o->name, o->domid, o->here, o->there, recover);
}

static void where_cleanup(const struct outcome *o, char *out, size_t bytes)
{
    char recover[RECOVER_BYTES];

    outcome_recover(o, recover, sizeof(recover));
    if (outcome_unheard(o))
        snprintf(out, bytes,
                 "the copy (id %u) stays suspended at %s: never resume it by "
                 "hand; this finds out what became of %s, and finishes the "
                 "move: %s",
                 o->domid, o->here, o->name, recover);
    else
        snprintf(out, bytes,
                 "%s runs at %s, and its copy (id %u) at %s must never run; "
                 "this tries again to destroy it: %s",
                 o->name, o->there, o->domid, o->here, recover);
}

void outcome_where(const struct outcome *o, char *out, size_t bytes)
{
    if (o->worker_killed && o->owner != XLM_OWNER_UNKNOWN) {
        where_killed(o, out, bytes);
        return;
    }
    switch (outcome_exit(o)) {
    case LM_EXIT_MOVED:
        snprintf(out, bytes, "%s runs at %s; nothing is left at %s", o->name,
                 o->there, o->here);
        break;
    case LM_EXIT_UNDECIDED:
        where_unknown(o, out, bytes);
        break;
    case LM_EXIT_CLEANUP:
        where_cleanup(o, out, bytes);
        break;
    case LM_EXIT_ENDED:
        snprintf(out, bytes,
                 "%s acts on it as on any other day; nothing is "
                 "left at %s",
                 o->here, o->there);
        break;
    default:
        where_source(o, out, bytes);
        break;
    }
}
