# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash disable=SC2154
# What an operator does around a migration, and what he is told.

# changed COMMAND WORD: run on a in pre-copy; the move ends with exit code 3,
# names WORD, and the guest runs on.
changed() {
    begin_slowly pvh11
    on a "$1" >/dev/null </dev/null || fail "$1"
    ends_with 3 "$1"
    grep -qi "$2" "$work/out" || fail "$1: does not name $2"
    stays a pvh11 </dev/null
}

case_pvh_changed() {
    guest a pvh11 --type pvh --vcpus 2 --disk none --mem 160
    changed "xl block-attach pvh11 format=raw,vdev=xvdb,access=ro,target=/dev/vdh" \
        xvdb
    on a "xl block-detach pvh11 xvdb" >/dev/null || fail "xl block-detach"
    if [ "$sample" = no ]; then
        changed "xl vcpu-set pvh11 1" vcpu
        on a "xl vcpu-set --ignore-host pvh11 2" >/dev/null || fail "xl vcpu-set"
        changed "xl mem-set pvh11 144m" target
        on a "xl mem-set pvh11 160m" >/dev/null || fail "xl mem-set"
    fi
    must_move a pvh11
    destroy b pvh11
}

# A paused guest with PV drivers cannot answer a suspend.
case_pvh_paused() {
    local rc

    guest a pvh12 --type pvh --disk none --mem 128 --work 8
    on a "xl pause pvh12" >/dev/null || fail "xl pause"
    move a pvh12 && rc=0 || rc=$?
    [ "$rc" -eq 2 ] || fail "paused: exit $rc, not 2"
    grep -q 'unpause-to-suspend' "$work/out" || fail "no advice"
    move a pvh12 --unpause-to-suspend || fail "--unpause-to-suspend: exit $?"
    on b "xl list pvh12 | grep -q 'pvh12.*--p'" >/dev/null ||
        fail "does not arrive paused"
    on b "xl unpause pvh12" >/dev/null || fail "xl unpause"
    well b pvh12
    gone a pvh12
    destroy b pvh12
}

# All that speaks against a move, at once, and nothing is done.
case_dry_run() {
    local rc

    guest a pvh13 --type pvh --disk phy --mem 128 --work 8
    on a "xl lmigrate --dry-run -s plainsh pvh13 hostb" >/dev/null ||
        fail "nothing speaks against it, and yet exit $?"
    on b "echo 'name=\"pvh13\"
type=\"pvh\"
memory=96
kernel=\"/boot/guest-vmlinux\"' >/tmp/clash.cfg
        xl create -q -p /tmp/clash.cfg && mkdir /dev/away &&
        mv /dev/vd[a-h] /dev/away" >/dev/null || fail "preparation"
    on a "xl lmigrate --dry-run -s plainsh pvh13 hostb" >/dev/null &&
        rc=0 || rc=$?
    cp "$work/out" "$work/told"
    on b "mv /dev/away/vd[a-h] /dev; rmdir /dev/away; xl destroy pvh13" \
        >/dev/null || fail "cleaning up"
    cp "$work/told" "$work/out"
    sed 's/^/     /' "$work/out"
    [ "$rc" -eq 2 ] || fail "exit $rc, not 2"
    grep -q 'name' "$work/out" || fail "does not tell of the other pvh13"
    grep -q '/dev/vd' "$work/out" || fail "does not tell of the disk"
    stays a pvh13
    destroy a pvh13
}
