/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control.h"
#include "ctlwords.h"
#include "json.h"
#include "progress.h"

struct exchange {
    struct job *job;
    struct xlm_session *session;
    struct ctl_request request;
    long peer;
    const char *error;          /* NULL: done */
    char message[LM_ERROR_MAX]; /* what was done, or why not */
};

static void refuse(struct exchange *x, const char *error, const char *why)
{
    x->error = error;
    snprintf(x->message, sizeof(x->message), "%s: %s", x->job->name, why);
}

/* ---- doing ---- */

static bool is_over(const struct exchange *x)
{
    return xlm_session_state(x->session) >= XLM_STATE_COMPLETED;
}

static void cancel(struct exchange *x)
{
    if (is_over(x))
        refuse(x, CTL_TOO_LATE, "its migration is over");
    else if (xlm_session_cancel(x->session))
        refuse(x, CTL_TOO_LATE,
               "the other host has the permission to start it already: it "
               "cannot be cancelled any more");
    else
        snprintf(x->message, sizeof(x->message),
                 "%s: cancelling: it goes on here", x->job->name);
}

static void switch_over(struct exchange *x)
{
    enum xlm_state state = xlm_session_state(x->session);

    if (!xlm_session_switch_now(x->session))
        snprintf(x->message, sizeof(x->message),
                 "%s: switching over: it is suspended as soon as what is on "
                 "its way has arrived",
                 x->job->name);
    else if (state < XLM_STATE_PRECOPY)
        refuse(x, CTL_NOT_NOW, "its memory is not being copied yet");
    else
        refuse(x, CTL_TOO_LATE,
               is_over(x) ? "its migration is over"
                          : "it is suspended already");
}

static void say_set(struct exchange *x)
{
    const struct ctl_request *r = &x->request;
    char rate[UNIT_MAX], ms[32], limit[64];

    snprintf(ms, sizeof(ms), "%" PRIu32 " ms", r->downtime_ms);
    snprintf(limit, sizeof(limit), "%s/s",
             format_bytes(r->bandwidth_bytes_s, rate));
    snprintf(x->message, sizeof(x->message), "%s: %s%s%s%s%s", x->job->name,
             r->has_downtime ? "goal for the pause: " : "",
             !r->has_downtime ? ""
             : r->downtime_ms ? ms
                              : "none",
             r->has_downtime && r->has_bandwidth ? ", " : "",
             r->has_bandwidth ? "bandwidth limit: " : "",
             !r->has_bandwidth      ? ""
             : r->bandwidth_bytes_s ? limit
                                    : "none");
}

/* All or nothing: the goal is what may come too late alone. */
static void set(struct exchange *x)
{
    const struct ctl_request *r = &x->request;

    if (r->has_downtime &&
        xlm_session_set_downtime(x->session, r->downtime_ms)) {
        refuse(x, CTL_TOO_LATE,
               "it is suspended already: no goal for the pause counts any "
               "more");
        return;
    }
    if (r->has_bandwidth &&
        xlm_session_set_bandwidth(x->session, r->bandwidth_bytes_s)) {
        refuse(x, CTL_TOO_LATE, "all of its memory has been sent already");
        return;
    }
    say_set(x);
}

static void obey(struct exchange *x)
{
    switch (x->request.verb) {
    case CTL_STATUS:
        return;
    case CTL_CANCEL:
        cancel(x);
        break;
    case CTL_SWITCH:
        switch_over(x);
        break;
    case CTL_SET:
        set(x);
        break;
    }
    if (!x->error)
        console_line(&x->job->con, "%s (xl lmigrate-ctl, process %ld)",
                     x->message, x->peer);
    logfile_write(&x->job->log, x->error ? XLM_LOG_WARN : XLM_LOG_INFO,
                  "xl lmigrate-ctl", x->message);
}

/* ---- telling ---- */

/* Named as in struct xlm_stats and in the report. */
#define STATUS_MAP(X)                                                          \
    X(elapsed_us)                                                              \
    X(memory_pages)                                                            \
    X(round)                                                                   \
    X(round_pages)                                                             \
    X(round_sent_pages)                                                        \
    X(sent_pages)                                                              \
    X(zero_pages)                                                              \
    X(wire_bytes)                                                              \
    X(wire_rate_bytes_s)                                                       \
    X(bandwidth_bytes_s)                                                       \
    X(dirty_rate_pages_s)                                                      \
    X(expected_blackout_us)                                                    \
    X(channels)                                                                \
    X(lost_channels)                                                           \
    X(reconnects)                                                              \
    X(control_lost)                                                            \
    X(control_reconnects)                                                      \
    X(live)                                                                    \
    X(switch_asked)

static void put_limit(yajl_gen g, const char *key, uint64_t v)
{
    if (v)
        put_key_number(g, key, v);
    else
        put_key_text(g, key, NULL);
}

static void put_status(yajl_gen g, const struct exchange *x)
{
    static const char *const data[] = { "ssh", "tls", "plain" };
    struct xlm_stats s = { .size = sizeof(s) };

    put_text(g, "status");
    if (x->error || xlm_session_stats(x->session, &s)) {
        yajl_gen_null(g);
        return;
    }
    yajl_gen_map_open(g);
    put_key_text(g, "domain", x->job->name);
    put_key_number(g, "domid", x->job->domid);
    put_key_text(g, "destination", x->job->opt.host);
    put_key_number(g, "pid", (uint64_t)getpid());
    put_key_text(g, "state", xlm_state_name(xlm_session_state(x->session)));
    put_key_text(g, "data",
                 s.data < sizeof(data) / sizeof(data[0]) ? data[s.data] : NULL);
    put_key_text(g, "dirty",
                 s.dirty < LM_DIRTY_COUNT ? lm_dirty_words[s.dirty] : NULL);
    put_limit(g, "downtime_ms", s.downtime_ms);
    put_limit(g, "limit_bytes_s", s.limit_bytes_s);
#define PUT_STATUS(field) put_key_number(g, #field, s.field);
    STATUS_MAP(PUT_STATUS)
#undef PUT_STATUS
    yajl_gen_map_close(g);
}

static void put_answer(yajl_gen g, const struct exchange *x)
{
    yajl_gen_map_open(g);
    put_key_bool(g, "ok", !x->error);
    put_key_text(g, "error", x->error);
    put_key_text(g, "message", *x->message ? x->message : NULL);
    put_status(g, x);
    yajl_gen_map_close(g);
}

static char *format(const struct exchange *x)
{
    yajl_gen g = yajl_gen_alloc(NULL);
    const unsigned char *text;
    char *line = NULL;
    size_t bytes;

    if (!g)
        return NULL;
    put_answer(g, x);
    if (yajl_gen_get_buf(g, &text, &bytes) == yajl_gen_status_ok && bytes &&
        bytes < CTL_ANSWER_MAX - 1 && text[bytes - 1] == '}')
        line = malloc(bytes + 2);
    if (line) {
        memcpy(line, text, bytes);
        memcpy(line + bytes, "\n", 2);
    }
    yajl_gen_free(g);
    return line;
}

char *control_answer(struct job *j, struct xlm_session *s, char *line,
                     size_t bytes, long peer)
{
    struct exchange x = { .job = j, .session = s, .peer = peer };

    if (ctl_parse_line(line, bytes, &x.request, x.message))
        obey(&x);
    else
        x.error = CTL_BAD_REQUEST;
    return format(&x);
}
