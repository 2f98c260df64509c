# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash disable=SC2154
# All memory is compared before the guest may run: with real back ends, a real
# network and a real device model, which write to it.

# is_compared FROM NAME: its last move said so; what was left out, for a person.
is_compared() {
    on "$1" "grep -h 'verified [0-9]* pages' '/var/log/xen/xlm-$2.log' |
        tail -n 1" >/dev/null
    grep -q 'of the pause' "$work/out" || fail "$2 was not compared"
    sed "s/^.*verified/     $flavour $2: verified/" "$work/out"
}

# Each type there and back, the first with a disk and pings all the while, once
# built before the pause and once in it.
case_verify() {
    guest a vf1 --type pvh --vcpus 2 --disk phy --mem 160
    must_move a vf1 --verify
    is_compared a vf1
    must_move b vf1 --verify --no-prebuild
    is_compared b vf1
    pings a vf1
    verified a vf1
    destroy a vf1
    guest a vf2 --type hvm --disk phy --mem 160
    must_move a vf2 --verify
    is_compared a vf2
    must_move b vf2 --verify
    is_compared b vf2
    destroy a vf2
    guest a vf3 --type pv --disk phy --mem 128 --work 8
    must_move a vf3 --verify
    is_compared a vf3
    verified b vf3
    destroy b vf3
}
