/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What xl is fed, byte by byte; and Xen's own checker on a whole stream. */
#include "config.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "toolstack/xlstream.h"
#include "unit.h"
#include "util/byteorder.h"

static void test_xlstream_begin_is_xl_header_json_and_libxl_header(void)
{
    static const unsigned char expected[] = {
        'X',  'e',  'n',  ' ',  's',  'a',  'v',  'e',  'd', ' ', 'd', 'o', 'm',
        'a',  'i',  'n',  ',',  ' ',  'x',  'l',  ' ',  'f', 'o', 'r', 'm', 'a',
        't',  '\n', ' ',  0,    ' ',  '\r', 4,    3,    2,   1, /* byte order */
        3,    0,    0,    0,                   /* JSON, stream v2       */
        0,    0,    0,    0,                   /* optional flags        */
        7,    0,    0,    0,                   /* 4 + 3                 */
        3,    0,    0,    0,    '{',  '}',  0, /* length, JSON with NUL */
        0x4c, 0x69, 0x62, 0x78, 0x6c, 0x46, 0x6d, 0x74, /* "LibxlFmt"        */
        0,    0,    0,    2,    0,    0,    0,    0, /* version, options      */
    };
    struct xlm__buf b;

    xlm__buf_init(&b, 4096);
    xlm__xlstream_begin(&b, "{}");
    CU_ASSERT_EQUAL_FATAL(b.bytes, sizeof(expected));
    CU_ASSERT_EQUAL(memcmp(b.data, expected, sizeof(expected)), 0);
    xlm__buf_free(&b);
}

static void check_libxc_begin(bool pv, unsigned char type)
{
    const unsigned char expected[] = {
        1,    0,    0,    0,    0,    0,    0,    0, /* LIBXC_CONTEXT, no body
                                                      */
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, /* marker         */
        'X',  'E',  'N',  'F',  0,    0,    0,    3,    0, 0, 0, 0, 0,  0, 0, 0,
        type, 0,    0,    0,    12,   0,    0,    0,    4, 0, 0, 0, 17, 0, 0, 0,
    };
    struct xlm__buf b;

    xlm__buf_init(&b, 4096);
    xlm__xlstream_libxc_begin(&b, pv, 4u << 16 | 17);
    CU_ASSERT_EQUAL_FATAL(b.bytes, sizeof(expected));
    CU_ASSERT_EQUAL(memcmp(b.data, expected, sizeof(expected)), 0);
    xlm__buf_free(&b);
}

static void test_xlstream_libxc_begin_pv_is_type_1(void)
{
    check_libxc_begin(true, 1);
}

static void test_xlstream_libxc_begin_translated_is_type_2(void)
{
    check_libxc_begin(false, 2);
}

static void test_xlstream_end_without_dm_is_two_ends(void)
{
    static const unsigned char expected[16];
    struct xlm__buf b;

    xlm__buf_init(&b, 4096);
    xlm__xlstream_end(&b, NULL, 0);
    CU_ASSERT_EQUAL_FATAL(b.bytes, sizeof(expected));
    CU_ASSERT_EQUAL(memcmp(b.data, expected, sizeof(expected)), 0);
    xlm__buf_free(&b);
}

static void test_xlstream_end_with_dm_pads_its_state(void)
{
    static const unsigned char expected[] = {
        0,   0,   0,   0, 0,  0, 0, 0, /* libxc END                     */
        3,   0,   0,   0, 11, 0, 0, 0, /* EMULATOR_CONTEXT, 8 + 3       */
        2,   0,   0,   0, 0,  0, 0, 0, /* qemu-xen, index 0             */
        'a', 'b', 'c', 0, 0,  0, 0, 0, /* padded to 8                   */
        0,   0,   0,   0, 0,  0, 0, 0, /* libxl END                     */
    };
    struct xlm__buf b;

    xlm__buf_init(&b, 4096);
    xlm__xlstream_end(&b, "abc", 3);
    CU_ASSERT_EQUAL_FATAL(b.bytes, sizeof(expected));
    CU_ASSERT_EQUAL(memcmp(b.data, expected, sizeof(expected)), 0);
    xlm__buf_free(&b);
}

/* The record as it goes out, gathered. */
static size_t gather(uint32_t type, size_t nr, const struct iovec *parts,
                     unsigned char *out)
{
    struct xlm__xlrec_frame frame;
    struct iovec iov[8];
    size_t n = xlm__xlstream_record(&frame, type, nr, parts, iov);
    size_t at = 0;

    for (size_t i = 0; i < n; i++) {
        memcpy(out + at, iov[i].iov_base, iov[i].iov_len);
        at += iov[i].iov_len;
    }
    return at;
}

static void test_xlstream_record_of_parts_is_one_padded_body(void)
{
    const struct iovec parts[] = { { (void *)"abcd", 4 },
                                   { (void *)"", 0 },
                                   { (void *)"efghi", 5 } };
    static const unsigned char expected[] = {
        8,   0,   0,   0,   9,   0, 0, 0, 'a', 'b', 'c', 'd',
        'e', 'f', 'g', 'h', 'i', 0, 0, 0, 0,   0,   0,   0,
    };
    unsigned char got[64];

    CU_ASSERT_EQUAL_FATAL(gather(8, 3, parts, got), sizeof(expected));
    CU_ASSERT_EQUAL(memcmp(got, expected, sizeof(expected)), 0);
}

static void test_xlstream_record_aligned_has_no_padding(void)
{
    const struct iovec part = { (void *)"12345678", 8 };
    unsigned char got[64];

    CU_ASSERT_EQUAL(gather(8, 1, &part, got), 16);
}

static void test_xlstream_record_empty_is_a_header(void)
{
    static const unsigned char expected[] = { 0x10, 0, 0, 0, 0, 0, 0, 0 };
    unsigned char got[64];

    CU_ASSERT_EQUAL_FATAL(gather(0x10, 0, NULL, got), 8);
    CU_ASSERT_EQUAL(memcmp(got, expected, 8), 0);
}

static void test_xlstream_record_over_the_limit_is_refused(void)
{
    static char one;
    /* Only lengths are looked at. */
    const struct iovec parts[] = { { &one, XLM__LIBXC_REC_MAX }, { &one, 1 } };
    struct xlm__xlrec_frame frame;
    struct iovec iov[8];

    CU_ASSERT_EQUAL(xlm__xlstream_record(&frame, 1, 1, parts, iov), 2);
    CU_ASSERT_EQUAL(xlm__xlstream_record(&frame, 1, 2, parts, iov), 0);
}

/* ---- a whole minimal PVH stream, through Xen's verify-stream-v2 ---- */

#define VERIFY "/usr/lib/xen-4.17/bin/verify-stream-v2"
/* Debian keeps Xen's modules where python does not look. */
#define MODULES "/usr/lib/xen-4.17/lib/python"

static void put_record(struct xlm__buf *b, uint32_t type, const void *body,
                       size_t bytes)
{
    const struct iovec part = { (void *)body, bytes };
    unsigned char out[512];
    size_t n = gather(type, 1, &part, out);

    xlm__buf_put(b, out, n);
}

static void make_stream(struct xlm__buf *b, bool dm)
{
    static const unsigned char leaf[24]; /* one xen_cpuid_leaf_t           */
    static const unsigned char tsc[24];  /* mode 0                          */
    static const unsigned char context[40];
    unsigned char params[24] = { 1 };

    xlm__put_le64(params + 8, 1);
    xlm__put_le64(params + 16, 0xfeffc);
    xlm__xlstream_begin(b, "{\"c_info\":{}}");
    xlm__xlstream_libxc_begin(b, false, 4u << 16 | 17);
    put_record(b, 0x11, leaf, sizeof(leaf));
    put_record(b, 0x10, NULL, 0);
    put_record(b, 8, tsc, sizeof(tsc));
    put_record(b, 9, context, sizeof(context));
    put_record(b, 0xa, params, sizeof(params));
    xlm__xlstream_end(b, dm ? "QEVMstate" : NULL, dm ? 9 : 0);
}

/* Exit status of the checker; it wants a stream without xl's header. */
static int verify(const struct xlm__buf *b)
{
    const size_t skip = 48 + xlm__get_le32(b->data + 44);
    char path[] = "/tmp/xlm-stream-XXXXXX";
    char command[256];
    int fd = mkstemp(path);
    int status = -1;

    CU_ASSERT_FATAL(fd >= 0);
    if (write(fd, b->data + skip, b->bytes - skip) ==
        (ssize_t)(b->bytes - skip)) {
        snprintf(command, sizeof(command),
                 "PYTHONPATH=" MODULES " /usr/bin/python3 " VERIFY
                 " --format libxl -i %s "
                 ">/dev/null 2>&1",
                 path);
        status = system(command);
    }
    close(fd);
    unlink(path);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static bool have_verifier(void)
{
    if (access(VERIFY, R_OK) == 0 && access("/usr/bin/python3", X_OK) == 0)
        return true;
    printf("(no " VERIFY ": not checked) ");
    return false;
}

static void test_xlstream_minimal_pvh_is_accepted_by_verify_stream_v2(void)
{
    struct xlm__buf b;

    if (!have_verifier())
        return;
    xlm__buf_init(&b, 4096);
    make_stream(&b, false);
    CU_ASSERT_EQUAL(verify(&b), 0);
    xlm__buf_free(&b);
}

static void test_xlstream_minimal_hvm_is_accepted_by_verify_stream_v2(void)
{
    struct xlm__buf b;

    if (!have_verifier())
        return;
    xlm__buf_init(&b, 4096);
    make_stream(&b, true);
    CU_ASSERT_EQUAL(verify(&b), 0);
    xlm__buf_free(&b);
}

/* Or the two tests above would show nothing. */
static void test_xlstream_spoiled_is_refused_by_verify_stream_v2(void)
{
    struct xlm__buf b;

    if (!have_verifier())
        return;
    xlm__buf_init(&b, 4096);
    make_stream(&b, false);
    b.data[b.bytes - 12] ^= 1; /* the length of libxc END */
    CU_ASSERT_NOT_EQUAL(verify(&b), 0);
    xlm__buf_free(&b);
}

static CU_TestInfo tests[] = {
    UNIT_TEST(test_xlstream_begin_is_xl_header_json_and_libxl_header),
    UNIT_TEST(test_xlstream_libxc_begin_pv_is_type_1),
    UNIT_TEST(test_xlstream_libxc_begin_translated_is_type_2),
    UNIT_TEST(test_xlstream_end_without_dm_is_two_ends),
    UNIT_TEST(test_xlstream_end_with_dm_pads_its_state),
    UNIT_TEST(test_xlstream_record_of_parts_is_one_padded_body),
    UNIT_TEST(test_xlstream_record_aligned_has_no_padding),
    UNIT_TEST(test_xlstream_record_empty_is_a_header),
    UNIT_TEST(test_xlstream_record_over_the_limit_is_refused),
    UNIT_TEST(test_xlstream_minimal_pvh_is_accepted_by_verify_stream_v2),
    UNIT_TEST(test_xlstream_minimal_hvm_is_accepted_by_verify_stream_v2),
    UNIT_TEST(test_xlstream_spoiled_is_refused_by_verify_stream_v2),
    CU_TEST_INFO_NULL,
};
UNIT_MAIN("xlstream", tests)
