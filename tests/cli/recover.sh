# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash disable=SC2154,SC2034
# xl lmigrate-recover: asking, deciding, telling.

# recovers FAR CODE PART...: what HOST answers, and how that ends.
recovers()
{
    local want=$2 part
    FAKE_FAR=$1 FAKE_XLM_DUMP=$work/dump FAKESSH_LOG=$work/ssh.log \
        FAKE_XLM_MONITOR=$work/monitor \
        run xl lmigrate-recover -s ./fakessh guest1 hostb
    shift 2
    expect_code "$want"
    for part; do
        expect_err "$part"
    done
}

test_recover_never_ran_there_is_resumed_and_watched()
{
    recovers never 0 "guest1: hostb says: the reason; it was resumed, and runs \
on here (id 7)"
    wait_until grep -q domid=7 "$work/monitor"
}

test_recover_runs_there_destroys_the_copy()
{
    recovers runs 0 "the copy here is destroyed (id 7)"
    expect_no_err "lmigrate-monitor"
}

test_recover_ran_there_says_how_to_start_it_afresh()
{
    recovers ran 7 "older than its disk, is destroyed" "'xl create'"
}

test_recover_in_between_changes_nothing()
{
    recovers busy 5 "it stays suspended here, nothing was changed (id 7)"
    expect_no_err "peer-is-dead"
}

test_recover_asks_the_question_once_and_nothing_else()
{
    recovers never 0
    [ "$(cat "$work/ssh.log")" = "hostb xl lmigrate-receive \
--query=01010101-0101-0101-0101-010101010101/\
02020202-0202-0202-0202-020202020202" ] ||
        complain "ssh got: $(cat "$work/ssh.log")"
}

# unreachable HOST PART: nobody answered, and nothing was changed.
unreachable()
{
    FAKE_XLM_DUMP=$work/dump run xl lmigrate-recover -s ./fakessh guest1 "$1"
    expect_code 5
    expect_err "guest1: $1 could not be asked ("
    expect_err "nothing was changed"
    expect_err "switched off or fenced, add --i-am-sure-peer-is-dead"
    expect_err "$2"
    expect_file "$work/dump" "flags=0x0 answer=none"
}

test_recover_unreachable_peer_changes_nothing()
{
    unreachable down "itself failed (it ended with 255)"
    unreachable missing "has no 'xl lmigrate-receive'"
    unreachable stockxl "has no 'xl lmigrate-receive'"
    unreachable killed "killed by signal 9"
    unreachable broken "ended with 9"
}

test_recover_garbage_is_no_answer()
{
    run xl lmigrate-recover -s ./fakessh guest1 garbage
    expect_code 5
    expect_err "it said something else than an answer"
}

test_recover_answer_behind_a_logins_greeting()
{
    cat >"$work/chatty" <<'EOF'
#!/bin/sh
echo "Welcome to $1, the answer is 42"
shift
FAKE_XLM=never exec sh -c "$*"
EOF
    chmod +x "$work/chatty"
    FAKE_XLM_MONITOR=$work/monitor run xl lmigrate-recover -s ./chatty \
        guest1 hostb
    expect_code 0
}

test_recover_peer_dead_asks_nobody()
{
    FAKESSH_LOG=$work/ssh.log FAKE_XLM_DUMP=$work/dump \
        FAKE_XLM_MONITOR=$work/monitor run xl lmigrate-recover \
        -s ./fakessh --i-am-sure-peer-is-dead guest1 hostb
    expect_code 0
    expect_err "resumed, and runs on here"
    expect_no_err "hostb says"
    expect_file "$work/dump" "flags=0x80 answer=none"
    [ ! -e "$work/ssh.log" ] || complain "asked: $(cat "$work/ssh.log")"
}

# No part of it is enough: getopt would take an abbreviation.
test_recover_peer_dead_is_not_abbreviated()
{
    run xl lmigrate-recover --i-am-sure guest1 hostb
    expect_code 1
}

test_recover_known_outcome_asks_nobody()
{
    FAKESSH_LOG=$work/ssh.log FAKE_XLM=recover-known \
        FAKE_XLM_MONITOR=$work/monitor \
        run xl lmigrate-recover -s ./fakessh guest1 hostb
    expect_code 0
    [ ! -e "$work/ssh.log" ] || complain "asked: $(cat "$work/ssh.log")"
}

test_recover_dry_run_only_says()
{
    FAKE_FAR=never FAKE_XLM_DUMP=$work/dump FAKE_XLM_MONITOR=$work/monitor \
        run xl lmigrate-recover -s ./fakessh --dry-run guest1 hostb
    expect_code 0
    expect_err "it would be resumed here"
    expect_file "$work/dump" "flags=0x1 "
    [ ! -e "$work/monitor" ] || complain "a monitor was started"
    FAKE_FAR=runs run xl -N lmigrate-recover -s ./fakessh guest1 hostb
    expect_err "the copy here would be destroyed"
}

test_recover_what_is_not_suspended_is_refused()
{
    FAKE_XLM=recover-runs run xl lmigrate-recover -s ./fakessh guest1 hostb
    expect_code 2
    expect_err "xl lmigrate-recover: guest1 (domain 7) is not suspended"
    expect_err_lines 1
    FAKE_XLM=recover-busy run xl lmigrate-recover -s ./fakessh guest1 hostb
    expect_code 2
}

test_recover_failure_says_run_it_again()
{
    FAKE_XLM=recover-fails FAKE_FAR=runs run xl lmigrate-recover \
        -s ./fakessh guest1 hostb
    expect_code 3
    expect_err "guest1: destroy domain 7: no; run this again"
}

test_recover_is_written_to_the_log()
{
    recovers runs 0
    expect_file "$work/log/xlm-guest1.log" "hostb says: the reason"
    expect_file "$work/log/xlm-receive.log" "xlm-answer 1 runs"
}

test_recover_empty_sshcommand_passes_the_question_on()
{
    cat >"$work/direct-query" <<'EOF'
#!/bin/sh
FAKE_XLM=runs exec xl lmigrate-receive "$@"
EOF
    chmod +x "$work/direct-query"
    run xl lmigrate-recover -s '' guest1 ./direct-query
    expect_code 0
    expect_err "the copy here is destroyed"
}

test_recover_bad_use_exits_1()
{
    run xl lmigrate-recover
    expect_code 1
    expect_err "<Domain> and maybe <host> are wanted, not 0 arguments"
    run xl lmigrate-recover --nonsense guest1 hostb
    expect_code 1
    run xl lmigrate-recover nosuch hostb
    expect_code 1
    expect_err "no domain 'nosuch'"
    run xl lmigrate-recover guest1 -oProxyCommand=x
    expect_code 1
    FAKE_XLM=no-xen run xl lmigrate-recover guest1 hostb
    expect_code 3
}

test_recover_help_lists_its_options()
{
    run xl lmigrate-recover --help
    expect_code 0
    expect_out "Usage: xl [-vfNtT] lmigrate-recover [options]"
    expect_out "--i-am-sure-peer-is-dead"
    run xl help
    expect_out "
 lmigrate-recover    Finish or undo"
}

test_receiver_query_answers_in_one_line()
{
    FAKE_XLM=never run xl lmigrate-receive --query \
        01010101-0101-0101-0101-010101010101/02020202-0202-0202-0202-020202020202
    expect_code 0
    [ "$out" = "xlm-answer 1 never 02 told" ] || complain "said: $out"
    run xl lmigrate-receive --query nonsense
    expect_code 3
    expect_err "'nonsense' is not a question"
}
