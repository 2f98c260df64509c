# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# Paths, messages and bounded waits of the host side. Sourced; STUBS is set.

XEN_VERSION=${SIMXEN_XEN_VERSION:-4.17}
UP_LIMIT_S=${SIMXEN_UP_LIMIT_S:-60}
LIFETIME_S=${SIMXEN_LIFETIME_S:-7200}
WIRE_NET=10.0.0

die() {
    echo "simxen: $*" >&2
    exit 1
}

say() {
    echo "simxen: $*" >&2
}

# The tree of hosts: RACK is what they share, RUN what the build made.
set_dirs() {
    DIR=${SIMXEN_DIR:-/tmp/simxen-$UID}
    RUN=${SIMXEN_RUN:-$STUBS/../build/gcc/stubs/run}
    RACK=$DIR/rack
    case $DIR in
    /run/* | *[!A-Za-z0-9_./-]*)
        die "SIMXEN_DIR=$DIR: must be letters, digits and _.-/, and not below" \
            "/run, which is each host's own"
        ;;
    /*) ;;
    *) die "SIMXEN_DIR=$DIR: not an absolute path" ;;
    esac
    # A UNIX socket's name is limited to 107 bytes.
    [ ${#DIR} -le 60 ] || die "$DIR: ${#DIR} characters, limit 60"
}

need_run() {
    [ -x "$RUN/simxen-hvd" ] || [ "$XEN_VERSION" != 4.20 ] ||
        die "$RUN: no simxen-hvd there; run \"make simxen-4.20\" in the build"
    RUN=$(readlink -f "$RUN") && [ -x "$RUN/simxen-hvd" ] ||
        die "$RUN: no simxen-hvd there; build first, or set SIMXEN_RUN"
}

# set_host NAME
set_host() {
    HOST=${1:-}
    [[ $HOST =~ ^[a-z][a-z0-9-]{0,15}$ ]] && [ "$HOST" != rack ] ||
        die "host '$HOST': must be 1 to 16 small letters, digits or -"
    H=$DIR/$HOST
}

# wait_until SECONDS CMD...: runs CMD often until it succeeds.
wait_until() {
    local end=$((SECONDS + $1))

    shift
    until "$@"; do
        [ "$SECONDS" -lt "$end" ] || return 1
        sleep 0.02
    done
}

not() {
    ! "$@"
}

# Numbers of processes are reused: ours names our directory on its command line.
is_ours() {
    [ -n "${1:-}" ] && [ -r "/proc/$1/cmdline" ] &&
        tr '\0' '\n' <"/proc/$1/cmdline" 2>/dev/null | 
        grep -q -e "^$DIR\$" -e "^$DIR/"
}

# pid_in FILE: prints it if that process is there and ours.
pid_in() {
    local pid

    pid=$(cat "$1" 2>/dev/null) && is_ours "$pid" && echo "$pid"
}

is_up() {
    pid_in "$H/pid" >/dev/null
}

need_up() {
    HOST_PID=$(pid_in "$H/pid") || die "host $HOST is not up"
}

# The only process below an unshare(1) that was told to fork.
child_of() {
    local pids

    pids=$(cat "/proc/$1/task/$1/children") && [ -n "$pids" ] &&
        echo "${pids%% *}"
}

# in_rack CMD..., in_host CMD...: an ordinary user's rack is a user namespace.
in_rack() {
    nsenter "${USERNS[@]}" -m -n -t "$RACK_PID" "$@"
}

in_host() {
    nsenter "${USERNS[@]}" -m -n -u -i -t "$HOST_PID" \
        --pid="/proc/$HOST_PID/ns/pid_for_children" "$@"
}

USERNS=()
[ "$UID" -eq 0 ] || USERNS=(-U --preserve-credentials)
