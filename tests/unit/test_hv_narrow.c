/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "fake_hv.h"
#include "fault_alloc.h"
#include "hv/hv_narrow.h"
#include "mem/sink.h"
#include "unit.h"

#define NR_PFNS    4096u
#define DOMID      1u
#define NR_THREADS 4u

static struct xlm__errslot err;
static struct fake_hv *f;
static struct xlm__hv *n;

/* ---- which thread makes the hypercalls ---- */

static struct xlm__hv_ops watched;
static const struct xlm__hv_ops *plain;
static pthread_t not_by;
static atomic_uint nr_calls, nr_wrong;

static void called(void)
{
    atomic_fetch_add(&nr_calls, 1);
    if (pthread_equal(pthread_self(), not_by))
        atomic_fetch_add(&nr_wrong, 1);
}

static int watch_populate(struct xlm__hv *hv, uint32_t domid, unsigned order,
                          size_t nr, const uint64_t *pfns, bool *nomem_out)
{
    called();
    return plain->populate(hv, domid, order, nr, pfns, nomem_out);
}

static int watch_depopulate(struct xlm__hv *hv, uint32_t domid, size_t nr,
                            const uint64_t *pfns)
{
    called();
    return plain->depopulate(hv, domid, nr, pfns);
}

static int watch_dominfo(struct xlm__hv *hv, uint32_t domid,
                         struct xlm__dominfo *out, bool *exists_out)
{
    called();
    return plain->dominfo(hv, domid, out, exists_out);
}

static int watch_hostinfo(struct xlm__hv *hv, struct xlm__hostinfo *out)
{
    called();
    return plain->hostinfo(hv, out);
}

static void make(void)
{
    const struct fake_hv_config c = { .domid = DOMID,
                                      .nr_pfns = NR_PFNS,
                                      .nr_frames = 8192 };

    xlm__errslot_init(&err, NULL, NULL, XLM_LOG_DEBUG);
    f = fake_hv_new(&err, &c);
    plain = f->base.ops;
    watched = *plain;
    watched.populate = watch_populate;
    watched.depopulate = watch_depopulate;
    watched.dominfo = watch_dominfo;
    watched.hostinfo = watch_hostinfo;
    f->base.ops = &watched;
    not_by = pthread_self();
    nr_calls = nr_wrong = 0;
    n = NULL;
}

static void make_narrow(void)
{
    make();
    CU_ASSERT_EQUAL_FATAL(xlm__hv_narrow(&f->base, DOMID, &n), 0);
}

static void unmake(void)
{
    if (n)
        n->ops->close(n);
    CU_ASSERT_EQUAL(f->nr_mapped, 0);
    fake_hv_free(f);
    xlm__errslot_destroy(&err);
}

/* ---- tests ---- */

static void test_narrow_hypercalls_are_made_by_its_own_thread(void)
{
    const uint64_t pfns[2] = { 3, 4 };
    struct xlm__hostinfo host;
    struct xlm__dominfo dom;
    bool flag = true;

    make_narrow();
    CU_ASSERT_EQUAL(n->ops->populate(n, DOMID, 0, 2, pfns, &flag), 0);
    CU_ASSERT(!flag);
    CU_ASSERT_PTR_NOT_NULL(fake_page(f, 4));
    CU_ASSERT_EQUAL(n->ops->depopulate(n, DOMID, 1, pfns), 0);
    CU_ASSERT_PTR_NULL(fake_page(f, 3));
    CU_ASSERT_EQUAL(n->ops->dominfo(n, DOMID, &dom, &flag), 0);
    CU_ASSERT(flag);
    CU_ASSERT_EQUAL(dom.tot_pages, 1);
    CU_ASSERT_EQUAL(n->ops->hostinfo(n, &host), 0);
    CU_ASSERT_EQUAL(host.nr_cpus, 2);
    CU_ASSERT_EQUAL(nr_calls, 4);
    CU_ASSERT_EQUAL(nr_wrong, 0);
    unmake();
}

static void test_narrow_failures_come_back(void)
{
    const uint64_t pfn = NR_PFNS;
    bool nomem;

    make_narrow();
    CU_ASSERT_EQUAL(n->ops->populate(n, DOMID, 0, 1, &pfn, &nomem),
                    XLM_ERR_HYPERVISOR);
    CU_ASSERT_EQUAL(xlm__errslot_code(&err), XLM_ERR_HYPERVISOR);
    unmake();
}

static void test_narrow_no_memory_comes_back(void)
{
    const uint64_t pfn = 0;
    bool nomem = false;

    make_narrow();
    f->free_frames = 0;
    CU_ASSERT_EQUAL(n->ops->populate(n, DOMID, 0, 1, &pfn, &nomem), 0);
    CU_ASSERT(nomem);
    unmake();
}

static void test_narrow_another_domain_is_refused(void)
{
    const uint64_t pfn = 3;
    struct xlm__dominfo dom;
    struct xlm__map map;
    bool flag;
    int page;

    make_narrow();
    fake_add(f, 3, 1);
    CU_ASSERT_EQUAL(n->ops->map(n, 0, true, 1, &pfn, &page, &map),
                    XLM_ERR_INTERNAL);
    CU_ASSERT_EQUAL(n->ops->populate(n, 0, 0, 1, &pfn, &flag),
                    XLM_ERR_INTERNAL);
    CU_ASSERT_EQUAL(n->ops->depopulate(n, 2, 1, &pfn), XLM_ERR_INTERNAL);
    CU_ASSERT_EQUAL(n->ops->dominfo(n, 2, &dom, &flag), XLM_ERR_INTERNAL);
    CU_ASSERT_EQUAL(nr_calls, 0);
    CU_ASSERT_EQUAL(f->nr_map_calls, 0);
    unmake();
}

static void test_narrow_without_a_window_maps_as_before(void)
{
    const uint64_t pfn = 3;
    struct xlm__map map;
    int page;

    make_narrow();
    fake_add(f, 3, 1);
    CU_ASSERT_EQUAL(xlm__hv_narrow_fd(n), -1);
    CU_ASSERT_EQUAL_FATAL(n->ops->map(n, DOMID, true, 1, &pfn, &page, &map), 0);
    CU_ASSERT_EQUAL(page, 0);
    *(char *)map.addr = 7;
    n->ops->unmap(n, &map);
    CU_ASSERT_EQUAL(fake_page(f, 3)[0], 7);
    unmake();
}

/* Through the sink that has it in a migration; no two populate one page. */
static struct xlm__sink *sink;

static void *fill(void *arg)
{
    const uint64_t first = (uintptr_t)arg * (NR_PFNS / NR_THREADS);
    static const uint32_t types[64];
    struct xlm__job *j = NULL;
    uint64_t pfns[64];
    void *pages[64];

    CU_ASSERT_EQUAL_FATAL(sink->ops->job_new(sink, &j), 0);
    for (uint64_t at = first; at < first + NR_PFNS / NR_THREADS; at += 64) {
        for (size_t i = 0; i < 64; i++)
            pfns[i] = at + i;
        CU_ASSERT_EQUAL_FATAL(sink->ops->begin(j, 64, pfns, types, pages), 0);
        for (size_t i = 0; i < 64; i++)
            memset(pages[i], (int)(pfns[i] % 251), XLM__PAGE_SIZE);
        CU_ASSERT_EQUAL(sink->ops->end(j), 0);
    }
    sink->ops->job_free(j);
    return NULL;
}

static void test_narrow_serves_several_threads(void)
{
    pthread_t threads[NR_THREADS];
    unsigned wrong = 0;

    make_narrow();
    CU_ASSERT_EQUAL_FATAL(xlm__sink_open_hvm(n, DOMID, NR_PFNS, &sink), 0);
    for (uintptr_t i = 0; i < NR_THREADS; i++)
        CU_ASSERT_EQUAL_FATAL(
            pthread_create(&threads[i], NULL, fill, (void *)i), 0);
    for (size_t i = 0; i < NR_THREADS; i++)
        pthread_join(threads[i], NULL);
    sink->ops->close(sink);
    for (uint64_t i = 0; i < NR_PFNS; i++)
        wrong += fake_page(f, i)[17] != i % 251;
    CU_ASSERT_EQUAL(wrong, 0);
    CU_ASSERT_EQUAL(f->info.tot_pages, NR_PFNS);
    unmake();
}

static void test_narrow_no_memory_for_itself_is_an_error(void)
{
    make();
    fault_alloc_at(1);
    CU_ASSERT_EQUAL(xlm__hv_narrow(&f->base, DOMID, &n), XLM_ERR_NOMEM);
    CU_ASSERT(fault_alloc_hit());
    unmake();
}

static void test_narrow_a_window_that_fails_is_an_error(void)
{
    make();
    f->fail_call = 1;
    CU_ASSERT_EQUAL(xlm__hv_narrow(&f->base, DOMID, &n), XLM_ERR_HYPERVISOR);
    CU_ASSERT_PTR_NULL(n);
    unmake();
}

static CU_TestInfo tests[] = {
    UNIT_TEST(test_narrow_hypercalls_are_made_by_its_own_thread),
    UNIT_TEST(test_narrow_failures_come_back),
    UNIT_TEST(test_narrow_no_memory_comes_back),
    UNIT_TEST(test_narrow_another_domain_is_refused),
    UNIT_TEST(test_narrow_without_a_window_maps_as_before),
    UNIT_TEST(test_narrow_serves_several_threads),
    UNIT_TEST(test_narrow_no_memory_for_itself_is_an_error),
    UNIT_TEST(test_narrow_a_window_that_fails_is_an_error),
    CU_TEST_INFO_NULL,
};

UNIT_MAIN("hv_narrow", tests)
