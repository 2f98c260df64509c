/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Disks as xenstore shows them, their rings, and what is behind them. */
#include "config.h"

#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "fake_xs.h"
#include "toolstack/storage.h"
#include "toolstack/vbd.h"
#include "unit.h"
#include "util/clock.h"

#define DEVID "51712"
#define FRONT "/local/domain/5/device/vbd/" DEVID
#define BACK  "/local/domain/0/backend/vbd/5/" DEVID

static struct xlm__errslot err;
static char message[XLM_MESSAGE_MAX];

/* ---- a hypervisor that knows grants and nothing else ---- */

struct ring {
    uint32_t req_prod, req_event, rsp_prod, rsp_event;
};
static struct ring rings[4]; /* of grant 100, 101, ... */
static unsigned mapped, mappings;

static int fake_grant_map(struct xlm__hv *hv, uint32_t domid, uint32_t ref,
                          const void **page_out)
{
    (void)hv;
    CU_ASSERT_EQUAL(domid, 5);
    if (ref < 100 || ref > 103)
        return XLM_ERR_HYPERVISOR;
    mapped++;
    mappings++;
    *page_out = &rings[ref - 100];
    return 0;
}

static void fake_grant_unmap(struct xlm__hv *hv, const void *page)
{
    (void)hv, (void)page;
    mapped--;
}

static const struct xlm__hv_ops grant_ops = {
    .grant_map = fake_grant_map,
    .grant_unmap = fake_grant_unmap,
};
static struct xlm__hv hv = { .ops = &grant_ops, .err = &err };

static struct xlm__storage_params params(uint32_t timeout_ms)
{
    return (struct xlm__storage_params){ .err = &err,
                                         .xs = fake_xs(),
                                         .hv = &hv,
                                         .domid = 5,
                                         .timeout_ms = timeout_ms,
                                         .stop_fd = -1 };
}

static void begin(void)
{
    fake_xs_reset();
    xlm__errslot_init(&err, NULL, NULL, XLM_LOG_DEBUG);
    memset(rings, 0, sizeof(rings));
    mapped = mappings = 0;
}

static void end(void)
{
    CU_ASSERT_EQUAL(mapped, 0);
    xlm__errslot_destroy(&err);
    fake_xs_reset();
}

static void add_disk(const char *kind)
{
    char back[128];
    char dev[160];

    snprintf(back, sizeof(back), "/local/domain/0/backend/%s/5/" DEVID, kind);
    snprintf(dev, sizeof(dev), "%s/dev", back);
    fake_xs_text("/libxl/5/device/vbd/" DEVID "/backend", back);
    fake_xs_text(dev, "xvda");
    fake_xs_text(FRONT "/state", "4");
    fake_xs_text(FRONT "/ring-ref", "100");
}

static int list_one(struct xlm__vbd *v)
{
    struct xlm__vbd *list = NULL;
    size_t nr = 0;
    int rc = xlm__vbd_list(&err, fake_xs(), 5, &list, &nr);

    memset(v, 0, sizeof(*v));
    if (!rc) {
        CU_ASSERT_EQUAL(nr, 1);
        *v = list[0];
        free(list);
    }
    xlm__errslot_read(&err, message);
    return rc;
}

/* ---- the list ---- */

static void test_storage_no_disks_is_an_empty_list(void)
{
    struct xlm__vbd *list = NULL;
    size_t nr = 1;

    begin();
    CU_ASSERT_EQUAL(xlm__vbd_list(&err, fake_xs(), 5, &list, &nr), 0);
    CU_ASSERT_EQUAL(nr, 0);
    free(list);
    end();
}

static void test_storage_list_has_both_sides_of_a_disk(void)
{
    struct xlm__vbd v;

    begin();
    add_disk("vbd");
    fake_xs_text(BACK "/mode", "w");
    fake_xs_text(BACK "/params", "/dev/vg/lv");
    fake_xs_text(BACK "/physical-device-path", "/dev/dm-3");
    fake_xs_text(BACK "/node", "/dev/loop0");
    CU_ASSERT_EQUAL(list_one(&v), 0);
    CU_ASSERT_STRING_EQUAL(v.name, "xvda");
    CU_ASSERT_STRING_EQUAL(v.kind, "vbd");
    CU_ASSERT_STRING_EQUAL(v.params, "/dev/vg/lv");
    CU_ASSERT_STRING_EQUAL(v.device, "/dev/dm-3");
    CU_ASSERT_STRING_EQUAL(v.node, "/dev/loop0");
    CU_ASSERT_TRUE(v.connected);
    CU_ASSERT_FALSE(v.readonly);
    CU_ASSERT_EQUAL(v.nr_rings, 1);
    CU_ASSERT_EQUAL(v.ring_refs[0], 100);
    end();
}

static void test_storage_ring_of_several_pages_counts_by_its_first(void)
{
    struct xlm__vbd v;

    begin();
    add_disk("vbd");
    xs_write(fake_xs(), 0, FRONT "/ring-ref", "", 0);
    fake_xs_text(FRONT "/ring-page-order", "1");
    fake_xs_text(FRONT "/ring-ref0", "101");
    fake_xs_text(FRONT "/ring-ref1", "102");
    CU_ASSERT_EQUAL(list_one(&v), 0);
    CU_ASSERT_EQUAL(v.nr_rings, 1);
    CU_ASSERT_EQUAL(v.ring_refs[0], 101);
    end();
}

static void test_storage_every_queue_has_its_ring(void)
{
    struct xlm__vbd v;

    begin();
    add_disk("vbd");
    fake_xs_text(FRONT "/multi-queue-num-queues", "2");
    fake_xs_text(FRONT "/queue-0/ring-ref", "102");
    fake_xs_text(FRONT "/queue-1/ring-ref0", "103");
    CU_ASSERT_EQUAL(list_one(&v), 0);
    CU_ASSERT_EQUAL(v.nr_rings, 2);
    CU_ASSERT_EQUAL(v.ring_refs[0], 102);
    CU_ASSERT_EQUAL(v.ring_refs[1], 103);
    end();
}

static void test_storage_frontend_not_connected_has_no_ring(void)
{
    struct xlm__vbd v;

    begin();
    add_disk("vbd");
    fake_xs_text(FRONT "/state", "1");
    CU_ASSERT_EQUAL(list_one(&v), 0);
    CU_ASSERT_FALSE(v.connected);
    CU_ASSERT_EQUAL(v.nr_rings, 0);
    end();
}

/* What the guest writes about its rings may be anything. */
static void test_storage_nonsense_of_the_frontend_is_refused(void)
{
    static const char *const queues[] = { "0",  "65", "-1", "99999999999999999",
                                          "2x", "x" };
    static const char *const refs[] = { "", "-1", "4294967296", "1 2", "r" };
    struct xlm__vbd v;

    for (size_t i = 0; i < sizeof(queues) / sizeof(queues[0]); i++) {
        begin();
        add_disk("vbd");
        fake_xs_text(FRONT "/multi-queue-num-queues", queues[i]);
        CU_ASSERT_EQUAL(list_one(&v), XLM_ERR_DEVICE);
        CU_ASSERT_PTR_NOT_NULL(strstr(message, "xvda"));
        end();
    }
    for (size_t i = 0; i < sizeof(refs) / sizeof(refs[0]); i++) {
        begin();
        add_disk("vbd");
        fake_xs_text(FRONT "/ring-ref", refs[i]);
        CU_ASSERT_EQUAL(list_one(&v), XLM_ERR_DEVICE);
        end();
    }
}

static void test_storage_backend_path_of_nonsense_is_refused(void)
{
    struct xlm__vbd v;

    begin();
    add_disk("vbd");
    fake_xs_text("/libxl/5/device/vbd/" DEVID "/backend", "/somewhere/else");
    CU_ASSERT_EQUAL(list_one(&v), XLM_ERR_DEVICE);
    end();
}

static void test_storage_params_path_of_each_form(void)
{
    CU_ASSERT_STRING_EQUAL(xlm__vbd_params_path("/a/b"), "/a/b");
    CU_ASSERT_STRING_EQUAL(xlm__vbd_params_path("aio:/a/b"), "/a/b");
    CU_ASSERT_STRING_EQUAL(xlm__vbd_params_path("qcow2:/a:b"), "/a:b");
    CU_ASSERT_PTR_NULL(xlm__vbd_params_path("nbd:host:10809/export"));
    CU_ASSERT_PTR_NULL(xlm__vbd_params_path("http://host/a"));
    CU_ASSERT_PTR_NULL(xlm__vbd_params_path("rbd"));
    CU_ASSERT_PTR_NULL(xlm__vbd_params_path(""));
}

/* ---- rings ---- */

static int drain(uint32_t timeout_ms, bool *qdisk)
{
    struct xlm__storage_params p = params(timeout_ms);
    int rc = xlm__storage_drain(&p, qdisk);

    xlm__errslot_read(&err, message);
    return rc;
}

static void test_storage_answered_ring_is_settled_at_once(void)
{
    bool qdisk = true;

    begin();
    add_disk("vbd");
    rings[0] = (struct ring){ .req_prod = 77, .rsp_prod = 77 };
    CU_ASSERT_EQUAL(drain(1000, &qdisk), 0);
    CU_ASSERT_FALSE(qdisk);
    CU_ASSERT_EQUAL(mappings, 1);
    end();
}

static void test_storage_qdisk_is_told(void)
{
    bool qdisk = false;

    begin();
    add_disk("qdisk");
    CU_ASSERT_EQUAL(drain(1000, &qdisk), 0);
    CU_ASSERT_TRUE(qdisk);
    end();
}

static void test_storage_unanswered_request_names_disk_and_counts(void)
{
    bool qdisk;

    begin();
    add_disk("vbd");
    rings[0] = (struct ring){ .req_prod = 77, .rsp_prod = 75 };
    CU_ASSERT_EQUAL(drain(60, &qdisk), XLM_ERR_DEVICE);
    CU_ASSERT_PTR_NOT_NULL(strstr(
        message, "disk xvda of domain 5: 77 requests, 75 responses after 60 "
                 "ms: 2 are still under way"));
    end();
}

/* The counters wrap. */
static void test_storage_counts_wrap_around(void)
{
    bool qdisk;

    begin();
    add_disk("vbd");
    rings[0] = (struct ring){ .req_prod = 1, .rsp_prod = UINT32_MAX };
    CU_ASSERT_EQUAL(drain(30, &qdisk), XLM_ERR_DEVICE);
    CU_ASSERT_PTR_NOT_NULL(strstr(message, "2 are still under way"));
    end();
}

static void *answer_later(void *arg)
{
    (void)arg;
    (void)poll(NULL, 0, 100);
    __atomic_store_n(&rings[3].rsp_prod, 9, __ATOMIC_RELEASE);
    return NULL;
}

static void test_storage_waits_for_the_last_answer_of_every_queue(void)
{
    const uint64_t start = xlm__clock_ns();
    pthread_t thread;
    bool qdisk;

    begin();
    add_disk("vbd");
    fake_xs_text(FRONT "/multi-queue-num-queues", "2");
    fake_xs_text(FRONT "/queue-0/ring-ref", "102");
    fake_xs_text(FRONT "/queue-1/ring-ref", "103");
    rings[3].req_prod = 9;
    CU_ASSERT_FATAL(!pthread_create(&thread, NULL, answer_later, NULL));
    CU_ASSERT_EQUAL(drain(10000, &qdisk), 0);
    pthread_join(thread, NULL);
    CU_ASSERT_TRUE(xlm__clock_ns() - start >= 90 * XLM__NS_PER_MS);
    CU_ASSERT_EQUAL(mappings, 2);
    end();
}

static void test_storage_wait_is_cancelled_by_stop(void)
{
    struct xlm__storage_params p = params(60000);
    int stop[2];
    bool qdisk;

    begin();
    add_disk("vbd");
    rings[0].req_prod = 1;
    CU_ASSERT_FATAL(!pipe(stop));
    CU_ASSERT_EQUAL(write(stop[1], "", 1), 1);
    p.stop_fd = stop[0];
    CU_ASSERT_EQUAL(xlm__storage_drain(&p, &qdisk), XLM_ERR_CANCELLED);
    CU_ASSERT_EQUAL(xlm__errslot_code(&err), 0);
    close(stop[0]);
    close(stop[1]);
    end();
}

static void test_storage_ring_that_cannot_be_mapped_names_the_grant(void)
{
    bool qdisk;

    begin();
    add_disk("vbd");
    fake_xs_text(FRONT "/ring-ref", "555");
    CU_ASSERT_EQUAL(drain(1000, &qdisk), XLM_ERR_DEVICE);
    CU_ASSERT_PTR_NOT_NULL(strstr(message, "grant 555"));
    end();
}

/* ---- what is behind ---- */

static int flush(void)
{
    struct xlm__storage_params p = params(1000);
    int rc = xlm__storage_flush(&p);

    xlm__errslot_read(&err, message);
    return rc;
}

static void test_storage_flush_of_a_file_works(void)
{
    char path[] = "/tmp/xlm-flush-XXXXXX";
    int fd = mkstemp(path);

    begin();
    add_disk("vbd");
    fake_xs_text(BACK "/params", path);
    CU_ASSERT_EQUAL(write(fd, "x", 1), 1);
    CU_ASSERT_EQUAL(flush(), 0);
    close(fd);
    unlink(path);
    end();
}

static void test_storage_flush_skips_what_is_not_there(void)
{
    begin();
    add_disk("vbd");
    fake_xs_text(BACK "/params", "/nonexistent/medium");
    CU_ASSERT_EQUAL(flush(), 0);
    fake_xs_text(BACK "/params", "nbd:host:1/x");
    CU_ASSERT_EQUAL(flush(), 0);
    end();
}

static void test_storage_flush_failure_names_disk_and_path(void)
{
    begin();
    add_disk("vbd");
    fake_xs_text(BACK "/mode", "w");
    /* A symlink to itself: ELOOP, for root as well. */
    (void)unlink("/tmp/xlm-loop");
    CU_ASSERT_FATAL(!symlink("/tmp/xlm-loop", "/tmp/xlm-loop"));
    fake_xs_text(BACK "/params", "/tmp/xlm-loop");
    CU_ASSERT_EQUAL(flush(), XLM_ERR_DEVICE);
    CU_ASSERT_PTR_NOT_NULL(strstr(message, "disk xvda: open /tmp/xlm-loop"));
    /* Nothing was written to a disk that is read only. */
    fake_xs_text(BACK "/mode", "r");
    CU_ASSERT_EQUAL(flush(), 0);
    unlink("/tmp/xlm-loop");
    end();
}

static void test_storage_drop_of_a_file_works(void)
{
    char path[] = "/tmp/xlm-drop-XXXXXX";
    int fd = mkstemp(path);

    begin();
    CU_ASSERT_EQUAL(write(fd, "x", 1), 1);
    CU_ASSERT_EQUAL(xlm__storage_drop_path(&err, "xvda", path), 0);
    CU_ASSERT_EQUAL(xlm__storage_drop_path(&err, "xvda", "/nonexistent"), 0);
    close(fd);
    unlink(path);
    end();
}

static void test_storage_drop_failure_names_disk_and_path(void)
{
    begin();
    (void)unlink("/tmp/xlm-loop2");
    CU_ASSERT_FATAL(!symlink("/tmp/xlm-loop2", "/tmp/xlm-loop2"));
    CU_ASSERT_EQUAL(xlm__storage_drop_path(&err, "xvdb", "/tmp/xlm-loop2"),
                    XLM_ERR_DEVICE);
    xlm__errslot_read(&err, message);
    CU_ASSERT_PTR_NOT_NULL(strstr(message, "disk xvdb: open /tmp/xlm-loop2"));
    unlink("/tmp/xlm-loop2");
    end();
}

/* ---- what is behind a device: a tree as sysfs has it ---- */

static char sysfs[64];
static char seen[256];

static void sysfs_make(const char *what, const char *content)
{
    char cmd[512];

    if (content)
        snprintf(cmd, sizeof(cmd),
                 "d=%s/%s; mkdir -p ${d%%/*} && echo '%s' >$d", sysfs, what,
                 content);
    else
        snprintf(cmd, sizeof(cmd), "mkdir -p %s/%s", sysfs, what);
    CU_ASSERT_EQUAL_FATAL(system(cmd), 0);
}

static void sysfs_begin(void)
{
    begin();
    snprintf(sysfs, sizeof(sysfs), "/tmp/xlm-sysfs-XXXXXX");
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(sysfs));
    sysfs_make("dev/block", NULL);
}

static void sysfs_end(void)
{
    char cmd[128];

    snprintf(cmd, sizeof(cmd), "rm -r %s", sysfs);
    CU_ASSERT_EQUAL(system(cmd), 0);
    end();
}

static int see(void *user, const char *path)
{
    size_t n = strlen(seen);

    snprintf(seen + n, sizeof(seen) - n, "%s ", path);
    return *(int *)user;
}

static int behind(unsigned maj, unsigned min, int answer)
{
    seen[0] = '\0';
    return xlm__storage_behind(sysfs, makedev(maj, min), see, &answer);
}

static void test_storage_behind_a_loop_device_is_its_file(void)
{
    sysfs_begin();
    sysfs_make("dev/block/7:10/loop/backing_file", "/srv/my disk.img");
    CU_ASSERT_EQUAL(behind(7, 10, 0), 0);
    CU_ASSERT_STRING_EQUAL(seen, "/srv/my disk.img ");
    /* What is behind it failed. */
    CU_ASSERT_EQUAL(behind(7, 10, XLM_ERR_DEVICE), XLM_ERR_DEVICE);
    sysfs_end();
}

static void test_storage_behind_a_mapped_device_are_its_parts(void)
{
    sysfs_begin();
    sysfs_make("dev/block/253:0/slaves/cciss!c0d0", "");
    CU_ASSERT_EQUAL(behind(253, 0, 0), 0);
    CU_ASSERT_STRING_EQUAL(seen, "/dev/cciss/c0d0 ");
    sysfs_end();
}

static void test_storage_behind_a_partition_is_what_its_disk_has(void)
{
    char cmd[256];

    sysfs_begin();
    sysfs_make("devices/loop1/loop/backing_file", "/srv/image");
    sysfs_make("devices/loop1/loop1p1", NULL);
    snprintf(cmd, sizeof(cmd),
             "ln -s ../../devices/loop1/loop1p1 "
             "%s/dev/block/259:3",
             sysfs);
    CU_ASSERT_EQUAL_FATAL(system(cmd), 0);
    CU_ASSERT_EQUAL(behind(259, 3, 0), 0);
    CU_ASSERT_STRING_EQUAL(seen, "/srv/image ");
    sysfs_end();
}

static void test_storage_behind_a_plain_disk_is_nothing(void)
{
    sysfs_begin();
    CU_ASSERT_EQUAL(behind(8, 0, 0), 0);
    CU_ASSERT_STRING_EQUAL(seen, "");
    sysfs_end();
}

static CU_TestInfo tests[] = {
    UNIT_TEST(test_storage_no_disks_is_an_empty_list),
    UNIT_TEST(test_storage_list_has_both_sides_of_a_disk),
    UNIT_TEST(test_storage_ring_of_several_pages_counts_by_its_first),
    UNIT_TEST(test_storage_every_queue_has_its_ring),
    UNIT_TEST(test_storage_frontend_not_connected_has_no_ring),
    UNIT_TEST(test_storage_nonsense_of_the_frontend_is_refused),
    UNIT_TEST(test_storage_backend_path_of_nonsense_is_refused),
    UNIT_TEST(test_storage_params_path_of_each_form),
    UNIT_TEST(test_storage_answered_ring_is_settled_at_once),
    UNIT_TEST(test_storage_qdisk_is_told),
    UNIT_TEST(test_storage_unanswered_request_names_disk_and_counts),
    UNIT_TEST(test_storage_counts_wrap_around),
    UNIT_TEST(test_storage_waits_for_the_last_answer_of_every_queue),
    UNIT_TEST(test_storage_wait_is_cancelled_by_stop),
    UNIT_TEST(test_storage_ring_that_cannot_be_mapped_names_the_grant),
    UNIT_TEST(test_storage_flush_of_a_file_works),
    UNIT_TEST(test_storage_flush_skips_what_is_not_there),
    UNIT_TEST(test_storage_flush_failure_names_disk_and_path),
    UNIT_TEST(test_storage_drop_of_a_file_works),
    UNIT_TEST(test_storage_drop_failure_names_disk_and_path),
    UNIT_TEST(test_storage_behind_a_loop_device_is_its_file),
    UNIT_TEST(test_storage_behind_a_mapped_device_are_its_parts),
    UNIT_TEST(test_storage_behind_a_partition_is_what_its_disk_has),
    UNIT_TEST(test_storage_behind_a_plain_disk_is_nothing),
    CU_TEST_INFO_NULL,
};
UNIT_MAIN("storage", tests)
