# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash disable=SC2154
# PV with and without log-dirty, HVM with its device model.

case_pv_paused_copy() {
    local rc

    guest a pv1 --type pv --vcpus 2 --disk phy
    move a pv1 --dirty none --downtime 100 && rc=0 || rc=$?
    [ "$rc" -eq 2 ] || fail "pause beyond the goal: exit $rc, not 2"
    grep -q 'allow-pause' "$work/out" || fail "does not name --allow-pause"
    stays a pv1
    must_move a pv1 --dirty none --downtime 100 --allow-pause
    must_move b pv1 --dirty none
    intact a pv1
    destroy a pv1
}

# moved_so FROM NAME HOW [options]: as must_move(); sets pause_ms.
moved_so() {
    must_move "$1" "$2" "${@:4}"
    grep -q ", $3: " "$work/moves" || fail "was not moved $3"
    pause_ms=$(awk '/^pause:/ { print int($2 * 1000) }' "$work/moves")
    rm -f "$work/moves"
}

# Debian's Xen has no log-dirty for PV: it moves live by content scan.
case_pv_scan() {
    local copied

    guest a pv3 --type pv --vcpus 2 --disk phy
    rm -f "$work/moves"
    moved_so a pv3 'suspended while copied' --dirty none --no-prebuild
    copied=$pause_ms
    confined b pv3 -2
    way='--channels 4' moved_so b pv3 'live, by content scan'
    confined a pv3 '[0-9][0-9]*'
    awk -v copy="$copied" -v scan="$pause_ms" 'BEGIN { printf "     pause: " \
        "%d ms copied and built, %d ms scanned, %.1f times shorter\n", copy,
        scan, copy / scan }'
    if [ "$sample" = no ]; then
        moved_so a pv3 'live, by content scan'
        moved_so b pv3 'live, by content scan'
    fi
    intact a pv3
    destroy a pv3
}

case_pv_live() {
    guest a pv2 --type pv --vcpus 2 --disk loop
    must_move a pv2
    grep -q 'live:' "$work/moves" || fail "was not moved live"
    confined b pv2 '[0-9][0-9]*'
    must_move b pv2
    if [ "$sample" = yes ]; then
        intact a pv2
        destroy a pv2
        return
    fi
    must_move a pv2
    intact b pv2
    xl_manages b pv2
}

# paused_for: of the last move, in ms.
paused_for() {
    awk '/^pause:/ { ms = int($2 * 1000) } END { print ms }' "$work/moves"
}

case_hvm_moves() {
    local before within

    guest a hvm1 --type hvm --mem 192 --disk qdisk
    rm -f "$work/moves"
    must_move a hvm1
    confined b hvm1 '[0-9][0-9]*'
    before=$(paused_for)
    grep -q '^pause: .* context [0-9]' "$work/moves" ||
        fail "its devices were not there before the pause"
    must_move b hvm1 --no-prebuild
    within=$(paused_for)
    awk -v before="$before" -v within="$within" 'BEGIN { printf "     pause: " \
        "%d ms with a device model that waits, %d ms without, %.1f times " \
        "shorter\n", before, within, within / before }'
    # Its emulated machine takes minutes to start again.
    if [ "$sample" = yes ]; then
        intact a hvm1
        on a "xl shutdown -w hvm1" >/dev/null || fail "xl shutdown"
        gone a hvm1
        return
    fi
    way='--channels 4' must_move a hvm1
    intact b hvm1
    xl_manages b hvm1
}

# A wire so slow that pages go again and again, with what has changed in them.
case_changes() {
    local type

    for type in pvh hvm; do
        guest a ch-$type --type $type --mem 192 --disk qdisk --work 8 \
            --writer 500
        must_move a ch-$type --compress zstd --bandwidth 3M
        on a "grep 'pages only what had changed' /var/log/xen/xlm-ch-$type.log" \
            >/dev/null || fail "nothing in the log of $type"
        tail -n 1 "$work/out" | sed "s/.*: of/     $type: of/"
        must_move b ch-$type --compress lz4 --bandwidth 3M --verify
        intact a ch-$type
        destroy a ch-$type
        [ "$sample" = no ] || return 0
    done
}

# Nothing in it knows of Xen: all its devices are the device model's, and xl
# suspends it without its help, so that it can move while it is paused.
case_hvm_plain() {
    guest a hvm2 --type hvm --mem 192 --disk qdisk --no-pv-drivers
    must_move a hvm2
    on b "xl pause hvm2" >/dev/null || fail "xl pause"
    move b hvm2 || fail "does not move while it is paused: exit $?"
    gone b hvm2
    on a "xl list hvm2 | grep -q 'hvm2.*--p'" >/dev/null ||
        fail "does not arrive paused"
    on a "xl unpause hvm2" >/dev/null || fail "xl unpause"
    well a hvm2
    blocks_fine hvm2
    destroy a hvm2
}
