/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "receive_options.h"

#include <getopt.h>

#include "libxlm.h"

enum { ID_RECORD = 0x100, ID_NAME, ID_QUERY, ID_DESCRIBE };
static const struct option longs[] = {
    { "debug", no_argument, NULL, 'd' },
    { "help", no_argument, NULL, 'h' },
    { "record", required_argument, NULL, ID_RECORD },
    { "name", required_argument, NULL, ID_NAME },
    { "query", required_argument, NULL, ID_QUERY },
    { "describe", no_argument, NULL, ID_DESCRIBE },
    { 0 },
};

static enum lm_action take(struct receive_options *o, int c)
{
    switch (c) {
    case 'e':
        o->flags |= XLM_F_NO_MONITOR;
        break;
    case 'p':
        o->flags |= XLM_F_LEAVE_PAUSED;
        break;
    case 'd':
        o->flags |= XLM_F_DEBUG;
        break;
    case 'v':
        o->verbose++;
        break;
    case 'T':
        o->timestamps = true;
        break;
    case 't':
    case 'f':
        break;
    case ID_RECORD:
        o->record = optarg;
        break;
    case ID_NAME:
        o->name = optarg;
        break;
    case ID_QUERY:
        o->query = optarg;
        break;
    case ID_DESCRIBE:
        return LM_DESCRIBE;
    case 'h':
        return LM_HELP;
    default:
        return LM_BAD;
    }
    return LM_RUN;
}

enum lm_action receive_options_parse(struct receive_options *o, int argc,
                                     char **argv)
{
    enum lm_action action;
    int c;

    while ((c = getopt_long(argc, argv, "epdvTtfh", longs, NULL)) != -1) {
        action = take(o, c);
        if (action == LM_BAD)
            optind = argc; /* it has been told */
        if (action != LM_RUN)
            return action;
    }
    return optind == argc ? LM_RUN : LM_BAD;
}
