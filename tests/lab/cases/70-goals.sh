# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash disable=SC2154
# A guest that writes too fast for the goal of its pause, by what was chosen for
# that.

# Its writer's memory does not fit through in a round, at whatever speed.
too_fast() {
    guest a "$1" --type pvh --vcpus 2 --disk none --mem 128 --work 16 \
        --writer 3000
    on a "xl sched-credit2 -d '$1' -c 160" >/dev/null || fail "cap of $1"
}

# has_cap HOST NAME
has_cap() {
    on "$1" "xl sched-credit2 -d '$2'" >/dev/null || fail "xl sched-credit2"
    [ "$(awk 'NR == 2 { print $NF }' "$work/out")" = 160 ] ||
        fail "$2 has another cap on $1"
}

# hurry FROM NAME [options]
hurry() {
    move "$@" --downtime 300 --compress none --bandwidth "${rate:-1M}"
}

case_pvh_goal_abort() {
    local rc

    too_fast pvh23
    hurry a pvh23 && rc=0 || rc=$?
    [ "$rc" -eq 3 ] || fail "exit $rc, not 3"
    grep -q 'expected pause .* goal 300 ms' "$work/out" || fail "does not say why"
    stays a pvh23
    has_cap a pvh23
    hurry a pvh23 --on-slow switch || fail "did not switch over: exit $?"
    well b pvh23
    gone a pvh23
    has_cap b pvh23
    destroy b pvh23
}

case_pvh_goal_throttle() {
    too_fast pvh21
    # Where the guest's suspend alone takes longer, no throttling helps: then
    # it is switched over at the smallest cap.
    hurry a pvh21 --on-slow throttle,switch ||
        fail "did not move: exit $?"
    sed -n 's/.*as chosen (throttle).*/     &/p' "$work/out"
    grep -q 'step 1), as chosen (throttle)' "$work/out" || fail "no step"
    well b pvh21
    gone a pvh21
    has_cap b pvh21
    destroy b pvh21
}

# says NAME WORDS: its log on a does, within 4 minutes.
says() {
    on a "for i in \$(seq 1200); do
            grep -q '$2' '/var/log/xen/xlm-$1.log' 2>/dev/null && exit 0
            sleep 0.2; done; exit 1" >/dev/null </dev/null
}

# kill -9 to the worker after the first step: its guardian gives the cap back.
case_pvh_goal_killed() {
    too_fast pvh22
    on a "rm -f /var/log/xen/xlm-pvh22.log" >/dev/null
    # On a busy machine it writes less than it wants to: not much may travel.
    (rate=512K hurry a pvh22 --on-slow throttle --timeout 700 </dev/null ||
        exit $?) &
    says pvh22 'round 1: ' || says pvh22 'round 1: ' ||
        fail "pvh22 was not copied"
    says pvh22 'as chosen (throttle)' ||
        fail "pvh22 was not slowed down"
    on a 'pkill -KILL -n -f "[x]l-lmigrate "' >/dev/null </dev/null ||
        fail "no worker"
    ends_with 3 "killed worker"
    stays a pvh22 </dev/null
    has_cap a pvh22
    destroy a pvh22
}
