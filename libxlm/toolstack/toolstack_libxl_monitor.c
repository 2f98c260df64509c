/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the daemon of "xl create" does for its domain: act on its end as the
 * configuration says.  That daemon of 4.14 to 4.17 leaves when the domain
 * suspends, so after a failed migration somebody must take its place.
 */
#include "config.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "toolstack/findmonitor.h"
#include "toolstack/lateness.h"
#include "toolstack/toolstack_libxl.h"

#define XLM_MODULE "monitor"

#define DUMP_DIR     "/var/lib/xen/dump"
#define SUSPENDED_MS 500
/* As xl: backends of the old domain may still be on their way out. */
#define REBOOT_MS    2000
#define CREATE_TRIES 5

enum next { NEXT_GO_ON, NEXT_LEAVE, NEXT_FAILED };

struct monitor {
    struct xlm__errslot *err;
    struct xlm__libxl_log log;
    libxl_ctx *ctx;
    uint32_t domid;
    libxl_domain_config config;
    libxl_evgen_domain_death *death;
    libxl_evgen_disk_eject **ejects;
    int nr_ejects;
};

static int fail(struct monitor *m, int rc, const char *what)
{
    char words[288];

    xlm__libxl_log_take(&m->log, words, sizeof(words));
    return XLM_FAIL(m->err, XLM_ERR_TOOLSTACK,
                    "%s domain %u (libxl error %d)%s", what, m->domid, rc,
                    words);
}

static int load_config(struct monitor *m)
{
    int rc;

    libxl_domain_config_dispose(&m->config);
    libxl_domain_config_init(&m->config);
    rc = libxl_retrieve_domain_configuration(m->ctx, m->domid, &m->config,
                                             NULL);
    return rc ? fail(m, rc, "configuration of") : 0;
}

static void unwatch(struct monitor *m)
{
    for (int i = 0; i < m->nr_ejects; i++)
        if (m->ejects[i])
            libxl_evdisable_disk_eject(m->ctx, m->ejects[i]);
    free(m->ejects);
    m->ejects = NULL;
    m->nr_ejects = 0;
    if (m->death)
        libxl_evdisable_domain_death(m->ctx, m->death);
    m->death = NULL;
}

static int watch(struct monitor *m)
{
    int rc = libxl_evenable_domain_death(m->ctx, m->domid, 0, &m->death);

    if (rc)
        return fail(m, rc, "watch");
    m->ejects = calloc((size_t)m->config.num_disks + 1, sizeof(*m->ejects));
    if (!m->ejects)
        return XLM_FAIL(m->err, XLM_ERR_NOMEM, "disks of domain %u", m->domid);
    m->nr_ejects = m->config.num_disks;
    for (int i = 0; i < m->nr_ejects; i++) {
        const libxl_device_disk *d = &m->config.disks[i];

        if (d->removable && libxl_evenable_disk_eject(m->ctx, m->domid, d->vdev,
                                                      0, &m->ejects[i]))
            XLM_LOG(m->err, WARN, "disk %s: its ejection will not be noticed",
                    d->vdev);
    }
    return 0;
}

/* Events of a domain that is no more must not be taken for the next one's. */
static void drop_events(struct monitor *m)
{
    libxl_event *ev;

    while (!libxl_event_check(m->ctx, &ev, LIBXL_EVENTMASK_ALL, NULL, NULL))
        libxl_event_free(m->ctx, ev);
}

static libxl_action_on_shutdown action_for(const struct monitor *m,
                                           unsigned reason)
{
    switch (reason) {
    case LIBXL_SHUTDOWN_REASON_POWEROFF:
        return m->config.on_poweroff;
    case LIBXL_SHUTDOWN_REASON_REBOOT:
        return m->config.on_reboot;
    case LIBXL_SHUTDOWN_REASON_CRASH:
        return m->config.on_crash;
    case LIBXL_SHUTDOWN_REASON_WATCHDOG:
        return m->config.on_watchdog;
    case LIBXL_SHUTDOWN_REASON_SOFT_RESET:
        return m->config.on_soft_reset;
    default:
        return LIBXL_ACTION_ON_SHUTDOWN_DESTROY;
    }
}

static void dump_core(struct monitor *m)
{
    char path[512];

    snprintf(path, sizeof(path), DUMP_DIR "/%.200s", m->config.c_info.name);
    XLM_LOG(m->err, INFO, "domain %u: dumping core to %s", m->domid, path);
    if (libxl_domain_core_dump(m->ctx, m->domid, path, NULL))
        XLM_LOG(m->err, WARN, "domain %u: no core dump", m->domid);
}

/* Keep the old domain under another name and uuid. */
static int preserve(struct monitor *m)
{
    char suffix[24];
    time_t now = time(NULL);
    libxl_uuid uuid;
    struct tm tm;
    int rc;

    if (!gmtime_r(&now, &tm) ||
        !strftime(suffix, sizeof(suffix), "-%Y%m%dT%H%MZ", &tm))
        snprintf(suffix, sizeof(suffix), "-preserved");
    libxl_uuid_generate(&uuid);
    rc = libxl_domain_preserve(m->ctx, m->domid, &m->config.c_info, suffix,
                               uuid);
    return rc ? fail(m, rc, "preserve") : 0;
}

static int destroy(struct monitor *m)
{
    int rc = libxl_domain_destroy(m->ctx, m->domid, NULL);

    return rc && rc != ERROR_DOMAIN_NOTFOUND ? fail(m, rc, "destroy") : 0;
}

/* The memory is there: the domain has just given it back. */
static int create(struct monitor *m)
{
    int rc = 0;

    m->config.c_info.domid = INVALID_DOMID;
    for (int i = 0; i < CREATE_TRIES; i++) {
        (void)poll(NULL, 0, REBOOT_MS);
        rc = libxl_domain_create_new(m->ctx, &m->config, &m->domid, NULL, NULL);
        if (!rc)
            break;
        XLM_LOG(m->err, WARN, "%s: attempt %d to start it again failed",
                m->config.c_info.name, i + 1);
    }
    if (rc)
        return fail(m, rc, "start again what was");
    XLM_LOG(m->err, INFO, "%s is domain %u now", m->config.c_info.name,
            m->domid);
    rc = libxl_domain_unpause(m->ctx, m->domid, NULL);
    return rc ? fail(m, rc, "unpause") : 0;
}

static int soft_reset(struct monitor *m)
{
    int rc = libxl_domain_soft_reset(m->ctx, &m->config, m->domid, NULL, NULL);

    if (!rc)
        rc = libxl_domain_unpause(m->ctx, m->domid, NULL);
    return rc ? fail(m, rc, "reset") : 0;
}

static enum next restart(struct monitor *m, int (*first)(struct monitor *),
                         int (*second)(struct monitor *))
{
    if ((first && first(m)) || second(m))
        return NEXT_FAILED;
    drop_events(m);
    return watch(m) ? NEXT_FAILED : NEXT_GO_ON;
}

static enum next act(struct monitor *m, libxl_action_on_shutdown action)
{
    switch (action) {
    case LIBXL_ACTION_ON_SHUTDOWN_COREDUMP_RESTART:
        dump_core(m);
        return restart(m, destroy, create);
    case LIBXL_ACTION_ON_SHUTDOWN_RESTART:
        return restart(m, destroy, create);
    case LIBXL_ACTION_ON_SHUTDOWN_RESTART_RENAME:
        return restart(m, preserve, create);
    case LIBXL_ACTION_ON_SHUTDOWN_SOFT_RESET:
        return restart(m, NULL, soft_reset);
    case LIBXL_ACTION_ON_SHUTDOWN_PRESERVE:
        return NEXT_LEAVE;
    case LIBXL_ACTION_ON_SHUTDOWN_COREDUMP_DESTROY:
        dump_core(m);
        return destroy(m) ? NEXT_FAILED : NEXT_LEAVE;
    default:
        return destroy(m) ? NEXT_FAILED : NEXT_LEAVE;
    }
}

enum suspended { STILL_SUSPENDED, RUNS_AGAIN, IS_GONE };

static enum suspended look(struct monitor *m)
{
    libxl_dominfo info;
    enum suspended state = RUNS_AGAIN;
    int rc;

    libxl_dominfo_init(&info);
    rc = libxl_domain_info(m->ctx, &info, m->domid);
    if (rc == ERROR_DOMAIN_NOTFOUND || (!rc && info.dying))
        state = IS_GONE;
    else if (rc || (info.shutdown &&
                    info.shutdown_reason == LIBXL_SHUTDOWN_REASON_SUSPEND))
        state = STILL_SUSPENDED;
    libxl_dominfo_dispose(&info);
    return state;
}

/* It answered a request that was given up long ago, and nobody else has
 * reason to want it suspended. */
static bool suspended_late(const struct monitor *m)
{
    const unsigned char *uuid = libxl_uuid_bytearray_const(
        &m->config.c_info.uuid);

    return xlm__late_marked(XLM__HOSTLOCK_DIR, uuid) &&
           !xlm__hostlock_held(XLM__HOSTLOCK_DIR, uuid) &&
           !xlm__xl_is_saving("/proc");
}

/* A migration or "xl save" is under way: its outcome is what counts. */
static enum next wait_suspended(struct monitor *m)
{
    XLM_LOG(m->err, INFO, "domain %u has suspended", m->domid);
    for (;;) {
        switch (look(m)) {
        case IS_GONE:
            return NEXT_LEAVE;
        case RUNS_AGAIN:
            drop_events(m);
            /* libxl tells of one shutdown per watch. */
            return watch(m) ? NEXT_FAILED : NEXT_GO_ON;
        case STILL_SUSPENDED:
            break;
        }
        if (suspended_late(m)) {
            XLM_LOG(m->err, WARN,
                    "domain %u suspended when nobody wanted it any more: "
                    "resumed",
                    m->domid);
            xlm__late_clear(XLM__HOSTLOCK_DIR,
                            libxl_uuid_bytearray_const(&m->config.c_info.uuid));
            if (libxl_domain_resume(m->ctx, m->domid, 1, NULL))
                XLM_LOG(m->err, WARN, "domain %u cannot be resumed", m->domid);
        }
        (void)poll(NULL, 0, SUSPENDED_MS);
    }
}

static enum next on_shutdown(struct monitor *m, unsigned reason)
{
    libxl_action_on_shutdown action;

    unwatch(m);
    if (reason == LIBXL_SHUTDOWN_REASON_SUSPEND)
        return wait_suspended(m);
    /* Started only because the guest may suspend late: two must not act. */
    if (xlm__find_xl_daemon("/proc", m->config.c_info.name)) {
        XLM_LOG(m->err, INFO, "domain %u has shut down: left to its xl daemon",
                m->domid);
        return NEXT_LEAVE;
    }
    if (load_config(m))
        return NEXT_FAILED;
    action = action_for(m, reason);
    XLM_LOG(m->err, INFO, "domain %u has shut down (reason %u): %s", m->domid,
            reason, libxl_action_on_shutdown_to_string(action));
    return act(m, action);
}

static enum next on_event(struct monitor *m, libxl_event *ev)
{
    if (ev->domid != m->domid)
        return NEXT_GO_ON;
    switch (ev->type) {
    case LIBXL_EVENT_TYPE_DOMAIN_SHUTDOWN:
        return on_shutdown(m, ev->u.domain_shutdown.shutdown_reason);
    case LIBXL_EVENT_TYPE_DOMAIN_DEATH:
        XLM_LOG(m->err, INFO, "domain %u has been destroyed", m->domid);
        return NEXT_LEAVE;
    case LIBXL_EVENT_TYPE_DISK_EJECT:
        (void)libxl_cdrom_insert(m->ctx, m->domid, &ev->u.disk_eject.disk,
                                 NULL);
        return NEXT_GO_ON;
    default:
        return NEXT_GO_ON;
    }
}

static int loop(struct monitor *m, uint32_t *domid)
{
    for (;;) {
        libxl_event *ev;
        enum next next;
        int rc = libxl_event_wait(m->ctx, &ev, LIBXL_EVENTMASK_ALL, NULL, NULL);

        if (rc)
            return fail(m, rc, "wait for an event of");
        next = on_event(m, ev);
        libxl_event_free(m->ctx, ev);
        *domid = m->domid;
        if (next == NEXT_LEAVE)
            return 0;
        if (next == NEXT_FAILED)
            return xlm__errslot_code(m->err);
    }
}

static int run(struct monitor *m, uint32_t *domid)
{
    struct xlm__hostlock lock = XLM__HOSTLOCK_INITIALIZER;
    int rc = load_config(m);

    if (rc)
        return rc;
    if (!xlm__hostlock_take_monitor(
            XLM__HOSTLOCK_DIR,
            libxl_uuid_bytearray_const(&m->config.c_info.uuid), &lock)) {
        XLM_LOG(m->err, INFO, "domain %u has a monitor already", m->domid);
        return 0;
    }
    rc = watch(m);
    if (!rc)
        rc = loop(m, domid);
    xlm__hostlock_drop(&lock);
    return rc;
}

int xlm__toolstack_monitor(struct xlm__errslot *err, uint32_t *domid)
{
    struct monitor m = { .err = err, .domid = *domid };
    int rc;

    libxl_domain_config_init(&m.config);
    xlm__libxl_log_init(&m.log, err);
    rc = xlm__libxl_open(err, &m.log, &m.ctx);
    if (!rc)
        rc = run(&m, domid);
    if (m.ctx) {
        unwatch(&m);
        libxl_domain_config_dispose(&m.config);
        libxl_ctx_free(m.ctx);
    }
    xlm__libxl_log_destroy(&m.log);
    return rc;
}
