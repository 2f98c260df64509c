# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# Paths, messages and bounded waits that every part of the lab uses.
# shellcheck disable=SC2034 # the other parts use what is set here

LAB_NAME=${LAB_NAME:-${XLM_LAB_NAME:-default}}
LAB_LIFETIME_S=${XLM_LAB_LIFETIME_S:-7200}
LAB_UP_LIMIT_S=${XLM_LAB_UP_LIMIT_S:-240}
NR_DISKS=8
DISK_MB=16

die() {
    echo "lab: $*" >&2
    exit 1
}

say() {
    echo "lab: $*" >&2
}

# Sets the directories of the lab called LAB_NAME.
set_paths() {
    local run=${XDG_RUNTIME_DIR:-/tmp}

    [[ $LAB_NAME =~ ^[A-Za-z0-9_-]{1,32}$ ]] ||
        die "name '$LAB_NAME': 1 to 32 letters, digits, - or _"
    [ -d "$run" ] && [ -w "$run" ] || run=/tmp
    CACHE=${XLM_LAB_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/xlm/lab}
    STATE=${XLM_LAB_STATE:-$run/xlm-lab-$UID-$LAB_NAME}
    OUTER=$CACHE/outer
    # A UNIX socket's name is limited to 107 bytes, and ssh adds 17.
    [ ${#STATE} -le 80 ] ||
        die "$STATE: ${#STATE} characters, limit 80: set XLM_LAB_STATE"
}

# wait_until SECONDS CMD...: runs CMD twice a second until it succeeds.
wait_until() {
    local end=$((SECONDS + $1))

    shift
    until "$@"; do
        [ "$SECONDS" -lt "$end" ] || return 1
        sleep 0.5
    done
}

need_host() {
    case ${1:-} in
    a | b) ;;
    *) die "host '${1:-}': must be a or b" ;;
    esac
}

other_host() {
    [ "$1" = a ] && echo b || echo a
}

# Runs a program of the unpacked packages with their own libraries, so that
# nothing has to be installed and the versions are Debian 12's.
outer() {
    local prog=$1

    shift
    "$OUTER/lib64/ld-linux-x86-64.so.2" --library-path "$OUTER_LIBS" \
        "$OUTER/$prog" "$@"
}

# The machine's ssh or ssh-keygen, else the packages'.
tool() {
    local name=$1

    shift
    if command -v "$name" >/dev/null; then
        "$name" "$@"
    else
        outer "usr/bin/$name" "$@"
    fi
}

set_outer_libs() {
    local lib=usr/lib/x86_64-linux-gnu

    OUTER_LIBS=$OUTER/$lib:$OUTER/$lib/pulseaudio:$OUTER/$lib/ceph
}

# The process PID is ours only if it still carries this lab's directory on its
# command line: numbers are reused.
is_our_process() {
    local pid=$1

    [ -n "$pid" ] && [ -r "/proc/$pid/cmdline" ] &&
        tr '\0' '\n' <"/proc/$pid/cmdline" 2>/dev/null |
        grep -qF -- "$STATE/"
}

stop_process() {
    local pid

    pid=$(cat "$1" 2>/dev/null) || return 0
    is_our_process "$pid" || return 0
    kill "$pid" 2>/dev/null || return 0
    wait_until 8 not is_our_process "$pid" && return 0
    kill -KILL "$pid" 2>/dev/null || true
    wait_until 5 not is_our_process "$pid" ||
        die "process $pid of $STATE does not end"
}

not() {
    ! "$@"
}
