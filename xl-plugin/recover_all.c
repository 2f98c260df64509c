/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Every migration that is undecided at this host, of either role. */
#include "config.h"

#include "recover.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BOOT_TOTAL_MS 60000 /* the guests of this host wait for us */
#define SILENT_MAX    64

/* What is kept of an entry until it is its turn. */
struct item {
    enum xlm_journal_todo todo;
    char uuid[40], name[XLM_NAME_MAX], question[XLM_QUESTION_MAX];
    char host[256], path[128];
};

struct items {
    struct item *list;
    size_t nr, room;
    bool no_memory;
};

struct run {
    struct recovery *c;
    struct timespec began;
    const char *silent[SILENT_MAX]; /* hosts that did not answer */
    size_t nr_silent;
    bool undecided, failed;
};

static void keep(void *user, const struct xlm_journal_entry *e)
{
    struct items *l = user;
    struct item *i;

    if (e->todo == XLM_JOURNAL_NOTHING || e->todo == XLM_JOURNAL_WAIT)
        return;
    if (l->nr == l->room) {
        const size_t room = l->room ? 2 * l->room : 16;

        i = realloc(l->list, room * sizeof(*i));
        if (!i) {
            l->no_memory = true;
            return;
        }
        l->list = i;
        l->room = room;
    }
    i = &l->list[l->nr++];
    memset(i, 0, sizeof(*i));
    i->todo = e->todo;
    snprintf(i->uuid, sizeof(i->uuid), "%s", e->uuid);
    snprintf(i->name, sizeof(i->name), "%s", e->name);
    snprintf(i->question, sizeof(i->question), "%s", e->question);
    snprintf(i->host, sizeof(i->host), "%s", e->host);
    snprintf(i->path, sizeof(i->path), "%s", e->path);
}

/* ---- as a source ---- */

static bool time_is_over(const struct run *r)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (now.tv_sec - r->began.tv_sec) * 1000LL +
               (now.tv_nsec - r->began.tv_nsec) / 1000000 >
           BOOT_TOTAL_MS;
}

static const char *why_silent(const struct run *r, const char *host)
{
    if (!r->c->boot)
        return NULL;
    for (size_t i = 0; i < r->nr_silent; i++)
        if (!strcmp(r->silent[i], host))
            return "it did not answer just now";
    return time_is_over(r) ? "the time for asking is over" : NULL;
}

static void recover(struct run *r, const struct item *i)
{
    struct recovery *c = r->c;
    const char *host = c->peer ? c->peer : i->host;
    int code;

    c->job.opt.domain = i->uuid;
    c->silent = why_silent(r, host);
    code = recover_one(c);
    if (*c->no_answer && !c->silent && r->nr_silent < SILENT_MAX)
        r->silent[r->nr_silent++] = host;
    if (code == LM_EXIT_FAILED)
        r->failed = true;
    else if (code != LM_EXIT_MOVED && code != LM_EXIT_ENDED)
        r->undecided = true;
}

/* ---- as a destination: what a receiver that died has left ---- */

/* "xlm-answer 1 WORD SESSION TEXT" */
static void tell_answer(struct run *r, const struct item *i, const char *answer)
{
    char word[16] = "", text[XLM_ANSWER_MAX] = "";

    if (sscanf(answer, "xlm-answer 1 %15s %*s %511[^\n]", word, text) < 2)
        snprintf(text, sizeof(text), "%s", answer);
    /* "there", as the source is to read it, is here. */
    console_line(&r->c->job.con, "%s, which came here: %s", i->name, text);
    if (strcmp(word, "never") && strcmp(word, "runs") && strcmp(word, "ran") &&
        strcmp(word, "moved"))
        r->undecided = true;
}

static void look(struct run *r, struct item *i)
{
    struct job *j = &r->c->job;
    const struct xlm_options opt = { .size = sizeof(opt),
                                     .log = job_log,
                                     .user = j };
    char answer[XLM_ANSWER_MAX], message[XLM_MESSAGE_MAX] = "";
    char *act = strstr(i->question, "/act");
    char line[XLM_MESSAGE_MAX + XLM_NAME_MAX + 8];

    if (act && j->opt.dry_run)
        *act = '\0';
    if (!xlm_recover_answer(i->question, &opt, answer, message)) {
        tell_answer(r, i, answer);
        return;
    }
    r->failed = true;
    snprintf(line, sizeof(line), "%s: %s", i->name, message);
    recover_complain(r->c, line, 0);
}

static void damaged(struct run *r, const struct item *i)
{
    char line[320];

    r->undecided = true;
    snprintf(line, sizeof(line),
             "%s is damaged, or of a newer xlm: 'xl list' there and here shows "
             "where domain %s is; then remove the file",
             i->path, i->uuid);
    recover_complain(r->c, line, 0);
}

int recover_all(struct recovery *c)
{
    const struct xlm_options opt = { .size = sizeof(opt),
                                     .log = job_log,
                                     .user = &c->job };
    struct run r = { .c = c };
    struct items l = { .list = NULL };
    char message[XLM_MESSAGE_MAX] = "";

    clock_gettime(CLOCK_MONOTONIC, &r.began);
    if (!c->job.opt.dry_run && xlm_journal_tidy(&opt, message)) {
        r.failed = true;
        recover_complain(c, message, 0);
    }
    if (xlm_journal_read(keep, &l, message) || l.no_memory) {
        free(l.list);
        return recover_complain(c, *message ? message : "no memory",
                                LM_EXIT_FAILED);
    }
    for (size_t i = 0; i < l.nr; i++) {
        if (l.list[i].todo == XLM_JOURNAL_RECOVER)
            recover(&r, &l.list[i]);
        else if (l.list[i].todo == XLM_JOURNAL_LOOK)
            look(&r, &l.list[i]);
        else
            damaged(&r, &l.list[i]);
    }
    free(l.list);
    return r.failed ? LM_EXIT_FAILED : r.undecided ? LM_EXIT_UNDECIDED : 0;
}
