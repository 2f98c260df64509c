/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "engine/keys.h"

#include "util/byteorder.h"

_Static_assert(XLM__KEY_NH_WORDS == XLM__NH_KEY_WORDS, "words of the wire");
_Static_assert(XLM__KEY_WEIGHTS == XLM__NH_RUNS + 1, "weights of the wire");
_Static_assert(XLM__SUM_HASHES == XLM__SUM_PAGES, "pages of a sum");

static void encode(const struct xlm__pagehash_key *key, uint8_t *out)
{
    for (size_t i = 0; i < XLM__KEY_NH_WORDS; i++, out += 4)
        xlm__put_le32(out, key->nh[i]);
    for (size_t i = 0; i < XLM__KEY_WEIGHTS; i++, out += 16) {
        xlm__put_le64(out, key->weights[i].lo);
        xlm__put_le64(out + 8, key->weights[i].hi);
    }
}

static void decode(const uint8_t *in, struct xlm__pagehash_key *key)
{
    for (size_t i = 0; i < XLM__KEY_NH_WORDS; i++, in += 4)
        key->nh[i] = xlm__get_le32(in);
    for (size_t i = 0; i < XLM__KEY_WEIGHTS; i++, in += 16) {
        key->weights[i].lo = xlm__get_le64(in);
        key->weights[i].hi = xlm__get_le64(in + 8);
    }
}

void xlm__keys_encode(const struct xlm__verify_key *key,
                      uint8_t out[XLM__VERIFY_BYTES])
{
    encode(&key->pages, out);
    encode(&key->sums, out + XLM__HASHKEY_BYTES);
}

void xlm__keys_decode(const uint8_t in[XLM__VERIFY_BYTES],
                      struct xlm__verify_key *out)
{
    decode(in, &out->pages);
    decode(in + XLM__HASHKEY_BYTES, &out->sums);
}
