# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# Commands and files into the hosts, their logs out of them.

# Sets the array SSH for host $1.
ssh_args() {
    [ -s "$STATE/$1.port" ] || die "host $1 is not up (lab up)"
    SSH=(-q -i "$CACHE/key" -p "$(cat "$STATE/$1.port")" -F /dev/null
        -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null
        -o IdentitiesOnly=yes -o BatchMode=yes -o ConnectTimeout=20
        -o ServerAliveInterval=20 -o ServerAliveCountMax=6
        -o ControlMaster=auto -o ControlPath="$STATE/ssh-$1"
        -o ControlPersist=600)
}

# A master that starts from a pipeline would keep its stderr open and the
# reader waiting; it is started apart, and once.
open_master() {
    [ -S "$STATE/ssh-$1" ] && return
    (
        flock 9
        [ -S "$STATE/ssh-$1" ] ||
            tool ssh "${SSH[@]}" -f -N root@127.0.0.1 </dev/null \
                >/dev/null 2>"$STATE/ssh-$1.err" 9>&-
    ) 9>"$STATE/ssh-$1.lock"
}

host_ssh() {
    local h=$1

    shift
    ssh_args "$h"
    open_master "$h" || die "host $h: ssh does not connect"
    # shellcheck disable=SC2029 # expanded here on purpose, as ssh does
    tool ssh "${SSH[@]}" root@127.0.0.1 "$@"
}

cmd_ssh() {
    need_host "${1:-}"
    [ $# -ge 2 ] || die "ssh HOST CMD..."
    host_ssh "$@"
}

cmd_push() {
    local dest mode

    [ $# -eq 3 ] || die "push HOST FILE DEST"
    need_host "$1"
    dest=$(printf %q "$3")
    mode=$(stat -c %a "$2") || die "$2: cannot be read"
    # shellcheck disable=SC2094 # dest is in the host
    host_ssh "$1" "cat >$dest && chmod $mode $dest" <"$2"
}

cmd_pull() {
    [ $# -eq 3 ] || die "pull HOST FILE DEST"
    need_host "$1"
    host_ssh "$1" "cat $(printf %q "$2")" </dev/null >"$3"
}

# The tree of `make install DESTDIR=...` onto both hosts, or the one named.
cmd_install() {
    local h hosts='a b'

    if [ $# -gt 1 ]; then
        need_host "$1"
        hosts=$1
        shift
    fi
    [ -d "${1:-}" ] || die "install [HOST] DESTDIR: '${1:-}' is no directory"
    for h in $hosts; do
        tar -C "$1" --owner=0 --group=0 -cz . |
            host_ssh "$h" 'tar -C / --keep-directory-symlink -xz && ldconfig' ||
            die "install on host $h failed"
    done
}

cmd_log() {
    local h

    for h in ${1:-a b}; do
        need_host "$h"
        echo "---- host $h"
        cat "$STATE/$h.log"
    done
}

cmd_console_log() {
    [ $# -eq 2 ] || die "console-log HOST GUEST"
    need_host "$1"
    host_ssh "$1" "cd /var/log/xen && for f in guest-$2.log \
        guest-$2--incoming.log serial-$2.log; do [ ! -e \$f ] || cat \$f; done"
}
