/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "stubs/hv/sim.h"

#include <xen/features.h>
#include <xen/version.h>

#define VERSION_MAJOR 4

#if SIM_XEN_MINOR == 20
#define EXTRAVERSION ".4-sim"
#else
#define EXTRAVERSION ".7-sim"
#endif
#define CAPABILITIES                                                           \
    "xen-3.0-x86_64 hvm-3.0-x86_32 hvm-3.0-x86_32p hvm-3.0-x86_64 "
#define CHANGESET    "simulated"
#define COMMAND_LINE "simxen"

static void fill(void *out, size_t size, const char *text)
{
    memset(out, 0, size);
    snprintf(out, size, "%s", text);
}

static long compile_info(struct xen_compile_info *c)
{
    fill(c->compiler, sizeof(c->compiler), "none");
    fill(c->compile_by, sizeof(c->compile_by), "simxen");
    fill(c->compile_domain, sizeof(c->compile_domain), "simxen");
    fill(c->compile_date, sizeof(c->compile_date), "never");
    return 0;
}

#ifdef XENVER_extraversion2
/* The same texts, of any length: xen.git common/kernel.c, xenver_varbuf_op().
 * Without a buffer, its length. */
static long text(unsigned cmd, struct xen_varbuf *out)
{
    const char *s;

    switch (cmd) {
    case XENVER_extraversion2:
        s = EXTRAVERSION;
        break;
    case XENVER_capabilities2:
        s = CAPABILITIES;
        break;
    case XENVER_changeset2:
        s = CHANGESET;
        break;
    case XENVER_commandline2:
        s = COMMAND_LINE;
        break;
    default:
        return -ENOSYS;
    }
    if (out && strlen(s) > out->len)
        return -ENOBUFS;
    if (out)
        memcpy(out->buf, s, strlen(s));
    return strlen(s);
}
#endif

long sim_xen_version(unsigned cmd, void *arg)
{
    struct xen_feature_info *f = arg;

    switch (cmd) {
    case XENVER_version:
        return VERSION_MAJOR << 16 | SIM_XEN_MINOR;
    case XENVER_extraversion:
        fill(arg, sizeof(xen_extraversion_t), EXTRAVERSION);
        return 0;
    case XENVER_compile_info:
        return compile_info(arg);
    case XENVER_capabilities:
        fill(arg, sizeof(xen_capabilities_info_t), CAPABILITIES);
        return 0;
    case XENVER_changeset:
        fill(arg, sizeof(xen_changeset_info_t), CHANGESET);
        return 0;
    case XENVER_platform_parameters:
        ((struct xen_platform_parameters *)arg)->virt_start =
            HYPERVISOR_VIRT_START;
        return 0;
    case XENVER_get_features:
        f->submap = f->submap_idx ? 0
                                  : 1u << XENFEAT_memory_op_vnode_supported |
                                        1u << XENFEAT_mmu_pt_update_preserve_ad;
        return 0;
    case XENVER_pagesize:
        return 4096;
    case XENVER_guest_handle:
        memset(arg, 0, sizeof(xen_domain_handle_t));
        return 0;
    case XENVER_commandline:
        fill(arg, sizeof(xen_commandline_t), COMMAND_LINE);
        return 0;
    case XENVER_build_id:
        return -ENODATA; /* built without */
    }
#ifdef XENVER_extraversion2
    return text(cmd, arg);
#else
    return -ENOSYS;
#endif
}
