/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "outcome.h"

#include <stdio.h>

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

    if (o->dry_run && e == LM_EXIT_MOVED)
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
static bool lost_contact(const struct outcome *o)
{
    return o->code == XLM_ERR_CHANNEL || o->code == XLM_ERR_STREAM ||
           o->code == XLM_ERR_TIMEOUT;
}

/* What the guardian did is in the message; this is who has the domain. */
static void where_killed(const struct outcome *o, char *out, size_t bytes)
{
    if (o->owner == XLM_OWNER_SOURCE)
        snprintf(out, bytes,
                 "%s stays with %s; %s, out of contact, removes its unfinished "
                 "copy by itself",
                 o->name, o->here, o->there);
    else
        snprintf(out, bytes,
                 "%s runs at %s; if 'xl list' shows its old copy (id %u) at "
                 "%s, that must never run: 'xl destroy %u' here",
                 o->name, o->there, o->domid, o->here, o->domid);
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
    else if (lost_contact(o))
        snprintf(out, bytes,
                 "; %s, out of contact, removes its unfinished copy by itself",
                 o->there);
    else
        snprintf(out, bytes, "; nothing is left at %s", o->there);
}

/* Xen 4.20 has "xl resume"; before it, a suspended domain cannot be helped. */
static void where_unknown(const struct outcome *o, char *out, size_t bytes)
{
    snprintf(out, bytes,
             "%s (id %u) stays suspended at %s, and nothing tells whether it "
             "runs at %s; never start it at both: if 'xl list' there shows it "
             "running, 'xl destroy %u' here; if it surely does not run there, "
             "'xl rename %u %s' and 'xl resume %u' here (Xen 4.20), or destroy "
             "and create it",
             o->name, o->domid, o->here, o->there, o->domid, o->domid, o->name,
             o->domid);
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
        snprintf(out, bytes,
                 "%s runs at %s; its old copy (id %u) is left at %s, and must "
                 "never run: 'xl destroy %u' here",
                 o->name, o->there, o->domid, o->here, o->domid);
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
