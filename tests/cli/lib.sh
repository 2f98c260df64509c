# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# Sourced by cli: one directory with the commands, an imitation of xl, and a
# few questions to ask of what a command printed.
# shellcheck disable=SC2154  # srcdir, builddir: cli sets them

passed=0
failed=0
why=
code=0
limit=20 # seconds for one command

setup()
{
    work=$(mktemp -d)
    mkdir "$work/exec" "$work/run" "$work/real" "$work/log" "$work/bin"
    ln -s "$builddir/tests/cli/fake-lmigrate" "$work/exec/xl-lmigrate"
    ln -s "$builddir/tests/cli/fake-receive" "$work/exec/xl-lmigrate-receive"
    ln -s "$builddir/tests/cli/fake-monitor" "$work/exec/xl-lmigrate-monitor"
    ln -s "$builddir/tests/cli/fake-recover" "$work/exec/xl-lmigrate-recover"
    ln -s "$builddir/tests/cli/fake-ctl" "$work/exec/xl-lmigrate-ctl"
    ln -s "$builddir/xl-plugin/xl" "$work/bin/xl"
    write_real_xl "$work/real/xl"
    write_fakessh "$work/fakessh"
    export PATH="$work/bin:$PATH" XLM_EXEC_PATH="$work/exec" \
        XLM_REAL_XL="$work/real/xl" XLM_LOG_DIR="$work/log" \
        XLM_STATE_DIR="$work" XLM_CONF="$work/xlm.conf" \
        XLM_RUN_DIR="$work/run"
    : >"$work/xlm.conf"
    unset FAKE_XLM FAKE_XLM_DUMP FAKE_XLM_DUMP_FAR FAKE_XLM_MONITOR
    cd "$work" || exit
}

teardown()
{
    cd /
    rm -rf "$work"
}

# Says how it was called; "create -q -n FILE" as xl 4.17 does it.
write_real_xl()
{
    cat >"$1" <<'EOF'
#!/bin/sh
case $* in
*"create -q -n "*)
    for f; do :; done
    case $f in
    *bad*) echo "bad.cfg:1: config parsing error" >&2; exit 1 ;;
    *sxp*) echo "(domain (domid -1))" ;;
    *) printf '{"domid": null, "config": {"c_info": {"name": "new", '
       printf '"big": 18446744073709551615}, "b_info": {"n": [1, true]}}}' ;;
    esac ;;
help | "" | "-v help" | "help help")
    printf 'Usage xl [-vfNtT] <subcommand> [args]\n\n'
    printf 'xl full list of subcommands:\n\n'
    printf ' %-19s %s\n' create 'Create a domain from config file <filename>'
    [ "$1" ] || exit 1 ;;
*)
    printf 'REAL'
    printf ' [%s]' "$@"
    echo
    exit 42 ;;
esac
EOF
    chmod +x "$1"
}

# As ssh: the first argument is the host, the others go to a shell there.
write_fakessh()
{
    cat >"$1" <<'EOF'
#!/bin/sh
[ -z "${FAKESSH_LOG:-}" ] || echo "$*" >>"$FAKESSH_LOG"
host=$1
shift
case $host in
missing) exit 127 ;;
stockxl) echo "command not implemented" >&2; exit 1 ;;
down) echo "connect to host down: refused" >&2; exit 255 ;;
early) head -c 96 >/dev/null; exit 0 ;;
lost) printf HELLO; head -c 96 >/dev/null; exit 255 ;;
broken) exit 9 ;;
killed) kill -9 $$ ;;
garbage) echo "Welcome to garbage, last login: today, press a key"; cat ;;
*) FAKE_XLM=${FAKE_FAR:-hello} exec sh -c "$*" ;;
esac
EOF
    chmod +x "$1"
}

selected()
{
    local name=$1 part
    shift
    [ $# = 0 ] && return 0
    for part; do
        case $name in *"$part"*) return 0 ;; esac
    done
    return 1
}

run_test()
{
    why=
    : >"$work/xlm.conf"
    rm -f "$work"/log/* "$work"/dump* "$work"/monitor "$work"/ssh.log
    "$1"
    if [ -z "$why" ]; then
        passed=$((passed + 1))
        echo "ok $1"
    else
        failed=$((failed + 1))
        echo "FAILED $1: $why"
    fi
}

# The first complaint of a test counts.
complain()
{
    [ -n "$why" ] || why=$1
}

# run COMMAND...: stdout in $out, stderr in $err, exit code in $code.
run()
{
    code=0
    timeout -k 2 "$limit" "$@" >"$work/out" 2>"$work/err" </dev/null ||
        code=$?
    out=$(tr -d '\0' <"$work/out")
    err=$(tr -d '\0' <"$work/err")
}

expect_code()
{
    [ "$code" = "$1" ] || complain "exit code $code, not $1; stderr: $err"
}

expect_out()
{
    case $out in *"$1"*) ;; *) complain "no '$1' in stdout: $out" ;; esac
}

expect_err()
{
    case $err in *"$1"*) ;; *) complain "no '$1' in stderr: $err" ;; esac
}

expect_no_err()
{
    case $err in *"$1"*) complain "'$1' in stderr: $err" ;; esac
}

expect_err_lines()
{
    local n
    n=$(wc -l <"$work/err")
    [ "$n" = "$1" ] || complain "$n lines on stderr, not $1: $err"
}

expect_file()
{
    grep -qF -- "$2" "$1" 2>/dev/null ||
        complain "no '$2' in $1: $(cat "$1" 2>&1)"
}

# wait_until COMMAND...: at most ten seconds.
wait_until()
{
    local i
    for i in $(seq 200); do
        "$@" >/dev/null 2>&1 && return 0
        sleep 0.05
    done
    complain "'$*' did not come true in 10 s ($i tries)"
    return 1
}
