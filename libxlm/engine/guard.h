/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The guardian of a source: a process that outlives the worker.
 *
 * The worker writes a note into a pipe before each step that would have to be
 * undone; a note is smaller than PIPE_BUF, so it arrives whole or not at all,
 * and stays readable after the worker's death.  When the pipe closes, the last
 * note says how far the worker got:
 *
 *   last note    what the guardian does (who may run it: toolstack/phases.h)
 *   -----------  -----------------------------------------------------------
 *   (none)       nothing
 *   DONE         nothing; the note says who may run it
 *   TRACKING     dirty logging off; its cap and its memory limit back
 *                (engine/setting.h)
 *   SUSPENDING   the same; resume if it did suspend, paused if it was
 *   RENAMED      the same; old name back
 *   PERMITTED    nothing: it stays suspended until the peer says what became
 *                of it
 *   COMMITTED    nothing; never resumes
 *   RUNNING      destroys the stale copy
 *
 * MOVED is never a note.  From the first copied page on the same is written to
 * the journal (toolstack/mark.h), for xlm_recover_open() when the guardian died
 * as well.
 */
#ifndef XLM_ENGINE_GUARD_H
#define XLM_ENGINE_GUARD_H

#include "hv/hv.h"
#include "toolstack/toolstack.h"

struct xlm__guard_note {
    uint32_t magic;
    uint32_t phase; /* enum xlm__guard_phase */
    uint32_t domid;
    uint32_t device_model;  /* 1: HVM, its qemu tracks dirty pages too */
    uint32_t owner;         /* enum xlm_owner; means something with DONE */
    uint32_t not_logged;    /* 1: Xen's log-dirty is not on, and will not be */
    uint32_t was_paused;    /* 1: it is only unpaused to suspend */
    unsigned char uuid[16]; /* of the domain    */
    unsigned char session[16]; /* of the migration */
    char name[XLM_NAME_MAX];
};

/* fd 0: no guardian, does nothing.  Errors: SYSTEM (the guardian is gone). */
int xlm__guard_tell(struct xlm__errslot *err, int fd,
                    const struct xlm__guard_note *note,
                    enum xlm__guard_phase phase);

/* Read notes until end of file; *last_out is the last whole one. */
int xlm__guard_listen(struct xlm__errslot *err, int fd,
                      struct xlm__guard_note *last_out);

/* Take the domain's lock; BUSY is an answer here, not a failure: it is kept out
 * of the toolstack's errors. */
int xlm__guard_try_lock(struct xlm__toolstack *t, const unsigned char uuid[16]);

/*
 * Before undoing: take the lock, and see that the mark SENT is still this
 * migration's.  By now somebody else may have recovered the domain, and moved
 * it again: it would run twice if we resumed that move's copy.  *ours_out
 * false: leave it alone, message says why.  Waits for a lock that the worker
 * is about to lose with its life.  Errors: SYSTEM.
 */
int xlm__guard_enter(struct xlm__toolstack *t,
                     const struct xlm__guard_note *last, bool *ours_out,
                     char message[XLM_MESSAGE_MAX]);

/* Do what the table above says, with the domain's lock held.  message: one
 * line, "" if there was nothing to do. */
int xlm__guard_undo(struct xlm__errslot *err, struct xlm__hv *hv,
                    struct xlm__toolstack *t,
                    const struct xlm__guard_note *last,
                    enum xlm_owner *owner_out, char message[XLM_MESSAGE_MAX]);

#endif /* XLM_ENGINE_GUARD_H */
