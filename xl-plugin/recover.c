/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* xl lmigrate-recover: see xl-lmigrate-recover(1). */
#include "config.h"

#include "recover.h"

#include <getopt.h>
#include <signal.h>
#include <string.h>

#include "stdfds.h"

#define DESCRIPTION "Finish or undo a migration of which contact was lost"
#define ANSWER_MS   120000 /* ssh, and a busy host behind it */
#define BOOT_MS     10000  /* who is up has answered by then */
#define MAY_START   "--may-start"

enum {
    ID_DRY_RUN = OPTABLE_LONG,
    ID_PEER_DEAD,
    ID_PEER,
    ID_LIST,
    ID_JSON,
    ID_ALL,
    ID_BOOT,
    ID_FORGET
};

/* clang-format off */
static const struct lm_option rows[] = {
    { 'h', "help", NULL, "Print this help.", NULL },
    { ID_LIST, "list", NULL, "Print the journal of this host.", NULL },
    { ID_JSON, "json", NULL, "With --list: as JSON.", NULL },
    { ID_ALL, "all", NULL, "Every domain that is undecided here.", NULL },
    { ID_BOOT, "boot", NULL,
      "With --all: as the host starts; ask briefly, and no host",
      "twice that does not answer." },
    { ID_PEER, "peer", "host", "As <host>.", NULL },
    { 's', NULL, "sshcommand",
      "Use <sshcommand> instead of ssh, as with xl lmigrate.", NULL },
    { ID_DRY_RUN, "dry-run", NULL, "Only say what would be done.", NULL },
    { ID_PEER_DEAD, &RECOVER_PEER_DEAD[2], NULL,
      "<host> is switched off or fenced: do not ask it, and",
      "resume the domain here." },
    { ID_FORGET, "forget", NULL,
      "<Domain> moved away, and runs nowhere now: it may be",
      "started here." },
    { 'v', NULL, NULL, "Print notes; twice: debug messages.", NULL },
    { 'f', NULL, NULL, "Accepted, as xl's global option.", NULL },
    { 'N', NULL, NULL, "As --dry-run, as xl's global option.", NULL },
    { 't', NULL, NULL, "Accepted, as xl's global option.", NULL },
    { 'T', NULL, NULL, "Put time and process id before each line.", NULL },
};
/* clang-format on */
static const struct optable table = { rows, sizeof(rows) / sizeof(rows[0]) };

static void help(void)
{
    puts("Usage: xl [-vfNtT] lmigrate-recover [options] <Domain> [<host>]\n"
         "       xl [-vfNtT] lmigrate-recover [options] --all\n"
         "       xl lmigrate-recover --list [--json]\n"
         "       xl lmigrate-recover --forget <Domain>\n\n" DESCRIPTION
         ".\n\nOptions:\n");
    optable_help(&table, stdout);
    puts("\n<Domain> is the copy here: a name, an id or a uuid; "
         "<host> is where\nit was moving to, if not as the journal has it.  "
         "See xl-lmigrate-recover(1).");
}

static void set_mode(struct recovery *c, int id)
{
    switch (id) {
    case ID_LIST:
        c->list = true;
        break;
    case ID_JSON:
        c->json = true;
        break;
    case ID_ALL:
        c->all = true;
        break;
    case ID_BOOT:
        c->boot = true;
        c->limit_ms = BOOT_MS;
        break;
    case ID_FORGET:
        c->forget = true;
        break;
    default: /* accepted for xl's sake */
        break;
    }
}

static void set(struct recovery *c, int id)
{
    struct lm_options *o = &c->job.opt;

    switch (id) {
    case 's':
        c->ssh = optarg;
        break;
    case ID_PEER:
        c->peer = optarg;
        break;
    case 'v':
        o->verbose++;
        break;
    case 'T':
        o->timestamps = true;
        break;
    case 'N':
    case ID_DRY_RUN:
        o->dry_run = true;
        break;
    case ID_PEER_DEAD:
        c->peer_dead = true;
        break;
    default:
        set_mode(c, id);
        break;
    }
}

/* "" or what does not fit together. */
static const char *misfit(const struct recovery *c)
{
    if (c->list + c->all + c->forget > 1)
        return "--list, --all and --forget: one of them";
    if (c->json && !c->list)
        return "--json is for --list";
    if (c->boot && !c->all)
        return "--boot is for --all";
    if (c->peer_dead && (c->list || c->all || c->forget))
        return RECOVER_PEER_DEAD " is for one domain that you name";
    return "";
}

static bool take_arguments(struct recovery *c, int argc, char **argv,
                           char error[LM_ERROR_MAX])
{
    const int nr = argc - optind;
    const int most = c->list || c->all ? 0 : c->forget || c->peer ? 1 : 2;
    const int least = most ? 1 : 0;

    snprintf(error, LM_ERROR_MAX, "%s", misfit(c));
    if (*error)
        return false;
    if (nr < least || nr > most) {
        snprintf(error, LM_ERROR_MAX, "%s wanted, not %d arguments",
                 !most       ? "no argument is"
                 : most == 1 ? "1 argument, <Domain>, is"
                             : "<Domain> and maybe <host> are",
                 nr);
        return false;
    }
    if (nr > 0)
        c->job.opt.domain = argv[optind];
    if (nr > 1)
        c->peer = argv[optind + 1];
    if ((nr && !*c->job.opt.domain) || (c->peer && !*c->peer)) {
        snprintf(error, LM_ERROR_MAX, "%s is empty",
                 nr && !*c->job.opt.domain ? "<Domain>" : "<host>");
        return false;
    }
    /* ssh would read such a name as one of its options. */
    if (c->peer && c->peer[0] == '-' && !(c->ssh && !*c->ssh)) {
        snprintf(error, LM_ERROR_MAX, "<host> '%s' begins with '-'", c->peer);
        return false;
    }
    return true;
}

static enum lm_action parse(struct recovery *c, int argc, char **argv,
                            char error[LM_ERROR_MAX])
{
    bool fresh = true;
    int id;

    c->limit_ms = ANSWER_MS;
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
        }
        /* getopt takes any part of it; a person has to mean all of it. */
        if (id == ID_PEER_DEAD && strcmp(argv[optind - 1], RECOVER_PEER_DEAD)) {
            snprintf(error, LM_ERROR_MAX, "%s: write %s, if you are",
                     argv[optind - 1], RECOVER_PEER_DEAD);
            return LM_BAD;
        }
        set(c, id);
    }
    return take_arguments(c, argc, argv, error) ? LM_RUN : LM_BAD;
}

static int forget(struct recovery *c)
{
    char message[XLM_MESSAGE_MAX] = "";
    int rc = xlm_journal_forget(c->job.opt.domain, message);

    if (!rc) {
        console_line(&c->job.con, "%s may be started here", c->job.opt.domain);
        return 0;
    }
    return recover_complain(c, message,
                            rc == XLM_ERR_INVAL ? LM_EXIT_USAGE
                            : rc == XLM_ERR_STATE || rc == XLM_ERR_BUSY
                                ? LM_EXIT_REFUSED
                                : LM_EXIT_FAILED);
}

static int run(struct recovery *c)
{
    console_init(&c->job.con, 2, false, c->job.opt.timestamps, "");
    signal(SIGPIPE, SIG_IGN);
    if (c->list)
        return recover_list(c);
    if (c->all)
        return recover_all(c);
    return c->forget ? forget(c) : recover_one(c);
}

int main(int argc, char **argv)
{
    static const struct optable_about about = { RECOVER_NAME, DESCRIPTION, help,
                                                &table };
    static struct recovery c = { .job.log.fd = -1 };
    char error[LM_ERROR_MAX];
    enum lm_action action;

    if (!stdfds_ensure())
        return LM_EXIT_FAILED;
    if (argc > 2 && !strcmp(argv[1], MAY_START))
        return recover_may_start(argc - 2, argv + 2);
    action = parse(&c, argc, argv, error);
    return action == LM_RUN ? run(&c) : optable_tell(&about, action, error);
}
