/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "stream/greeting.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "util/byteorder.h"
#include "util/crc32c.h"

#define XLM_MODULE "stream"

#define AT(field) offsetof(struct xlm__wire_greeting, field)

/* How long to wait for the rest of what a stranger says. */
#define STRANGER_MS    200
#define STRANGER_BYTES 64u

static int refuse(char *why, int code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static int refuse(char *why, int code, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(why, XLM_MESSAGE_MAX, fmt, ap);
    va_end(ap);
    return code;
}

static bool all_zero(const uint8_t *p, size_t bytes)
{
    while (bytes--)
        if (*p++)
            return false;
    return true;
}

void xlm__greeting_init(struct xlm__greeting *g, enum xlm__kind kind,
                        enum xlm_role role, uint16_t index)
{
    memset(g, 0, sizeof(*g));
    g->version_min = XLM__STREAM_VERSION_MIN;
    g->version_max = XLM__STREAM_VERSION_MAX;
    g->kind = kind;
    g->role = role;
    g->index = index;
    g->offered = XLM__STREAM_FEATURES;
}

void xlm__greeting_encode(const struct xlm__greeting *g,
                          uint8_t out[XLM__GREETING_BYTES])
{
    memset(out, 0, XLM__GREETING_BYTES);
    memcpy(out + AT(magic), XLM__MAGIC, XLM__MAGIC_BYTES);
    xlm__put_le16(out + AT(version_min), g->version_min);
    xlm__put_le16(out + AT(version_max), g->version_max);
    out[AT(kind)] = (uint8_t)g->kind;
    out[AT(role)] = (uint8_t)g->role;
    xlm__put_le16(out + AT(index), g->index);
    xlm__put_le64(out + AT(offered), g->offered);
    xlm__put_le64(out + AT(required), g->required);
    memcpy(out + AT(session), g->session, sizeof(g->session));
    memcpy(out + AT(token), g->token, sizeof(g->token));
    xlm__put_le32(out + AT(attempt), g->attempt);
    xlm__put_le32(out + AT(taken), g->taken);
    xlm__put_le32(out + AT(crc), xlm__crc32c(0, out, AT(crc)));
}

/* What a stranger said, in printable characters. */
static void quote(const uint8_t *bytes, size_t nr, char *out, size_t size)
{
    size_t at = 0;

    for (size_t i = 0; i < nr && i < STRANGER_BYTES && at + 5 < size; i++) {
        uint8_t c = bytes[i];

        if (c == '\n')
            at += (size_t)snprintf(out + at, size - at, "\\n");
        else if (c >= 0x20 && c < 0x7f && c != '"' && c != '\\')
            at += (size_t)snprintf(out + at, size - at, "%c", c);
        else
            at += (size_t)snprintf(out + at, size - at, "\\x%02x", c);
    }
    out[at] = '\0';
}

static int refuse_stranger(char *why, const uint8_t *bytes, size_t nr)
{
    char said[STRANGER_BYTES * 4 + 1];

    if (!nr)
        return refuse(why, XLM_ERR_STREAM,
                      "the other side closed without a word: no xlm there");
    quote(bytes, nr, said, sizeof(said));
    return refuse(why, XLM_ERR_STREAM,
                  "the other side is not xlm: it said \"%s\"", said);
}

static int check_numbers(const struct xlm__greeting *g, char *why)
{
    if (g->version_min < 1 || g->version_max < g->version_min)
        return refuse(why, XLM_ERR_STREAM, "greeting: versions %u to %u",
                      g->version_min, g->version_max);
    if (g->kind != XLM__KIND_CONTROL && g->kind != XLM__KIND_DATA)
        return refuse(why, XLM_ERR_STREAM,
                      "greeting: kind of channel %d, not 1 or 2", (int)g->kind);
    if (g->role != XLM_SOURCE && g->role != XLM_DESTINATION)
        return refuse(why, XLM_ERR_STREAM, "greeting: role %d, not 1 or 2",
                      (int)g->role);
    if (g->index >= (g->kind == XLM__KIND_DATA ? XLM__CHANNELS_MAX : 1u))
        return refuse(why, XLM_ERR_STREAM,
                      "greeting: channel index %u, limit %u", g->index,
                      g->kind == XLM__KIND_DATA ? XLM__CHANNELS_MAX - 1 : 0);
    if (g->required & ~g->offered)
        return refuse(why, XLM_ERR_STREAM,
                      "greeting: requires features 0x%" PRIx64
                      ", offers only 0x%" PRIx64,
                      g->required, g->offered);
    return 0;
}

static int check_secrets(const struct xlm__greeting *g, char *why)
{
    bool token = !all_zero(g->token, sizeof(g->token));

    if (all_zero(g->session, sizeof(g->session)))
        return refuse(why, XLM_ERR_STREAM, "greeting: session uuid is zero");
    if (g->role == XLM_SOURCE && !token)
        return refuse(why, XLM_ERR_STREAM,
                      "greeting: the source's token is zero");
    if (g->role == XLM_DESTINATION && token)
        return refuse(why, XLM_ERR_STREAM,
                      "greeting: the destination's token is not zero");
    return 0;
}

static int check_return(const struct xlm__greeting *g, char *why)
{
    const bool data = g->kind == XLM__KIND_DATA;
    const uint64_t needs = data ? XLM__FEATURE_RESUME : XLM__FEATURE_RETURN;

    if ((g->attempt || g->taken) && !(g->offered & needs))
        return refuse(why, XLM_ERR_STREAM,
                      "greeting: reserved bytes are not zero");
    if (g->taken && (!g->attempt || (data && g->role == XLM_SOURCE)))
        return refuse(
            why, XLM_ERR_STREAM,
            "greeting: %u records taken, by the %s, attempt %u", g->taken,
            g->role == XLM_SOURCE ? "source" : "destination", g->attempt);
    return 0;
}

int xlm__greeting_decode(const uint8_t in[XLM__GREETING_BYTES],
                         struct xlm__greeting *out, char *why)
{
    struct xlm__greeting g;
    uint32_t crc = xlm__crc32c(0, in, AT(crc));
    int rc;

    if (memcmp(in, XLM__MAGIC, XLM__MAGIC_BYTES))
        return refuse_stranger(why, in, XLM__GREETING_BYTES);
    if (xlm__get_le32(in + AT(crc)) != crc)
        return refuse(why, XLM_ERR_STREAM,
                      "greeting: CRC 0x%08x, computed 0x%08x",
                      xlm__get_le32(in + AT(crc)), crc);
    if (!all_zero(in + AT(reserved), AT(crc) - AT(reserved)))
        return refuse(why, XLM_ERR_STREAM,
                      "greeting: reserved bytes are not zero");

    g.version_min = xlm__get_le16(in + AT(version_min));
    g.version_max = xlm__get_le16(in + AT(version_max));
    g.kind = (enum xlm__kind)in[AT(kind)];
    g.role = (enum xlm_role)in[AT(role)];
    g.index = xlm__get_le16(in + AT(index));
    g.offered = xlm__get_le64(in + AT(offered));
    g.required = xlm__get_le64(in + AT(required));
    memcpy(g.session, in + AT(session), sizeof(g.session));
    memcpy(g.token, in + AT(token), sizeof(g.token));
    g.attempt = xlm__get_le32(in + AT(attempt));
    g.taken = xlm__get_le32(in + AT(taken));

    rc = check_numbers(&g, why);
    if (!rc)
        rc = check_return(&g, why);
    if (!rc)
        rc = check_secrets(&g, why);
    if (!rc)
        *out = g;
    return rc;
}

/* What a person asked for, if that is what is missing. */
static const char *wish(uint64_t features)
{
    return features & XLM__FEATURE_VERIFY
               ? ": comparing all memory (verify) needs an xlm on both hosts "
                 "that can"
               : "";
}

/* Do the two talk about the same channel? */
static int agree_channel(const struct xlm__greeting *mine,
                         const struct xlm__greeting *theirs, char *why)
{
    if (mine->role == theirs->role)
        return refuse(why, XLM_ERR_STREAM,
                      "greeting: the other side is a %s, too",
                      mine->role == XLM_SOURCE ? "source" : "destination");
    if (mine->kind != theirs->kind || mine->index != theirs->index)
        return refuse(why, XLM_ERR_STREAM,
                      "greeting: channel of kind %d index %u answered as "
                      "kind %d index %u",
                      (int)mine->kind, mine->index, (int)theirs->kind,
                      theirs->index);
    if (memcmp(mine->session, theirs->session, sizeof(mine->session)))
        return refuse(why, XLM_ERR_STREAM,
                      "greeting: the other side names another session");
    if (mine->attempt != theirs->attempt)
        return refuse(why, XLM_ERR_STREAM,
                      "greeting: attempt %u answered as attempt %u",
                      mine->attempt, theirs->attempt);
    return 0;
}

int xlm__greeting_agree(const struct xlm__greeting *mine,
                        const struct xlm__greeting *theirs,
                        struct xlm__agreement *out, char *why)
{
    uint16_t version = mine->version_max < theirs->version_max
                           ? mine->version_max
                           : theirs->version_max;
    int rc = agree_channel(mine, theirs, why);

    if (rc)
        return rc;
    if (version < mine->version_min || version < theirs->version_min)
        return refuse(why, XLM_ERR_VERSION,
                      "stream versions %u to %u here, %u to %u there",
                      mine->version_min, mine->version_max, theirs->version_min,
                      theirs->version_max);
    if (theirs->required & ~mine->offered)
        return refuse(why, XLM_ERR_VERSION,
                      "the other side requires features 0x%" PRIx64
                      " that this one does not have",
                      theirs->required & ~mine->offered);
    if (mine->required & ~theirs->offered)
        return refuse(why, XLM_ERR_VERSION,
                      "the other side lacks features 0x%" PRIx64
                      " that this one requires%s",
                      mine->required & ~theirs->offered,
                      wish(mine->required & ~theirs->offered));
    out->version = version;
    out->features = mine->offered & theirs->offered;
    return 0;
}

bool xlm__greeting_may_join(const struct xlm__greeting *control,
                            const struct xlm__greeting *g, enum xlm__kind kind)
{
    unsigned differ = 0;

    for (size_t i = 0; i < sizeof(control->session); i++)
        differ |= (unsigned)(control->session[i] ^ g->session[i]);
    for (size_t i = 0; i < sizeof(control->token); i++)
        differ |= (unsigned)(control->token[i] ^ g->token[i]);
    return !differ && g->kind == kind && g->role == XLM_SOURCE;
}

static int fail_stranger(struct xlm__chan *c, uint8_t *bytes, size_t nr)
{
    char why[XLM_MESSAGE_MAX];
    size_t got;

    /* The rest of the line, if it comes at once. */
    while (nr && nr < STRANGER_BYTES && xlm__chan_poll(c, STRANGER_MS) > 0) {
        if (xlm__chan_read_some(c, bytes + nr, STRANGER_BYTES - nr, &got) ||
            !got)
            break;
        nr += got;
    }
    refuse_stranger(why, bytes, nr);
    return XLM_FAIL(c->err, nr ? XLM_ERR_STREAM : XLM_ERR_CHANNEL, "%s: %s",
                    c->name, why);
}

int xlm__greeting_read(struct xlm__chan *c, uint8_t out[XLM__GREETING_BYTES])
{
    size_t nr = 0, got;
    int rc;

    while (nr < XLM__GREETING_BYTES) {
        rc = xlm__chan_read_some(c, out + nr, XLM__GREETING_BYTES - nr, &got);
        if (rc)
            return rc;
        nr += got;
        if (!nr || memcmp(out, XLM__MAGIC,
                          nr < XLM__MAGIC_BYTES ? nr : XLM__MAGIC_BYTES))
            return fail_stranger(c, out, nr);
        if (!got)
            return XLM_FAIL(
                c->err, XLM_ERR_CHANNEL,
                "%s: the other side closed after %zu bytes of its greeting",
                c->name, nr);
    }
    return 0;
}

int xlm__greeting_exchange(struct xlm__chan *c, const struct xlm__greeting *g,
                           struct xlm__greeting *theirs_out,
                           struct xlm__agreement *out)
{
    uint8_t ours[XLM__GREETING_BYTES], bytes[XLM__GREETING_BYTES];
    char why[XLM_MESSAGE_MAX];
    struct xlm__greeting theirs;
    int rc = 0;

    xlm__greeting_encode(g, ours);
    if (g->role == XLM_SOURCE)
        rc = xlm__chan_write(c, ours, sizeof(ours));
    if (!rc)
        rc = xlm__greeting_read(c, bytes);
    if (rc)
        return rc;
    rc = xlm__greeting_decode(bytes, &theirs, why);
    if (rc)
        return XLM_FAIL(c->err, rc, "%s: %s", c->name, why);
    /* Answer before judging: the source is to see why (section 3). */
    if (g->role == XLM_DESTINATION) {
        rc = xlm__chan_write(c, ours, sizeof(ours));
        if (rc)
            return rc;
    }
    rc = xlm__greeting_agree(g, &theirs, out, why);
    if (rc)
        return XLM_FAIL(c->err, rc, "%s: %s", c->name, why);
    if (theirs_out)
        *theirs_out = theirs;
    return 0;
}
