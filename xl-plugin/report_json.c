/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "json.h"
#include "options.h"
#include "report.h"

static void put_error(yajl_gen g, const struct outcome *o)
{
    put_text(g, "error");
    if (!o->code && !o->worker_killed) {
        yajl_gen_null(g);
        return;
    }
    yajl_gen_map_open(g);
    put_key_text(g, "name",
                 o->worker_killed ? "WORKER_KILLED" : error_name(o->code));
    put_text(g, "code");
    yajl_gen_integer(g, o->code);
    put_text(g, "errno");
    yajl_gen_integer(g, o->sys_errno);
    put_key_text(g, "state", xlm_state_name(o->error_state));
    put_key_text(g, "message", o->message);
    yajl_gen_map_close(g);
}

static void put_findings(yajl_gen g, const struct findings *f)
{
    put_text(g, "findings");
    yajl_gen_array_open(g);
    for (size_t i = 0; f && i < f->nr; i++) {
        yajl_gen_map_open(g);
        put_key_text(g, "severity", severity_name(f->list[i].severity));
        put_key_text(g, "code", f->list[i].code);
        put_key_text(g, "message", f->list[i].message);
        put_key_text(g, "advice", f->list[i].advice);
        yajl_gen_map_close(g);
    }
    yajl_gen_array_close(g);
}

/* Every counter under its name in libxlm.h, so that units are in the key. */
#define STATS_MAP(X)                                                           \
    X(round)                                                                   \
    X(channels)                                                                \
    X(live)                                                                    \
    X(prebuilt)                                                                \
    X(scan_us)                                                                 \
    X(throttle_steps)                                                          \
    X(throttle_percent)                                                        \
    X(reconnects)                                                              \
    X(control_reconnects)                                                      \
    X(resent_pages)                                                            \
    X(lost_us)                                                                 \
    X(throttle_us)                                                             \
    X(elapsed_us)                                                              \
    X(memory_pages)                                                            \
    X(sent_pages)                                                              \
    X(zero_pages)                                                              \
    X(wire_bytes)                                                              \
    X(raw_bytes)                                                               \
    X(packed_bytes)                                                            \
    X(delta_pages)                                                             \
    X(dirty_rate_pages_s)                                                      \
    X(bandwidth_bytes_s)                                                       \
    X(predicted_blackout_us)                                                   \
    X(blackout_us)                                                             \
    X(clock_error_us)                                                          \
    X(guest_gap_us)                                                            \
    X(suspend_us)                                                              \
    X(last_round_us)                                                           \
    X(rebuild_us)                                                              \
    X(start_us)                                                                \
    X(verified)                                                                \
    X(verified_pages)                                                          \
    X(verify_spared_pages)                                                     \
    X(verify_us)

static void put_stats(yajl_gen g, const struct xlm_stats *s)
{
    put_text(g, "stats");
    if (!s->size) {
        yajl_gen_null(g);
        return;
    }
    yajl_gen_map_open(g);
    put_key_text(g, "dirty",
                 s->dirty < LM_DIRTY_COUNT ? lm_dirty_words[s->dirty] : NULL);
    put_key_text(g, "on_slow",
                 s->on_slow < LM_SLOW_COUNT ? lm_slow_words[s->on_slow] : NULL);
#define PUT_STAT(field) put_key_number(g, #field, s->field);
    STATS_MAP(PUT_STAT)
#undef PUT_STAT
    yajl_gen_map_close(g);
}

static void put_estimate(yajl_gen g, const struct xlm_stats *s)
{
    put_text(g, "estimate");
    if (!s->size || !s->estimated) {
        yajl_gen_null(g);
        return;
    }
    yajl_gen_map_open(g);
    put_key_number(g, "total_us", s->estimated_total_us);
    put_key_number(g, "pause_us", s->estimated_pause_us);
    put_key_number(g, "rounds", s->estimated_rounds);
    put_key_number(g, "wire_bytes", s->estimated_wire_bytes);
    put_key_number(g, "throttle_percent", s->estimated_cap_percent);
    yajl_gen_map_close(g);
}

static void put_outcome(yajl_gen g, const struct outcome *o)
{
    char where[2048];

    outcome_where(o, where, sizeof(where));
    yajl_gen_map_open(g);
    put_key_text(g, "result", outcome_word(o));
    put_key_number(g, "exit_code", outcome_exit(o));
    put_key_text(g, "domain", o->name);
    put_key_number(g, "domid", o->domid);
    put_key_text(g, "source", o->here);
    put_key_text(g, "destination", o->there);
    put_key_text(g, "owner", owner_name(o->owner));
    put_key_bool(g, "dry_run", o->dry_run);
    put_key_text(g, "where", o->dry_run || o->estimate ? NULL : where);
    put_error(g, o);
    put_findings(g, o->findings);
    put_stats(g, &o->stats);
    put_estimate(g, &o->stats);
    put_key_text(g, "log", o->log_path);
    yajl_gen_map_close(g);
}

bool report_json(FILE *f, const struct outcome *o)
{
    yajl_gen g = yajl_gen_alloc(NULL);
    const unsigned char *text;
    size_t bytes;
    bool ok = false;

    if (!g)
        return false;
    yajl_gen_config(g, yajl_gen_beautify, 1);
    put_outcome(g, o);
    /* An error on the way, out of memory say, left the text incomplete; then
     * get_buf() fails or the last map is not closed. */
    if (yajl_gen_get_buf(g, &text, &bytes) == yajl_gen_status_ok && bytes &&
        text[bytes - 1] == '\n')
        ok = fwrite(text, 1, bytes, f) == bytes && !fflush(f);
    yajl_gen_free(g);
    return ok;
}
