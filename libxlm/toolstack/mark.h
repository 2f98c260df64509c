/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The journal: how far the hand-off of a domain has come, in one small file at
 * each host, for whoever has to finish or undo it when the processes are gone,
 * or the host was.
 *
 *   /var/lib/xlm/UUID.sent       at the source, from the first copied page on
 *   /var/lib/xlm/UUID.received   at the destination
 *   /run/xen/xlm-UUID.slowed     in flags, the cap or the memory limit that a
 *   /run/xen/xlm-UUID.limited    domain had before we changed it
 *                                (engine/setting.h); they do not outlive a
 *                                boot either
 *
 *   xlm-journal 1 phase 04 since 00001700000000    one sector, and its fields
 *   uuid UUID                                      have a fixed length: a new
 *   session UUID                                   phase overwrites nothing
 *   boot UUID                                      else
 *   peer-boot UUID
 *   turn 3
 *   domid 7
 *   flags 0x1
 *   peer HOSTNAME
 *   host [USER@]HOST
 *   ssh SSHCOMMAND
 *   name NAME
 *   (newlines up to MARK_BYTES)
 *
 * There is one of each kind for a domain: the next migration replaces it.
 */
#ifndef XLM_TOOLSTACK_MARK_H
#define XLM_TOOLSTACK_MARK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "toolstack/phases.h"

#define XLM__MARK_DIR "/var/lib/xlm"

#define XLM__MARK_DEVICE_MODEL (1u << 0) /* SENT: HVM                       */
#define XLM__MARK_NOT_LOGGED   (1u << 3) /* SENT: Xen's log is not on       */
#define XLM__MARK_WAS_PAUSED   (1u << 4) /* SENT: only unpaused to suspend  */
#define XLM__MARK_PAUSED       (1u << 1) /* RECEIVED: it is to stay paused  */

/* Of a domain that arrives: Xen's own for a new one, and the receiver's, who
 * takes both back when xl has done its part. */
#define XLM__HELD_PAUSES 2u

struct xlm__mark {
    unsigned char uuid[16];      /* of the domain, names the file        */
    unsigned char session[16];   /* of the migration                     */
    unsigned char boot[16];      /* of this host, when it was written    */
    unsigned char peer_boot[16]; /* of the other one                     */
    uint32_t turn;               /* the higher, the later, of the two    */
                                 /* kinds too; set by xlm__mark_set()    */
    uint64_t since_s;            /* of this phase; set by the same       */
    uint32_t domid;              /* at this host                         */
    uint32_t phase;
    uint32_t flags;
    char peer[256]; /* what it calls itself                 */
    char host[256]; /* SENT: what people call it; "" if that is not known */
    char ssh[256];  /* SENT: the command that leads there, "" likewise    */
    char name[XLM_NAME_MAX];
};

/*
 * Write, or overwrite in place if only the phase differs.  On return it is on
 * the disk if it has to outlive a power cut: all of RECEIVED; of SENT, whose
 * copy dies with the power, a new file, what lets the other host run it
 * (PERMITTED), and what lets it forget that it does (RUNNING, MOVED).
 * dir: NULL = as above.
 * Errors: SYSTEM.
 */
int xlm__mark_set(struct xlm__errslot *err, const char *dir,
                  enum xlm__mark_kind kind, const struct xlm__mark *m);
/* Succeeds with *exists_out false if there is none.  Errors: SYSTEM (it cannot
 * be read, or is damaged). */
int xlm__mark_get(struct xlm__errslot *err, const char *dir,
                  enum xlm__mark_kind kind, const unsigned char uuid[16],
                  struct xlm__mark *out, bool *exists_out);
/* On return it stays removed after a power cut. */
void xlm__mark_clear(const char *dir, enum xlm__mark_kind kind,
                     const unsigned char uuid[16]);

/* One file of the journal; m is NULL if it is damaged.  Not 0 ends the list. */
typedef int xlm__mark_fn(void *user, enum xlm__mark_kind kind,
                         const unsigned char uuid[16],
                         const struct xlm__mark *m);
/* All of them, sorted by file name.  fn may remove the one it is given.
 * Returns what fn did.  Errors: SYSTEM, NOMEM. */
int xlm__mark_each(struct xlm__errslot *err, const char *dir, xlm__mark_fn *fn,
                   void *user);

#endif /* XLM_TOOLSTACK_MARK_H */
