# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash disable=SC2154
# The wire between the hosts is cut while memory is copied, for longer than a
# data channel waits (10 s), and shorter than the login (20 s, dom0/plainsh.c); or
# what carries a channel dies.

# away SECONDS: nothing gets from b to a.
away() {
    on b "tc qdisc add dev eth1 root netem loss 100% && sleep $1 &&
        tc qdisc del dev eth1 root" >/dev/null </dev/null ||
        fail "the wire is not cut"
}

# came_back NAME TIMES: so many of the channels, and the guest is well.
came_back() {
    ends_with 0 "move with a cut wire"
    on a "grep -c 'is back after .* pages sent again' \
        '/var/log/xen/xlm-$1.log'" >"$work/told" </dev/null
    [ "$(tr -d '\r' <"$work/told")" -ge "$2" ] ||
        fail "$(cat "$work/told") channels came back, not $2"
    on a "grep 'is back after' '/var/log/xen/xlm-$1.log'" </dev/null |
        cut -c1-120 | sed 's/^/     /'
    well b "$1"
    gone a "$1"
}

case_pvh_returns() {
    local times

    guest a pvh17 --type pvh --disk none --mem 160 --work 48 --no-net
    begin_slowly pvh17 --compress none --channels 2 --reconnect 60
    for times in 1 2; do
        away 14
        is_back pvh17 'data channel .*' $((2 * times))
    done
    came_back pvh17 $((2 * times))
    must_move b pvh17

    # For good: it runs on where it was.
    begin_slowly pvh17 --compress none --reconnect 5
    on b "tc qdisc add dev eth1 root netem loss 100%" >/dev/null </dev/null ||
        fail "the wire is not cut"
    ends_with 3 "move over a cut wire"
    on b "tc qdisc del dev eth1 root" >/dev/null </dev/null
    on a "grep -q 'not back within 5 s' '/var/log/xen/xlm-pvh17.log'" \
        </dev/null || fail "the log does not say so"
    stays a pvh17
    destroy a pvh17
}

# is_back NAME WHAT TIMES: so often by now.
is_back() {
    on a "for i in \$(seq 600); do
        [ \$(grep -c '$2 is back after' '/var/log/xen/xlm-$1.log') -ge $3 ] &&
            exit 0
        sleep 0.1; done; exit 1" >/dev/null </dev/null ||
        fail "$2 does not come back for time $3"
}

control_back() {
    is_back "$1" 'control channel' "$2"
}

case_pvh_control_returns() {
    local times

    guest a pvh18 --type pvh --disk none --mem 160 --work 48 --no-net
    begin_slowly pvh18 --compress none --reconnect 60
    for times in 1 2 3; do
        on a 'pkill -KILL -o -f "^plainsh hostb"' >/dev/null </dev/null ||
            fail "nothing carries control"
        control_back pvh18 $times
    done
    # Longer than the silence after which it is given up.
    away 40
    control_back pvh18 4
    ends_with 0 "move with a control channel that breaks"
    on a "grep 'control channel is back after' /var/log/xen/xlm-pvh18.log" \
        </dev/null | cut -c1-120 | sed 's/^/     /'
    well b pvh18
    gone a pvh18
    must_move b pvh18

    # Not within the time: it runs on where it was.
    begin_slowly pvh18 --compress none --reconnect 5
    on a 'mv /usr/local/bin/plainsh /usr/local/bin/plainsh.away
        pkill -KILL -o -f "^plainsh hostb"' >/dev/null </dev/null ||
        fail "nothing carries control"
    ends_with 3 "move that does not get its control channel back"
    on a 'mv /usr/local/bin/plainsh.away /usr/local/bin/plainsh' >/dev/null \
        </dev/null
    on a "grep -q 'control channel lost: .*not back within 5 s' \
        /var/log/xen/xlm-pvh18.log" </dev/null || fail "the log does not say so"
    stays a pvh18
    destroy a pvh18
}

case_pvh_data_returns() {
    local times

    # The second of them by age is of the oldest data channel.
    guest a pvh41 --type pvh --disk none --mem 160 --work 48 --no-net
    way='--data ssh' begin_slowly pvh41 --compress none --channels 2 \
        --reconnect 60
    for times in 1 2 3; do
        on a "kill -KILL \$(pgrep -f '^plainsh hostb' | sed -n 2p)" >/dev/null \
            </dev/null || fail "nothing carries memory"
        is_back pvh41 'data channel .*' $times
    done
    came_back pvh41 3
    must_move b pvh41

    # What carries them is silent, and does not notice.
    way='--data ssh' begin_slowly pvh41 --compress none --channels 2 \
        --reconnect 60 "-s 'env PLAINSH_PATIENT=120 plainsh'"
    away 40
    control_back pvh41 1
    came_back pvh41 2
    destroy b pvh41
}
