/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The packed bytes of PACKED with codec 3, of any number of pages. */
#include "config.h"

#include "fuzz.h"

#include "codec/delta.h"

#define PAGE XLM__DELTA_PAGE_BYTES
#define MOST (XLM__DELTA_HEAD_BYTES + PAGE)

/* What it made of a page can be made again, in no more bytes. */
static void make_again(const uint8_t *was, const uint8_t *is, size_t bytes)
{
    uint8_t *made = malloc(bytes), page[PAGE];
    size_t n;

    FUZZ_CHECK(made);
    n = xlm__delta_make(was, is, made, bytes);
    FUZZ_CHECK(n && n <= bytes && xlm__delta_bytes(made, n) == n);
    memcpy(page, was, PAGE);
    FUZZ_CHECK(xlm__delta_apply(made, page) && !memcmp(page, is, PAGE));
    free(made);
}

int fuzz_delta(const uint8_t *data, size_t size)
{
    uint8_t was[PAGE], is[PAGE];
    size_t n;

    memset(was, 'A', PAGE);
    while ((n = xlm__delta_bytes(data, size))) {
        /* Of exactly that size: reading further is seen. */
        uint8_t *delta = malloc(n);

        FUZZ_CHECK(delta && n <= size && n <= MOST);
        memcpy(delta, data, n);
        memcpy(is, was, PAGE);
        (void)xlm__delta_apply(delta, is);
        make_again(was, is, n);
        free(delta);
        data += n;
        size -= n;
    }
    return 0;
}
