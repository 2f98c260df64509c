# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# Guests that watch themselves: `lab guest ...`.

# A whole emulated PC on an emulated processor is what takes longest.
GUEST_BOOT_LIMIT_S=${XLM_LAB_GUEST_LIMIT_S:-600}
GUEST_CHECK_LIMIT_S=60

need_guest_name() {
    [[ ${1:-} =~ ^[A-Za-z0-9][A-Za-z0-9_-]{0,30}$ ]] ||
        die "guest name '${1:-}': 1 to 31 letters, digits, - or _"
}

# guest_value NAME KEY: what was recorded when the guest was created
guest_value() {
    [ -e "$STATE/guests/$1/$2" ] || die "guest $1 is not known here"
    cat "$STATE/guests/$1/$2"
}

# take DIR VALUES...: prints the first value nobody has; mkdir decides.
take() {
    local dir=$STATE/$1 value

    shift
    mkdir -p "$dir"
    for value in "$@"; do
        mkdir "$dir/$value" 2>/dev/null && {
            echo "$value"
            return
        }
    done
    return 1
}

cmd_guest_options() {
    TYPE='' VCPUS=1 MEM=160 MAXMEM='' DISK=none WRITER=2000 WORK=32 PV=yes
    EXTRA='' PAUSED=no NET=yes BALLOON=0 CHURN=0
    while [ $# -gt 0 ]; do
        case $1 in
        --no-pv-drivers) PV=no ;;
        --no-net) NET=no ;;
        --paused) PAUSED=yes ;;
        --type | --vcpus | --mem | --maxmem | --disk | --writer | --work | \
            --balloon | --churn | --extra)
            [ $# -ge 2 ] || die "$1 needs a value"
            case $1 in
            --type) TYPE=$2 ;;
            --vcpus) VCPUS=$2 ;;
            --mem) MEM=$2 ;;
            --maxmem) MAXMEM=$2 ;;
            --disk) DISK=$2 ;;
            --writer) WRITER=$2 ;;
            --work) WORK=$2 ;;
            --balloon) BALLOON=$2 ;;
            --churn) CHURN=$2 ;;
            --extra) EXTRA=$2 ;;
            esac
            shift
            ;;
        *) die "guest create: unknown option '$1'" ;;
        esac
        shift
    done
    case $TYPE in
    pv | pvh | hvm) ;;
    *) die "--type must be pv, pvh or hvm" ;;
    esac
    case $DISK in
    none | phy | loop | qdisk | qdisk-cached) ;;
    *) die "--disk must be none, phy, loop, qdisk or qdisk-cached" ;;
    esac
    [ "$PV" = yes ] || [ "$TYPE" = hvm ] || die "--no-pv-drivers: hvm only"
}

# Disks are named a to h; /dev/vdX on both hosts is $STATE/disks/X here.
allot() {
    local name=$1 g=$STATE/guests/$1 index disk=none

    mkdir -p "$STATE/guests"
    mkdir "$g" 2>/dev/null || die "guest $name exists"
    # shellcheck disable=SC2046 # a list of numbers
    index=$(take addresses $(seq 100 199)) || die "no free guest address"
    if [ "$DISK" != none ]; then
        disk=$(take disks-used a b c d e f g h) || {
            rm -r "$g" "$STATE/addresses/$index"
            die "all $NR_DISKS shared disks are in use"
        }
        dd if=/dev/zero of="$STATE/disks/$disk" bs=1M count="$DISK_MB" \
            conv=notrunc,fsync 2>/dev/null
    fi
    echo "$index" >"$g/index"
    echo "$disk" >"$g/disk"
    echo "$DISK" >"$g/disk-kind"
    echo "10.0.0.$index" >"$g/ip"
    echo "$PV" >"$g/pv"
}

# A loop device over the shared disk goes through the page cache of dom0; its
# number is the same on both hosts, so that the guest's configuration is too.
loop_of() {
    printf '/dev/loop%d' $(($(printf '%d' "'$1") - 97 + 10))
}

attach_loop() {
    local h loop

    loop=$(loop_of "$1")
    for h in a b; do
        host_ssh "$h" "[ -e $loop ] || mknod $loop b 7 ${loop#/dev/loop};
            losetup $loop >/dev/null 2>&1 || losetup $loop /dev/vd$1" ||
            die "host $h: losetup $loop /dev/vd$1 failed"
    done
}

# direct-io-safe would give qdisk direct I/O, but the device model then asks for
# aio=native, and Debian's qemu-system-xen is built without: both kinds of qdisk
# go through the page cache.
disk_line() {
    local vdev=xvda backend target=/dev/vd$1

    [ "$PV" = yes ] || vdev=hda
    case $DISK in
    none) return ;;
    phy) backend=phy ;;
    loop) backend=phy target=$(loop_of "$1") ;;
    qdisk | qdisk-cached) backend=qdisk ;;
    esac
    echo "disk=['format=raw,vdev=$vdev,access=rw,backendtype=$backend,target=$target']"
}

# Without PV drivers: the kernel does not look for Xen (xen_nopv), nothing is
# unplugged, and the console is the emulated serial port, which qemu logs.
guest_args() {
    local index=$1 console=hvc0 disk=/dev/xvda extra=

    if [ "$PV" = no ]; then
        console=ttyS0
        disk=/dev/sda
        extra=' lab.drivers=emulated xen_nopv xen_emul_unplug=never'
    fi
    [ "$DISK" = none ] || extra="$extra lab.disk=$disk"
    [ "$NET" = no ] || extra="$extra lab.ip=10.0.0.$index"
    echo "console=$console quiet panic=10 rdinit=/init lab.console=$console" \
        "lab.work=$WORK lab.writer=$WRITER lab.balloon=$BALLOON" \
        "lab.churn=$CHURN$extra"
}

write_config() {
    local name=$1 index=$2 disk=$3 nic='' kernel=vmlinux

    # the emulator's loader wants the file with the boot protocol
    [ "$TYPE" != hvm ] || kernel=vmlinuz
    [ "$PV" = yes ] || nic=',model=e1000'
    nic="'mac=00:16:3e:58:00:$(printf %02x "$index"),bridge=xenbr0$nic'"
    [ "$NET" = yes ] || nic=
    cat <<END
name="$name"
type="$TYPE"
memory=$MEM
${MAXMEM:+maxmem=$MAXMEM}
vcpus=$VCPUS
kernel="/boot/guest-$kernel"
ramdisk="/boot/guest-initrd.gz"
cmdline="$(guest_args "$index")"
vif=[$nic]
$(disk_line "$disk")
END
    [ "$TYPE" != hvm ] || printf '%s\n' 'vnc=0' 'sdl=0' 'vga="none"'
    [ "$PV" = yes ] || printf '%s\n' 'xen_platform_pci=0' \
        "serial=\"file:/var/log/xen/serial-$name.log\""
    printf '%s\n' "$EXTRA"
}

forget() {
    local g=$STATE/guests/$1

    [ -d "$g" ] || return 0
    rm -rf "$STATE/addresses/$(cat "$g/index")" \
        "$STATE/disks-used/$(cat "$g/disk")" "$g"
}

cmd_guest_create() {
    local host=${1:-} name=${2:-} disk index flags='' began=$SECONDS line

    need_host "$host"
    need_guest_name "$name"
    shift 2
    cmd_guest_options "$@"
    allot "$name"
    index=$(guest_value "$name" index)
    disk=$(guest_value "$name" disk)
    [ "$DISK" != loop ] || attach_loop "$disk"
    [ "$PAUSED" = no ] || flags=-p
    write_config "$name" "$index" "$disk" |
        host_ssh "$host" "cat >/etc/xen/$name.cfg" || die "host $host: no cfg"
    # One of that name may have moved away from there, and ended.
    host_ssh "$host" "xl lmigrate-recover --forget $name >/dev/null 2>&1
        xl create -q $flags /etc/xen/$name.cfg" </dev/null || {
        forget "$name"
        die "host $host: xl create $name failed"
    }
    [ "$PAUSED" = no ] || return 0
    line=$(host_ssh "$host" labguest wait "$name" "$GUEST_BOOT_LIMIT_S" \
        </dev/null) || {
        cmd_console_log "$host" "$name" | tail -n 30 >&2
        host_ssh "$host" xl list </dev/null >&2
        die "guest $name: no report within $GUEST_BOOT_LIMIT_S s"
    }
    echo "guest $name on $host after $((SECONDS - began)) s: $line"
}

cmd_guest_check() {
    need_host "${1:-}"
    need_guest_name "${2:-}"
    host_ssh "$1" labguest check "$2" "$GUEST_CHECK_LIMIT_S" </dev/null
}

cmd_guest_ping() {
    local ip

    need_host "${1:-}"
    need_guest_name "${2:-}"
    ip=$(guest_value "$2" ip)
    host_ssh "$1" ping -q -c 3 -w 15 "$ip" </dev/null
}

# Blocks move while they are read: a second look decides.
cmd_guest_blocks() {
    local disk

    need_guest_name "${1:-}"
    disk=$(guest_value "$1" disk)
    [ "$disk" != none ] || die "guest $1 has no disk"
    "$CACHE/blocks" "$STATE/disks/$disk" "${@:2}" >"$STATE/blocks.first" ||
        sleep 1
    "$CACHE/blocks" "$STATE/disks/$disk" "${@:2}"
}

cmd_guest_destroy() {
    local loop rc=0 h

    need_host "${1:-}"
    need_guest_name "${2:-}"
    host_ssh "$1" xl destroy "$2" </dev/null || rc=$?
    if [ "$(cat "$STATE/guests/$2/disk-kind" 2>/dev/null)" = loop ]; then
        loop=$(loop_of "$(guest_value "$2" disk)")
        for h in a b; do
            host_ssh "$h" "losetup -d $loop" </dev/null || rc=$?
        done
    fi
    forget "$2"
    return $rc
}

cmd_guest() {
    local what=${1:-}

    shift || true
    case $what in
    create | check | ping | blocks | destroy) "cmd_guest_$what" "$@" ;;
    *) die "guest create|check|ping|blocks|destroy, not '$what'" ;;
    esac
}
