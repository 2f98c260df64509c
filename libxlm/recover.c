/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Public functions that finish or undo a move of which contact was lost. */
#include "config.h"

#define XLM_MODULE "recover"
#include "engine/recover.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backends.h"
#include "base/log.h"
#include "base/options.h"
#include "util/uuid.h"

struct xlm_recover {
    struct xlm_options opt; /* strings are ours */
    struct xlm__backends b;
    struct xlm__mark sent;
    enum xlm__copy copy;
    char question[XLM_QUESTION_MAX];
};

#define ACT "act" /* end what a dead receiver left, then say */

_Static_assert(XLM_QUESTION_MAX >= 2 * XLM__UUID_TEXT + sizeof(ACT),
               "a question is two uuids, maybe a word, and slashes");

static void write_question(struct xlm_recover *r)
{
    char uuid[XLM__UUID_TEXT], session[XLM__UUID_TEXT];

    xlm__uuid_format(r->sent.uuid, uuid);
    xlm__uuid_format(r->sent.session, session);
    snprintf(r->question, sizeof(r->question), "%s/%s%s", uuid, session,
             r->opt.flags & XLM_F_DRY_RUN ? "" : "/" ACT);
}

/* A uuid, and what is behind the slash after it, "" if there is none. */
static const char *read_uuid(const char *text, unsigned char uuid[16])
{
    const size_t bytes = strcspn(text, "/");
    char one[XLM__UUID_TEXT];

    if (bytes != sizeof(one) - 1)
        return NULL;
    memcpy(one, text, bytes);
    one[bytes] = '\0';
    if (!xlm__uuid_parse(one, uuid))
        return NULL;
    text += bytes;
    return *text ? text + 1 : text;
}

static bool read_question(const char *text, unsigned char uuid[16],
                          unsigned char session[16], bool *act_out)
{
    const char *rest = read_uuid(text, uuid);

    if (rest)
        rest = read_uuid(rest, session);
    if (!rest)
        return false;
    *act_out = !strcmp(rest, ACT);
    return *act_out || !*rest;
}

int xlm_recover_open(const char *domain, const struct xlm_options *opt,
                     struct xlm_recover **recover_out,
                     char message_out[XLM_MESSAGE_MAX])
{
    struct xlm_recover *r;
    int rc;

    message_out[0] = '\0';
    r = calloc(1, sizeof(*r));
    if (!r) {
        snprintf(message_out, XLM_MESSAGE_MAX, "%s",
                 xlm_strerror(XLM_ERR_NOMEM));
        return XLM_ERR_NOMEM;
    }
    rc = xlm__options_copy(&r->opt, opt, XLM_DESTINATION, message_out);
    if (rc) {
        free(r);
        return rc;
    }
    rc = xlm__backends_open(&r->b, &r->opt);
    if (!rc)
        rc = xlm__recover_find(&r->b.err, r->b.hv, r->b.ts, domain, &r->sent,
                               &r->copy);
    if (rc) {
        xlm__errslot_read(&r->b.err, message_out);
        xlm_recover_close(r);
        return rc;
    }
    if (xlm__recover_must_ask(&r->sent))
        write_question(r);
    *recover_out = r;
    return 0;
}

void xlm_recover_close(struct xlm_recover *r)
{
    char message[XLM_MESSAGE_MAX];

    if (!r)
        return;
    /* The lock ends with the toolstack. */
    (void)xlm__backends_close(&r->b, &r->opt, 0, message);
    free(r);
}

const char *xlm_recover_name(const struct xlm_recover *r)
{
    return r->sent.name;
}

uint32_t xlm_recover_domid(const struct xlm_recover *r)
{
    return r->copy == XLM__COPY_GONE ? 0 : r->sent.domid;
}

const char *xlm_recover_host(const struct xlm_recover *r)
{
    return r->sent.host;
}

const char *xlm_recover_ssh(const struct xlm_recover *r)
{
    return r->sent.ssh;
}

const char *xlm_recover_question(const struct xlm_recover *r)
{
    return r->question[0] ? r->question : NULL;
}

int xlm_recover_answer(const char *question, const struct xlm_options *opt,
                       char answer_out[XLM_ANSWER_MAX],
                       char message_out[XLM_MESSAGE_MAX])
{
    unsigned char uuid[16], session[16];
    struct xlm_options known;
    bool act;
    struct xlm__backends b;
    char told[XLM__TOLD_MAX];
    enum xlm__fate fate;
    int rc;

    message_out[0] = '\0';
    if (!read_question(question, uuid, session, &act)) {
        snprintf(message_out, XLM_MESSAGE_MAX, "'%.80s' is not a question",
                 question);
        return XLM_ERR_INVAL;
    }
    rc = xlm__options_copy(&known, opt, XLM_DESTINATION, message_out);
    if (rc)
        return rc;
    rc = xlm__backends_open(&b, &known);
    if (!rc)
        rc = xlm__recover_look(b.hv, b.ts, uuid, session, act, &fate, told);
    if (!rc)
        xlm__recover_print(fate, session, told, answer_out);
    return xlm__backends_close(&b, &known, rc, message_out);
}

static enum xlm_verdict decide(const struct xlm_recover *r, const char *answer,
                               uint32_t flags, char why[XLM_MESSAGE_MAX])
{
    enum xlm__fate fate = XLM__FATE_NONE;
    enum xlm_verdict verdict;
    char told[XLM__TOLD_MAX] = "";

    if (answer)
        fate = xlm__recover_parse(answer, r->sent.session, told);
    verdict = xlm__recover_decide(&r->sent, r->copy, fate,
                                  flags & XLM_F_PEER_DEAD, why);
    if (told[0])
        XLM_LOG((struct xlm__errslot *)(uintptr_t)&r->b.err, INFO,
                "the destination says: %s", told);
    return verdict;
}

int xlm_recover_finish(struct xlm_recover *r, const char *answer,
                       uint32_t flags, enum xlm_verdict *verdict_out,
                       char message_out[XLM_MESSAGE_MAX])
{
    int rc;

    if (flags & ~(uint32_t)(XLM_F_DRY_RUN | XLM_F_PEER_DEAD)) {
        snprintf(message_out, XLM_MESSAGE_MAX, "unknown flag in %#x", flags);
        return XLM_ERR_INVAL;
    }
    *verdict_out = decide(r, answer, flags, message_out);
    if (flags & XLM_F_DRY_RUN)
        return 0;
    rc = xlm__recover_act(&r->b.err, r->b.hv, r->b.ts, &r->sent, r->copy,
                          *verdict_out);
    if (rc)
        xlm__errslot_read(&r->b.err, message_out);
    return rc;
}
