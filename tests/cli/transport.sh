# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash disable=SC2154,SC2034
# The command that carries the channels, and what its end tells.

# far HOST CODE PART...: how a move to HOST of fakessh ends.
far()
{
    local host=$1 want=$2 part
    shift 2
    run xl lmigrate -s ./fakessh guest1 "$host"
    expect_code "$want"
    expect_err "xl lmigrate: guest1: "
    expect_err "guest1 runs on at $(hostname); nothing was started at $host"
    expect_err "log: $work/log/xlm-guest1.log"
    for part; do
        expect_err "$part"
    done
}

test_transport_command_not_found_says_what_to_install()
{
    far missing 2 "missing has no 'xl lmigrate-receive'" "ended with 127" \
        "install the same xlm there"
}

test_transport_stock_xl_says_what_to_install()
{
    far stockxl 2 "stockxl has no 'xl lmigrate-receive'" "ended with 1)"
}

test_transport_ssh_failure_is_told_apart()
{
    far down 3 "down cannot be reached: './fakessh down' itself failed" \
        "try './fakessh down true'"
    expect_no_err "closed"
}

test_transport_failure_later_is_not_an_unreachable_host()
{
    FAKE_XLM=lost far lost 3 "'./fakessh lost' itself failed"
    expect_no_err "cannot be reached"
    expect_err "the connection broke"
}

test_transport_early_end_fails()
{
    far early 3 "control channel closed before the peer's hello"
}

test_transport_other_exit_code_is_named()
{
    far broken 3 "'./fakessh broken' ended with 9"
}

test_transport_death_by_signal_is_named()
{
    far killed 3 "was killed by signal 9 (Killed)"
}

test_transport_garbage_is_refused()
{
    far garbage 3 "peer's hello: not from xlm"
}

test_transport_no_such_sshcommand()
{
    run xl lmigrate -s ./nosuchssh guest1 hostb
    expect_code 2
    expect_err "ended with 127"
}

test_transport_command_line_is_xls()
{
    FAKESSH_LOG=$work/ssh.log run xl -v lmigrate -s "./fakessh" -e -p --debug \
        guest1 hostb
    expect_code 0
    [ "$(sort -u "$work/ssh.log")" = \
        "hostb xl -v lmigrate-receive -e -d -p --name=guest1" ] ||
        complain "ssh got: $(cat "$work/ssh.log")"
    [ "$(wc -l <"$work/ssh.log")" = 1 ] || complain "not one connection"
}

test_transport_carries_memory_if_asked_to()
{
    FAKESSH_LOG=$work/ssh.log run xl lmigrate -s "./fakessh" --data ssh \
        guest1 hostb
    expect_code 0
    [ "$(wc -l <"$work/ssh.log")" = 2 ] || complain "not two connections"
}

test_transport_carries_memory_if_no_port_can_be_reached()
{
    FAKESSH_LOG=$work/ssh.log FAKE_XLM=no-port run xl lmigrate -s ./fakessh \
        --channels 3 guest1 hostb
    expect_code 0
    [ "$(wc -l <"$work/ssh.log")" = 4 ] || complain "not four connections"
}

test_transport_is_started_once_a_channel()
{
    FAKESSH_LOG=$work/ssh.log run xl lmigrate -s "./fakessh" --channels 64 \
        --data ssh guest1 hostb
    expect_code 0
    [ "$(wc -l <"$work/ssh.log")" = 65 ] || complain "not 65 connections"
}

test_transport_sshcommand_with_options_goes_through_sh()
{
    FAKESSH_LOG=$work/ssh.log run xl lmigrate -s "./fakessh  'host b'" \
        guest1 ignored
    expect_file "$work/ssh.log" "host b ignored xl lmigrate-receive"
}

test_transport_empty_sshcommand_runs_host_twice()
{
    cat >"$work/direct" <<'EOF'
#!/bin/sh
echo direct >>ssh.log
FAKE_XLM=hello exec xl lmigrate-receive
EOF
    chmod +x "$work/direct"
    run xl lmigrate -s '' --data ssh guest1 ./direct
    expect_code 0
    [ "$(wc -l <"$work/ssh.log")" = 2 ] || complain "not run twice"
}

test_transport_empty_sshcommand_failure_names_the_command()
{
    run xl lmigrate -s '' guest1 'exit 127'
    expect_code 3
    expect_err "'exit 127' ended with 127"
}

# Whatever a command starts has our directory as its own.
nothing_left()
{
    local p
    for p in /proc/[0-9]*; do
        case $(readlink "$p/cwd") in "$work"*) ;; *) continue ;; esac
        case ${p#/proc/} in "$$" | "$BASHPID") continue ;; esac
        # Not this loop's own substitution, which is gone by now.
        [ ! -d "$p" ] || return 1
    done
}

test_transport_leaves_no_process()
{
    run xl lmigrate -s ./fakessh guest1 garbage
    nothing_left || complain "something still runs after a failure"
    run xl lmigrate -s ./fakessh guest1 hostb
    nothing_left || complain "something still runs after a success"
}

test_receiver_prints_nothing_into_the_channel()
{
    printf '%096d' 0 | tr 0 C >"$work/greeting"
    code=0
    timeout "$limit" xl lmigrate-receive <"$work/greeting" >"$work/out" \
        2>"$work/err" || code=$?
    [ "$(cat "$work/out")" = HELLO ] || complain "got: $(cat "$work/out")"
    expect_code 0
    expect_file "$work/err" "by accident"
}

test_receiver_data_channel_is_joined()
{
    printf '%096d' 0 | tr 0 D >"$work/greeting"
    code=0
    timeout "$limit" xl lmigrate-receive <"$work/greeting" >"$work/out" \
        2>"$work/err" || code=$?
    expect_code 0
    [ ! -s "$work/out" ] || complain "a data channel was answered"
}

test_receiver_bad_greeting_fails_with_host_and_reason()
{
    run sh -c "printf %096d 0 | xl lmigrate-receive"
    expect_code 3
    expect_err "$(hostname): xl lmigrate-receive: greeting is not from xlm"
}

# A data channel that the source never used is no news to a person.
test_receiver_channel_closed_early_is_told_with_v_only()
{
    run sh -c "printf short | xl lmigrate-receive"
    expect_code 3
    expect_err_lines 0
    expect_file "$work/log/xlm-receive.log" "channel closed too early"
    run sh -c "printf short | xl -v lmigrate-receive"
    expect_code 3
    expect_err "channel closed too early"
}

test_receiver_failure_is_told_once_with_host()
{
    FAKE_FAR=receiver-fails run xl lmigrate -s ./fakessh guest1 hostb
    expect_err "$(hostname): xl lmigrate-receive: xl migrate-receive ended"
    [ "$(grep -c "ended early" "$work/err")" = 1 ] || complain "told: $err"
}

test_receiver_bad_options_exit_1()
{
    run xl lmigrate-receive --nonsense
    expect_code 1
    run xl lmigrate-receive extra
    expect_code 1
    expect_err "takes no arguments: 'extra'"
}

test_receiver_on_a_terminal_says_what_it_is_for()
{
    command -v script >/dev/null || {
        complain "script(1) is missing"
        return
    }
    run script -qec "xl lmigrate-receive" /dev/null
    expect_code 1
    expect_out "it is of no use at a"
}
