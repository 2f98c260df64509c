/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How far the hand-off of a domain has come, in one small file at each host,
 * for whoever has to finish or undo it when the processes are gone.
 *
 *   SENT      /run/xen: the source's copy does not outlive a boot either
 *   SLOWED    /run/xen: the cap that a domain had before we slowed it down, in
 *             flags; engine/cap.h
 *   RECEIVED  /var/lib/xen, fsync'd: "it ran here" must outlive a boot
 *
 *   xlm-mark 1 phase 04          phase first, in a fixed number of bytes: a
 *   uuid UUID                    change of phase overwrites one disk sector
 *   session UUID
 *   domid 7
 *   flags 0x1
 *   peer HOSTNAME
 *   name NAME
 *   (newlines up to MARK_BYTES)
 */
#ifndef XLM_TOOLSTACK_MARK_H
#define XLM_TOOLSTACK_MARK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

enum xlm__mark_kind { XLM__MARK_SENT, XLM__MARK_RECEIVED, XLM__MARK_SLOWED };

/* Phases of RECEIVED; those of SENT are enum xlm__guard_phase. */
enum xlm__received {
    XLM__RECEIVED_BUILDING = 1, /* xl was not told to start it              */
    XLM__RECEIVED_GO,           /* from now on it may run                   */
    XLM__RECEIVED_RUNS,         /* xl said so                                 */
    XLM__RECEIVED_NEVER,        /* xl proved that it never ran                */
};

#define XLM__MARK_DEVICE_MODEL (1u << 0) /* SENT: HVM                       */
#define XLM__MARK_PAUSED       (1u << 1) /* RECEIVED: it is to stay paused  */
#define XLM__MARK_HELD         (1u << 2) /* RECEIVED: the receiver, not xl, */
                                         /* takes its pauses back           */
#define XLM__PREBUILT_PAUSES                                                   \
    2u /* of such a domain: Xen's own for a new one,                           \
        */
       /* and the receiver's                         */

struct xlm__mark {
    unsigned char uuid[16];    /* of the domain, names the file */
    unsigned char session[16]; /* of the migration              */
    uint32_t domid;            /* at this host                  */
    uint32_t phase;
    uint32_t flags;
    char peer[256]; /* for messages only             */
    char name[XLM_NAME_MAX];
};

/*
 * Write, or overwrite in place if only the phase differs.  A RECEIVED mark is
 * on the disk on return.  dir: NULL = as above.  Errors: SYSTEM.
 */
int xlm__mark_set(struct xlm__errslot *err, const char *dir,
                  enum xlm__mark_kind kind, const struct xlm__mark *m);
/* Succeeds with *exists_out false if there is none.  Errors: SYSTEM (it cannot
 * be read, or is damaged). */
int xlm__mark_get(struct xlm__errslot *err, const char *dir,
                  enum xlm__mark_kind kind, const unsigned char uuid[16],
                  struct xlm__mark *out, bool *exists_out);
void xlm__mark_clear(const char *dir, enum xlm__mark_kind kind,
                     const unsigned char uuid[16]);

#endif /* XLM_TOOLSTACK_MARK_H */
