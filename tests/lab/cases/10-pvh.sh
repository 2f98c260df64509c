# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash disable=SC2154
# A PVH guest: moves, what happens to it meanwhile, and what is left of it.

# Two vCPUs, a disk with an fsyncing writer, xenstore entries of its own; on
# the way it is ballooned, and afterwards xl manages it as ever.
case_pvh_there_and_back() {
    local id

    guest a pvh1 --type pvh --vcpus 2 --disk phy --mem 128
    id=$(domid a pvh1)
    on a "xenstore-write /local/domain/$id/data/lab-key 'kept value';
        xenstore-write /local/domain/$id/vm-data/key kept;
        xenstore-chmod /local/domain/$id/data/lab-key n$id r0" >/dev/null ||
        fail "xenstore entries"
    must_move a pvh1
    id=$(domid b pvh1)
    on b "xenstore-read /local/domain/$id/data/lab-key \
        /local/domain/$id/vm-data/key;
        xenstore-ls -fp /local/domain/$id/data" >/dev/null
    grep -q 'kept value' "$work/out" || fail "data/lab-key is lost"
    grep -q "lab-key.*n$id" "$work/out" || fail "data/lab-key's permissions"
    pings b pvh1
    on b "xl mem-set pvh1 112m" >/dev/null
    must_move b pvh1
    on a "xl mem-set pvh1 128m" >/dev/null
    must_move a pvh1
    blocks_fine pvh1
    on b "xl reboot pvh1" >/dev/null || fail "xl reboot"
    on b "for i in \$(seq 120); do
        [ \"\$(xl domid pvh1 2>/dev/null)\" -gt $id ] 2>/dev/null && exit 0
        sleep 1; done; exit 1" >/dev/null || fail "did not reboot"
    lab guest check b pvh1 >/dev/null 2>&1 || sleep 20
    well b pvh1
    on b "xl shutdown -w pvh1" >/dev/null || fail "xl shutdown"
    gone b pvh1
}

# The guest's own end, and what an operator does to it meanwhile.
case_pvh_events() {
    local rc

    guest a pvh2 --type pvh --disk none
    (move a pvh2 --bandwidth 3M) &
    sleep 12
    on a "xl lmigrate -s plainsh pvh2 hostb" >"$work/second" && rc=0 || rc=$?
    [ "$rc" -ne 0 ] || fail "two migrations of one domain at once"
    grep -qi 'lock\|pid\|process' "$work/second" ||
        fail "second migration does not name the holder"
    on a "xl vcpu-list pvh2 >/dev/null; xl rename pvh2 pvh2x" >/dev/null
    wait $! && rc=0 || rc=$?
    [ "$rc" -eq 3 ] || fail "renamed meanwhile: exit $rc, not 3"
    on a "xl rename pvh2x pvh2" >/dev/null
    stays a pvh2
    (move a pvh2 --bandwidth 3M) &
    sleep 12
    on a "xl destroy pvh2" >/dev/null
    wait $! && rc=0 || rc=$?
    [ "$rc" -eq 7 ] || fail "destroyed meanwhile: exit $rc, not 7"
    gone b pvh2
}

# Each process of a migration killed in pre-copy.  The patterns do not match
# their own command line.
case_pvh_killed() {
    local host kill rc

    guest a pvh3 --type pvh --disk none
    while read -r host kill; do
        (move a pvh3 --bandwidth 3M </dev/null) &
        sleep 14
        on "$host" "$kill" >/dev/null </dev/null ||
            fail "nothing to kill on $host: $kill"
        wait $! && rc=0 || rc=$?
        [ "$rc" -eq 3 ] || fail "after $kill on $host: exit $rc, not 3"
        stays a pvh3 </dev/null
    done <<'END'
a pkill -KILL -n -f '[x]l-lmigrate'
b kill -KILL $(ps -o ppid= -p $(pgrep -n -f '[x]l migrate-receive'))
b pkill -KILL -n -f '[x]l migrate-receive'
a pkill -KILL -n -f '[p]lainsh hostb'
END
    destroy a pvh3
}

case_pvh_cancelled() {
    local rc

    guest a pvh4 --type pvh --disk none
    (move a pvh4 --bandwidth 3M) &
    sleep 14
    on a "pkill -INT -o -f xl-lmigrate" >/dev/null
    wait $! && rc=0 || rc=$?
    [ "$rc" -eq 4 ] || fail "cancelled: exit $rc, not 4"
    stays a pvh4
    # Afterwards it moves as if nothing had been.
    must_move a pvh4
    destroy b pvh4
}

# What xl is fed is a stream that Xen's own checker accepts.
case_pvh_stream_is_valid() {
    local checker

    checker=$(verify_stream) || fail "no verify-stream-v2 in the cache"
    guest a pvh5 --type pvh --disk none
    on a "xl lmigrate -s '' pvh5 \
        'plainsh hostb xl lmigrate-receive --record /tmp/stream'" \
        >/dev/null || fail "recorded move"
    well b pvh5
    lab pull b /tmp/stream "$work/stream" >/dev/null 2>&1 || fail "pull"
    PYTHONPATH=${checker%/bin/*}/lib/python python3 "$checker" \
        --format xl --in "$work/stream" >"$work/out" 2>&1 ||
        fail "verify-stream-v2 refuses what xl was fed"
    destroy b pvh5
}

# Figures, not a verdict: the same guest by xl and by us, interleaved.
case_pvh_beside_xl() {
    local i host=a began ours='' theirs=''

    guest a pvh6 --type pvh --disk none
    for i in $(seq "${XLM_MATRIX_RUNS:-1}"); do
        began=$(date +%s%N)
        on "$host" "xl migrate -s plainsh pvh6 host$(other "$host")" >/dev/null ||
            fail "xl migrate"
        theirs="$theirs $((($(date +%s%N) - began) / 1000000))"
        host=$(other "$host")
        lab guest check "$host" pvh6 >"$work/out" 2>&1
        theirs="$theirs/$(sed -n 's/.*maxgap_ms=\([0-9]*\).*/\1/p' "$work/out")"
        began=$(date +%s%N)
        move "$host" pvh6 || fail "xl lmigrate"
        ours="$ours $((($(date +%s%N) - began) / 1000000))"
        ours="$ours/$(sed -n 's/^pause: \([^ ]* [a-z]*\).*/\1/p' "$work/out")"
        host=$(other "$host")
        well "$host" pvh6
        echo "     run $i: ms total/longest gap so far of xl migrate:$theirs;" \
            "ms total/pause of xl lmigrate:$ours"
    done
    destroy "$host" pvh6
}
