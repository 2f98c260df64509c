# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# Guests, moves of guests, and what happens to a move.

MOVE_LIMIT_S=${XLM_SIM_MOVE_LIMIT_S:-90}
# Slow enough that there is time for a fault while memory is copied.
SLOW=3M

# The scheduler's cap that the guest has; empty: it is not looked at.
CAP=

# yes: it has a network interface.
VIF=no

# Milliseconds between two reports of a guest.
REPORT_MS=1000

# guest NAME TYPE MIB WRITER[+CONTENT[+WORK]]: starts one at host a.
guest() {
    local cfg=$WORK/$1.cfg load=() rate=2000

    IFS=+ read -r -a load <<<"$4"
    CAP=
    # Each page that it writes takes it a while: half of what two vCPUs have.
    if [ "${load[1]:-}" = busy ]; then
        rate='5000 sim.page-us=200'
        load[1]=
        [[ $2 = */null ]] || CAP=150
    fi
    VIF=no
    if [ "${load[1]:-}" = vif ]; then
        VIF=yes load[1]=
    fi
    cat >"$cfg" <<END
name = "$1"
type = "${2%/*}"
memory = $3
vcpus = 2
kernel = "$SIMXEN_RUN/guest-kernel"
cmdline = "console=hvc0 lab.work=${load[2]:-16} lab.writer=$rate \
sim.report-ms=$REPORT_MS sim.writer=${load[0]}${load[1]:+ sim.content=${load[1]}}"
on_crash = "preserve"
END
    [ -z "$CAP" ] || echo "cap = $CAP" >>"$cfg"
    [ $VIF = no ] || echo "vif = ['bridge=xenbr0']" >>"$cfg"
    if [ "${2%/*}" = hvm ]; then
        printf '%s\n' 'serial = "none"' 'vga = "none"' 'vnc = 0' 'sdl = 0' \
            >>"$cfg"
    fi
    on a timeout 60 xl create -q "$cfg" || return 1
    well a "$1"
}

# Options of xl itself, before the command.
XL_OPTIONS=()
# What starts the way to the other host, and a variable for its far end.
VIA=
FAR=

# by_file FROM NAME: saved there, restored at the other host.
by_file() {
    local file=$WORK/$2.save

    on "$1" timeout "$MOVE_LIMIT_S" xl save "$2" "$file" &&
        on "$(other "$1")" timeout "$MOVE_LIMIT_S" xl restore "$file" &&
        rm "$file"
}

# start_move FROM BY NAME SLOWLY RULE-A RULE-B: sets MOVE.
start_move() {
    local from=$1 by=$2 options=() words=()
    local transport="${VIA:+$VIA }simxen-ssh${FAR:+ -e $FAR}"

    [ -z "$6" ] || transport+=" -e 'SIMXEN_FAULT=$6'"
    case $by in
    file)
        by_file "$from" "$3" </dev/null >"$WORK/move" 2>&1 &
        MOVE=$!
        return
        ;;
    xl) options=(migrate) ;;
    lm*)
        IFS=: read -r -a words <<<"$by"
        words=("${words[@]/#/--}")
        options=(lmigrate --timeout "$MOVE_LIMIT_S" "${words[@]:1}")
        ;;
    esac
    if [ "$4" = yes ] && [ "$by" != xl ]; then
        options+=(--bandwidth "$SLOW")
    elif [ "$4" = yes ]; then
        simxen net "host$from" rate 24mbit || return 1
    fi
    SIMXEN_FAULT=$5 on "$from" timeout -k 5 $((MOVE_LIMIT_S + 10)) \
        xl "${XL_OPTIONS[@]}" "${options[@]}" -s "$transport" "$3" "host$(other "$from")" \
        </dev/null >"$WORK/move" 2>&1 &
    MOVE=$!
}

# Sets CODE.
end_move() {
    CODE=0
    wait "$MOVE" || CODE=$?
    simxen net hosta clear 2>/dev/null || true
}

# Frames to this address go to a card that nobody has: connections to it meet
# silence, as behind a firewall.
SILENT=10.0.0.251
STRANGER=

# Comes to the port as soon as it is open, again and again, with rubbish and
# with nothing to say.
be_a_stranger() {
    touch "$WORK/stranger"
    # shellcheck disable=SC2016
    on a timeout 120 bash -c '
        while [ -e "$0" ]; do
            if exec 3<>/dev/tcp/hostb/49152; then
                exec 4<>/dev/tcp/hostb/49152
                echo rubbish >&3
                head -c 1 <&3
                exec 3>&- 4>&-
            fi
            sleep 0.01
        done' "$WORK/stranger" >/dev/null 2>&1 &
    STRANGER=$!
}

no_answer() {
    on a ip neigh replace "$SILENT" lladdr 02:00:00:00:00:fe dev xenbr0 \
        nud permanent
}

# A call that is to fail may not come: a move differs from another by one or two.
forget_faults() {
    local h

    for h in a b; do
        on $h rm -f "$SIMXEN_DIR/host$h/hv/faults.log" || return 1
    done
}

call_struck() {
    local h

    for h in a b; do
        ! on $h test -s "$SIMXEN_DIR/host$h/hv/faults.log" || return 0
    done
    return 1
}

# prepare FAULT: before the move.
prepare() {
    case $1 in
    silence) no_answer ;;
    stranger) no_answer && be_a_stranger ;;
    esac
}

end_stranger() {
    rm -f "$WORK/stranger"
    [ -z "$STRANGER" ] || wait "$STRANGER" || true
    STRANGER=
}

said_once() {
    local nr

    nr=$(grep -c "$1" "$WORK/move") || true
    [ "$nr" = 1 ] || {
        echo "said $nr times: $1"
        return 1
    }
}

# told FAULT NAME: the command has said what became of it.
told() {
    case $1 in
    ctl:switch)
        said_once 'switching over: ' &&
            on a grep -q ': it is to switch over now$' \
                "/var/log/xen/xlm-$2.log" || { echo 'not at once' && return 1; }
        ;;
    away:*)
        said_once 'data channel 0 lost: .*; trying again for 30 s' &&
            said_once 'data channel 0 is back after .* pages sent again' &&
            said_once 'data channels broke and came back [1-9][0-9]* time' ||
            { echo 'nothing of a channel' && return 1; }
        ;;
    lost:*)
        said_once "the control channel broke and came back ${1#*:} time" ||
            { echo 'nothing of the control channel' && return 1; }
        ;;
    deaf:*)
        said_once 'the control channel broke and came back 1 time' &&
            said_once 'data channels broke and came back [1-9][0-9]* time'
        ;;
    lostdata:*)
        said_once "data channels broke and came back ${1#*:} time"
        ;;
    still:*)
        said_once 'data 0: nothing comes back from hostb: Connection timed out' &&
            said_once "$2 stays here; waiting up to 60 s for hostb to say" &&
            on a grep -q 'state: failed' "/var/log/xen/xlm-$2.log"
        ;;
    wire:*) said_once '; not back within [23] s: ' ;;
    at:b:libxl-save/*)
        said_once '^xl lmigrate: .* exited with status 1: libxl: error: ' ||
            { echo 'not why xl gave it up' && return 1; }
        ;;
    silence) said_once 'memory goes the way of the control channel' ;;
    stranger)
        said_once 'memory goes the way of the control channel' &&
            said_once 'connections that were not ours were turned away'
        ;;
    esac
}

# told_compression BY: the report says so if it was to be.
told_compression() {
    local said=0

    grep -q ' of them zero, compressed [1-9]' "$WORK/move" || said=$?
    case $1 in
    *estimate*) ;;
    *compress=none*) [ $said -ne 0 ] || echo 'was compressed' ;;
    *compress=* | *bandwidth=*) [ $said -eq 0 ] || echo 'not compressed' ;;
    esac | { ! grep .; }
}

# told_changes BY NAME: pages that were sent again went by what had changed, if
# they were to.
told_changes() {
    [[ $1 = *delta=* ]] || return 0
    on a grep -q 'of [1-9][0-9]* pages only what had changed' \
        "/var/log/xen/xlm-$2.log" || { echo 'no page by its changes' && return 1; }
}

# Each step was said, and the cap is as before.
told_throttle() {
    local host=b

    if [ -z "$CAP" ]; then
        said_once 'warning: scheduler null has no cap' &&
            said_once 'switching over all the same, as chosen'
        return
    fi
    [ "$CODE" -eq 0 ] || host=a
    grep -q '(step 1), as chosen (throttle)' "$WORK/move" ||
        { echo 'not slowed down' && return 1; }
    has_cap $host "$1" "$CAP"
}

# has_cap HOST NAME PERCENT: as the real xl sees it.
has_cap() {
    local cap

    cap=$(on "$1" xl sched-credit2 -d "$2" | awk 'NR == 2 { print $NF }')
    [ "$cap" = "$3" ] || { echo "$2 has cap '$cap' at host$1" && return 1; }
}

# on_bridge NAME: its interface, at the host where it is now, and at that only.
on_bridge() {
    local host=a id

    [ $VIF = yes ] || return 0
    [ "$(domains a)" = "$1" ] || host=b
    id=$(on $host xl domid "$1") &&
        on $host ip -o link show "vif$id.0" | grep -q ' master xenbr0 ' || {
        echo "host$host has no vif$id.0 on its bridge"
        return 1
    }
}

# keeps_cap NAME: wherever it is now.
keeps_cap() {
    local host=a

    [ -n "$CAP" ] || return 0
    [ "$(domains a)" = "$1" ] || host=b
    has_cap $host "$1" "$CAP"
}

# told_goal BY NAME: what was done for a goal out of reach.
told_goal() {
    case $1 in
    *estimate*downtime=*) said_once 'the goals cannot be met: ' ;;
    *on-slow=throttle*) told_throttle "$2" ;;
    *on-slow=wait*) said_once 'going on until the deadline, as chosen' ;;
    *on-slow=switch*) said_once 'switching over all the same, as chosen' ;;
    *downtime=*) said_once 'expected pause [0-9]* ms after round .*, goal ' ;;
    esac
}

# await_line PATTERN SECONDS COMPLAINT: until the command itself says so.
await_line() {
    local end=$((SECONDS + $2))

    until grep -qE "$1" "$WORK/move"; do
        kill -0 "$MOVE" 2>/dev/null && [ "$SECONDS" -lt "$end" ] ||
            { echo "$3" && return 1; }
        sleep 0.05
    done
}

# Until memory is being copied.
copying() {
    await_line 'round 1|Saving domain .*type' 30 'did not begin to copy memory'
}

# Until it has less CPU.
await_step() {
    await_line '[(]step 1[)], as chosen' 60 'was not slowed down'
}

# nth HOST N PATTERN: the Nth process there whose command line matches, counted
# by age; N may be "parent", of the first, "other" than that of xl's receiver, or
# "all".
nth() {
    local pid

    if [ "$2" = all ]; then
        pid=$(on "$1" pgrep -f "^[^ ]*$3" | tr '\n' ' ')
    elif [ "$2" = other ]; then
        pid=$(on "$1" pgrep -f '^[^ ]*xl.migrate-receive' | sed -n 1p)
        pid=$(on "$1" ps -o ppid= -p "${pid:-0}" | tr -d ' ')
        pid=$(on "$1" pgrep -f "^[^ ]*$3" | grep -vx "${pid:-0}" | sed -n 1p)
    elif [ "$2" = parent ]; then
        pid=$(on "$1" pgrep -f "^[^ ]*$3" | sed -n 1p)
        pid=$(on "$1" ps -o ppid= -p "${pid:-0}" | tr -d ' ')
    else
        pid=$(on "$1" pgrep -f "^[^ ]*$3" | sed -n "$2p")
    fi
    [ -n "$pid" ] || {
        echo "no process $2 of '$3' at host$1"
        return 1
    }
    echo "$pid"
}

# balloon NAME MIB: gives MIB back, and takes them again.
balloon() {
    local all
    all=$(on a xl list "$1" | awk 'NR == 2 { print $3 }')

    on a xl mem-set "$1" $((all - $2))m && has_memory "$1" $((all - $2)) &&
        on a xl mem-set "$1" "${all}m" && has_memory "$1" "$all" &&
        kill -0 "$MOVE" || { echo "not while it was copied" && return 1; }
}

# away HOST SECONDS: longer than a connection may be silent, so that those for
# memory are made again; ssh's waits.
away() {
    simxen net "host$1" cut && sleep "$2" && kill -0 "$MOVE" || {
        echo 'not while it was copied'
        return 1
    }
    simxen net "host$1" mend
}

# lose NTH WHAT TIMES: the NTH of the connections that ssh carries, by age,
# dies, and is back each time before it dies again.
lose() {
    local i pid

    for ((i = 1; i <= $3; i++)); do
        pid=$(await_nth a "$1" plainsh.hostb) && on a kill -KILL "$pid" &&
            await_back "$2" "$i" || return 1
    done
}

# await_back WHAT TIMES: it came back so often.
await_back() {
    local end=$((SECONDS + 20))

    until [ "$(grep -c "$1 is back after" "$WORK/move")" -ge "$2" ]; do
        kill -0 "$MOVE" 2>/dev/null && [ "$SECONDS" -lt "$end" ] || {
            echo "$1 did not come back for time $2"
            return 1
        }
        sleep 0.05
    done
}

# await_nth HOST N PATTERN: it may only just be about to start.
await_nth() {
    local i pid

    for ((i = 0; i < 50; i++)); do
        pid=$(nth "$@") && echo "$pid" && return 0
        sleep 0.1
    done
    return 1
}

# await_fault HOST: a rule has come true there.
await_fault() {
    local end=$((SECONDS + 60))

    until on "$1" test -s "$SIMXEN_DIR/host$1/hv/faults.log"; do
        kill -0 "$MOVE" 2>/dev/null && [ "$SECONDS" -lt "$end" ] ||
            { echo "the call at host$1 was not made" && return 1; }
        sleep 0.05
    done
}

# strike FAULT BY NAME: while memory is copied. PATTERN's dots match spaces.
strike() {
    local kind host n pattern pid

    IFS=: read -r kind host n pattern <<<"$1"
    if [ "$kind" = still ]; then
        await_fault "$host" && simxen net "host$host" cut
        return
    fi
    copying || return 1
    if [ "$kind" = slowed ]; then
        await_step || return 1
        IFS=: read -r kind host n pattern <<<"${1#*:}"
    fi
    case $kind in
    cancel)
        pattern=xl.migrate
        [ "$2" = xl ] || pattern=xl-lmigrate
        pid=$(nth a 1 "$pattern") && on a kill -INT "$pid"
        ;;
    kill)
        pid=$(await_nth "$host" "$n" "$pattern") || return 1
        # shellcheck disable=SC2086 # they may be several
        on "$host" kill -KILL $pid
        ;;
    power) simxen power-cut "host$host" ;;
    wire) simxen net "host$host" cut ;;
    lost) lose 1 'control channel' "$host" ;;
    lostdata) lose 2 'data channel .*' "$host" ;;
    away | deaf) away "$host" "$n" ;;
    balloon) balloon "$3" "$host" ;;
    ctl) control "$host" "$3" ;;
    esac
}

# Makes whole again what a fault broke for good.
repair() {
    local h

    for h in hosta hostb; do
        simxen status $h | grep -q 'no power' || continue
        simxen boot $h || return 1
        # libxl's own files of domains that were lost with the power: they
        # stay at a real host too.
        on "${h#host}" sh -c 'rm -f /var/lib/xen/userdata-*' || return 1
    done
    case $1 in
    wire:*) simxen net "host${1#*:}" mend ;;
    still:*) simxen net hostb mend && VIA= ;;
    deaf:*) VIA= ;;
    silence) on a ip neigh del "$SILENT" dev xenbr0 ;;
    stranger) end_stranger && on a ip neigh del "$SILENT" dev xenbr0 ;;
    esac
}
