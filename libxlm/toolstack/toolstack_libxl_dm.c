/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A device model that starts before its state is here.
 *
 *   dm_hold       the name of the state's file becomes a pipe (dmgate.h)
 *   restore_end   libxl starts qemu, which waits in "inmigrate"; libxl waits
 *                 for it to write "running" into xenstore, which a qemu does
 *                 when it has loaded its state: so we write it as soon as
 *                 qemu waits, and libxl goes on
 *   dm_load       the state goes into the pipe; qemu is "running" with it
 *
 * libxl asks a restricted device model for its run state instead, and wants
 * "paused": such a domain is not built so (toolstack_libxl_prebuild.c).
 */
#include "config.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "toolstack/qmp.h"
#include "toolstack/toolstack_libxl.h"
#include "util/clock.h"

#define XLM_MODULE "restore"

/* libxl's own names (libxl_internal.h, libxl_qmp.c). */
#define QMP_SOCKET  "/run/xen/qmp-libxl-%u"
#define DM_RESTORE  "/var/lib/xen/qemu-resume.%u"
#define DM_XS_STATE "/local/domain/0/device-model/%u/state"

/* libxl's LIBXL_DEVICE_MODEL_START_TIMEOUT is 60 s. */
/* Behind its disks' scripts, 40 s each, and libxl's own minute. */
#define START_MS 300000
#define LOAD_MS  60000
/* Its start takes a second or more; its state it loads in the pause. */
#define START_TICK_MS 50
#define LOAD_TICK_MS  5

int xlm__ts_dm_hold(struct xlm__toolstack *t)
{
    struct xlm__ts *ts = xlm__ts(t);
    char path[64];

    if (!ts->restore.xl || ts->restore.gate.path)
        return XLM_FAIL(t->err, XLM_ERR_INTERNAL,
                        "no restore is under way, or its device model is held");
    snprintf(path, sizeof(path), DM_RESTORE, ts->restore.domid);
    return xlm__dmgate_open(t->err, path, &ts->restore.gate);
}

/* qemu's run state, "" if there is no answer; why_out then says why.  Errors
 * (not recorded): those of xlm__qmp_query(). */
static int run_state(struct xlm__ts *ts, uint64_t deadline_ns, char state[32],
                     char why_out[XLM_MESSAGE_MAX])
{
    const struct xlm__qmp_text want = { "status", state, 32 };
    const int left_ms = xlm__deadline_left_ms(deadline_ns);
    struct xlm__errslot quiet = XLM__ERRSLOT_INITIALIZER;
    char path[64];
    int rc;

    state[0] = why_out[0] = '\0';
    snprintf(path, sizeof(path), QMP_SOCKET, ts->restore.domid);
    rc = xlm__qmp_query(&quiet, path, "query-status", &want,
                        left_ms < XLM__QMP_TIMEOUT_MS ? (uint32_t)left_ms
                                                      : XLM__QMP_TIMEOUT_MS);
    if (rc) {
        state[0] = '\0';
        xlm__errslot_read(&quiet, why_out);
    }
    xlm__errslot_destroy(&quiet);
    return rc;
}

static int tick(struct xlm__ts *ts, int ms)
{
    struct pollfd stop = { ts->base.stop_fd, POLLIN, 0 };

    return poll(&stop, 1, ms) > 0 ? XLM_ERR_CANCELLED : 0;
}

static int say_running(struct xlm__ts *ts)
{
    static const char running[] = "running";
    char path[64];

    snprintf(path, sizeof(path), DM_XS_STATE, ts->restore.domid);
    if (!xs_write(ts->xs, XBT_NULL, path, running, sizeof(running) - 1))
        return XLM_FAIL_ERRNO(ts->base.err, XLM_ERR_TOOLSTACK, "write %s",
                              path);
    return 0;
}

int xlm__ts_dm_await(struct xlm__ts *ts)
{
    const uint64_t deadline_ns = xlm__deadline_ns(START_MS);
    char state[32], why[XLM_MESSAGE_MAX];
    int rc;

    do {
        rc = xlm__xlproc_check(ts->restore.xl, "its device model to start");
        if (!rc)
            rc = tick(ts, START_TICK_MS);
        if (rc)
            return rc;
        (void)run_state(ts, deadline_ns, state, why);
        if (xlm__deadline_over(deadline_ns, xlm__clock_ns()))
            return XLM_FAIL(ts->base.err, XLM_ERR_DEVICE,
                            "the device model of domain %u does not wait for "
                            "its state after %u s: %s",
                            ts->restore.domid, START_MS / 1000,
                            state[0] ? state : why);
    } while (strcmp(state, "inmigrate"));
    XLM_LOG(ts->base.err, DEBUG, "the device model of domain %u has started",
            ts->restore.domid);
    xlm__dmgate_taken(&ts->restore.gate);
    return say_running(ts);
}

static int fail_load(struct xlm__ts *ts, int code, uint32_t limit_ms,
                     const char *state, const char *why)
{
    char limit[48] = "";

    if (code == XLM_ERR_TIMEOUT)
        snprintf(limit, sizeof(limit), " within %u.%u s", limit_ms / 1000,
                 limit_ms % 1000 / 100);
    return XLM_FAIL(ts->base.err, code,
                    "the device model of domain %u did not take its state%s: "
                    "%s%s",
                    ts->restore.domid, limit, state[0] ? "it is " : why, state);
}

/* A qemu that loads answers nobody: its silence is no failure, its end is. */
int xlm__ts_dm_load_within(struct xlm__ts *ts, const struct xlm__blob *dm,
                           uint32_t limit_ms)
{
    const uint64_t deadline_ns = xlm__deadline_ns(limit_ms);
    char state[32], why[XLM_MESSAGE_MAX];
    int rc, asked;

    rc = xlm__dmgate_write(ts->base.err, &ts->restore.gate, dm->data, dm->bytes,
                           limit_ms, ts->base.stop_fd);
    while (!rc) {
        asked = run_state(ts, deadline_ns, state, why);
        if (!strcmp(state, "running"))
            return 0;
        if (asked != XLM_ERR_TIMEOUT && strcmp(state, "inmigrate"))
            return fail_load(ts, XLM_ERR_DEVICE, limit_ms, state, why);
        if (xlm__deadline_over(deadline_ns, xlm__clock_ns()))
            return fail_load(ts, XLM_ERR_TIMEOUT, limit_ms, state, why);
        rc = tick(ts, LOAD_TICK_MS);
    }
    return rc;
}

int xlm__ts_dm_load(struct xlm__toolstack *t, const struct xlm__blob *dm)
{
    return xlm__ts_dm_load_within(xlm__ts(t), dm, LOAD_MS);
}
