# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash disable=SC2154
# PV with and without log-dirty, HVM with its device model.

case_pv_paused_copy() {
    local rc

    guest a pv1 --type pv --vcpus 2 --disk phy
    move a pv1 --downtime 100 && rc=0 || rc=$?
    [ "$rc" -eq 2 ] || fail "pause beyond the goal: exit $rc, not 2"
    grep -q 'allow-pause' "$work/out" || fail "does not name --allow-pause"
    stays a pv1
    must_move a pv1 --downtime 100 --allow-pause
    must_move b pv1
    pings a pv1
    blocks_fine pv1
    destroy a pv1
}

case_pv_live() {
    guest a pv2 --type pv --vcpus 2 --disk loop
    must_move a pv2
    grep -q 'live:' "$work/moves" || fail "was not moved live"
    must_move b pv2
    must_move a pv2
    pings b pv2
    blocks_fine pv2
    on b "xl shutdown -w pv2" >/dev/null || fail "xl shutdown"
    gone b pv2
}

case_hvm_moves() {
    guest a hvm1 --type hvm --mem 160 --disk qdisk
    must_move a hvm1
    must_move b hvm1
    pings a hvm1
    blocks_fine hvm1
    on a "xl shutdown -w hvm1" >/dev/null || fail "xl shutdown"
    gone a hvm1
}
