# SPDX-License-Identifier: LGPL-2.1-or-later
# Sourced by tests/run and tests/demo: builds outside of the sources.
# shellcheck shell=bash

# Only if what it is made from is newer: it takes ten seconds.
generate_configure() {
    if [ -f configure ] && [ -f Makefile.in ] && [ -f config.h.in ] &&
        [ -z "$(find configure.ac Makefile.am autogen.sh m4/xlm-*.m4 libxlm \
            xl-plugin tests -maxdepth 2 \
            \( -name '*.am' -o -name '*.ac' -o -name 'xlm-*.m4' \) \
            -newer Makefile.in)" ] &&
        [ ! configure.ac -nt configure ]; then
        echo "configure is up to date"
        return 0
    fi
    ./autogen.sh
}

# build DIR CC [CONFIGURE-OPTION...]: configure where needed, make.
build() {
    local dir=$1 cc=$2
    shift 2

    mkdir -p "$dir"
    cd "$dir"
    if [ ! -f config.status ] || [ ../../configure -nt config.status ]; then
        CC=$cc ../../configure --quiet --enable-werror \
            --enable-silent-rules "$@"
    fi
    make -j "$(nproc)"
}

# install_tree DIR DESTDIR: into an empty DESTDIR.
install_tree() {
    local dest
    dest=$PWD/$2

    rm -rf "$dest"
    make -C "$1" install DESTDIR="$dest"
}

# check DIR [VARIABLE=VALUE...]: the tests of automake's TESTS.
check() {
    local dir=$1
    shift
    make -C "$dir" -j "$(nproc)" check "$@"
}

# The thread sanitizer wants its addresses; kernels with much randomisation
# do not leave them free, so this is switched off where that is allowed.
without_randomisation() {
    if setarch "$(uname -m)" -R true 2>/dev/null; then
        setarch "$(uname -m)" -R "$@"
    else
        "$@"
    fi
}

# unit DIR: only the unit tests, as named in the built Makefile.
unit() {
    without_randomisation make -C "$1" -j "$(nproc)" check-unit
}
