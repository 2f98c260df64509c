/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What "xl lmigrate-recover" does after a migration, with both hosts up. */
#include "config.h"

#include "engine/recover.h"
#include "scenario.h"

bool scenario_is_undecided(const struct run *r)
{
    return r->src.hv->exists && r->src.hv->info.shutdown && !r->ended;
}

static enum xlm__fate ask(struct run *r, struct xlm__errslot *err,
                          const struct xlm__mark *sent)
{
    char line[XLM_ANSWER_MAX], told[XLM__TOLD_MAX];
    enum xlm__fate fate = XLM__FATE_NONE;

    r->dst.hv->base.err = r->dst.ts.base.err = err;
    r->dst.ts.exists = r->dst.hv->exists;
    SCENARIO_CHECK(r, !xlm__recover_look(&r->dst.hv->base, &r->dst.ts.base,
                                         sent->uuid, sent->session, true, &fate,
                                         told));
    xlm__recover_print(fate, sent->session, told, line);
    return xlm__recover_parse(line, sent->session, told);
}

enum xlm_verdict scenario_recover(struct run *r)
{
    struct xlm__errslot err = XLM__ERRSLOT_INITIALIZER;
    enum xlm__fate fate = XLM__FATE_NONE;
    enum xlm_verdict verdict;
    char why[XLM_MESSAGE_MAX];
    struct xlm__mark sent;
    enum xlm__copy copy;

    r->src.hv->base.err = r->src.ts.base.err = &err;
    SCENARIO_CHECK(r,
                   !xlm__recover_find(&err, &r->src.hv->base, &r->src.ts.base,
                                      "guest", &sent, &copy));
    SCENARIO_CHECK(r, copy == XLM__COPY_SUSPENDED);
    if (xlm__recover_must_ask(&sent))
        fate = ask(r, &err, &sent);
    verdict = xlm__recover_decide(&sent, copy, fate, false, why);
    SCENARIO_CHECK(r, verdict == XLM_VERDICT_RESUMED ||
                          verdict == XLM_VERDICT_DESTROYED);
    SCENARIO_CHECK(r, !xlm__recover_act(&err, &r->src.hv->base, &r->src.ts.base,
                                        &sent, copy, verdict));
    r->src.ts.base.ops->unlock(&r->src.ts.base);
    xlm__errslot_destroy(&err);
    return verdict;
}
