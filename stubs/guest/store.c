/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A guest's ends of the rings that it shares with xenstored and xenconsoled. */
#include "config.h"

#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "stubs/guest/guest.h"

#include <xen/io/console.h>
#include <xen/io/xs_wire.h>

#define REPLY_LIMIT_NS 20000000000ULL

struct message {
    struct xsd_sockmsg h;
    char body[XENSTORE_PAYLOAD_MAX];
};

static bool open_ring(struct guest *g, struct ring *r, uint64_t pfn,
                      uint32_t port)
{
    r->pfn = pfn;
    r->page = guest_page(g, pfn);
    guest_step_out(g);
    r->port = port ? sim_bind_own(&g->events, port) : -1;
    guest_step_in(g);
    return r->page && r->port > 0;
}

static bool find_pv_rings(struct guest *g)
{
    const struct start_info *s = guest_page(g, g->im->start_info_pfn);
    uint64_t idx, store, console;

    if (!s || sim_frame_to_idx(g->d, s->store_mfn, &idx) ||
        !sim_idx_to_pfn(g->d, idx, &store) ||
        sim_frame_to_idx(g->d, s->console.domU.mfn, &idx) ||
        !sim_idx_to_pfn(g->d, idx, &console))
        return false;
    return open_ring(g, &g->store, store, s->store_evtchn) &&
           open_ring(g, &g->console, console, s->console.domU.evtchn);
}

static bool find_rings(struct guest *g)
{
    const uint64_t *param = g->d->hvm_param;

    if (sim_is_hvm(g->d))
        return open_ring(g, &g->store, param[HVM_PARAM_STORE_PFN],
                         param[HVM_PARAM_STORE_EVTCHN]) &&
               open_ring(g, &g->console, param[HVM_PARAM_CONSOLE_PFN],
                         param[HVM_PARAM_CONSOLE_EVTCHN]);
    return find_pv_rings(g);
}

bool guest_connect(struct guest *g)
{
    if (!find_rings(g)) {
        guest_say(g, "no rings of xenstore and console");
        return false;
    }
    g->shutdown_changed = g->target_changed = true; /* look once */
    return guest_watch(g, "control/shutdown", "shutdown") &&
           guest_watch(g, "memory/target", "target");
}

static void kick(struct guest *g, const struct ring *r)
{
    guest_mark(g, r->pfn);
    guest_step_out(g);
    sim_notify(&g->events, r->port);
    guest_step_in(g);
}

/* Events say only "look again". */
static void drain(struct guest *g, uint64_t until_ns)
{
    struct pollfd p = { .fd = g->events.fd, .events = POLLIN };
    uint32_t port;

    guest_sleep(g, until_ns);
    guest_step_out(g);
    while (poll(&p, 1, 0) > 0 &&
           read(g->events.fd, &port, sizeof(port)) == sizeof(port))
        sim_unmask(&g->events, port);
    guest_step_in(g);
}

static bool send_bytes(struct guest *g, const void *data, uint32_t len)
{
    struct xenstore_domain_interface *ring = g->store.page;
    const uint64_t limit = guest_now_ns() + REPLY_LIMIT_NS;
    const char *p = data;

    while (len) {
        const uint32_t prod = ring->req_prod;

        if (prod - ring->req_cons >= XENSTORE_RING_SIZE) {
            if (guest_now_ns() > limit)
                return false;
            kick(g, &g->store);
            drain(g, limit);
            continue;
        }
        ring->req[prod & (XENSTORE_RING_SIZE - 1)] = *p++;
        __atomic_store_n(&ring->req_prod, prod + 1, __ATOMIC_RELEASE);
        len--;
    }
    guest_mark(g, g->store.pfn);
    return true;
}

static bool receive_bytes(struct guest *g, void *data, uint32_t len,
                          uint64_t limit)
{
    struct xenstore_domain_interface *ring = g->store.page;
    char *p = data;

    while (len) {
        const uint32_t cons = ring->rsp_cons;

        if (__atomic_load_n(&ring->rsp_prod, __ATOMIC_ACQUIRE) == cons) {
            if (guest_now_ns() > limit)
                return false;
            kick(g, &g->store); /* there may be room again for more */
            drain(g, limit);
            continue;
        }
        *p++ = ring->rsp[cons & (XENSTORE_RING_SIZE - 1)];
        __atomic_store_n(&ring->rsp_cons, cons + 1, __ATOMIC_RELEASE);
        len--;
    }
    guest_mark(g, g->store.pfn);
    return true;
}

static bool receive(struct guest *g, struct message *m, uint64_t limit)
{
    if (!receive_bytes(g, &m->h, sizeof(m->h), limit) ||
        m->h.len > sizeof(m->body) - 1 ||
        !receive_bytes(g, m->body, m->h.len, limit))
        return false;
    m->body[m->h.len] = '\0';
    return true;
}

/* Path, NUL, token, NUL. */
static void note_event(struct guest *g, const struct message *m)
{
    const char *token = m->body + strlen(m->body) + 1;

    if (token >= m->body + m->h.len)
        return;
    if (!strcmp(token, "shutdown"))
        g->shutdown_changed = true;
    else if (!strcmp(token, "target"))
        g->target_changed = true;
}

static bool exchange(struct guest *g, struct message *m)
{
    const uint64_t limit = guest_now_ns() + REPLY_LIMIT_NS;
    const uint32_t type = m->h.type;

    m->h.req_id = ++g->req_id;
    m->h.tx_id = 0;
    if (!send_bytes(g, &m->h, sizeof(m->h)) ||
        !send_bytes(g, m->body, m->h.len))
        return false;
    kick(g, &g->store);
    do {
        if (!receive(g, m, limit))
            return false;
        if (m->h.type == XS_WATCH_EVENT)
            note_event(g, m);
    } while (m->h.type == XS_WATCH_EVENT || m->h.req_id != g->req_id);
    return m->h.type == type;
}

/* BODY: path, NUL, and more. */
static bool request(struct guest *g, struct message *m, uint32_t type,
                    const char *path, const char *more, size_t more_len)
{
    const size_t len = strlen(path) + 1;
    bool ok;

    if (len + more_len >= sizeof(m->body))
        return false;
    m->h.type = type;
    m->h.len = len + more_len;
    memcpy(m->body, path, len);
    memcpy(m->body + len, more, more_len);
    guest_enter(g);
    ok = exchange(g, m);
    guest_leave(g);
    return ok;
}

bool guest_read(struct guest *g, const char *path, char *out, size_t size)
{
    struct message m;

    if (!request(g, &m, XS_READ, path, "", 0))
        return false;
    snprintf(out, size, "%s", m.body);
    return true;
}

bool guest_write(struct guest *g, const char *path, const char *value)
{
    struct message m;

    return request(g, &m, XS_WRITE, path, value, strlen(value));
}

bool guest_watch(struct guest *g, const char *path, const char *token)
{
    struct message m;

    return request(g, &m, XS_WATCH, path, token, strlen(token) + 1);
}

/* Nobody reads: a guest waits for its console no more than a moment. */
void guest_print(struct guest *g, const char *line)
{
    struct xencons_interface *ring = g->console.page;

    guest_enter(g);
    for (; *line; line++) {
        const XENCONS_RING_IDX prod = ring->out_prod;

        if (prod - ring->out_cons >= sizeof(ring->out))
            break;
        ring->out[MASK_XENCONS_IDX(prod, ring->out)] = *line;
        __atomic_store_n(&ring->out_prod, prod + 1, __ATOMIC_RELEASE);
    }
    ring->in_cons = ring->in_prod; /* what somebody typed */
    kick(g, &g->console);
    guest_leave(g);
}

void guest_wait(struct guest *g, uint64_t until_ns)
{
    struct xenstore_domain_interface *ring = g->store.page;
    struct message m;

    guest_enter(g);
    drain(g, until_ns);
    while (__atomic_load_n(&ring->rsp_prod, __ATOMIC_ACQUIRE) !=
               ring->rsp_cons &&
           receive(g, &m, guest_now_ns() + REPLY_LIMIT_NS))
        if (m.h.type == XS_WATCH_EVENT)
            note_event(g, &m);
    guest_leave(g);
}
