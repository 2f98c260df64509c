# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash disable=SC2154
# Host a has Xen 4.17 and host b 4.20: a rolling upgrade, and no way back.

# xen_of HOST: "4.17"
xen_of() {
    on "$1" "xl info" | awk '$1 == "xen_major" { major = $3 }
        $1 == "xen_minor" { print major "." $3 }'
}

# is_refused NAME: it may not go back from b to a, which is said once, with both
# versions; it does not notice.
is_refused() {
    local name=$1 option rc

    for option in --dry-run --allow-pause; do
        move b "$name" $option && rc=0 || rc=$?
        [ "$rc" -eq 2 ] || fail "$name goes back with $option: exit $rc, not 2"
        grep -q "$name comes from Xen 4\.20.* this host has 4\.17" "$work/out" ||
            fail "does not name the versions"
        [ "$(grep -c 'Xen 4\.20' "$work/out")" -eq 1 ] ||
            fail "says it more than once"
    done
    sed -n "s/^.*\($name comes from\)/     \1/p" "$work/out"
    stays b "$name"
}

# xl of 4.20 starts it again from what xl of 4.17 had for its configuration.
reboots_at_b() {
    local id

    id=$(domid b "$1")
    on b "xl reboot '$1'" >/dev/null || fail "xl reboot"
    on b "labguest newer-domain '$1' 120 $id" >/dev/null ||
        fail "$1 did not reboot"
    on b "labguest wait '$1' 300" >/dev/null || fail "$1 does not come up again"
    well b "$1"
    on b "xl shutdown -w '$1'" >/dev/null || fail "xl shutdown"
    gone b "$1"
}

case_upgrade_pvh() {
    [ "$(xen_of a) $(xen_of b)" = '4.17 4.20' ] ||
        fail "releases are $(xen_of a) and $(xen_of b)"
    guest a up1 --type pvh --vcpus 2 --disk phy --mem 160
    way='' must_move a up1 --verify
    went_by a up1 'over TCP with TLS 1.3'
    intact b up1
    is_refused up1
    reboots_at_b up1
}

case_upgrade_hvm() {
    guest a up2 --type hvm --mem 192 --disk qdisk
    must_move a up2
    intact b up2
    is_refused up2
    on b "xl shutdown -w up2" >/dev/null || fail "xl shutdown"
    gone b up2
}

# Neither release's hypervisor of Debian has log-dirty for PV.
case_upgrade_pv() {
    guest a up3 --type pv --vcpus 2 --disk phy --mem 128 --work 8
    moved_so a up3 'live, by content scan'
    intact b up3
    is_refused up3
    reboots_at_b up3
}

# Stock xl goes there as we do. Back, it copies all of a suspended guest before
# 4.17 refuses 4.20's local APIC record (32 bytes, 24 expected), and resumes it.
case_upgrade_by_xl() {
    guest a up4 --type pvh --disk phy --mem 128 --work 8
    on a "xl migrate -s plainsh up4 hostb" >/dev/null ||
        fail "xl migrate cannot"
    well b up4
    on b "xl migrate -s plainsh up4 hosta" >/dev/null &&
        fail "xl migrate goes from 4.20 to 4.17"
    grep -q 'Unable to restore HVM context' "$work/out" ||
        fail "xl migrate fails for another reason"
    stays b up4
    destroy b up4
}
