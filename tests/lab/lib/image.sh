# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# What the two machines boot: the hypervisor, Debian's kernel, a small
# initramfs, a root disk for dom0, and the guests' initramfs.

DOM0_BOOT_MODULES='virtio_pci virtio_blk ext4'
DOM0_MODULES='xenfs xen-privcmd xen-evtchn xen-gntdev xen-gntalloc xen-netback
    xen-blkback bridge virtio_net tun loop dm-mod dm-mirror nbd
    sch_netem tls gcm ctr ghash-generic'
GUEST_PV_MODULES='xen-netfront xen-blkfront'
GUEST_HW_MODULES='e1000 ata_piix sd_mod'
GUEST_CFLAGS='-std=gnu11 -D_GNU_SOURCE -O2 -Wall -Wextra -static -pthread'

kernel_version() {
    basename "$PLACE"/boot/usr/lib/modules/*
}

# module_files MODULES...: lib/modules/... of them and of what they need, each
# after what it needs.
module_files() {
    local m

    for m in "$@"; do
        outer kmod/modprobe -d "$PLACE/boot/usr" -S "$(kernel_version)" \
            --show-depends "$m" || die "no module $m"
    done | awk '$1 == "insmod" && !seen[$2]++ { print $2 }' |
        sed "s|^$PLACE/boot/usr/||"
}

# copy_modules DIR MODULES...: with what they need, and an index; unpacked
# (Debian 13 packs them), whatever will load them.
copy_modules() {
    local dir=$1 kv file

    shift
    kv=$(kernel_version)
    module_files "$@" | while read -r file; do
        mkdir -p "$dir/$(dirname "$file")"
        case $file in
        *.xz) tool xz -dc "$PLACE/boot/usr/$file" >"$dir/${file%.xz}" ;;
        *) cp "$PLACE/boot/usr/$file" "$dir/$file" ;;
        esac
    done
    cp "$PLACE/boot/usr/lib/modules/$kv"/modules.{order,builtin,builtin.modinfo} \
        "$dir/lib/modules/$kv/"
    outer kmod/depmod -b "$dir" "$kv"
}

# kmod is one program that looks at its own name.
prepare_kmod() {
    local name

    mkdir -p "$OUTER/kmod"
    for name in modprobe depmod; do
        cp "$OUTER/usr/bin/kmod" "$OUTER/kmod/$name"
    done
}

# busybox_tree DIR: an initramfs' first files
busybox_tree() {
    local applet

    mkdir -p "$1"/{bin,sbin,dev,proc,sys,tmp,run,lib/modules}
    cp "$OUTER/usr/bin/busybox" "$1/bin/busybox"
    for applet in $("$OUTER/usr/bin/busybox" --list); do
        [ "$applet" = busybox ] || ln -sf busybox "$1/bin/$applet"
    done
    for applet in modprobe poweroff reboot halt init; do
        ln -sf ../bin/busybox "$1/sbin/$applet"
    done
}

# pack DIR OUT: owned by root whoever packs it
pack() {
    (cd "$1" && find . | LC_ALL=C sort |
        outer usr/bin/cpio -o -H newc -R 0:0 --quiet) | gzip -1 >"$2.new"
    mv "$2.new" "$2"
}

# compile OUT SOURCES...
compile() {
    local out=$1

    shift
    # shellcheck disable=SC2086 # a list of flags
    gcc $GUEST_CFLAGS -o "$out" "$@" ||
        die "cannot compile $out (gcc and libc6-dev are needed)"
}

build_guest_image() {
    local dir=$CACHE/tree-guest g=$LAB_DIR/guest

    rm -rf "$dir"
    busybox_tree "$dir"
    # shellcheck disable=SC2086 # a list of words
    copy_modules "$dir" $GUEST_PV_MODULES $GUEST_HW_MODULES
    mkdir -p "$dir/modules"
    # shellcheck disable=SC2086 # lists of words
    {
        module_files $GUEST_PV_MODULES | sed 's|^|/|' >"$dir/modules/pv"
        module_files $GUEST_HW_MODULES | sed 's|^|/|' >"$dir/modules/emulated"
    }
    compile "$dir/bin/agent" "$g"/{agent,block,churn,disk,gap,store,work}.c
    cp "$g/init" "$dir/init"
    chmod 755 "$dir/init"
    # `xl shutdown` and `xl reboot` make the kernel run /sbin/poweroff and
    # /sbin/reboot, and busybox's ask process 1 unless forced.
    rm -f "$dir"/sbin/{poweroff,reboot}
    printf '#!/bin/sh\nexec /bin/busybox poweroff -f\n' >"$dir/sbin/poweroff"
    printf '#!/bin/sh\nexec /bin/busybox reboot -f\n' >"$dir/sbin/reboot"
    chmod 755 "$dir"/sbin/{poweroff,reboot}
    pack "$dir" "$CACHE/guest-initrd.gz"
    rm -rf "$dir"
    compile "$CACHE/blocks" "$g"/{blocks,block}.c
}

make_keys() {
    local k

    for k in key hostkey; do
        [ -s "$CACHE/$k" ] ||
            tool ssh-keygen -q -t ed25519 -N '' -C xlm-lab -f "$CACHE/$k"
    done
}

# What dom0 has beyond the packages; /etc/xen is as the package has it but for
# xl.conf.
write_overlay() {
    local o=$1 d=$LAB_DIR/dom0 f

    mkdir -p "$o"/{etc/ssh,etc/xen,root/.ssh,boot} \
        "$o"/usr/local/{bin,sbin,lib/lab} "$o"/var/{log/xen,lib/xen/dump} \
        "$o"/var/lib/xenstored
    install -m 755 "$d/start" "$o/usr/local/lib/lab/start"
    install -m 755 "$d/labguest" "$o/usr/local/bin/labguest"
    compile "$o/usr/local/bin/plainsh" "$d/plainsh.c"
    for f in hold fault; do
        gcc -std=gnu11 -D_GNU_SOURCE -O2 -Wall -Wextra -shared -fPIC \
            -o "$o/usr/local/lib/lab/$f.so" "$d/$f.c" ||
            die "cannot compile $f.c"
    done
    cp "$CACHE/guest-initrd.gz" "$o/boot/guest-initrd.gz"
    cat >"$o/etc/passwd" <<'END'
root:x:0:0:root:/root:/bin/bash
sshd:x:100:65534::/run/sshd:/usr/sbin/nologin
nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin
END
    printf 'root:x:0:\ntty:x:5:\ndisk:x:6:\nnogroup:x:65534:\n' >"$o/etc/group"
    printf 'passwd: files\ngroup: files\nhosts: files\n' \
        >"$o/etc/nsswitch.conf"
    printf '127.0.0.1 localhost\n10.0.0.1 hosta\n10.0.0.2 hostb\n' \
        >"$o/etc/hosts"
    cat >"$o/etc/xen/xl.conf" <<'END'
autoballoon="off"
lockfile="/run/lock/xl"
vif.default.bridge="xenbr0"
END
    write_ssh_files "$o"
}

write_ssh_files() {
    local o=$1

    install -m 600 "$CACHE/key" "$o/root/.ssh/id_ed25519"
    install -m 600 "$CACHE/key.pub" "$o/root/.ssh/authorized_keys"
    install -m 600 "$CACHE/hostkey" "$o/etc/ssh/ssh_host_ed25519_key"
    printf '%s\n' 'StrictHostKeyChecking no' 'UserKnownHostsFile /dev/null' \
        'LogLevel ERROR' >"$o/root/.ssh/config"
    chmod 600 "$o/root/.ssh/config"
    chmod 700 "$o/root" "$o/root/.ssh"
    cat >"$o/etc/ssh/sshd_config" <<'END'
HostKey /etc/ssh/ssh_host_ed25519_key
PermitRootLogin yes
PasswordAuthentication no
UsePAM no
UseDNS no
MaxSessions 50
MaxStartups 50
SetEnv PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
Subsystem sftp /usr/lib/openssh/sftp-server
END
}

build_dom0_initrd() {
    local dir=$PLACE/tree-dom0

    rm -rf "$dir"
    busybox_tree "$dir"
    # shellcheck disable=SC2086 # a list of words
    copy_modules "$dir" $DOM0_BOOT_MODULES
    write_overlay "$dir/overlay"
    # shellcheck disable=SC2086 # a list of words
    copy_modules "$dir/overlay/usr" $DOM0_BOOT_MODULES $DOM0_MODULES
    install -m 755 "$LAB_DIR/dom0/init" "$dir/init"
    pack "$dir" "$PLACE/dom0-initrd.gz"
    rm -rf "$dir"
}

# le FILE OFFSET SIZE: an unsigned number of FILE
le() {
    od -An -v -tu"$3" -j "$2" -N "$3" "$1" | tr -d ' '
}

# unpack_kernel BZIMAGE OUT: the ELF file inside (Documentation/arch/x86/boot.rst
# of Linux: setup_sects, payload_offset, payload_length; the payload ends with
# its unpacked size). PV and PVH guests and dom0 start from it directly, and do
# not decompress it in an emulated processor every time.
unpack_kernel() {
    local start length

    start=$((($(le "$1" 497 1) + 1) * 512 + $(le "$1" 584 4)))
    length=$(($(le "$1" 588 4) - 4))
    head -c $((start + length)) "$1" | tail -c "$length" |
        tool xz -dc >"$2.new" ||
        die "$1: no xz-compressed kernel inside"
    mv "$2.new" "$2"
}

# Each host gets a copy. It has a journal: a host may lose its power.
build_root_disk() {
    local out=$PLACE/dom0.ext4

    say "root disk"
    cp "$PLACE"/boot/boot/vmlinuz-* "$PLACE/vmlinuz"
    [ "$RELEASE" != bookworm ] || unpack_kernel "$CACHE/vmlinuz" "$CACHE/vmlinux"
    cp "$CACHE/vmlinuz" "$DOM0/boot/guest-vmlinuz"
    cp "$CACHE/vmlinux" "$DOM0/boot/guest-vmlinux"
    # The packages have directories there; a link would land inside them.
    rm -rf "$DOM0/var/run" "$DOM0/var/lock"
    ln -s /run "$DOM0/var/run"
    ln -s /run/lock "$DOM0/var/lock"
    ln -sf mawk "$DOM0/usr/bin/awk"
    rm -rf "$DOM0/usr/share/qemu/"{edk2,hppa,openbios,opensbi,skiboot,u-boot}*
    truncate -s 700M "$out.new"
    outer usr/sbin/mke2fs -q -F -t ext4 -E root_owner=0:0 -m 0 \
        -d "$DOM0" "$out.new" || die "mke2fs failed"
    mv "$out.new" "$out"
}

# newer_than STAMP FILES...: is any of FILES newer, or the stamp missing?
outdated() {
    local stamp=$1 f

    shift
    [ -e "$stamp" ] || return 0
    for f in "$@"; do
        [ "$f" -nt "$stamp" ] && return 0
    done
    return 1
}

build_images() {
    local stamp=$PLACE/images.stamp

    set_outer_libs
    if [ ! -s "$PLACE/dom0.ext4" ] ||
        outdated "$PLACE/dom0.ext4" "$PLACE/packages.have" \
            "$LAB_DIR/lib/image.sh"; then
        build_root_disk
    fi
    outdated "$stamp" "$PLACE/packages.have" "$LAB_DIR"/guest/* \
        "$LAB_DIR"/dom0/* "$LAB_DIR/lib/image.sh" || return 0
    say "initramfs of dom0 and guests"
    prepare_kmod
    [ -e "$PLACE/boot/usr/lib/modules/$(kernel_version)/modules.dep" ] ||
        outer kmod/depmod -b "$PLACE/boot/usr" "$(kernel_version)"
    if [ "$RELEASE" = bookworm ]; then
        make_keys
        build_guest_image
    fi
    build_dom0_initrd
    gzip -dc "$PLACE"/boot/boot/xen-"$XEN"-amd64.gz >"$PLACE/xen-$STOCK"
    touch "$stamp"
}
