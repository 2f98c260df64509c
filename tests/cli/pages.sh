# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash disable=SC2154
# The option table against the man page and the completion.

options()
{
    "$work/exec/xl-${1:-lmigrate}" --list-options
}

# ".It Fl h , Fl -help", ".It Fl -json Ar file": one option a line.
page_options()
{
    sed -n '/^\.Sh OPTIONS/,/^\.Sh ENV/s/^\.It Fl \(.*\)/\1/p' \
        "$srcdir/xl-plugin/xl-${1:-lmigrate}.1" |
        sed 's/ Ar .*//; s/ , Fl /\n/' | sed 's/^/-/'
}

test_page_documents_exactly_the_table()
{
    local c
    for c in lmigrate lmigrate-recover lmigrate-ctl; do
        diff <(options $c | sed 's/ .*//' | sort) <(page_options $c | sort) \
            >"$work/diff" || complain "$c: table and page: $(cat "$work/diff")"
    done
}

test_page_documents_every_exit_code()
{
    local n
    for n in 0 1 2 3 4 5 6 7; do
        grep -qx "\.It $n" "$srcdir/xl-plugin/xl-lmigrate.1" ||
            complain "exit code $n"
    done
    for n in 0 1 2 3 5 7; do
        grep -qx "\.It $n" "$srcdir/xl-plugin/xl-lmigrate-recover.1" ||
            complain "recover: exit code $n"
    done
    for n in 0 1 2 3; do
        grep -qx "\.It $n" "$srcdir/xl-plugin/xl-lmigrate-ctl.1" ||
            complain "ctl: exit code $n"
    done
}

test_page_library_documents_every_function()
{
    local f
    for f in $(grep -o 'xlm_[a-z_]*(' "$srcdir/libxlm/include/libxlm.h" |
        tr -d '(' | sort -u); do
        case $f in *_fn) continue ;; esac
        grep -q "^\.F[no] .*$f" "$srcdir/libxlm/doc/libxlm.3" ||
            complain "libxlm.3 has no $f()"
    done
}

test_page_library_documents_every_error()
{
    local e
    while read -r e; do
        grep -q "XLM_ERR_$e" "$srcdir/libxlm/doc/libxlm.3" ||
            complain "libxlm.3 has no XLM_ERR_$e"
    done < <(sed -n 's/^    X(\([A-Z_]*\),.*/\1/p' \
        "$srcdir/libxlm/include/libxlm.h")
}

# complete WORD...: what is offered for the last one.
complete_words()
{
    # shellcheck disable=SC2016
    run bash -c '. "$1/xl-plugin/xl.bash-completion"; shift
        COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _xlm_xl
        printf "%s\n" "${COMPREPLY[@]}"' bash "$srcdir" "$@"
}

test_completion_offers_exactly_the_table()
{
    local want c
    for c in lmigrate lmigrate-recover lmigrate-ctl; do
        want=$(options $c | sed 's/ .*//' | sort)
        complete_words xl $c -
        [ "$(printf %s "$out" | sed 's/ *$//' | sort)" = "$want" ] ||
            complain "$c: offered: $out; table: $want"
    done
}

test_completion_after_global_options()
{
    complete_words xl -v -N lmigrate --dow
    [ "$out" = "--downtime " ] || complain "offered '$out'"
}

test_completion_of_commands_shows_ours()
{
    complete_words xl lmig
    expect_out "lmigrate"
    complete_words xl cre
    expect_out "create"
}

test_completion_of_the_words_of_ctl()
{
    complete_words xl lmigrate-ctl web1 s
    [ "$out" = "status 
switch 
set " ] || complain "offered '$out'"
    complete_words xl lmigrate-ctl web1 set ''
    [ "$out" = "downtime=
bandwidth=" ] || complain "offered '$out'"
    complete_words xl -v lmigrate-ctl web1 set downtime = 300 b
    [ "$out" = "bandwidth=" ] || complain "offered '$out'"
    complete_words xl lmigrate-ctl web1 cancel ''
    [ -z "$out" ] || complain "offered '$out'"
}

test_completion_of_a_file()
{
    touch "$work/some-file.cfg"
    complete_words xl lmigrate -C "$work/some-f"
    [ "$out" = "$work/some-file.cfg" ] || complain "offered '$out'"
}

# What systemd runs at boot is a command that there is, and xendomains waits.
test_unit_runs_what_the_page_says()
{
    local unit=$builddir/xl-plugin/xlm-recover.service words
    words=$(sed -n 's/^ExecStart=-\(.*\)/\1/p' "$unit")
    case $words in
    /*/xl\ lmigrate-recover\ --all\ --boot) ;;
    *) complain "runs '$words'" ;;
    esac
    # shellcheck disable=SC2086
    run xl ${words#* }
    expect_code 0
    expect_file "$unit" "Before=xendomains.service"
    expect_file "$builddir/xl-plugin/xlm-recover.conf" "Wants=xlm-recover.service"
    ! grep -q '@' "$unit" "$builddir/xl-plugin/xlm-recover.conf" ||
        complain "not substituted"
}
