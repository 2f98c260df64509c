/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Command lines.  Byte 0: 0 of "xl lmigrate-receive", which the source's host
 * writes; 1 of "xl lmigrate".  Arguments end with a NUL.
 */
#include "config.h"

#include "fuzz.h"

#include <getopt.h>

#include "options.h"
#include "receive_options.h"

#define ARGS_MAX 32

static int split(char *text, size_t bytes, char *argv[ARGS_MAX + 1])
{
    int argc = 1;

    argv[0] = (char *)(uintptr_t) "xl";
    for (size_t at = 0; at < bytes && argc < ARGS_MAX; argc++) {
        argv[argc] = text + at;
        at += strlen(text + at) + 1;
    }
    argv[argc] = NULL;
    return argc;
}

/* What an option keeps points into the arguments. */
static void check_text(const char *text)
{
    FUZZ_CHECK(!text || strlen(text) < 4096);
}

int fuzz_options(const uint8_t *data, size_t size)
{
    struct fuzz_in in = { data, size };
    const bool receive = !(fuzz_u8(&in) & 1);
    char *text = fuzz_text(in.at, in.left), error[LM_ERROR_MAX] = "";
    char *argv[ARGS_MAX + 1];
    int argc = split(text, in.left, argv);
    struct receive_options r = { 0 };
    struct lm_options o;

    opterr = 0;
    optind = 0; /* getopt begins anew */
    if (receive) {
        receive_options_parse(&r, argc, argv);
        check_text(r.name);
        check_text(r.record);
        check_text(r.query);
    } else {
        enum lm_action action = lm_options_parse(argc, argv, NULL, &o, error);

        FUZZ_CHECK(memchr(error, '\0', sizeof(error)));
        FUZZ_CHECK(action != LM_BAD || error[0]);
        FUZZ_CHECK(action != LM_RUN || (o.domain && o.host));
    }
    free(text);
    return 0;
}
