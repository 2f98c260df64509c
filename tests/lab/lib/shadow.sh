# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# Debian's hypervisor has no shadow paging since 4.17, and without it Xen grants
# no log-dirty to PV guests. This builds one that has it from Debian's source.

LAB_BUILD_DEPS='gcc make flex bison python3 dpkg-dev'
XEN_SOURCE_VERSION=4.17

# The main archive's source lists only: those of the security suite are not
# served everywhere, and apt-get fails as a whole if one list is missing.
source_lists() {
    local dir=$CACHE/apt/etc/sources.list.d f

    rm -rf "$dir"
    mkdir -p "$dir"
    for f in /etc/apt/sources.list.d/*.sources; do
        [ -e "$f" ] || continue
        sed 's/^Types:.*/Types: deb-src/' "$f" |
            awk -v RS= -v ORS='\n\n' '!/security/ && /bookworm/' \
                >"$dir/${f##*/}"
    done
    cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null |
        sed -n 's/^deb \(.*bookworm .*\)/deb-src \1/p' | grep -v security \
        >"$dir/lab.list" || true
}

fetch_xen_source() {
    local apt_lists=$CACHE/apt/source-lists log=$CACHE/apt/source.log
    local opts=(-o "Dir::Etc::sourcelist=/dev/null"
        -o "Dir::Etc::sourceparts=$CACHE/apt/etc/sources.list.d"
        -o "Dir::State::lists=$apt_lists")

    mkdir -p "$apt_lists/partial"
    source_lists
    (cd "$CACHE/shadow" && {
        apt-get "${opts[@]}" -qq update &&
            apt-get "${opts[@]}" -qq --download-only source xen
    }) >"$log" 2>&1 || die "Xen's source: $(tail -n 3 "$log")"
}

check_build_deps() {
    local p missing=

    for p in gcc make flex bison python3 dpkg-source; do
        command -v "$p" >/dev/null || missing="$missing $p"
    done
    [ -z "$missing" ] ||
        die "to build Xen with shadow paging,$missing must be installed:" \
            "apt-get install $LAB_BUILD_DEPS"
}

compile_shadow() {
    local src=$CACHE/shadow/src log=$CACHE/shadow/build.log

    rm -rf "$src"
    # shellcheck disable=SC2015 # die for whichever step fails
    dpkg-source --no-check -x "$CACHE"/shadow/xen_"$XEN_SOURCE_VERSION"*.dsc \
        "$src" >"$log" 2>&1 &&
        printf 'CONFIG_SHADOW_PAGING=y\n' >"$src/xen/.config" &&
        make -C "$src/xen" olddefconfig >>"$log" 2>&1 &&
        grep -q '^CONFIG_SHADOW_PAGING=y' "$src/xen/.config" &&
        make -C "$src/xen" -j"$(nproc)" build >>"$log" 2>&1 ||
        die "building Xen: $(tail -n 5 "$log")"
}

build_shadow() {
    [ -s "$CACHE/xen-shadow" ] && return
    check_build_deps
    apt_setup
    mkdir -p "$CACHE/shadow"
    say "building Xen with shadow paging (some minutes)"
    fetch_xen_source
    compile_shadow
    gzip -dc "$CACHE/shadow/src/xen/xen.gz" >"$CACHE/xen-shadow.new"
    mv "$CACHE/xen-shadow.new" "$CACHE/xen-shadow"
    rm -rf "$CACHE/shadow"
}
