/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "report.h"

#include <inttypes.h>

#include "progress.h"

void report_finding(struct console *con, const struct xlm_finding *f)
{
    bool advice = f->advice && *f->advice;

    console_line(con, "%s: %s%s%s", severity_name(f->severity), f->message,
                 advice ? " -> " : "", advice ? f->advice : "");
}

static void report_pause(struct console *con, const struct xlm_stats *s)
{
    char pause[UNIT_MAX], error[UNIT_MAX], predicted[UNIT_MAX];
    char suspend[UNIT_MAX], last[UNIT_MAX], rebuild[UNIT_MAX], start[UNIT_MAX];

    if (!s->blackout_us) {
        console_line(con, "pause: not measured, predicted %s",
                     format_seconds(s->predicted_blackout_us, predicted));
        return;
    }
    console_line(con,
                 "pause: %s +- %s, predicted %s (suspend %s, last round %s, "
                 "%s %s, start %s)",
                 format_seconds(s->blackout_us, pause),
                 format_seconds(s->clock_error_us, error),
                 format_seconds(s->predicted_blackout_us, predicted),
                 format_seconds(s->suspend_us, suspend),
                 format_seconds(s->last_round_us, last),
                 s->prebuilt ? "context" : "rebuild",
                 format_seconds(s->rebuild_us, rebuild),
                 format_seconds(s->start_us, start));
}

/* ", compressed 3.1 : 1", or nothing. */
static const char *format_ratio(const struct xlm_stats *s, char out[UNIT_MAX])
{
    out[0] = '\0';
    /* Less is no news. */
    if (s->packed_bytes && s->packed_bytes / 20 < s->raw_bytes / 21)
        snprintf(out, UNIT_MAX, ", compressed %.1f : 1",
                 (double)s->raw_bytes / (double)s->packed_bytes);
    return out;
}

static const char *way_text(const struct xlm_stats *s)
{
    if (s->dirty == XLM_DIRTY_SCAN)
        return "live, by content scan";
    return s->live ? "live" : "suspended while copied";
}

void report_figures(struct console *con, const struct outcome *o)
{
    const struct xlm_stats *s = &o->stats;
    char wire[UNIT_MAX], gap[UNIT_MAX], total[UNIT_MAX], ratio[UNIT_MAX];
    char slow[UNIT_MAX], lost[UNIT_MAX], verify[UNIT_MAX];

    if (!s->size)
        return;
    console_line(con,
                 "%s: moved to %s in %s, %s: %u round%s, %s on the wire, "
                 "%" PRIu64 " pages, %" PRIu64 " of them zero%s",
                 o->name, o->there, format_seconds(s->elapsed_us, total),
                 way_text(s), s->round, s->round == 1 ? "" : "s",
                 format_bytes(s->wire_bytes, wire), s->sent_pages,
                 s->zero_pages, format_ratio(s, ratio));
    report_pause(con, s);
    if (s->reconnects)
        console_line(con,
                     "data channels broke and came back %u time%s, after %s "
                     "in all; %" PRIu64 " pages were sent again",
                     s->reconnects, s->reconnects == 1 ? "" : "s",
                     format_seconds(s->lost_us, lost), s->resent_pages);
    if (s->control_reconnects)
        console_line(con, "the control channel broke and came back %u time%s",
                     s->control_reconnects,
                     s->control_reconnects == 1 ? "" : "s");
    if (s->verified)
        console_line(con,
                     "verified: %" PRIu64 " pages are the same, %" PRIu64
                     " that others write to were left out, %s of the pause",
                     s->verified_pages, s->verify_spared_pages,
                     format_seconds(s->verify_us, verify));
    if (s->throttle_steps)
        console_line(
            con,
            "it wrote too fast for a goal: slowed down in %u step%s to "
            "%u %% of a CPU, for %s; it has its cap back",
            s->throttle_steps, s->throttle_steps == 1 ? "" : "s",
            s->throttle_percent, format_seconds(s->throttle_us, slow));
    if (s->on_slow == XLM_SLOW_SWITCH)
        console_line(con, "it wrote too fast for a goal, and was switched over "
                          "all the same, as chosen");
    if (s->guest_gap_us)
        console_line(con, "longest gap by the guest's own clock: %s",
                     format_seconds(s->guest_gap_us, gap));
}

static void report_estimate(struct console *con, const struct outcome *o)
{
    const struct xlm_stats *s = &o->stats;
    char total[UNIT_MAX], pause[UNIT_MAX], wire[UNIT_MAX], rate[UNIT_MAX];

    if (!s->size || !s->estimated)
        return;
    console_line(con,
                 "estimate%s: %s at %s in about %s and the time to build its "
                 "devices there: %u round%s, %s on the wire, pause %s",
                 o->code ? " without goals" : "", o->name, o->there,
                 format_seconds(s->estimated_total_us, total),
                 s->estimated_rounds, s->estimated_rounds == 1 ? "" : "s",
                 format_bytes(s->estimated_wire_bytes, wire),
                 format_seconds(s->estimated_pause_us, pause));
    console_line(con, "sampled: %s/s, %" PRIu64 " pages/s written",
                 format_bytes(s->bandwidth_bytes_s, rate),
                 s->dirty_rate_pages_s);
    if (s->estimated_cap_percent)
        console_line(con, "it would be slowed down to %u %% of a CPU",
                     s->estimated_cap_percent);
}

static void report_verdict(struct console *con, const struct outcome *o)
{
    size_t n = o->findings ? o->findings->nr_blocking : 0;

    if (!o->code)
        console_line(con, "%s can be moved to %s", o->name, o->there);
    else if (n)
        console_line(con, "%s cannot be moved to %s: %zu blocker%s", o->name,
                     o->there, n, n == 1 ? "" : "s");
    else
        console_line(con, "%s cannot be moved to %s: %s", o->name, o->there,
                     o->message);
}

static bool exit_needs_recover(enum lm_exit e)
{
    return e == LM_EXIT_UNDECIDED || e == LM_EXIT_CLEANUP;
}

static void report_failure(struct console *con, const struct outcome *o)
{
    char what[1024], where[2048];

    outcome_what(o, what, sizeof(what));
    outcome_where(o, where, sizeof(where));
    /* Not behind a command that a person copies from the end of the line. */
    if (exit_needs_recover(outcome_exit(o)))
        console_line(con, "xl lmigrate: %s: %s%s%s; %s", o->name, what,
                     o->log_path ? "; log: " : "",
                     o->log_path ? o->log_path : "", where);
    else
        console_line(con, "xl lmigrate: %s: %s; %s%s%s", o->name, what, where,
                     o->log_path ? "; log: " : "",
                     o->log_path ? o->log_path : "");
}

void report_person(struct console *con, const struct outcome *o)
{
    enum lm_exit e = outcome_exit(o);

    console_live(con, "");
    if ((o->dry_run || o->estimate) && !o->worker_killed) {
        report_estimate(con, o);
        report_verdict(con, o);
        return;
    }
    if (e == LM_EXIT_MOVED || (e == LM_EXIT_CLEANUP && !outcome_unheard(o)))
        report_figures(con, o);
    if (e != LM_EXIT_MOVED)
        report_failure(con, o);
}
