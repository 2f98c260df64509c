# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash disable=SC2154
# xl lmigrate-ctl at the source while a move is in pre-copy.

# ctl NAME WORD...: must do; what it says is in $work/told. The move in the
# background writes to $work/out.
ctl() {
    on a "xl lmigrate-ctl $*" >"$work/told" </dev/null ||
        fail "xl lmigrate-ctl $*: exit $?"
}

# no_migration NAME: it says so, and no socket is left.
no_migration() {
    local rc=0

    on a "xl lmigrate-ctl $1 status" >/dev/null </dev/null || rc=$?
    [ $rc -eq 2 ] || fail "status without a migration: exit $rc, not 2"
    on a "! ls /run/xen/xlm-ctl" >/dev/null </dev/null ||
        fail "a control socket is left"
}

# status_of NAME KEY: a number of its JSON.
status_of() {
    on a "xl lmigrate-ctl --json $1 status" </dev/null |
        sed -n "s/.*\"$2\":\([0-9]*\)[,}].*/\1/p"
}

# wire_rate NAME: bytes per second over eight seconds, as it counts itself.
wire_rate() {
    local bytes us

    bytes=$(status_of "$1" wire_bytes)
    us=$(status_of "$1" elapsed_us)
    sleep 8
    bytes=$(($(status_of "$1" wire_bytes) - bytes))
    us=$(($(status_of "$1" elapsed_us) - us))
    echo $((bytes * 1000 / (us / 1000)))
}

case_pvh_control() {
    local slow fast modes rc=0

    guest a pvh14 --type pvh --disk none --mem 160 --work 48 --no-net
    begin_slowly pvh14 --compress none
    ctl pvh14 status
    sed 's/^/     /' "$work/told"
    grep -q 'copying memory, while it runs, to hostb' "$work/told" ||
        fail "status"
    modes=$(on a "stat -c '%a %u' /run/xen/xlm-ctl /run/xen/xlm-ctl/*.sock" \
        </dev/null | tr '\n\r' '  ') || fail "stat"
    [[ $modes == *"700 0"*"600 0"* ]] || fail "modes: $modes"
    ctl pvh14 cancel
    ends_with 4 "xl lmigrate-ctl cancel"
    stays a pvh14
    no_migration pvh14

    begin_slowly pvh14 --compress none --downtime 1
    slow=$(wire_rate pvh14)
    ctl pvh14 set bandwidth=300k downtime=none
    fast=$slow slow=$(wire_rate pvh14)
    echo "     limit 3M: $fast bytes/s; 300k: $slow bytes/s"
    [ "$((2 * slow))" -lt "$fast" ] || fail "the limit has no effect"
    on a "xl lmigrate-ctl pvh14 set downtime=0" >/dev/null </dev/null || rc=$?
    [ $rc -eq 1 ] || fail "downtime=0: exit $rc, not 1"
    ctl pvh14 set bandwidth=none
    ends_with 0 "limit lifted"
    well b pvh14
    gone a pvh14
    must_move b pvh14

    # It would be given up: a pause of 1 ms is out of reach at 3 MB/s.
    begin_slowly pvh14 --downtime 1 --exempt-last-round
    ctl pvh14 switch
    ends_with 0 "xl lmigrate-ctl switch"
    well b pvh14
    gone a pvh14
    on a "! ls /run/xen/xlm-ctl" >/dev/null || fail "a control socket is left"
    destroy b pvh14
}

# Worker and supervisor killed at once leave their socket, and no log-dirty
# mode when the pages are scanned.
case_pvh_control_stale() {
    local rc=0

    guest a pvh15 --type pvh --disk none --mem 128 --work 8 --no-net
    begin_slowly pvh15 --dirty scan
    on a "kill -KILL \$(pgrep -f '[x]l-lmigrate ')" >/dev/null </dev/null ||
        fail "kill"
    wait $! || true
    on a "ls /run/xen/xlm-ctl/*.sock" >/dev/null </dev/null ||
        fail "no socket was left: this tests nothing"
    on a "xl lmigrate-ctl pvh15 status" >/dev/null </dev/null || rc=$?
    [ $rc -eq 2 ] || fail "stale socket: exit $rc, not 2"
    stays a pvh15
    must_move a pvh15
    on a "! ls /run/xen/xlm-ctl" >/dev/null || fail "the socket is still there"
    destroy b pvh15
}
