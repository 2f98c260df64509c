/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "ctlwords.h"

#include <stdio.h>
#include <string.h>

#include "number.h"

static const char *const verbs[] = { [CTL_STATUS] = "status",
                                     [CTL_CANCEL] = "cancel",
                                     [CTL_SET] = "set",
                                     [CTL_SWITCH] = "switch" };
#define NR_VERBS (sizeof(verbs) / sizeof(verbs[0]))

static bool bad(char *error, const char *what, const char *word,
                const char *wanted)
{
    snprintf(error, LM_ERROR_MAX, "%s '%.64s': %s", what, word, wanted);
    return false;
}

static bool set_downtime(const char *value, struct ctl_request *r, char *error)
{
    uint64_t ms = 0;

    if (r->has_downtime)
        return bad(error, "downtime", value, "it is given twice");
    if (strcmp(value, "none") && !number_parse(value, 1, DOWNTIME_MAX_MS, &ms))
        return bad(error, "downtime", value,
                   "a whole number of milliseconds from 1 "
                   "to " DOWNTIME_MAX_TEXT " is wanted, or none");
    r->has_downtime = true;
    r->downtime_ms = (uint32_t)ms;
    return true;
}

static bool set_bandwidth(const char *value, struct ctl_request *r, char *error)
{
    uint64_t rate = 0;

    if (r->has_bandwidth)
        return bad(error, "bandwidth", value, "it is given twice");
    if (strcmp(value, "none") && !rate_parse(value, &rate))
        return bad(error, "bandwidth", value,
                   "a rate of " RATE_LIMITS
                   " is wanted, such as 100M, 64Mi or 2.5Gbit, or none");
    r->has_bandwidth = true;
    r->bandwidth_bytes_s = rate;
    return true;
}

static bool parse_setting(const char *word, struct ctl_request *r, char *error)
{
    if (!strncmp(word, "downtime=", 9))
        return set_downtime(word + 9, r, error);
    if (!strncmp(word, "bandwidth=", 10))
        return set_bandwidth(word + 10, r, error);
    return bad(error, "set", word, "downtime=MS or bandwidth=RATE is wanted");
}

bool ctl_parse(size_t nr, char *const *words, struct ctl_request *r,
               char error_out[LM_ERROR_MAX])
{
    size_t verb = 0;

    *r = (struct ctl_request){ .verb = CTL_STATUS };
    if (!nr)
        return bad(error_out, "command", "",
                   "status, cancel, set or switch is wanted");
    while (verb < NR_VERBS && strcmp(words[0], verbs[verb]))
        verb++;
    if (verb == NR_VERBS)
        return bad(error_out, "command", words[0],
                   "status, cancel, set or switch is wanted");
    r->verb = (enum ctl_verb)verb;
    if (r->verb != CTL_SET && nr > 1)
        return bad(error_out, words[0], words[1], "it takes no argument");
    if (r->verb == CTL_SET && nr < 2)
        return bad(error_out, "set", "",
                   "downtime=MS or bandwidth=RATE is wanted");
    for (size_t i = 1; i < nr; i++)
        if (!parse_setting(words[i], r, error_out))
            return false;
    return true;
}

bool ctl_parse_line(char *line, size_t bytes, struct ctl_request *r,
                    char error_out[LM_ERROR_MAX])
{
    char *words[1 + CTL_WORDS_MAX], *p = line;
    size_t nr = 0;

    if (!bytes)
        return bad(error_out, "request", "",
                   "it is empty, or longer than any request");
    /* What is not printable would get into a message. */
    for (size_t i = 0; i < bytes; i++)
        if (line[i] < ' ' || line[i] > '~')
            return bad(error_out, "request", "",
                       "it has a character that no request has");
    while (p && nr < 1 + CTL_WORDS_MAX)
        words[nr++] = strsep(&p, " ");
    if (p)
        return bad(error_out, "request", p, "there are too many words");
    if (strcmp(words[0], CTL_MAGIC))
        return bad(error_out, "request", words[0], CTL_MAGIC " is wanted");
    return ctl_parse(nr - 1, words + 1, r, error_out);
}

bool ctl_line(size_t nr, char *const *words, char line_out[CTL_LINE_MAX])
{
    size_t n = (size_t)snprintf(line_out, CTL_LINE_MAX, "%s", CTL_MAGIC);

    for (size_t i = 0; i < nr && n < CTL_LINE_MAX; i++)
        n += (size_t)snprintf(line_out + n, CTL_LINE_MAX - n, " %s", words[i]);
    if (n + 1 >= CTL_LINE_MAX)
        return false;
    memcpy(line_out + n, "\n", 2);
    return true;
}
