/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One field of a golden stream is changed, and its CRC made right again: the
 * library and xlmdump have to come to the same verdict.
 */
#include "config.h"

#include "codec/delta.h"
#include "dump_run.h"
#include "unit.h"
#include "util/byteorder.h"
#include "util/crc32c.h"

#define DONT_FIX 0x100u /* leave the CRC as it is */

struct change {
    const char *script;
    enum xlm_role by;
    uint32_t type; /* of the first such record; 0: the greeting */
    size_t offset; /* from the record's header */
    unsigned width;
    uint64_t value;
    const char *says; /* part of the library's message; NULL: accepted */
};

static struct bytes golden(const struct script *sc, enum xlm_role by)
{
    struct bytes s = { 0 }, d = { 0 };

    CU_ASSERT_PTR_NOT_NULL_FATAL(sc);
    CU_ASSERT_EQUAL_FATAL(script_run(sc, &s, &d), 0);
    bytes_free(by == XLM_SOURCE ? &d : &s);
    return by == XLM_SOURCE ? s : d;
}

static void put(uint8_t *at, unsigned width, uint64_t value)
{
    for (unsigned i = 0; i < width; i++)
        at[i] = (uint8_t)(value >> (8 * i));
}

static void fix_greeting(struct bytes *b)
{
    xlm__put_le32(b->data + 92, xlm__crc32c(0, b->data, 92));
}

/* Both readers, the same verdict, one error. */
static void judge(const struct script *sc, enum xlm_role by,
                  const struct bytes *b, const char *says)
{
    char text[XLM_MESSAGE_MAX], dump_text[512];
    unsigned failures;
    int rc = script_read(sc, by, b->data, b->nr, text, &failures);
    int dumped = dump_run(sc, "-q", b, dump_text);
    char *newline = strchr(dump_text, '\n');

    if (says) {
        CU_ASSERT(rc == XLM_ERR_STREAM || rc == XLM_ERR_VERSION ||
                  rc == XLM_ERR_CHANNEL);
        CU_ASSERT_EQUAL(failures, 1);
        CU_ASSERT_EQUAL(dumped, 1);
        CU_ASSERT(newline && !newline[1]);
        if (!strstr(text, says)) {
            printf("    said: %s\n", text);
            CU_FAIL("another message was expected");
        }
    } else {
        CU_ASSERT_EQUAL(rc, 0);
        CU_ASSERT_EQUAL(dumped, 0);
        if (rc || dumped)
            printf("    said: %s / %s\n", text, dump_text);
    }
}

static void run(const struct change *c)
{
    const struct script *sc = script_find(c->script);
    struct bytes b = golden(sc, c->by);
    unsigned width = c->width & 0xff;

    if (!c->type) {
        put(b.data + c->offset, width, c->value);
        if (!(c->width & DONT_FIX))
            fix_greeting(&b);
    } else {
        size_t at = record_of(&b, c->type);

        CU_ASSERT_NOT_EQUAL_FATAL(at, 0);
        put(b.data + at + c->offset, width, c->value);
        if (!(c->width & DONT_FIX))
            record_fix(&b, at);
    }
    judge(sc, c->by, &b, c->says);
    bytes_free(&b);
}

#define S     XLM_SOURCE
#define D     XLM_DESTINATION
#define H     "control-hvm"
#define P     "control-pv"
#define V     "control-verify"
#define E     "control-pv-early"
#define BODY  16
#define MAX64 UINT64_MAX

/* NAME, script, by, record, offset, width, value, message */
/* clang-format off */
#define CHANGES(X) \
    X(prebuild_store_out_of_range_is_refused, E, S, XLM__REC_PREBUILD, BODY, 8, 0x1000, "rings at ") \
    X(prebuild_store_below_the_limit_is_right, E, S, XLM__REC_PREBUILD, BODY, 8, 0xfff, NULL) \
    X(prebuild_console_out_of_range_is_refused, E, S, XLM__REC_PREBUILD, BODY + 8, 8, MAX64, "rings at ") \
    X(prebuild_two_rings_in_one_page_are_refused, E, S, XLM__REC_PREBUILD, BODY + 8, 8, 0x11, "rings at ") \
    X(greeting_magic_is_refused, H, S, 0, 0, 1, 'Y', "is not xlm") \
    X(greeting_crc_is_refused, H, S, 0, 92, 4 | DONT_FIX, 0, "CRC") \
    X(greeting_version_min_zero_is_refused, H, S, 0, 8, 2, 0, "versions 0") \
    X(greeting_version_max_below_min_is_refused, H, S, 0, 10, 2, 0, "versions 1 to 0") \
    X(greeting_version_too_new_is_refused, H, S, 0, 8, 4, 0x00020002, "versions 1 to 1 here, 2 to 2") \
    X(greeting_version_range_is_accepted, H, S, 0, 10, 2, 9, NULL) \
    X(greeting_kind_zero_is_refused, H, S, 0, 12, 1, 0, "kind of channel 0") \
    X(greeting_kind_three_is_refused, H, S, 0, 12, 1, 3, "kind of channel 3") \
    X(greeting_role_zero_is_refused, H, S, 0, 13, 1, 0, "role 0") \
    X(greeting_role_three_is_refused, H, D, 0, 13, 1, 3, "role 3") \
    X(greeting_control_index_is_refused, H, S, 0, 14, 2, 1, "index 1") \
    X(greeting_data_index_is_refused, "data-hvm", S, 0, 14, 2, 64, "index 64, limit 63") \
    X(greeting_offered_unknown_is_accepted, H, S, 0, 16, 8, 1ull << 63, NULL) \
    X(greeting_required_not_offered_is_refused, H, S, 0, 24, 8, 8, "requires") \
    X(greeting_destination_token_is_refused, H, D, 0, 48, 1, 1, "token is not zero") \
    X(greeting_reserved_is_refused, H, S, 0, 91, 1, 1, "reserved") \
    X(greeting_attempt_without_resume_is_refused, "data-hvm", S, 0, 80, 4, 1, "reserved") \
    X(greeting_attempt_of_control_is_refused, H, S, 0, 80, 4, 1, "reserved") \
    X(greeting_taken_without_resume_is_refused, "data-hvm", S, 0, 84, 4, 1, "reserved") \
    X(type_zero_is_refused, H, S, XLM__REC_CHECK, 0, 4, 0, "type 0") \
    X(type_unknown_is_refused, H, S, XLM__REC_CHECK, 0, 4, 0x77, "0x77") \
    X(type_of_data_on_control_is_refused, H, S, XLM__REC_CHECK, 0, 4, XLM__REC_CLOSE, "not on this channel") \
    X(type_of_control_on_data_is_refused, "data-hvm", S, XLM__REC_CLOSE, 0, 4, XLM__REC_BYE, "not on this channel") \
    X(type_of_other_direction_is_refused, H, S, XLM__REC_PERMIT, 0, 4, XLM__REC_COMMIT, "not on this channel") \
    X(seq_too_high_is_refused, H, S, XLM__REC_CHECK, 8, 4, 99, "sequence number") \
    X(crc_is_refused, H, S, XLM__REC_CHECK, 12, 4 | DONT_FIX, 0, "CRC") \
    X(pages_list_crc_is_refused, "data-hvm", S, XLM__REC_PAGES, 24, 1 | DONT_FIX, 0, "CRC") \
    X(pages_contents_are_not_under_the_crc, "data-hvm", S, XLM__REC_PAGES, 1000, 4 | DONT_FIX, 0x12345, NULL) \
    X(padding_is_refused, H, S, XLM__REC_STATE, BODY + 23, 1, 1, "padding") \
    X(length_of_empty_is_refused, H, S, XLM__REC_CHECK, 4, 4, 8, "8 bytes, 0 to 0 allowed") \
    X(length_over_limit_is_refused, H, S, XLM__REC_STATE, 4, 4, 0x1000001, "16777217 bytes") \
    X(length_below_least_is_refused, H, S, XLM__REC_STATE, 4, 4, 7, "7 bytes") \
    X(length_of_config_is_refused, H, S, XLM__REC_CONFIG, 4, 4, 0x100001, "1048577 bytes") \
    X(length_of_pages_too_long_is_refused, "data-hvm", S, XLM__REC_PAGES, 4, 4, 4202512, "4202512 bytes") \
    X(length_of_pages_off_by_a_page_is_refused, "data-hvm", S, XLM__REC_PAGES, 4, 4, 4120, "length 4120") \
    X(length_of_pages_below_list_is_refused, "data-hvm", S, XLM__REC_PAGES, 4, 4, 16, "16 bytes for 2 entries") \
    X(offer_domid_zero_is_refused, H, S, XLM__REC_OFFER, BODY, 4, 0, "0 as domid") \
    X(offer_domid_reserved_is_refused, H, S, XLM__REC_OFFER, BODY, 4, 0x7ff0, "32752 as domid") \
    X(offer_domain_type_zero_is_refused, H, S, XLM__REC_OFFER, BODY + 4, 4, 0, "0 as domain type") \
    X(offer_domain_type_four_is_refused, H, S, XLM__REC_OFFER, BODY + 4, 4, 4, "4 as domain type") \
    X(offer_nr_pfns_zero_is_refused, H, S, XLM__REC_OFFER, BODY + 8, 8, 0, "0 pfns") \
    X(offer_nr_pfns_too_many_is_refused, H, S, XLM__REC_OFFER, BODY + 8, 8, (1ull << 34) + 1, "pfns, limit") \
    X(offer_memory_pages_zero_is_refused, H, S, XLM__REC_OFFER, BODY + 16, 8, 0, "0 memory pages") \
    X(offer_memory_pages_over_pfns_is_refused, H, S, XLM__REC_OFFER, BODY + 16, 8, 0x1001, "memory pages, limit") \
    X(offer_channels_zero_is_refused, H, S, XLM__REC_OFFER, BODY + 24, 4, 0, "0 data channels") \
    X(offer_channels_65_is_refused, H, S, XLM__REC_OFFER, BODY + 24, 4, 65, "65 data channels, limit 64") \
    X(offer_flags_unknown_is_refused, H, S, XLM__REC_OFFER, BODY + 28, 4, 8, "flags 0x8") \
    X(offer_prebuild_of_pv_is_refused, "control-pv", S, XLM__REC_OFFER, BODY + 28, 4, 2, "cannot be pre-built") \
    X(offer_dry_run_and_build_is_refused, H, S, XLM__REC_OFFER, BODY + 28, 4, 1, "BUILD at") \
    X(offer_name_too_long_is_refused, H, S, XLM__REC_OFFER, BODY + 72, 4, 201, "201 bytes") \
    X(offer_name_empty_is_refused, H, S, XLM__REC_OFFER, BODY + 72, 4, 0, "0 bytes") \
    X(offer_name_slash_is_refused, H, S, XLM__REC_OFFER, BODY + 76, 1, '/', "file name") \
    X(offer_name_newline_is_refused, H, S, XLM__REC_OFFER, BODY + 76, 1, '\n', "printable") \
    X(offer_name_utf8_is_refused, H, S, XLM__REC_OFFER, BODY + 76, 1, 0xff, "printable") \
    X(offer_string_past_body_is_refused, H, S, XLM__REC_OFFER, BODY + 72, 4, 150, "needs") \
    X(config_zero_byte_is_refused, H, S, XLM__REC_CONFIG, BODY + 3, 1, 0, "byte 3 is zero") \
    X(finding_severity_zero_is_refused, H, D, XLM__REC_FINDING, BODY, 4, 0, "as severity") \
    X(finding_severity_four_is_refused, H, D, XLM__REC_FINDING, BODY, 4, 4, "as severity") \
    X(finding_code_character_is_refused, H, D, XLM__REC_FINDING, BODY + 8, 1, 'A', "a-z") \
    X(finding_code_too_long_is_refused, H, D, XLM__REC_FINDING, BODY + 4, 4, 65, "65 bytes") \
    X(finding_blocks_and_verdict_ok_is_refused, H, D, XLM__REC_FINDING, BODY, 4, 3, "verdict") \
    X(checked_verdict_two_is_refused, H, D, XLM__REC_CHECKED, BODY, 4, 2, "as verdict") \
    X(checked_blocked_without_finding_is_refused, H, D, XLM__REC_CHECKED, BODY, 4, 1, "verdict") \
    X(checked_flags_unknown_is_refused, H, D, XLM__REC_CHECKED, BODY + 12, 4, 2, "flags 0x2") \
    X(build_flags_unknown_is_refused, H, S, XLM__REC_BUILD, BODY, 4, 0x10, "flags 0x10") \
    X(build_reserved_is_refused, H, S, XLM__REC_BUILD, BODY + 4, 4, 1, "reserved") \
    X(build_port_kind_three_is_refused, H, S, XLM__REC_BUILD, BODY + 8, 4, 3, "3 as kind of port") \
    X(build_key_of_a_plain_port_is_refused, H, S, XLM__REC_BUILD, BODY + 8, 4, 1, "a key, kind of port 1") \
    X(build_range_without_a_port_is_refused, H, S, XLM__REC_BUILD, BODY + 8, 4, 0, "49152 to 49215, kind of port 0") \
    X(build_lowest_port_zero_is_refused, H, S, XLM__REC_BUILD, BODY + 12, 2, 0, "ports 0 to 49215") \
    X(build_lowest_port_above_highest_is_refused, H, S, XLM__REC_BUILD, BODY + 12, 2, 49216, "ports 49216 to 49215") \
    X(build_any_port_is_accepted, H, S, XLM__REC_BUILD, BODY + 12, 4, 0, NULL) \
    X(build_tls_without_a_key_is_refused, "control-abort", S, XLM__REC_BUILD, BODY + 8, 4, 2, "no key, kind of port 2") \
    X(built_domid_zero_is_refused, H, D, XLM__REC_BUILT, BODY, 4, 0, "as domid") \
    X(built_addresses_without_a_port_are_refused, H, D, XLM__REC_BUILT, BODY + 4, 2, 0, "2 addresses, limit 0") \
    X(built_too_many_addresses_are_refused, H, D, XLM__REC_BUILT, BODY + 6, 2, 17, "17 addresses, limit 16") \
    X(built_address_missing_is_refused, H, D, XLM__REC_BUILT, BODY + 6, 2, 3, "are left") \
    X(built_address_left_over_is_refused, H, D, XLM__REC_BUILT, BODY + 6, 2, 1, "after the last field") \
    X(built_address_nonsense_is_refused, H, D, XLM__REC_BUILT, BODY + 16, 1, 'x', "is no address") \
    X(built_text_beside_a_port_is_refused, H, D, XLM__REC_BUILT, BODY + 8, 4, 8, "text of 8 bytes") \
    X(state_unknown_libxc_type_is_refused, H, S, XLM__REC_STATE, BODY, 4, 0x01, "may not travel") \
    X(state_page_data_is_refused, H, S, XLM__REC_STATE, BODY, 4, 0x0e, "may not travel") \
    X(state_tail_type_before_check_is_refused, H, S, XLM__REC_STATE, BODY, 4, 0x09, "may not travel") \
    X(state_pv_type_for_hvm_is_refused, H, S, XLM__REC_STATE, BODY, 4, 0x02, "may not travel") \
    X(state_twice_is_refused, H, S, XLM__REC_STATE, BODY, 4, 0x12, "came often enough") \
    X(state_policy_missing_is_refused, P, S, XLM__REC_STATE, BODY, 4, 0x03, "came often enough") \
    X(state_reserved_is_refused, H, S, XLM__REC_STATE, BODY + 4, 4, 1, "reserved") \
    X(state_static_end_with_body_is_refused, H, S, XLM__REC_STATE, BODY, 4, 0x10, "wrong length") \
    X(round_zero_is_refused, H, S, XLM__REC_ROUND_BEGIN, BODY, 4, 0, "0 as round") \
    X(round_two_first_is_refused, H, S, XLM__REC_ROUND_BEGIN, BODY, 4, 2, "count by one") \
    X(round_over_limit_is_refused, H, S, XLM__REC_ROUND_BEGIN, BODY, 4, 65536, "65536 as round") \
    X(round_flags_unknown_is_refused, H, S, XLM__REC_ROUND_BEGIN, BODY + 4, 4, 4, "flags 0x4") \
    X(round_paused_without_its_feature_is_refused, H, S, XLM__REC_ROUND_BEGIN, BODY + 4, 4, 2, "flags 0x2") \
    X(round_end_paused_is_refused, H, S, XLM__REC_ROUND_END, BODY + 4, 4, 3, "flags 0x3") \
    X(round_end_of_other_round_is_refused, H, S, XLM__REC_ROUND_END, BODY, 4, 2, "not the round") \
    X(round_end_final_of_live_is_refused, H, S, XLM__REC_ROUND_END, BODY + 4, 4, 1, "not the round") \
    X(round_done_zero_is_refused, H, D, XLM__REC_ROUND_DONE, BODY, 4, 0, "as round") \
    X(round_done_of_other_round_is_refused, H, D, XLM__REC_ROUND_DONE, BODY, 4, 2, "does not repeat") \
    X(verify_of_other_length_is_refused, V, S, XLM__REC_VERIFY, 4, 4, 8536, "8536 bytes") \
    X(spared_count_over_limit_is_refused, V, S, XLM__REC_SPARED, BODY, 4, 65537, "65537 pages") \
    X(spared_count_too_high_is_refused, V, S, XLM__REC_SPARED, BODY, 4, 3, "are left") \
    X(spared_count_too_low_is_refused, V, S, XLM__REC_SPARED, BODY, 4, 1, "after the last field") \
    X(spared_none_of_two_is_refused, V, S, XLM__REC_SPARED, BODY, 4, 0, "after the last field") \
    X(spared_reserved_is_refused, V, S, XLM__REC_SPARED, BODY + 4, 4, 1, "reserved") \
    X(spared_of_no_kind_is_refused, V, S, XLM__REC_SPARED, BODY + 8, 8, 0xff, "page 0: 0x") \
    X(spared_of_kind_eight_is_refused, V, S, XLM__REC_SPARED, BODY + 15, 1, 0x80, "page 0: 0x8") \
    X(spared_reserved_bits_are_refused, V, S, XLM__REC_SPARED, BODY + 14, 1, 0x10, "page 0: 0x") \
    X(spared_past_the_end_is_refused, V, S, XLM__REC_SPARED, BODY + 16, 2, 0x1000, "pfn 0x1000") \
    X(spared_not_ascending_is_refused, V, S, XLM__REC_SPARED, BODY + 16, 2, 0xff, "page 1: pfn 0xff") \
    X(sums_count_zero_is_refused, V, S, XLM__REC_SUMS, BODY + 8, 4, 0, "0 sums") \
    X(sums_count_over_limit_is_refused, V, S, XLM__REC_SUMS, BODY + 8, 4, 65537, "65537 sums") \
    X(sums_past_the_end_are_refused, V, S, XLM__REC_SUMS, BODY + 8, 4, 17, "17 sums from 0, limit 16") \
    X(sums_from_past_the_end_are_refused, V, S, XLM__REC_SUMS, BODY, 8, MAX64, "16 sums from 1844") \
    X(sums_too_few_are_refused, V, S, XLM__REC_SUMS, BODY + 8, 4, 15, "after the last field") \
    X(sums_reserved_is_refused, V, S, XLM__REC_SUMS, BODY + 12, 4, 1, "reserved") \
    X(sums_out_of_order_are_refused, V, S, XLM__REC_SUMS, BODY, 8, 1, "16 sums from 1, limit 16") \
    X(ask_past_the_end_is_refused, V, D, XLM__REC_ASK, BODY, 8, 16, "sum 16, limit 16") \
    X(hashes_past_the_end_are_refused, V, S, XLM__REC_HASHES, BODY, 8, 16, "sum 16, limit 16") \
    X(hashes_of_other_length_are_refused, V, S, XLM__REC_HASHES, 4, 4, 4088, "4088 bytes") \
    X(verified_more_pages_than_it_has_is_refused, V, D, XLM__REC_VERIFIED, BODY, 8, 0x1001, "4097 pages") \
    X(verified_more_spared_than_it_has_is_refused, V, D, XLM__REC_VERIFIED, BODY + 8, 8, 0x1001, "4097 spared") \
    X(release_count_zero_is_refused, H, S, XLM__REC_RELEASE, BODY, 4, 0, "0 extents") \
    X(release_count_over_limit_is_refused, H, S, XLM__REC_RELEASE, BODY, 4, 32769, "extents, limit") \
    X(release_count_past_body_is_refused, H, S, XLM__REC_RELEASE, BODY, 4, 3, "needs") \
    X(release_count_short_of_body_is_refused, H, S, XLM__REC_RELEASE, BODY, 4, 1, "after the last field") \
    X(release_reserved_is_refused, H, S, XLM__REC_RELEASE, BODY + 4, 4, 1, "reserved") \
    X(release_nr_zero_is_refused, H, S, XLM__REC_RELEASE, BODY + 16, 8, 0, "is empty") \
    X(release_past_end_is_refused, H, S, XLM__REC_RELEASE, BODY + 32, 8, 0x801, "limit 0x1000") \
    X(release_nr_wraps_is_refused, H, S, XLM__REC_RELEASE, BODY + 32, 8, MAX64, "limit 0x1000") \
    X(release_overlap_is_refused, H, S, XLM__REC_RELEASE, BODY + 24, 8, 6, "does not ascend") \
    X(dm_total_zero_is_refused, H, S, XLM__REC_DM_STATE, BODY, 8, 0, "0 bytes in total") \
    X(dm_total_over_limit_is_refused, H, S, XLM__REC_DM_STATE, BODY, 8, (64u << 20) + 1, "in total, limit") \
    X(dm_total_not_reached_is_refused, H, S, XLM__REC_DM_STATE, BODY, 8, 11, "not complete") \
    X(dm_total_exceeded_is_refused, H, S, XLM__REC_DM_STATE, BODY, 8, 9, "10 bytes at 0, limit 9") \
    X(dm_offset_is_refused, H, S, XLM__REC_DM_STATE, BODY + 8, 8, MAX64, "limit 10") \
    X(xenstore_count_over_limit_is_refused, H, S, XLM__REC_XENSTORE, BODY, 4, 4097, "4097 nodes") \
    X(xenstore_count_past_body_is_refused, H, S, XLM__REC_XENSTORE, BODY, 4, 4, "needs") \
    X(xenstore_reserved_is_refused, H, S, XLM__REC_XENSTORE, BODY + 4, 4, 1, "reserved") \
    X(xenstore_path_empty_is_refused, H, S, XLM__REC_XENSTORE, BODY + 8, 4, 0, "0 bytes") \
    X(xenstore_path_too_long_is_refused, H, S, XLM__REC_XENSTORE, BODY + 8, 4, 1025, "1025 bytes") \
    X(xenstore_path_absolute_is_refused, H, S, XLM__REC_XENSTORE, BODY + 12, 1, '/', "empty component") \
    X(xenstore_path_of_the_toolstack_is_refused, H, S, XLM__REC_XENSTORE, BODY + 12, 4, 0x61746164 + 1, "belong to the guest") \
    X(xenstore_path_character_is_refused, H, S, XLM__REC_XENSTORE, BODY + 13, 1, ' ', "character") \
    X(xenstore_perms_letter_is_refused, H, S, XLM__REC_XENSTORE, BODY + 20, 1, 'x', "permissions") \
    X(xenstore_perms_other_domain_is_refused, H, S, XLM__REC_XENSTORE, BODY + 21, 1, '5', "permissions") \
    X(xenstore_value_over_limit_is_refused, H, S, XLM__REC_XENSTORE, BODY + 26, 4, 4097, "4097 bytes of value") \
    X(running_domid_is_refused, H, D, XLM__REC_RUNNING, BODY + 8, 4, 0, "as domid") \
    X(running_flags_unknown_is_refused, H, D, XLM__REC_RUNNING, BODY + 12, 4, 2, "flags") \
    X(not_running_text_too_long_is_refused, P, D, XLM__REC_NOT_RUNNING, BODY, 4, 513, "513 bytes") \
    X(abort_error_zero_is_refused, "control-abort", S, XLM__REC_ABORT, BODY, 4, 0, "as error") \
    X(abort_error_256_is_refused, "control-abort", S, XLM__REC_ABORT, BODY, 4, 256, "256 as error") \
    X(abort_text_past_body_is_refused, "control-abort", S, XLM__REC_ABORT, BODY + 4, 4, 512, "needs") \
    X(pong_t3_before_t2_is_refused, H, D, XLM__REC_CLOCK_PONG, BODY + 16, 8, 1, "t3 1 before") \
    X(blocked_then_other_than_bye_is_refused, "control-blocked", S, XLM__REC_BYE, 0, 4, XLM__REC_READY, "not on this channel") \
    X(pages_round_zero_is_refused, "data-hvm", S, XLM__REC_PAGES, BODY, 4, 0, "0 as round") \
    X(pages_round_two_first_is_refused, "data-hvm", S, XLM__REC_PAGES, BODY, 4, 2, "another round") \
    X(pages_count_zero_is_refused, "data-hvm", S, XLM__REC_PAGES, BODY + 4, 4, 0, "0 entries") \
    X(pages_count_1025_is_refused, "data-hvm", S, XLM__REC_PAGES, BODY + 4, 4, 1025, "1025 entries, limit 1024") \
    X(pages_pfn_over_limit_is_refused, "data-hvm", S, XLM__REC_PAGES, BODY + 16, 8, 0x1000, "limit 0x1000") \
    X(pages_pfn_twice_is_refused, "data-hvm", S, XLM__REC_PAGES, BODY + 16, 8, 1, "does not ascend") \
    X(pages_pfn_descends_is_refused, "data-hvm", S, XLM__REC_PAGES, BODY + 16, 8, 0, "does not ascend") \
    X(pages_reserved_bits_are_refused, "data-hvm", S, XLM__REC_PAGES, BODY + 8, 8, 1ull << 52, "reserved bits") \
    X(pages_table_of_hvm_is_refused, "data-hvm", S, XLM__REC_PAGES, BODY + 8, 8, 1ull << 60, "page type 1") \
    X(pages_type_five_is_refused, "data-pv", S, XLM__REC_PAGES, BODY + 8, 8, 5ull << 60, "page type 5") \
    X(pages_type_eight_is_refused, "data-pv", S, XLM__REC_PAGES, BODY + 8, 8, 8ull << 60, "page type 8") \
    X(pages_type_thirteen_without_contents_is_refused, "data-pv", S, XLM__REC_PAGES, BODY + 8, 8, 13ull << 60, "length") \
    X(packed_round_zero_is_refused, "data-hvm", S, XLM__REC_PACKED, BODY, 4, 0, "0 as round") \
    X(packed_round_two_first_is_refused, "data-hvm", S, XLM__REC_PACKED, BODY, 4, 2, "another round") \
    X(packed_count_zero_is_refused, "data-hvm", S, XLM__REC_PACKED, BODY + 4, 4, 0, "0 entries") \
    X(packed_count_257_is_refused, "data-hvm", S, XLM__REC_PACKED, BODY + 4, 4, 257, "257 entries, limit 256") \
    X(packed_count_past_body_is_refused, "data-hvm", S, XLM__REC_PACKED, BODY + 4, 4, 3, "37 bytes behind its head") \
    X(packed_count_short_of_body_is_refused, "data-hvm", S, XLM__REC_PACKED, BODY + 4, 4, 1, "37 bytes behind its head") \
    X(packed_codec_zero_is_refused, "data-hvm", S, XLM__REC_PACKED, BODY + 8, 4, 0, "0 as codec") \
    X(packed_codec_four_is_refused, "data-delta", S, XLM__REC_PACKED, BODY + 8, 4, 4, "4 as codec, limit 3") \
    X(packed_codec_three_not_in_use_is_refused, "data-hvm", S, XLM__REC_PACKED, BODY + 8, 4, 3, "codec 3 is not in use") \
    X(packed_crc_of_a_page_is_not_of_the_record_layer, "data-delta", S, XLM__REC_PACKED, BODY + 32 + 64, 4, 0, NULL) \
    X(packed_delta_round_one_is_refused, "data-delta", S, XLM__REC_PACKED, BODY, 4, 1, "another round") \
    X(packed_delta_type_without_contents_is_refused, "data-delta", S, XLM__REC_PACKED, BODY + 16, 8, 13ull << 60 | 1, "1 of 2 pages are of types without contents") \
    X(packed_delta_contents_are_under_the_crc, "data-delta", S, XLM__REC_PACKED, BODY + 32 + 72, 1 | DONT_FIX, 0, "CRC") \
    X(packed_bytes_none_is_refused, "data-hvm", S, XLM__REC_PACKED, BODY + 12, 4, 0, "0 packed bytes") \
    X(packed_bytes_as_many_as_contents_is_refused, "data-hvm", S, XLM__REC_PACKED, BODY + 12, 4, 8192, "with 8192 packed bytes are 8208") \
    X(packed_bytes_wrap_is_refused, "data-hvm", S, XLM__REC_PACKED, BODY + 12, 4, 0xffffffff, "4294967295 packed bytes") \
    X(packed_bytes_past_body_is_refused, "data-hvm", S, XLM__REC_PACKED, BODY + 12, 4, 22, "with 22 packed bytes are 38") \
    X(packed_bytes_short_of_body_is_refused, "data-hvm", S, XLM__REC_PACKED, BODY + 12, 4, 20, "with 20 packed bytes are 36") \
    X(packed_pfn_over_limit_is_refused, "data-hvm", S, XLM__REC_PACKED, BODY + 24, 8, 0x1000, "limit 0x1000") \
    X(packed_pfn_twice_is_refused, "data-hvm", S, XLM__REC_PACKED, BODY + 24, 8, 0x100, "does not ascend") \
    X(packed_pfn_descends_is_refused, "data-hvm", S, XLM__REC_PACKED, BODY + 24, 8, 0xff, "does not ascend") \
    X(packed_reserved_bits_are_refused, "data-hvm", S, XLM__REC_PACKED, BODY + 16, 8, 1ull << 59 | 1, "reserved bits") \
    X(packed_table_of_hvm_is_refused, "data-hvm", S, XLM__REC_PACKED, BODY + 16, 8, 1ull << 60, "page type 1") \
    X(packed_type_five_is_refused, "data-pv", S, XLM__REC_PACKED, BODY + 16, 8, 5ull << 60, "page type 5") \
    X(packed_type_without_contents_is_refused, "data-pv", S, XLM__REC_PACKED, BODY + 16, 8, 13ull << 60 | 16, "1 of 2 pages are of types without contents") \
    X(packed_contents_are_under_the_crc, "data-hvm", S, XLM__REC_PACKED, BODY + 40, 1 | DONT_FIX, 0, "CRC") \
    X(packed_padding_is_refused, "data-hvm", S, XLM__REC_PACKED, BODY + 53, 1, 1, "padding") \
    X(packed_length_below_least_is_refused, "data-hvm", S, XLM__REC_PACKED, 4, 4, 24, "24 bytes, 25 to 1050639") \
    X(packed_length_over_limit_is_refused, "data-hvm", S, XLM__REC_PACKED, 4, 4, 1050640, "1050640 bytes") \
    X(packed_on_control_is_refused, H, S, XLM__REC_CHECK, 0, 4, XLM__REC_PACKED, "not on this channel") \
    X(runs_past_the_limit_are_refused, "data-runs", S, XLM__REC_PAGES, BODY + 24, 8, 1ull << 52 | 0xfff, "pfn 0x1000, limit 0x1000") \
    X(runs_that_overlap_are_refused, "data-runs", S, XLM__REC_PAGES, BODY + 16, 8, 1ull << 52 | 0x23, "does not ascend") \
    X(runs_longer_than_the_contents_are_refused, "data-runs", S, XLM__REC_PAGES, BODY + 8, 8, 3ull << 52 | 0x21, "length") \
    X(runs_of_types_without_contents_are_refused, "data-runs", S, XLM__REC_PAGES, BODY + 8, 8, 13ull << 60 | 2ull << 52 | 0x21, "length") \
    X(runs_in_zeros_are_refused, "data-runs", S, XLM__REC_ZEROS, BODY + 8, 8, 1ull << 52 | 2, "reserved bits") \
    X(zeros_round_is_refused, "data-hvm", S, XLM__REC_ZEROS, BODY, 4, 2, "another round") \
    X(zeros_count_zero_is_refused, "data-hvm", S, XLM__REC_ZEROS, BODY + 4, 4, 0, "0 runs") \
    X(zeros_count_1025_is_refused, "data-hvm", S, XLM__REC_ZEROS, BODY + 4, 4, 1025, "1025 runs") \
    X(zeros_count_past_body_is_refused, "data-hvm", S, XLM__REC_ZEROS, BODY + 4, 4, 3, "needs") \
    X(zeros_nr_zero_is_refused, "data-hvm", S, XLM__REC_ZEROS, BODY + 16, 8, 0, "is empty") \
    X(zeros_nr_wraps_is_refused, "data-hvm", S, XLM__REC_ZEROS, BODY + 32, 8, MAX64, "limit 0x1000") \
    X(zeros_overlap_is_refused, "data-hvm", S, XLM__REC_ZEROS, BODY + 16, 8, 15, "does not ascend") \
    X(zeros_pfn_over_limit_is_refused, "data-hvm", S, XLM__REC_ZEROS, BODY + 24, 8, 0x1000, "limit 0x1000") \
    X(zeros_type_without_contents_is_refused, "data-pv", S, XLM__REC_ZEROS, BODY + 8, 8, 15ull << 60 | 4, "no contents") \
    X(mark_round_is_refused, "data-hvm", S, XLM__REC_MARK, BODY, 4, 2, "another round") \
    X(mark_flags_unknown_is_refused, "data-hvm", S, XLM__REC_MARK, BODY + 4, 4, 4, "flags 0x4") \
    X(mark_pages_is_refused, "data-hvm", S, XLM__REC_MARK, BODY + 8, 8, 3, "does not count") \
    X(mark_zero_pages_is_refused, "data-hvm", S, XLM__REC_MARK, BODY + 16, 8, 3, "does not count") \
    X(mark_final_then_pages_is_refused, "data-hvm", S, XLM__REC_MARK, BODY + 4, 4, 1, "only CLOSE")
/* clang-format on */

#define DEFINE(name, sc, by, type, offset, width, value, says)                 \
    static void test_stream_##name(void)                                       \
    {                                                                          \
        const struct change c = { sc, by, type, offset, width, value, says };  \
                                                                               \
        run(&c);                                                               \
    }
#define LIST(name, ...) UNIT_TEST(test_stream_##name),

CHANGES(DEFINE)

static void test_stream_round_paused_that_is_not_the_last_is_refused(void)
{
    struct script sc = *script_find(H);
    struct bytes b;
    size_t at;

    sc.features = XLM__FEATURE_PAUSED;
    b = golden(&sc, S);
    at = record_of(&b, XLM__REC_ROUND_BEGIN);
    put(b.data + at + BODY + 4, 4, 2);
    record_fix(&b, at);
    judge(&sc, S, &b, "not the last");
    bytes_free(&b);
}

static void test_stream_packed_codec_three_of_pv_is_refused(void)
{
    struct script sc = *script_find("data-delta");
    struct bytes b = golden(&sc, S);

    sc.pv = true;
    sc.dump_as = "pv";
    judge(&sc, S, &b, "codec 3 for a PV domain");
    bytes_free(&b);
}

/* ---- codec 3: what the record layer does not look into ---- */

#define PACKED_AT (BODY + 32) /* behind head and list, two pages */

/* As the destination goes through it. */
static bool deltas_are_whole(const uint8_t *at, size_t left)
{
    for (int i = 0; i < 2; i++) {
        size_t n = xlm__delta_bytes(at, left);

        if (!n)
            return false;
        at += n;
        left -= n;
    }
    return !left;
}

static void expect_delta(size_t offset, unsigned width, uint64_t value,
                         bool good)
{
    const struct script *sc = script_find("data-delta");
    struct bytes b = golden(sc, S);
    size_t at = record_of(&b, XLM__REC_PACKED);
    uint8_t *packed = b.data + at + PACKED_AT;
    char text[512];

    put(packed + offset, width, value);
    record_fix(&b, at);
    CU_ASSERT_EQUAL(deltas_are_whole(packed, 152), good);
    CU_ASSERT_EQUAL(dump_run(sc, "-q", &b, text), good ? 0 : 1);
    if (good == (text[0] != '\0'))
        printf("    said: %s\n", text);
    bytes_free(&b);
}

static void test_stream_delta_of_another_word_is_whole(void)
{
    expect_delta(16, 8, 1ull << 63, true);
}

static void test_stream_delta_of_a_word_less_leaves_bytes_over(void)
{
    expect_delta(16, 8, 0, false);
    expect_delta(0, 8, 0, true); /* it was */
}

static void test_stream_delta_of_a_word_more_is_not_whole(void)
{
    expect_delta(80, 8, 1, false);
    expect_delta(80 + 56, 8, MAX64, false);
    for (size_t i = 0; i < 8; i++)
        if (i != 2)
            expect_delta(8 * i, 8, 1ull << 63, false);
}

static void test_stream_delta_reserved_is_refused(void)
{
    expect_delta(68, 4, 1, false);
    expect_delta(80 + 68, 4, 1u << 31, false);
}

/* A body of type, of which `head` bytes come before nr entries of `each` pages;
 * what is wrong with it, or NULL. */
static void expect_runs(uint32_t type, size_t head, uint32_t nr, uint32_t each,
                        uint32_t length, const char *wrong)
{
    static uint64_t pfns[XLM__PAGES_MAX];
    static uint32_t types[XLM__PAGES_MAX];
    uint8_t body[8192] = { 0 };
    struct xlm__errslot err = XLM__ERRSLOT_INITIALIZER;
    const struct xlm__body_ctx ctx = {
        .err = &err,
        .code = XLM_ERR_STREAM,
        .nr_pfns = 4096,
        .features = XLM__FEATURE_RUNS | XLM__FEATURE_LZ4,
        .pfns = pfns,
        .types = types,
    };
    union xlm__body out;
    char why[XLM_MESSAGE_MAX];
    int rc;

    xlm__put_le32(body, 1);
    xlm__put_le32(body + 4, nr);
    if (type == XLM__REC_PACKED) {
        xlm__put_le32(body + 8, 1); /* LZ4 */
        xlm__put_le32(body + 12, length - (uint32_t)head - 8 * nr);
    }
    for (unsigned i = 0; i < nr; i++)
        xlm__put_le64(body + head + 8 * i,
                      (uint64_t)(each - 1) << 52 | each * i);
    rc = xlm__body_decode(&ctx, type, body, length, &out);
    CU_ASSERT_EQUAL(rc, wrong ? XLM_ERR_STREAM : 0);
    xlm__errslot_read(&err, why);
    if (wrong && !strstr(why, wrong)) {
        printf("    said: %s\n", why);
        CU_FAIL("another message was expected");
    }
    if (!wrong)
        CU_ASSERT_EQUAL(pfns[each * nr - 1], each * nr - 1);
    xlm__errslot_destroy(&err);
}

static void test_stream_runs_of_too_many_pages_are_refused(void)
{
    const uint32_t page = XLM__PAGE_BYTES;

    expect_runs(XLM__REC_PAGES, 8, 4, 256, 8 + 8 * 4 + 1024 * page, NULL);
    expect_runs(XLM__REC_PAGES, 8, 5, 256, 8 + 8 * 5 + 1280 * page,
                "1280 pages, limit 1024");
    expect_runs(XLM__REC_PACKED, 16, 1, 256, 16 + 8 + 100, NULL);
    expect_runs(XLM__REC_PACKED, 16, 2, 256, 16 + 8 * 2 + 100,
                "512 pages, limit 256");
    expect_runs(XLM__REC_PACKED, 16, 1, 1, 16 + 8 + page - 1, NULL);
    expect_runs(XLM__REC_PACKED, 16, 1, 1, 16 + 8 + page,
                "4096 packed bytes, limit 4095");
}

static CU_TestInfo tests[] = {
    CHANGES(LIST)
        UNIT_TEST(test_stream_round_paused_that_is_not_the_last_is_refused),
    UNIT_TEST(test_stream_packed_codec_three_of_pv_is_refused),
    UNIT_TEST(test_stream_delta_of_another_word_is_whole),
    UNIT_TEST(test_stream_delta_of_a_word_less_leaves_bytes_over),
    UNIT_TEST(test_stream_delta_of_a_word_more_is_not_whole),
    UNIT_TEST(test_stream_delta_reserved_is_refused),
    UNIT_TEST(test_stream_runs_of_too_many_pages_are_refused),
    CU_TEST_INFO_NULL,
};
UNIT_MAIN("stream_hostile", tests)
