# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash disable=SC2154
# What the cases of the lab matrix share.  Variables of the matrix: here, top,
# work, flavour, sample.

# Which cases run on which hypervisor, in this order; of a sample the first
# line.
cases_of() {
    case $1 in
    debian)
        echo pvh_there_and_back pvh_ktls pvh_balloons pvh_killed pvh_journal \
            behaviour hvm_moves pv_scan random_pvh
        [ "$sample" = yes ] ||
            echo pvh_ways pvh_twenty pvh_two_at_once pvh_stream_is_valid \
                pvh_events pvh_changed pvh_cancelled pvh_paused dry_run \
                pvh_beside_xl pv_paused_copy hvm_plain pvh_control \
                pvh_control_stale pvh_returns pvh_control_returns \
                pvh_data_returns \
                pvh_goal_abort pvh_goal_throttle \
                pvh_goal_killed verify changes random_hvm random_pv
        ;;
    shadow) echo pv_live ;;
    debian,trixie) echo upgrade_pvh upgrade_hvm upgrade_pv upgrade_by_xl ;;
    esac
}

lab() {
    "$here/lab" "$@"
}

# Where standard output may be redirected, it says so all the same.
fail() {
    {
        echo "     $*"
        sed 's/^/     | /' "$work/out" | tail -n 16
    } >&2
    exit 1
}

# unchecked LINE COMMAND: what set -e ends a case for.
unchecked() {
    trap - ERR
    fail "failed at line $1 of ${FUNCNAME[1]}: $2"
}

# on HOST CMD...: bounded; output in $work/out as well.
on() {
    local host=$1

    shift
    timeout 300 "$here/lab" ssh "$host" "$@" 2>&1 | tee "$work/out"
    return "${PIPESTATUS[0]}"
}

other() {
    [ "$1" = a ] && echo b || echo a
}

guest() {
    echo "$2" >>"$work/guests"
    lab guest create "$@" >"$work/out" 2>&1 || fail "guest create $*"
}

# no_logs NAME: what is in its logs from now on is of its next move.
no_logs() {
    local host

    for host in a b; do
        on $host "rm -f '/var/log/xen/xlm-$1.log'" >/dev/null </dev/null ||
            fail "the log of $1 stays at $host"
    done
}

# move FROM NAME [options]: exit code of xl lmigrate; output in $work/out.
# Encryption is slow on an emulated processor: most cases do without ($way).
move() {
    local from=$1 name=$2

    shift 2
    # shellcheck disable=SC2086
    on "$from" xl lmigrate ${way---plain} -s plainsh --timeout 240 "$@" "$name" \
        "host$(other "$from")" >/dev/null
}

# begin_slowly NAME [options]: a move from a in the background, as $!; returns when it is
# in pre-copy.
begin_slowly() {
    no_logs "$1"
    (move a "$1" --bandwidth 3M "${@:2}" </dev/null || exit $?) &
    on a "for i in \$(seq 300); do
        grep -q 'state: precopy' '/var/log/xen/xlm-$1.log' 2>/dev/null && exit 0
        sleep 0.1; done; exit 1" >/dev/null </dev/null ||
        fail "$1 does not come to pre-copy"
}

# ends_with CODE WHAT: the move in the background does.
ends_with() {
    local rc

    wait $! && rc=0 || rc=$?
    [ "$rc" -eq "$1" ] || fail "$2: exit $rc, not $1"
}

# must_move FROM NAME [options]: moves, and is well at the other side.
must_move() {
    local from=$1 name=$2 to

    to=$(other "$from")
    no_logs "$name"
    move "$@" || fail "$name did not move from $from to $to: exit $?"
    cat "$work/out" >>"$work/moves"
    sed -n 's/^pause:/     '"$flavour $name $from-$to"' pause:/p' "$work/out"
    well "$to" "$name"
    gone "$from" "$name"
}

# well HOST NAME: its own checks say so, and it answers.
well() {
    lab guest check "$1" "$2" >"$work/out" 2>&1 || {
        on "$1" "xl list; xl vcpu-list; cat /proc/loadavg" >>"$work/ill" 2>&1 ||
            true
        lab console-log "$1" "$2" 2>/dev/null | tail -n 5 >>"$work/ill"
        cat "$work/ill" >>"$work/out"
        fail "$2 is not well on $1"
    }
    grep -q 'clockback=0' "$work/out" || fail "$2's clock went back"
}

# verified HOST NAME: it has read blocks again since now, and all were right.
verified() {
    local old

    old=$(on "$1" labguest report "$2" | sed -n 's/.*diskok=\([0-9]*\).*/\1/p')
    [ -n "$old" ] || fail "$2 does not say what it has read"
    on "$1" labguest above "$2" 280 diskok "$old" >/dev/null ||
        fail "$2's disk was not verified"
    well "$1" "$2"
}

pings() {
    lab guest ping "$(other "$1")" "$2" >"$work/out" 2>&1 ||
        fail "$2 on $1 does not answer"
}

blocks_fine() {
    lab guest blocks "$1" "${2:-99}" >"$work/out" 2>&1 ||
        fail "blocks of $1's disk"
}

# intact HOST NAME: its network, what it reads and what was written.
intact() {
    pings "$@"
    verified "$@"
    blocks_fine "$2"
}

# gone HOST NAME: no trace of it, at the latest after some seconds.
gone() {
    on "$1" "for i in 1 2 3 4 5 6 7 8 9 10; do
            left=\$(xl list | grep -w '$2'; ls /run/xen | grep 'xlm-.*sock'
                pgrep -fa '[x]l-lmigrate ' ; pgrep -fa '[x]l-lmigrate-rec'
                xenstore-ls /local/domain | grep -w 'name = \"$2')
            [ -z \"\$left\" ] && exit 0
            sleep 1
        done
        echo \"\$left\"; exit 1" >/dev/null || fail "traces of $2 on $1"
}

# stays HOST NAME: it runs there under its name, tracked by nobody, and the
# other host has nothing of it.
stays() {
    on "$1" "xl list '$2'" >/dev/null || fail "$2 is not on $1"
    well "$1" "$2"
    on "$(other "$1")" "for i in 1 2 3 4 5 6 7 8 9 10; do
        xl list | grep -q '$2' || exit 0; sleep 1; done; xl list; exit 1" \
        >/dev/null || fail "something of $2 is on $(other "$1")"
}

# Xen's own checker of streams, from the packages that the lab unpacked.
verify_stream() {
    local cache=${XLM_LAB_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/xlm/lab}

    find "$cache/dom0" -name verify-stream-v2 -type f | head -n 1 | grep .
}

domid() {
    on "$1" "xl domid '$2'"
}

destroy() {
    lab guest destroy "$1" "$2" >"$work/out" 2>&1 || fail "destroy $2 on $1"
}

# After a failed case: nothing of it may disturb the next.
tidy() {
    local host name

    for host in a b; do
        lab status | grep -q "host $host: ready" ||
            lab boot "$host" >/dev/null 2>&1
        on "$host" "tc qdisc del dev eth1 root 2>/dev/null
            pkill -KILL -f '[x]l[ -]lmigrate|[x]l migrate|^plainsh host'
            rm -f /run/lab-held /run/lab-fault /etc/xen/xlm.conf
            [ ! -e /usr/local/bin/plainsh.away ] ||
                mv /usr/local/bin/plainsh.away /usr/local/bin/plainsh
            xl list | awk 'NR > 2 { print \$2 }' |
            while read -r d; do xl destroy \$d; done
            rm -rf /var/lib/xlm/*" >/dev/null 2>&1
    done
    # Their disks and addresses are for others now.
    sort -u "$work/guests" 2>/dev/null | while read -r name; do
        lab guest destroy a "$name" >/dev/null 2>&1 </dev/null
    done
}
