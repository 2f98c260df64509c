# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# The two machines: start, stop, look at, and run commands in them.

HOST_MB=3072
DOM0_MB=1280
FLAVOUR='(debian|shadow|trixie)'
CPU=qemu64,+svm,+npt,+aes,+ssse3,+sse4.1,+sse4.2,+popcnt,+rdrand
# dom0 has one pinned vCPU: with two, PVH guests triple-faulted now and then.
XEN_ARGS="console=com1 com1=115200,8n1 dom0_mem=${DOM0_MB}M,max:${DOM0_MB}M \
dom0_max_vcpus=1 dom0_vcpus_pin loglvl=info guest_loglvl=info noreboot"

# flavour_of HOST FLAVOURS: of "X,Y" host a has X and host b has Y
flavour_of() {
    [ "$1" = a ] && echo "${2%,*}" || echo "${2#*,}"
}

release_of() {
    [ "$1" = trixie ] && echo trixie || echo bookworm
}

# A port nobody listens on now; if somebody takes it before the emulator does,
# the emulator fails and start_host tries another.
free_port() {
    local port

    for _ in {1..50}; do
        port=$((20000 + RANDOM % 30000))
        (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null || {
            echo "$port"
            return
        }
    done
    die "no free port among 50 tried"
}

# The shared disks' caching on this machine. Both emulators use the same page
# cache, so that either is coherent; dom0's own caching is what is tested.
disk_cache() {
    if dd if=/dev/zero of="$STATE/direct" bs=4096 count=1 oflag=direct \
        2>/dev/null; then
        echo none
    else
        echo writeback
    fi
    rm -f "$STATE/direct"
}

make_disks() {
    local n

    mkdir -p "$STATE/disks"
    for n in a b c d e f g h; do
        truncate -s "${DISK_MB}M" "$STATE/disks/$n"
    done
}

# Each host's own copy, so that what it has synced outlives its power.
make_root() {
    use_release "$(release_of "$(flavour_of "$1" "$FLAVOURS")")"
    cp --sparse=always --reflink=auto "$PLACE/dom0.ext4" "$STATE/root-$1" ||
        die "host $1: no room for its root disk in $STATE"
}

# qemu_args HOST PORT: sets the array ARGS
# shellcheck disable=SC2054 # the commas belong to the options
qemu_args() {
    local h=$1 port=$2 mac=52:54:00:00:01 n slot=8 wire cache xen

    xen=$(flavour_of "$h" "$FLAVOURS")
    use_release "$(release_of "$xen")"
    cache=$(cat "$STATE/disk-cache")
    [ "$h" = a ] || mac=52:54:00:00:02
    wire="local.type=unix,local.path=$STATE/wire-$h"
    wire+=",remote.type=unix,remote.path=$STATE/wire-$(other_host "$h")"
    ARGS=(-name "lab-$LAB_NAME-$h" -machine q35 -accel tcg,thread=single
        -cpu "$CPU" -smp 1 -m "$HOST_MB" -display none -no-reboot -nodefaults
        -L "$OUTER/usr/share/qemu" -L "$OUTER/usr/share/seabios"
        -L "$OUTER/usr/lib/ipxe/qemu" -pidfile "$STATE/$h.qemu-pid"
        -serial "file:$STATE/$h.log"
        -monitor "unix:$STATE/$h.monitor,server=on,wait=off"
        -netdev "user,id=u0,hostfwd=tcp:127.0.0.1:$port-:22"
        -device "virtio-net-pci,netdev=u0,mac=$mac:01,addr=4,romfile="
        -netdev "dgram,id=s0,$wire"
        -device "virtio-net-pci,netdev=s0,mac=$mac:02,addr=5,romfile="
        -kernel "$PLACE/xen-$xen" -append "$XEN_ARGS"
        -initrd "$PLACE/$KERNEL console=hvc0 quiet lab.host=$h,$PLACE/dom0-initrd.gz")
    for n in a b c d e f g h; do
        ARGS+=(-drive
            "if=none,id=$n,format=raw,file=$STATE/disks/$n,cache=$cache,file.locking=off"
            -device
            "virtio-blk-pci,drive=$n,serial=shared-$n,share-rw=on,addr=$slot")
        slot=$((slot + 1))
    done
    ARGS+=(-drive
        "if=none,id=root,format=raw,file=$STATE/root-$h,file.locking=off"
        -device virtio-blk-pci,drive=root,serial=labroot,addr=18)
}

# Nothing of the caller's may stay open in the emulator, a lock least of all.
launch() {
    local h=$1 fd

    for fd in /proc/"$BASHPID"/fd/*; do
        fd=${fd##*/}
        [ "$fd" -le 2 ] || [ "$fd" = 255 ] || eval "exec $fd>&-"
    done
    cd "$STATE" || exit 1
    export TMPDIR=$STATE
    export QEMU_MODULE_DIR=$OUTER/usr/lib/x86_64-linux-gnu/qemu
    echo "$BASHPID" >"$STATE/$h.pid"
    exec setsid timeout -k 10 "$LAB_LIFETIME_S" \
        "$OUTER/lib64/ld-linux-x86-64.so.2" --library-path "$OUTER_LIBS" \
        "$OUTER/usr/bin/qemu-system-x86_64" "${ARGS[@]}" \
        </dev/null >"$STATE/$h.err" 2>&1
}

has_started() {
    [ -s "$STATE/$1.qemu-pid" ] || ! is_our_process "$(cat "$STATE/$1.pid")"
}

start_host() {
    local h=$1 port

    for _ in 1 2 3 4 5; do
        rm -f "$STATE/$h".*
        port=$(free_port)
        qemu_args "$h" "$port"
        (launch "$h") &
        wait_until 5 test -s "$STATE/$h.pid" || die "host $h: no process"
        wait_until 20 has_started "$h" || die "host $h: emulator hangs"
        [ -s "$STATE/$h.qemu-pid" ] && {
            echo "$port" >"$STATE/$h.port"
            return
        }
        grep -q 'Could not set up host forwarding' "$STATE/$h.err" || break
    done
    die "host $h: $(tail -n 3 "$STATE/$h.err")"
}

host_alive() {
    is_our_process "$(cat "$STATE/$1.pid" 2>/dev/null)"
}

host_ready() {
    grep -qa 'LAB READY' "$STATE/$1.log" 2>/dev/null
}

ready_or_dead() {
    host_ready "$1" || ! host_alive "$1" ||
        grep -qaE 'LAB FAILED|Kernel panic|Panic on CPU|Dom0 crashed' \
            "$STATE/$1.log" 2>/dev/null
}

# Says the console's tail and fails if host $1 is not ready within $2 seconds.
wait_ready() {
    local h=$1

    if wait_until "$2" ready_or_dead "$h" && host_ready "$h"; then
        echo "host $h: $(grep -ao 'LAB READY.*' "$STATE/$h.log" |
            tr -d '\r'), ssh 127.0.0.1:$(cat "$STATE/$h.port")"
        return
    fi
    {
        echo "---- console of host $h, last 40 lines"
        tail -n 40 "$STATE/$h.log"
        cat "$STATE/$h.err"
        echo "----"
        say "host $h did not come up within $2 s"
    } >&2
    return 1
}

# dom0 sets Xen's wall clock, and a guest that moves sees the difference.
sync_clocks() {
    local before now after

    before=$(date +%s%N)
    now=$(host_ssh a date +%s%N) || die "host a does not answer"
    after=$(date +%s%N)
    say "clocks: a differs by $(((now - (before + after) / 2) / 1000000)) ms"
    host_ssh b 'bash -s' <<'END' || die "host b does not answer"
best=
for i in 1 2 3 4 5; do
    t0=$(date +%s%N)
    r=$(plainsh hosta date +%s%N </dev/null) || continue
    t1=$(date +%s%N)
    d=$((t1 - t0))
    [ -z "$best" ] || [ $d -lt $best ] || continue
    best=$d shift=$((r - (t0 + t1) / 2))
done
t=$(($(date +%s%N) + shift))
date -s "@$((t / 1000000000)).$(printf %09d $((t % 1000000000)))" >/dev/null
echo "lab: clocks: b moved by $((shift / 1000000)) ms (round trip $((best / 1000000)) ms)" >&2
END
}

cmd_up() {
    local began=$SECONDS left

    FLAVOURS=debian
    while [ $# -gt 0 ]; do
        [[ $1 =~ ^--xen=$FLAVOUR(,$FLAVOUR)?$ ]] ||
            die "up: unknown option '$1'"
        FLAVOURS=${1#--xen=}
        shift
    done
    build_all "$FLAVOURS"
    if host_alive a && host_alive b && host_ready a && host_ready b; then
        [ "$(cat "$STATE/flavour")" = "$FLAVOURS" ] ||
            die "$STATE runs $(cat "$STATE/flavour"): lab down first"
        cmd_status
        return
    fi
    [ ! -e "$STATE" ] || say "cleaning up an abandoned lab in $STATE"
    stop_lab
    mkdir -p "$STATE"
    chmod 700 "$STATE"
    echo "$FLAVOURS" >"$STATE/flavour"
    began=$SECONDS
    disk_cache >"$STATE/disk-cache"
    make_disks
    make_root a
    make_root b
    start_host a
    start_host b
    left=$((began + LAB_UP_LIMIT_S - SECONDS))
    wait_ready a "$left" && wait_ready b $((left > 10 ? left : 10)) || {
        stop_lab
        exit 1
    }
    sync_clocks
    echo "lab $LAB_NAME: up in $((SECONDS - began)) s, Xen flavour $FLAVOURS," \
        "shared disks cache=$(cat "$STATE/disk-cache")"
}

# forget_ssh HOST: the connection that its commands share
forget_ssh() {
    local f=$STATE/ssh-$1

    # It may have ended by itself.
    [ ! -S "$f" ] || tool ssh -q -o ControlPath="$f" -O exit lab 2>/dev/null ||
        true
    rm -f "$f"
}

cmd_power_cut() {
    local h=${1:-} pid

    need_host "$h"
    pid=$(cat "$STATE/$h.qemu-pid" 2>/dev/null) && is_our_process "$pid" ||
        die "host $h is not up"
    kill -KILL "$pid"
    wait_until 10 not host_alive "$h" || die "host $h does not die"
    forget_ssh "$h"
}

cmd_boot() {
    local h=${1:-}

    need_host "$h"
    [ -d "$STATE" ] || die "there is no lab $LAB_NAME (lab up)"
    ! host_alive "$h" || die "host $h is up"
    FLAVOURS=$(cat "$STATE/flavour")
    start_host "$h"
    wait_ready "$h" "$LAB_UP_LIMIT_S" || exit 1
    sync_clocks
}

stop_lab() {
    local f

    [ -d "$STATE" ] || return 0
    forget_ssh a
    forget_ssh b
    for f in a b; do
        stop_process "$STATE/$f.pid"
        stop_process "$STATE/$f.qemu-pid"
    done
    rm -rf "${STATE:?}"
}

cmd_down() {
    [ -d "$STATE" ] || say "no lab in $STATE"
    stop_lab
}

cmd_status() {
    local h rc=0

    [ -d "$STATE" ] || {
        echo "lab $LAB_NAME: not there"
        return 1
    }
    for h in a b; do
        if host_alive "$h" && host_ready "$h"; then
            echo "host $h: ready, ssh 127.0.0.1:$(cat "$STATE/$h.port")," \
                "Xen flavour $(flavour_of "$h" "$(cat "$STATE/flavour")")"
        elif host_alive "$h"; then
            echo "host $h: starting"
            rc=1
        else
            echo "host $h: dead"
            rc=1
        fi
    done
    return $rc
}
