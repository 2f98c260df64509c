/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* BUILD and BUILT: what the destination is asked to set up, and where its data
 * channels are then. */
#include "config.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "stream/body_int.h"

static bool all_zero(const uint8_t key[XLM__KEY_BYTES])
{
    static const uint8_t zero[XLM__KEY_BYTES];

    return !memcmp(key, zero, sizeof(zero));
}

void xlm__take_build(struct xlm__taker *t, struct xlm__build *b)
{
    const uint8_t *key;
    bool range;

    b->flags = xlm__take_flags(t, XLM__BUILD_FLAGS);
    b->resume_s = 0;
    if (t->ctx->features & XLM__FEATURE_RESUME)
        b->resume_s = xlm__take_u32(t, "seconds");
    else
        xlm__take_reserved(t);
    xlm__take_in(t, b->resume_s, 0, XLM__RESUME_S_MAX, "seconds");
    b->port = xlm__take_u32(t, "port");
    xlm__take_in(t, b->port, XLM__PORT_NONE, XLM__PORT_TLS, "as kind of port");
    b->port_low = xlm__take_u16(t, "lowest port");
    b->port_high = xlm__take_u16(t, "highest port");
    key = xlm__take(t, XLM__KEY_BYTES, "key");
    if (!key)
        return;
    memcpy(b->key, key, sizeof(b->key));
    range = b->port_low || b->port_high;
    if (range && (b->port == XLM__PORT_NONE || !b->port_low ||
                  b->port_low > b->port_high))
        xlm__take_fail(t, "ports %u to %u, kind of port %u", b->port_low,
                       b->port_high, b->port);
    if (all_zero(b->key) == (b->port == XLM__PORT_TLS))
        xlm__take_fail(t, "%s key, kind of port %u",
                       b->port == XLM__PORT_TLS ? "no" : "a", b->port);
}

static void take_address(struct xlm__taker *t, char *out)
{
    uint8_t binary[sizeof(struct in6_addr)];

    xlm__take_string(t, out, 2, XLM__ADDRESS_TEXT_MAX, "address");
    if (!t->rc && inet_pton(AF_INET, out, binary) != 1 &&
        inet_pton(AF_INET6, out, binary) != 1)
        xlm__take_fail(t, "'%s' is no address", out);
}

void xlm__take_built(struct xlm__taker *t, struct xlm__built *b)
{
    b->domid = xlm__take_domid(t);
    b->port = xlm__take_u16(t, "port");
    b->nr_addresses = xlm__take_u16(t, "number of addresses");
    xlm__take_in(t, b->nr_addresses, 0, b->port ? XLM__ADDRESSES_MAX : 0,
                 "addresses");
    xlm__take_string(t, b->why, 0, b->port ? 0 : XLM__TEXT_MAX, "text");
    for (unsigned i = 0; i < b->nr_addresses && !t->rc; i++)
        take_address(t, b->addresses[i]);
}
