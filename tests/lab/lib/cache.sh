# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# Debian packages into the cache, without root and without installing any.

# On this machine: the emulator (its version matters) and the tools that make
# the images. In dom0: what a Debian dom0 has, and what our programs link with.
OUTER_PACKAGES='qemu-system-x86 cpio kmod e2fsprogs xz-utils openssh-client
    busybox-static'
DOM0_PACKAGES='xenstore-utils qemu-system-xen
    qemu-system-data seabios ipxe-qemu openssh-server openssh-client socat
    bridge-utils iproute2 iputils-ping dash base-files libc-bin diffutils bash
    coreutils util-linux mount procps psmisc sed grep mawk gawk findutils tar
    gzip hostname kmod jq strace e2fsprogs python3 perl-base debianutils
    libxml2 libyajl2 libinih1 libgnutls30 libzstd1 liblz4-1 libxengnttab1 libnettle8
    libssl3 nbd-client gdb-minimal libcunit1'
# What xlm is built with against another release's libraries.
DEV_PACKAGES='libc6-dev libxen-dev libyajl-dev libgnutls28-dev liblz4-dev
    libzstd-dev libinih-dev'

# use_release bookworm|trixie: what is fetched, unpacked and made from now on is
# that Debian release's. The machine's own, bookworm, has the cache's top, where
# what both share is, too: emulator, keys, the guests' kernel and initramfs.
# STOCK is the flavour of a host that has nothing but the release's packages;
# KERNEL is dom0's: Debian 13's is packed with zstd, which Xen unpacks in no time.
use_release() {
    RELEASE=$1
    case $RELEASE in
    bookworm) PLACE=$CACHE XEN=4.17 STOCK=debian KERNEL=vmlinux ;;
    trixie) PLACE=$CACHE/trixie XEN=4.20 STOCK=trixie KERNEL=vmlinuz ;;
    *) die "no release $RELEASE" ;;
    esac
    DOM0=$PLACE/dom0
}

# The machine's own sources with another suite.
release_sources() {
    local out=$PLACE/apt/etc/$RELEASE f

    mkdir -p "$out"
    cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null |
        sed -n "s/^\\(deb .*\\) bookworm\\([a-z/-]*\\) /\\1 $RELEASE\\2 /p" \
            >"$out/lab.list" || true
    for f in /etc/apt/sources.list.d/*.sources; do
        [ ! -e "$f" ] || awk -v RS= -v ORS='\n\n' \
            '/(^|\n)Suites:[^\n]*bookworm/' "$f"
    done | sed "/^Suites:/s/bookworm/$RELEASE/g" >"$out/lab.sources"
    [ -s "$out/lab.list" ] || [ -s "$out/lab.sources" ] ||
        die "no package source of this machine is of bookworm:" \
            "where to get $RELEASE is not known"
}

# An apt of our own: the machine's sources and keys, but an empty status file
# (so that a closure is complete) and lists and archives in the cache.
apt_setup() {
    local apt=$PLACE/apt

    mkdir -p "$apt"/{lists,archives}/partial "$apt/etc"
    : >"$apt/status"
    cat >"$apt/apt.conf" <<APT
#clear APT::Update::Post-Invoke;
#clear DPkg::Post-Invoke;
Dir::State "$apt";
Dir::State::lists "$apt/lists";
Dir::State::status "$apt/status";
Dir::Cache "$apt";
Dir::Cache::archives "$apt/archives";
Dir::Cache::pkgcache "";
Dir::Cache::srcpkgcache "";
Dir::Log "$apt";
APT::Sandbox::User "$(id -un)";
Debug::NoLocking "true";
APT::Install-Recommends "false";
APT::Keep-Downloaded-Packages "true";
APT
    if [ "$RELEASE" != bookworm ]; then
        release_sources
        cat >>"$apt/apt.conf" <<APT
Dir::Etc::sourcelist "/dev/null";
Dir::Etc::sourceparts "$apt/etc/$RELEASE";
APT
    fi
    export APT_CONFIG=$apt/apt.conf
}

apt_update() {
    say "package lists of $RELEASE"
    apt-get -qq update >"$PLACE/apt/update.log" 2>&1 ||
        die "apt-get update failed: $(tail -n 3 "$PLACE/apt/update.log")"
}

# deb_names: the file names behind the "Inst" lines of a simulated install;
# --print-uris would leave out what is downloaded already.
deb_names() {
    awk '$1 == "Inst" && match($0, /\[(all|amd64)\]\)/) {
        arch = substr($0, RSTART + 1, RLENGTH - 3)
        version = $3
        sub(/^\(/, "", version)
        gsub(/:/, "%3a", version)
        print $2 "_" version "_" arch ".deb"
    }'
}

# fetch_closure NAME PACKAGES...: downloads them with all they depend on, and
# writes the names of the .deb files to NAME.list.
fetch_closure() {
    local name=$1 log=$PLACE/apt/$1.log

    shift
    say "packages for $name"
    if ! apt-get -qq -s install "$@" >"$log" 2>&1 ||
        ! deb_names <"$log" >"$PLACE/$name.list" ||
        ! apt-get -y -qq -d install "$@" >"$log" 2>&1; then
        die "packages for $name: $(tail -n 3 "$log")"
    fi
}

# fetch_single NAME PACKAGE...: only these, without what they depend on.
fetch_single() {
    local name=$1 log=$PLACE/apt/$1.log p

    shift
    say "packages for $name"
    (cd "$PLACE/apt/archives" && apt-get -qq download "$@") >"$log" 2>&1 ||
        die "packages for $name: $(tail -n 3 "$log")"
    for p in "$@"; do
        apt-cache show --no-all-versions "$p" | awk '
            $1 == "Package:" { name = $2 }
            $1 == "Version:" { version = $2; gsub(/:/, "%3a", version) }
            $1 == "Architecture:" { arch = $2 }
            END { print name "_" version "_" arch ".deb" }'
    done >"$PLACE/$name.list"
}

kernel_package() {
    apt-cache depends linux-image-amd64 |
        awk '/Depends: linux-image-[0-9]/ { print $2; exit }'
}

# unpack LIST DIR: the file lists name /bin and /usr/bin; the links of the
# merged layout must exist before, and tar must keep them.
unpack() {
    local deb dir=$2 new=$2.new

    rm -rf "$new"
    mkdir -p "$new/usr"/{bin,sbin,lib,lib64}
    ln -s usr/bin usr/sbin usr/lib usr/lib64 "$new/"
    while read -r deb; do
        dpkg-deb --fsys-tarfile "$PLACE/apt/archives/$deb" |
            tar -x -C "$new" --no-same-owner --keep-directory-symlink \
                --exclude='./usr/share/doc/*' --exclude='./usr/share/man/*' \
                --exclude='./usr/share/locale/*' --exclude='./dev/*' ||
            die "cannot unpack $deb"
    done <"$1"
    rm -rf "$dir"
    mv "$new" "$dir"
}

# Everything from the network; nothing is asked for when it is there already.
build_packages() {
    local want=$PLACE/packages.want
    local dom0="xen-utils-$XEN $DOM0_PACKAGES" boot=xen-hypervisor-$XEN-amd64

    mkdir -p "$PLACE"
    echo "$OUTER_PACKAGES $dom0 $boot" >"$want"
    cmp -s "$want" "$PLACE/packages.have" && return
    apt_setup
    apt_update
    # shellcheck disable=SC2086 # lists of words
    {
        [ "$RELEASE" != bookworm ] || fetch_closure outer $OUTER_PACKAGES
        fetch_closure dom0 $dom0
        fetch_single boot "$boot" "$(kernel_package)"
    }
    say "unpacking"
    [ "$RELEASE" != bookworm ] || unpack "$CACHE/outer.list" "$OUTER"
    unpack "$PLACE/dom0.list" "$DOM0"
    unpack "$PLACE/boot.list" "$PLACE/boot"
    rm -f "$PLACE"/*.stamp
    mv "$want" "$PLACE/packages.have"
}
