# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash disable=SC2154,SC2034
# How a run ends: exit codes, messages, reports, signals, deaths.

# ends MODE CODE PART...
ends()
{
    local want=$2 part
    FAKE_XLM=$1 run xl lmigrate -s ./fakessh guest1 hostb
    shift 2
    expect_code "$want"
    for part; do
        expect_err "$part"
    done
}

test_outcome_moved_reports_figures()
{
    ends hello 0 "guest1: moved to hostb in " ", live: 2 rounds, 96.0 MiB on" \
        "33768 pages, 5000 of them zero, compressed 3.1 : 1" \
        "pause: 0.352 s +- 0.001 s, predicted 0.350 s (suspend 0.100 s, last \
round 0.082 s, context 0.150 s, start 0.020 s)" \
        "longest gap by the guest's own clock: 0.361 s"
}

test_outcome_built_in_the_pause_is_told()
{
    rm -f "$work/xlm-pause-hostb-guest1"
    FAKE_XLM=hello run xl lmigrate -s ./fakessh --no-prebuild guest1 hostb
    expect_code 0
    expect_err "last round 0.082 s, rebuild 0.150 s, start"
    # The next move of the usual kind shall not expect that.
    [ ! -e "$work/xlm-pause-hostb-guest1" ] || complain "pause remembered"
    FAKE_XLM=hello run xl lmigrate -s ./fakessh guest1 hostb
    expect_file "$work/xlm-pause-hostb-guest1" 2
}

test_outcome_of_a_comparison_is_told()
{
    rm -f "$work/xlm-pause-hostb-guest1"
    FAKE_XLM=hello run xl lmigrate -s ./fakessh --verify --json - guest1 hostb
    expect_code 0
    expect_err "verified: 32776 pages are the same, 8 that others write to \
were left out, 0.210 s of the pause"
    expect_out '"verified_pages": 32776'
    expect_out '"verify_us": 210000'
    # The next move shall not expect a pause as long as this.
    [ ! -e "$work/xlm-pause-hostb-guest1" ] || complain "pause remembered"
    FAKE_XLM=hello run xl lmigrate -s ./fakessh guest1 hostb
    expect_file "$work/xlm-pause-hostb-guest1" 2
    ! grep -q 'verified:' "$work/err" || complain "compared without --verify"
}

test_outcome_tells_by_which_way_it_was_copied()
{
    FAKE_XLM=hello run xl lmigrate -s ./fakessh --dirty=scan --json - guest1 \
        hostb
    expect_code 0
    expect_err ", live, by content scan: 2 rounds"
    expect_out '"dirty": "scan"'
    FAKE_XLM=hello run xl lmigrate -s ./fakessh --dirty=none --json - guest1 \
        hostb
    expect_code 0
    expect_err ", suspended while copied: 2 rounds"
    expect_out '"dirty": "none"'
}

test_outcome_not_a_terminal_one_line_a_round()
{
    ends hello 0 "guest1: talking to hostb" \
        "guest1: round 1: 32768 pages (128.0 MiB) to send" \
        "guest1: round 2: 1000 pages (3.9 MiB) to send; so far 100.0 MiB/s" \
        "guest1: suspending it, expected pause 0.350 s"
    [ "$(grep -c "round 2:" "$work/err")" = 1 ] || complain "round 2 told twice"
    expect_no_err $'\r'
}

test_outcome_live_line_with_t()
{
    run xl -t lmigrate -s ./fakessh guest1 hostb
    expect_code 0
    expect_err $'\r\033[Kguest1: round 1   0% 32768 pages left'
    expect_err "dirty 1200/s pause ~0.350 s ETA "
}

# Drawn over on a terminal, and never wider than it.
test_outcome_live_line_is_cut_to_the_terminal()
{
    local n
    FAKE_XLM=no-channel run script -qec \
        "stty cols 40; xl lmigrate -s '' guest1 true" /dev/null
    expect_code 0
    expect_out $'\r\033[Kguest1: round 2'
    n=$(tr '\r' '\n' <"$work/out" | sed -n 's/^\x1b\[K\(guest1: round\)/\1/p' |
        awk '{ if (length > n) n = length } END { print n + 0 }')
    [ "$n" = 39 ] || complain "the longest live line has $n columns, not 39"
}

test_outcome_blocked_prints_findings_and_2()
{
    ends blocked 2 "warning: kernel /k is not at hostb -> copy it" \
        "blocker: no bridge xenbr1 at hostb -> create it" \
        "guest1 runs on at $(hostname); nothing was started at hostb"
    expect_no_err "note: "
}

test_outcome_dry_run_prints_all_and_a_verdict()
{
    FAKE_XLM=blocked run xl lmigrate -s ./fakessh --dry-run guest1 hostb
    expect_code 2
    expect_err "note: suspend support unknown"
    expect_err "guest1 cannot be moved to hostb: 1 blocker"
    run xl lmigrate -s ./fakessh --dry-run guest1 hostb
    expect_code 0
    expect_err "guest1 can be moved to hostb"
    expect_no_err "moved to hostb in"
}

test_outcome_each_code()
{
    ends busy 2 "is being moved by process 4711"
    ends silent 3 "did not answer within 60 s" "guest1 runs on at" \
        "nothing is left at hostb"
    ends peer 3
    ends cleanup 6 "guest1: the copy here could not be destroyed (destroy of \
domain 7 failed)" "guest1 runs at hostb, and its copy (id 7) at"
    ends ended 7 "guest rebooted"
}

# The command is the last thing in the line, and works as it stands.
test_outcome_undecided_names_the_command_that_finishes()
{
    local command
    ends undecided 5 "guest1: contact with hostb was lost after it got the \
permission to start (control channel closed)" "guest1 (id 7) stays suspended at" \
        "never resume it by hand"
    command=$(sed -n 's/.*undoes the move: //p' "$work/err")
    [ "$command" = "xl lmigrate-recover -s ./fakessh guest1 hostb" ] ||
        complain "command: $command"
    FAKE_FAR=runs run sh -c "$command"
    expect_code 0
    expect_err "the copy here is destroyed"
}

test_outcome_unheard_of_claims_no_move()
{
    ends unheard 6 "contact with hostb was lost after it took the domain over \
(no RUNNING from hostb within the limit)" "this finds out what became of guest1" \
        "xl lmigrate-recover -s ./fakessh guest1 hostb"
    expect_no_err "moved to hostb"
    expect_no_err "runs at hostb"
}

test_outcome_failure_is_one_line()
{
    ends peer 3
    [ "$(grep -c "xl lmigrate: " "$work/err")" = 1 ] || complain "lines: $err"
}

test_outcome_json_on_success_and_failure()
{
    local json
    run xl lmigrate -s ./fakessh --json - guest1 hostb
    expect_code 0
    json="import json,sys; d=json.load(open('$work/out'));"
    run_python "$json assert d['result']=='moved' and d['exit_code']==0
assert d['error'] is None and d['stats']['blackout_us']==352000
assert d['owner']=='destination' and d['domain']=='guest1' and d['domid']==7"
    FAKE_XLM=blocked run xl lmigrate -s ./fakessh --json out guest1 hostb
    run_python "$json assert d['result']=='refused' and d['exit_code']==2
assert d['error']['name']=='INCOMPATIBLE' and d['owner']=='source'
assert [f['severity'] for f in d['findings']]==['note','warning','blocker']
assert d['findings'][2]['code']=='bridge-missing'"
    FAKE_XLM=crash run xl lmigrate -s ./fakessh --json out guest1 hostb
    run_python "$json assert d['error']['name']=='WORKER_KILLED'
assert d['exit_code']==3"
}

# Without python3 the JSON is not judged, and that is no pass.
run_python()
{
    python3 -c "$1" >"$work/py" 2>&1 || complain "JSON: $(tail -1 "$work/py")"
}

test_outcome_log_file_is_written_and_private()
{
    ends peer 3
    expect_file "$work/log/xlm-guest1.log" "fake: guest1 did not answer"
    expect_file "$work/log/xlm-guest1.log" "] error "
    case $(stat -c %a "$work/log/xlm-guest1.log") in
    600 | 640) ;;
    *) complain "mode $(stat -c %a "$work/log/xlm-guest1.log")" ;;
    esac
}

test_outcome_missing_log_directory_is_said_with_v_only()
{
    XLM_LOG_DIR=$work/none ends peer 3
    expect_no_err "log"
    FAKE_XLM=peer XLM_LOG_DIR=$work/none run xl -v lmigrate -s ./fakessh \
        guest1 hostb
    expect_code 3
    expect_err "no log file $work/none/xlm-guest1.log: No such file"
}

# start MODE: in the background, until it is under way; $pid is the supervisor.
start()
{
    # What the test before left must not look like the answer of this one.
    : >"$work/err"
    FAKE_XLM=$1 FAKE_XLM_MONITOR=$work/monitor setsid \
        "$work/exec/xl-lmigrate" -s ./fakessh guest1 hostb \
        </dev/null >"$work/out" 2>"$work/err" &
    pid=$!
    wait_until grep -q suspending "$work/err"
}

finish()
{
    code=0
    wait "$pid" || code=$?
    err=$(cat "$work/err")
}

# libtool's wrapper execs, so the supervisor is $pid itself.
worker_of()
{
    tr ' ' '\n' <"/proc/$1/task/$1/children" | head -1
}

test_signal_term_cancels()
{
    start wait
    kill -TERM "$pid"
    finish
    expect_code 4
    expect_err "cancelling: the domain goes on here"
    expect_err "guest1 runs on at $(hostname); nothing is left at hostb"
}

test_signal_hangup_cancels()
{
    start wait
    kill -HUP "$pid"
    finish
    expect_code 4
}

# As a terminal does it: the whole process group.
test_signal_interrupt_of_the_group_cancels_once()
{
    start wait
    kill -INT -- "-$pid"
    finish
    expect_code 4
    expect_no_err "already cancelling"
}

test_signal_second_says_already_cancelling()
{
    start wait-slowly
    kill -INT "$pid"
    wait_until grep -q "cancelling: the domain" "$work/err"
    kill -INT "$pid"
    finish
    expect_code 4
    expect_err "already cancelling: please wait"
}

test_death_of_worker_resumes_and_starts_monitor()
{
    start wait
    kill -KILL "$(worker_of "$pid")"
    finish
    expect_code 3
    expect_err "guest1: the worker was killed by signal 9 (Killed): it was \
suspended and has been resumed here; guest1 runs on at"
    expect_err "out of contact, removes its unfinished copy by itself"
    wait_until grep -q domid=7 "$work/monitor"
    wait_until grep -q "domain is gone" "$work/log/xlm-monitor-guest1.log"
}

test_death_before_suspend_needs_no_monitor()
{
    FAKE_XLM_MONITOR=$work/monitor ends crash-early 3 "killed by signal 9"
    expect_no_err "lmigrate-monitor"
}

test_death_after_permission_is_undecided()
{
    ends crash-permitted 5 "killed by signal 9" "never resume it by hand" \
        "xl lmigrate-recover -s ./fakessh guest1 hostb"
}

test_death_after_the_end_keeps_the_result()
{
    ends dies-at-end 0 "guest1: moved to hostb, but the worker was killed by \
signal 9 (Killed) before it could report"
}

test_death_that_could_not_be_undone_is_undecided()
{
    ends crash-hopeless 5 "stays suspended"
}

test_death_of_supervisor_cancels_the_worker()
{
    local worker
    start wait
    worker=$(worker_of "$pid")
    kill -KILL "$pid"
    finish
    wait_until test ! -d "/proc/$worker"
    err=$(cat "$work/err")
    expect_err "cancelling: the domain goes on here"
}

test_monitor_is_started_when_the_library_asks()
{
    FAKE_XLM_MONITOR=$work/monitor ends silent 3 \
        "xl lmigrate-monitor now handles its reboot and shutdown"
    wait_until grep -q domid=7 "$work/monitor"
}

test_monitor_that_cannot_start_is_warned_about()
{
    mv "$work/exec/xl-lmigrate-monitor" "$work/away"
    ends silent 3 "warning: nobody handles a reboot or shutdown of guest1"
    mv "$work/away" "$work/exec/xl-lmigrate-monitor"
}

test_monitor_leaves_a_watched_domain_alone()
{
    sleep 30 >"$work/log/xl-guest1.log" 2>&1 &
    wait_until test "/proc/$!/fd/2" -ef "$work/log/xl-guest1.log"
    FAKE_XLM_MONITOR=$work/monitor run xl lmigrate-monitor guest1
    kill "$!"
    wait "$!" 2>/dev/null || true
    expect_code 4
    expect_err "guest1 has a daemon already"
    [ ! -e "$work/monitor" ] || complain "it watches all the same"
}

test_monitor_bad_use()
{
    run xl lmigrate-monitor
    expect_code 1
    run xl lmigrate-monitor nosuch
    expect_code 1
    expect_err "no domain 'nosuch'"
}
