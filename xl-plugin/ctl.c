/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* xl lmigrate-ctl: see xl-lmigrate-ctl(1). */
#include "config.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "ctlplace.h"
#include "ctlprint.h"
#include "ctlwords.h"
#include "libxlm.h"
#include "options.h"
#include "outcome.h"
#include "stdfds.h"

#define DESCRIPTION "Watch or change a migration that runs here"
#define ANSWER_MS   10000

enum { ID_JSON = OPTABLE_LONG };

/* clang-format off */
static const struct lm_option rows[] = {
    { 'h', "help", NULL, "Print this help.", NULL },
    { ID_JSON, "json", NULL, "Print the answer as JSON.", NULL },
    { 'v', NULL, NULL, "Accepted, as xl's global option.", NULL },
    { 'f', NULL, NULL, "Accepted, as xl's global option.", NULL },
    { 'N', NULL, NULL,
      "Change nothing: print the status instead, if the",
      "command is a valid one." },
    { 't', NULL, NULL, "Accepted, as xl's global option.", NULL },
    { 'T', NULL, NULL, "Accepted, as xl's global option.", NULL },
};
/* clang-format on */
static const struct optable table = { rows, sizeof(rows) / sizeof(rows[0]) };

struct ctl {
    const char *domain;
    size_t nr_words;
    char **words; /* the command and its arguments */
    bool json;
    bool change_nothing;
};

static int complain(const char *text, int code)
{
    fprintf(stderr, "xl lmigrate-ctl: %s\n", text);
    return code;
}

/* ---- the migration ---- */

/* Its uuid; when it is about to end it has another name.  0 or an exit code. */
static int find(const char *domain, char uuid[XLM_UUID_MAX])
{
    char away[XLM_NAME_MAX + 16], name[XLM_NAME_MAX];
    char message[XLM_MESSAGE_MAX], ignored[XLM_MESSAGE_MAX];
    uint32_t domid;
    int rc = xlm_domain_find(domain, &domid, name, message);

    snprintf(away, sizeof(away), "%.255s--migratedaway", domain);
    if (rc == XLM_ERR_INVAL && !xlm_domain_find(away, &domid, name, ignored))
        rc = 0;
    if (!rc)
        rc = xlm_domain_uuid(domid, uuid, message);
    if (!rc)
        return 0;
    return complain(message,
                    rc == XLM_ERR_INVAL ? LM_EXIT_USAGE : LM_EXIT_FAILED);
}

/* A descriptor, or a negative exit code. */
static int reach(const struct ctl *c)
{
    char uuid[XLM_UUID_MAX], text[XLM_NAME_MAX + 256];
    struct ctlplace place;
    int rc = find(c->domain, uuid), fd;

    if (rc)
        return -rc;
    fd = ctlplace_set(&place, uuid) ? ctlplace_connect(&place) : -ENAMETOOLONG;
    if (fd >= 0)
        return fd;
    if (fd == -ENOENT) {
        snprintf(text, sizeof(text), "no migration of %.255s runs here",
                 c->domain);
        return -complain(text, LM_EXIT_REFUSED);
    }
    snprintf(text, sizeof(text), "%s: %s", place.path, strerror(-fd));
    return -complain(text, LM_EXIT_FAILED);
}

/* ---- the exchange ---- */

static long left_ms(const struct timespec *begin)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return ANSWER_MS - ((now.tv_sec - begin->tv_sec) * 1000L +
                        (now.tv_nsec - begin->tv_nsec) / 1000000L);
}

/* One line, without its newline; false: it did not come in time, or whole. */
static bool read_line(int fd, char answer[CTL_ANSWER_MAX])
{
    struct pollfd p = { .fd = fd, .events = POLLIN };
    struct timespec begin;
    size_t got = 0;
    char *end = NULL;
    ssize_t n;
    long left;

    clock_gettime(CLOCK_MONOTONIC, &begin);
    while (!end && got < CTL_ANSWER_MAX - 1) {
        left = left_ms(&begin);
        if (left <= 0)
            return false;
        if (poll(&p, 1, (int)left) <= 0)
            continue; /* the clock decides */
        n = recv(fd, answer + got, CTL_ANSWER_MAX - 1 - got, 0);
        if (n < 0 && (errno == EINTR || errno == EAGAIN))
            continue;
        if (n <= 0)
            return false;
        end = memchr(answer + got, '\n', (size_t)n);
        got += (size_t)n;
    }
    if (end)
        *end = '\0';
    return end;
}

/* A line is short enough for the socket's buffer. */
static bool exchange(const struct ctl *c, int fd, char answer[CTL_ANSWER_MAX])
{
    static char status[] = "status", *const instead[] = { status };
    char line[CTL_LINE_MAX];
    bool fits = c->change_nothing ? ctl_line(1, instead, line)
                                  : ctl_line(c->nr_words, c->words, line);
    ssize_t bytes = (ssize_t)strlen(line);

    return fits && send(fd, line, (size_t)bytes, MSG_NOSIGNAL) == bytes &&
           read_line(fd, answer);
}

static int control(const struct ctl *c)
{
    static char answer[CTL_ANSWER_MAX];
    char text[LM_ERROR_MAX];
    int fd = reach(c), rc;

    if (fd < 0)
        return -fd;
    if (!exchange(c, fd, answer)) {
        snprintf(text, sizeof(text), "the migration of %.255s did not answer",
                 c->domain);
        rc = complain(text, LM_EXIT_FAILED);
    } else if (!ctlprint(answer, c->json, stdout, text, sizeof(text))) {
        rc = complain(text, LM_EXIT_FAILED);
    } else {
        rc = *text ? complain(text, LM_EXIT_REFUSED) : 0;
    }
    close(fd);
    return rc;
}

/* ---- command line ---- */

static void help(void)
{
    puts("Usage: xl [-vfNtT] lmigrate-ctl [options] <Domain> "
         "<command>\n\n" DESCRIPTION ".\n\nCommands:\n\n"
         "status                how far it is\n"
         "cancel                give up; the domain goes on here\n"
         "switch                suspend the domain now, and send the rest\n"
         "set [downtime=<ms>|none] [bandwidth=<rate>|none]\n"
         "                      another goal for the pause, another limit\n"
         "\nOptions:\n");
    optable_help(&table, stdout);
    puts("\n<Domain> is a name, an id or a uuid.  See xl-lmigrate-ctl(1).");
}

static bool arguments(struct ctl *c, int argc, char **argv, char *error)
{
    struct ctl_request request;
    char line[CTL_LINE_MAX];

    if (argc - optind < 2 || !*argv[optind]) {
        snprintf(error, LM_ERROR_MAX,
                 "<Domain> and a command are wanted: status, cancel, switch "
                 "or set");
        return false;
    }
    c->domain = argv[optind];
    c->words = argv + optind + 1;
    c->nr_words = (size_t)(argc - optind - 1);
    if (!ctl_parse(c->nr_words, c->words, &request, error))
        return false;
    if (ctl_line(c->nr_words, c->words, line))
        return true;
    snprintf(error, LM_ERROR_MAX, "the command is over %d bytes",
             CTL_LINE_MAX - 2);
    return false;
}

static enum lm_action parse(struct ctl *c, int argc, char **argv,
                            char error[LM_ERROR_MAX])
{
    bool fresh = true;
    int id;

    while ((id = optable_next(&table, argc, argv, &fresh, error)) != -1) {
        switch (id) {
        case 0:
            return LM_BAD;
        case 'h':
            return LM_HELP;
        case OPTABLE_DESCRIBE:
            return LM_DESCRIBE;
        case OPTABLE_LIST:
            return LM_LIST;
        case ID_JSON:
            c->json = true;
            break;
        case 'N':
            c->change_nothing = true;
            break;
        }
    }
    return arguments(c, argc, argv, error) ? LM_RUN : LM_BAD;
}

int main(int argc, char **argv)
{
    static const struct optable_about about = { "xl lmigrate-ctl", DESCRIPTION,
                                                help, &table };
    struct ctl c = { 0 };
    char error[LM_ERROR_MAX];
    enum lm_action action;

    if (!stdfds_ensure())
        return LM_EXIT_FAILED;
    action = parse(&c, argc, argv, error);
    return action == LM_RUN ? control(&c) : optable_tell(&about, action, error);
}
