# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# From the record of one move without a fault to all its places for one.
#
# calls.a, calls.b   what simxen logged at either host (SIMXEN_LOG)
# control            what xlmcut saw on the control channel
# runs               simxen's journal of run intervals
#
# A case is a line "TYPE:PLACE:ACTION PHASE", where PLACE is either
# "call:HOST:PROCESS:CALL:N" or "record:s|d:N:NAME".

# Who is killed at a record's boundary: HOST/N/PATTERN, as nth() wants it.
declare -A VICTIMS=(
    [supervisor]=a/1/xl-lmigrate.
    [worker]=a/2/xl-lmigrate.
    [transport]=a/1/plainsh.hostb
    [server]=b/parent/xl-lmigrate-receive
    [receiver]=b/1/xl-lmigrate-receive
    [xl]=b/1/xl.migrate-receive
    [xls]=b/all/xl.migrate-receive
    [helper]=b/1/libxl-save-helper
)

# For awk, with e1, e2 and e3: what phase_ends says.
PHASE='function phase(t) {
    if (t < e1)
        return "build"
    if (t < e2)
        return "precopy"
    return t < e3 ? "switch" : "handoff"
}'

# phase_ends DIR: seconds at which build, precopy and switch end.
phase_ends() {
    awk -v runs="$1/runs" '
        $2 == "s" && $4 == "ROUND_BEGIN" && !round { round = $1 }
        $2 == "s" && $4 == "PERMIT" { permit = $1 }
        END {
            while ((getline line <runs) > 0) {
                split(line, w, " ")
                if (w[1] == "STOP" && w[2] > round && !stop)
                    stop = w[2]
            }
            if (!round || !stop || !permit)
                exit 1
            printf "%.6f %.6f %.6f\n", round / 1e9, stop / 1e9, permit / 1e9
        }' "$1/control"
}

# call_places DIR HOST ENDS...: first, middle and last call of each name by each
# process of the move. "build:PLACE" and so on.
call_places() {
    awk -v host="$2" -v e1="$3" -v e2="$4" -v e3="$5" "$PHASE"'
        {
            comm = $2
            sub(/\[.*/, "", comm)
            if ($3 !~ /^[a-z_]+(\.[a-z0-9_]+)*$/ ||
                comm !~ /^(xl|xl-lmigrate.*|libxl-save-help)$/)
                next
            n = ++seen[$2, $3]
            key = host ":" comm ":" $3
            if (n > most[key])
                most[key] = n
            if (!((key, n) in at) || $1 < at[key, n])
                at[key, n] = $1
        }
        END {
            for (key in most) {
                m = most[key]
                split("1 " int((m + 1) / 2) " " m, ns, " ")
                for (i = 1; i <= 3; i++)
                    if (i == 1 || ns[i] != ns[i - 1])
                        print phase(at[key, ns[i]]) ":call:" key ":" ns[i]
            }
        }' "$1/calls.$2"
}

# errno_of CALL: one that Xen may give for it.
errno_of() {
    case $1 in
    memory_op.* | foreignmemory.* | domctl.max_mem) echo ENOMEM ;;
    domctl.shadow_op.*) echo EBUSY ;;
    sysctl.* | xen_version.*) echo EFAULT ;;
    *) echo EINVAL ;;
    esac
}

# actions_of CALL
actions_of() {
    echo kill cut
    # It fails always.
    [ "$1" = xsm_op ] || errno_of "$1"
    case $1 in
    memory_op.populate_physmap) echo short nomem killafter ;;
    foreignmemory.map | memory_op.decrease_reservation) echo short ;;
    domctl.*domain | domctl.set* | domctl.shadow_op.* | domctl.max_mem)
        echo killafter
        ;;
    esac
}

call_cases() {
    local phase place call action

    while IFS=: read -r phase place; do
        call=${place%:*}
        call=${call##*:}
        for action in $(actions_of "$call"); do
            echo "$2:$place:$action $phase"
        done
    done < <(call_places "$1" a "${@:3}" && call_places "$1" b "${@:3}")
}

# At the boundary before each record, either way.
record_cases() {
    local ns side n name phase victim begun=no

    while read -r ns side n name; do
        phase=$(awk -v t="$ns" -v e1="$3" -v e2="$4" -v e3="$5" \
            "$PHASE"'BEGIN { print phase(t / 1e9) }')
        for victim in sever power-a power-b "${!VICTIMS[@]}"; do
            # Before it builds, it has not started xl.
            case $name:$victim in
            BUILT:*) begun=yes ;;
            *:xl | *:xls | *:helper) [ $begun = yes ] || continue ;;
            esac
            echo "$2:record:$side:$n:$name:$victim $phase"
        done
    done <"$1/control"
}

# cases DIR TYPE: all of them, in an order that mixes them, always the same.
cases() {
    local ends

    ends=$(phase_ends "$1") || { echo "no phases in $1" >&2 && return 1; }
    # shellcheck disable=SC2086
    { call_cases "$1" "$2" $ends && record_cases "$1" "$2" $ends; } | sort |
        shuf --random-source=<(yes)
}
