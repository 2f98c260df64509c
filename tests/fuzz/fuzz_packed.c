/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What PACKED carries, as the destination unpacks it: a byte that chooses codec
 * and places, one for how many pages, and the packed bytes. */
#include "config.h"

#include "fuzz.h"

#include "engine/unpack.h"

#define PAGE      XLM__PAGE_BYTES
#define PAGES_MAX 16u

/* Of one channel, for all that comes through it. */
static struct xlm__unpacker unpacker;

static void free_unpacker(void)
{
    xlm__unpack_free(&unpacker);
}

static void keep_unpacker(void)
{
    static bool kept;

    if (!kept)
        atexit(free_unpacker);
    kept = true;
}

struct guest {
    uint32_t nr;
    unsigned char *memory; /* of exactly that many pages */
    void *pages[PAGES_MAX];
    uint64_t pfns[PAGES_MAX];
};

static void guest_make(struct guest *g, uint32_t nr, bool scattered)
{
    g->nr = nr;
    g->memory = malloc((size_t)nr * PAGE);
    FUZZ_CHECK(g->memory);
    memset(g->memory, 'A', (size_t)nr * PAGE);
    for (uint32_t i = 0; i < nr; i++) {
        g->pages[i] = g->memory + (scattered ? nr - 1 - i : i) * PAGE;
        g->pfns[i] = i;
    }
}

static int unpack(struct guest *g, uint32_t codec, const uint8_t *data,
                  size_t size, const void *dropped)
{
    struct xlm__errslot err;
    struct xlm__rec rec = { 0 };
    int rc;

    rec.u.packed = (struct xlm__packed){
        .pages = { .nr = g->nr, .nr_contents = g->nr, .pfns = g->pfns },
        .codec = codec,
        .bytes = (uint32_t)size,
        .at = data,
    };
    xlm__errslot_init(&err, NULL, NULL, XLM_LOG_ERROR);
    rc = xlm__unpack(&unpacker, &err, &rec, g->pages, dropped);
    FUZZ_CHECK(rc == 0 || rc == XLM_ERR_STREAM);
    xlm__errslot_destroy(&err);
    return rc;
}

/* What came out of it goes in again. */
static void go_round(const struct guest *g, uint32_t codec)
{
    const struct xlm__codec_ops *ops = xlm__codec_find(codec);
    const size_t bytes = (size_t)g->nr * PAGE, room = bytes + 4096;
    unsigned char *packed = malloc(room);
    struct guest again;
    void *ctx = NULL;
    size_t n;

    FUZZ_CHECK(packed && ops->encoder_new(&ctx));
    guest_make(&again, g->nr, false);
    n = ops->encode(ctx, 1, g->memory, bytes, packed, room);
    FUZZ_CHECK(n && n <= room);
    FUZZ_CHECK(unpack(&again, codec, packed, n, NULL) == 0);
    FUZZ_CHECK(memcmp(again.memory, g->memory, bytes) == 0);
    ops->encoder_free(ctx);
    free(again.memory);
    free(packed);
}

int fuzz_packed(const uint8_t *data, size_t size)
{
    struct guest g;
    uint32_t codec;
    uint8_t choice;

    if (size < 3)
        return 0;
    keep_unpacker();
    choice = data[0];
    codec = 1 + choice % XLM__PACKED_CODEC;
    guest_make(&g, 1 + data[1] % PAGES_MAX, choice & 0x40);
    if (unpack(&g, codec, data + 2, size - 2,
               choice & 0x80 ? g.pages[0] : NULL) == 0 &&
        codec != XLM__PACKED_DELTA)
        go_round(&g, codec);
    free(g.memory);
    return 0;
}
