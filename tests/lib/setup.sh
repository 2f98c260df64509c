# SPDX-License-Identifier: LGPL-2.1-or-later
# Sourced by tests/run and tests/demo: what has to be installed.
# shellcheck shell=bash

BUILD_PACKAGES='gcc g++ clang libc6-dev make autoconf automake libtool
    pkg-config libxen-dev libyajl-dev libinih-dev libgnutls28-dev libxml2-dev
    liblz4-dev libzstd-dev libcunit1-dev libclang-rt-14-dev'
LINT_PACKAGES='cppcheck shellcheck clang-format mandoc'
MODEL_PACKAGES='spin'
# The lab unpacks qemu, Xen, kernels and its other tools into a cache of its
# own and installs nothing.
LAB_PACKAGES='openssh-client xz-utils'

# The hypervisor with shadow paging is built from source: tests/lab says what
# that takes.
lab_build_packages() {
    sed -n "s/^LAB_BUILD_DEPS='\(.*\)'\$/\1/p" tests/lab/lib/*.sh
}

missing_packages() {
    local p

    for p; do
        case $(dpkg-query -W -f='${db:Status-Status}' "$p" 2>/dev/null) in
        installed) ;;
        *) echo "$p" ;;
        esac
    done
}

# As root, or by a sudo that may ask for its password on the terminal.
install_packages() {
    local as_root=()

    if [ "$(id -u)" -ne 0 ]; then
        if ! command -v sudo >/dev/null; then
            echo "Only root can do that. Please run, then start again:"
            echo "    apt-get install --no-install-recommends $*"
            return 1
        fi
        as_root=(sudo)
    fi
    # An update that fails in part (one mirror of many) may still be enough.
    timeout 600 "${as_root[@]}" apt-get -q update ||
        echo "apt-get update failed; trying with the lists that are there"
    timeout 1800 "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get -q -y install --no-install-recommends "$@"
}

# set_up PACKAGE...: says what it installs, nothing if all is there.
set_up() {
    local missing

    if ! command -v dpkg-query >/dev/null; then
        echo "This needs a Debian 12 system: its packages are the tested ones."
        return 1
    fi
    mapfile -t missing < <(missing_packages "$@")
    if [ ${#missing[@]} -eq 0 ]; then
        echo "set-up: all of $# packages are installed"
        return 0
    fi
    echo "set-up: going to install: ${missing[*]}"
    install_packages "${missing[@]}"
    mapfile -t missing < <(missing_packages "$@")
    [ ${#missing[@]} -eq 0 ] ||
        { echo "set-up: still missing: ${missing[*]}" && return 1; }
}
