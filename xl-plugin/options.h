/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The command line of "xl lmigrate". */
#ifndef XLM_PLUGIN_OPTIONS_H
#define XLM_PLUGIN_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "optable.h"

#define LM_CHANNELS_MAX     64 /* of doc/stream-format.md, OFFER */
#define LM_CHANNELS_DEFAULT 4  /* at most: job.c */
/* As libvirt has them: who runs that, has opened them already. */
#define LM_PORT_LOW   49152
#define LM_PORT_HIGH  49215
#define LM_PORTS_TEXT "49152-49215"
#define LM_PORTS_LIMITS                                                        \
    "two ports from 1 to 65535 are wanted, such as " LM_PORTS_TEXT

/* Of libxlm.h: an hour, and 64 GiB. */
#define LM_RECONNECT_MAX_S 3600
#define LM_DELTA_MAX_MIB   65536

struct lm_options {
    const char *config_file; /* -C, NULL: the domain's own configuration */
    const char *ssh;         /* -s, "" runs host as a command            */
    const char *json;        /* --json, NULL none, "-" stdout            */
    const char *domain;      /* name, id or uuid                         */
    const char *host;        /* as given                                 */
    unsigned verbose;        /* number of -v                             */
    uint32_t downtime_ms;    /* 0: no goal                               */
    uint32_t rounds;         /* 0: default                               */
    uint32_t channels;       /* 0: default                               */
    const char *migration_address; /* NULL: host's own                      */
    uint16_t port_low, port_high;  /* both 0: default                        */
    uint32_t reconnect_ms;      /* 0: default; XLM_RECONNECT_OFF            */
    uint32_t timeout_ms;        /* 0: none                                  */
    uint32_t deadline_ms;       /* 0: none                                  */
    uint8_t on_slow[4];         /* --on-slow: enum xlm_on_slow, 0 ends it   */
    uint32_t dirty;             /* enum xlm_dirty                           */
    uint64_t bandwidth_bytes_s; /* 0: no limit                           */
    uint32_t compress;          /* --compress: enum xlm_compress            */
    int32_t compress_level;     /* 0: default                               */
    uint32_t delta_mib;         /* 0: default; XLM_DELTA_OFF                */
    bool no_monitor;            /* -e                                       */
    bool leave_paused;          /* -p                                       */
    bool keep_domid;            /* -D                                       */
    bool data_by_ssh;           /* --data ssh                               */
    bool plain;                 /* --plain                                  */
    bool ktls;                  /* --ktls                                   */
    bool debug;                 /* --debug                                  */
    bool dry_run;               /* --dry-run, -N                            */
    bool estimate;              /* --estimate                               */
    bool allow_pause;           /* --allow-pause                            */
    bool unpause_to_suspend;    /* --unpause-to-suspend                     */
    bool no_prebuild;           /* --no-prebuild                            */
    bool verify;                /* --verify                                 */
    bool timing;                /* --timing                                 */
    bool exempt_last_round;     /* --exempt-last-round                      */
    bool live_line;             /* -t: live line although not a terminal    */
    bool timestamps;            /* -T                                       */
};

extern const struct lm_option lm_option_table[];
extern const size_t lm_option_count;

/* Words for enum xlm_dirty, in its order. */
#define LM_DIRTY_COUNT 4u
extern const char *const lm_dirty_words[];

/* Words for enum xlm_on_slow, by its values. */
#define LM_SLOW_COUNT 5u
extern const char *const lm_slow_words[LM_SLOW_COUNT];

#define LM_DESCRIPTION "Migrate a running domain to another host by libxlm"

/*
 * Parse; argv is permuted as by getopt.  What the command line leaves open is
 * taken from preset, whose strings o then shares; NULL: there is none.  For
 * LM_BAD error_out is one line that names the option, the value and its limits.
 */
enum lm_action lm_options_parse(int argc, char **argv,
                                const struct lm_options *preset,
                                struct lm_options *o,
                                char error_out[LM_ERROR_MAX]);

/* One option by its long name; the value of a flag is 0 or 1.  value is kept
 * where it is a text. */
bool lm_options_set(struct lm_options *o, const char *long_name,
                    const char *value, char error_out[LM_ERROR_MAX]);

/* LOW-HIGH, or one port: as LM_PORTS_LIMITS says. */
bool lm_ports_parse(const char *value, uint16_t *low_out, uint16_t *high_out);

/* The two arguments behind the options, for commands that share them. */
bool lm_options_arguments(int argc, char **argv, struct lm_options *o,
                          char error_out[LM_ERROR_MAX]);

/* The text of "xl help lmigrate", in xl's own layout. */
void lm_options_help(FILE *f);

void lm_options_list(FILE *f);

#endif /* XLM_PLUGIN_OPTIONS_H */
