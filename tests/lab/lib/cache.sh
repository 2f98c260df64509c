# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# Debian packages into the cache, without root and without installing any.

# On this machine: the emulator (its version matters) and the tools that make
# the images. In dom0: what a Debian dom0 has, and what our programs link with.
OUTER_PACKAGES='qemu-system-x86 cpio kmod e2fsprogs xz-utils openssh-client
    busybox-static'
DOM0_PACKAGES='xen-utils-4.17 xenstore-utils qemu-system-xen
    qemu-system-data seabios ipxe-qemu openssh-server openssh-client socat
    bridge-utils iproute2 iputils-ping dash base-files libc-bin diffutils bash
    coreutils util-linux mount procps psmisc sed grep mawk gawk findutils tar
    gzip hostname kmod jq strace e2fsprogs python3 perl-base debianutils
    libxml2 libyajl2 libinih1 libgnutls30 libzstd1 liblz4-1 libxengnttab1 libnettle8
    libssl3 nbd-client gdb-minimal'
SINGLE_PACKAGES='xen-hypervisor-4.17-amd64'

# An apt of our own: the machine's sources and keys, but an empty status file
# (so that a closure is complete) and lists and archives in the cache.
apt_setup() {
    local apt=$CACHE/apt

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
    export APT_CONFIG=$apt/apt.conf
}

apt_update() {
    say "package lists"
    apt-get -qq update >"$CACHE/apt/update.log" 2>&1 ||
        die "apt-get update failed: $(tail -n 3 "$CACHE/apt/update.log")"
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
    local name=$1 log=$CACHE/apt/$1.log

    shift
    say "packages for $name"
    if ! apt-get -qq -s install "$@" >"$log" 2>&1 ||
        ! deb_names <"$log" >"$CACHE/$name.list" ||
        ! apt-get -y -qq -d install "$@" >"$log" 2>&1; then
        die "packages for $name: $(tail -n 3 "$log")"
    fi
}

# fetch_single NAME PACKAGE...: only these, without what they depend on.
fetch_single() {
    local name=$1 log=$CACHE/apt/$1.log p

    shift
    say "packages for $name"
    (cd "$CACHE/apt/archives" && apt-get -qq download "$@") >"$log" 2>&1 ||
        die "packages for $name: $(tail -n 3 "$log")"
    for p in "$@"; do
        apt-cache show --no-all-versions "$p" | awk '
            $1 == "Package:" { name = $2 }
            $1 == "Version:" { version = $2; gsub(/:/, "%3a", version) }
            $1 == "Architecture:" { arch = $2 }
            END { print name "_" version "_" arch ".deb" }'
    done >"$CACHE/$name.list"
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
        dpkg-deb --fsys-tarfile "$CACHE/apt/archives/$deb" |
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
    local want=$CACHE/packages.want

    mkdir -p "$CACHE"
    echo "$OUTER_PACKAGES $DOM0_PACKAGES $SINGLE_PACKAGES" >"$want"
    cmp -s "$want" "$CACHE/packages.have" && return
    apt_setup
    apt_update
    # shellcheck disable=SC2086 # lists of words
    {
        fetch_closure outer $OUTER_PACKAGES
        fetch_closure dom0 $DOM0_PACKAGES
        fetch_single boot $SINGLE_PACKAGES "$(kernel_package)"
    }
    say "unpacking"
    unpack "$CACHE/outer.list" "$OUTER"
    unpack "$CACHE/dom0.list" "$DOM0"
    unpack "$CACHE/boot.list" "$CACHE/boot"
    rm -f "$CACHE"/*.stamp
    mv "$want" "$CACHE/packages.have"
}
