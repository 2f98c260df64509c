/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The first 96 bytes of a channel.  Byte 0: bit 0 the CRC is made right, bit 1
 * we are the source, bit 2 a data channel; then what came. */
#include "config.h"

#include "fuzz.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "stream/greeting.h"
#include "util/byteorder.h"
#include "util/crc32c.h"

static void mine(uint8_t how, struct xlm__greeting *g)
{
    xlm__greeting_init(g, how & 4 ? XLM__KIND_DATA : XLM__KIND_CONTROL,
                       how & 2 ? XLM_SOURCE : XLM_DESTINATION, 0);
    memset(g->session, 0x44, sizeof(g->session));
    if (how & 2)
        memset(g->token, 0x55, sizeof(g->token));
}

/* From a channel that ends with the input: what is no greeting is quoted. */
static void read_it(const uint8_t *data, size_t size)
{
    static int file = -1;
    struct xlm__errslot err = XLM__ERRSLOT_INITIALIZER;
    struct xlm__chan c;
    uint8_t out[XLM__GREETING_BYTES];
    char text[XLM_MESSAGE_MAX];

    if (file < 0)
        file = memfd_create("greeting", MFD_CLOEXEC);
    FUZZ_CHECK(!ftruncate(file, 0) &&
               pwrite(file, data, size, 0) == (ssize_t)size &&
               !lseek(file, 0, SEEK_SET));
    FUZZ_CHECK(!xlm__chan_init(&c, &err, dup(file), dup(file), -1, "fuzz"));
    if (xlm__greeting_read(&c, out)) {
        FUZZ_CHECK(xlm__errslot_read(&err, text) && !strchr(text, 0x1b));
    } else {
        FUZZ_CHECK(size >= sizeof(out) && !memcmp(out, data, sizeof(out)));
    }
    xlm__chan_close(&c);
    xlm__errslot_destroy(&err);
}

int fuzz_greeting(const uint8_t *data, size_t size)
{
    struct fuzz_in in = { data, size };
    const uint8_t how = fuzz_u8(&in);
    uint8_t bytes[XLM__GREETING_BYTES] = { 0 }, again[XLM__GREETING_BYTES];
    struct xlm__greeting theirs, ours;
    struct xlm__agreement agreed;
    char why[XLM_MESSAGE_MAX] = "";

    read_it(in.at, in.left);
    if (in.left)
        memcpy(bytes, in.at, in.left < sizeof(bytes) ? in.left : sizeof(bytes));
    if (how & 1)
        xlm__put_le32(bytes + 92, xlm__crc32c(0, bytes, 92));
    if (xlm__greeting_decode(bytes, &theirs, why)) {
        FUZZ_CHECK(why[0] && memchr(why, '\0', sizeof(why)));
        return 0;
    }
    /* Nothing of it is lost or added. */
    xlm__greeting_encode(&theirs, again);
    FUZZ_CHECK(!memcmp(bytes, again, sizeof(bytes)));
    mine(how, &ours);
    if (!xlm__greeting_agree(&ours, &theirs, &agreed, why))
        FUZZ_CHECK(agreed.version >= theirs.version_min &&
                   agreed.version <= theirs.version_max &&
                   theirs.kind == ours.kind && theirs.role != ours.role);
    if (xlm__greeting_may_join(&ours, &theirs, XLM__KIND_DATA))
        FUZZ_CHECK(!memcmp(ours.token, theirs.token, sizeof(ours.token)));
    return 0;
}
