/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Migrations whose memory is compared before the permission; see
 * tests/scenario/scenario.h. */
#include "config.h"

#include "../scenario/scenario_test.h"
#include "unit.h"

#define VERIFY  .opt = { .flags = XLM_F_VERIFY }
#define AT_TAIL .event_to = TO_DESTINATION, .event_type = XLM__REC_TAIL_END

/* A page that was sent in the first round, and not changed since. */
#define PFN 0x123u

static bool is_verified(const struct run *r, uint64_t pages, uint64_t spared)
{
    const struct xlm_stats *s = &r->src.stats, *d = &r->dst.stats;

    return s->verified && s->verified_pages == pages &&
           s->verify_spared_pages == spared && d->verified &&
           d->verified_pages == pages && s->verify_us == d->verify_us;
}

/* ---- it is the same ---- */

static void test_verify_pvh_that_was_pre_built_is_the_same(void)
{
    LOOK(MOVED, VERIFY, .writer = WRITER_SLOW);

    SCENARIO_CHECK(r, r->src.stats.prebuilt);
    SCENARIO_CHECK(r, is_verified(r, SCENARIO_RAM - 1, 1));
    SCENARIO_CHECK(r, strstr(r->log, "verified 599 pages (1 excluded: "
                                     "xenstore 1) in "));
    DONE();
}

static void test_verify_pvh_that_is_built_in_the_pause_is_the_same(void)
{
    LOOK(MOVED, .writer = WRITER_SLOW, .channels = 3,
         .opt = { .flags = XLM_F_VERIFY | XLM_F_NO_PREBUILD });

    SCENARIO_CHECK(r, !r->src.stats.prebuilt);
    SCENARIO_CHECK(r, is_verified(r, SCENARIO_RAM - 1, 1));
    DONE();
}

static void test_verify_hvm_is_the_same(void)
{
    LOOK(MOVED, VERIFY, .type = XLM__TYPE_HVM, .sparse = true,
         .writer = WRITER_FAST);

    SCENARIO_CHECK(r, is_verified(r, SCENARIO_RAM - 1, 1));
    DONE();
}

static void test_verify_pv_is_what_the_helper_was_given(void)
{
    LOOK(MOVED, .type = XLM__TYPE_PV, .writer = WRITER_SLOW,
         .opt = { .flags = XLM_F_VERIFY | XLM_F_NO_PREBUILD });

    SCENARIO_CHECK(r, is_verified(r, SCENARIO_RAM, 0));
    SCENARIO_CHECK(r, strstr(r->log, "as xl's helper there was given them"));
    DONE();
}

static void test_verify_pv_is_what_it_has(void)
{
    LOOK(MOVED, VERIFY, .type = XLM__TYPE_PV, .writer = WRITER_SLOW);

    SCENARIO_CHECK(r, is_verified(r, SCENARIO_RAM, 0));
    SCENARIO_CHECK(r, !strstr(r->log, "as xl's helper there was given them"));
    DONE();
}

static void test_verify_pv_by_content_is_the_same(void)
{
    LOOK(MOVED, VERIFY, .type = XLM__TYPE_PV, .writer = WRITER_SLOW,
         .refuse_logdirty = true, .channels = 2);

    SCENARIO_CHECK(r, is_verified(r, SCENARIO_RAM, 0));
    DONE();
}

static void test_verify_compressed_and_ballooned_is_the_same(void)
{
    LOOK(MOVED, .writer = WRITER_BALLOON, .nr_ram = 2000,
         .opt = { .flags = XLM_F_VERIFY, .compress = XLM_COMPRESS_LZ4 });

    SCENARIO_CHECK(r, r->src.stats.verified);
    SCENARIO_CHECK(r, r->src.stats.packed_bytes);
    DONE();
}

static void test_verify_not_asked_for_is_not_done(void)
{
    LOOK(MOVED);

    SCENARIO_CHECK(r, !r->src.stats.verified && !strstr(r->log, "verif"));
    SCENARIO_CHECK(r, !r->dst.stats.verified);
    DONE();
}

/* Nothing is left for the last round: that is all but a fixed part. */
static void test_verify_is_counted_before_it_is_done(void)
{
    LOOK(MOVED, VERIFY);

    SCENARIO_CHECK(r, r->src.stats.predicted_blackout_us >
                          r->src.stats.fixed_pause_ms * UINT64_C(1000));
    DONE();
}

static void test_verify_not_asked_for_is_not_counted(void)
{
    LOOK(MOVED);

    SCENARIO_CHECK(r, r->src.stats.predicted_blackout_us ==
                          r->src.stats.fixed_pause_ms * UINT64_C(1000));
    DONE();
}

static void test_verify_is_counted_by_an_estimate(void)
{
    LOOK(STAYED, .opt = { .flags = XLM_F_VERIFY | XLM_F_ESTIMATE,
                          .fixed_pause_ms = 50 });

    SCENARIO_CHECK(r, r->src.stats.estimated_pause_us > 50000);
    DONE();
}

/* ---- it is not ---- */

/* Again: it is what it was. */
static void change_byte(struct run *r)
{
    fake_page(r->dst.hv, PFN)[77] ^= 1;
}

static bool is_refused(struct run *r, const char *what)
{
    return r->dst.rc == XLM_ERR_DIFFERS && strstr(r->dst.message, what) &&
           strstr(r->src.message, what) && !r->src.stats.verified &&
           fake_toolstack_count(&r->src.ts, "resume") == 1 && !r->dst.ts.exists;
}

static void test_verify_changed_byte_is_found_and_named(void)
{
    LOOK(.rc = XLM_ERR_PEER, STAYED, VERIFY, .event = change_byte, AT_TAIL);

    SCENARIO_CHECK(r, is_refused(r, "verify: 1 of 599 pages differ at the "
                                    "destination, first pfn 0x123"));
    DONE();
}

static void test_verify_changed_byte_of_hvm_is_found_and_named(void)
{
    LOOK(.rc = XLM_ERR_PEER, STAYED, VERIFY, .type = XLM__TYPE_HVM,
         .event = change_byte, AT_TAIL);

    SCENARIO_CHECK(r, is_refused(r, "1 of 599 pages differ"));
    DONE();
}

static void change_many(struct run *r)
{
    for (uint64_t pfn = 0x100; pfn < 0x250; pfn += 0x10)
        fake_page(r->dst.hv, pfn)[0] ^= 1;
}

static void test_verify_first_pages_of_many_are_named(void)
{
    LOOK(.rc = XLM_ERR_PEER, STAYED, VERIFY, .event = change_many, AT_TAIL);

    SCENARIO_CHECK(r, is_refused(r, "21 of 599 pages differ at the "
                                    "destination, first pfn 0x100, 0x110, "
                                    "0x120"));
    DONE();
}

static void remove_page(struct run *r)
{
    fake_remove(r->dst.hv, PFN, 1);
}

static void test_verify_missing_page_is_found(void)
{
    LOOK(.rc = XLM_ERR_PEER, STAYED, VERIFY, .event = remove_page, AT_TAIL);

    SCENARIO_CHECK(r, is_refused(r, "1 of 598 pages differ at the "
                                    "destination, first pfn 0x123"));
    DONE();
}

static void add_page(struct run *r)
{
    fake_add(r->dst.hv, SCENARIO_RAM + 7, 1);
}

static void test_verify_page_that_should_not_be_is_found(void)
{
    LOOK(.rc = XLM_ERR_PEER, STAYED, VERIFY, .event = add_page, AT_TAIL);

    SCENARIO_CHECK(r, is_refused(r, "1 of 600 pages differ at the "
                                    "destination, first pfn 0x25f"));
    DONE();
}

/* What Xen's log would have told. */
static void change_unlogged(struct run *r)
{
    fake_page(r->src.hv, PFN)[77] ^= 1;
}

static void test_verify_change_that_was_not_logged_is_found(void)
{
    LOOK(.rc = XLM_ERR_PEER, STAYED, VERIFY, .event = change_unlogged,
         .event_state = XLM_STATE_SWITCHOVER);

    SCENARIO_CHECK(r, is_refused(r, "1 of 599 pages differ"));
    DONE();
}

static void test_verify_change_of_pv_that_was_not_logged_is_found(void)
{
    LOOK(.rc = XLM_ERR_PEER, STAYED, VERIFY, .type = XLM__TYPE_PV,
         .event = change_unlogged, .event_state = XLM_STATE_SWITCHOVER);

    SCENARIO_CHECK(r, is_refused(r, "1 of 600 pages differ at the "
                                    "destination, first pfn 0x123"));
    DONE();
}

/* ---- others write to it ---- */

static void map_for_writing(struct run *r)
{
    r->src.hv->written[0] = fake_frame(r->src.hv, PFN);
    if (r->src.hv->info.hvm)
        r->src.hv->written[0] = PFN;
    r->src.hv->nr_written = 1;
}

static void test_verify_page_that_a_back_end_writes_is_left_out(void)
{
    LOOK(MOVED, VERIFY, .prepare = map_for_writing, .event = change_byte,
         AT_TAIL, .over = change_byte);

    SCENARIO_CHECK(r, is_verified(r, SCENARIO_RAM - 2, 2));
    SCENARIO_CHECK(r, strstr(r->log, "xenstore 1, mapped by back ends 1"));
    DONE();
}

static void test_verify_page_of_pv_that_a_back_end_writes_is_left_out(void)
{
    LOOK(MOVED, VERIFY, .type = XLM__TYPE_PV, .prepare = map_for_writing);

    SCENARIO_CHECK(r, is_verified(r, SCENARIO_RAM - 1, 1));
    DONE();
}

/* By a back end that copies: Xen logs that. */
static void change_late(struct run *r)
{
    const unsigned char byte = 0x5a;

    fake_write(r->src.hv, PFN, 9, &byte, 1);
    change_byte(r); /* in any case: the source may have read it before */
}

static void change_two(struct run *r)
{
    change_byte(r);
    fake_page(r->dst.hv, PFN + 1)[77] ^= 1;
}

static void change_two_late(struct run *r)
{
    const unsigned char byte = 0x5a;

    fake_write(r->src.hv, PFN, 9, &byte, 1);
    fake_write(r->src.hv, PFN + 1, 9, &byte, 1);
    change_two(r);
}

static void test_verify_page_written_after_the_last_look_is_left_out(void)
{
    LOOK(MOVED, VERIFY, .event = change_late, AT_TAIL, .over = change_byte);

    SCENARIO_CHECK(r, is_verified(r, SCENARIO_RAM - 2, 2));
    SCENARIO_CHECK(r, strstr(r->log, "written after the suspend 1"));
    DONE();
}

static void test_verify_page_that_is_left_out_twice_counts_once(void)
{
    LOOK(MOVED, VERIFY, .prepare = map_for_writing, .event = change_two_late,
         AT_TAIL, .over = change_two);

    SCENARIO_CHECK(r, is_verified(r, SCENARIO_RAM - 3, 3));
    SCENARIO_CHECK(r, strstr(r->log, "(3 excluded: xenstore 1, mapped by back "
                                     "ends 1, written after the suspend 1)"));
    DONE();
}

/* By Xen, which logs nothing of it: an event for a guest that is suspended. */
static void event_comes(void *user, const char *op)
{
    if (!strcmp(op, "xenstore_collect")) /* after the last round */
        change_unlogged(user);
}

static void event_is_to_come(struct run *r)
{
    r->src.ts.on_op = event_comes;
    r->src.ts.on_op_user = r;
}

/* The guest has the same page in use. */
static void guest_writes_to_it(struct run *r)
{
    const unsigned char byte = 0x77;

    fake_write(r->src.hv, PFN, 11, &byte, 1);
}

static void test_verify_event_for_a_suspended_guest_is_left_out(void)
{
    LOOK(MOVED, VERIFY, .prepare = event_is_to_come,
         .event = guest_writes_to_it, .event_state = XLM_STATE_SWITCHOVER);

    SCENARIO_CHECK(r, is_verified(r, SCENARIO_RAM - 2, 2));
    SCENARIO_CHECK(r, strstr(r->log, "written after the suspend 1"));
    DONE();
}

static void test_verify_event_for_a_scanned_guest_is_left_out(void)
{
    LOOK(MOVED, VERIFY, .type = XLM__TYPE_PV, .refuse_logdirty = true,
         .prepare = event_is_to_come);

    SCENARIO_CHECK(r, is_verified(r, SCENARIO_RAM - 1, 1));
    SCENARIO_CHECK(r, strstr(r->log, "written after the suspend 1"));
    DONE();
}

/* ... which excuses nothing that went wrong on the way. */
static void spoil(void *user, const char *op)
{
    if (!strcmp(op, "storage_drop_cache"))
        change_byte(user);
}

static void spoil_at_the_end(struct run *r)
{
    r->dst.ts.on_op = spoil;
    r->dst.ts.on_op_user = r;
}

static void test_verify_changed_byte_of_the_last_round_is_found(void)
{
    LOOK(.rc = XLM_ERR_PEER, STAYED, VERIFY, .prepare = spoil_at_the_end,
         .event = guest_writes_to_it, .event_state = XLM_STATE_SWITCHOVER);

    SCENARIO_CHECK(r, is_refused(r, "1 of 599 pages differ"));
    DONE();
}

/* A page, an entry of a table: in the domain that was built, that is. */
static void spoil_pv(void *user, const char *op)
{
    struct run *r = user;
    struct fake_hv *f = r->dst.hv;

    if (strcmp(op, "storage_drop_cache"))
        return;
    fake_page(f, PFN)[100] ^= 1;
    ((uint64_t *)(void *)fake_page(f, FAKE_PV_L2))[7] = fake_frame(f, PFN)
                                                            << 12 |
                                                        1;
    ((uint64_t *)(void *)fake_page(f, FAKE_PV_L3))[7] = 1; /* Xen's frame */
}

static void spoil_pv_at_the_end(struct run *r)
{
    r->dst.ts.on_op = spoil_pv;
    r->dst.ts.on_op_user = r;
}

static void test_verify_pv_that_was_built_wrongly_is_found(void)
{
    LOOK(.rc = XLM_ERR_PEER, STAYED, VERIFY, .type = XLM__TYPE_PV,
         .prepare = spoil_pv_at_the_end);

    SCENARIO_CHECK(r, is_refused(r, "3 of 600 pages differ"));
    DONE();
}

/* qemu goes on where it was: it may write to memory. */
static void dm_writes(void *user, const char *op)
{
    struct run *r = user;

    if (!strcmp(op, r->sc->opt.flags & XLM_F_NO_PREBUILD ? "restore_end"
                                                         : "dm_load"))
        change_byte(r);
}

static void dm_is_to_write(struct run *r)
{
    r->dst.ts.on_op = dm_writes;
    r->dst.ts.on_op_user = r;
}

static void test_verify_device_model_may_write_when_it_has_its_state(void)
{
    LOOK(MOVED, VERIFY, .type = XLM__TYPE_HVM, .prepare = dm_is_to_write,
         .over = change_byte);

    SCENARIO_CHECK(r, is_verified(r, SCENARIO_RAM - 1, 1));
    DONE();
}

static void test_verify_device_model_built_late_may_write_the_same(void)
{
    LOOK(MOVED, .type = XLM__TYPE_HVM, .prepare = dm_is_to_write,
         .over = change_byte,
         .opt = { .flags = XLM_F_VERIFY | XLM_F_NO_PREBUILD });

    SCENARIO_CHECK(r, is_verified(r, SCENARIO_RAM - 1, 1));
    DONE();
}

/* ---- a peer that cannot ---- */

static void is_old(struct run *r)
{
    r->dst.session->greeting.offered &= ~XLM__FEATURE_VERIFY;
}

static void test_verify_destination_that_cannot_is_refused(void)
{
    LOOK(.rc = XLM_ERR_VERSION, STAYED, VERIFY, .prepare = is_old);

    SCENARIO_CHECK(r, strstr(r->src.message, "(verify)"));
    SCENARIO_CHECK(r, fake_toolstack_count(&r->dst.ts, "restore_begin") == 0);
    SCENARIO_CHECK(r, fake_toolstack_count(&r->src.ts, "suspend") == 0);
    DONE();
}

static void test_verify_destination_that_cannot_is_not_asked(void)
{
    RUN(MOVED, .prepare = is_old);
}

static CU_TestInfo tests[] = {
    UNIT_TEST(test_verify_pvh_that_was_pre_built_is_the_same),
    UNIT_TEST(test_verify_pvh_that_is_built_in_the_pause_is_the_same),
    UNIT_TEST(test_verify_hvm_is_the_same),
    UNIT_TEST(test_verify_pv_is_what_the_helper_was_given),
    UNIT_TEST(test_verify_pv_is_what_it_has),
    UNIT_TEST(test_verify_pv_that_was_built_wrongly_is_found),
    UNIT_TEST(test_verify_pv_by_content_is_the_same),
    UNIT_TEST(test_verify_compressed_and_ballooned_is_the_same),
    UNIT_TEST(test_verify_not_asked_for_is_not_done),
    UNIT_TEST(test_verify_is_counted_before_it_is_done),
    UNIT_TEST(test_verify_not_asked_for_is_not_counted),
    UNIT_TEST(test_verify_is_counted_by_an_estimate),
    UNIT_TEST(test_verify_changed_byte_is_found_and_named),
    UNIT_TEST(test_verify_changed_byte_of_hvm_is_found_and_named),
    UNIT_TEST(test_verify_first_pages_of_many_are_named),
    UNIT_TEST(test_verify_missing_page_is_found),
    UNIT_TEST(test_verify_page_that_should_not_be_is_found),
    UNIT_TEST(test_verify_change_that_was_not_logged_is_found),
    UNIT_TEST(test_verify_change_of_pv_that_was_not_logged_is_found),
    UNIT_TEST(test_verify_page_that_a_back_end_writes_is_left_out),
    UNIT_TEST(test_verify_page_of_pv_that_a_back_end_writes_is_left_out),
    UNIT_TEST(test_verify_page_written_after_the_last_look_is_left_out),
    UNIT_TEST(test_verify_page_that_is_left_out_twice_counts_once),
    UNIT_TEST(test_verify_event_for_a_suspended_guest_is_left_out),
    UNIT_TEST(test_verify_event_for_a_scanned_guest_is_left_out),
    UNIT_TEST(test_verify_changed_byte_of_the_last_round_is_found),
    UNIT_TEST(test_verify_device_model_may_write_when_it_has_its_state),
    UNIT_TEST(test_verify_device_model_built_late_may_write_the_same),
    UNIT_TEST(test_verify_destination_that_cannot_is_refused),
    UNIT_TEST(test_verify_destination_that_cannot_is_not_asked),
    CU_TEST_INFO_NULL,
};

UNIT_MAIN("migrate_verify", tests)
