/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the other host prints when "xl lmigrate-recover" asks it. */
#include "config.h"

#include "fuzz.h"

#include "engine/recover.h"

int fuzz_answer(const uint8_t *data, size_t size)
{
    static const unsigned char session[16] = { 0x00, 0x11, 0x22, 0x33,
                                               0x44, 0x55, 0x66, 0x77,
                                               0x88, 0x99, 0xaa, 0xbb,
                                               0xcc, 0xdd, 0xee, 0xff };
    struct xlm__mark sent = { .phase = XLM__GUARD_COMMITTED,
                              .peer = "hostb",
                              .name = "g1" };
    char told[XLM__TOLD_MAX], why[XLM_MESSAGE_MAX] = "";
    char *text = fuzz_text(data, size);
    enum xlm__fate fate = xlm__recover_parse(text, session, told);
    enum xlm_verdict verdict;

    FUZZ_CHECK(memchr(told, '\0', sizeof(told)) && !strchr(told, 0x1b));
    verdict = xlm__recover_decide(&sent, XLM__COPY_SUSPENDED, fate, false, why);
    /* No way to run it here but the one word. */
    FUZZ_CHECK(verdict != XLM_VERDICT_RESUMED || fate == XLM__FATE_NEVER);
    FUZZ_CHECK(fate == XLM__FATE_NONE || strstr(text, "00112233-4455-6677-"));
    FUZZ_CHECK(why[0] && memchr(why, '\0', sizeof(why)));
    free(text);
    return 0;
}
