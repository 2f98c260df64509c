/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The command line of "xl lmigrate-receive", which the other host writes. */
#ifndef XLM_PLUGIN_RECEIVE_OPTIONS_H
#define XLM_PLUGIN_RECEIVE_OPTIONS_H

#include "options.h"

struct receive_options {
    uint32_t flags; /* XLM_F_* */
    unsigned verbose;
    bool timestamps;
    const char *name; /* the domain's, for the log file; may be unknown */
    const char *record;
    const char *query; /* answer this, and leave */
};

/*
 * LM_RUN, LM_HELP, LM_DESCRIBE; LM_BAD: getopt has said what is wrong, unless
 * optind < argc: arguments, where none are taken.
 */
enum lm_action receive_options_parse(struct receive_options *o, int argc,
                                     char **argv);

#endif /* XLM_PLUGIN_RECEIVE_OPTIONS_H */
