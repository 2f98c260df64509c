/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Guest-owned xenstore entries, over a store in memory. */
#include "config.h"

#include <stdlib.h>

#include "fake_xs.h"
#include "toolstack/xsnodes.h"
#include "unit.h"

#define HOME "/local/domain/5/"

static unsigned warned;

static void on_log(void *user, enum xlm_log_level level, const char *module,
                   const char *message)
{
    (void)user, (void)module, (void)message;
    warned += level == XLM_LOG_WARN;
}

static struct xlm__errslot err;
static struct xlm__xsnodes got;

static void begin(void)
{
    fake_xs_reset();
    warned = 0;
    xlm__errslot_init(&err, on_log, NULL, XLM_LOG_DEBUG);
    memset(&got, 0, sizeof(got));
}

static void end(void)
{
    xlm__xsnodes_free(&got);
    xlm__errslot_destroy(&err);
    fake_xs_reset();
}

static int collect(void)
{
    return xlm__xsnodes_collect(&err, fake_xs(), 5, &got);
}

static const struct xlm__xsnode *find(const char *path)
{
    for (size_t i = 0; i < got.nr; i++)
        if (!strcmp(got.nodes[i].path, path))
            return &got.nodes[i];
    return NULL;
}

static void test_xsnodes_collect_takes_the_guests_subtrees_only(void)
{
    static const char *const ours[] = { "data/a",  "attr/b",    "drivers/0/n",
                                        "vm-data", "feature/x", "vm-data/k/v" };
    static const char *const others[] = { "device/vbd/51712/state",
                                          "memory/target",
                                          "console/port",
                                          "store/ring-ref",
                                          "control/shutdown",
                                          "control/sysrq",
                                          "datax/y",
                                          "name" };

    begin();
    for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++) {
        char path[128];

        snprintf(path, sizeof(path), HOME "%s", ours[i]);
        fake_xs_text(path, "1");
    }
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        char path[128];

        snprintf(path, sizeof(path), HOME "%s", others[i]);
        fake_xs_text(path, "2");
    }
    fake_xs_text(HOME "control/feature-suspend", "1");
    fake_xs_text("/libxl/5/type", "pvh");
    CU_ASSERT_EQUAL(collect(), 0);
    for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
        CU_ASSERT_PTR_NOT_NULL(find(ours[i]));
    CU_ASSERT_PTR_NOT_NULL(find("control/feature-suspend"));
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        CU_ASSERT_PTR_NULL(find(others[i]));
    CU_ASSERT_PTR_NULL(find("control"));
    CU_ASSERT_EQUAL(warned, 0);
    end();
}

static void test_xsnodes_collect_of_nothing_is_empty(void)
{
    begin();
    CU_ASSERT_EQUAL(collect(), 0);
    CU_ASSERT_EQUAL(got.nr, 0);
    end();
}

static void test_xsnodes_collect_keeps_binary_values(void)
{
    begin();
    fake_xs_set(HOME "data/bin", "a\0b\xff", 4, "n5");
    CU_ASSERT_EQUAL(collect(), 0);
    CU_ASSERT_PTR_NOT_NULL_FATAL(find("data/bin"));
    CU_ASSERT_EQUAL(find("data/bin")->value_bytes, 4);
    CU_ASSERT_EQUAL(memcmp(find("data/bin")->value, "a\0b\xff", 4), 0);
    end();
}

static void test_xsnodes_collect_leaves_the_gap_report_behind(void)
{
    begin();
    fake_xs_text(HOME "data/xlm/gap-ms", "120");
    fake_xs_text(HOME "data/xlm/other", "1");
    CU_ASSERT_EQUAL(collect(), 0);
    CU_ASSERT_PTR_NULL(find("data/xlm/gap-ms"));
    CU_ASSERT_PTR_NOT_NULL(find("data/xlm/other"));
    end();
}

static void test_xsnodes_own_id_becomes_self_and_zero_stays(void)
{
    begin();
    fake_xs_set(HOME "data/p", "", 0, "b5,r0,w5");
    CU_ASSERT_EQUAL(collect(), 0);
    CU_ASSERT_STRING_EQUAL(find("data/p")->perms, "b@self,r0,w@self");
    CU_ASSERT_EQUAL(warned, 0);
    end();
}

static void test_xsnodes_third_domain_in_permissions_is_dropped(void)
{
    begin();
    fake_xs_set(HOME "data/p", "", 0, "n5,r9,r0");
    CU_ASSERT_EQUAL(collect(), 0);
    CU_ASSERT_STRING_EQUAL(find("data/p")->perms, "n@self,r0");
    CU_ASSERT_EQUAL(warned, 1);
    end();
}

static void test_xsnodes_node_of_a_third_domain_becomes_dom0s(void)
{
    begin();
    fake_xs_set(HOME "data/p", "", 0, "r9,w5");
    CU_ASSERT_EQUAL(collect(), 0);
    CU_ASSERT_STRING_EQUAL(find("data/p")->perms, "r0,w@self");
    CU_ASSERT_EQUAL(warned, 1);
    end();
}

static void test_xsnodes_long_value_is_dropped_with_a_warning(void)
{
    char value[XLM__XS_MAX_VALUE + 1] = "";

    begin();
    fake_xs_set(HOME "data/long", value, sizeof(value), "n5");
    fake_xs_set(HOME "data/fits", value, sizeof(value) - 1, "n5");
    CU_ASSERT_EQUAL(collect(), 0);
    CU_ASSERT_PTR_NULL(find("data/long"));
    CU_ASSERT_PTR_NOT_NULL(find("data/fits"));
    CU_ASSERT_EQUAL(warned, 1);
    end();
}

/* As many levels below HOME, "data" being the first. */
static void deep_path(char *path, size_t bytes, int levels)
{
    int at = snprintf(path, bytes, HOME "data");

    for (int i = 1; i < levels; i++)
        at += snprintf(path + at, bytes - (size_t)at, "/d");
}

static void test_xsnodes_too_deep_is_dropped_with_a_warning(void)
{
    char path[256];

    begin();
    deep_path(path, sizeof(path), XLM__XS_MAX_DEPTH);
    fake_xs_text(path, "16 levels");
    deep_path(path, sizeof(path), XLM__XS_MAX_DEPTH + 1);
    fake_xs_text(path, "17 levels");
    CU_ASSERT_EQUAL(collect(), 0);
    CU_ASSERT_EQUAL(got.nr, XLM__XS_MAX_DEPTH);
    CU_ASSERT_EQUAL(warned, 1);
    end();
}

static void test_xsnodes_too_many_are_dropped_and_counted(void)
{
    begin();
    for (int i = 0; i < XLM__XS_MAX_NODES + 50; i++) {
        char path[64];

        snprintf(path, sizeof(path), HOME "data/%d", i);
        fake_xs_text(path, "");
    }
    CU_ASSERT_EQUAL(collect(), 0);
    CU_ASSERT_EQUAL(got.nr, XLM__XS_MAX_NODES);
    CU_ASSERT_TRUE(warned > 1 && warned < 20);
    end();
}

static void test_xsnodes_total_size_is_limited(void)
{
    static char value[XLM__XS_MAX_VALUE];
    size_t total = 0;

    begin();
    for (int i = 0; i < 400; i++) {
        char path[64];

        snprintf(path, sizeof(path), HOME "data/%d", i);
        fake_xs_set(path, value, sizeof(value), "n5");
    }
    CU_ASSERT_EQUAL(collect(), 0);
    for (size_t i = 0; i < got.nr; i++)
        total += got.nodes[i].value_bytes + strlen(got.nodes[i].path) +
                 strlen(got.nodes[i].perms);
    CU_ASSERT_TRUE(total <= XLM__XS_MAX_TOTAL);
    CU_ASSERT_TRUE(got.nr > 200 && got.nr < 300);
    CU_ASSERT_TRUE(warned > 0);
    end();
}

static void fill_some(void)
{
    fake_xs_set(HOME "data/a", "1", 1, "n5,r0");
    fake_xs_set(HOME "data/b/c", "2", 1, "b5");
    fake_xs_text(HOME "control/feature-suspend", "1");
}

static void test_xsnodes_collect_fails_cleanly_at_every_call(void)
{
    begin();
    fill_some();
    CU_ASSERT_EQUAL(collect(), 0);
    for (unsigned n = fake_xs_calls(); n; n--) {
        const unsigned before = warned;

        xlm__xsnodes_free(&got);
        fake_xs_fail_call(n);
        /* Unreadable permissions cost one entry, with a warning; anything
         * else fails the collection. */
        CU_ASSERT_TRUE(collect() ? got.nr == 0 : warned > before);
    }
    end();
}

static void test_xsnodes_round_trip_moves_to_the_new_domain(void)
{
    begin();
    fill_some();
    CU_ASSERT_EQUAL(collect(), 0);
    fake_xs_text("/local/domain/8/data/a", "old");
    CU_ASSERT_EQUAL(xlm__xsnodes_restore(&err, fake_xs(), 8, &got), 0);
    CU_ASSERT_STRING_EQUAL(fake_xs_get("/local/domain/8/data/a", NULL), "1");
    CU_ASSERT_STRING_EQUAL(fake_xs_perms("/local/domain/8/data/a"), "n8,r0");
    CU_ASSERT_STRING_EQUAL(fake_xs_get("/local/domain/8/data/b/c", NULL), "2");
    CU_ASSERT_STRING_EQUAL(fake_xs_perms("/local/domain/8/data/b/c"), "b8");
    CU_ASSERT_STRING_EQUAL(
        fake_xs_get("/local/domain/8/control/feature-suspend", NULL), "1");
    CU_ASSERT_FALSE(fake_xs_in_transaction());
    end();
}

static void test_xsnodes_restore_repeats_a_transaction_that_conflicts(void)
{
    begin();
    fill_some();
    CU_ASSERT_EQUAL(collect(), 0);
    fake_xs_conflicts(3);
    CU_ASSERT_EQUAL(xlm__xsnodes_restore(&err, fake_xs(), 8, &got), 0);
    CU_ASSERT_PTR_NOT_NULL(fake_xs_get("/local/domain/8/data/a", NULL));
    end();
}

static void test_xsnodes_restore_gives_up_when_conflicts_do_not_end(void)
{
    begin();
    fill_some();
    CU_ASSERT_EQUAL(collect(), 0);
    fake_xs_conflicts(1000);
    CU_ASSERT_EQUAL(xlm__xsnodes_restore(&err, fake_xs(), 8, &got),
                    XLM_ERR_TOOLSTACK);
    CU_ASSERT_PTR_NULL(fake_xs_get("/local/domain/8/data/a", NULL));
    end();
}

static void test_xsnodes_restore_leaves_nothing_after_any_failure(void)
{
    unsigned calls;
    size_t nodes;

    begin();
    fill_some();
    CU_ASSERT_EQUAL(collect(), 0);
    nodes = fake_xs_count();
    calls = fake_xs_calls();
    CU_ASSERT_EQUAL(xlm__xsnodes_restore(&err, fake_xs(), 8, &got), 0);
    calls = fake_xs_calls() - calls;
    for (unsigned n = 1; n <= calls; n++) {
        fake_xs_reset();
        fill_some();
        fake_xs_fail_call(n);
        CU_ASSERT_EQUAL(xlm__xsnodes_restore(&err, fake_xs(), 8, &got),
                        XLM_ERR_TOOLSTACK);
        CU_ASSERT_EQUAL(fake_xs_count(), nodes);
        CU_ASSERT_FALSE(fake_xs_in_transaction());
    }
    end();
}

/* One node with these, restored: the code. */
static int restore_one(const char *path, size_t value_bytes, const char *perms)
{
    static char value[XLM__XS_MAX_VALUE + 1];
    struct xlm__xsnode node = { (char *)path, value, value_bytes,
                                (char *)perms };
    struct xlm__xsnodes nodes = { &node, 1 };
    int rc;

    begin();
    rc = xlm__xsnodes_restore(&err, fake_xs(), 8, &nodes);
    CU_ASSERT_TRUE(!rc || fake_xs_count() == 0);
    end();
    return rc;
}

static void test_xsnodes_restore_refuses_paths_that_may_not_travel(void)
{
    static const char *const bad[] = {
        "",          "/data/a",          "data/",         "data//a",
        "data/../x", "device/vbd/0",     "memory/target", "control/shutdown",
        "control",   "console/ring-ref", "data/a b",      "data/\n",
        "name",      "../9/data/a",      "databank/x",
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        CU_ASSERT_EQUAL(restore_one(bad[i], 0, "n@self"), XLM_ERR_STREAM);
    CU_ASSERT_EQUAL(restore_one("data/a", 0, "n@self"), 0);
}

static void test_xsnodes_restore_refuses_bad_permissions(void)
{
    static const char *const bad[] = { "",        "n",       "x0",  "n5",
                                       "n@other", "n@self,", ",n0", "n@self;r0",
                                       "n00",     "n@selfr0" };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        CU_ASSERT_EQUAL(restore_one("data/a", 0, bad[i]), XLM_ERR_STREAM);
}

static void test_xsnodes_restore_refuses_too_many_permissions(void)
{
    char perms[65 * 3 + 1] = "n0";

    for (size_t i = 1; i < 65; i++)
        memcpy(perms + i * 3 - 1, ",r0", 4);
    CU_ASSERT_EQUAL(restore_one("data/a", 0, perms), XLM_ERR_STREAM);
    perms[64 * 3 - 1] = '\0';
    CU_ASSERT_EQUAL(restore_one("data/a", 0, perms), 0);
}

static void test_xsnodes_restore_refuses_a_long_value(void)
{
    CU_ASSERT_EQUAL(restore_one("data/a", XLM__XS_MAX_VALUE, "n@self"), 0);
    CU_ASSERT_EQUAL(restore_one("data/a", XLM__XS_MAX_VALUE + 1, "n@self"),
                    XLM_ERR_STREAM);
}

static CU_TestInfo tests[] = {
    UNIT_TEST(test_xsnodes_collect_takes_the_guests_subtrees_only),
    UNIT_TEST(test_xsnodes_collect_of_nothing_is_empty),
    UNIT_TEST(test_xsnodes_collect_keeps_binary_values),
    UNIT_TEST(test_xsnodes_collect_leaves_the_gap_report_behind),
    UNIT_TEST(test_xsnodes_own_id_becomes_self_and_zero_stays),
    UNIT_TEST(test_xsnodes_third_domain_in_permissions_is_dropped),
    UNIT_TEST(test_xsnodes_node_of_a_third_domain_becomes_dom0s),
    UNIT_TEST(test_xsnodes_long_value_is_dropped_with_a_warning),
    UNIT_TEST(test_xsnodes_too_deep_is_dropped_with_a_warning),
    UNIT_TEST(test_xsnodes_too_many_are_dropped_and_counted),
    UNIT_TEST(test_xsnodes_total_size_is_limited),
    UNIT_TEST(test_xsnodes_collect_fails_cleanly_at_every_call),
    UNIT_TEST(test_xsnodes_round_trip_moves_to_the_new_domain),
    UNIT_TEST(test_xsnodes_restore_repeats_a_transaction_that_conflicts),
    UNIT_TEST(test_xsnodes_restore_gives_up_when_conflicts_do_not_end),
    UNIT_TEST(test_xsnodes_restore_leaves_nothing_after_any_failure),
    UNIT_TEST(test_xsnodes_restore_refuses_paths_that_may_not_travel),
    UNIT_TEST(test_xsnodes_restore_refuses_bad_permissions),
    UNIT_TEST(test_xsnodes_restore_refuses_too_many_permissions),
    UNIT_TEST(test_xsnodes_restore_refuses_a_long_value),
    CU_TEST_INFO_NULL,
};
UNIT_MAIN("xsnodes", tests)
