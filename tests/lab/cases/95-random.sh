# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash disable=SC2154
# One guest goes there and back, and each time something breaks that a number
# decides: a hypercall fails, a process is killed, the wire is still or slow for
# a while, a host loses its power and boots again. Then xl lmigrate-recover does
# what is left to do. After each: the guest runs at one host and is well, and
# nothing of it is at the other; it is gone only with the power of a host that
# had it; where it wrote to its disk last, there it is; and no block that the
# disk has acknowledged is lost, nor did two hosts write.
#
# XLM_LAB_RUNS, XLM_LAB_SEED: so many of each type (10), from that number (1) on.

# Whose log says it, and the line with which a phase begins.
random_lines=('from state: precopy' 'from round 2:' 'from suspended after'
    'from and is ready' 'to permission to run')

# Processes: newest or oldest with that command line at that side.
random_victims=('from -n [x]l-lmigrate( )' 'from -o [x]l-lmigrate( )'
    'to -n [x]l-lmigrate-rec' 'to -o [x]l-lmigrate-rec'
    'to -o [x]l migrate-receive' 'to -n [l]ibxl-save-helper'
    'from -o ^plainsh host' 'from -n ^plainsh host')

# random_plan NUMBER: sets KIND SIDE LINE DELAY_MS and WHAT, the rest of what a
# kind needs
random_plan() {
    local names=('from xl-lmigrate' 'to xl-lmigrate-receive' 'to xl'
        'to libxl-save-helper')
    local kinds=(call kill kill wire slow power) sides=(from to)

    RANDOM=$1
    KIND=${kinds[RANDOM % 6]} DELAY_MS=$((RANDOM % 1000))
    read -r SIDE LINE <<<"${random_lines[RANDOM % 5]}"
    case $KIND in
    call) # as many early ones as late ones
        WHAT="${names[RANDOM % 4]} $(((1 << RANDOM % 6) + RANDOM % 4))"
        WHAT+=" $((RANDOM % 2 ? 12 : 22))"
        ;;
    kill) WHAT=${random_victims[RANDOM % 8]} ;;
    wire) WHAT=$((RANDOM % 40 + 2)) ;;
    slow) WHAT=$((RANDOM % 300 + 20)) ;;
    power) WHAT=${sides[RANDOM % 2]} ;;
    esac
}

random_told() {
    case $KIND in
    call) echo "hypercall (side, program, number, errno) $WHAT" ;;
    kill) echo "kill $WHAT, $DELAY_MS ms after '$LINE'" ;;
    wire) echo "no wire for $WHAT s, $DELAY_MS ms after '$LINE'" ;;
    slow) echo "$WHAT ms more each way, $DELAY_MS ms after '$LINE'" ;;
    power) echo "power of $WHAT, $DELAY_MS ms after '$LINE'" ;;
    esac
}

# host_of from|to
host_of() {
    if [ "$1" = from ]; then
        echo "$at"
    else
        other "$at"
    fi
}

# As a person would call it; a hypercall of one side fails.
random_move() {
    local to=host name=$1 side fault

    to+=$(other "$at")
    read -r side fault <<<"$WHAT"
    fault="LD_PRELOAD=/usr/local/lib/lab/fault.so XLM_FAULT='$fault' exec xl"
    case $KIND-$side in
    call-from)
        on "$at" "$fault lmigrate --plain -s plainsh --timeout 240 $name $to"
        ;;
    call-to)
        on "$(other "$at")" "echo \"$fault lmigrate-receive --name=$name\" \
            >/tmp/receive" >/dev/null
        on "$at" "xl lmigrate --plain -s '' --timeout 240 $name \
            'exec plainsh $to sh /tmp/receive'"
        ;;
    *)
        on "$at" "xl lmigrate --plain -s plainsh --timeout 240 $name $to"
        ;;
    esac
}

# await_line NAME: until the log has the line; fails if the move ends before.
# What is waited with has the name's mark, so that it can be ended.
await_line() {
    on "$(host_of "$SIDE")" "exec 3< <(exec -a strike-$1 timeout 280 \
            tail -s 0.05 -n +1 -F '/var/log/xen/xlm-$1.log' 2>/dev/null)
        grep -m 1 -q '$LINE' <&3; rc=\$?
        pkill -f '^strike-$1'; exit \$rc" >/dev/null
}

# strike NAME: what the number has in store. Says "struck" if something was there
# to be struck.
strike() {
    local side which pattern host

    await_line "$1" || return 0
    sleep "0.$(printf '%03d' "$DELAY_MS")"
    case $KIND in
    kill)
        read -r side which pattern <<<"$WHAT"
        ! on "$(host_of "$side")" "pkill -KILL $which -f '$pattern'" \
            >/dev/null || echo struck
        ;;
    wire) away "$WHAT" && echo struck ;;
    slow)
        for host in a b; do
            on $host "tc qdisc add dev eth1 root netem delay ${WHAT}ms \
                limit 9999" >/dev/null || return 1
        done
        echo struck
        ;;
    power) lab power-cut "$(host_of "$WHAT")" && echo struck ;;
    esac
}

# What a killed one leaves at work comes to its own end. (xl-lmigrate-monitor
# stays: it does for a domain what xl's daemon did, which leaves when the domain
# is suspended.)
quiet() {
    on "$1" "for i in \$(seq 120); do
            pgrep -f '[x]l-lmigrate( |-rec)' >/dev/null || exit 0
            sleep 1
        done
        ps -eo pid,ppid,wchan:20,args | grep -E '[x]l-lmigrate( |-rec)'
        tail -n 12 /var/log/xen/xlm-*.log; exit 1" >/dev/null </dev/null ||
        fail "there is no end to it at $1"
}

has_power() {
    lab status | grep -q "host $1: ready"
}

# The move, and what breaks. CODE: how it ended, 255 where its host did; its
# words are in $work/said. STRUCK: it did break. CUT: the host that lost its
# power, if any.
random_end() {
    local name=$1 host striker mover rc=0

    for host in a b; do
        on $host "rm -f '/var/log/xen/xlm-$name.log' /run/lab-fault" \
            >/dev/null || fail "the log at $host stays"
    done
    (random_move "$name" >"$work/said" 2>&1 </dev/null || exit $?) &
    mover=$!
    if [ "$KIND" != call ]; then
        (strike "$name" >"$work/strike" 2>&1 </dev/null) &
        striker=$!
    fi
    wait $mover || rc=$?
    CODE=$rc CUT='' STRUCK=no
    if [ "$KIND" != call ]; then
        ! has_power "$(host_of "$SIDE")" ||
            on "$(host_of "$SIDE")" "pkill -f '^strike-$name'" >/dev/null 2>&1 ||
            true
        wait $striker || fail "the fault: $(tail -n 1 "$work/strike")"
        ! grep -q '^struck$' "$work/strike" || STRUCK=yes
    elif on "$(host_of "${WHAT%% *}")" 'test -e /run/lab-fault' >/dev/null; then
        STRUCK=yes
    fi
    [ "$KIND$STRUCK" != poweryes ] || CUT=$(host_of "$WHAT")
    for host in a b; do
        [ $host = "$CUT" ] || quiet $host
    done
}

# Where the newest block of its disk was written.
wrote_last() {
    lab guest blocks "$1" 2>/dev/null |
        sed -n 's/^run host\([ab]\) .*/\1/p' | tail -n 1
}

# recover_all HOST [--boot]: 5: the other could not be asked.
recover_all() {
    local rc=0

    on "$1" "xl lmigrate-recover --all ${2:-} -s plainsh \
        --peer host$(other "$1")" >>"$work/recovered" </dev/null || rc=$?
    case $rc in
    0 | 5) ;;
    *) fail "recover --all ${2:-} at $1: exit $rc" ;;
    esac
}

# Everything works again.
random_repair() {
    local host

    for host in a b; do
        if [ $host = "$CUT" ]; then
            lab boot $host >"$work/out" 2>&1 || fail "host $host does not boot"
            continue
        fi
        has_power $host || fail "host $host is down"
        on $host 'tc qdisc del dev eth1 root 2>/dev/null; true' >/dev/null
    done
    [ -z "$CUT" ] || recover_all "$CUT" --boot
}

# runs_at NAME: the hosts at which it may run: it shows no letter of one that is
# paused, suspended or dying.
runs_at() {
    local host

    for host in a b; do
        on $host "xl list" </dev/null | awk -v n="$1" -v h=$host \
            'index($1, n) == 1 && $5 !~ /[psd]/ { print h }'
    done | xargs
}

# Until it runs, or may be gone; never after it ran twice.
random_recover() {
    local name=$1

    for _ in 1 2 3 4 5 6; do
        AT=$(runs_at "$name")
        case $CODE-$AT-$CUT in
        *' '* | 0-?- | [1-4]-?-) return 0 ;;
        esac
        recover_all "$at"
        recover_all "$(other "$at")"
        AT=$(runs_at "$name")
        [ -z "$AT$CUT" ] || return 0
        sleep 3
    done
}

# logged HOST NAME WORDS
logged() {
    local rc=0

    on "$1" "grep -q '$3' '/var/log/xen/xlm-$2.log'" >/dev/null </dev/null ||
        rc=$?
    [ $rc -le 1 ] || fail "the log of $2 at $1 cannot be read"
    return $rc
}

# It may be gone only with the host that lost its power: the source before the
# other had the permission, the other after it.
may_be_gone() {
    [ -n "$CUT" ] || return 1
    if [ "$CUT" = "$at" ]; then
        ! logged "$(other "$at")" "$1" 'permission to run'
    else
        case $CODE in
        [1-4]) return 1 ;;
        esac
        logged "$at" "$1" 'has the permission'
    fi
}

# What the command said of where it is; $was is where it was.
exit_is_true() {
    case $CODE-$CUT in
    0-*) [ "$at" != "$was" ] || fail "exit 0, and it did not move" ;;
    [1-4]-*) [ "$at" = "$was" ] || fail "exit $CODE, and it moved" ;;
    5-* | 6-*) ;;
    255-"$was") ;;
    255-) # or the command itself was killed
        [[ "$KIND $WHAT" = 'kill from '*'[x]l-lmigrate( )' ]] ||
            fail "exit 255"
        ;;
    *) fail "exit $CODE" ;;
    esac
}

random_judge() {
    local name=$1 was=$at

    case $AT in
    a | b)
        at=$AT
        [ -n "$LAST" ] || fail "no blocks, or some are missing"
        [ "$LAST" = "$was" ] || [ "$at" = "$LAST" ] ||
            fail "$name wrote at $LAST, and an old copy runs at $at"
        ;;
    '')
        may_be_gone "$name" || fail "$name runs nowhere"
        # As its owner would, where it ran last.
        on "$CUT" "xl create -q '/etc/xen/$name.cfg' &&
            labguest wait '$name' 300" >/dev/null </dev/null ||
            fail "$name cannot be created again"
        at=$CUT
        ;;
    *) fail "$name runs at $AT" ;;
    esac
    exit_is_true
    stays "$at" "$name" </dev/null
    # A killed receiver's socket is for the next one to sweep away.
    [ "$KIND" != kill ] ||
        on "$(other "$at")" 'rm -f /run/xen/xlm-????????????????*.sock' \
            >/dev/null </dev/null
    gone "$(other "$at")" "$name" </dev/null
    blocks_fine "$name"
    decided a "$name"
    decided b "$name"
}

# decided HOST NAME: nothing is left to do for it there. (A killed receiver has
# not written down that it came to nothing: that is for recover to find out.)
decided() {
    recover_all "$1"
    on "$1" "xl lmigrate-recover --list" >/dev/null </dev/null ||
        fail "--list at $1: exit $?"
    ! grep "^$2 " "$work/out" | grep -qvE ' nothing$| nothing; if' ||
        fail "$1 has not decided"
}

# random_moves NUMBER TYPE OPTION...: of such a guest, with numbers above that
random_moves() {
    local n=$(($1 + ${XLM_LAB_SEED:-1})) name=rnd-$2 at=a host began struck=0
    local runs=${XLM_LAB_RUNS:-10} i
    local CODE CUT AT LAST STRUCK KIND SIDE LINE DELAY_MS WHAT

    shift
    # In a sample: a power cut, and a slow wire. Neither misses.
    [ "$sample" = no ] || runs=2 n=$((n + 8))
    guest a "$name" --type "$@" --disk phy --work 8
    on a "cat /etc/xen/$name.cfg" >"$work/cfg" </dev/null &&
        lab push b "$work/cfg" "/etc/xen/$name.cfg" || fail "no file at b"
    for host in a b; do
        on $host sync >/dev/null </dev/null || fail "sync at $host"
    done
    for ((i = 0; i < runs; i++, n++)); do
        began=$SECONDS
        : >"$work/recovered"
        random_plan $n
        echo "     $name $n, $at-$(other "$at"): $(random_told)"
        random_end "$name"
        LAST=$(wrote_last "$name")
        random_repair
        random_recover "$name"
        cat "$work/said" "$work/recovered" >"$work/out"
        random_judge "$name"
        [ "$STRUCK" = no ] || struck=$((struck + 1))
        echo "     $([ "$STRUCK" = yes ] || echo 'nothing struck, ')exit" \
            "$CODE${CUT:+, host $CUT lost its power}: at" \
            "${AT:-none, created again at $at} ($((SECONDS - began)) s)"
    done
    echo "     $struck of $runs struck"
    [ $((struck * 3)) -ge "$runs" ] || fail "hardly anything broke"
    destroy "$at" "$name"
}

case_random_pvh() {
    random_moves 0 pvh --mem 128
}

case_random_hvm() {
    random_moves 100 hvm --mem 192
}

case_random_pv() {
    random_moves 200 pv --mem 128
}
