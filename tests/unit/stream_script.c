/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "stream_script.h"

#include <string.h>

#define NR_PFNS SCRIPT_PFNS

/* ---- the records ---- */

static int send_offer_type(struct xlm__stream *s, uint32_t type, uint32_t flags)
{
    struct xlm__offer o = {
        .domid = 7,
        .domain_type = type,
        .nr_pfns = NR_PFNS,
        .memory_pages = 2048,
        .nr_data_channels = 1,
        .flags = flags,
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
    return send_offer_type(s, XLM__WIRE_HVM, 0);
}

static int offer_pvh(struct xlm__stream *s)
{
    return send_offer_type(s, XLM__WIRE_PVH, XLM__OFFER_PREBUILD);
}

static int offer_hvm_early(struct xlm__stream *s)
{
    return send_offer_type(s, XLM__WIRE_HVM, XLM__OFFER_PREBUILD);
}

static int offer_pv(struct xlm__stream *s)
{
    return send_offer_type(s, XLM__WIRE_PV, 0);
}

static int offer_pv_early(struct xlm__stream *s)
{
    return send_offer_type(s, XLM__WIRE_PV, XLM__OFFER_PREBUILD);
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

static int send_verdict(struct xlm__stream *s, uint32_t verdict, uint32_t flags)
{
    struct xlm__checked c = {
        .verdict = verdict,
        .xen_major = 4,
        .xen_minor = 20,
        .flags = flags,
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
    return send_verdict(s, XLM__VERDICT_OK, 0);
}

static int checked_prebuild(struct xlm__stream *s)
{
    return send_verdict(s, XLM__VERDICT_OK, XLM__CHECKED_PREBUILD);
}

static int checked_blocked(struct xlm__stream *s)
{
    return send_verdict(s, XLM__VERDICT_BLOCKED, 0);
}

static int build(struct xlm__stream *s)
{
    struct xlm__build b = { .flags = XLM__BUILD_LEAVE_PAUSED,
                            .port = XLM__PORT_TLS,
                            .port_low = 49152,
                            .port_high = 49215 };

    memset(b.key, 0x4b, sizeof(b.key));
    return xlm__send_build(s, &b);
}

static int built(struct xlm__stream *s)
{
    const struct xlm__built b = { .domid = 3,
                                  .port = 49152,
                                  .nr_addresses = 2,
                                  .addresses = { "10.0.0.2", "fd00::2" } };

    return xlm__send_built(s, &b);
}

static int build_no_port(struct xlm__stream *s)
{
    const struct xlm__build b = { .flags = 0 };

    return xlm__send_build(s, &b);
}

static int built_no_port(struct xlm__stream *s)
{
    const struct xlm__built b = { .domid = 3 };

    return xlm__send_built(s, &b);
}

static int build_plain(struct xlm__stream *s)
{
    const struct xlm__build b = { .port = XLM__PORT_PLAIN };

    return xlm__send_build(s, &b);
}

static int built_failed(struct xlm__stream *s)
{
    const struct xlm__built b = { .domid = 3, .why = "no port is free" };

    return xlm__send_built(s, &b);
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

EMPTY(prebuild, PREBUILD)

static int prebuild_pv(struct xlm__stream *s)
{
    const struct xlm__prebuild_rec p = { true, 0x11, 0x22 };

    return xlm__send_prebuild(s, &p);
}

EMPTY(prebuilt, PREBUILT)
EMPTY(tail_end, TAIL_END)
EMPTY(ready, READY)
EMPTY(permit, PERMIT)
EMPTY(commit, COMMIT)
EMPTY(aborted, ABORTED)
EMPTY(bye, BYE)
EMPTY(close_data, CLOSE)

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

#define RUNS                                                                   \
    S(PERMIT, permit), D(COMMIT, commit), D(RUNNING, running), D(BYE, bye),    \
        S(BYE, bye)

#define STATIC                                                                 \
    S(STATE, st_cpuid), S(STATE, st_msr), S(STATE, st_static_end),             \
        S(CHECK, check)

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

static const struct script_step hvm_early[] = {
    S(OFFER, offer_hvm_early),
    S(CONFIG, config),
    STATIC,
    D(CHECKED, checked_prebuild),
    S(BUILD, build),
    D(BUILT, built),
    S(STATE, st_tsc),
    S(STATE, st_hvm_context),
    S(STATE, st_hvm_params),
    S(PREBUILD, prebuild),
    D(PREBUILT, prebuilt),
    S(ROUND_BEGIN, begin_1f),
    S(ROUND_END, end_1f),
    S(STATE, st_tsc),
    S(STATE, st_hvm_context),
    S(STATE, st_hvm_params),
    S(DM_STATE, dm_state),
    S(TAIL_END, tail_end),
    D(ROUND_DONE, done_1f),
    D(READY, ready),
    RUNS,
};

static const struct script_step pvh[] = {
    S(OFFER, offer_pvh),
    S(CONFIG, config),
    STATIC,
    D(CHECKED, checked_prebuild),
    S(BUILD, build),
    D(BUILT, built),
    S(STATE, st_tsc),
    S(STATE, st_hvm_context),
    S(STATE, st_hvm_params),
    S(PREBUILD, prebuild),
    S(ROUND_BEGIN, begin_1),
    D(PREBUILT, prebuilt),
    S(ROUND_END, end_1),
    D(ROUND_DONE, done_1),
    S(ROUND_BEGIN, begin_2f),
    S(ROUND_END, end_2f),
    S(STATE, st_tsc),
    S(STATE, st_hvm_context),
    S(STATE, st_hvm_params),
    S(TAIL_END, tail_end),
    D(ROUND_DONE, done_2f),
    D(READY, ready),
    RUNS,
};

static const struct script_step compared[] = {
    S(OFFER, offer_hvm),
    S(CONFIG, config),
    STATIC,
    D(CHECKED, checked_ok),
    S(VERIFY, script_verify),
    S(BUILD, build_no_port),
    D(BUILT, built_no_port),
    S(ROUND_BEGIN, begin_1f),
    S(ROUND_END, end_1f),
    D(ROUND_DONE, done_1f),
    S(STATE, st_tsc),
    S(STATE, st_hvm_context),
    S(STATE, st_hvm_params),
    S(SPARED, script_spared),
    S(TAIL_END, tail_end),
    S(SUMS, script_sums),
    D(ASK, script_ask),
    S(HASHES, script_hashes),
    D(VERIFIED, script_verified),
    D(READY, ready),
    RUNS,
};

#define PV_STATIC                                                              \
    S(STATE, st_pv_info), S(STATE, st_cpuid), S(STATE, st_msr),                \
        S(STATE, st_static_end), S(STATE, st_p2m), S(CHECK, check)

static const struct script_step pv[] = {
    S(OFFER, offer_pv),
    S(CONFIG, config),
    PV_STATIC,
    D(CHECKED, checked_ok),
    S(BUILD, build_no_port),
    D(BUILT, built_no_port),
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

static const struct script_step pv_early[] = {
    S(OFFER, offer_pv_early),
    S(CONFIG, config),
    PV_STATIC,
    D(CHECKED, checked_prebuild),
    S(BUILD, build_no_port),
    D(BUILT, built_no_port),
    S(PREBUILD, prebuild_pv),
    D(PREBUILT, prebuilt),
    S(ROUND_BEGIN, begin_1f),
    S(ROUND_END, end_1f),
    D(ROUND_DONE, done_1f),
    S(STATE, st_tsc),
    S(STATE, st_shared),
    S(STATE, st_basic),
    S(TAIL_END, tail_end),
    D(READY, ready),
    RUNS,
};

static const struct script_step aborted_by_source[] = {
    S(OFFER, offer_hvm),
    S(CONFIG, config),
    S(STATE, st_cpuid),
    S(STATE, st_msr),
    S(CHECK, check),
    D(CHECKED, checked_ok),
    S(BUILD, build_plain),
    D(BUILT, built_failed),
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
    S(PAGES, script_pages_hvm),   S(ZEROS, script_zeros_hvm),
    S(PACKED, script_packed_lz4), S(MARK, mark),
    S(PAGES, script_pages_hvm_2), S(MARK, mark_final),
    S(CLOSE, close_data),
};

static const struct script_step data_pv[] = {
    S(PAGES, script_pages_pv), S(PACKED, script_packed_zstd),
    S(ZEROS, script_zeros_pv), S(MARK, mark_final),
    S(CLOSE, close_data),
};

static const struct script_step data_delta[] = {
    S(PAGES, script_pages_hvm),     S(MARK, mark),
    S(PACKED, script_packed_delta), S(MARK, mark_final),
    S(CLOSE, close_data),
};

static const struct script_step data_runs[] = {
    S(PAGES, script_pages_runs),   S(ZEROS, script_zeros_hvm),
    S(PACKED, script_packed_runs), S(MARK, mark_final),
    S(CLOSE, close_data),
};

#define STEPS(x) x, sizeof(x) / sizeof(x[0])
const struct script scripts[] = {
    { "control-hvm", XLM__KIND_CONTROL, NR_PFNS, false, STEPS(hvm), "hvm", 0 },
    { "control-hvm-early", XLM__KIND_CONTROL, NR_PFNS, false, STEPS(hvm_early),
      "hvm", XLM__FEATURE_PREBUILD_DM },
    { "control-pvh", XLM__KIND_CONTROL, NR_PFNS, false, STEPS(pvh), "pvh", 0 },
    { "control-pv", XLM__KIND_CONTROL, NR_PFNS, true, STEPS(pv), "pv", 0 },
    { "control-pv-early", XLM__KIND_CONTROL, NR_PFNS, true, STEPS(pv_early),
      "pv", XLM__FEATURE_PREBUILD_PV },
    { "control-abort", XLM__KIND_CONTROL, NR_PFNS, false,
      STEPS(aborted_by_source), "hvm", 0 },
    { "control-blocked", XLM__KIND_CONTROL, NR_PFNS, false, STEPS(blocked),
      "hvm", 0 },
    { "control-verify", XLM__KIND_CONTROL, NR_PFNS, false, STEPS(compared),
      "hvm", XLM__FEATURE_VERIFY },
    { "data-hvm", XLM__KIND_DATA, NR_PFNS, false, STEPS(data_hvm), "hvm", 0 },
    { "data-pv", XLM__KIND_DATA, NR_PFNS, true, STEPS(data_pv), "pv", 0 },
    { "data-delta", XLM__KIND_DATA, NR_PFNS, false, STEPS(data_delta), "hvm",
      XLM__FEATURE_DELTA },
    { "data-runs", XLM__KIND_DATA, NR_PFNS, false, STEPS(data_runs), "hvm",
      XLM__FEATURE_RUNS },
};
const size_t nr_scripts = sizeof(scripts) / sizeof(scripts[0]);
