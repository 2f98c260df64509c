# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# What "xl lmigrate-ctl" does to a move from host a, from another terminal.

# ctl NAME WORD...: its exit code; what it says goes to $WORK/ctl.
ctl() {
    on a timeout 20 xl lmigrate-ctl "$@" </dev/null >"$WORK/ctl" 2>&1
}

must_ctl() {
    ctl "$@" || {
        echo "xl lmigrate-ctl $*: exit $?"
        cat "$WORK/ctl"
        return 1
    }
}

# status_of NAME KEY: of a number.
status_of() {
    must_ctl --json "$1" status >&2 || return 1
    sed -n "s/.*\"$2\":\([0-9]*\)[,}].*/\1/p" "$WORK/ctl" | grep .
}

# wire_rate NAME SECONDS: bytes per second over that long, by the migration's
# own counters.
wire_rate() {
    local bytes us

    bytes=$(status_of "$1" wire_bytes) &&
        us=$(sed -n 's/.*"elapsed_us":\([0-9]*\).*/\1/p' "$WORK/ctl") &&
        sleep "$2" &&
        bytes=$(($(status_of "$1" wire_bytes) - bytes)) &&
        us=$(($(status_of "$1" elapsed_us) - us)) || return 1
    echo $((bytes * 1000 / (us / 1000)))
}

# within WHAT VALUE LOW HIGH
within() {
    [ "$2" -ge "$3" ] && [ "$2" -le "$4" ] || {
        echo "$1: $2, not $3 to $4"
        return 1
    }
}

# What it says of itself, and a limit raised and lifted. A batch of 4 MiB at a
# time is what the figures are good for.
ctl_set() {
    local rate

    must_ctl "$1" status && grep -q "^$1: copying memory" "$WORK/ctl" &&
        grep -q 'limit 2.9 MiB/s' "$WORK/ctl" || {
        cat "$WORK/ctl"
        return 1
    }
    rate=$(wire_rate "$1" 6) &&
        within 'rate with a limit of 3 MB/s' "$rate" 1500000 5000000 &&
        must_ctl "$1" set bandwidth=12M downtime=5000 &&
        grep -q 'goal for the pause: 5000 ms' "$WORK/ctl" &&
        rate=$(wire_rate "$1" 3) &&
        within 'rate with a limit of 12 MB/s' "$rate" 7000000 16000000 &&
        must_ctl "$1" set bandwidth=none downtime=none
}

# What was not allowed to end ends, although it writes faster than the wire.
ctl_switch() {
    must_ctl "$1" switch && grep -q 'switching over' "$WORK/ctl"
}

ctl_cancel() {
    must_ctl -N "$1" cancel && must_ctl "$1" cancel &&
        grep -q 'it goes on here' "$WORK/ctl"
}

# Worker and supervisor at once: nobody cleans up, and the socket stays.
ctl_stale() {
    local pids code=0

    pids=$(on a pgrep -f '^[^ ]*xl-lmigrate ' | tr '\n' ' ') &&
        on a sh -c "kill -KILL $pids" || return 1
    wait "$MOVE" || true
    on a sh -c 'ls /run/xen/xlm-ctl/*.sock' >/dev/null || {
        echo 'nothing was left: this tests nothing'
        return 1
    }
    ctl "$1" status || code=$?
    [ $code -eq 2 ] && grep -q 'no migration' "$WORK/ctl" || {
        echo "afterwards: exit $code: $(cat "$WORK/ctl")"
        return 1
    }
}

# control WHAT NAME
control() {
    case $1 in
    set) ctl_set "$2" ;;
    switch) ctl_switch "$2" ;;
    cancel) ctl_cancel "$2" ;;
    stale) ctl_stale "$2" ;;
    esac
}
