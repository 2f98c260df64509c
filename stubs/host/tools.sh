# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# Where Debian's xl, xenstored, xenconsoled and device model come from: they
# are installed, or unpacked already for the lab, or fetched and unpacked by the
# lab's own functions into the lab's cache.  4.20's are Debian 13's: for hosts
# that want them, with all they depend on, and never installed.

LAB_LIB=$STUBS/../tests/lab/lib
LAB_CACHE=${XLM_LAB_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/xlm/lab}

packages_of() {
    echo "xen-utils-$1 xenstore-utils qemu-system-xen" \
        qemu-system-data seabios ipxe-qemu iproute2 libyajl2 libxml2
}

# has_tools VERSION ROOT: all that a host runs is there.
has_tools() {
    local f

    for f in "lib/xen-$1/bin/xl" libexec/xen-qemu-system-i386 \
        bin/xenstore-read sbin/ip; do
        # In an unpacked tree, links are meant for its own root.
        [ -x "${2%/}/usr/$f" ] || [ -L "${2%/}/usr/$f" ] || return 1
    done
}

# version_in ROOT: prints that of the one xl there.
version_in() {
    local xl

    for xl in "${1%/}"/usr/lib/xen-4.*/bin/xl; do
        [ -x "$xl" ] || die "$1: no usr/lib/xen-VERSION/bin/xl there"
        xl=${xl%/bin/xl}
        echo "${xl##*/xen-}"
        return
    done
}

# fetch_tools VERSION
fetch_tools() (
    # shellcheck source=/dev/null
    . "$LAB_LIB/common.sh"
    # shellcheck source=/dev/null
    . "$LAB_LIB/cache.sh"
    CACHE=$LAB_CACHE
    if [ "$1" = 4.17 ]; then
        use_release bookworm
    else
        use_release trixie
    fi
    mkdir -p "$PLACE"
    exec 9>"$LAB_CACHE/lock"
    flock -w 1800 9 ||
        die "$LAB_CACHE: somebody else uses it for 30 minutes"
    ! has_tools "$1" "$PLACE/simxen" || return 0
    apt_setup
    apt_update
    # shellcheck disable=SC2046 # a list of words
    fetch_closure simxen $(packages_of "$1")
    [ "$1" = 4.17 ] || fetch_single simxen-headers libxen-dev
    say "unpacking"
    [ "$1" = 4.17 ] ||
        unpack "$PLACE/simxen-headers.list" "$PLACE/simxen-headers"
    unpack "$PLACE/simxen.list" "$PLACE/simxen"
)

# find_tools VERSION: sets TOOLS, and for 4.20 HEADERS.
find_tools() {
    local cache=$LAB_CACHE

    case $1 in
    4.17) set -- "$1" / "$cache/dom0" ;;
    4.20) cache=$LAB_CACHE/trixie HEADERS=$cache/simxen-headers/usr/include ;;
    *) die "Xen $1: must be 4.17 or 4.20" ;;
    esac
    for TOOLS in "${@:2}" "$cache/simxen"; do
        ! has_tools "$1" "$TOOLS" || return 0
    done
    fetch_tools "$1" ||
        die "Debian's Xen $1 tools cannot be had"
    has_tools "$1" "$TOOLS" ||
        die "$TOOLS: not all of $(packages_of "$1") is in it"
}
