/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What libFuzzer calls; FUZZ_TARGET is one of fuzz.h's functions. */
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    return FUZZ_TARGET(data, size);
}
