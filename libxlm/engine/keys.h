/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Keys of a comparison of all memory, as VERIFY has them. */
#ifndef XLM_ENGINE_KEYS_H
#define XLM_ENGINE_KEYS_H

#include "mem/verify.h"
#include "stream/format.h"

void xlm__keys_encode(const struct xlm__verify_key *key,
                      uint8_t out[XLM__VERIFY_BYTES]);
void xlm__keys_decode(const uint8_t in[XLM__VERIFY_BYTES],
                      struct xlm__verify_key *out);

#endif /* XLM_ENGINE_KEYS_H */
