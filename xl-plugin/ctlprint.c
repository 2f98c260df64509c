/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "ctlprint.h"

#include <inttypes.h>
#include <string.h>
#include <yajl/yajl_tree.h>

#include "progress.h"

#define PAGE_BYTES UINT64_C(4096)

/* ---- reading ---- */

static yajl_val get(yajl_val v, const char *key)
{
    const char *path[] = { key, NULL };

    return v ? yajl_tree_get(v, path, yajl_t_any) : NULL;
}

/* 0 too for what is null, or not there: an older migration, say. */
static uint64_t number(yajl_val v, const char *key)
{
    yajl_val n = get(v, key);

    return n && YAJL_IS_INTEGER(n) && YAJL_GET_INTEGER(n) > 0
               ? (uint64_t)YAJL_GET_INTEGER(n)
               : 0;
}

/* What a terminal would take for a command is not for it. */
static const char *words(yajl_val v, const char *key, char *out, size_t bytes)
{
    yajl_val t = get(v, key);

    snprintf(out, bytes, "%s",
             t && YAJL_IS_STRING(t) ? YAJL_GET_STRING(t) : "");
    for (char *p = out; *p; p++)
        if ((unsigned char)*p < ' ' || *p == 0x7f)
            *p = '?';
    return out;
}

/* ---- printing ---- */

static const char *phase(const char *state)
{
    static const struct {
        const char *state, *text;
    } phases[] = {
        { "new", "connecting to" },
        { "negotiating", "talking to" },
        { "precopy", "copying memory, while it runs, to" },
        { "switchover", "suspended, and moving to" },
        { "completed", "moved to" },
    };

    for (size_t i = 0; i < sizeof(phases) / sizeof(phases[0]); i++)
        if (!strcmp(phases[i].state, state))
            return phases[i].text;
    return "not moved to";
}

static void print_round(FILE *f, yajl_val s)
{
    uint64_t all = number(s, "round_pages"),
             sent = number(s, "round_sent_pages");
    char size[UNIT_MAX];

    if (sent > all)
        sent = all;
    fprintf(f, "  round %" PRIu64 ":        %" PRIu64 "%% of %s\n",
            number(s, "round"), all ? sent * 100 / all : 100,
            format_bytes(all * PAGE_BYTES, size));
}

static void print_sent(FILE *f, yajl_val s)
{
    char size[UNIT_MAX], rate[UNIT_MAX], limit[UNIT_MAX], data[16];
    uint64_t channels = number(s, "channels");
    bool limited = number(s, "limit_bytes_s");

    fprintf(f,
            "  sent:           %s in %.1f s, now %s/s, over %" PRIu64
            " channel%s (%s), limit %s%s\n",
            format_bytes(number(s, "wire_bytes"), size),
            (double)number(s, "elapsed_us") / 1e6,
            format_bytes(number(s, "wire_rate_bytes_s"), rate), channels,
            channels == 1 ? "" : "s", words(s, "data", data, sizeof(data)),
            limited ? format_bytes(number(s, "limit_bytes_s"), limit) : "none",
            limited ? "/s" : "");
}

/* Only where there is something to say. */
static void print_lost(FILE *f, yajl_val s)
{
    uint64_t lost = number(s, "lost_channels"), back = number(s, "reconnects");

    if (lost || back)
        fprintf(f,
                "  channels lost:  %" PRIu64 " now, %" PRIu64
                " time%s one came back\n",
                lost, back, back == 1 ? "" : "s");
    lost = number(s, "control_lost");
    back = number(s, "control_reconnects");
    if (lost || back)
        fprintf(f, "  control channel: %s, came back %" PRIu64 " time%s\n",
                lost ? "lost" : "there", back, back == 1 ? "" : "s");
}

static void print_pause(FILE *f, yajl_val s)
{
    uint64_t pause = number(s, "expected_blackout_us");
    uint64_t goal = number(s, "downtime_ms");
    char text[UNIT_MAX], want[UNIT_MAX];

    fprintf(f, "  expected pause: %s, goal %s%s\n",
            pause ? format_seconds(pause, text) : "not known yet",
            goal ? format_seconds(goal * 1000, want) : "none",
            number(s, "switch_asked") ? ", switching over now" : "");
}

static void print_status(FILE *f, yajl_val s)
{
    char name[320], host[320], state[32];

    fprintf(f, "%s: %s %s\n", words(s, "domain", name, sizeof(name)),
            phase(words(s, "state", state, sizeof(state))),
            words(s, "destination", host, sizeof(host)));
    if (!number(s, "round"))
        return;
    print_round(f, s);
    print_sent(f, s);
    print_lost(f, s);
    fprintf(f, "  dirtied:        %" PRIu64 " pages/s\n",
            number(s, "dirty_rate_pages_s"));
    print_pause(f, s);
}

static void print_person(FILE *f, yajl_val answer)
{
    yajl_val status = get(answer, "status");
    char message[512];

    if (*words(answer, "message", message, sizeof(message)))
        fprintf(f, "%s\n", message);
    else if (status && YAJL_IS_OBJECT(status))
        print_status(f, status);
}

bool ctlprint(const char *answer, bool json, FILE *f, char *text_out,
              size_t bytes)
{
    yajl_val v = yajl_tree_parse(answer, NULL, 0), ok = get(v, "ok");
    bool understood = ok && (YAJL_IS_TRUE(ok) || YAJL_IS_FALSE(ok));

    *text_out = '\0';
    if (!understood) {
        snprintf(text_out, bytes,
                 "the migration answered with something else "
                 "than an answer");
    } else {
        if (YAJL_IS_FALSE(ok))
            words(v, "message", text_out, bytes);
        if (json)
            fprintf(f, "%s\n", answer);
        else if (YAJL_IS_TRUE(ok))
            print_person(f, v);
        if (fflush(f)) {
            snprintf(text_out, bytes, "the answer could not be written");
            understood = false;
        }
    }
    yajl_tree_free(v);
    return understood;
}
