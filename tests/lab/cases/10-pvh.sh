# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash disable=SC2154
# A PVH guest: moves, what happens to it meanwhile, and what is left of it.

# xl_manages HOST NAME: what plain xl does with it after it came; ends it.
xl_manages() {
    local host=$1 name=$2 id there

    there=$(other "$host")
    on "$host" "xl list '$name'" >/dev/null || fail "xl list"
    on "$host" "timeout 5 xl console '$name' </dev/null | grep -a 'AGENT seq'" \
        >/dev/null || fail "xl console shows nothing of $name"
    on "$host" "xl migrate -s plainsh '$name' host$there" >/dev/null ||
        fail "xl migrate cannot move $name on"
    well "$there" "$name"
    id=$(domid "$there" "$name")
    on "$there" "xl reboot '$name'" >/dev/null || fail "xl reboot"
    on "$there" "labguest newer-domain '$name' 120 $id" >/dev/null ||
        fail "$name did not reboot"
    on "$there" "labguest wait '$name' 300" >/dev/null ||
        fail "$name does not come up again"
    well "$there" "$name"
    on "$there" "xl shutdown -w '$name'" >/dev/null || fail "xl shutdown"
    gone "$there" "$name"
}

# went_by HOST NAME WORDS: its last move from there sent memory that way.
went_by() {
    on "$1" "grep '$3' '/var/log/xen/xlm-$2.log'" >/dev/null ||
        fail "$2's memory did not go $3"
}

# confined HOST NAME DESCRIPTOR: what wrote its memory there, in its last move,
# was; the descriptor (a pattern) is that of its mappings, -2: it makes none.
confined() {
    on "$1" "grep -aE 'held to domain|is confined|not confined|not held' \
        '/var/log/xen/xlm-$2.log'" >"$work/confined" || fail "nobody was confined"
    sed 's/^/     /' "$work/confined"
    grep -q "data 0 is confined: .* descriptor $3\$" "$work/confined" ||
        fail "who wrote $2's memory was not confined"
    ! grep -q 'not confined\|not held' "$work/confined" ||
        fail "not everybody was confined"
}

# ballooned HOST NAME MIB: has that much, to the MiB, after a moment.
ballooned() {
    on "$1" "xl mem-set '$2' $3m" >/dev/null || fail "xl mem-set"
    on "$1" "for i in \$(seq 60); do
            has=\$(xl list '$2' | awk 'NR == 2 { print \$3 }')
            [ \$((has - $3)) -ge -1 ] && [ \$((has - $3)) -le 1 ] && exit 0
            sleep 0.5
        done; exit 1" >/dev/null || fail "$2 does not come to $3 MiB"
}

# Two vCPUs, a disk with an fsyncing writer, xenstore entries of its own; one
# move while it is ballooned down.
case_pvh_there_and_back() {
    local id

    guest a pvh1 --type pvh --vcpus 2 --disk phy --mem 160
    id=$(domid a pvh1)
    on a "xenstore-write /local/domain/$id/data/lab-key 'kept value';
        xenstore-write /local/domain/$id/vm-data/key kept;
        xenstore-chmod /local/domain/$id/data/lab-key n$id r0" >/dev/null ||
        fail "xenstore entries"
    way='' must_move a pvh1
    went_by a pvh1 'over TCP with TLS 1.3'
    confined b pvh1 '[0-9][0-9]*'
    id=$(domid b pvh1)
    on b "xenstore-read /local/domain/$id/data/lab-key \
        /local/domain/$id/vm-data/key;
        xenstore-ls -fp /local/domain/$id/data" >/dev/null
    grep -q 'kept value' "$work/out" || fail "data/lab-key is lost"
    grep -q '^kept$' "$work/out" || fail "vm-data/key is lost"
    grep -q "lab-key.*n$id" "$work/out" || fail "data/lab-key's permissions"
    pings b pvh1
    ballooned b pvh1 144
    must_move b pvh1
    ballooned a pvh1 160
    must_move a pvh1
    verified b pvh1
    blocks_fine pvh1
    xl_manages b pvh1
}

# Several connections, with and without TLS, through ssh, and through ssh
# because nothing answers where TCP should go; to where the other host says.
case_pvh_ways() {
    local at

    guest a pvh20 --type pvh --disk phy --mem 128 --work 8
    way='--channels 4' must_move a pvh20
    went_by a pvh20 '4 data channels over TCP with TLS 1.3'
    way='--plain --channels 2 --port-range 50000' must_move b pvh20
    went_by b pvh20 '2 data channels over TCP to .* port 50000'
    way='--data ssh --channels 2' must_move a pvh20
    way='--migration-address 192.0.2.1' must_move b pvh20
    went_by b pvh20 'memory goes the way of the control channel'
    on b "sed -n 's/[[:space:]]*hostb$//p' /etc/hosts" >/dev/null
    at=$(cat "$work/out")
    on b "printf 'listen_address = %s\nport_range = 50100\n' $at \
        >/etc/xen/xlm.conf" >/dev/null || fail "xlm.conf"
    way='' must_move a pvh20
    on b "rm /etc/xen/xlm.conf" >/dev/null
    went_by a pvh20 "over TCP with TLS 1.3 .*to $at port 50100"
    must_move b pvh20
    intact a pvh20
    destroy a pvh20
}

# in_kernel Tx|Rx NUMBER: so many more connections of TLS than before have been
# the kernel's of host b.
in_kernel() {
    local now

    on b "awk '\$1 == \"Tls$1Sw\" { print \$2 }' /proc/net/tls_stat" >/dev/null
    now=$(cat "$work/out")
    [ "${now:-none}" = $((kernel_had + $2)) ] ||
        fail "b's kernel has had '$now' connections ($1), not $kernel_had + $2"
}

# before Tx|Rx
before() {
    kernel_had=0
    on b "modprobe tls && awk '\$1 == \"Tls$1Sw\" { print \$2 }' \
        /proc/net/tls_stat" >/dev/null || fail "the kernel of b has no TLS"
    kernel_had=$(cat "$work/out")
}

# TLS by the kernels of both hosts, where the unit program of it runs as well,
# and by that of one of them.
case_pvh_ktls() {
    local program=${XLM_BUILD_DIR:-$top/build/lab}/tests/unit/test_ktls
    local kernel_had=0

    [ -x "$program" ] || make -s -C "${program%/tests/*}" tests/unit/test_ktls \
        >"$work/out" 2>&1 || fail "no unit program"
    on a "cat >/tmp/test_ktls && chmod +x /tmp/test_ktls" <"$program" ||
        fail "cannot copy $program"
    on a "timeout 200 /tmp/test_ktls" >/dev/null || fail "the unit program"
    grep -q "the kernel has TLS" "$work/out" || fail "the kernel has no TLS"
    guest a pvh50 --type pvh --disk phy --mem 128 --work 8
    on b "echo 'ktls = 1' >/etc/xen/xlm.conf" >/dev/null || fail "xlm.conf"
    on b "[ ! -d /sys/module/tls ] || cat /proc/net/tls_stat" >/dev/null
    kernel_had=$(awk '$1 == "TlsRxSw" { n = $2 } END { print n + 0 }' "$work/out")
    way='--channels 4 --ktls' must_move a pvh50
    in_kernel Rx 4
    went_by a pvh50 '4 data channels over TCP with TLS 1.3 in the kernel to'
    confined b pvh50 '[0-9][0-9]*'
    on b "rm /etc/xen/xlm.conf" >/dev/null
    on a "echo 'ktls = 1' >/etc/xen/xlm.conf" >/dev/null || fail "xlm.conf"
    before Tx
    way='--channels 2 --verify' must_move b pvh50
    in_kernel Tx 0
    went_by b pvh50 '2 data channels over TCP with TLS 1.3 to'
    went_by a pvh50 'is open, TLS, in the kernel'
    before Rx
    way='' must_move a pvh50
    on a "rm /etc/xen/xlm.conf" >/dev/null
    in_kernel Rx 0
    went_by a pvh50 'over TCP with TLS 1.3 in the kernel to'
    intact b pvh50
    destroy b pvh50
}

# It gives memory up and takes it again all the time, but for the rounds, in
# which it may not: Xen's log would have holes.
case_pvh_balloons() {
    guest a pvh8 --type pvh --disk none --mem 192 --work 8 --balloon 24 \
        --churn 32 --no-net
    must_move a pvh8 --bandwidth 8M
    must_move b pvh8 --bandwidth 8M
    well a pvh8
    destroy a pvh8
}

# back_at_a NAME OLD-DOMID: its monitor has started it again.
back_at_a() {
    on a "labguest newer-domain '$1' 120 $2" >/dev/null ||
        fail "$1 did not start again"
    on a "labguest wait '$1' 300" >/dev/null || fail "$1 does not come up"
    stays a "$1"
}

# The guest's own end, and what an operator does to it meanwhile.
case_pvh_events() {
    local rc id

    guest a pvh2 --type pvh --disk none --mem 128 --work 8 --no-net
    begin_slowly pvh2
    on a "xl lmigrate --plain -s plainsh pvh2 hostb" >"$work/second" && rc=0 || rc=$?
    [ "$rc" -ne 0 ] || fail "two migrations of one domain at once"
    grep -qi 'lock\|pid\|process' "$work/second" ||
        fail "second migration does not name the holder"
    on a "xl rename pvh2 pvh2x" >/dev/null
    ends_with 3 "renamed meanwhile"
    on a "xl rename pvh2x pvh2" >/dev/null
    stays a pvh2
    id=$(domid a pvh2)
    begin_slowly pvh2
    on a "xenstore-write /local/domain/$id/data/agent-cmd reboot" >/dev/null
    ends_with 7 "the guest reboots"
    back_at_a pvh2 "$id"
    begin_slowly pvh2
    on a "xl destroy pvh2" >/dev/null
    ends_with 7 "destroyed meanwhile"
    gone a pvh2
    gone b pvh2
}

case_pvh_cancelled() {
    guest a pvh4 --type pvh --disk none --mem 128 --work 8 --no-net
    begin_slowly pvh4
    on a "pkill -INT -o -f xl-lmigrate" >/dev/null
    ends_with 4 "cancelled"
    stays a pvh4
    # Afterwards it moves as if nothing had been.
    must_move a pvh4
    destroy b pvh4
}

# What xl is fed is a stream that Xen's own checker accepts; what travels is a
# stream that a reader written from the specification alone accepts.
case_pvh_stream_is_valid() {
    local checker dump file

    checker=$(verify_stream) || fail "no verify-stream-v2 in the cache"
    dump=${XLM_BUILD_DIR:-$top/build/lab}/tests/tools/xlmdump
    [ -x "$dump" ] || make -s -C "${dump%/tests/*}" tests/tools/xlmdump ||
        fail "no xlmdump"
    guest a pvh5 --type pvh --disk none --mem 128 --work 8 --no-net
    on a "xl lmigrate --data ssh -s '' pvh5 'exec plainsh hostb \
        \"tee /tmp/wire-\\\$\\\$ | xl lmigrate-receive --record /tmp/stream | cat\"'" \
        >/dev/null || fail "recorded move"
    well b pvh5
    lab pull b /tmp/stream "$work/stream" >/dev/null 2>&1 || fail "pull"
    PYTHONPATH=${checker%/bin/*}/lib/python python3 "$checker" \
        --format xl --in "$work/stream" >"$work/out" 2>&1 ||
        fail "verify-stream-v2 refuses what xl was fed"
    for file in $(on b "ls /tmp/wire-*"); do
        lab pull b "$file" "$work/wire" >/dev/null 2>&1 || fail "pull $file"
        "$dump" "$work/wire" >"$work/out" 2>&1 ||
            fail "xlmdump refuses what travelled"
        echo "     xlmdump: $(wc -l <"$work/out") lines of $(
            stat -c %s "$work/wire") bytes"
    done
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
