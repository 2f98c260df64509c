# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash disable=SC2154
# Each process of a migration killed in each of its phases: the guest runs in
# one place, or is suspended and the message says so; never in two.

# The line of the log at which a phase is held, and at which host.
phase_line() {
    case $1 in
    negotiation) echo 'b destination: session' ;;
    precopy) echo 'a round 2:' ;;
    suspended) echo 'a suspended after' ;;
    ready) echo 'a and is ready' ;;
    permitted) echo 'b permission to run' ;;
    esac
}

# held_move PHASE NAME: as a person would call it, held there; waits.
held_move() {
    local host line hold

    read -r host line <<<"$(phase_line "$1")"
    hold="LD_PRELOAD=/usr/local/lib/lab/hold.so XLM_HOLD='$line' exec xl"
    if [ "$host" = a ]; then
        on a "$hold lmigrate --plain ${held-} -s plainsh --timeout 240 $2 hostb"
        return
    fi
    # A command in quotes of its own, and none of ours around it.
    on b "echo \"$hold lmigrate-receive --name=$2\" >/tmp/held-receive"
    on a "xl lmigrate --plain ${held-} -s '' --timeout 240 $2 \
        'exec plainsh hostb sh /tmp/held-receive'"
}

# await_hold HOST: bounded
await_hold() {
    on "$1" "for i in \$(seq 300); do [ -e /run/lab-held ] && exit 0
        sleep 0.1; done; exit 1" >/dev/null || fail "no hold on $1"
}

# The receiver is the one that logged. The oldest xl: once the domain is built,
# a younger one waits for its end and has no part in the migration.
kill_victim() {
    local name=$2

    case $1 in
    worker) on a 'pkill -KILL -n -f "[x]l-lmigrate "' ;;
    receiver)
        on b "kill -KILL \$(sed -n 's/.*\[\([0-9]*\)\] info  session: state.*/\1/p' \
            /var/log/xen/xlm-$name.log | tail -n 1)"
        ;;
    xl) on b 'pkill -KILL -o -f "[x]l migrate-receive"' ;;
    transport) on a 'pkill -KILL -o -f "^plainsh hostb"' ;;
    esac >/dev/null </dev/null || fail "no $1 to kill"
}

# What is left where, and that the message said so.
killed_place() {
    case $1 in
    a) stays a "$2" ;;
    b) # the copy at a stays suspended
        well b "$2"
        on a "xl list | grep -q '$2--migratedaway *[0-9].*s'" ||
            fail "no suspended copy of $2 at a"
        ;;
    none)
        on a "xl list | grep -q '$2--migratedaway *[0-9].*s'" >/dev/null ||
            fail "no suspended copy of $2 at a"
        # What was built beforehand is held back by two pauses.
        on b "! xl list | grep '$2' | grep -v -e ' --p--- '" >/dev/null ||
            fail "something of $2 may run at b"
        ;;
    esac
}

# killed PHASE VICTIM EXIT PLACE NAME
killed() {
    local host line rc

    read -r host line <<<"$(phase_line "$1")"
    # Otherwise what carries control is made again: 45-returns.sh
    [ "$2" != transport ] || local held='--reconnect 0'
    (held_move "$1" "$5" >"$work/killed" </dev/null || exit $?) &
    await_hold "$host" </dev/null
    kill_victim "$2" "$5"
    on "$host" "rm /run/lab-held" >/dev/null </dev/null
    wait $! && rc=0 || rc=$?
    cp "$work/killed" "$work/out"
    [ "$rc" -eq "$3" ] || fail "$2 killed, $1: exit $rc, not $3"
    killed_place "$4" "$5" </dev/null
    echo "     $1 $2: exit $rc, $4: $(tail -n 1 "$work/killed" | cut -c1-160)"
}

# What the message of exit code 5 says to do: it ends the old copy if the guest
# runs at b, or resumes it if it does not.
recover() {
    on a "xl lmigrate-recover -s plainsh '$1' hostb" >/dev/null </dev/null ||
        fail "xl lmigrate-recover: exit $?"
    echo "     recover: $(tail -n 1 "$work/out" | cut -c1-160)"
}

bring_back() {
    recover "$1"
    gone a "$1" </dev/null
    move b "$1" </dev/null || fail "$1 does not come back: exit $?"
    stays a "$1" </dev/null
}

case_pvh_killed() {
    local phase victim exit place often

    guest a pvh3 --type pvh --disk phy --mem 128 --work 8 --no-net
    while read -r phase victim exit place often; do
        [ "$sample" = no ] || [ "$often" = sample ] || continue
        killed "$phase" "$victim" "$exit" "$place" pvh3
        [ "$place" != b ] || bring_back pvh3
    done <<'END'
negotiation worker 3 a
negotiation receiver 3 a
negotiation transport 3 a
precopy worker 3 a
precopy receiver 3 a sample
precopy xl 3 a
precopy transport 3 a
suspended worker 3 a sample
suspended receiver 3 a
suspended xl 3 a sample
suspended transport 3 a
ready worker 3 a sample
ready receiver 3 a
ready xl 3 a
ready transport 3 a sample
permitted worker 5 b sample
permitted xl 3 a sample
permitted transport 5 b
END
    killed permitted receiver 5 none pvh3
    recover pvh3
    stays a pvh3
    blocks_fine pvh3
    destroy a pvh3
}
