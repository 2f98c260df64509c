# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# xlm for hosts of another Debian release: Xen's libraries have another name in
# each, so that one build serves one release. This machine's compiler, and that
# release's headers and libraries, unpacked into the cache.

build_sysroot() {
    local want=$PLACE/sysroot.want

    echo "$DEV_PACKAGES" >"$want"
    cmp -s "$want" "$PLACE/sysroot.have" && return
    apt_setup
    apt_update
    # shellcheck disable=SC2086 # a list of words
    fetch_closure sysroot $DEV_PACKAGES
    unpack "$PLACE/sysroot.list" "$PLACE/sysroot"
    mv "$want" "$PLACE/sysroot.have"
}

# configure_for SOURCE OPTIONS...: without -B, gcc would prefer the machine's C
# library to the sysroot's.
configure_for() {
    local source=$1 root=$PLACE/sysroot triplet=x86_64-linux-gnu

    shift
    PKG_CONFIG_SYSROOT_DIR=$root \
        PKG_CONFIG_LIBDIR=$root/usr/lib/$triplet/pkgconfig \
        "$source/configure" -q --host=$triplet --with-sysroot="$root" \
        CC="gcc --sysroot=$root -B$root/usr/lib/$triplet" "$@"
}

# build trixie SOURCE BUILD DESTDIR: configures there if it was not, makes and
# installs.
cmd_build() {
    local source build dest

    [ $# -eq 4 ] || die "build FLAVOUR SOURCE BUILD DESTDIR"
    [ "$(release_of "$1")" != bookworm ] ||
        die "build $1: is this machine's own release: make does that"
    source=$(realpath "$2")
    dest=$(realpath -m "$4")
    mkdir -p "$3"
    build=$(realpath "$3")
    use_release "$(release_of "$1")"
    mkdir -p "$PLACE"
    (
        flock -w 1800 9 || die "$CACHE: another lab builds for 30 minutes"
        build_sysroot
    ) 9>"$CACHE/lock"
    cd "$build"
    [ -e Makefile ] || configure_for "$source" || die "$build: configure failed"
    make -s -j2 >"$build/make.log" 2>&1 &&
        make -s install DESTDIR="$dest" >>"$build/make.log" 2>&1 ||
        die "$build: $(tail -n 20 "$build/make.log")"
}
