# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# What a program needs in its environment to run in host HOST.

set_env() {
    export SIMXEN_STATE=$H/hv SIMXEN_HOST=$HOST SIMXEN_CLOCK=$DIR/clock
    export SIMXEN_DIR=$DIR SIMXEN_RUN=$RUN SIMXEN_XEN_VERSION=$XEN_VERSION
    export LD_LIBRARY_PATH=$RUN/lib:/usr/local/lib TMPDIR=$H/disk/tmp
    export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
    PATH=$STUBS/host/bin:$RUN:$PATH:/usr/lib/xen-$XEN_VERSION/bin
    [ -d "$TMPDIR" ] || mkdir -p "$TMPDIR"
}
