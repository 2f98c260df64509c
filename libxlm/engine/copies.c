/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "engine/copies.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "codec/delta.h"

#define PAGE     ((size_t)XLM__DELTA_PAGE_BYTES)
#define NR_LOCKS 64u

/* Before this round nothing is kept: most pages are sent once. */
#define FIRST_ROUND 2u

struct place {
    uint64_t pfn;
    uint32_t life;  /* of all copies, when it was taken; 0: nobody's */
    uint32_t round; /* in which it was used last */
};

struct xlm__copies {
    /* set once */
    size_t nr;
    pthread_mutex_t locks[NR_LOCKS]; /* of a place: by its number */
    /* each under its place's lock */
    struct place *places;
    unsigned char *pages;
    /* set by the leader between rounds */
    uint32_t round;
    bool last;
    /* shared */
    _Atomic uint32_t life;
    atomic_bool used;
};

struct xlm__copies *xlm__copies_new(size_t nr)
{
    struct xlm__copies *c = calloc(1, sizeof(*c));

    if (!c)
        return NULL;
    c->nr = nr;
    c->life = 1;
    c->places = calloc(nr, sizeof(*c->places));
    c->pages = mmap(NULL, nr * PAGE, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    for (unsigned i = 0; i < NR_LOCKS; i++)
        pthread_mutex_init(&c->locks[i], NULL);
    if (c->places && c->pages != MAP_FAILED)
        return c;
    xlm__copies_free(c);
    return NULL;
}

void xlm__copies_free(struct xlm__copies *c)
{
    if (!c)
        return;
    for (unsigned i = 0; i < NR_LOCKS; i++)
        pthread_mutex_destroy(&c->locks[i]);
    if (c->pages != MAP_FAILED)
        munmap(c->pages, c->nr * PAGE);
    free(c->places);
    free(c);
}

void xlm__copies_round(struct xlm__copies *c, bool last)
{
    c->round++;
    c->last = last;
}

/* Neighbours, which are often written to together, are not in each other's
 * way. */
static size_t place_of(const struct xlm__copies *c, uint64_t pfn)
{
    return (size_t)(pfn % c->nr);
}

static bool is_its(const struct xlm__copies *c, const struct place *p,
                   uint64_t pfn)
{
    return p->pfn == pfn && p->life == atomic_load(&c->life);
}

static bool is_free(const struct xlm__copies *c, const struct place *p)
{
    return p->life != atomic_load(&c->life) || p->round + 1 < c->round;
}

/* Under its lock. */
static void keep(struct xlm__copies *c, size_t at, uint64_t pfn,
                 const void *page)
{
    c->places[at] = (struct place){ pfn, atomic_load(&c->life), c->round };
    memcpy(c->pages + at * PAGE, page, PAGE);
    if (!atomic_load(&c->used))
        atomic_store(&c->used, true);
}

bool xlm__copies_wanted(const struct xlm__copies *c)
{
    return c->last ? atomic_load(&c->used) : c->round >= FIRST_ROUND;
}

size_t xlm__copies_delta(struct xlm__copies *c, uint64_t pfn, const void *page,
                         void *out, size_t room)
{
    const size_t at = place_of(c, pfn);
    pthread_mutex_t *lock = &c->locks[at % NR_LOCKS];
    const struct place *p = &c->places[at];
    size_t bytes = 0;
    bool had;

    if (!xlm__copies_wanted(c))
        return 0;
    pthread_mutex_lock(lock);
    had = is_its(c, p, pfn);
    if (had)
        bytes = xlm__delta_make(c->pages + at * PAGE, page, out, room);
    if (!c->last && (had || is_free(c, p)))
        keep(c, at, pfn, page);
    pthread_mutex_unlock(lock);
    return bytes;
}

void xlm__copies_forget(struct xlm__copies *c, uint64_t pfn)
{
    const size_t at = place_of(c, pfn);
    pthread_mutex_t *lock = &c->locks[at % NR_LOCKS];

    if (!atomic_load(&c->used))
        return;
    pthread_mutex_lock(lock);
    if (is_its(c, &c->places[at], pfn))
        c->places[at].life = 0;
    pthread_mutex_unlock(lock);
}

void xlm__copies_clear(struct xlm__copies *c)
{
    atomic_fetch_add(&c->life, 1);
}
