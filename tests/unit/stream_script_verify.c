/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Records of the conversation that compares all memory. */
#include "config.h"

#include "stream_script.h"

int script_verify(struct xlm__stream *s)
{
    uint8_t keys[XLM__VERIFY_BYTES];

    for (size_t i = 0; i < sizeof(keys); i++)
        keys[i] = (uint8_t)(i * 7 + i / 256);
    return xlm__send_verify(s, keys);
}

int script_spared(struct xlm__stream *s)
{
    const struct xlm__extent pages[] = { { 0xff, 1, 1 }, { 0xfff, 1, 7 } };

    return xlm__send_spared(s, 2, pages);
}

int script_sums(struct xlm__stream *s)
{
    struct xlm__wire_hash all[SCRIPT_PFNS / XLM__SUM_HASHES];

    for (size_t i = 0; i < SCRIPT_PFNS / XLM__SUM_HASHES; i++)
        all[i] = (struct xlm__wire_hash){ i, 1ull << 63 | i };
    return xlm__send_sums(s, SCRIPT_PFNS / XLM__SUM_HASHES, all);
}

int script_ask(struct xlm__stream *s)
{
    return xlm__send_ask(s, 15);
}

int script_hashes(struct xlm__stream *s)
{
    struct xlm__wire_hash all[XLM__SUM_HASHES] = { { 0, 0 } };

    all[1] = (struct xlm__wire_hash){ 5, 1ull << 63 };
    all[2] = (struct xlm__wire_hash){ UINT64_MAX, UINT64_MAX };
    return xlm__send_hashes(s, 15, all);
}

int script_verified(struct xlm__stream *s)
{
    const struct xlm__verified v = { 2046, 3, 210000 };

    return xlm__send_verified(s, &v);
}
