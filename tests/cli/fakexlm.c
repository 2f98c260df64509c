/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * An imitation of libxlm for the tests of the commands: no Xen, no memory, but
 * the same calls, callbacks and errors.  $FAKE_XLM says what shall happen.
 *
 * Domain "guest1" is 7.  Greeting: 96 times 'C' (control) or 'D' (data); the
 * control channel's answer is "HELLO".  Guard: 'S' suspended, 'P' permission
 * given, '.' ended well.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "fakexlm.h"

/* A source that shall be killed when its session is over. */
static struct xlm_session *doomed;

unsigned xlm_version(void)
{
    return XLM_VERSION;
}

const char *xlm_strerror(int code)
{
    switch (code) {
#define TEXT(name, value, text)                                                \
    case value:                                                                \
        return text;
        XLM_ERROR_MAP(TEXT)
#undef TEXT
    }
    return "unknown error";
}

const char *xlm_state_name(enum xlm_state state)
{
    static const char *const names[] = { "new",      "negotiating",
                                         "precopy",  "switchover",
                                         "postcopy", "completed",
                                         "failed",   "cancelled" };

    return names[state];
}

int xlm_domain_find(const char *text, uint32_t *domid_out,
                    char name_out[XLM_NAME_MAX],
                    char message_out[XLM_MESSAGE_MAX])
{
    if (is("no-xen")) {
        snprintf(message_out, XLM_MESSAGE_MAX, "no hypervisor: %s",
                 strerror(ENOENT));
        return XLM_ERR_HYPERVISOR;
    }
    if (strcmp(text, "guest1") && strcmp(text, "7") && strcmp(text, "uuid-7")) {
        snprintf(message_out, XLM_MESSAGE_MAX, "no domain '%.64s'", text);
        return XLM_ERR_INVAL;
    }
    *domid_out = 7;
    strncpy(name_out, "guest1", XLM_NAME_MAX);
    return 0;
}

int xlm_session_open(enum xlm_role role, const struct xlm_options *opt,
                     struct xlm_session **session_out)
{
    struct xlm_session *s = calloc(1, sizeof(*s));

    if (!s)
        return XLM_ERR_NOMEM;
    s->role = role;
    s->opt = *opt;
    pthread_mutex_init(&s->lock, NULL);
    s->downtime_ms = opt->downtime_ms;
    s->limit_bytes_s = opt->bandwidth_bytes_s;
    if (role == XLM_DESTINATION)
        s->owner = XLM_OWNER_SOURCE;
    fake_dump(opt, role == XLM_SOURCE ? "FAKE_XLM_DUMP" : "FAKE_XLM_DUMP_FAR");
    *session_out = s;
    return 0;
}

void xlm_session_close(struct xlm_session *s)
{
    if (s && s == doomed)
        kill(getpid(), SIGKILL);
    for (int i = 0; s && i < s->nr; i++) {
        close(s->rfd[i]);
        close(s->wfd[i]);
    }
    free(s);
}

int xlm_session_add_channel(struct xlm_session *s, int rfd, int wfd)
{
    if (s->nr == FAKE_CHANNELS)
        return XLM_ERR_INVAL;
    s->rfd[s->nr] = rfd;
    s->wfd[s->nr++] = wfd;
    return 0;
}

int xlm_session_add_greeted_channel(
    struct xlm_session *s, int rfd, int wfd,
    const unsigned char greeting[XLM_GREETING_BYTES])
{
    return greeting[0] == 'C' ? xlm_session_add_channel(s, rfd, wfd)
                              : XLM_ERR_INVAL;
}

static int fail(struct xlm_session *s, int code, const char *message)
{
    s->error = (struct xlm_error_info){ .code = code,
                                        .state = s->state,
                                        .message = s->message };
    snprintf(s->message, sizeof(s->message), "%s", message);
    if (s->opt.log)
        s->opt.log(s->opt.user, XLM_LOG_ERROR, "fake", s->message);
    s->state = XLM_STATE_FAILED;
    return code;
}

static void tell(struct xlm_session *s, enum xlm_state state)
{
    s->state = state;
    s->stats.elapsed_us += 400000;
    fakexlm_show(s);
    if (s->opt.progress)
        s->opt.progress(s->opt.user, state, &s->stats);
}

static void find(struct xlm_session *s, enum xlm_severity severity,
                 const char *code, const char *message, const char *advice)
{
    const struct xlm_finding f = { severity, code, message, advice };

    s->opt.finding(s->opt.user, &f);
}

static int exactly(int fd, char *buf, size_t bytes)
{
    while (bytes) {
        ssize_t n = read(fd, buf, bytes);

        if (n <= 0)
            return -1;
        buf += n;
        bytes -= (size_t)n;
    }
    return 0;
}

static int greet(struct xlm_session *s)
{
    char answer[5], greeting[XLM_GREETING_BYTES];

    for (int i = 0; i < s->nr; i++) {
        memset(greeting, i ? 'D' : 'C', sizeof(greeting));
        if (write(s->wfd[i], greeting, sizeof(greeting)) < 0)
            return fail(s, XLM_ERR_CHANNEL, "greeting could not be sent");
    }
    if (exactly(s->rfd[0], answer, sizeof(answer)))
        return fail(s, XLM_ERR_CHANNEL,
                    "control channel closed before the peer's hello");
    if (memcmp(answer, "HELLO", 5))
        return fail(s, XLM_ERR_STREAM, "peer's hello: not from xlm");
    s->stats.answered = 1;
    fakexlm_show(s);
    return 0;
}

static void rounds(struct xlm_session *s)
{
    struct xlm_stats *t = &s->stats;

    t->live = s->opt.dirty != XLM_DIRTY_NONE;
    t->dirty = s->opt.dirty;
    t->memory_pages = 32768;
    for (t->round = 1; t->round <= 2; t->round++) {
        t->round_pages = t->round == 1 ? 32768 : 1000;
        t->round_sent_pages = 0;
        tell(s, XLM_STATE_PRECOPY);
        t->round_sent_pages = t->round_pages;
        t->sent_pages += t->round_pages;
        t->bandwidth_bytes_s = UINT64_C(100) << 20;
        t->dirty_rate_pages_s = 1200;
        t->expected_blackout_us = 350000;
        tell(s, XLM_STATE_PRECOPY);
    }
    t->round = 2;
    t->zero_pages = 5000;
    t->wire_bytes = UINT64_C(96) << 20;
    t->raw_bytes = UINT64_C(295) << 20;
    t->packed_bytes = UINT64_C(95) << 20;
    t->predicted_blackout_us = 350000;
    tell(s, XLM_STATE_SWITCHOVER);
}

static void guard(struct xlm_session *s, char what)
{
    if (s->opt.guard_fd && write(s->opt.guard_fd, &what, 1) != 1)
        abort();
}

static int moved(struct xlm_session *s)
{
    struct xlm_stats *t = &s->stats;

    rounds(s);
    guard(s, 'S');
    guard(s, 'P');
    t->blackout_us = 352000;
    t->clock_error_us = 900;
    t->suspend_us = 100000;
    t->last_round_us = 82000;
    t->rebuild_us = 150000;
    t->prebuilt = !(s->opt.flags & XLM_F_NO_PREBUILD);
    t->start_us = 20000;
    if (s->opt.flags & XLM_F_VERIFY) {
        t->verified = 1;
        t->verified_pages = 32776;
        t->verify_spared_pages = 8;
        t->verify_us = 210000;
    }
    t->guest_gap_us = 361000;
    s->owner = XLM_OWNER_DESTINATION;
    tell(s, XLM_STATE_COMPLETED);
    guard(s, '.');
    return 0;
}

static int wait_for_cancel(struct xlm_session *s)
{
    const struct timespec pause = { .tv_nsec = 10000000 };

    rounds(s);
    guard(s, 'S');
    s->state = is("wait-permitted") ? XLM_STATE_SWITCHOVER : XLM_STATE_PRECOPY;
    for (int i = 0; i < 3000 && !s->cancelled && !s->switched; i++)
        nanosleep(&pause, NULL);
    if (s->switched || is("wait-permitted"))
        return moved(s);
    /* A second signal shall find us at it. */
    for (int i = 0; i < 100 && is("wait-slowly"); i++)
        nanosleep(&pause, NULL);
    guard(s, '.');
    return s->cancelled ? fail(s, XLM_ERR_CANCELLED, "cancelled by caller")
                        : fail(s, XLM_ERR_TIMEOUT, "nobody cancelled");
}

static int crash(struct xlm_session *s)
{
    rounds(s);
    if (!is("crash-early"))
        guard(s, 'S');
    if (is("crash-permitted"))
        guard(s, 'P');
    kill(getpid(), SIGKILL);
    return XLM_ERR_INTERNAL;
}

static int blocked(struct xlm_session *s)
{
    s->state = XLM_STATE_NEGOTIATING;
    find(s, XLM_FINDING_NOTE, "suspend-unknown", "suspend support unknown", "");
    find(s, XLM_FINDING_WARN, "kernel-missing", "kernel /k is not at hostb",
         "copy it");
    find(s, XLM_FINDING_BLOCK, "bridge-missing", "no bridge xenbr1 at hostb",
         "create it: ip link add xenbr1 type bridge");
    guard(s, '.');
    return fail(s, XLM_ERR_INCOMPATIBLE, "no bridge xenbr1 at hostb");
}

static int simple(struct xlm_session *s, enum xlm_state state,
                  enum xlm_owner owner, int code, const char *message)
{
    s->state = state;
    s->owner = owner;
    guard(s, '.');
    return fail(s, code, message);
}

/* The end of a session may mean more than its first error. */
static int as(int code, int first)
{
    (void)first;
    return code;
}

/* As if the port could not be reached. */
static int fall_back(struct xlm_session *s)
{
    int rfd, wfd, rc = 0;
    for (uint32_t i = 0; i < s->opt.data_channels && !rc; i++)
        rc = s->opt.open_channel(s->opt.user, &rfd, &wfd) ||
             xlm_session_add_channel(s, rfd, wfd);
    return rc;
}

static int run_source(struct xlm_session *s)
{
    int rc;

    s->state = XLM_STATE_NEGOTIATING;
    tell(s, XLM_STATE_NEGOTIATING);
    if (is("no-port") && fall_back(s))
        return XLM_ERR_CHANNEL;
    rc = is("no-channel") || s->nr == 0 ? 0 : greet(s);
    if (rc) {
        guard(s, '.');
        return rc;
    }
    if (is("blocked"))
        return blocked(s);
    if (s->opt.flags & XLM_F_DRY_RUN) {
        guard(s, '.');
        return 0;
    }
    if (!strncmp(mode(), "wait", 4))
        return wait_for_cancel(s);
    if (!strncmp(mode(), "crash", 5))
        return crash(s);
    if (is("ended"))
        return simple(s, XLM_STATE_PRECOPY, XLM_OWNER_SOURCE,
                      XLM_ERR_GUEST_ENDED, "guest rebooted");
    if (is("undecided"))
        return as(XLM_ERR_UNDECIDED,
                  simple(s, XLM_STATE_SWITCHOVER, XLM_OWNER_UNKNOWN,
                         XLM_ERR_CHANNEL, "control channel closed"));
    if (is("unheard"))
        return as(XLM_ERR_CLEANUP,
                  simple(s, XLM_STATE_SWITCHOVER, XLM_OWNER_DESTINATION,
                         XLM_ERR_TIMEOUT,
                         "no RUNNING from hostb within the limit"));
    if (is("cleanup"))
        return simple(s, XLM_STATE_SWITCHOVER, XLM_OWNER_DESTINATION,
                      XLM_ERR_CLEANUP, "destroy of domain 7 failed");
    if (is("lost"))
        return simple(s, XLM_STATE_NEGOTIATING, XLM_OWNER_SOURCE,
                      XLM_ERR_CHANNEL, "the connection broke");
    if (is("busy"))
        return simple(s, XLM_STATE_NEGOTIATING, XLM_OWNER_SOURCE, XLM_ERR_BUSY,
                      "guest1 is being moved by process 4711");
    if (is("dies-at-end"))
        doomed = s;
    if (is("silent") || is("peer"))
        return simple(s, XLM_STATE_SWITCHOVER, XLM_OWNER_SOURCE,
                      is("peer") ? XLM_ERR_PEER : XLM_ERR_GUEST_SILENT,
                      "guest1 did not answer within 60 s");
    return moved(s);
}

int xlm_session_run(struct xlm_session *s)
{
    if (s->role == XLM_SOURCE)
        return run_source(s);
    if (write(s->wfd[0], "HELLO", 5) != 5)
        return fail(s, XLM_ERR_CHANNEL, "hello could not be sent");
    if (is("receiver-fails"))
        return fail(s, XLM_ERR_TOOLSTACK, "xl migrate-receive ended early");
    printf("whatever a library prints by accident\n");
    fflush(stdout);
    return 0;
}

enum xlm_owner xlm_session_owner(const struct xlm_session *s)
{
    return s->owner;
}

uint32_t xlm_session_domid(const struct xlm_session *s)
{
    return s->opt.domid;
}

const struct xlm_error_info *xlm_session_error(struct xlm_session *s)
{
    return s->error.code ? &s->error : NULL;
}

int xlm_channel_join(int rfd, int wfd,
                     unsigned char greeting_out[XLM_GREETING_BYTES],
                     char message_out[XLM_MESSAGE_MAX])
{
    (void)wfd;
    if (exactly(rfd, (char *)greeting_out, XLM_GREETING_BYTES)) {
        snprintf(message_out, XLM_MESSAGE_MAX, "channel closed too early");
        return XLM_ERR_CHANNEL;
    }
    if (greeting_out[0] != 'C' && greeting_out[0] != 'D') {
        snprintf(message_out, XLM_MESSAGE_MAX, "greeting is not from xlm");
        return XLM_ERR_STREAM;
    }
    return greeting_out[0] == 'D';
}

int xlm_guard(int fd, const struct xlm_options *opt, enum xlm_owner *owner_out,
              char message_out[XLM_MESSAGE_MAX])
{
    char c, last = 0;
    int permitted = 0;

    (void)opt;
    while (read(fd, &c, 1) == 1) {
        last = c;
        permitted |= c == 'P';
    }
    if (is("crash-hopeless"))
        return XLM_ERR_TOOLSTACK;
    *owner_out = !permitted    ? XLM_OWNER_SOURCE
                 : last == '.' ? XLM_OWNER_DESTINATION
                               : XLM_OWNER_UNKNOWN;
    snprintf(message_out, XLM_MESSAGE_MAX, "%s",
             last == 'S' ? "guest1: it was suspended and has been resumed here"
                         : "");
    return 0;
}

int xlm_session_needs_monitor(const struct xlm_session *s)
{
    (void)s;
    return is("silent");
}

int xlm_monitor(uint32_t *domid, const struct xlm_options *opt,
                char message_out[XLM_MESSAGE_MAX])
{
    const char *file = getenv("FAKE_XLM_MONITOR");
    FILE *f = file ? fopen(file, "w") : NULL;

    if (!f) {
        snprintf(message_out, XLM_MESSAGE_MAX, "no file for the monitor");
        return XLM_ERR_TOOLSTACK;
    }
    fprintf(f, "domid=%u\n", *domid);
    fclose(f);
    opt->log(opt->user, XLM_LOG_INFO, "fake", "the domain is gone");
    return 0;
}

/* ---- recovery: the far side's $FAKE_XLM is the word of its answer ---- */

#define FAKE_QUESTION                                                          \
    "01010101-0101-0101-0101-010101010101/"                                    \
    "02020202-0202-0202-0202-020202020202"

struct xlm_recover {
    int known; /* nobody needs to be asked */
};

int xlm_recover_open(const char *domain, const struct xlm_options *opt,
                     struct xlm_recover **recover_out,
                     char message_out[XLM_MESSAGE_MAX])
{
    static struct xlm_recover only;
    char name[XLM_NAME_MAX];
    uint32_t domid;
    int rc = xlm_domain_find(domain, &domid, name, message_out);

    (void)opt;
    if (rc)
        return rc;
    if (is("recover-runs") || is("recover-busy")) {
        snprintf(message_out, XLM_MESSAGE_MAX, "guest1 (domain 7) is not %s",
                 is("recover-runs") ? "suspended" : "to be had now");
        return is("recover-runs") ? XLM_ERR_STATE : XLM_ERR_BUSY;
    }
    only.known = is("recover-known");
    *recover_out = &only;
    return 0;
}

void xlm_recover_close(struct xlm_recover *r)
{
    (void)r;
}

const char *xlm_recover_name(const struct xlm_recover *r)
{
    (void)r;
    return "guest1";
}

uint32_t xlm_recover_domid(const struct xlm_recover *r)
{
    (void)r;
    return 7;
}

const char *xlm_recover_question(const struct xlm_recover *r)
{
    return r->known ? NULL : FAKE_QUESTION;
}

int xlm_recover_answer(const char *question, const struct xlm_options *opt,
                       char answer_out[XLM_ANSWER_MAX],
                       char message_out[XLM_MESSAGE_MAX])
{
    (void)opt;
    if (strcmp(question, FAKE_QUESTION)) {
        snprintf(message_out, XLM_MESSAGE_MAX, "'%.80s' is not a question",
                 question);
        return XLM_ERR_INVAL;
    }
    snprintf(answer_out, XLM_ANSWER_MAX, "xlm-answer 1 %s 02 told", mode());
    return 0;
}

static enum xlm_verdict verdict_of(const char *answer)
{
    if (strstr(answer, "xlm-answer 1 never "))
        return XLM_VERDICT_RESUMED;
    if (strstr(answer, "xlm-answer 1 runs "))
        return XLM_VERDICT_DESTROYED;
    if (strstr(answer, "xlm-answer 1 ran "))
        return XLM_VERDICT_ENDED;
    return XLM_VERDICT_UNDECIDED;
}

int xlm_recover_finish(struct xlm_recover *r, const char *answer,
                       uint32_t flags, enum xlm_verdict *verdict_out,
                       char message_out[XLM_MESSAGE_MAX])
{
    const char *file = getenv("FAKE_XLM_DUMP");
    FILE *f = file ? fopen(file, "w") : NULL;

    *verdict_out = r->known || flags & XLM_F_PEER_DEAD
                       ? XLM_VERDICT_RESUMED
                       : verdict_of(answer ? answer : "");
    snprintf(message_out, XLM_MESSAGE_MAX, "the reason");
    if (f) {
        fprintf(f, "flags=0x%x answer=%s", flags, answer ? answer : "none\n");
        fclose(f);
    }
    if (!is("recover-fails"))
        return 0;
    snprintf(message_out, XLM_MESSAGE_MAX, "destroy domain 7: no");
    return XLM_ERR_TOOLSTACK;
}
