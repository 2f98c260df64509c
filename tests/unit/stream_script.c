/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "stream_script.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/byteorder.h"
#include "util/crc32c.h"

#define NR_PFNS 0x1000u

/* ---- the records ---- */

static int send_offer_type(struct xlm__stream *s, uint32_t type)
{
    struct xlm__offer o = {
        .domid = 7,
        .domain_type = type,
        .nr_pfns = NR_PFNS,
        .memory_pages = 2048,
        .nr_data_channels = 1,
        .xen_major = 4,
        .xen_minor = 17,
        .name = "guest-\xc3\xa4",
        .hostname = "hosta.example",
        .xen_version = "4.17.7",
        .xlm_version = "0.1.0",
    };

    memset(o.uuid, 0x11, sizeof(o.uuid));
    memset(o.boot_id, 0x22, sizeof(o.boot_id));
    return xlm__send_offer(s, &o);
}

static int offer_hvm(struct xlm__stream *s)
{
    return send_offer_type(s, XLM__WIRE_HVM);
}

static int offer_pv(struct xlm__stream *s)
{
    return send_offer_type(s, XLM__WIRE_PV);
}

static int config(struct xlm__stream *s)
{
    return xlm__send_config(s, "{\"c_info\":{\"name\":\"guest\"}}");
}

static int check(struct xlm__stream *s)
{
    return xlm__send_empty(s, XLM__REC_CHECK);
}

static int finding_warn(struct xlm__stream *s)
{
    const struct xlm_finding f = { XLM_FINDING_WARN, "kernel-missing",
                                   "/boot/vmlinuz is not here", "copy it" };

    return xlm__send_finding(s, &f);
}

static int finding_block(struct xlm__stream *s)
{
    const struct xlm_finding f = { XLM_FINDING_BLOCK, "bridge-missing",
                                   "bridge br1 is not here", "" };

    return xlm__send_finding(s, &f);
}

static int send_verdict(struct xlm__stream *s, uint32_t verdict)
{
    struct xlm__checked c = {
        .verdict = verdict,
        .xen_major = 4,
        .xen_minor = 20,
        .free_pages = 123456,
        .hostname = "hostb.example",
        .xen_version = "4.20.3",
        .xlm_version = "0.1.0",
    };

    memset(c.boot_id, 0x33, sizeof(c.boot_id));
    return xlm__send_checked(s, &c);
}

static int checked_ok(struct xlm__stream *s)
{
    return send_verdict(s, XLM__VERDICT_OK);
}

static int checked_blocked(struct xlm__stream *s)
{
    return send_verdict(s, XLM__VERDICT_BLOCKED);
}

static int build(struct xlm__stream *s)
{
    return xlm__send_build(s, XLM__BUILD_LEAVE_PAUSED);
}

static int built(struct xlm__stream *s)
{
    return xlm__send_built(s, 3);
}

static int ping(struct xlm__stream *s)
{
    return xlm__send_ping(s, 1000);
}

static int pong(struct xlm__stream *s)
{
    const struct xlm__clock c = { 1000, 2000, 2010 };

    return xlm__send_pong(s, &c);
}

#define STATE(name, type, text)                                                \
    static int name(struct xlm__stream *s)                                     \
    {                                                                          \
        return xlm__send_state(s, type, text, sizeof(text) - 1);               \
    }

STATE(st_pv_info, 0x02, "\x08\x04\0\0\0\0\0\0")
STATE(st_cpuid, 0x11, "cpuid policy")
STATE(st_msr, 0x12, "msr policy")
STATE(st_static_end, 0x10, "")
STATE(st_p2m, 0x03, "p2m frames of the guest")
STATE(st_tsc, 0x08, "tsc info")
STATE(st_shared, 0x07, "shared info")
STATE(st_basic, 0x04, "vcpu basic")
STATE(st_ext, 0x05, "vcpu extended")
STATE(st_xsave, 0x06, "vcpu xsave")
STATE(st_msrs, 0x0c, "vcpu msrs")
STATE(st_hvm_context, 0x09, "hvm context")
STATE(st_hvm_params, 0x0a, "hvm params")

static int send_round(struct xlm__stream *s, uint32_t type, uint32_t round,
                      bool final, uint64_t pages, uint64_t zero_pages)
{
    const struct xlm__round r = { round, final ? XLM__ROUND_FINAL : 0, pages,
                                  zero_pages };

    return xlm__send_round(s, (enum xlm__rec_type)type, &r);
}

#define ROUND(name, type, round, final, pages, zero_pages)                     \
    static int name(struct xlm__stream *s)                                     \
    {                                                                          \
        return send_round(s, XLM__REC_##type, round, final, pages,             \
                          zero_pages);                                         \
    }

ROUND(begin_1, ROUND_BEGIN, 1, false, 0, 0)
ROUND(end_1, ROUND_END, 1, false, 2, 9)
ROUND(done_1, ROUND_DONE, 1, false, 2, 9)
ROUND(begin_2f, ROUND_BEGIN, 2, true, 0, 0)
ROUND(end_2f, ROUND_END, 2, true, 1, 0)
ROUND(done_2f, ROUND_DONE, 2, true, 1, 0)
ROUND(begin_1f, ROUND_BEGIN, 1, true, 0, 0)
ROUND(end_1f, ROUND_END, 1, true, 5, 1)
ROUND(done_1f, ROUND_DONE, 1, true, 5, 1)

static int release(struct xlm__stream *s)
{
    const struct xlm__extent e[] = { { 5, 2, 0 }, { 0x800, 0x800, 0 } };

    return xlm__send_release(s, 2, e);
}

static int dm_state(struct xlm__stream *s)
{
    return xlm__send_dm_state(s, "QEVM state", 10);
}

static int xenstore(struct xlm__stream *s)
{
    const struct xlm__node_ref n[] = {
        { "data", "n@self", "", 0 },
        { "data/key", "n@self,r0", "a\0b", 3 },
        { "control/feature-suspend", "n0,b@self", "1", 1 },
    };

    return xlm__send_xenstore(s, 3, n);
}

static int running(struct xlm__stream *s)
{
    const struct xlm__running r = { 5000, 3, XLM__RUNNING_PAUSED };

    return xlm__send_running(s, &r);
}

static int not_running(struct xlm__stream *s)
{
    return xlm__send_not_running(s, "xl: could not unpause");
}

static int guest_gap(struct xlm__stream *s)
{
    return xlm__send_guest_gap(s, 250000);
}

static int abort_cancelled(struct xlm__stream *s)
{
    return xlm__send_abort(s, XLM_ERR_CANCELLED, "cancelled by the operator");
}

#define EMPTY(name, type)                                                      \
    static int name(struct xlm__stream *s)                                     \
    {                                                                          \
        return xlm__send_empty(s, XLM__REC_##type);                            \
    }

EMPTY(tail_end, TAIL_END)
EMPTY(ready, READY)
EMPTY(permit, PERMIT)
EMPTY(commit, COMMIT)
EMPTY(aborted, ABORTED)
EMPTY(bye, BYE)
EMPTY(close_data, CLOSE)

static uint8_t page_bytes[3][XLM__PAGE_BYTES];

static const void *page(unsigned i)
{
    memset(page_bytes[i], 'A' + (int)i, XLM__PAGE_BYTES);
    return page_bytes[i];
}

static int pages_hvm(struct xlm__stream *s)
{
    const uint64_t pfns[] = { 1, 0xfff };
    const uint32_t types[] = { 0, 0 };
    const void *contents[] = { page(0), page(1) };
    const struct xlm__pages_out p = { 2, pfns, types, contents };

    return xlm__send_pages(s, &p);
}

static int pages_hvm_2(struct xlm__stream *s)
{
    const uint64_t pfns[] = { 1 };
    const uint32_t types[] = { 0 };
    const void *contents[] = { page(2) };
    const struct xlm__pages_out p = { 1, pfns, types, contents };

    return xlm__send_pages(s, &p);
}

static int zeros_hvm(struct xlm__stream *s)
{
    const struct xlm__extent e[] = { { 2, 1, 0 }, { 0x10, 8, 0 } };

    return xlm__send_zeros(s, 2, e);
}

static int pages_pv(struct xlm__stream *s)
{
    const uint64_t pfns[] = { 0, 1, 2, 3, 9 };
    const uint32_t types[] = { 0, 0xc0000000u, 0xf0000000u, 0xd0000000u,
                               0x10000000u };
    const void *contents[] = { page(0), page(1), NULL, NULL, page(2) };
    const struct xlm__pages_out p = { 5, pfns, types, contents };

    return xlm__send_pages(s, &p);
}

static int zeros_pv(struct xlm__stream *s)
{
    const struct xlm__extent e[] = { { 4, 1, 0x10000000u } };

    return xlm__send_zeros(s, 1, e);
}

static int mark(struct xlm__stream *s)
{
    return xlm__send_mark(s, false, NULL);
}

static int mark_final(struct xlm__stream *s)
{
    return xlm__send_mark(s, true, NULL);
}

/* ---- the conversations ---- */

#define S(type, fn)                                                            \
    {                                                                          \
        XLM_SOURCE, XLM__REC_##type, fn                                        \
    }
#define D(type, fn)                                                            \
    {                                                                          \
        XLM_DESTINATION, XLM__REC_##type, fn                                   \
    }

static const struct script_step hvm[] = {
    S(OFFER, offer_hvm),
    S(CONFIG, config),
    S(STATE, st_cpuid),
    S(STATE, st_msr),
    S(CHECK, check),
    D(FINDING, finding_warn),
    D(CHECKED, checked_ok),
    S(BUILD, build),
    D(BUILT, built),
    S(STATE, st_static_end),
    S(CLOCK_PING, ping),
    D(CLOCK_PONG, pong),
    S(ROUND_BEGIN, begin_1),
    S(ROUND_END, end_1),
    D(ROUND_DONE, done_1),
    S(ROUND_BEGIN, begin_2f),
    S(RELEASE, release),
    S(ROUND_END, end_2f),
    S(STATE, st_tsc),
    S(STATE, st_hvm_context),
    S(STATE, st_hvm_params),
    S(DM_STATE, dm_state),
    S(XENSTORE, xenstore),
    S(TAIL_END, tail_end),
    D(ROUND_DONE, done_2f),
    D(READY, ready),
    S(PERMIT, permit),
    D(COMMIT, commit),
    D(RUNNING, running),
    D(GUEST_GAP, guest_gap),
    D(BYE, bye),
    S(BYE, bye),
};

static const struct script_step pv[] = {
    S(OFFER, offer_pv),
    S(CONFIG, config),
    S(STATE, st_pv_info),
    S(STATE, st_cpuid),
    S(STATE, st_msr),
    S(STATE, st_static_end),
    S(STATE, st_p2m),
    S(CHECK, check),
    D(CHECKED, checked_ok),
    S(BUILD, build),
    D(BUILT, built),
    S(ROUND_BEGIN, begin_1f),
    S(ROUND_END, end_1f),
    D(ROUND_DONE, done_1f),
    S(STATE, st_tsc),
    S(STATE, st_shared),
    S(STATE, st_basic),
    S(STATE, st_ext),
    S(STATE, st_xsave),
    S(STATE, st_msrs),
    S(TAIL_END, tail_end),
    D(READY, ready),
    S(PERMIT, permit),
    D(COMMIT, commit),
    D(NOT_RUNNING, not_running),
    S(BYE, bye),
    D(BYE, bye),
};

static const struct script_step aborted_by_source[] = {
    S(OFFER, offer_hvm),
    S(CONFIG, config),
    S(STATE, st_cpuid),
    S(STATE, st_msr),
    S(CHECK, check),
    D(CHECKED, checked_ok),
    S(BUILD, build),
    D(BUILT, built),
    S(STATE, st_static_end),
    S(ROUND_BEGIN, begin_1),
    S(ABORT, abort_cancelled),
    D(ABORTED, aborted),
    D(BYE, bye),
    S(BYE, bye),
};

static const struct script_step blocked[] = {
    S(OFFER, offer_hvm),
    S(CONFIG, config),
    S(STATE, st_cpuid),
    S(STATE, st_msr),
    S(CHECK, check),
    D(FINDING, finding_warn),
    D(FINDING, finding_block),
    D(CHECKED, checked_blocked),
    S(BYE, bye),
    D(BYE, bye),
};

static const struct script_step data_hvm[] = {
    S(PAGES, pages_hvm),   S(ZEROS, zeros_hvm), S(MARK, mark),
    S(PAGES, pages_hvm_2), S(MARK, mark_final), S(CLOSE, close_data),
};

static const struct script_step data_pv[] = {
    S(PAGES, pages_pv),
    S(ZEROS, zeros_pv),
    S(MARK, mark_final),
    S(CLOSE, close_data),
};

#define STEPS(x) x, sizeof(x) / sizeof(x[0])
const struct script scripts[] = {
    { "control-hvm", XLM__KIND_CONTROL, NR_PFNS, false, STEPS(hvm), "hvm" },
    { "control-pv", XLM__KIND_CONTROL, NR_PFNS, true, STEPS(pv), "pv" },
    { "control-abort", XLM__KIND_CONTROL, NR_PFNS, false,
      STEPS(aborted_by_source), "hvm" },
    { "control-blocked", XLM__KIND_CONTROL, NR_PFNS, false, STEPS(blocked),
      "hvm" },
    { "data-hvm", XLM__KIND_DATA, NR_PFNS, false, STEPS(data_hvm), "hvm" },
    { "data-pv", XLM__KIND_DATA, NR_PFNS, true, STEPS(data_pv), "pv" },
};
const size_t nr_scripts = sizeof(scripts) / sizeof(scripts[0]);

const struct script *script_find(const char *name)
{
    for (size_t i = 0; i < nr_scripts; i++)
        if (!strcmp(scripts[i].name, name))
            return &scripts[i];
    return NULL;
}

/* ---- running them ---- */

void bytes_free(struct bytes *b)
{
    free(b->data);
    b->data = NULL;
    b->nr = 0;
}

int bytes_fd(const uint8_t *data, size_t nr)
{
    int fd = memfd_create("bytes", MFD_CLOEXEC);

    if (fd >= 0 && nr && pwrite(fd, data, nr, 0) != (ssize_t)nr) {
        close(fd);
        fd = -1;
    }
    return fd;
}

static int bytes_load(int fd, struct bytes *out)
{
    struct stat st;

    if (fstat(fd, &st) < 0)
        return -1;
    out->nr = (size_t)st.st_size;
    out->data = malloc(out->nr + 1);
    return pread(fd, out->data, out->nr, 0) == (ssize_t)out->nr ? 0 : -1;
}

/* The same file with a position of its own. */
static int reopen(int fd)
{
    char path[64];

    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    return open(path, O_RDWR | O_CLOEXEC);
}

struct end {
    struct xlm__errslot err;
    struct xlm__chan chan;
    struct xlm__flow flow;
    struct xlm__stream stream;
    unsigned failures;
};

static void count_failure(void *user, enum xlm_log_level level,
                          const char *module, const char *message)
{
    (void)module;
    (void)message;
    *(unsigned *)user += level == XLM_LOG_ERROR;
}

static int end_open(struct end *e, const struct script *sc, enum xlm_role role,
                    int rfd, int wfd)
{
    int rc;

    memset(e, 0, sizeof(*e));
    xlm__errslot_init(&e->err, count_failure, &e->failures, XLM_LOG_ERROR);
    rc = xlm__chan_init(&e->chan, &e->err, rfd, wfd, -1, sc->name);
    if (!rc)
        rc = xlm__flow_init(&e->flow, &e->err, role);
    if (!rc && sc->kind == XLM__KIND_CONTROL)
        rc = xlm__stream_init_control(&e->stream, &e->chan, role, &e->flow);
    else if (!rc)
        rc = xlm__stream_init_data(&e->stream, &e->chan, role);
    xlm__stream_limits(&e->stream, sc->nr_pfns, sc->pv);
    return rc;
}

static void end_close(struct end *e)
{
    xlm__stream_fini(&e->stream);
    xlm__flow_destroy(&e->flow);
    xlm__chan_close(&e->chan);
    xlm__errslot_destroy(&e->err);
}

static struct xlm__greeting script_greeting(const struct script *sc,
                                            enum xlm_role role)
{
    struct xlm__greeting g;

    xlm__greeting_init(&g, sc->kind, role, 0);
    memset(g.session, 0x44, sizeof(g.session));
    if (role == XLM_SOURCE)
        memset(g.token, 0x55, sizeof(g.token));
    return g;
}

static int read_next(struct end *e)
{
    struct xlm__rec r;
    int rc = xlm__stream_read(&e->stream, &r);

    if (!rc && r.type == XLM__REC_PAGES)
        rc = xlm__stream_skip_contents(&e->stream, &r);
    return rc;
}

int script_run(const struct script *sc, struct bytes *source_out,
               struct bytes *destination_out)
{
    struct end s, d;
    struct xlm__greeting g;
    uint8_t greeting[XLM__GREETING_BYTES];
    int from_s = bytes_fd(NULL, 0), from_d = bytes_fd(NULL, 0);
    int rc;

    rc = end_open(&s, sc, XLM_SOURCE, reopen(from_d), from_s);
    if (!rc)
        rc = end_open(&d, sc, XLM_DESTINATION, reopen(from_s), from_d);
    if (rc)
        return rc;
    g = script_greeting(sc, XLM_SOURCE);
    xlm__greeting_encode(&g, greeting);
    rc = xlm__chan_write(&s.chan, greeting, sizeof(greeting));
    g = script_greeting(sc, XLM_DESTINATION);
    xlm__greeting_encode(&g, greeting);
    if (!rc)
        rc = xlm__chan_write(&d.chan, greeting, sizeof(greeting));
    if (!rc)
        rc = xlm__greeting_read(&s.chan, greeting);
    if (!rc)
        rc = xlm__greeting_read(&d.chan, greeting);
    for (size_t i = 0; !rc && i < sc->nr_steps; i++) {
        bool by_s = sc->steps[i].by == XLM_SOURCE;

        rc = sc->steps[i].send(by_s ? &s.stream : &d.stream);
        if (!rc)
            rc = read_next(by_s ? &d : &s);
        if (rc)
            fprintf(stderr, "%s step %zu: %s%s\n", sc->name, i, s.err.text,
                    d.err.text);
    }
    if (!rc)
        rc = bytes_load(from_s, source_out);
    if (!rc)
        rc = bytes_load(from_d, destination_out);
    end_close(&s);
    end_close(&d);
    return rc;
}

static int read_greeting(struct end *e, const struct script *sc,
                         enum xlm_role by)
{
    struct xlm__greeting theirs, mine;
    struct xlm__agreement agreed;
    uint8_t bytes[XLM__GREETING_BYTES];
    char why[XLM_MESSAGE_MAX];
    int rc = xlm__greeting_read(&e->chan, bytes);

    if (rc)
        return rc;
    rc = xlm__greeting_decode(bytes, &theirs, why);
    mine = script_greeting(sc, by == XLM_SOURCE ? XLM_DESTINATION : XLM_SOURCE);
    if (!rc)
        rc = xlm__greeting_agree(&mine, &theirs, &agreed, why);
    if (rc)
        rc = xlm__fail(&e->err, "test", rc, 0, "%s", why);
    return rc;
}

static int read_end(struct end *e)
{
    uint8_t byte;
    size_t got;
    int rc = xlm__chan_read_some(&e->chan, &byte, 1, &got);

    if (!rc && got)
        rc = xlm__fail(&e->err, "test", XLM_ERR_STREAM, 0,
                       "bytes after the last record");
    return rc;
}

int script_read(const struct script *sc, enum xlm_role by, const uint8_t *data,
                size_t nr, char text[XLM_MESSAGE_MAX], unsigned *failures)
{
    struct end e;
    int rc = end_open(&e, sc, by == XLM_SOURCE ? XLM_DESTINATION : XLM_SOURCE,
                      bytes_fd(data, nr), open("/dev/null", O_WRONLY));

    if (!rc)
        rc = read_greeting(&e, sc, by);
    for (size_t i = 0; !rc && i < sc->nr_steps; i++)
        rc = sc->steps[i].by == by ? read_next(&e)
                                   : sc->steps[i].send(&e.stream);
    if (!rc && (sc->kind == XLM__KIND_CONTROL || by == XLM_SOURCE))
        rc = read_end(&e);
    xlm__errslot_read(&e.err, text);
    *failures = e.failures;
    end_close(&e);
    return rc;
}

/* ---- changing them ---- */

static size_t record_bytes(const struct bytes *b, size_t at)
{
    return 16 + ((xlm__get_le32(b->data + at + 4) + 7) & ~(size_t)7);
}

size_t record_at(const struct bytes *b, unsigned i)
{
    size_t at = XLM__GREETING_BYTES;

    while (at < b->nr && i--)
        at += record_bytes(b, at);
    return at < b->nr ? at : 0;
}

size_t record_of(const struct bytes *b, uint32_t type)
{
    for (unsigned i = 0; record_at(b, i); i++)
        if (xlm__get_le32(b->data + record_at(b, i)) == type)
            return record_at(b, i);
    return 0;
}

void record_fix(struct bytes *b, size_t at)
{
    uint8_t *h = b->data + at;
    uint32_t bytes = xlm__get_le32(h + 4);
    uint32_t crc = xlm__crc32c(0, h, 12);

    if (xlm__get_le32(h) == XLM__REC_PAGES)
        bytes = 8 + 8 * xlm__get_le32(h + 20);
    if (at + 16 + bytes > b->nr)
        bytes = (uint32_t)(b->nr - at - 16);
    xlm__put_le32(h + 12, xlm__crc32c(crc, h + 16, bytes));
}
