# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash disable=SC2154,SC2034
# xl lmigrate-recover --list, --all and --forget, and what the dispatcher asks
# before it starts a domain.

# entry ROLE ACTION OWNER KEEPS GONE DOMID PHASE NAME UUID HOST QUESTION, with
# the numbers of libxlm.h: action 0 nothing, 1 wait, 2 recover, 3 look, 4 repair;
# owner 0 source, 1 destination, 2 unknown; role 0 source, 1 destination.
entry()
{
    echo "$*" >>"$work/journal"
    export FAKE_JOURNAL=$work/journal
}

no_journal()
{
    rm -f "$work/journal" "$work/changes" "$work/ssh.log" "$work/dump"
    unset FAKE_JOURNAL
}

QUESTION=01010101-0101-0101-0101-010101010101/02020202-0202-0202-0202-020202020202

moved()
{
    entry 0 0 1 1 1 3 moved "${1:-new}" "${2:-uuid-3}" hostj -
}

undecided()
{
    entry 0 2 2 1 0 7 permitted guest1 uuid-7 hostj -
}

test_journal_list_of_nothing_is_empty()
{
    no_journal
    run xl lmigrate-recover --list
    expect_code 0
    [ -z "$out$err" ] || complain "said: $out$err"
    run xl lmigrate-recover --list --json
    expect_code 0
    [ "$(tr -d '\n ' <<<"$out")" = "[]" ] || complain "said: $out"
}

test_journal_list_says_who_may_run_it_and_what_to_do()
{
    no_journal
    undecided
    moved
    entry 1 3 1 0 0 4 starting came uuid-4 - x
    entry 0 1 0 0 0 5 copying going uuid-5 hostj -
    entry 1 0 0 0 1 6 refused other uuid-6 - -
    TZ=UTC run xl lmigrate-recover --list
    expect_code 0
    expect_out "Name                      Peer             Phase"
    expect_out "guest1               to   hostb.example    permitted  unknown  \
2023-11-14 22:13:20 xl lmigrate-recover guest1"
    expect_out "moved      there    2023-11-14 22:13:20 nothing; if it runs \
nowhere: xl lmigrate-recover --forget new"
    expect_out "came                 from hostb.example    starting   here     \
2023-11-14 22:13:20 xl lmigrate-recover --all"
    expect_out "copying    here     2023-11-14 22:13:20 nothing: somebody works"
    expect_out "refused    there "
}

test_journal_list_as_json()
{
    no_journal
    undecided
    run xl lmigrate-recover --list --json
    expect_code 0
    printf %s "$out" | python3 -c 'import json, sys
e, = json.load(sys.stdin)
assert e["name"] == "guest1" and e["role"] == "source", e
assert e["may_run"] == "unknown" and e["todo"] == "recover", e
assert e["kept_from_start"] is True and e["from_earlier_boot"] is False, e
assert e["since"] == 1700000000 and e["advice"].endswith("recover guest1"), e
' 2>"$work/why" || complain "$(cat "$work/why")"
}

test_journal_list_that_cannot_be_read_fails()
{
    FAKE_XLM=journal-fails run xl lmigrate-recover --list
    expect_code 3
    expect_err "read /journal: no"
}

test_journal_peer_and_sshcommand_default_to_the_journals()
{
    no_journal
    FAKE_FAR=runs FAKESSH_LOG=$work/ssh.log run xl lmigrate-recover guest1
    expect_code 0
    expect_file "$work/ssh.log" "hostj xl lmigrate-receive --query="
    rm "$work/ssh.log"
    FAKE_FAR=runs FAKESSH_LOG=$work/ssh.log \
        run xl lmigrate-recover -s ./fakessh --peer hostc guest1
    expect_code 0
    expect_file "$work/ssh.log" "hostc xl lmigrate-receive --query="
}

test_journal_without_a_host_wants_peer()
{
    FAKE_XLM=recover-hostless run xl lmigrate-recover guest1
    expect_code 1
    expect_err "name it, with --peer"
}

test_journal_all_with_nothing_undecided_is_0()
{
    no_journal
    moved
    FAKE_XLM_CHANGES=$work/changes run xl lmigrate-recover --all
    expect_code 0
    [ -z "$out$err" ] || complain "said: $out$err"
    expect_file "$work/changes" tidy
}

test_journal_all_decides_each_and_says_what_stays()
{
    no_journal
    undecided
    FAKE_FAR=runs run xl lmigrate-recover --all
    expect_code 0
    expect_err "guest1: hostj says: the reason; the copy here is destroyed"
    FAKE_FAR=ran run xl lmigrate-recover --all
    expect_code 0
    FAKE_FAR=busy run xl lmigrate-recover --all
    expect_code 5
    entry 0 2 2 1 0 8 permitted nosuch uuid-8 hostj -
    FAKE_FAR=runs run xl lmigrate-recover --all
    expect_code 5
    expect_err "the copy here is destroyed"
    FAKE_XLM=recover-fails FAKE_FAR=runs run xl lmigrate-recover --all
    expect_code 3
}

test_journal_all_looks_at_what_came_here()
{
    no_journal
    entry 1 3 1 0 0 4 starting came uuid-4 - "$QUESTION"
    FAKE_XLM=runs run xl lmigrate-recover --all
    expect_code 0
    expect_err "came, which came here: told"
    FAKE_XLM=left run xl lmigrate-recover --all
    expect_code 5
}

test_journal_all_damaged_stays_undecided()
{
    no_journal
    entry 0 4 2 1 1 0 "?" "?" uuid-4 - -
    run xl lmigrate-recover --all
    expect_code 5
    expect_err "/journal/file is damaged"
}

test_journal_all_dry_run_changes_nothing()
{
    no_journal
    undecided
    entry 1 3 1 0 0 4 starting came uuid-4 - "$QUESTION/act"
    FAKE_XLM=runs FAKE_FAR=runs FAKE_XLM_CHANGES=$work/changes \
        FAKE_XLM_DUMP=$work/dump run xl lmigrate-recover --all --dry-run
    expect_code 0
    expect_err "the copy here would be destroyed"
    expect_file "$work/dump" "flags=0x1 "
    [ ! -e "$work/changes" ] || complain "changed: $(cat "$work/changes")"
}

test_journal_boot_asks_no_silent_host_twice()
{
    no_journal
    undecided
    undecided
    FAKESSH_LOG=$work/ssh.log run xl lmigrate-recover --all --boot \
        -s ./fakessh --peer down
    expect_code 5
    [ "$(wc -l <"$work/ssh.log")" = 1 ] || complain "$(cat "$work/ssh.log")"
    expect_err "it did not answer just now"
    rm "$work/ssh.log"
    FAKESSH_LOG=$work/ssh.log run xl lmigrate-recover --all \
        -s ./fakessh --peer down
    [ "$(wc -l <"$work/ssh.log")" = 2 ] || complain "$(cat "$work/ssh.log")"
}

test_journal_peer_dead_is_for_one_domain()
{
    run xl lmigrate-recover --all --i-am-sure-peer-is-dead
    expect_code 1
    expect_err "is for one domain that you name"
}

test_journal_forget()
{
    no_journal
    FAKE_XLM_CHANGES=$work/changes run xl lmigrate-recover --forget guest1
    expect_code 0
    expect_err "guest1 may be started here"
    expect_file "$work/changes" "forget guest1"
    FAKE_XLM=forget-refused run xl lmigrate-recover --forget guest1
    expect_code 2
    expect_err "it has not moved"
}

test_journal_modes_exclude_each_other()
{
    local words
    for words in "--list --all" "--list guest1" "--all guest1" "--json guest1" \
        "--boot guest1" "--forget" "--forget guest1 hostb" \
        "--peer hostc guest1 hostb" "--peer= guest1"; do
        # shellcheck disable=SC2086
        run xl lmigrate-recover $words
        expect_code 1
    done
}

# ---- the dispatcher: the real xl's dry run calls every domain "new" ----

test_start_without_a_journal_is_the_real_xls()
{
    no_journal
    run xl create -p some.cfg
    expect_out "REAL [create] [-p] [some.cfg]"
}

test_start_of_a_domain_that_moved_is_refused()
{
    no_journal
    moved
    run xl create some.cfg
    expect_code 1
    expect_err "xl create: refused: new moved to hostb.example at"
    expect_err "xl lmigrate-recover --forget new"
    [ -z "$out" ] || complain "said: $out"
}

test_start_of_an_undecided_domain_is_refused()
{
    no_journal
    entry 0 2 2 1 1 7 permitted new uuid-7 hostj -
    run xl create some.cfg
    expect_code 1
    expect_err "not decided whether new runs there"
    expect_err "'xl lmigrate-recover new' finds out"
}

test_start_of_another_domain_is_not()
{
    no_journal
    moved another
    run xl create some.cfg
    expect_out "REAL [create]"
    no_journal
    entry 0 0 0 0 1 7 copying new uuid-7 hostj -
    run xl create some.cfg
    expect_out "REAL [create]"
}

test_start_dry_runs_and_help_are_not_asked_about()
{
    no_journal
    moved
    run xl create -n some.cfg
    expect_out "REAL [create] [-n]"
    run xl -N create some.cfg
    expect_out "REAL [-N] [create]"
    run xl create --help
    expect_out "REAL [create] [--help]"
}

test_start_of_bad_configuration_is_the_real_xls_to_refuse()
{
    no_journal
    moved
    run xl create bad.cfg
    expect_out "REAL [create] [bad.cfg]"
}

test_start_with_a_journal_that_cannot_be_read_is_refused()
{
    no_journal
    FAKE_XLM=journal-fails run xl create some.cfg
    expect_code 1
    expect_err "refused: read /journal: no"
}

# As xl save writes it: a head, a length, the configuration as JSON.
saved_domain()
{
    {
        printf 'Xen saved domain, xl format\n \000 \r'
        printf '\004\003\002\001\001\000\000\000\000\000\000\000'
        printf '\106\000\000\000\102\000\000\000'
        printf '{"c_info": {"name": "%-8s", "uuid": "%-8s"}, "b_info": {}}    ' \
            "$1" "$2" | head -c 66
        echo pages
    } >"$work/saved"
}

test_start_from_a_saved_domain_that_moved_is_refused()
{
    no_journal
    moved webserve uuid-333
    saved_domain webserve x
    run xl restore "$work/saved"
    expect_code 1
    expect_err "xl restore: refused: webserve moved"
    saved_domain other uuid-333
    run xl restore -p "$work/saved"
    expect_code 1
    saved_domain other x
    run xl restore "$work/saved"
    expect_out "REAL [restore]"
    echo rubbish >"$work/saved"
    run xl restore "$work/saved"
    expect_out "REAL [restore]"
}

test_start_copy_that_waits_is_not_written_away()
{
    local words
    no_journal
    undecided
    for words in "save 7 file" "save guest1 file" "save guest1--migratedaway file" \
        "migrate -s ssh 7 hostc"; do
        # shellcheck disable=SC2086
        run xl $words
        expect_code 1
        expect_err "not decided whether guest1 runs there"
    done
    run xl save 8 file
    expect_out "REAL [save] [8] [file]"
}
