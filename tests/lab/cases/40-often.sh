# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash disable=SC2154
# Many moves of one guest; several guests at once.

# left_behind HOST: what a migration must not leave more of. dom0's own free
# memory moves by itself, Xen's does not; nor are kernel threads ours.
left_behind() {
    on "$1" "xl list | wc -l
        xl info | sed -n 's/^free_memory *: //p'
        xenstore-ls / | wc -l
        ls -l /proc/[0-9]*/exe 2>/dev/null | grep -c ' -> /'
        for p in \$(pgrep -x 'xenstored|xenconsoled'); do ls /proc/\$p/fd; done |
            wc -l
        ls /run/xen /run/lock /var/lib/xen /var/lib/xlm /tmp | wc -l
        losetup -a | wc -l; ls /sys/class/net | wc -l" | xargs
}

# What Xen's daemons have of their own, in KiB: it comes and goes.
daemons_kib() {
    on "$1" "cat /proc/\$(pgrep -x xenstored)/status \
        /proc/\$(pgrep -x xenconsoled)/status" |
        awk '/^RssAnon/ { s += $2 } END { print s }'
}

# XLM_LAB_MOVES: more than twenty
case_pvh_twenty() {
    local i from=a before after moves=${XLM_LAB_MOVES:-20} kib

    # Linux 6.1 loses a MiB with each move, by xl migrate too (free_kib).
    guest a pvh7 --type pvh --disk phy --mem $((128 + moves)) --work 8
    # The first two leave logs and caches that stay.
    must_move a pvh7 && must_move b pvh7
    before="$(left_behind a) / $(left_behind b)"
    kib="$(daemons_kib a) / $(daemons_kib b)"
    [ "$sample" = no ] || moves=4
    for i in $(seq "$moves"); do
        must_move "$from" pvh7 >/dev/null
        from=$(other "$from")
    done
    after="$(left_behind a) / $(left_behind b)"
    echo "     domains, free MiB, xenstore, processes, daemons' descriptors," \
        "files, loops, nets:"
    echo "     before $before, after $i more moves $after"
    echo "     daemons: $kib KiB, then $(daemons_kib a) / $(daemons_kib b) KiB"
    [ "$before" = "$after" ] || fail "something leaks"
    pings a pvh7
    blocks_fine pvh7
    destroy a pvh7
}

# Two at once, with disks in dom0's page cache, then again while xl at the
# target balloons dom0 itself and takes its lock for that: one of them waits for
# the other, with a silent connection for its memory if that goes through ssh.
two_at_once() {
    local from=$1 name way

    for name in pvh9 pvh10; do
        [ $name = pvh9 ] && way='--data ssh' || way=--plain
        on "$from" "xl lmigrate $way -s plainsh --timeout 240 $name \
            host$(other "$from") >/tmp/$name.out 2>&1; echo \$? >/tmp/$name.rc" \
            >/dev/null </dev/null &
    done
    wait
    for name in pvh9 pvh10; do
        on "$from" "cat /tmp/$name.out; exit \$(cat /tmp/$name.rc)" \
            >/dev/null || fail "$name, one of two: exit $?"
        well "$(other "$from")" "$name"
        gone "$from" "$name"
    done
}

case_pvh_two_at_once() {
    guest a pvh9 --type pvh --disk loop --mem 128 --work 8
    guest a pvh10 --type pvh --disk qdisk --mem 128 --work 8
    two_at_once a
    verified b pvh10
    on a "sed -i 's/autoballoon=.*/autoballoon=\"on\"/' /etc/xen/xl.conf" \
        >/dev/null
    two_at_once b
    on a "sed -i 's/autoballoon=.*/autoballoon=\"off\"/' /etc/xen/xl.conf" \
        >/dev/null
    verified a pvh9
    blocks_fine pvh9
    blocks_fine pvh10
    destroy a pvh9
    destroy a pvh10
}
