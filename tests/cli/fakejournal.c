/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The journal's part of the imitation of the library. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libxlm.h"

static int is(const char *mode)
{
    const char *now = getenv("FAKE_XLM");

    return now && !strcmp(now, mode);
}

const char *xlm_recover_host(const struct xlm_recover *r)
{
    (void)r;
    return is("recover-hostless") ? "" : "hostj";
}

const char *xlm_recover_ssh(const struct xlm_recover *r)
{
    (void)r;
    return "./fakessh";
}

/* ---- the journal: $FAKE_JOURNAL has a line for each entry ---- */

int xlm_journal_read(xlm_journal_fn *fn, void *user,
                     char message_out[XLM_MESSAGE_MAX])
{
    const char *file = getenv("FAKE_JOURNAL");
    FILE *f = file ? fopen(file, "r") : NULL;
    char name[64], uuid[64], phase[16], host[32], question[128];
    int role, todo, owner;
    struct xlm_journal_entry e = { .size = sizeof(e),
                                   .session = "2",
                                   .since_s = 1700000000,
                                   .peer = "hostb.example",
                                   .ssh = "./fakessh",
                                   .path = "/journal/file" };

    message_out[0] = '\0';
    if (is("journal-fails")) {
        snprintf(message_out, XLM_MESSAGE_MAX, "read /journal: no");
        return XLM_ERR_SYSTEM;
    }
    while (f && fscanf(f, "%d %d %d %d %d %u %15s %63s %63s %31s %127s", &role,
                       &todo, &owner, &e.keeps, &e.copy_gone, &e.domid, phase,
                       name, uuid, host, question) == 11) {
        e.role = role ? XLM_DESTINATION : XLM_SOURCE;
        e.todo = (enum xlm_journal_todo)todo;
        e.owner = (enum xlm_owner)owner;
        e.phase = phase;
        e.name = name;
        e.uuid = uuid;
        e.host = host;
        e.question = question;
        fn(user, &e);
    }
    if (f)
        fclose(f);
    return 0;
}

static int change(const char *what, const char *how,
                  char message_out[XLM_MESSAGE_MAX])
{
    const char *file = getenv("FAKE_XLM_CHANGES");
    FILE *f = file ? fopen(file, "a") : NULL;

    message_out[0] = '\0';
    if (f) {
        fprintf(f, "%s %s\n", what, how);
        fclose(f);
    }
    if (!is("forget-refused"))
        return 0;
    snprintf(message_out, XLM_MESSAGE_MAX, "it has not moved");
    return XLM_ERR_STATE;
}

int xlm_journal_tidy(const struct xlm_options *opt,
                     char message_out[XLM_MESSAGE_MAX])
{
    (void)opt;
    return change("tidy", "", message_out);
}

int xlm_journal_forget(const char *domain, char message_out[XLM_MESSAGE_MAX])
{
    return change("forget", domain, message_out);
}
