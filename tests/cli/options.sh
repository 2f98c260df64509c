# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash disable=SC2154
# The command line of xl lmigrate.

# bad PART-OF-MESSAGE ARGUMENT...: refused with one line and 1.
bad()
{
    local part=$1
    shift
    run xl lmigrate "$@" guest1 hostb
    expect_code 1
    expect_err_lines 1
    expect_err "$part"
}

test_options_bad_numbers_name_option_value_limits()
{
    bad "--downtime '0': a whole number of milliseconds from 1 to 600000" \
        --downtime 0
    bad "--downtime '600001'" --downtime 600001
    bad "--downtime '-5'" --downtime=-5
    bad "--downtime '3s'" --downtime 3s
    bad "--rounds '0': a whole number of rounds from 1 to 1000" --rounds 0
    bad "--rounds '1001'" --rounds 1001
    bad "--rounds ''" --rounds ''
    bad "--dirty 'peek': auto, log, scan or none is wanted" --dirty peek
    bad "--dirty ''" --dirty ''
    bad "--channels '0': a whole number of connections from 1 to 64" \
        --channels 0
    bad "--channels '65'" --channels 65
    bad "--data 'udp': tcp or ssh is wanted" --data udp
    bad "--port-range '0': two ports from 1 to 65535 are wanted, such as" \
        --port-range 0
    bad "--port-range '9-8'" --port-range 9-8
    bad "--port-range '1-65536'" --port-range 1-65536
    bad "--port-range '5-'" --port-range 5-
    bad "--migration-address '': an address or a name" --migration-address ''
    bad "--plain is for --data tcp, not for --data ssh" --plain --data ssh
    bad "--port-range is for --data tcp" --data ssh --port-range 5
    bad "--migration-address is for --data tcp" --data ssh \
        --migration-address 10.0.0.9
    bad "--timeout '0': a whole number of seconds from 1 to 604800" --timeout 0
    bad "--timeout '99999999999999999999'" --timeout 99999999999999999999
    bad "--bandwidth '10': a rate of 64Ki to 1T bytes/s" --bandwidth 10
    bad "--bandwidth '10X'" --bandwidth 10X
    bad "--bandwidth '2T'" --bandwidth 2T
}

test_options_bad_goals_name_option_value_limits()
{
    local ways

    bad "--reconnect '3601': a whole number of seconds from 0 to 3600" \
        --reconnect 3601
    bad "--reconnect '-1'" --reconnect -1
    bad "--reconnect ''" --reconnect ''
    bad "--deadline '0': a whole number of seconds from 1 to 604800" \
        --deadline 0
    bad "--deadline '604801'" --deadline 604801
    for ways in '' Wait hurry wait,wait switch,wait switch,abort 'wait,' ,wait \
        wait,throttle abort,abort wait,switch,abort; do
        bad "--on-slow '$ways': throttle, wait, switch or abort is wanted" --downtime 9 \
            --deadline 9 --on-slow "$ways"
    done
    bad "--on-slow switch needs --downtime or --deadline" --on-slow switch
    bad "--on-slow wait needs --downtime and --deadline" --on-slow wait \
        --downtime 9
    bad "--on-slow throttle needs --downtime" --deadline 9 --on-slow throttle
    bad "--on-slow wait needs --downtime and --deadline" --downtime 9 \
        --on-slow throttle,wait
    bad "--on-slow wait needs --downtime and --deadline" --deadline 9 \
        --on-slow wait,switch
}

test_options_estimate_reaches_the_library()
{
    bad "--estimate is more than --dry-run" --estimate --dry-run
    FAKE_XLM_DUMP=$work/dump run xl lmigrate guest1 hostb -s ./fakessh \
        --estimate
    expect_code 0
    expect_file "$work/dump" "flags=0x400 "
}

test_options_goals_reach_the_library()
{
    FAKE_XLM_DUMP=$work/dump run xl lmigrate guest1 hostb -s ./fakessh \
        --downtime 9 --deadline 60 --on-slow throttle,wait,switch
    expect_code 0
    expect_file "$work/dump" "slow=1,2,3/60000 "
    FAKE_XLM_DUMP=$work/dump run xl lmigrate guest1 hostb -s ./fakessh \
        --deadline 1 --on-slow abort
    expect_file "$work/dump" "slow=4,0,0/1000 "
    FAKE_XLM_DUMP=$work/dump run xl lmigrate guest1 hostb -s ./fakessh
    expect_file "$work/dump" "slow=0,0,0/0 "
}

test_options_bad_compression_names_option_value_limits()
{
    local how

    bad "--compress 'gzip': auto, none, lz4 or zstd is wanted, or zstd:LEVEL \
with a level of -5 to -1 or 1 to 9" --compress gzip
    for how in '' Auto lz4:1 none:1 zstd: zstd:0 zstd:-0 zstd:10 zstd:-6 \
        zstd:+1 zstd:1x zstdx 'zstd 1' zstd:--1 zstd:99999999999999999999; do
        bad "--compress '$how': auto," --compress "$how"
    done
}

test_options_bad_delta_names_option_value_limits()
{
    local mib

    bad "--delta '65537': a whole number of MiB from 0 to 65536" --delta 65537
    for mib in '' -1 64M 1.5 99999999999999999999; do
        bad "--delta '$mib': a whole number of MiB from 0" "--delta=$mib"
    done
}

test_options_compression_reaches_the_library()
{
    local how

    for how in auto:0/0 none:1/0 lz4:2/0 zstd:3/0 zstd:1:3/1 zstd:9:3/9 \
        zstd:-5:3/-5 zstd:-1:3/-1; do
        FAKE_XLM_DUMP=$work/dump run xl lmigrate guest1 hostb -s ./fakessh \
            --compress "${how%:*}"
        expect_code 0
        expect_file "$work/dump" "compress=${how##*:} "
    done
    FAKE_XLM_DUMP=$work/dump run xl lmigrate guest1 hostb -s ./fakessh
    expect_file "$work/dump" "compress=0/0 "
}

test_options_delta_reaches_the_library()
{
    local mib

    FAKE_XLM_DUMP=$work/dump run xl lmigrate guest1 hostb -s ./fakessh
    expect_file "$work/dump" "delta=0 "
    for mib in 0:4294967295 1:1 64:64 65536:65536; do
        FAKE_XLM_DUMP=$work/dump run xl lmigrate guest1 hostb -s ./fakessh \
            --delta "${mib%:*}"
        expect_code 0
        expect_file "$work/dump" "delta=${mib#*:} "
    done
}

test_options_bad_files_are_named()
{
    bad "-C '/no/such.cfg': No such file" -C /no/such.cfg
    bad "-C '': the name of a file is wanted" -C ''
    bad "--json '/no/such/dir/x': No such file" --json /no/such/dir/x
    bad "--json ''" --json ''
}

test_options_misuse_is_named()
{
    bad "unknown option -q" -q
    bad "unknown or ambiguous option --nonsense" --nonsense
    bad "--live takes no value" --live=1
    bad "2 arguments are wanted, <Domain> and <host>, not 3" one
    run xl lmigrate guest1 hostb --rounds
    expect_code 1
    expect_err "--rounds wants a value: <n>"
    run xl lmigrate guest1
    expect_code 1
    expect_err "not 1"
    run xl lmigrate guest1 ''
    expect_code 1
    expect_err "<host> is empty"
    run xl lmigrate -- guest1 -oProxyCommand=x
    expect_code 1
    expect_err "<host> '-oProxyCommand=x' begins with '-'"
}

test_options_unknown_domain_is_a_usage_error()
{
    run xl lmigrate -s ./fakessh nosuch hostb
    expect_code 1
    expect_err "xl lmigrate: no domain 'nosuch'"
    expect_err_lines 1
}

test_options_no_hypervisor_is_a_failure()
{
    FAKE_XLM=no-xen run xl lmigrate -s ./fakessh guest1 hostb
    expect_code 3
    expect_err "no hypervisor"
}

test_options_all_reach_the_library()
{
    FAKE_XLM_DUMP=$work/dump run xl lmigrate guest1 hostb -s ./fakessh -p -e \
        -D --debug --live --downtime 300 --rounds 9 --bandwidth 2.5Gbit \
        --timeout 60 --dirty scan --allow-pause --unpause-to-suspend \
        --no-prebuild --exempt-last-round --verify --timing --ktls
    expect_code 0
    expect_file "$work/dump" "domid=7 flags=0x3b7e rounds=9 downtime=300 \
timeout=60000 bandwidth=312500000 compress=0/0 dirty=2 data=1 "
}

test_options_reconnect_reaches_the_library()
{
    FAKE_XLM_DUMP=$work/dump run xl lmigrate guest1 hostb -s ./fakessh
    expect_file "$work/dump" "reconnect=0 "
    FAKE_XLM_DUMP=$work/dump run xl lmigrate guest1 hostb -s ./fakessh \
        --reconnect 3600
    expect_file "$work/dump" "reconnect=3600000 "
    FAKE_XLM_DUMP=$work/dump run xl lmigrate guest1 hostb -s ./fakessh \
        --reconnect 0
    expect_file "$work/dump" "reconnect=4294967295 "
}

# data_reaches TEXT OPTION...: what the library is told about data channels.
data_reaches()
{
    local want=$1
    shift
    FAKE_XLM_DUMP=$work/dump run xl lmigrate "$@"
    expect_code 0
    expect_file "$work/dump" "$want config=-"
}

test_options_of_data_channels_reach_the_library()
{
    data_reaches "data=1 channels=7 host=hostb address=- ports=49152-49215" \
        -s ./fakessh --channels 7 guest1 hostb
    data_reaches "data=2 channels=1 host=hostb address=10.9.8.7 ports=5-5" \
        -s ./fakessh --channels 1 --plain --port-range 5 \
        --migration-address 10.9.8.7 guest1 root@hostb
    data_reaches "data=1 channels=1 host=- address=- ports=5-65535" -s '' \
        --port-range 5-65535 --channels 1 guest1 'xl lmigrate-receive'
    data_reaches "data=0 channels=0 host=- address=- ports=0-0" -s ./fakessh \
        --data ssh --channels 2 guest1 hostb
}

test_options_default_channels_follow_the_cpus()
{
    local cpus
    cpus=$(getconf _NPROCESSORS_ONLN)
    [ "$cpus" -le 4 ] || cpus=4
    FAKE_XLM_DUMP=$work/dump run xl lmigrate -s ./fakessh guest1 hostb
    expect_file "$work/dump" "channels=$cpus host="
    [ "$cpus" -gt 2 ] && cpus=4 || cpus=$((cpus * 2))
    FAKE_XLM_DUMP=$work/dump run xl lmigrate -s ./fakessh --plain guest1 hostb
    expect_file "$work/dump" "channels=$cpus host="
}

test_options_config_file_is_read_by_real_xl()
{
    echo 'name="new"' >"$work/good.cfg"
    FAKE_XLM_DUMP=$work/dump run xl lmigrate -s ./fakessh -C good.cfg 7 hostb
    expect_code 0
    expect_file "$work/dump" 'config={"c_info":{"name":"new",'
    expect_file "$work/dump" '"big":18446744073709551615},"b_info":{"n":[1,true'
}

test_options_bad_config_file_is_refused()
{
    touch "$work/bad.cfg" "$work/sxp.cfg"
    run xl lmigrate -s ./fakessh -C bad.cfg guest1 hostb
    expect_code 1
    expect_err "config parsing error"
    expect_err "-C 'bad.cfg': $work/real/xl create -n refuses it"
    run xl lmigrate -s ./fakessh -C sxp.cfg guest1 hostb
    expect_code 1
    expect_err "xl printed no JSON"
}

test_options_help_names_every_option()
{
    local option
    run xl lmigrate --help
    for option in $("$work/exec/xl-lmigrate" --list-options |
        sed 's/ .*//'); do
        expect_out "$option"
    done
    case $(tail -n +1 "$work/out" | awk 'length > 80') in
    ?*) complain "help is wider than 80 columns" ;;
    esac
}
