/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The destination's dialogue with xl, and what is made of it when xl does not
 * keep to it.  xl is a stand-in (fake_xl.h); so are the functions of libxl
 * that are needed, over one domain in memory.
 */
#include "config.h"

#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "fake_xl.h"
#include "toolstack/toolstack_libxl.h"
#include "unit.h"

/* ---------------- libxl, and the domain it knows ---------------- */

#define DOMID 7

static struct {
    bool exists, paused, destroyed, unpaused, destroy_fails, dying;
    bool has_twin; /* the source's, as one host is both: SOURCE_ID */
    uint64_t ran_ns;
    char name[64]; /* empty: none yet */
    unsigned char uuid[16];
} domain;

#define SOURCE_ID 3

static const unsigned char uuid[16] = { 9, 8, 7 };

int libxl_name_to_domid(libxl_ctx *ctx, const char *name, uint32_t *domid)
{
    (void)ctx;
    if (!domain.exists || strcmp(name, domain.name))
        return ERROR_INVAL;
    *domid = DOMID;
    return 0;
}

char *libxl_domid_to_name(libxl_ctx *ctx, uint32_t domid)
{
    (void)ctx;
    if (domain.has_twin && domid == SOURCE_ID)
        return strdup("g1");
    return domain.exists && domid == DOMID && *domain.name ? strdup(domain.name)
                                                           : NULL;
}

int libxl_domain_info(libxl_ctx *ctx, libxl_dominfo *info, uint32_t domid)
{
    (void)ctx;
    if (!domain.exists || domid != DOMID)
        return ERROR_DOMAIN_NOTFOUND;
    memcpy(libxl_uuid_bytearray(&info->uuid), domain.uuid, 16);
    info->paused = domain.paused;
    info->cpu_time = domain.ran_ns;
    info->dying = domain.dying;
    return 0;
}

int libxl_domain_destroy(libxl_ctx *ctx, uint32_t domid,
                         const libxl_asyncop_how *ao_how)
{
    (void)ctx, (void)ao_how;
    CU_ASSERT_EQUAL(domid, DOMID);
    if (domain.destroy_fails)
        return ERROR_FAIL;
    domain.destroyed = true;
    domain.exists = false;
    return 0;
}

int libxl_domain_unpause(libxl_ctx *ctx, uint32_t domid,
                         const libxl_asyncop_how *ao_how)
{
    (void)ctx, (void)ao_how;
    CU_ASSERT_EQUAL(domid, DOMID);
    domain.unpaused = true;
    domain.paused = false;
    return 0;
}

int libxl_domain_config_from_json(libxl_ctx *ctx, libxl_domain_config *p,
                                  const char *s)
{
    (void)ctx, (void)p, (void)s;
    return 0;
}

char *libxl_domain_config_to_json(libxl_ctx *ctx, libxl_domain_config *p)
{
    (void)ctx, (void)p;
    return strdup("{}");
}

/* ---------------- the hypervisor ---------------- */

static int fake_dominfo(struct xlm__hv *hv, uint32_t domid,
                        struct xlm__dominfo *out, bool *exists_out)
{
    (void)hv;
    memset(out, 0, sizeof(*out));
    *exists_out = domain.exists && domid == DOMID;
    out->paused = domain.paused;
    out->dying = domain.dying;
    memcpy(out->uuid, domain.uuid, 16);
    return 0;
}

static int fake_find_uuid(struct xlm__hv *hv, const unsigned char want[16],
                          uint32_t except, uint32_t *domid_out)
{
    (void)hv;
    *domid_out = 0;
    if (memcmp(domain.uuid, want, 16))
        return 0;
    if (domain.has_twin && except != SOURCE_ID)
        *domid_out = SOURCE_ID;
    else if (domain.exists && except != DOMID)
        *domid_out = DOMID;
    return 0;
}

static const struct xlm__hv_ops hv_ops = { .dominfo = fake_dominfo,
                                           .find_uuid = fake_find_uuid };

/* ---------------- the fixture ---------------- */

static struct xlm__errslot err;
static struct xlm__hv hv = { .ops = &hv_ops, .err = &err };
static struct xlm__ts ts;
static char path[512];
static char message[XLM_MESSAGE_MAX];

static void set_name(const char *name)
{
    snprintf(domain.name, sizeof(domain.name), "%s", name);
}

/* Header, JSON and libxl's header; then the LIBXC_CONTEXT and its two. */
#define BEGIN   "b;r71"
#define CONTEXT "r48"

static void begin(const char *script)
{
    memset(&domain, 0, sizeof(domain));
    domain.exists = domain.paused = true;
    memcpy(domain.uuid, uuid, sizeof(uuid));
    set_name("g1--incoming");
    xlm__errslot_init(&err, NULL, NULL, XLM_LOG_DEBUG);
    memset(&ts, 0, sizeof(ts));
    ts.base.err = &err;
    ts.base.stop_fd = -1;
    ts.hv = &hv;
    ts.record_fd = -1;
    ts.xl_path = path;
    xlm__libxl_log_init(&ts.log, &err);
    CU_ASSERT_FATAL(readlink("/proc/self/exe", path, sizeof(path) - 1) > 0);
    setenv(FAKE_XL_SCRIPT, script, 1);
}

static void end(void)
{
    xlm__ts_restore_close(&ts);
    xlm__libxl_log_destroy(&ts.log);
    xlm__errslot_destroy(&err);
}

static int restore_begin(uint32_t flags)
{
    struct xlm__config c = { .json = (char *)"{}", .name = (char *)"g1" };
    uint32_t domid = 0;
    int rc;

    memcpy(c.uuid, uuid, sizeof(uuid));
    rc = xlm__ts_restore_begin(&ts.base, &c, flags, 4u << 16 | 17, &domid);
    if (!rc)
        CU_ASSERT_EQUAL(domid, DOMID);
    return rc;
}

#define GO_BYTES "r44"

/* Up to xl's "ready". */
static void begin_ready(const char *after, uint32_t flags)
{
    char script[256];

    snprintf(script, sizeof(script), BEGIN ";" CONTEXT ";r16;y;%s", after);
    begin(script);
    CU_ASSERT_EQUAL_FATAL(restore_begin(flags), 0);
    CU_ASSERT_EQUAL_FATAL(xlm__ts_restore_end(&ts.base, NULL), 0);
}

static int go(bool *named)
{
    int rc = xlm__ts_restore_go(&ts.base, named);

    xlm__errslot_read(&err, message);
    CU_ASSERT_EQUAL(xlm__errslot_code(&err), rc);
    return rc;
}

/* ---------------- building ---------------- */

static void test_libxl_restore_begin_returns_the_new_domain(void)
{
    begin(BEGIN ";z;x0");
    CU_ASSERT_EQUAL(restore_begin(0), 0);
    domain.exists = false; /* the stand-in cannot clean up */
    CU_ASSERT_EQUAL(xlm__ts_restore_abort(&ts.base), 0);
    CU_ASSERT_EQUAL(xlm__errslot_code(&err), 0);
    end();
}

static void test_libxl_restore_begin_without_domain_fails(void)
{
    begin(BEGIN ";z;x0");
    domain.exists = false;
    CU_ASSERT_EQUAL(restore_begin(0), XLM_ERR_TOOLSTACK);
    xlm__errslot_read(&err, message);
    CU_ASSERT_PTR_NOT_NULL(strstr(message, "g1--incoming"));
    end();
}

static void test_libxl_restore_begin_quotes_xl_that_gives_up(void)
{
    begin("b;r20;elibxl: error: no memory for it;x1");
    CU_ASSERT_EQUAL(restore_begin(0), XLM_ERR_TOOLSTACK);
    xlm__errslot_read(&err, message);
    CU_ASSERT_PTR_NOT_NULL(strstr(message, "no memory for it"));
    end();
}

static void test_libxl_restore_second_begin_is_refused(void)
{
    begin(BEGIN ";z;x0");
    CU_ASSERT_EQUAL(restore_begin(0), 0);
    CU_ASSERT_EQUAL(restore_begin(0), XLM_ERR_INTERNAL);
    end();
}

static void test_libxl_restore_calls_without_begin_are_refused(void)
{
    bool named;

    begin("x0");
    CU_ASSERT_EQUAL(xlm__ts_restore_record(&ts.base, 1, 0, NULL),
                    XLM_ERR_INTERNAL);
    CU_ASSERT_EQUAL(xlm__ts_restore_sync(&ts.base), XLM_ERR_INTERNAL);
    CU_ASSERT_EQUAL(xlm__ts_restore_end(&ts.base, NULL), XLM_ERR_INTERNAL);
    CU_ASSERT_EQUAL(go(&named), XLM_ERR_INTERNAL);
    CU_ASSERT_EQUAL(xlm__ts_restore_abort(&ts.base), 0);
    end();
}

static void test_libxl_restore_records_are_framed(void)
{
    const struct iovec part = { (void *)"12345", 5 };

    begin(BEGIN ";" CONTEXT ";r16;z;x0");
    CU_ASSERT_EQUAL(restore_begin(0), 0);
    CU_ASSERT_EQUAL(xlm__ts_restore_record(&ts.base, 8, 1, &part), 0);
    CU_ASSERT_EQUAL(xlm__ts_restore_sync(&ts.base), 0);
    end();
}

static void test_libxl_restore_end_quotes_xl_that_fails(void)
{
    begin(BEGIN ";" CONTEXT ";r16;elibxl: error: bad stream;x1");
    CU_ASSERT_EQUAL(restore_begin(0), 0);
    CU_ASSERT_EQUAL(xlm__ts_restore_end(&ts.base, NULL), XLM_ERR_TOOLSTACK);
    xlm__errslot_read(&err, message);
    CU_ASSERT_PTR_NOT_NULL(strstr(message, "bad stream"));
    end();
}

static void test_libxl_restore_check_sees_that_xl_has_died(void)
{
    begin_ready("eterminate called;x9", 0);
    CU_ASSERT_TRUE_FATAL(xlm__xlproc_ended(ts.restore.xl, 10000));
    CU_ASSERT_EQUAL(xlm__ts_restore_check(&ts.base), XLM_ERR_TOOLSTACK);
    xlm__errslot_read(&err, message);
    CU_ASSERT_PTR_NOT_NULL(strstr(message, "status 9"));
    end();
}

static void test_libxl_restore_check_of_one_that_waits_is_well(void)
{
    begin_ready(GO_BYTES ";g;x0", 0);
    CU_ASSERT_EQUAL(xlm__ts_restore_check(&ts.base), 0);
    CU_ASSERT_EQUAL(xlm__ts_restore_check(&ts.base), 0);
    end();
}

/* ---------------- the permission ---------------- */

static void test_libxl_restore_go_reported_well_is_named(void)
{
    bool named = false;

    begin_ready(GO_BYTES ";g;x0", 0);
    CU_ASSERT_EQUAL(go(&named), 0);
    CU_ASSERT_TRUE(named);
    CU_ASSERT_FALSE(domain.destroyed);
    CU_ASSERT_EQUAL(xlm__errslot_code(&err), 0);
    end();
}

static void test_libxl_restore_go_given_back_is_not_named(void)
{
    bool named = true;

    begin_ready(GO_BYTES ";f;x0", 0);
    CU_ASSERT_EQUAL(go(&named), 0);
    CU_ASSERT_FALSE(named);
    end();
}

static void test_libxl_restore_go_xl_dies_before_renaming_is_undone(void)
{
    bool named = true;

    begin_ready(GO_BYTES ";x1", 0);
    CU_ASSERT_EQUAL(go(&named), 0);
    CU_ASSERT_FALSE(named);
    CU_ASSERT_FALSE(domain.destroyed);
    CU_ASSERT_EQUAL(xlm__ts_restore_abort(&ts.base), 0);
    CU_ASSERT_TRUE(domain.destroyed);
    CU_ASSERT_FALSE(domain.unpaused);
    end();
}

/* It had begun to destroy it, and took the name away first. */
static void test_libxl_restore_go_half_destroyed_is_not_named(void)
{
    bool named = true;

    begin_ready(GO_BYTES ";x1", 0);
    set_name("");
    CU_ASSERT_EQUAL(go(&named), 0);
    CU_ASSERT_FALSE(named);
    CU_ASSERT_EQUAL(xlm__ts_restore_abort(&ts.base), 0);
    CU_ASSERT_TRUE(domain.destroyed);
    end();
}

static void test_libxl_restore_go_xl_was_dead_already_is_undone(void)
{
    bool named = true;

    begin_ready("x1", 0);
    CU_ASSERT_EQUAL(go(&named), 0);
    CU_ASSERT_FALSE(named);
    CU_ASSERT_FALSE(domain.destroyed);
    CU_ASSERT_EQUAL(xlm__ts_restore_abort(&ts.base), 0);
    CU_ASSERT_TRUE(domain.destroyed);
    end();
}

/* Its pauses are for the receiver to take back. */
static void test_libxl_restore_go_xl_dies_after_renaming_is_named(void)
{
    bool named = false;

    begin_ready(GO_BYTES ";x1", 0);
    set_name("g1");
    CU_ASSERT_EQUAL(go(&named), 0);
    CU_ASSERT_TRUE(named);
    CU_ASSERT_FALSE(domain.unpaused || domain.destroyed);
    CU_ASSERT_EQUAL(xlm__ts_restore_abort(&ts.base), 0);
    CU_ASSERT_TRUE(domain.destroyed);
    end();
}

/* Paused as it was, it never ran. */
static void test_libxl_restore_go_and_domain_gone_is_not_named(void)
{
    bool named = true;

    begin_ready(GO_BYTES ";x1", 0);
    domain.exists = false;
    CU_ASSERT_EQUAL(go(&named), 0);
    CU_ASSERT_FALSE(named);
    end();
}

/* What cannot be removed might run one day. */
static void test_libxl_restore_go_leftover_that_stays_is_an_error(void)
{
    bool named = true;

    begin_ready(GO_BYTES ";x1", 0);
    domain.destroy_fails = true;
    CU_ASSERT_EQUAL(go(&named), 0);
    CU_ASSERT_FALSE(named);
    CU_ASSERT_EQUAL(xlm__ts_restore_abort(&ts.base), XLM_ERR_TOOLSTACK);
    domain.exists = false;
    end();
}

/* ---------------- undoing ---------------- */

static void test_libxl_restore_abort_leaves_it_to_xl(void)
{
    begin_ready("z;x0", 0);
    domain.exists = false; /* xl has destroyed it */
    CU_ASSERT_EQUAL(xlm__ts_restore_abort(&ts.base), 0);
    CU_ASSERT_FALSE(domain.destroyed);
    CU_ASSERT_PTR_NULL(ts.restore.xl);
    end();
}

static void test_libxl_restore_abort_destroys_what_xl_left(void)
{
    begin_ready("x1", 0);
    CU_ASSERT_EQUAL(xlm__ts_restore_abort(&ts.base), 0);
    CU_ASSERT_TRUE(domain.destroyed);
    end();
}

static void test_libxl_restore_abort_destroys_what_has_no_name_yet(void)
{
    for (int twin = 0; twin < 2; twin++) {
        begin(BEGIN ";x0"); /* killed: created, not yet named */
        domain.has_twin = twin;
        set_name("");
        CU_ASSERT_EQUAL(restore_begin(0), XLM_ERR_TOOLSTACK);
        CU_ASSERT_EQUAL(xlm__ts_restore_abort(&ts.base), 0);
        CU_ASSERT_TRUE(domain.destroyed);
        end();
    }
}

static void unnamed_is_spared(bool paused, bool dying, uint64_t ran_ns,
                              unsigned char first)
{
    begin(BEGIN ";x0");
    set_name("");
    domain.paused = paused;
    domain.dying = dying;
    domain.ran_ns = ran_ns;
    domain.uuid[0] = first;
    CU_ASSERT_EQUAL(restore_begin(0), XLM_ERR_TOOLSTACK);
    CU_ASSERT_EQUAL(xlm__ts_restore_abort(&ts.base), 0);
    CU_ASSERT_FALSE(domain.destroyed);
    end();
}

static void test_libxl_restore_abort_spares_the_nameless_that_are_not_xls(void)
{
    unnamed_is_spared(false, false, 0, uuid[0]);
    unnamed_is_spared(true, true, 0, uuid[0]);
    unnamed_is_spared(true, false, 1, uuid[0]);
    unnamed_is_spared(true, false, 0, uuid[0] + 1);
}

static void test_libxl_restore_abort_spares_a_namesake(void)
{
    begin_ready("x1", 0);
    domain.uuid[0] ^= 1;
    CU_ASSERT_EQUAL(xlm__ts_restore_abort(&ts.base), 0);
    CU_ASSERT_FALSE(domain.destroyed);
    end();
}

static void test_libxl_restore_abort_spares_what_runs(void)
{
    begin_ready("x1", 0);
    set_name("g1");
    domain.paused = false;
    CU_ASSERT_EQUAL(xlm__ts_restore_abort(&ts.base), XLM_ERR_TOOLSTACK);
    CU_ASSERT_FALSE(domain.destroyed);
    domain.exists = false;
    end();
}

/* Source and destination on one host have one uuid. */
static void test_libxl_restore_abort_spares_the_source(void)
{
    begin_ready("x1", 0);
    set_name("g1--migratedaway");
    CU_ASSERT_EQUAL(xlm__ts_restore_abort(&ts.base), 0);
    CU_ASSERT_FALSE(domain.destroyed);
    end();
}

static void test_libxl_restore_abort_says_what_is_left(void)
{
    begin_ready("x1", 0);
    domain.destroy_fails = true;
    CU_ASSERT_EQUAL(xlm__ts_restore_abort(&ts.base), XLM_ERR_TOOLSTACK);
    xlm__errslot_read(&err, message);
    CU_ASSERT_PTR_NOT_NULL(strstr(message, "g1--incoming (domain 7) is left"));
    /* A second attempt may do better. */
    domain.destroy_fails = false;
    CU_ASSERT_EQUAL(xlm__ts_restore_abort(&ts.base), 0);
    CU_ASSERT_TRUE(domain.destroyed);
    end();
}

static CU_TestInfo tests[] = {
    UNIT_TEST(test_libxl_restore_begin_returns_the_new_domain),
    UNIT_TEST(test_libxl_restore_begin_without_domain_fails),
    UNIT_TEST(test_libxl_restore_begin_quotes_xl_that_gives_up),
    UNIT_TEST(test_libxl_restore_second_begin_is_refused),
    UNIT_TEST(test_libxl_restore_calls_without_begin_are_refused),
    UNIT_TEST(test_libxl_restore_records_are_framed),
    UNIT_TEST(test_libxl_restore_end_quotes_xl_that_fails),
    UNIT_TEST(test_libxl_restore_check_sees_that_xl_has_died),
    UNIT_TEST(test_libxl_restore_check_of_one_that_waits_is_well),
    UNIT_TEST(test_libxl_restore_go_reported_well_is_named),
    UNIT_TEST(test_libxl_restore_go_given_back_is_not_named),
    UNIT_TEST(test_libxl_restore_go_xl_dies_before_renaming_is_undone),
    UNIT_TEST(test_libxl_restore_go_half_destroyed_is_not_named),
    UNIT_TEST(test_libxl_restore_go_xl_was_dead_already_is_undone),
    UNIT_TEST(test_libxl_restore_go_xl_dies_after_renaming_is_named),
    UNIT_TEST(test_libxl_restore_go_and_domain_gone_is_not_named),
    UNIT_TEST(test_libxl_restore_go_leftover_that_stays_is_an_error),
    UNIT_TEST(test_libxl_restore_abort_leaves_it_to_xl),
    UNIT_TEST(test_libxl_restore_abort_destroys_what_xl_left),
    UNIT_TEST(test_libxl_restore_abort_destroys_what_has_no_name_yet),
    UNIT_TEST(test_libxl_restore_abort_spares_the_nameless_that_are_not_xls),
    UNIT_TEST(test_libxl_restore_abort_spares_a_namesake),
    UNIT_TEST(test_libxl_restore_abort_spares_what_runs),
    UNIT_TEST(test_libxl_restore_abort_spares_the_source),
    UNIT_TEST(test_libxl_restore_abort_says_what_is_left),
    CU_TEST_INFO_NULL,
};

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        if (!strcmp(argv[i], "migrate-receive"))
            return fake_xl(argv);
    signal(SIGPIPE, SIG_IGN);
    return unit_run("libxl_restore", tests, argc > 1 ? argv[1] : NULL);
}
