/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "scenario.h"

#include <dirent.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "chan/tcp.h"
#include "stream/format.h"
#include "unit.h"
#include "util/clock.h"

#define SETTLE_MS 3000

/* ---- telling ---- */

static void keep(struct run *r, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

static void keep(struct run *r, const char *fmt, ...)
{
    va_list args;
    int n;

    pthread_mutex_lock(&r->log_lock);
    va_start(args, fmt);
    n = vsnprintf(r->log + r->log_bytes, sizeof(r->log) - r->log_bytes, fmt,
                  args);
    va_end(args);
    if (n > 0 && (size_t)n < sizeof(r->log) - r->log_bytes)
        r->log_bytes += (size_t)n;
    pthread_mutex_unlock(&r->log_lock);
}

static void on_log(void *user, enum xlm_log_level level, const char *module,
                   const char *message)
{
    struct side *s = user;

    keep(s->run, "  %s %d %s: %s\n", s == &s->run->src ? "src" : "DST",
         (int)level, module, message);
}

bool scenario_check(struct run *r, bool holds, const char *text, int line,
                    const char *file)
{
    if (!holds) {
        fprintf(stderr,
                "%s:%d: %s does not hold: %s\n  source: rc %d state %d owner "
                "%d; destination: rc %d state %d owner %d\n%s",
                file, line, r->label, text, r->src.rc, (int)r->src.state,
                (int)r->src.owner, r->dst.rc, (int)r->dst.state,
                (int)r->dst.owner, r->log);
        r->log[0] = '\0'; /* once is enough */
    }
    CU_assertImplementation(holds, (unsigned)line, text, file, "", CU_FALSE);
    return holds;
}

/* ---- running ---- */

static unsigned count_entries(const char *path)
{
    DIR *d = opendir(path);
    unsigned n = 0;

    while (d && readdir(d))
        n++;
    if (d)
        closedir(d);
    return n;
}

static void on_progress(void *user, enum xlm_state state,
                        const struct xlm_stats *stats)
{
    struct side *s = user;
    const struct scenario *sc = s->run->sc;

    if (state == XLM_STATE_PRECOPY)
        atomic_store(&s->run->phase, PHASE_PRECOPY);
    else if (state == XLM_STATE_SWITCHOVER &&
             atomic_load(&s->run->phase) < PHASE_SWITCH)
        atomic_store(&s->run->phase, PHASE_SWITCH);
    if (!sc->event || sc->event_to || state != sc->event_state ||
        stats->round < sc->event_round)
        return;
    if (!atomic_exchange(&s->run->event_done, true))
        sc->event(s->run);
}

void scenario_unit(void *user, enum direction to, unsigned unit, uint32_t type)
{
    struct run *r = user;
    const struct scenario *sc = r->sc;

    if (type == XLM__REC_PERMIT)
        atomic_store(&r->phase, PHASE_HANDOFF);
    /* A channel that returns has a pump of its own beside the old one's. */
    if (type == XLM__REC_ROUND_BEGIN &&
        !__atomic_load_n(&r->begin_unit, __ATOMIC_RELAXED))
        __atomic_store_n(&r->begin_unit, unit, __ATOMIC_RELAXED);
    if (!sc->event || sc->event_to != to ||
        (sc->event_type ? type != sc->event_type : unit != sc->event_unit))
        return;
    if (!atomic_exchange(&r->event_done, true))
        sc->event(r);
}

void scenario_switch(struct run *r)
{
    SCENARIO_CHECK(r, xlm_session_switch_now(r->src.session) == 0);
}

void scenario_cancel(struct side *s)
{
    pthread_mutex_lock(&s->lock);
    if (s->session)
        xlm_session_cancel(s->session);
    pthread_mutex_unlock(&s->lock);
}

void scenario_cancel_source(struct run *r)
{
    scenario_cancel(&r->src);
}

static void on_finding(void *user, const struct xlm_finding *f)
{
    struct side *s = user;

    s->run->nr_findings++;
    keep(s->run, "  finding %d %s\n", (int)f->severity, f->code);
}

static void take_result(struct side *s)
{
    const struct xlm_error_info *e = xlm_session_error(s->session);

    s->state = xlm_session_state(s->session);
    s->owner = xlm_session_owner(s->session);
    s->error = e ? e->code : 0;
    snprintf(s->message, sizeof(s->message), "%s", e ? e->message : "");
    s->stats.size = sizeof(s->stats);
    xlm_session_stats(s->session, &s->stats);
    s->needs_monitor = xlm_session_needs_monitor(s->session) > 0;
}

/* As a process of its own would: at its end everything is closed. */
static void *run_side(void *arg)
{
    struct side *s = arg;
    struct xlm_session *session;

    s->rc = xlm_session_run(s->session);
    take_result(s);
    session = s->session;
    pthread_mutex_lock(&s->lock);
    s->session = NULL;
    pthread_mutex_unlock(&s->lock);
    xlm_session_close(session);
    return NULL;
}

/* Data channels over TCP, to ourselves. */
static void set_data(struct run *r, struct xlm_options *opt)
{
    struct xlm__errslot err = XLM__ERRSLOT_INITIALIZER;
    uint16_t port;

    if (opt->data == XLM_DATA_GIVEN)
        return;
    opt->data_channels = r->channels;
    opt->data_host = "127.0.0.1";
    if (r->sc->fallback)
        opt->open_channel = joiner_call;
    if (r->sc->breaks[0] || r->sc->break_refuse) {
        r->breaker = breaker_start(r->sc, &opt->port_low);
        opt->port_high = opt->port_low;
        opt->data_address = breaker_address(XLM_SOURCE);
    }
    if (!r->sc->no_port)
        return;
    r->blocked_fd = xlm__tcp_listen(&err, NULL, 0, 0, &port);
    opt->port_low = opt->port_high = port;
}

static void open_side(struct side *s, enum xlm_role role, int guard_fd)
{
    struct xlm_options opt = { .size = sizeof(opt),
                               .flags = s->run->sc->opt.flags & XLM_F_KTLS };

    if (role == XLM_SOURCE) {
        opt = s->run->sc->opt;
        opt.size = sizeof(opt);
        opt.domid = 1;
        opt.guard_fd = guard_fd;
        opt.progress = on_progress;
        set_data(s->run, &opt);
        if (s->run->sc->returns)
            opt.reopen_control = comeback_call;
        if (s->run->sc->reopen)
            opt.reopen_control = s->run->sc->reopen;
        if (s->run->sc->data_returns)
            opt.reopen_data = data_comeback_call;
    }
    if (role == XLM_DESTINATION && s->run->breaker)
        opt.data_address = breaker_address(role);
    opt.log = on_log;
    opt.finding = on_finding;
    opt.user = s;
    if (xlm_session_open(role, &opt, &s->session))
        abort();
    s->hv->base.err = s->ts.base.err = &s->session->err;
    s->ts.base.stop_fd = s->session->stop_fd;
    xlm__session_use(s->session, &s->hv->base, &s->ts.base);
}

/* A channel, maybe with something in between. */
static struct proxy *connect_sides(struct run *r, const struct proxy_cut *cut,
                                   unsigned units[3])
{
    int a[2], b[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, a) ||
        (cut && socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, b)))
        abort();
    if (xlm_session_add_channel(r->src.session, a[0], a[0]) ||
        xlm_session_add_channel(r->dst.session, cut ? b[1] : a[1],
                                cut ? b[1] : a[1]))
        abort();
    return cut ? proxy_start(a[1], b[0], cut, units) : NULL;
}

/* Data channels that may break and return. */
static void connect_returning(struct run *r)
{
    for (unsigned i = 0; i < r->channels; i++) {
        int rfd, wfd;

        if (data_comeback_call(&r->src, i, &rfd, &wfd) ||
            xlm_session_add_channel(r->src.session, rfd, wfd))
            abort();
    }
}

static void connect_all(struct run *r, struct proxy *proxies[2])
{
    const struct scenario *sc = r->sc;
    const bool again = sc->returns || sc->reopen || sc->data_returns;
    const struct proxy_cut control = {
        .direction = sc->cut,
        .records = true,
        .after = sc->cut_units,
        .torn = sc->cut_torn,
        .unseen = sc->cut_unseen,
        .before = scenario_unit,
        .user = r,
    };
    const struct proxy_cut data = {
        .direction = sc->cut_data_bytes ? TO_DESTINATION : TO_NONE,
        .after = sc->cut_data_bytes,
        .records = sc->corrupt,
        .corrupt = sc->corrupt,
    };

    proxies[0] = connect_sides(r, &control, r->units);
    proxies[1] = NULL;
    if (again)
        comebacks_open(r);
    if (again && sc->opt.data == XLM_DATA_GIVEN && !sc->rendezvous)
        joiners_open(r);
    if (sc->data_returns) {
        connect_returning(r);
        return;
    }
    if (sc->opt.data != XLM_DATA_GIVEN) {
        joiners_open(r);
        return;
    }
    if (sc->rendezvous) {
        joiners_start(r);
        return;
    }
    proxies[1] = connect_sides(
        r, sc->cut_data_bytes || sc->corrupt ? &data : NULL, r->data_units);
    for (unsigned i = 1; i < r->channels; i++)
        connect_sides(r, NULL, NULL);
}

/* What the process beside the source does when that has ended. */
static void guardian(struct run *r)
{
    struct xlm__errslot err;
    enum xlm_owner owner = XLM_OWNER_SOURCE;
    int rc;

    xlm__errslot_init(&err, on_log, &r->src, XLM_LOG_DEBUG);
    r->src.hv->base.err = r->src.ts.base.err = &err;
    rc = xlm__guard_listen(&err, r->guard_fd, &r->note);
    SCENARIO_CHECK(r, rc == 0);
    if (r->note.phase != XLM__GUARD_NONE && r->note.phase != XLM__GUARD_DONE) {
        r->guarded = true;
        r->src.hv->fail_call = r->src.ts.fail_call = 0;
        r->src.ts.fail_op = NULL;
        rc = xlm__guard_undo(&err, &r->src.hv->base, &r->src.ts.base, &r->note,
                             &owner, r->guard_message);
        keep(r, "  guardian, phase %u: %d %s\n", r->note.phase, rc,
             r->guard_message);
        SCENARIO_CHECK(r, rc == 0);
    }
    xlm__errslot_destroy(&err);
}

static void migrate(struct run *r)
{
    struct proxy *proxies[2];
    int guard[2];

    if (pipe(guard))
        abort();
    r->guard_fd = guard[0];
    open_side(&r->src, XLM_SOURCE, guard[1]);
    open_side(&r->dst, XLM_DESTINATION, 0);
    connect_all(r, proxies);
    if (r->sc->prepare)
        r->sc->prepare(r);
    guest_start(r);
    if (pthread_create(&r->src.thread, NULL, run_side, &r->src) ||
        pthread_create(&r->dst.thread, NULL, run_side, &r->dst))
        abort();
    pthread_join(r->src.thread, NULL);
    pthread_join(r->dst.thread, NULL);
    if (r->sc->over)
        r->sc->over(r);
    guest_end(r);
    proxy_end(proxies[0]);
    proxy_end(proxies[1]);
    comebacks_end(r);
    joiners_end(r);
    breaker_end(r->breaker, r);
    if (r->blocked_fd)
        close(r->blocked_fd);
    close(guard[1]);
    if (r->guard_fd >= 0)
        guardian(r);
    if (r->guard_fd >= 0)
        close(r->guard_fd);
    r->src.hv->base.err = r->src.ts.base.err = NULL;
}

/* ---- what is true at every end ---- */

static bool final(enum xlm_state s)
{
    return s == XLM_STATE_COMPLETED || s == XLM_STATE_FAILED ||
           s == XLM_STATE_CANCELLED;
}

static bool source_runs(const struct run *r)
{
    return r->src.hv->exists && !r->src.hv->info.shutdown;
}

static bool to_be_paused(const struct run *r)
{
    return atomic_load(&r->paused) || (r->sc->opt.flags & XLM_F_LEAVE_PAUSED);
}

bool destination_runs(const struct run *r)
{
    const uint32_t phase = r->dst.ts.mark[XLM__MARK_RECEIVED].phase;

    if (!r->dst.hv->exists || r->dst.ts.dst != FAKE_DST_NAMED)
        return false;
    return r->dst.hv->info.paused
               ? to_be_paused(r) &&
                     (phase == XLM__RECEIVED_GO || phase == XLM__RECEIVED_RUNS)
               : true;
}

static void check_owner(struct run *r)
{
    bool src = source_runs(r), dst = destination_runs(r);

    SCENARIO_CHECK(r, !(src && dst));
    SCENARIO_CHECK(r, atomic_load(&r->two_runners) == 0);
    if (r->src.owner == XLM_OWNER_SOURCE)
        SCENARIO_CHECK(r, !dst && (src || r->ended));
    else
        SCENARIO_CHECK(r, !src);
    /* CLEANUP: it was taken over, but nobody said that it runs. */
    if (r->src.owner == XLM_OWNER_DESTINATION && r->src.rc == 0)
        SCENARIO_CHECK(r, dst && !r->src.hv->exists);
    if (dst)
        SCENARIO_CHECK(r, r->dst.owner == XLM_OWNER_DESTINATION);
    if (r->src.owner == XLM_OWNER_UNKNOWN)
        SCENARIO_CHECK(r, r->src.rc == XLM_ERR_UNDECIDED);
}

static void check_source_left(struct run *r)
{
    const struct side *s = &r->src;
    bool busy = r->src.error == XLM_ERR_BUSY && s->hv->nr_on == 0;

    SCENARIO_CHECK(r, !s->ts.locked);
    SCENARIO_CHECK(r, s->hv->nr_mapped == 0);
    SCENARIO_CHECK(r, s->ts.wrong == 0);
    if (s->hv->exists && !busy && !atomic_load(&r->off_failed))
        SCENARIO_CHECK(r, !s->hv->logging);
    if (!source_runs(r))
        return;
    SCENARIO_CHECK(r, !strcmp(s->ts.name, "guest"));
    SCENARIO_CHECK(r, !s->ts.suspended);
    SCENARIO_CHECK(r, !s->ts.dm_logdirty ||
                          strstr(r->log, "dm_logdirty_off: made to fail"));
    SCENARIO_CHECK(r, s->hv->info.paused == atomic_load(&r->paused) ||
                          atomic_load(&r->pause_failed));
    SCENARIO_CHECK(r, s->hv->sched.cap == 0);
    SCENARIO_CHECK(r, !s->ts.marked[XLM__MARK_SLOWED]);
    SCENARIO_CHECK(r, !s->ts.marked[XLM__MARK_LIMITED]);
    if (!busy)
        SCENARIO_CHECK(r, !s->ts.marked[XLM__MARK_SENT]);
    SCENARIO_CHECK(r, s->hv->info.max_pages != 0);
}

static void check_destination_left(struct run *r)
{
    const struct side *s = &r->dst;

    SCENARIO_CHECK(r, !s->ts.locked);
    SCENARIO_CHECK(r, s->hv->nr_mapped == 0);
    SCENARIO_CHECK(r, s->ts.wrong == 0);
    if (destination_runs(r)) {
        SCENARIO_CHECK(r, s->hv->exists);
        SCENARIO_CHECK(r, s->rc || s->hv->info.paused == to_be_paused(r));
        SCENARIO_CHECK(r, s->rc || !s->hv->nr_pauses);
        SCENARIO_CHECK(r, s->ts.nr_xsnodes == 1);
        SCENARIO_CHECK(r, s->ts.dm_bytes == r->src.ts.dm.bytes);
        guest_check_memory(r);
    }
}

/* Only what the failing call itself kept from being removed may be left. */
static void check_nothing_left_at_destination(struct run *r)
{
    enum fake_dst dst = r->dst.ts.dst;

    if (destination_runs(r) || r->src.owner != XLM_OWNER_SOURCE)
        return;
    if (r->dst.ts.fail_op || fake_toolstack_count(&r->dst.ts, "restore_abort"))
        return;
    SCENARIO_CHECK(r, dst == FAKE_DST_NONE || dst == FAKE_DST_ABORTED);
    SCENARIO_CHECK(r, !r->dst.hv->exists);
}

static void check_undone(struct run *r)
{
    enum fake_dst dst = r->dst.ts.dst;

    if (fake_toolstack_count(&r->dst.ts, "restore_abort"))
        SCENARIO_CHECK(r, dst == FAKE_DST_NONE || dst == FAKE_DST_ABORTED ||
                              strstr(r->log, "restore_abort: made to fail"));
}

static void check_process(struct run *r, unsigned nr_fds, unsigned nr_threads)
{
    const struct timespec nap = { .tv_nsec = 1000000 };

    /* A joined thread may be seen for an instant still. */
    for (int ms = 0; ms < SETTLE_MS; ms++) {
        if (count_entries("/proc/self/task") == nr_threads)
            break;
        nanosleep(&nap, NULL);
    }
    SCENARIO_CHECK(r, count_entries("/proc/self/task") == nr_threads);
    SCENARIO_CHECK(r, count_entries("/proc/self/fd") == nr_fds);
}

static void check(struct run *r)
{
    SCENARIO_CHECK(r, final(r->src.state));
    SCENARIO_CHECK(r, final(r->dst.state));
    check_owner(r);
    check_source_left(r);
    check_destination_left(r);
    check_nothing_left_at_destination(r);
    check_undone(r);
    if (r->sc->rc != SCENARIO_ANY) {
        SCENARIO_CHECK(r, r->src.rc == r->sc->rc);
        SCENARIO_CHECK(r, r->src.owner == r->sc->owner);
        SCENARIO_CHECK(r, r->sc->rc || r->src.state == XLM_STATE_COMPLETED);
    }
    if (r->src.rc)
        SCENARIO_CHECK(r, r->src.error != 0 || r->src.rc == XLM_ERR_CLEANUP);
}

static void *do_nothing(void *arg)
{
    return arg;
}

/* Threads of a process at rest: what a sanitizer starts with the first thread
 * is not ours, and a joined thread may be seen for an instant still. */
static unsigned threads_at_rest(void)
{
    const struct timespec nap = { .tv_nsec = 1000000 };
    static unsigned least;
    pthread_t t;

    if (least)
        return least;
    if (pthread_create(&t, NULL, do_nothing, NULL))
        abort();
    pthread_join(t, NULL);
    for (int ms = 0; ms < 50; ms++) {
        unsigned n = count_entries("/proc/self/task");

        least = least && least < n ? least : n;
        nanosleep(&nap, NULL);
    }
    return least;
}

void scenario_run(const struct scenario *sc, const char *label, struct run *r)
{
    unsigned nr_fds, nr_threads;
    uint64_t began = xlm__clock_ns();

    memset(r, 0, sizeof(*r));
    r->sc = sc;
    r->label = label;
    r->channels = sc->channels ? sc->channels : 1;
    pthread_mutex_init(&r->guest, NULL);
    pthread_mutex_init(&r->log_lock, NULL);
    hosts_create(r);
    guest_boot(r);
    nr_threads = threads_at_rest();
    nr_fds = count_entries("/proc/self/fd");
    migrate(r);
    check(r);
    check_process(r, nr_fds, nr_threads);
    if (getenv("SCENARIO_LOG"))
        fprintf(
            stderr, "%s: %llu ms\n%s", label,
            (unsigned long long)((xlm__clock_ns() - began) / XLM__NS_PER_MS),
            r->log);
}

void scenario_free(struct run *r)
{
    hosts_free(r);
    free(r->at_suspend);
    pthread_mutex_destroy(&r->guest);
    pthread_mutex_destroy(&r->log_lock);
}

void scenario(const struct scenario *sc, const char *label)
{
    struct run *r = malloc(sizeof(*r));

    if (!r)
        abort();
    scenario_run(sc, label, r);
    scenario_free(r);
    free(r);
}
