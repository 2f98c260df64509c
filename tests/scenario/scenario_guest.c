/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The guest that is moved: what is in its memory, and what it does meanwhile.
 */
#include "config.h"

#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <xen/xen.h>

#include "scenario.h"
#include "util/clock.h"

#define PER_PAGE     512u
#define FULL_SPEED   UINT64_C(40000) /* pages a second */
#define FIRST_FREE   256u            /* below: a PV guest's tables */
#define BALLOON      16u
#define STORE_PFN    255u /* a translated guest's page for xenstored */
#define STORE_BYTE   0x99
#define XC_PAGE_DATA 1u
#define XEN_SLOTS    256u /* of an L4: 16 from here on */

static uint64_t nr_ram(const struct run *r)
{
    return r->sc->nr_ram ? r->sc->nr_ram : SCENARIO_RAM;
}

static void set_state(struct fake_hv *f)
{
    /* struct hvm_save_descriptor of the header, the header, and more */
    const uint32_t context[12] = { 1, 24, 0x54381286, 1, 0, 0, 0, 0, 7, 8 };

    fake_set_policy(f, "leaves", 6, "msrs", 4);
    fake_set_blob(&f->hvm_context, context, sizeof(context));
    f->hvm_params[1] = STORE_PFN; /* HVM_PARAM_STORE_PFN */
    f->tsc.khz = 2000000;
}

void guest_boot(struct run *r)
{
    struct fake_hv *f = r->src.hv;

    /* Now: an allocation that fails later is to be one of the session's. */
    r->at_suspend = calloc(f->nr_pfns, sizeof(*r->at_suspend));
    if (!r->at_suspend)
        abort();
    fake_add(f, 0, nr_ram(r));
    if (!f->info.hvm)
        fake_pv_boot(f);
    set_state(f);
    if (f->info.hvm)
        fake_fill(f, STORE_PFN, STORE_PFN);
    for (uint64_t pfn = FIRST_FREE; pfn < nr_ram(r); pfn++)
        if (!r->sc->sparse || pfn % 16 == 0)
            fake_fill(f, pfn, pfn);
}

/* ---- what it does while it moves ---- */

struct dice {
    uint64_t x;
    uint64_t then_ns; /* when it last computed */
};

static uint64_t roll(struct dice *d, uint64_t below)
{
    d->x ^= d->x << 13;
    d->x ^= d->x >> 7;
    d->x ^= d->x << 17;
    return d->x % below;
}

static void write_page(struct run *r, struct dice *d, uint64_t pfn)
{
    if (fake_page(r->src.hv, pfn))
        fake_fill(r->src.hv, pfn, roll(d, UINT64_MAX));
}

/* However often, so few of a page's words that they are worth it. */
#define WORDS 64u

static void write_word(struct run *r, struct dice *d, uint64_t pfn)
{
    const uint64_t word = roll(d, UINT64_MAX);

    if (fake_page(r->src.hv, pfn))
        fake_write(r->src.hv, pfn, 8 * roll(d, WORDS), &word, sizeof(word));
}

static void balloon(struct run *r, struct dice *d)
{
    uint64_t first = FIRST_FREE + roll(d, nr_ram(r) - FIRST_FREE - BALLOON);

    for (uint64_t pfn = first; pfn < first + BALLOON; pfn++) {
        if (fake_page(r->src.hv, pfn))
            fake_remove(r->src.hv, pfn, 1);
        else
            fake_grow(r->src.hv, pfn);
    }
}

/* One vCPU that does nothing else: FULL_SPEED pages a second without a cap. */
static void compute(struct run *r, struct dice *d)
{
    const uint64_t now = xlm__clock_ns(), since = now - d->then_ns;
    struct fake_hv *f = r->src.hv;
    uint64_t used, pages;

    pthread_mutex_lock(&f->lock);
    used = since / 100 *
           (f->sched.cap && f->sched.cap < 100 ? f->sched.cap : 100);
    pages = used * FULL_SPEED / XLM__NS_PER_S;
    if (pages || !d->then_ns) {
        d->then_ns = now;
        f->info.cpu_ns += since == now ? 0 : used;
    }
    pthread_mutex_unlock(&f->lock);
    if (since == now) /* the first time */
        return;
    while (pages--)
        write_page(r, d, FIRST_FREE + roll(d, nr_ram(r) - FIRST_FREE));
}

static void step(struct run *r, struct dice *d)
{
    uint64_t writable = nr_ram(r) - FIRST_FREE;

    switch (r->sc->writer) {
    case WRITER_FAST:
        for (uint64_t i = 0; i < writable; i++)
            write_page(r, d, FIRST_FREE + i);
        break;
    case WRITER_SHRINKS:
        if (!roll(d, 16))
            balloon(r, d);
        /* fall through */
    case WRITER_WORDS:
        for (uint64_t i = 0; i < writable; i++)
            write_word(r, d, FIRST_FREE + i);
        break;
    case WRITER_CAPPED:
        compute(r, d);
        break;
    case WRITER_BALLOON:
        balloon(r, d);
        write_page(r, d, FIRST_FREE + roll(d, writable));
        break;
    default:
        write_page(r, d, FIRST_FREE + roll(d, writable));
        break;
    }
}

static bool may_run(struct fake_hv *f)
{
    bool runs;

    pthread_mutex_lock(&f->lock);
    runs = f->exists && !f->info.shutdown && !f->info.paused;
    pthread_mutex_unlock(&f->lock);
    return runs;
}

static void *write_memory(void *arg)
{
    const struct timespec nap = { .tv_nsec = 200000 };
    struct dice d = { .x = 88172645463325252u };
    struct run *r = arg;

    while (!atomic_load(&r->stop_writer)) {
        pthread_mutex_lock(&r->guest);
        if (may_run(r->src.hv))
            step(r, &d);
        pthread_mutex_unlock(&r->guest);
        nanosleep(&nap, NULL);
    }
    return NULL;
}

void guest_start(struct run *r)
{
    atomic_store(&r->stop_writer, false);
    if (r->sc->writer != WRITER_NONE &&
        pthread_create(&r->writer, NULL, write_memory, r))
        abort();
}

void guest_end(struct run *r)
{
    atomic_store(&r->stop_writer, true);
    if (r->sc->writer != WRITER_NONE)
        pthread_join(r->writer, NULL);
}

/* Under r->guest. */
static void stops(struct run *r, bool exists, unsigned reason)
{
    struct fake_hv *f = r->src.hv;

    pthread_mutex_lock(&f->lock);
    f->exists = exists;
    f->info.shutdown = true;
    f->info.shutdown_reason = reason;
    pthread_mutex_unlock(&f->lock);
    r->ended = true;
}

void guest_shuts_down(struct run *r, unsigned reason)
{
    pthread_mutex_lock(&r->guest);
    stops(r, true, reason);
    pthread_mutex_unlock(&r->guest);
}

void guest_may_shut_down(struct run *r, unsigned reason)
{
    pthread_mutex_lock(&r->guest);
    if (!r->was_suspended)
        stops(r, true, reason);
    pthread_mutex_unlock(&r->guest);
}

void guest_is_destroyed(struct run *r)
{
    r->src.ts.exists = false;
    pthread_mutex_lock(&r->guest);
    stops(r, false, 0);
    pthread_mutex_unlock(&r->guest);
}

/* ---- what has to arrive ---- */

void guest_snapshot(struct run *r)
{
    struct fake_hv *f = r->src.hv;

    r->was_suspended = true;
    pthread_mutex_lock(&f->lock);
    for (uint64_t pfn = 0; pfn < f->nr_pfns; pfn++) {
        struct guest_page *p = &r->at_suspend[pfn];

        p->there = f->p2m[pfn] != FAKE_NONE;
        p->type = f->types[pfn];
        p->frame = f->p2m[pfn];
        if (p->there)
            memcpy(p->data, fake_page(f, pfn), XLM__PAGE_SIZE);
    }
    pthread_mutex_unlock(&f->lock);
}

void guest_is_completed(struct run *r)
{
    unsigned char *p = fake_page(r->dst.hv, STORE_PFN);

    if (r->src.hv->info.hvm && p)
        memset(p, STORE_BYTE, XLM__PAGE_SIZE);
}

static bool is_of_xenstored(const unsigned char *p)
{
    for (unsigned i = 0; i < XLM__PAGE_SIZE; i++)
        if (p[i] != STORE_BYTE)
            return false;
    return true;
}

static bool page_is(struct run *r, uint64_t pfn)
{
    const struct guest_page *want = &r->at_suspend[pfn];
    const unsigned char *got = fake_page(r->dst.hv, pfn);

    if (!want->there || !got)
        return want->there == !!got;
    if (pfn == STORE_PFN)
        return is_of_xenstored(got);
    return !memcmp(got, want->data, XLM__PAGE_SIZE);
}

static void check_translated(struct run *r)
{
    for (uint64_t pfn = 0; pfn < r->src.hv->nr_pfns; pfn++) {
        if (page_is(r, pfn))
            continue;
        fprintf(stderr, "pfn %#llx: %s\n", (unsigned long long)pfn,
                r->at_suspend[pfn].there
                    ? fake_page(r->dst.hv, pfn) ? "contents differ" : "missing"
                    : "should not be there");
        SCENARIO_CHECK(r, !"memory at the destination is the source's");
        return;
    }
}

/* ---- PV: what libxl's helper was given, last word of each page ---- */

struct relayed {
    bool there;
    uint32_t type;
    const uint64_t *data;
};

static void take_page_data(const struct fake_record *rec, struct relayed *image,
                           uint64_t nr_pfns)
{
    const uint32_t *head = rec->body;
    const uint64_t *entries = (const uint64_t *)(const void *)(head + 2);
    const uint64_t *data = entries + head[0];

    for (uint32_t i = 0; i < head[0]; i++) {
        uint64_t pfn = entries[i] & 0xfffffffffffffull;
        uint32_t type = (uint32_t)(entries[i] >> 32) & 0xf0000000u;

        assert(pfn < nr_pfns);
        image[pfn] = (struct relayed){ type != XLM__PT_XTAB, type, NULL };
        if (type >= XLM__PT_BROKEN)
            continue;
        image[pfn].data = data;
        data += PER_PAGE;
    }
    assert((const char *)data == (const char *)rec->body + rec->bytes);
}

static bool pte_is(struct run *r, uint64_t sent, uint64_t original)
{
    uint64_t pfn = sent >> 12 & 0xffffffffffull;
    const uint64_t flags = 0xfff0000000000fffull;

    if (!(original & 1))
        return sent == original;
    return (sent & flags) == (original & flags) && pfn < r->src.hv->nr_pfns &&
           r->at_suspend[pfn].there &&
           r->at_suspend[pfn].frame == (original >> 12 & 0xffffffffffull);
}

static bool table_is(struct run *r, const struct guest_page *want,
                     const uint64_t *got)
{
    const uint64_t *original = (const uint64_t *)(const void *)want->data;
    bool l4 = (want->type & XLM__PT_LTABMASK) == 4u << 28;

    for (unsigned i = 0; i < PER_PAGE; i++) {
        if (l4 && i >= XEN_SLOTS && i < XEN_SLOTS + 16) {
            if (got[i])
                return false;
        } else if (!pte_is(r, got[i], original[i])) {
            return false;
        }
    }
    return true;
}

static bool relayed_is(struct run *r, uint64_t pfn, const struct relayed *got)
{
    const struct guest_page *want = &r->at_suspend[pfn];

    if (!want->there || !got->there)
        return want->there == got->there;
    if (got->type != want->type || !got->data)
        return false;
    if (want->type & XLM__PT_LTABMASK)
        return table_is(r, want, got->data);
    return !memcmp(got->data, want->data, XLM__PAGE_SIZE);
}

static void check_pv(struct run *r)
{
    uint64_t nr = r->src.hv->nr_pfns;
    struct relayed *image = calloc(nr, sizeof(*image));

    if (!image)
        abort();
    for (size_t i = 0; i < r->dst.ts.nr_records; i++)
        if (r->dst.ts.records[i].type == XC_PAGE_DATA)
            take_page_data(&r->dst.ts.records[i], image, nr);
    for (uint64_t pfn = 0; pfn < nr; pfn++) {
        if (relayed_is(r, pfn, &image[pfn]))
            continue;
        fprintf(stderr, "pfn %#llx: not as at the source\n",
                (unsigned long long)pfn);
        SCENARIO_CHECK(r, !"memory given to libxl is the source's");
        break;
    }
    free(image);
}

/* ---- PV, completed early: in its own frames ---- */

/* The pfn that a frame has here. */
static uint64_t pfn_here(const struct fake_hv *f, uint64_t frame)
{
    return frame < f->nr_frames ? f->m2p[frame] : FAKE_NONE;
}

static bool frame_is(struct run *r, uint64_t here, uint64_t there)
{
    const uint64_t pfn = pfn_here(r->dst.hv, here);

    return pfn < r->src.hv->nr_pfns && r->at_suspend[pfn].there &&
           r->at_suspend[pfn].frame == there &&
           fake_frame(r->dst.hv, pfn) == here;
}

static bool localised_is(struct run *r, const struct guest_page *want,
                         const uint64_t *got)
{
    const uint64_t *original = (const uint64_t *)(const void *)want->data;
    const bool l4 = (want->type & XLM__PT_LTABMASK) == 4u << 28;
    const uint64_t mask = 0xffffffffffull;

    for (unsigned i = 0; i < PER_PAGE; i++) {
        if (l4 && i >= XEN_SLOTS && i < XEN_SLOTS + 16)
            continue;
        if ((got[i] ^ original[i]) & ~(mask << 12))
            return false;
        if (original[i] & 1 &&
            !frame_is(r, got[i] >> 12 & mask, original[i] >> 12 & mask))
            return false;
    }
    return true;
}

static bool is_leaf(const struct run *r, uint64_t pfn)
{
    const uint64_t *l1 = (const void *)r->at_suspend[FAKE_PV_L1].data;

    for (unsigned i = 0; i < (r->src.hv->nr_pfns + 511) / 512; i++)
        if (l1[i] >> 12 == r->at_suspend[pfn].frame)
            return true;
    return false;
}

static bool leaf_is(struct run *r, const uint64_t *got, const uint64_t *was)
{
    for (unsigned i = 0; i < PER_PAGE; i++)
        if (was[i] == FAKE_NONE ? got[i] != FAKE_NONE
                                : !frame_is(r, got[i], was[i]))
            return false;
    return true;
}

/* As the source's guest left it, with what is this host's. */
static bool start_info_is(struct run *r, const void *got, const void *was)
{
    const struct fake_hv *d = r->dst.hv;
    start_info_t s;

    memcpy(&s, was, sizeof(s));
    s.nr_pages = d->nr_pfns;
    s.shared_info = d->shared_frame << 12;
    s.flags = 0;
    s.store_mfn = d->p2m[FAKE_PV_STORE];
    s.store_evtchn = FAKE_PV_STORE_PORT;
    s.console.domU.mfn = d->p2m[FAKE_PV_CONSOLE];
    s.console.domU.evtchn = FAKE_PV_CONSOLE_PORT;
    return !memcmp(got, &s, sizeof(s));
}

/* What the guest wrote to it, the source's xenconsoled has. */
static bool console_is(const unsigned char *got, const unsigned char *was)
{
    const size_t out_cons = 3080, out_prod = 3084;

    return !memcmp(got, was, out_cons) &&
           !memcmp(got + out_cons, was + out_prod, 4) &&
           !memcmp(got + out_prod, was + out_prod, 4);
}

static bool built_is(struct run *r, uint64_t pfn)
{
    const struct guest_page *want = &r->at_suspend[pfn];
    const void *got = fake_page(r->dst.hv, pfn);

    if (!want->there || !got)
        return want->there == !!got;
    if (r->dst.hv->types[pfn] != want->type)
        return false;
    if (want->type & XLM__PT_LTABMASK)
        return localised_is(r, want, got);
    if (pfn == FAKE_PV_START)
        return start_info_is(r, got, want->data);
    if (pfn == FAKE_PV_CONSOLE)
        return console_is(got, want->data);
    if (is_leaf(r, pfn))
        return leaf_is(r, got, (const void *)want->data);
    return !memcmp(got, want->data, XLM__PAGE_SIZE);
}

static void check_built_pv(struct run *r)
{
    const struct fake_hv *s = r->src.hv, *d = r->dst.hv;
    const vcpu_guest_context_t *was = s->vcpu[0][XLM__VCPU_BASIC].data;
    const vcpu_guest_context_t *is = d->vcpu[0][XLM__VCPU_BASIC].data;

    for (uint64_t pfn = 0; pfn < d->nr_slots; pfn++) {
        if (pfn < s->nr_pfns ? built_is(r, pfn) : d->p2m[pfn] == FAKE_NONE)
            continue;
        fprintf(stderr, "pfn %#llx: not as at the source\n",
                (unsigned long long)pfn);
        SCENARIO_CHECK(r, !"memory at the destination is the source's");
        return;
    }
    if (!SCENARIO_CHECK(r, d->vcpu_online[0] && is))
        return;
    SCENARIO_CHECK(r, frame_is(r, is->user_regs.rdx, was->user_regs.rdx));
    SCENARIO_CHECK(r, frame_is(r, is->ctrlreg[3] >> 12, was->ctrlreg[3] >> 12));
    SCENARIO_CHECK(r, frame_is(r, is->gdt_frames[0], was->gdt_frames[0]));
    SCENARIO_CHECK(r, d->tsc.khz == s->tsc.khz);
}

/* What libxl was given early must not be what counts. */
static void check_committed(struct run *r)
{
    const struct fake_hv *s = r->src.hv, *d = r->dst.hv;

    SCENARIO_CHECK(r, d->tsc.khz == s->tsc.khz);
    SCENARIO_CHECK(r, d->hvm_context.bytes == s->hvm_context.bytes &&
                          !memcmp(d->hvm_context.data, s->hvm_context.data,
                                  s->hvm_context.bytes));
}

void guest_check_memory(struct run *r)
{
    if (!SCENARIO_CHECK(r, r->was_suspended))
        return;
    if (r->src.hv->info.hvm)
        check_translated(r);
    else if (r->src.stats.prebuilt)
        check_built_pv(r);
    else
        check_pv(r);
    if (r->src.hv->info.hvm && r->src.stats.prebuilt)
        check_committed(r);
}
