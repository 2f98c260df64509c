/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "engine/fsm.h"
#include "unit.h"

#define NR_STATES (XLM_STATE_CANCELLED + 1)

/* All that may happen; nothing else may. */
static const struct {
    enum xlm_state from;
    enum xlm__event ev;
    enum xlm_state to;
} allowed[] = {
    { XLM_STATE_NEW, XLM__EV_RUN, XLM_STATE_NEGOTIATING },
    { XLM_STATE_NEW, XLM__EV_FAIL, XLM_STATE_FAILED },
    { XLM_STATE_NEW, XLM__EV_CANCEL, XLM_STATE_CANCELLED },
    { XLM_STATE_NEGOTIATING, XLM__EV_BUILT, XLM_STATE_PRECOPY },
    { XLM_STATE_NEGOTIATING, XLM__EV_FINISHED, XLM_STATE_COMPLETED },
    { XLM_STATE_NEGOTIATING, XLM__EV_FAIL, XLM_STATE_FAILED },
    { XLM_STATE_NEGOTIATING, XLM__EV_CANCEL, XLM_STATE_CANCELLED },
    { XLM_STATE_PRECOPY, XLM__EV_SUSPEND, XLM_STATE_SWITCHOVER },
    { XLM_STATE_PRECOPY, XLM__EV_FAIL, XLM_STATE_FAILED },
    { XLM_STATE_PRECOPY, XLM__EV_CANCEL, XLM_STATE_CANCELLED },
    { XLM_STATE_SWITCHOVER, XLM__EV_FINISHED, XLM_STATE_COMPLETED },
    { XLM_STATE_SWITCHOVER, XLM__EV_FAIL, XLM_STATE_FAILED },
    { XLM_STATE_SWITCHOVER, XLM__EV_CANCEL, XLM_STATE_CANCELLED },
    { XLM_STATE_POSTCOPY, XLM__EV_FINISHED, XLM_STATE_COMPLETED },
    { XLM_STATE_POSTCOPY, XLM__EV_FAIL, XLM_STATE_FAILED },
};

static void test_fsm_whole_table(void)
{
    for (int from = 0; from < NR_STATES; from++) {
        for (int ev = 0; ev < XLM__NR_EVENTS; ev++) {
            int to = -1;

            for (size_t i = 0; i < sizeof(allowed) / sizeof(*allowed); i++)
                if ((int)allowed[i].from == from && (int)allowed[i].ev == ev)
                    to = (int)allowed[i].to;
            CU_ASSERT_EQUAL(
                xlm__fsm_allows((enum xlm_state)from, (enum xlm__event)ev),
                to >= 0);
            if (to >= 0)
                CU_ASSERT_EQUAL((int)xlm__fsm_next((enum xlm_state)from,
                                                   (enum xlm__event)ev),
                                to);
        }
    }
}

static void test_fsm_final_states_allow_nothing(void)
{
    for (int s = 0; s < NR_STATES; s++) {
        enum xlm_state state = (enum xlm_state)s;
        bool final = s >= XLM_STATE_COMPLETED;

        CU_ASSERT_EQUAL(xlm__fsm_final(state), final);
        for (int ev = 0; final && ev < XLM__NR_EVENTS; ev++)
            CU_ASSERT_FALSE(xlm__fsm_allows(state, (enum xlm__event)ev));
    }
}

static void test_fsm_unknown_state_or_event_is_not_allowed(void)
{
    CU_ASSERT_FALSE(xlm__fsm_allows((enum xlm_state)NR_STATES, XLM__EV_FAIL));
    CU_ASSERT_FALSE(xlm__fsm_allows((enum xlm_state) - 1, XLM__EV_FAIL));
    CU_ASSERT_FALSE(xlm__fsm_allows(XLM_STATE_NEW, XLM__NR_EVENTS));
    CU_ASSERT_FALSE(xlm__fsm_allows(XLM_STATE_NEW, (enum xlm__event) - 1));
}

static CU_TestInfo tests[] = {
    UNIT_TEST(test_fsm_whole_table),
    UNIT_TEST(test_fsm_final_states_allow_nothing),
    UNIT_TEST(test_fsm_unknown_state_or_event_is_not_allowed),
    CU_TEST_INFO_NULL,
};
UNIT_MAIN("fsm", tests)
