# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash disable=SC2154
# The dispatcher.

test_dispatch_unknown_command_goes_to_real_xl_unchanged()
{
    run xl -v -f frobnicate "a b" '' --help
    expect_code 42
    expect_out "REAL [-v] [-f] [frobnicate] [a b] [] [--help]"
}

test_dispatch_unknown_global_option_goes_to_real_xl()
{
    run xl -x lmigrate
    expect_code 42
    expect_out "REAL [-x] [lmigrate]"
}

test_dispatch_our_command_runs()
{
    run xl lmigrate --version
    expect_code 0
    expect_out "xl lmigrate "
}

test_dispatch_globals_reach_our_command()
{
    FAKE_XLM=no-channel FAKE_XLM_DUMP=$work/dump run xl -vN -T lmigrate \
        -s '' guest1 true
    expect_code 0
    expect_file "$work/dump" "flags=0x1 "
    expect_err "] guest1 can be moved to true"
}

test_dispatch_double_dash_ends_globals()
{
    run xl -v -- lmigrate --version
    expect_code 0
    expect_out "xl lmigrate "
}

test_dispatch_path_as_command_is_not_ours()
{
    run xl ../exec/xl-lmigrate
    expect_code 42
}

test_dispatch_help_lists_both()
{
    run xl help
    expect_code 0
    expect_out "Create a domain from config file"
    expect_out "
 lmigrate            Migrate a running domain to another host by libxlm"
    expect_out "
 lmigrate-monitor    Handle reboot"
    expect_out "
 lmigrate-receive    Receive a domain"
}

test_dispatch_no_command_lists_both_and_keeps_exit_code()
{
    run xl
    expect_code 1
    expect_out " create "
    expect_out " lmigrate "
}

test_dispatch_help_for_our_command()
{
    run xl help lmigrate
    expect_code 0
    expect_out "Usage: xl [-vfNtT] lmigrate [options] <Domain> <host>"
}

test_dispatch_help_for_real_command_goes_to_real_xl()
{
    run xl help create
    expect_code 42
    expect_out "REAL [help] [create]"
}

test_dispatch_long_and_short_help_are_the_same()
{
    local long
    run xl lmigrate --help
    long=$out
    run xl lmigrate -h
    expect_code 0
    [ "$long" = "$out" ] || complain "-h and --help differ"
}

test_dispatch_no_real_xl_is_said_and_ours_work()
{
    XLM_REAL_XL=$work/nothing run xl list
    expect_code 127
    expect_err "$work/nothing is none"
    expect_err_lines 1
    XLM_REAL_XL=$work/nothing run xl lmigrate --version
    expect_code 0
    XLM_REAL_XL=$work/nothing run xl help
    expect_code 127
    expect_out " lmigrate "
}

test_dispatch_never_starts_itself_or_a_copy()
{
    mkdir -p "$work/copy"
    cp "$builddir/xl-plugin/xl" "$work/copy/xl"
    XLM_REAL_XL=$work/copy/xl run xl list
    expect_code 127
    XLM_REAL_XL=$work/bin/xl run xl list
    expect_code 127
}

# As Debian's /usr/sbin/xl: a script that goes by its own name.
test_dispatch_wrapper_script_sees_its_name()
{
    mkdir -p "$work/wrapped/lib"
    cp "$work/real/xl" "$work/wrapped/lib/xl"
    cat >"$work/wrapped/wrapper" <<'EOF'
#!/bin/sh
COMMAND="${0##*/}"
DIR="${0%/*}/lib"
[ -x "$DIR/$COMMAND" ] && exec "$DIR/$COMMAND" "$@"
echo "no $DIR/$COMMAND" >&2
exit 127
EOF
    chmod +x "$work/wrapped/wrapper"
    ln -sf wrapper "$work/wrapped/xl"
    XLM_REAL_XL=$work/wrapped/xl run xl list -l
    expect_code 42
    expect_out "REAL [list] [-l]"
}

test_dispatch_killed_real_xl_shows_in_exit_code()
{
    printf '#!/bin/sh\nkill -9 $$\n' >"$work/real/dies"
    chmod +x "$work/real/dies"
    XLM_REAL_XL=$work/real/dies run xl list
    expect_code 137
}
