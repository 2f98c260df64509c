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
# (This and the next start no process: tests call "simxen run" all the time.)
is_ours() {
    local words word

    [ -n "${1:-}" ] && { mapfile -d '' words <"/proc/$1/cmdline"; } \
        2>/dev/null || return 1
    for word in ${words[@]+"${words[@]}"}; do
        [[ $word/ != "$DIR"/* ]] || return 0
    done
    return 1
}

# read_pid FILE: sets PID if that process is there and ours.
read_pid() {
    PID=
    { read -r PID <"$1"; } 2>/dev/null && is_ours "$PID"
}

# pid_in FILE: prints it
pid_in() {
    local PID

    read_pid "$1" && echo "$PID"
}

# Process 1 of the host lets go of its memory before the kernel ends the others,
# so nobody knows of a power cut earlier.
is_up() {
    local PID

    read_pid "$H/pid" && is_ours "$(child_of "$PID" 2>/dev/null)"
}

need_up() {
    read_pid "$H/pid" || die "host $HOST is not up"
    HOST_PID=$PID
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

# mac_of NUMBER: a machine keeps its address when it boots, and its peers
# remember it.
mac_of() {
    printf '00:16:3e:ff:00:%02x' "$1"
}

# forwards DEVICE [CMD...]: a bridge takes what comes by its port DEVICE, in the
# namespace that CMD enters.
forwards() {
    "${@:2}" bridge link show dev "$1" | grep -q 'state forwarding'
}

# announce NUMBER [CMD...]: that host, which CMD enters, tells its peers that it
# is there (arp_notify). One that asked for it in vain would say "No route to
# host" for another second.
announce() {
    wait_until 10 forwards eth0 "${@:2}" &&
        "${@:2}" ip link set xenbr0 address "$(mac_of "$1")"
}
