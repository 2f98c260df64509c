/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The journal as a person, or a program, reads it. */
#include "config.h"

#include "recover.h"

#include <stdlib.h>
#include <time.h>
#include <yajl/yajl_gen.h>

#include "json.h"

#define TODO_MAX (XLM_NAME_MAX + 160)

struct listing {
    yajl_gen gen; /* NULL: for a person */
    unsigned nr;
};

/* Of the two hosts, seen from here. */
static const char *who(const struct xlm_journal_entry *e)
{
    const bool source = e->role == XLM_SOURCE;

    if (e->todo == XLM_JOURNAL_REPAIR || e->owner == XLM_OWNER_UNKNOWN)
        return "unknown";
    return (e->owner == XLM_OWNER_SOURCE) == source ? "here" : "there";
}

static void todo(const struct xlm_journal_entry *e, char out[TODO_MAX])
{
    switch (e->todo) {
    case XLM_JOURNAL_WAIT:
        snprintf(out, TODO_MAX, "nothing: somebody works on it");
        return;
    case XLM_JOURNAL_RECOVER:
        snprintf(out, TODO_MAX, RECOVER_NAME " %s", e->name);
        return;
    case XLM_JOURNAL_LOOK:
        snprintf(out, TODO_MAX, RECOVER_NAME " --all");
        return;
    case XLM_JOURNAL_REPAIR:
        snprintf(out, TODO_MAX, "see " RECOVER_NAME " --all");
        return;
    case XLM_JOURNAL_NOTHING:
        break;
    }
    if (e->keeps)
        snprintf(out, TODO_MAX,
                 "nothing; if it runs nowhere: " RECOVER_NAME " --forget %s",
                 e->name);
    else
        snprintf(out, TODO_MAX, "nothing");
}

static void since(uint64_t s, char out[32])
{
    time_t t = (time_t)s;
    struct tm tm;

    out[0] = '\0';
    if (s && localtime_r(&t, &tm))
        strftime(out, 32, "%Y-%m-%d %H:%M:%S", &tm);
}

static const char *todo_word(enum xlm_journal_todo t)
{
    static const char *const words[] = {
        [XLM_JOURNAL_NOTHING] = "nothing", [XLM_JOURNAL_WAIT] = "wait",
        [XLM_JOURNAL_RECOVER] = "recover", [XLM_JOURNAL_LOOK] = "look",
        [XLM_JOURNAL_REPAIR] = "repair",
    };

    return words[t];
}

static void put_entry(yajl_gen g, const struct xlm_journal_entry *e)
{
    char text[TODO_MAX];

    todo(e, text);
    yajl_gen_map_open(g);
    put_key_text(g, "name", e->name);
    put_key_text(g, "uuid", e->uuid);
    put_key_text(g, "session", e->session);
    put_key_text(g, "role", e->role == XLM_SOURCE ? "source" : "destination");
    put_key_text(g, "peer", e->peer);
    put_key_text(g, "host", e->host);
    put_key_text(g, "phase", e->phase);
    put_key_text(g, "may_run", who(e));
    put_key_number(g, "since", e->since_s);
    put_key_number(g, "domid", e->domid);
    put_key_bool(g, "from_earlier_boot", e->copy_gone);
    put_key_bool(g, "kept_from_start", e->keeps);
    put_key_text(g, "todo", todo_word(e->todo));
    put_key_text(g, "advice", text);
    put_key_text(g, "file", e->path);
    yajl_gen_map_close(g);
}

static void print_entry(const struct xlm_journal_entry *e)
{
    char text[TODO_MAX], when[32];

    todo(e, text);
    since(e->since_s, when);
    printf("%-20s %s %-16s %-10s %-8s %-19s %s\n", e->name,
           e->role == XLM_SOURCE ? "to  " : "from", e->peer, e->phase, who(e),
           when, text);
}

static void each(void *user, const struct xlm_journal_entry *e)
{
    struct listing *l = user;

    if (l->gen)
        put_entry(l->gen, e);
    else if (l->nr++)
        print_entry(e);
    else {
        printf("%-20s      %-16s %-10s %-8s %-19s %s\n", "Name", "Peer",
               "Phase", "May run", "Since", "To do");
        print_entry(e);
    }
}

static int print_json(struct listing *l)
{
    const unsigned char *text;
    size_t bytes;

    if (yajl_gen_get_buf(l->gen, &text, &bytes) != yajl_gen_status_ok)
        return -1;
    return fwrite(text, 1, bytes, stdout) == bytes ? 0 : -1;
}

int recover_list(struct recovery *c)
{
    struct listing l = { .gen = c->json ? yajl_gen_alloc(NULL) : NULL };
    char message[XLM_MESSAGE_MAX] = "";
    int rc;

    if (l.gen) {
        yajl_gen_config(l.gen, yajl_gen_beautify, 1);
        yajl_gen_array_open(l.gen);
    }
    rc = xlm_journal_read(each, &l, message);
    if (l.gen && !rc) {
        yajl_gen_array_close(l.gen);
        rc = print_json(&l);
    }
    if (l.gen)
        yajl_gen_free(l.gen);
    if (!rc && !fflush(stdout) && !ferror(stdout))
        return 0;
    return recover_complain(c, *message ? message : "the list was not written",
                            LM_EXIT_FAILED);
}
