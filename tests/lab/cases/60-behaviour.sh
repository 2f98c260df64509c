# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash disable=SC2154
# Real Xen and the simulated one, asked the same questions.

case_behaviour() {
    XLM_BUILD_DIR=${XLM_BUILD_DIR:-$top/build/lab} \
        "$top/tests/behaviour/run" "$XLM_LAB_NAME" >"$work/out" 2>&1 ||
        fail "the simulated Xen differs"
    sed 's/^/     /' "$work/out"
}
