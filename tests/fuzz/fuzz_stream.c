/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A whole conversation, on a control channel or on a data channel.
 *
 * Byte 0: bit 0 we are the source; bit 1 PV; bit 2 raw: the rest is what the
 * peer sends after its greeting, as it is.  Otherwise the rest are records:
 *
 *     u8 type   index of those known, bits 0..5; bit 7: take it as it is
 *     u8 how    below
 *     u16 bytes
 *     body      of PAGES the list: as many contents as it names follow
 *
 * with sequence number, length, CRC and padding made right unless `how` says
 * otherwise.  A record that we might send is told to the state machine as sent,
 * so that an input can lead anywhere in the conversation.
 */
#include "config.h"

#include "fuzz.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "stream/record.h"
#include "util/byteorder.h"
#include "util/crc32c.h"

#define HOW_BAD_CRC     (1u << 0)
#define HOW_BAD_SEQ     (1u << 1)
#define HOW_BAD_LENGTH  (1u << 2)
#define HOW_BAD_PADDING (1u << 3)
#define HOW_OPTIONAL    (1u << 4)
#define HOW_NO_CONTENTS (1u << 5)

#define NR_PFNS      4096u
#define CONTENTS_MAX 64u /* pages: enough for several runs of neighbours */
#define RECORD_ROOM  (16u + 65536u + 8u + CONTENTS_MAX * XLM__PAGE_BYTES)

static const uint32_t types[] = {
#define TYPE(name, value) value,
    XLM__REC_MAP(TYPE)
#undef TYPE
};
#define NR_TYPES (sizeof(types) / sizeof(types[0]))

struct talk {
    struct xlm__errslot err;
    struct xlm__chan chan;
    struct xlm__flow flow;
    struct xlm__stream stream;
    bool control;
    uint32_t seq;
};

/* A file that a channel reads while we append to it: never blocks. */
static int wire_in = -1, wire_out, nowhere;

static void wire_open(void)
{
    char path[64];

    if (wire_in < 0) {
        wire_in = memfd_create("wire", MFD_CLOEXEC);
        snprintf(path, sizeof(path), "/proc/self/fd/%d", wire_in);
        wire_out = open(path, O_RDONLY | O_CLOEXEC);
        nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
        FUZZ_CHECK(wire_in >= 0 && wire_out >= 0 && nowhere >= 0);
    }
    FUZZ_CHECK(!ftruncate(wire_in, 0) && !lseek(wire_in, 0, SEEK_SET) &&
               !lseek(wire_out, 0, SEEK_SET));
}

static void talk_open(struct talk *t, bool control, uint8_t how)
{
    const enum xlm_role role = how & 1 ? XLM_SOURCE : XLM_DESTINATION;

    wire_open();
    memset(t, 0, sizeof(*t));
    t->control = control;
    xlm__errslot_init(&t->err, NULL, NULL, XLM_LOG_ERROR);
    FUZZ_CHECK(!xlm__chan_init(&t->chan, &t->err, dup(wire_out), dup(nowhere),
                               -1, "fuzz"));
    FUZZ_CHECK(!xlm__flow_init(&t->flow, &t->err, role));
    FUZZ_CHECK(!(
        control ? xlm__stream_init_control(&t->stream, &t->chan, role, &t->flow)
                : xlm__stream_init_data(&t->stream, &t->chan, role)));
    xlm__stream_limits(&t->stream, NR_PFNS, how & 2);
    xlm__stream_features(&t->stream, XLM__STREAM_FEATURES);
}

static void talk_close(struct talk *t)
{
    xlm__stream_fini(&t->stream);
    xlm__flow_destroy(&t->flow);
    xlm__chan_close(&t->chan);
    xlm__errslot_destroy(&t->err);
}

/* Into memory of exactly the size that was asked for. */
static int read_contents(struct talk *t, const struct xlm__rec *r)
{
    const size_t bytes = (size_t)r->u.pages.nr_contents * XLM__PAGE_BYTES;
    void *pages[XLM__PAGES_MAX] = { NULL };
    char *memory = malloc(bytes + 1);
    size_t n = 0;
    int rc;

    FUZZ_CHECK(memory && r->u.pages.nr_contents <= r->u.pages.nr);
    /* Any of them will do: which have contents is the sink's to know. */
    for (uint32_t i = 0; i < r->u.pages.nr_contents; i++)
        pages[i] = memory + XLM__PAGE_BYTES * n++;
    rc = xlm__stream_read_contents(&t->stream, r, pages);
    free(memory);
    return rc;
}

static int hear(struct talk *t)
{
    static struct xlm__rec r;
    int rc = xlm__stream_read(&t->stream, &r);

    if (rc)
        FUZZ_CHECK(xlm__errslot_code(&t->err));
    else if (r.type == XLM__REC_PAGES)
        rc = read_contents(t, &r);
    return rc;
}

/* ---- records made from an input ---- */

struct made {
    uint32_t type, length, covered; /* by the CRC, of the body */
    uint8_t how;
    size_t bytes; /* all in all */
    uint8_t *at;
};

static bool is_ours(const struct talk *t, uint32_t type)
{
    return t->control && xlm__rec_known(type) &&
           xlm__rec_by(type, t->stream.role) &&
           !xlm__rec_by(type, t->stream.role == XLM_SOURCE ? XLM_DESTINATION
                                                           : XLM_SOURCE);
}

/* Both may send BYE and ABORT: ours when `how` says so. */
static bool we_send(const struct talk *t, const struct made *m)
{
    if (m->type == XLM__REC_BYE || m->type == XLM__REC_ABORT)
        return t->control && (m->how & HOW_OPTIONAL);
    return is_ours(t, m->type);
}

static void add_contents(struct made *m, bool pv)
{
    struct xlm__errslot err = XLM__ERRSLOT_INITIALIZER;
    uint32_t count, nr = 0;

    if (m->length < 8)
        return;
    count = xlm__get_le32(m->at + 20);
    if (count > XLM__PAGES_MAX || m->length < 8 + 8 * count)
        return;
    m->covered = m->length = 8 + 8 * count;
    for (uint32_t i = 0; i < count; i++) {
        const uint64_t entry = xlm__get_le64(m->at + 16 + 8 + 8 * i);
        const unsigned type = entry >> XLM__ENTRY_SHIFT;

        if (type == 0 || (pv && (type <= 4 || (type >= 9 && type <= 12))))
            nr += 1 + (entry >> XLM__ENTRY_MORE_SHIFT & XLM__ENTRY_MORE_MAX);
    }
    if (m->how & HOW_NO_CONTENTS || nr > CONTENTS_MAX)
        nr = 0;
    memset(m->at + 16 + m->length, 0x5a, (size_t)nr * XLM__PAGE_BYTES);
    m->length += nr * XLM__PAGE_BYTES;
    xlm__errslot_destroy(&err);
}

static void finish_record(struct talk *t, struct made *m)
{
    const size_t padded = (m->length + 7) & ~(size_t)7;
    uint32_t crc;

    if (m->how & HOW_OPTIONAL && m->type != XLM__REC_BYE &&
        m->type != XLM__REC_ABORT)
        m->type |= XLM__REC_OPTIONAL;
    xlm__put_le32(m->at, m->type);
    xlm__put_le32(m->at + 4, m->length + (m->how & HOW_BAD_LENGTH ? 8 : 0));
    xlm__put_le32(m->at + 8, t->seq++ + (m->how & HOW_BAD_SEQ ? 1 : 0));
    crc = xlm__crc32c(0, m->at, 12);
    crc = xlm__crc32c(crc, m->at + 16, m->covered);
    xlm__put_le32(m->at + 12, crc ^ (m->how & HOW_BAD_CRC ? 1 : 0));
    memset(m->at + 16 + m->length, m->how & HOW_BAD_PADDING ? 1 : 0,
           padded - m->length);
    m->bytes = 16 + padded;
}

static void make(struct talk *t, struct fuzz_in *in, struct made *m)
{
    static uint8_t room[RECORD_ROOM];
    const uint8_t type = fuzz_u8(in);
    size_t bytes;

    *m = (struct made){ .at = room };
    m->type = type & 0x80 ? (type & 0x7fu) : types[(type & 0x3f) % NR_TYPES];
    m->how = fuzz_u8(in);
    bytes = fuzz_le(in, 2);
    if (bytes > in->left)
        bytes = in->left;
    if (bytes)
        memcpy(room + 16, in->at, bytes);
    in->at += bytes;
    in->left -= bytes;
    m->covered = m->length = (uint32_t)bytes;
    if (m->type == XLM__REC_PAGES)
        add_contents(m, t->stream.pv);
}

static int tell(struct talk *t, const struct made *m)
{
    static uint64_t pfns[XLM__PAGES_MAX];
    static uint32_t page_types[XLM__PAGES_MAX];
    static union xlm__body b;
    struct xlm__body_ctx ctx = {
        .err = &t->err, .code = XLM_ERR_INVAL, .pfns = pfns, .types = page_types
    };
    uint32_t least, most;
    char *body;
    bool ignore;
    int rc = 0;

    xlm__rec_limits(m->type, &least, &most);
    if (m->length < least || m->length > most)
        return 0;
    xlm__flow_domain(&t->flow, &ctx.nr_pfns, &ctx.pv);
    body = fuzz_text(m->at + 16, m->length);
    rc = xlm__body_decode(&ctx, m->type, (uint8_t *)body, m->length, &b);
    if (!rc)
        rc = xlm__flow_step(&t->flow, true, m->type, &b, 0, &ignore);
    free(body);
    return rc;
}

static void converse(struct talk *t, struct fuzz_in *in)
{
    struct made m;
    int rc = 0;

    while (!rc && in->left) {
        make(t, in, &m);
        if (we_send(t, &m)) {
            rc = tell(t, &m);
            continue;
        }
        finish_record(t, &m);
        FUZZ_CHECK(write(wire_in, m.at, m.bytes) == (ssize_t)m.bytes);
        rc = hear(t);
        /* After CLOSE nobody reads on. */
        if (!rc && t->stream.read_lane.closed)
            return;
    }
}

static int run(bool control, const uint8_t *data, size_t size)
{
    struct fuzz_in in = { data, size };
    const uint8_t how = fuzz_u8(&in);
    struct talk t;

    talk_open(&t, control, how);
    if (how & 4) {
        FUZZ_CHECK(write(wire_in, in.at, in.left) == (ssize_t)in.left);
        while (!hear(&t) && !t.stream.read_lane.closed)
            ;
    } else {
        converse(&t, &in);
    }
    talk_close(&t);
    return 0;
}

int fuzz_control(const uint8_t *data, size_t size)
{
    return run(true, data, size);
}

int fuzz_data(const uint8_t *data, size_t size)
{
    return run(false, data, size);
}
