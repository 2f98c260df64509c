# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash disable=SC2154
# What both hosts have written down when all processes of a migration are dead:
# what the list says, what --all makes of it, and what may not be started. The
# phases are held as in 30-killed.sh.

# listed HOST NAME PHASE WHO: that line, and no other of the domain
listed() {
    on "$1" "xl lmigrate-recover --list" >/dev/null </dev/null ||
        fail "--list on $1: exit $?"
    grep -qE "^$2 .* ($3) +$4 " "$work/out" ||
        fail "$1 does not list $2 as $3, $4"
    echo "     $1: $(grep "^$2 " "$work/out" | tr -s ' ' | cut -c1-140)"
}

not_listed() {
    on "$1" "xl lmigrate-recover --list" >/dev/null </dev/null ||
        fail "--list on $1: exit $?"
    ! grep -q "^$2 " "$work/out" || fail "$1 still lists $2"
}

# all HOST: everything is decided, and the second time there is nothing to do.
all() {
    local peer

    peer="-s plainsh --peer host$(other "$1")"
    on "$1" "xl lmigrate-recover --all $peer" >/dev/null </dev/null ||
        fail "--all on $1: exit $?"
    sed 's/^/     --all: /' "$work/out" | cut -c1-160
    on "$1" "xl lmigrate-recover --all $peer" >/dev/null </dev/null ||
        fail "--all again on $1: exit $?"
    ! grep -q . "$work/out" || fail "--all on $1 does something twice"
}

refused() {
    if on a "$1" >/dev/null </dev/null; then
        fail "not refused: $1"
    fi
    grep -q 'refused:' "$work/out" || fail "refused by others: $1"
}

# all_die HOST PATTERN NAME PHASE: at that phase, by SIGKILL
all_die() {
    (held_move "$4" "$3" >"$work/killed" </dev/null || exit $?) &
    await_hold "$1" </dev/null
    on "$1" "pkill -KILL -f '$2'; rm -f /run/lab-held" >/dev/null </dev/null
    wait $! || true
}

# What it had not synced is gone, with its copy.
power_cut_a() {
    lab power-cut a >"$work/out" 2>&1 || fail "a does not lose its power"
    lab boot a >"$work/out" 2>&1 || fail "a does not boot"
}

# Debian's own script, with the guest's configuration where it looks.
xendomains_keeps() {
    on a "mkdir -p /etc/xen/auto && ln -sf /etc/xen/$1.cfg /etc/xen/auto/ &&
        mkdir -p /proc/xen; /etc/init.d/xendomains start
        rm /etc/xen/auto/$1.cfg; ! xl list '$1' 2>/dev/null" >/dev/null \
        </dev/null || fail "xendomains starts $1 at a"
    grep -q 'refused:' "$work/out" ||
        fail "xendomains did not try to start $1"
}

case_pvh_journal() {
    guest a pvh4 --type pvh --disk phy --mem 128 --work 8 --no-net
    on a sync >/dev/null </dev/null || fail "sync at a"

    # No supervisor, no worker: suspended, but ours.
    all_die a '[x]l-lmigrate ' pvh4 ready
    listed a pvh4 'suspending|suspended' here
    refused "xl save pvh4 /tmp/saved"
    all a
    stays a pvh4 </dev/null
    not_listed a pvh4

    # No receiver, which had the permission, but had not taken it up.
    all_die b '[x]l-lmigrate-receive' pvh4 permitted
    listed a pvh4 'permitted|committed' 'unknown|there'
    listed b pvh4 building there
    refused "xl create -q /etc/xen/pvh4.cfg"
    all b
    all a
    stays a pvh4 </dev/null

    # The same, and the source's host goes down with the copy.
    all_die b '[x]l-lmigrate-receive' pvh4 permitted
    power_cut_a
    refused "xl create -q /etc/xen/pvh4.cfg"
    on a "xl lmigrate-recover --all --boot -s plainsh --peer hostb" \
        >/dev/null </dev/null ||
        fail "--all --boot: exit $?"
    echo "     --boot: $(tail -n 1 "$work/out" | cut -c1-160)"
    on a "! xl list | grep -q pvh4" >/dev/null </dev/null || fail "pvh4 is at a"
    on b "! xl list | grep -q pvh4" >/dev/null </dev/null || fail "pvh4 is at b"
    lab guest destroy a pvh4 >/dev/null 2>&1 || true
    guest a pvh4 --type pvh --disk phy --mem 128 --work 8 --no-net

    # Moved: nobody starts it here, until it is back.
    must_move a pvh4 </dev/null
    listed a pvh4 moved there
    refused "xl create -q /etc/xen/pvh4.cfg"
    xendomains_keeps pvh4
    must_move b pvh4 </dev/null
    not_listed a pvh4
    blocks_fine pvh4
    destroy a pvh4
}
