# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# What must be true after a move with a fault, and how many were. Needs
# hosts.sh and moves.sh; RESULTS is a file of lines "RUN FAULT PHASE OUTCOME".

# Guests of many short runs say often how they are.
REPORT_MS=100

# A peer that went is missed in a second or two: nothing is learnt from waiting.
impatient() {
    # shellcheck disable=SC2016
    on "$1" sh -c 'cd /proc/sys/net/ipv4 && echo 1 >tcp_keepalive_time &&
        echo 1 >tcp_keepalive_intvl && echo 2 >tcp_keepalive_probes &&
        echo 4 >tcp_retries2'
}

# Hosts do not live for ever, nor do their logs.
RUNS_PER_HOSTS=150
runs_here=0

fresh_hosts() {
    runs_here=$((runs_here + 1))
    if [ -d "$SIMXEN_DIR" ]; then
        [ $runs_here -gt $RUNS_PER_HOSTS ] || return 0
        hosts_down
    fi
    runs_here=0
    hosts_up && impatient a && impatient b
}

# learn_uuid NAME: sets UUID, as simxen's journal has it.
learn_uuid() {
    UUID=$(on a xl domid "$1") &&
        UUID=$(on a xenstore-read "/local/domain/$UUID/vm") || return 1
    UUID=$(tr -d - <<<"${UUID#/vm/}")
}

lost_power() {
    simxen status "host$1" | grep -q 'no power'
}

# A command that was killed from outside may be ahead of the news that it died
# with its host.
await_news() {
    local end=$((SECONDS + 3))

    [ "$CODE" -eq 137 ] || return 0
    until lost_power a; do
        [ $SECONDS -lt $end ] || return 0
        sleep 0.05
    done
}

# Whether the fault of KIND did strike. Before judge(), which repairs.
struck() {
    case $KIND in
    cut | power) await_news && { lost_power a || lost_power b; } ;;
    *) call_struck ;;
    esac
}

# The host where the guest ran last, as simxen recorded it.
last_ran() {
    awk -v u="$UUID" '$3 == u && $1 == "START" { h = $4 }
        END { sub(/^host/, "", h); print h }' "$SIMXEN_DIR/clock/runs"
}

# where: the host at which it runs, "suspended" if that is all there is.
where() {
    local h

    for h in a b; do
        on $h xl list 2>/dev/null | awk -v n="$1" \
            '$1 == n && $5 !~ /s/ && $5 !~ /p/ { exit 9 }' || {
            echo $h
            return
        }
    done
    ! domains a | grep -q "^$1" || echo suspended
}

# As an operator would: at most some times, until it is decided, and what the
# command left for it is done. Fails if that is not enough.
recover() {
    local i left=$CODE

    for i in 1 2 3 4 5 6; do
        [ "$left" -eq 6 ] || [ "$(where "$1")" = suspended ] || return 0
        RECOVERED=$i
        echo "recover $i:"
        on a timeout 130 xl lmigrate-recover -s simxen-ssh "$1" hostb \
            </dev/null && return 0
        left=0
        sleep 2
    done
    [ "$(where "$1")" != suspended ] || { echo "UNDECIDED" && return 1; }
}

single_run() {
    local check

    check=$(LD_LIBRARY_PATH=$SIMXEN_RUN/lib SIMXEN_CLOCK=$SIMXEN_DIR/clock \
        "$SIMXEN_RUN/simxen-clock" check) || {
        echo "DOUBLE: $check"
        return 1
    }
}

# Running nowhere else; a copy that nobody is left to destroy may be there.
only_running() {
    ! on "$(other "$1")" xl list | awk -v n="$2" \
        '$1 == n && $5 !~ /[ps]/ { exit 9 }' || return 0
    echo "DOUBLE: it runs at host$(other "$1") as well"
    return 1
}

# tidy yes|no: whether a host lost its power.
tidy() {
    local h limit=10

    for h in a b; do
        for d in $(domains $h); do
            on $h xl destroy "$d" || true
        done
        # The killed leave their mark, their lock's file for the next, and a
        # socket that the next one sweeps away.
        on $h sh -c 'rm -f /var/lib/xlm/*.sent /run/xen/xlm-*.lock \
            /run/xen/xlm-????????????????*.sock'
        # If all of the command's processes were, nobody was left for this.
        [ "$CODE" -ne 137 ] || on $h sh -c 'rm -f /run/xen/xlm-ctl/*.sock &&
            rmdir /run/xen/xlm-ctl' 2>/dev/null || true
        # What libxl keeps beside a domain that went with its host's power.
        [ "$1" != yes ] ||
            on $h sh -c 'rm -f /var/lib/xen/userdata-* /var/lib/xen/qemu-*'
    done
    # A receiver waits for a source that may be back (--reconnect).
    [ "$1" = no ] || limit=60
    nothing_left $limit || { echo "LEAK" && return 1; }
}

# judge NAME WHAT-TO-REPAIR: after its move, which has ended. "OUTCOME WORD" is
# its last line if all is well. A guest may be gone only with the power of the
# host that ran it, or of b if that had the permission.
judge() {
    local gone_a=no gone_b=no gone=no ran at h

    await_news
    ! lost_power a || gone_a=yes gone=yes
    ! lost_power b || gone_b=yes gone=yes
    ran=$(last_ran)
    repair "$2" || return 1
    for h in a b; do
        [ $gone = no ] || impatient $h || return 1
    done
    RECOVERED=0
    recover "$1" || return 1
    # Nobody is left who would give it back what it had.
    [ "$CODE$gone" != 137no ] || on a xl lmigrate-recover --all -s simxen-ssh ||
        { echo "recover --all: exit $?" && return 1; }
    at=$(where "$1")
    single_run || return 1
    echo "exit $CODE, last ran at $ran, is now at ${at:-none}"
    case $at in
    a | b)
        well "$at" "$1" && only_running "$at" "$1" || return 1
        ;;
    *)
        [ -z "$at" ] && { [ "$ran$gone_a" = ayes ] ||
            [ "$ran$gone_b" = byes ] || [ "$gone_b$CODE" = yes5 ] ||
            [ "$gone_b$CODE" = yes6 ]; } || {
            echo "LOSS: at ${at:-none} after recover; nobody's power was cut" \
                "who ran it"
            return 1
        }
        at=died
        ;;
    esac
    tidy $gone || return 1
    [ "$RECOVERED" -eq 0 ] || at=$at,recovered
    echo "OUTCOME $at"
}

# Runs of each kind by phase, and how they ended.
table() {
    awk '{ n[$2, $3]++; k[$2]; split($4, o, ","); e[$2, o[1]]++
           if ($4 ~ /recovered/) r[$2]++ }
        function line(f) {
            printf "%-8s %7d %7d %7d %7d | %7d %7d %7d %7d %7d %7d\n", f,
                n[f, "build"], n[f, "precopy"], n[f, "switch"],
                n[f, "handoff"], e[f, "a"], e[f, "b"], e[f, "died"],
                e[f, "unstruck"], r[f], e[f, "FAILED"]
        }
        END {
            printf "%-8s %7s %7s %7s %7s | %7s %7s %7s %7s %7s %7s\n", "fault",
                "build", "precopy", "switch", "handoff", "stayed", "moved",
                "died", "missed", "recov.", "FAILED"
            for (f in k) {
                line(f)
                for (p in n)
                    if (index(p, f SUBSEP) == 1)
                        n["all", substr(p, length(f) + 2)] += n[p]
                for (p in e)
                    if (index(p, f SUBSEP) == 1)
                        e["all", substr(p, length(f) + 2)] += e[p]
                r["all"] += r[f]
            }
            line("all")
        }' "$RESULTS"
}

# enough SINCE: of the runs after that line of RESULTS, few in which the fault
# found nothing to strike.
enough() {
    tail -n +$(($1 + 1)) "$RESULTS" | awk '$4 == "unstruck" { missed++ }
        END { exit NR == 0 || (NR > 4 && 2 * missed > NR) }' || {
        echo "FAIL: no faults, or most struck nothing"
        return 1
    }
}
