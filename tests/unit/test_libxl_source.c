/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is done to a domain at the source; libxl and xenstore in memory. */
#include "config.h"

#include <stdlib.h>

#include "fake_qmp.h"
#include "fake_xs.h"
#include "toolstack/toolstack_libxl.h"
#include "unit.h"
#include "util/clock.h"

#define XLM_MODULE "fake"
#define GAP        "/local/domain/5/data/xlm/gap-ms"

static struct {
    libxl_domain_type type;
    char name[64];
    int destroy_rc, rename_rc, info_rc;
    unsigned renames, destroys, resumes;
    unsigned locked; /* so often others have its images */
    const char *refusal;
    unsigned conts;
    uint32_t qemu_of; /* the domain that has a qemu */
} d;

int libxl_domain_info(libxl_ctx *ctx, libxl_dominfo *info, uint32_t domid)
{
    (void)ctx, (void)domid;
    info->domain_type = d.type;
    return d.info_rc;
}

char *libxl_domid_to_name(libxl_ctx *ctx, uint32_t domid)
{
    (void)ctx, (void)domid;
    return d.name[0] ? strdup(d.name) : NULL;
}

int libxl_domain_rename(libxl_ctx *ctx, uint32_t domid, const char *old_name,
                        const char *new_name)
{
    (void)ctx, (void)domid;
    CU_ASSERT_STRING_EQUAL(old_name, d.name);
    d.renames++;
    if (!d.rename_rc)
        snprintf(d.name, sizeof(d.name), "%s", new_name);
    return d.rename_rc;
}

int libxl_domain_destroy(libxl_ctx *ctx, uint32_t domid,
                         const libxl_asyncop_how *ao_how)
{
    (void)ctx, (void)domid, (void)ao_how;
    d.destroys++;
    return d.destroy_rc;
}

int libxl_domain_resume(libxl_ctx *ctx, uint32_t domid, int suspend_cancel,
                        const libxl_asyncop_how *ao_how)
{
    (void)ctx, (void)domid, (void)ao_how;
    CU_ASSERT_EQUAL(suspend_cancel, 1);
    d.resumes++;
    return 0;
}

/* ---- qemu ---- */

static int answer(struct xlm__errslot *e, const char *socket_path,
                  const char *command, const struct xlm__qmp_text *want)
{
    char path[64];

    (void)want;
    snprintf(path, sizeof(path), "/run/xen/qmp-libxl-%u", d.qemu_of);
    if (strcmp(path, socket_path))
        return XLM_FAIL(e, XLM_ERR_DEVICE, "connect to %s: none", socket_path);
    if (strcmp(command, "cont"))
        return 0;
    /* Before the vCPUs go on, not after. */
    CU_ASSERT_EQUAL(d.resumes, 0);
    d.conts++;
    if (d.refusal)
        return XLM_FAIL(e, XLM_ERR_DEVICE, "%s", d.refusal);
    if (!d.locked)
        return 0;
    d.locked--;
    return XLM_FAIL(e, XLM_ERR_DEVICE,
                    "qemu refuses cont: GenericError: Failed to get \"write\" "
                    "lock");
}

static struct xlm__errslot err;
static struct xlm__ts ts;
static char message[XLM_MESSAGE_MAX];

static void begin(libxl_domain_type type)
{
    memset(&d, 0, sizeof(d));
    fake_qmp = answer;
    d.type = type;
    snprintf(d.name, sizeof(d.name), "g1");
    fake_xs_reset();
    xlm__errslot_init(&err, NULL, NULL, XLM_LOG_DEBUG);
    memset(&ts, 0, sizeof(ts));
    ts.base.err = &err;
    ts.base.stop_fd = -1;
    ts.xs = fake_xs();
    xlm__libxl_log_init(&ts.log, &err);
}

static void end(void)
{
    xlm__libxl_log_destroy(&ts.log);
    xlm__errslot_destroy(&err);
    fake_xs_reset();
}

static void test_libxl_source_rename_is_done_once(void)
{
    begin(LIBXL_DOMAIN_TYPE_PVH);
    CU_ASSERT_EQUAL(xlm__ts_rename(&ts.base, 5, "g1", "g1--away"), 0);
    CU_ASSERT_STRING_EQUAL(d.name, "g1--away");
    CU_ASSERT_EQUAL(xlm__ts_rename(&ts.base, 5, "g1", "g1--away"), 0);
    CU_ASSERT_EQUAL(d.renames, 1);
    end();
}

static void test_libxl_source_rename_that_fails_quotes_libxl(void)
{
    begin(LIBXL_DOMAIN_TYPE_PVH);
    d.rename_rc = ERROR_INVAL;
    CU_ASSERT_EQUAL(xlm__ts_rename(&ts.base, 5, "g1", "g2"), XLM_ERR_TOOLSTACK);
    xlm__errslot_read(&err, message);
    CU_ASSERT_PTR_NOT_NULL(
        strstr(message, "rename domain 5 from g1 to g2 (libxl error -6)"));
    end();
}

static void test_libxl_source_destroy_of_a_gone_domain_is_done(void)
{
    begin(LIBXL_DOMAIN_TYPE_PVH);
    d.destroy_rc = ERROR_DOMAIN_NOTFOUND;
    CU_ASSERT_EQUAL(xlm__ts_destroy(&ts.base, 5), 0);
    d.destroy_rc = ERROR_FAIL;
    CU_ASSERT_EQUAL(xlm__ts_destroy(&ts.base, 5), XLM_ERR_TOOLSTACK);
    end();
}

/* There is no qemu to ask: no socket, and no error. */
static void test_libxl_source_pvh_needs_no_device_model(void)
{
    struct xlm__blob blob = { (void *)1, 1 };

    begin(LIBXL_DOMAIN_TYPE_HVM); /* as libxl calls it */
    fake_xs_text("/libxl/5/type", "pvh");
    CU_ASSERT_EQUAL(xlm__ts_dm_continue(&ts.base, 5), 0);
    CU_ASSERT_EQUAL(xlm__ts_dm_logdirty(&ts.base, 5, true), 0);
    CU_ASSERT_EQUAL(xlm__ts_dm_state(&ts.base, 5, &blob), 0);
    CU_ASSERT_PTR_NULL(blob.data);
    CU_ASSERT_EQUAL(xlm__ts_resume(&ts.base, 5), 0);
    CU_ASSERT_EQUAL(d.resumes, 1);
    end();
}

/* The destination's qemu is about to end. */
static void test_libxl_source_resume_waits_for_locked_images(void)
{
    begin(LIBXL_DOMAIN_TYPE_HVM);
    d.qemu_of = 5;
    d.locked = 3;
    CU_ASSERT_EQUAL(xlm__ts_resume(&ts.base, 5), 0);
    CU_ASSERT_EQUAL(d.conts, 4);
    CU_ASSERT_EQUAL(d.resumes, 1);
    CU_ASSERT_EQUAL(xlm__errslot_code(&err), 0);
    end();
}

static void test_libxl_source_resume_waits_for_nothing_else(void)
{
    begin(LIBXL_DOMAIN_TYPE_HVM);
    d.qemu_of = 5;
    d.refusal = "qemu refuses cont: GenericError: block device is gone";
    CU_ASSERT_EQUAL(xlm__ts_resume(&ts.base, 5), 0);
    CU_ASSERT_EQUAL(d.conts, 1);
    CU_ASSERT_EQUAL(d.resumes, 1); /* libxl may say more of it */
    end();
}

static void test_libxl_source_hvm_without_qemu_is_a_device_error(void)
{
    struct xlm__blob blob;

    begin(LIBXL_DOMAIN_TYPE_HVM);
    CU_ASSERT_EQUAL(xlm__ts_dm_logdirty(&ts.base, 54321, true), XLM_ERR_DEVICE);
    CU_ASSERT_EQUAL(xlm__ts_dm_state(&ts.base, 54321, &blob), XLM_ERR_DEVICE);
    end();
}

static void test_libxl_source_gap_not_reported_is_zero_in_time(void)
{
    const uint64_t start = xlm__clock_ns();
    uint64_t gap_us = 1;

    begin(LIBXL_DOMAIN_TYPE_PVH);
    CU_ASSERT_EQUAL(xlm__ts_guest_gap(&ts.base, 5, 150, -1, &gap_us), 0);
    CU_ASSERT_EQUAL(gap_us, 0);
    CU_ASSERT_TRUE(xlm__clock_ns() - start >= 150 * XLM__NS_PER_MS);
    CU_ASSERT_TRUE(xlm__clock_ns() - start < 2 * XLM__NS_PER_S);
    end();
}

static void test_libxl_source_gap_is_read_in_milliseconds(void)
{
    uint64_t gap_us = 0;

    begin(LIBXL_DOMAIN_TYPE_PVH);
    fake_xs_text(GAP, "120");
    CU_ASSERT_EQUAL(xlm__ts_guest_gap(&ts.base, 5, 150, -1, &gap_us), 0);
    CU_ASSERT_EQUAL(gap_us, 120000);
    end();
}

static void test_libxl_source_gap_that_nobody_waits_for_is_no_wait(void)
{
    const uint64_t start = xlm__clock_ns();
    uint64_t gap_us = 1;
    int fds[2];

    begin(LIBXL_DOMAIN_TYPE_PVH);
    fake_xs_text(GAP, "3");
    CU_ASSERT_EQUAL_FATAL(pipe(fds), 0);
    CU_ASSERT_EQUAL(write(fds[1], "x", 1), 1);
    CU_ASSERT_EQUAL(xlm__ts_guest_gap(&ts.base, 5, 20000, fds[0], &gap_us), 0);
    CU_ASSERT_EQUAL(gap_us, 0);
    CU_ASSERT_TRUE(xlm__clock_ns() - start < 10 * XLM__NS_PER_S);
    close(fds[0]);
    close(fds[1]);
    end();
}

static void test_libxl_source_gap_of_nonsense_is_none(void)
{
    static const char *const bad[] = {
        "", "x", "-5", "12x", "1e3", " ", "99999999999999999999", "86400000"
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        uint64_t gap_us = 1;

        begin(LIBXL_DOMAIN_TYPE_PVH);
        fake_xs_text(GAP, bad[i]);
        CU_ASSERT_EQUAL(xlm__ts_guest_gap(&ts.base, 5, 20, -1, &gap_us), 0);
        CU_ASSERT_EQUAL(gap_us, 0);
        end();
    }
}

static CU_TestInfo tests[] = {
    UNIT_TEST(test_libxl_source_rename_is_done_once),
    UNIT_TEST(test_libxl_source_rename_that_fails_quotes_libxl),
    UNIT_TEST(test_libxl_source_destroy_of_a_gone_domain_is_done),
    UNIT_TEST(test_libxl_source_pvh_needs_no_device_model),
    UNIT_TEST(test_libxl_source_resume_waits_for_locked_images),
    UNIT_TEST(test_libxl_source_resume_waits_for_nothing_else),
    UNIT_TEST(test_libxl_source_hvm_without_qemu_is_a_device_error),
    UNIT_TEST(test_libxl_source_gap_not_reported_is_zero_in_time),
    UNIT_TEST(test_libxl_source_gap_is_read_in_milliseconds),
    UNIT_TEST(test_libxl_source_gap_that_nobody_waits_for_is_no_wait),
    UNIT_TEST(test_libxl_source_gap_of_nonsense_is_none),
    CU_TEST_INFO_NULL,
};
UNIT_MAIN("libxl_source", tests)
