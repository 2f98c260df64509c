/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "progress.h"

#include <inttypes.h>
#include <stdio.h>

#define PAGE_BYTES    UINT64_C(4096)
#define REDRAW_US     200000 /* five times a second is as much as is read */
#define RATE_AFTER_US 300000 /* below, a rate is noise                    */

const char *format_bytes(uint64_t n, char out[UNIT_MAX])
{
    static const char *const units[] = { "KiB", "MiB", "GiB", "TiB" };
    double v = (double)n / 1024;
    size_t i = 0;

    if (n < 1024) {
        snprintf(out, UNIT_MAX, "%" PRIu64 " B", n);
        return out;
    }
    for (; v >= 1024 && i < 3; i++)
        v /= 1024;
    snprintf(out, UNIT_MAX, "%.1f %s", v, units[i]);
    return out;
}

const char *format_seconds(uint64_t us, char out[UNIT_MAX])
{
    if (us < 10000000)
        snprintf(out, UNIT_MAX, "%.3f s", (double)us / 1e6);
    else
        snprintf(out, UNIT_MAX, "%.1f s", (double)us / 1e6);
    return out;
}

static uint64_t pages_left(const struct xlm_stats *s)
{
    return s->round_pages > s->round_sent_pages
               ? s->round_pages - s->round_sent_pages
               : 0;
}

/* Of this round once it tells something, else of the last one. */
static uint64_t bytes_per_s(const struct progress *p, const struct xlm_stats *s)
{
    uint64_t us = s->elapsed_us - p->round_start_us;

    if (p->round == s->round && us >= RATE_AFTER_US)
        return (uint64_t)((double)(s->round_sent_pages * PAGE_BYTES) * 1e6 /
                          (double)us);
    return s->bandwidth_bytes_s;
}

static const char *format_eta(uint64_t left_pages, uint64_t rate,
                              uint64_t pause_us, char out[UNIT_MAX])
{
    if (!rate)
        snprintf(out, UNIT_MAX, "?");
    else
        snprintf(out, UNIT_MAX, "%" PRIu64 " s",
                 left_pages * PAGE_BYTES / rate +
                     (pause_us + 999999) / 1000000);
    return out;
}

/* " at 34 % CPU", or nothing. */
static const char *format_cap(const struct xlm_stats *s, char out[UNIT_MAX])
{
    out[0] = '\0';
    if (s->cap_percent)
        snprintf(out, UNIT_MAX, " at %u %% CPU", s->cap_percent);
    return out;
}

#define LOST_MAX 40

/* ", 2 connections lost", or nothing. */
static const char *format_lost(const struct xlm_stats *s, char out[LOST_MAX])
{
    const unsigned lost = s->lost_channels + s->control_lost;

    out[0] = '\0';
    if (lost)
        snprintf(out, LOST_MAX, ", %u connection%s lost", lost,
                 lost == 1 ? "" : "s");
    return out;
}

void progress_format_live(const struct progress *p, enum xlm_state state,
                          const struct xlm_stats *s, char *out, size_t bytes)
{
    char rate[UNIT_MAX], pause[UNIT_MAX], eta[UNIT_MAX], cap[UNIT_MAX];
    char lost[LOST_MAX];
    uint64_t left = pages_left(s), speed = bytes_per_s(p, s);
    unsigned percent = s->round_pages ? (unsigned)((s->round_pages - left) *
                                                   100 / s->round_pages)
                                      : 100;

    if (state < XLM_STATE_PRECOPY) {
        snprintf(out, bytes, "%s: talking to %s", p->name, p->there);
        return;
    }
    if (state == XLM_STATE_SWITCHOVER)
        snprintf(out, bytes, "%s: suspended %3u%% %" PRIu64 " pages left %s/s",
                 p->name, percent, left, format_bytes(speed, rate));
    else
        snprintf(out, bytes,
                 "%s: round %u %3u%% %" PRIu64 " pages left %s/s dirty %" PRIu64
                 "/s%s pause ~%s ETA %s%s",
                 p->name, s->round, percent, left, format_bytes(speed, rate),
                 s->dirty_rate_pages_s, format_cap(s, cap),
                 format_seconds(s->expected_blackout_us, pause),
                 format_eta(left, speed, s->expected_blackout_us, eta),
                 format_lost(s, lost));
}

void progress_format_round(const struct progress *p, const struct xlm_stats *s,
                           char *out, size_t bytes)
{
    char size[UNIT_MAX], rate[UNIT_MAX], pause[UNIT_MAX], cap[UNIT_MAX];
    int n = snprintf(out, bytes, "%s: round %u: %" PRIu64 " pages (%s) to send",
                     p->name, s->round, s->round_pages,
                     format_bytes(s->round_pages * PAGE_BYTES, size));

    if (s->round < 2 || n < 0 || (size_t)n >= bytes)
        return;
    snprintf(out + n, bytes - (size_t)n,
             "; so far %s/s, %" PRIu64 " pages/s dirtied%s, pause now %s",
             format_bytes(s->bandwidth_bytes_s, rate), s->dirty_rate_pages_s,
             format_cap(s, cap),
             format_seconds(s->expected_blackout_us, pause));
}

static void tell_state(struct progress *p, enum xlm_state state,
                       const struct xlm_stats *s)
{
    char pause[UNIT_MAX];

    if (state == XLM_STATE_NEGOTIATING)
        console_line(p->con, "%s: talking to %s", p->name, p->there);
    else if (state == XLM_STATE_SWITCHOVER)
        console_line(p->con, "%s: suspending it, expected pause %s", p->name,
                     format_seconds(s->predicted_blackout_us
                                        ? s->predicted_blackout_us
                                        : s->expected_blackout_us,
                                    pause));
}

static void draw(struct progress *p, enum xlm_state state,
                 const struct xlm_stats *s, bool now)
{
    char line[512];

    if (!now && s->elapsed_us - p->drawn_us < REDRAW_US)
        return;
    p->drawn_us = s->elapsed_us;
    progress_format_live(p, state, s, line, sizeof(line));
    console_live(p->con, line);
}

void progress_update(struct progress *p, enum xlm_state state,
                     const struct xlm_stats *s)
{
    bool new_state = state != p->state, new_round = s->round != p->round;
    char line[512];

    if (new_round)
        p->round_start_us = s->elapsed_us;
    p->state = state;
    p->round = s->round;
    if (state >= XLM_STATE_COMPLETED) {
        console_live(p->con, "");
    } else if (p->con->live) {
        draw(p, state, s, new_state || new_round);
    } else {
        if (new_state)
            tell_state(p, state, s);
        if (new_round && s->round && state == XLM_STATE_PRECOPY) {
            progress_format_round(p, s, line, sizeof(line));
            console_line(p->con, "%s", line);
        }
    }
}
