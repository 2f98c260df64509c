/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Deciding what became of a domain when contact was lost after PERMIT.
 *
 * The source's copy has a mark SENT, the destination has a mark RECEIVED of
 * the same session (toolstack/mark.h); the destination reads its own and looks
 * at its domains, the source does what follows from both:
 *
 *   SENT says            the destination answers        the source
 *   -------------------  -----------------------------  ----------------------
 *   TRACKING             (is not asked: no permission)  undoes what it changed,
 *                                                       if it runs here
 *   SUSPENDING, RENAMED  (is not asked: no permission)  the same, and resumes
 *   PERMITTED COMMITTED  never   it never ran           resumes
 *                        runs    it is there            destroys its copy
 *                        ran     it ran, and is gone; or destroys its copy
 *                                that host went down when it was to start
 *                        moved   it went on from there  destroys its copy
 *                        busy    somebody works on it   waits
 *                        left    it is there, unfinished    waits (an act
 *                                before ends most of these: see below)
 *                        unknown of no such session     waits
 *   RUNNING              (is not asked: it said so)     destroys its copy
 *
 * If the copy went with this host's power there is nothing to resume or to
 * destroy, but the same is decided, and written down.
 *
 * "waits" changes nothing.  The operator's word that the peer is dead turns
 * PERMITTED into "resumes"; COMMITTED never, as the memory here is then older
 * than the disk.
 */
#ifndef XLM_ENGINE_RECOVER_H
#define XLM_ENGINE_RECOVER_H

#include "engine/guard.h"

/* Word on the wire, and what is told of it with a host's name in front. */
#define XLM__FATE_MAP(X)                                                       \
    X(NEVER, "never", "it never ran there")                                    \
    X(RUNS, "runs", "it is there")                                             \
    X(RAN, "ran", "it ran there, and is gone")                                 \
    X(MOVED, "moved", "it went on from there")                                 \
    X(BUSY, "busy", "somebody works on it there")                              \
    X(LEFT, "left", "it is there, but unfinished")                             \
    X(UNKNOWN, "unknown", "that host knows nothing of this move")

enum xlm__fate {
    XLM__FATE_NONE = 0, /* not asked, or no answer */
#define XLM__FATE_ENUM(name, word, text) XLM__FATE_##name,
    XLM__FATE_MAP(XLM__FATE_ENUM)
#undef XLM__FATE_ENUM
};

#define XLM__TOLD_MAX 256

/* What is here of the domain that was to move. */
enum xlm__copy {
    XLM__COPY_SUSPENDED,
    XLM__COPY_RUNS, /* it was never asked to suspend */
    XLM__COPY_GONE,
};

/* ---- at the destination ---- */

const char *xlm__fate_text(enum xlm__fate fate);

/*
 * What became of the domain here.  Takes the domain's lock for as long as it
 * looks, and, unless act, changes nothing.  told: one line with the details.
 *
 * act: where a receiver died in the middle, first do what it would have done: a
 * domain that it was to start is started, one that it was not is destroyed.
 */
int xlm__recover_look(struct xlm__hv *hv, struct xlm__toolstack *t,
                      const unsigned char uuid[16],
                      const unsigned char session[16], bool act,
                      enum xlm__fate *fate_out, char told[XLM__TOLD_MAX]);

/* "xlm-answer 1 WORD SESSION TEXT", without a newline. */
void xlm__recover_print(enum xlm__fate fate, const unsigned char session[16],
                        const char *told, char out[XLM_ANSWER_MAX]);
/* Skips what is no answer, such as a login's greeting.  NONE: there is no
 * answer, or not to this question. */
enum xlm__fate xlm__recover_parse(const char *answer,
                                  const unsigned char session[16],
                                  char told[XLM__TOLD_MAX]);

/* False: it has none. */
bool xlm__recover_name(struct xlm__toolstack *t, uint32_t domid,
                       char name_out[XLM_NAME_MAX]);

/* ---- at the source ---- */

/*
 * Find the copy, by NAME, NAME--migratedaway, id or uuid, lock it and read its
 * mark; or the mark alone, by NAME or uuid, if no such domain is here.  Errors:
 * INVAL (neither), STATE (no migration of ours left it so, or it has moved),
 * BUSY.
 */
int xlm__recover_find(struct xlm__errslot *err, struct xlm__hv *hv,
                      struct xlm__toolstack *t, const char *domain,
                      struct xlm__mark *sent_out, enum xlm__copy *copy_out);

/* Is the destination to be asked at all? */
bool xlm__recover_must_ask(const struct xlm__mark *sent);

/* Pure.  why: one line, for the undecided too. */
enum xlm_verdict xlm__recover_decide(const struct xlm__mark *sent,
                                     enum xlm__copy copy, enum xlm__fate fate,
                                     bool peer_dead, char why[XLM_MESSAGE_MAX]);

/* Do it, as the guardian would; if the copy is gone, write it down. */
int xlm__recover_act(struct xlm__errslot *err, struct xlm__hv *hv,
                     struct xlm__toolstack *t, const struct xlm__mark *sent,
                     enum xlm__copy copy, enum xlm_verdict verdict);

#endif /* XLM_ENGINE_RECOVER_H */
