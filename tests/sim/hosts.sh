# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# Two simulated hosts, a and b, and what can be asked of them.

simxen() {
    nice -n "${XLM_SIM_NICE:-0}" "$TOP/stubs/simxen" "$@"
}

on() {
    simxen run "host$1" "${@:2}"
}

other() {
    [ "$1" = a ] && echo b || echo a
}

# Some of what the first domain of a host leaves is for all that follow: locks,
# the tops of xenstore's trees, the history of numbers.
warm_up() {
    printf '%s\n' 'name = "first"' 'type = "pvh"' 'memory = 128' \
        "kernel = \"$SIMXEN_RUN/guest-kernel\"" >"$WORK/first.cfg"
    on "$1" timeout 60 xl create -q -p "$WORK/first.cfg" </dev/null &&
        on "$1" timeout 30 xl destroy first
}

# What Xen is built with; as Debian builds it, it has no log-dirty for PV. Or:
# started with another scheduler; or which hosts have Xen 4.20: b (up), a (down),
# both (new).
FLAVOUR=shadow

# needs_hosts FLAVOUR: those of another one go.
needs_hosts() {
    [ "$FLAVOUR" = "$1" ] || hosts_down
    FLAVOUR=$1
}

# has_420 HOST
has_420() {
    case $FLAVOUR:$1 in up:b | down:a | new:?) ;; *) return 1 ;; esac
}

# Memory that hosts have touched before a domain needs it: what is measured is
# then not the making of memory. MiB, of one domain at a time; empty: none.
HOST_WARM_MB=

# warm_for MIB: for a domain of that memory, some of which may be above the hole
# below 4 GiB
warm_for() {
    local mib=$1

    [ "$mib" -lt 3840 ] || mib=$((mib + 256))
    [ "$mib" -le "${HOST_WARM_MB:-0}" ] || HOST_WARM_MB=$mib
}

is_warm() {
    on "$1" test -e "$SIMXEN_DIR/host$1/hv/warm.mem"
}

# until_warm HOST: when a domain has left, its memory is cleared first.
until_warm() {
    [ -n "$HOST_WARM_MB" ] || return 0
    for _ in $(seq 600); do
        ! is_warm "$1" || return 0
        sleep 0.2
    done
    echo "host$1 has no memory ready after two minutes" >&2
    return 1
}

hosts_up() {
    local h options

    for h in a b; do
        options=(--local "$DEST/usr/local")
        [ -z "$HOST_WARM_MB" ] || options+=(--warm "$HOST_WARM_MB")
        if has_420 $h; then
            options=(--xen 4.20 ${DEST_420:+--local "$DEST_420/usr/local"})
        fi
        [ "$FLAVOUR" = debian ] || options+=(--pv-logdirty)
        [ "$FLAVOUR" != null ] || options+=(--sched null)
        simxen up "host$h" "${options[@]}" &&
            warm_up "$h" || return 1
        traces "$h" >"$WORK/baseline.$h"
    done
}

hosts_down() {
    ! [ -d "$SIMXEN_DIR" ] || simxen down --all
}

# traces HOST: a line for each thing that a migration might leave behind.
# Logs, and what xlm remembers of the last pause and for "xl lmigrate-recover",
# are meant to be left.
traces() {
    # shellcheck disable=SC2016
    on "$1" sh -c '
        xl list | awk "NR > 1 { print \"domain\", \$1 }"
        ps -eww -o pid=,stat=,args= |
            awk "\$1 != $$ && \$2 !~ /^Z/ {
                    sub(/^ *[0-9]+ +[^ ]+ +/, \"\")
                    print substr(\$0, 1, 60) }" |
            grep -vE "^(sleep |ps |awk |grep |sed |sh -c)" | sed "s/^/process /"
        xenstore-ls -f / | sed "s/ = .*//; s/^/xenstore /" |
            grep -vE "^xenstore /local/domain/0/(memory|device-model$)"
        find /run /var/lib/xen -not -name "xlm-pause-*" | sed "s/^/file /"
        ip -o link | cut -d " " -f 2 | sed "s/@.*//; s/^/link /"
        awk "NR > 1 && \$4 == \"0A\" { print \"listens\", \$2 }" /proc/net/tcp
        awk "NR > 1 && \$4 == \"00010000\" { print \"listens\", \$8 }" \
            /proc/net/unix' 2>/dev/null | sort
}

# what_they_wait_for HOST: of the processes whose end is awaited in vain.
what_they_wait_for() {
    # shellcheck disable=SC2016 # expanded over there
    on "$1" sh -c 'for p in $(pgrep -f "xl|libxl|plainsh"); do
        echo "$p: $(tr "\0" " " <"/proc/$p/cmdline")in $(cat "/proc/$p/wchan")" \
            "$(cat "/proc/$p/syscall")"
        ls -l "/proc/$p/fd" | sed -n "s/.* \([0-9]* ->\)/    \1/p"
    done' 2>/dev/null || true
}

# nothing_left SECONDS: processes end soon after the command that needed them, not
# before it.
nothing_left() {
    local h now left end=$((SECONDS + $1))

    for h in a b; do
        while :; do
            now=$(traces "$h") && [ -n "$now" ] ||
                { echo "host$h cannot be looked at" && return 1; }
            left=$(comm -13 "$WORK/baseline.$h" - <<<"$now")
            [ -n "$left" ] || break
            [ "$SECONDS" -lt "$end" ] || {
                echo "left at host$h:"
                echo "$left"
                what_they_wait_for "$h"
                return 1
            }
            sleep 0.1
        done
    done
}

# field NAME LINE
field() {
    tr ' ' '\n' <<<"$2" | sed -n "s/^$1=//p"
}

report() {
    # shellcheck disable=SC2016
    on "$1" sh -c 'id=$(xl domid "$0") &&
        xenstore-read "/local/domain/$id/data/agent"' "$2" 2>/dev/null
}

# well HOST NAME: it makes progress there, and has found nothing wrong.
well() {
    local first line='' end=$((SECONDS + 15)) here

    first=$(report "$1" "$2") || first=
    until [ -n "$line" ] && [ "$line" != "$first" ]; do
        [ "$SECONDS" -lt "$end" ] || {
            echo "$2 does not report at host$1 (last: ${line:-none})"
            return 1
        }
        sleep 0.1
        line=$(report "$1" "$2") || line=
    done
    here=$(field host "$line")
    [ "$(field bad "$line")" = 0 ] && [ "$(field clockback "$line")" = 0 ] &&
        { [ "$here" = none ] || [ "$here" = "host$1" ]; } || {
        echo "$2 at host$1: $line"
        return 1
    }
}

# domains HOST: their names, dom0's not.
domains() {
    on "$1" xl list | awk 'NR > 2 { print $1 }'
}

# running: the domains of both hosts that are neither paused nor suspended.
running() {
    local h

    for h in a b; do
        on $h xl list | awk -v h=$h 'NR > 2 && $5 !~ /[ps]/ { print h, $1 }'
    done
}

# only_at HOST NAME: running there, and nowhere else under any name. The other
# host may need a moment to destroy what it had built.
only_at() {
    local end=$((SECONDS + 10)) away

    [ "$(domains "$1")" = "$2" ] || {
        echo "host$1 has: $(domains "$1" | tr '\n' ' ')"
        return 1
    }
    while :; do
        away=$(domains "$(other "$1")") || return 1
        [ -n "$away" ] || break
        [ "$SECONDS" -lt "$end" ] || {
            echo "host$(other "$1") has: $away"
            return 1
        }
        sleep 0.1
    done
    LD_LIBRARY_PATH=$SIMXEN_RUN/lib SIMXEN_CLOCK=$SIMXEN_DIR/clock \
        "$SIMXEN_RUN/simxen-clock" check
}

# has_memory NAME MIB [SECONDS]: at a, soon.
has_memory() {
    local end=$((SECONDS + ${3:-20}))

    until [ "$(on a xl list "$1" | awk 'NR == 2 { print $3 }')" -eq "$2" ]; do
        [ "$SECONDS" -lt "$end" ] || { echo "$1 keeps its memory" && return 1; }
        sleep 0.05
    done
}
