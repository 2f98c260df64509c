# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash disable=SC2154
# xlm.conf: what holds where the command line is silent.

# conf LINE...: the file has these.
conf()
{
    printf '%s\n' "$@" >"$work/xlm.conf"
}

# conf_reaches TEXT OPTION...: what the library is told about a move.
conf_reaches()
{
    local want=$1
    shift
    FAKE_XLM_DUMP=$work/dump run xl lmigrate "$@" guest1 hostb
    expect_code 0
    expect_file "$work/dump" "$want"
}

test_conf_holds_where_the_command_line_is_silent()
{
    conf '# of this host' 'sshcommand = "./fakessh"' 'downtime = 300' \
        'rounds=9  # not more' "timeout = '60'" 'bandwidth = 2.5Gbit' \
        'compress = "zstd:1"' 'dirty = scan' 'no_prebuild = 1' \
        'channels = 3' 'plain = 1' 'data = tcp' 'verify = 1' \
        'ktls = 1'
    conf_reaches "flags=0x2900 rounds=9 downtime=300 timeout=60000 \
bandwidth=312500000 compress=3/1 dirty=2 data=2 channels=3 "
    conf_reaches "rounds=4 downtime=200" --downtime 200 --rounds 4
    conf 'sshcommand = ./fakessh' 'downtime = 300' 'deadline = 40' \
        'on_slow = throttle,wait' 'exempt_last_round = 1'
    conf_reaches "slow=1,2,0/40000 domid=7 flags=0x200 "
    conf 'sshcommand = ./fakessh' 'reconnect = 7'
    conf_reaches "reconnect=7000 "
    conf_reaches "reconnect=4294967295 " --reconnect 0
    conf 'sshcommand = ./fakessh' 'delta = 7'
    conf_reaches "delta=7 "
    conf_reaches "delta=4294967295 " --delta 0
    conf 'sshcommand = ./fakessh' 'on_slow = throttle' # without a goal
    conf_reaches "slow=0,0,0/0 domid=7 "
    conf 'sshcommand = ./fakessh' 'plain = 0' 'no-prebuild = 0'
    conf_reaches "flags=0x0 rounds=0 downtime=0 timeout=0 bandwidth=0 "
    expect_file "$work/dump" "data=1 "
}

test_conf_a_way_that_is_asked_for_is_stronger()
{
    conf 'sshcommand = ./fakessh' 'plain = 1'
    conf_reaches "data=2 "
    conf_reaches "data=0 " --data ssh
    conf 'sshcommand = ./fakessh' 'data = ssh'
    conf_reaches "data=0 "
    conf_reaches "data=2 " --data tcp --plain
}

# wrong LINE PART-OF-MESSAGE
wrong()
{
    conf '# first' "$1"
    run xl lmigrate guest1 hostb
    expect_code 1
    expect_err_lines 1
    expect_err "$work/xlm.conf:2: $2"
}

test_conf_mistakes_name_file_line_value_limits()
{
    wrong 'downtime = soon' \
        "--downtime 'soon': a whole number of milliseconds from 1 to 600000"
    wrong 'delta = 65537' "--delta '65537': a whole number of MiB from 0 to 6"
    wrong 'downtme = 3' "no setting is called downtme"
    wrong 'json = x' "no setting is called json"
    wrong 'migration_address = 1.2.3.4' "no setting is called migration_addr"
    wrong 'plain = yes' "plain 'yes': 0 or 1 is wanted"
    wrong 'port_range = 9-8' \
        "port_range '9-8': two ports from 1 to 65535 are wanted, such as 4"
    wrong 'listen_address = ""' "listen_address '': 1 to 255 bytes are wanted"
    wrong 'sshcommand = ""' "sshcommand '': 1 to 511 bytes are wanted"
    wrong 'downtime' "NAME = VALUE is wanted"
    run xl lmigrate --help
    expect_code 0
}

test_conf_that_is_named_must_be_there()
{
    XLM_CONF=/no/such.conf run xl lmigrate guest1 hostb
    expect_code 1
    expect_err "/no/such.conf: No such file or directory"
}

test_conf_receiver_listens_as_it_says()
{
    conf 'sshcommand = ./fakessh' 'listen_address = 192.0.2.7' \
        'port_range = 50000-50009' 'ktls = 1'
    FAKE_XLM_DUMP_FAR=$work/dump-far conf_reaches "address=- ports=49152-49215"
    expect_file "$work/dump-far" "address=192.0.2.7 ports=50000-50009"
    expect_file "$work/dump-far" "flags=0x2000 "
}

test_conf_receiver_tells_of_a_mistake()
{
    conf 'port_range = none'
    FAKE_XLM=hello run xl lmigrate-receive </dev/zero
    expect_no_err "port_range"
    printf '#!/bin/sh\nshift\nXLM_CONF=%s/far.conf exec %s/fakessh h "$@"\n' \
        "$work" "$work" >"$work/farssh"
    chmod +x "$work/farssh"
    conf
    echo 'port_range = none' >"$work/far.conf"
    run xl lmigrate -s ./farssh guest1 hostb
    expect_code 3
    expect_err "xl lmigrate-receive: $work/far.conf:1: port_range 'none'"
}

test_conf_page_documents_what_there_is()
{
    local name

    for name in $(sed -n 's/^\.It Cm \([a-z_]*\) = .*/\1/p' \
        "$srcdir/xl-plugin/xlm.conf.5"); do
        conf "$name = '\$\$'"
        run xl lmigrate -s ./fakessh guest1 hostb
        expect_no_err "no setting is called"
        set -- "$@" "$name"
    done
    [ $# = 20 ] || complain "$# settings on the page"
}
