/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <stdatomic.h>
#include <stddef.h>

#include "fault_alloc.h"

void *__real_malloc(size_t size);
void *__real_calloc(size_t nr, size_t size);
void *__real_realloc(void *p, size_t size);
void *__real_aligned_alloc(size_t align, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t nr, size_t size);
void *__wrap_realloc(void *p, size_t size);
void *__wrap_aligned_alloc(size_t align, size_t size);

static atomic_uint left;
static atomic_bool hit;

void fault_alloc_at(unsigned n)
{
    left = n;
    hit = false;
}

bool fault_alloc_hit(void)
{
    left = 0;
    return hit;
}

unsigned fault_alloc_since(unsigned n)
{
    unsigned since = n - left;

    left = 0;
    return since;
}

/* Any thread: exactly one of them counts down to 0. */
static bool fails(void)
{
    unsigned n = left;

    while (n && !atomic_compare_exchange_weak(&left, &n, n - 1))
        ;
    if (n != 1)
        return false;
    hit = true;
    return true;
}

void *__wrap_malloc(size_t size)
{
    return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t nr, size_t size)
{
    return fails() ? NULL : __real_calloc(nr, size);
}

void *__wrap_realloc(void *p, size_t size)
{
    return fails() ? NULL : __real_realloc(p, size);
}

void *__wrap_aligned_alloc(size_t align, size_t size)
{
    return fails() ? NULL : __real_aligned_alloc(align, size);
}
