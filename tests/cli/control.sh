# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash disable=SC2154,SC2016
# xl lmigrate-ctl, and the socket of the process that migrates.

CTL_SOCKET=run/xlm-ctl/01010101-0101-0101-0101-010101010101.sock

# begin_move MODE [options]: in the background, as $move_pid, until it waits
# for somebody to end it; what it says goes to the file "told".
begin_move()
{
    FAKE_XLM=$1 timeout -k 2 "$limit" xl lmigrate "${@:2}" -s ./fakessh \
        guest1 hostb </dev/null >/dev/null 2>"$work/told" &
    move_pid=$!
    wait_until test -S "$CTL_SOCKET"
    wait_until waits_in "$([ "$1" = wait ] && echo precopy || echo switchover)"
}

# waits_in STATE: its rounds are over, too.
waits_in()
{
    asked --json status |
        grep -q "\"state\":\"$1\".*\"wire_bytes\":100663296"
}

asked()
{
    timeout -k 2 "$limit" xl lmigrate-ctl guest1 "$@"
}

# the_move_ends CODE: and nothing is left of its socket.
the_move_ends()
{
    code=0
    wait "$move_pid" || code=$?
    err=$(cat "$work/told")
    expect_code "$1"
    [ ! -e "$work/run/xlm-ctl" ] ||
        complain "left: $(find "$work/run" | tr '\n' ' ')"
}

# asking REQUEST...: as a program would; the answer in $out.
asking()
{
    run perl -MSocket -e '
        socket(my $s, PF_UNIX, SOCK_STREAM, 0) or die "socket: $!";
        connect($s, sockaddr_un($ARGV[0])) or die "connect: $!";
        $SIG{PIPE} = "IGNORE";
        syswrite($s, $ARGV[1]);
        shutdown($s, 1) if $ARGV[2];
        local $/;
        print scalar <$s>;' "$work/$CTL_SOCKET" "$1" "${2:-}"
}

test_control_status_is_told_to_a_person()
{
    begin_move wait --downtime 300 --bandwidth 8Mi
    run xl lmigrate-ctl guest1 status
    expect_code 0
    expect_out "guest1: copying memory, while it runs, to hostb"
    expect_out "round 2:        100% of 3.9 MiB"
    expect_out "sent:           96.0 MiB in "
    expect_out "limit 8.0 MiB/s"
    expect_out "dirtied:        1200 pages/s"
    expect_out "expected pause: 0.350 s, goal 0.300 s"
    asked cancel >/dev/null
    the_move_ends 4
}

test_control_status_as_json_is_one_line_with_units()
{
    begin_move wait --bandwidth 8Mi
    run xl lmigrate-ctl --json guest1 status
    expect_code 0
    [ "$(wc -l <"$work/out")" = 1 ] || complain "lines: $out"
    expect_out '"domain":"guest1","domid":7,"destination":"hostb"'
    expect_out '"downtime_ms":null,"limit_bytes_s":8388608'
    expect_out '"expected_blackout_us":350000'
    expect_out '"state":"precopy"'
    asked cancel >/dev/null
    the_move_ends 4
}

test_control_cancel_is_told_at_both_terminals()
{
    begin_move wait
    run xl lmigrate-ctl guest1 cancel
    expect_code 0
    expect_out "guest1: cancelling: it goes on here"
    the_move_ends 4
    expect_err "guest1: cancelling: it goes on here (xl lmigrate-ctl, process "
    expect_file "$work/log/xlm-guest1.log" "cancelling: it goes on here"
}

test_control_cancel_too_late_is_refused()
{
    begin_move wait-permitted
    run xl lmigrate-ctl --json guest1 cancel
    expect_code 2
    expect_out '"ok":false,"error":"too-late"'
    expect_err "has the permission to start it already"
    the_move_ends 0
}

test_control_too_late_for_goal_limit_and_switch()
{
    begin_move wait-permitted
    run xl lmigrate-ctl guest1 set downtime=5
    expect_code 2
    expect_err "no goal for the pause counts any more"
    run xl lmigrate-ctl guest1 set bandwidth=1M
    expect_code 2
    run xl lmigrate-ctl guest1 switch
    expect_code 2
    expect_err "it is suspended already"
    asked cancel >/dev/null 2>&1 || true # refused too, and told
    the_move_ends 0
}

test_control_switch_ends_it()
{
    begin_move wait
    run xl lmigrate-ctl guest1 switch
    expect_code 0
    expect_out "guest1: switching over"
    the_move_ends 0
    expect_err "guest1: switching over"
}

test_control_set_changes_what_status_shows()
{
    begin_move wait
    run xl lmigrate-ctl guest1 set downtime=250 bandwidth=2.5Gbit
    expect_code 0
    expect_out "guest1: goal for the pause: 250 ms, bandwidth limit: 298.0 MiB/s"
    run xl lmigrate-ctl --json guest1 status
    expect_out '"downtime_ms":250,"limit_bytes_s":312500000'
    run xl lmigrate-ctl guest1 set bandwidth=none downtime=none
    expect_out "goal for the pause: none, bandwidth limit: none"
    run xl lmigrate-ctl --json guest1 status
    expect_out '"downtime_ms":null,"limit_bytes_s":null'
    asked cancel >/dev/null
    the_move_ends 4
}

test_control_bad_use_exits_1_and_names_the_limit()
{
    run xl lmigrate-ctl
    expect_code 1
    run xl lmigrate-ctl guest1
    expect_code 1
    run xl lmigrate-ctl guest1 frobnicate
    expect_code 1
    expect_err "command 'frobnicate': status, cancel, set or switch is wanted"
    run xl lmigrate-ctl guest1 cancel now
    expect_code 1
    run xl lmigrate-ctl guest1 set
    expect_code 1
    run xl lmigrate-ctl guest1 set downtime=0
    expect_code 1
    expect_err "downtime '0': a whole number of milliseconds from 1 to 600000"
    run xl lmigrate-ctl guest1 set downtime=600001
    expect_code 1
    run xl lmigrate-ctl guest1 set bandwidth=1k
    expect_code 1
    expect_err "bandwidth '1k': a rate of 64Ki to 1T bytes/s is wanted"
    run xl lmigrate-ctl guest1 set downtime=5 downtime=6
    expect_code 1
    expect_err "twice"
    run xl lmigrate-ctl --json=x guest1 status
    expect_code 1
    run xl lmigrate-ctl nosuch status
    expect_code 1
    expect_err "no domain 'nosuch'"
    FAKE_XLM=no-xen run xl lmigrate-ctl guest1 status
    expect_code 3
}

test_control_without_a_migration_is_refused()
{
    run xl lmigrate-ctl guest1 status
    expect_code 2
    expect_err "xl lmigrate-ctl: no migration of guest1 runs here"
    expect_err_lines 1
}

test_control_dry_run_changes_nothing()
{
    begin_move wait
    run xl -N lmigrate-ctl guest1 cancel
    expect_code 0
    expect_out "guest1: copying memory"
    run xl lmigrate-ctl --json guest1 status
    expect_out '"state":"precopy"'
    asked cancel >/dev/null
    the_move_ends 4
}

test_control_help_and_the_list()
{
    run xl lmigrate-ctl --help
    expect_code 0
    expect_out "Usage: xl [-vfNtT] lmigrate-ctl [options] <Domain> <command>"
    expect_out "set [downtime=<ms>|none] [bandwidth=<rate>|none]"
    run xl help
    expect_out "
 lmigrate-ctl        Watch or change a migration"
}

test_control_socket_is_roots_alone()
{
    begin_move wait
    [ "$(stat -c %a "$work/run/xlm-ctl")" = 700 ] || complain "directory's mode"
    [ "$(stat -c %a "$work/$CTL_SOCKET")" = 600 ] || complain "socket's mode"
    asked cancel >/dev/null
    the_move_ends 4
}

# As nobody, with modes that let him in: the process does not.
test_control_another_user_gets_nothing()
{
    [ "$(id -u)" = 0 ] || return 0
    begin_move wait
    chmod 755 "$work" "$work/run"
    run perl -MSocket -e '
        socket(my $s, PF_UNIX, SOCK_STREAM, 0) or die "socket: $!";
        $) = "65534 65534"; $> = 65534;
        print connect($s, sockaddr_un($ARGV[0])) ? "in" : "kept out";' \
        "$work/$CTL_SOCKET"
    [ "$out" = "kept out" ] || complain "by modes: $out $err"
    chmod 755 "$work/run/xlm-ctl"
    chmod 666 "$work/$CTL_SOCKET"
    run perl -MSocket -e '
        $) = "65534 65534"; $> = 65534;
        socket(my $s, PF_UNIX, SOCK_STREAM, 0) or die "socket: $!";
        connect($s, sockaddr_un($ARGV[0])) or die "connect: $!";
        $SIG{PIPE} = "IGNORE";
        syswrite($s, "xlm-ctl/1 cancel\n");
        local $/;
        print "in: ", scalar <$s>;' "$work/$CTL_SOCKET"
    [ "$out" = "in: " ] || complain "was told: $out $err"
    chmod 700 "$work/run/xlm-ctl"
    run xl lmigrate-ctl --json guest1 status
    expect_out '"state":"precopy"'
    asked cancel >/dev/null
    the_move_ends 4
}

test_control_stale_socket_is_told_from_a_live_one()
{
    mkdir -m 700 "$work/run/xlm-ctl"
    perl -MSocket -e 'socket(my $s, PF_UNIX, SOCK_STREAM, 0) or die;
        bind($s, sockaddr_un($ARGV[0])) or die; listen($s, 1) or die' \
        "$work/$CTL_SOCKET"
    run xl lmigrate-ctl guest1 status
    expect_code 2
    expect_err "no migration of guest1 runs here"
    begin_move wait
    asked cancel >/dev/null
    the_move_ends 4
}

test_control_second_migration_leaves_the_first_ones_socket()
{
    begin_move wait
    FAKE_XLM=busy run xl lmigrate -s ./fakessh guest1 hostb
    expect_code 2
    expect_no_err "lmigrate-ctl"
    run xl lmigrate-ctl guest1 status
    expect_code 0
    asked cancel >/dev/null
    the_move_ends 4
}

test_control_killed_worker_leaves_no_socket()
{
    FAKE_XLM=crash run xl lmigrate -s ./fakessh guest1 hostb
    expect_code 3
    [ ! -e "$work/run/xlm-ctl" ] || complain "left: $(ls "$work/run/xlm-ctl")"
}

test_control_directory_of_somebody_else_is_not_used()
{
    mkdir -m 755 "$work/run/xlm-ctl"
    run xl lmigrate -s ./fakessh guest1 hostb
    expect_code 0
    expect_err "no 'xl lmigrate-ctl': "
    rmdir "$work/run/xlm-ctl" || complain "something is in it"
}

# refused_raw REQUEST: it gets the answer bad-request.
refused_raw()
{
    asking "$1"
    expect_out '{"ok":false,"error":"bad-request","message":"'
}

test_control_rubbish_is_answered_and_harmless()
{
    begin_move wait
    refused_raw $'\n'
    refused_raw $'status\n'
    refused_raw $'xlm-ctl/2 status\n'
    refused_raw $'xlm-ctl/1\n'
    refused_raw $'xlm-ctl/1  status\n'
    refused_raw $'xlm-ctl/1 cancel \n'
    refused_raw $'xlm-ctl/1 cancel\r\n'
    refused_raw $'xlm-ctl/1 can\e[2Jcel\n'
    refused_raw $'xlm-ctl/1 set a b c d e f\n'
    refused_raw $'xlm-ctl/1 set downtime=99999999999999999999\n'
    refused_raw "$(printf 'x%.0s' $(seq 5000))"
    refused_raw "xlm-ctl/1 set downtime=$(printf '0%.0s' $(seq 300))5"$'\n'
    asking "xlm-ctl/1 cancel" close
    [ -z "$out" ] || complain "half a line was answered: $out"
    run xl lmigrate-ctl --json guest1 status
    expect_code 0
    expect_out '"state":"precopy"'
    asked cancel >/dev/null
    the_move_ends 4
}

# More clients that say nothing than there are places: each is hung up on, and
# who comes after them is served.
test_control_silent_clients_are_hung_up_on()
{
    local began=$SECONDS
    begin_move wait
    timeout 15 perl -MSocket -e '
        for (1 .. 4) {
            socket(my $s, PF_UNIX, SOCK_STREAM, 0) or die "socket: $!";
            connect($s, sockaddr_un($ARGV[0])) or die "connect: $!";
            push @all, $s;
        }
        print "there\n";
        close STDOUT;
        for my $s (@all) { sysread($s, my $c, 1); }' "$work/$CTL_SOCKET" \
        >"$work/crowd" &
    wait_until grep -q there "$work/crowd"
    run xl lmigrate-ctl guest1 status
    expect_code 0
    wait $! || complain "the silent ones were not hung up on"
    [ $((SECONDS - began)) -lt 10 ] || complain "that took too long"
    asked cancel >/dev/null
    the_move_ends 4
}
