# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# Where Debian's xl, xenstored, xenconsoled and device model come from: they
# are installed, or unpacked already for the lab, or fetched and unpacked by the
# lab's own functions into the lab's cache.

LAB_LIB=$STUBS/../tests/lab/lib
TOOL_PACKAGES="xen-utils-$XEN_VERSION xenstore-utils qemu-system-xen
    qemu-system-data seabios ipxe-qemu iproute2 libyajl2 libxml2"
LAB_CACHE=${XLM_LAB_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/xlm/lab}

# has_tools ROOT: all that a host runs is there.
has_tools() {
    local f

    for f in "lib/xen-$XEN_VERSION/bin/xl" libexec/xen-qemu-system-i386 \
        bin/xenstore-read sbin/ip; do
        # In an unpacked tree, links are meant for its own root.
        [ -x "${1%/}/usr/$f" ] || [ -L "${1%/}/usr/$f" ] || return 1
    done
}

fetch_tools() (
    # shellcheck source=/dev/null
    . "$LAB_LIB/common.sh"
    # shellcheck source=/dev/null
    . "$LAB_LIB/cache.sh"
    CACHE=$LAB_CACHE
    use_release bookworm
    mkdir -p "$CACHE"
    exec 9>"$CACHE/lock"
    flock -w 1800 9 || die "$CACHE: somebody else uses it for 30 minutes"
    ! has_tools "$CACHE/simxen" || return 0
    apt_setup
    apt_update
    # shellcheck disable=SC2086 # a list of words
    fetch_closure simxen $TOOL_PACKAGES
    say "unpacking"
    unpack "$CACHE/simxen.list" "$CACHE/simxen"
)

# Sets TOOLS.
find_tools() {
    for TOOLS in / "$LAB_CACHE/dom0" "$LAB_CACHE/simxen"; do
        ! has_tools "$TOOLS" || return 0
    done
    fetch_tools || die "Debian's Xen $XEN_VERSION tools cannot be had"
    has_tools "$TOOLS" || die "$TOOLS: not all of $TOOL_PACKAGES is in it"
}
