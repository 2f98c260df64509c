# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# The wire between hosts: limits and cuts, in both directions of a host's cable.

# Each end of the cable limits what is sent into it.
both_ends() {
    in_rack tc qdisc replace dev "$CABLE" root "$@" &&
        in_host tc qdisc replace dev eth0 root "$@"
}

# The host forgets, too, for whom it asked in vain.
mend() {
    in_rack ip link set "$CABLE" up &&
        wait_until 10 forwards "$CABLE" in_rack &&
        in_host ip neigh flush dev xenbr0 &&
        announce "${CABLE#w}" in_host
}

cmd_net() {
    set_host "${1:-}"
    need_up
    RACK_PID=$(pid_in "$RACK/pid") || die "no rack"
    CABLE=w$(cat "$H/number")
    case ${2:-} in
    rate) both_ends tbf rate "$3" burst 256k latency 100ms ;;
    delay)
        both_ends netem delay "$3" ||
            die "this kernel has no netem, so no delay"
        ;;
    cut) in_rack ip link set "$CABLE" down ;;
    mend) mend ;;
    clear)
        in_rack tc qdisc del dev "$CABLE" root
        in_host tc qdisc del dev eth0 root
        ;;
    *) die "net: rate, delay, cut, mend or clear" ;;
    esac
}
