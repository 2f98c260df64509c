/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Preflight at the destination: gathering. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "toolstack/toolstack_libxl.h"

#define XLM_MODULE "preflight"

#define XL_CONF "/etc/xen/xl.conf"
/* libxl does not shrink dom0 below this (LIBXL_MIN_DOM0_MEM). */
#define DOM0_MIN_KB (128 * 1024)
/* Beside its memory a domain takes some pages of Xen's: what libxl itself
 * adds to a domain's maximum. */
#define SLACK_KB 4096

/* Where distributions put the qemu that libxl starts by default. */
static const char *const qemu_paths[] = {
    "/usr/libexec/xen-qemu-system-i386",
    "/usr/lib/xen/bin/qemu-system-i386",
    "/usr/libexec/xen/bin/qemu-system-i386",
    "/usr/local/lib/xen/bin/qemu-system-i386",
    "/usr/lib/qemu/bin/qemu-system-i386",
    "/usr/bin/qemu-system-i386",
    "/usr/bin/qemu-system-x86_64",
};

static void gather_qemu(const libxl_domain_config *c,
                        struct xlm__destination_facts *facts)
{
    const size_t nr = sizeof(qemu_paths) / sizeof(qemu_paths[0]);

    if (c->b_info.device_model) {
        facts->qemu_path = c->b_info.device_model;
        facts->qemu_found = access(facts->qemu_path, X_OK) == 0;
        return;
    }
    facts->qemu_path = qemu_paths[0];
    for (size_t i = 0; i < nr && !facts->qemu_found; i++)
        facts->qemu_found = access(qemu_paths[i], X_OK) == 0;
}

static long lock_holder(const char *path)
{
    struct flock fl = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    long pid = 0;

    if (fd < 0)
        return 0;
    if (!fcntl(fd, F_GETLK, &fl) && fl.l_type != F_UNLCK)
        pid = fl.l_pid;
    close(fd);
    return pid;
}

static int gather_memory(struct xlm__ts *ts, libxl_domain_config *c,
                         uint64_t memory_pages,
                         struct xlm__destination_facts *facts)
{
    uint64_t need = 0;
    uint64_t dom0 = 0;
    int rc;

    rc = libxl_get_free_memory(ts->ctx, &facts->free_kb);
    if (rc)
        return TS_FAIL(ts, XLM_ERR_TOOLSTACK, rc, "free memory of this host");
    facts->need_kb = memory_pages * 4 + SLACK_KB;
    /* The pools that shadow or nested paging and the IOMMU need. */
    if (!libxl_domain_need_memory(ts->ctx, c, 0, &need) &&
        need > c->b_info.target_memkb)
        facts->need_kb += need - c->b_info.target_memkb;
    if (!libxl_get_memory_target(ts->ctx, 0, &dom0) && dom0 > DOM0_MIN_KB)
        facts->dom0_spare_kb = dom0 - DOM0_MIN_KB;
    return 0;
}

/* A domain of that name that is not the source itself. */
static bool name_taken(struct xlm__ts *ts, const char *name,
                       const unsigned char uuid[16], bool own_is_fine)
{
    libxl_dominfo info;
    uint32_t domid;
    bool taken;

    if (libxl_name_to_domid(ts->ctx, name, &domid))
        return false;
    libxl_dominfo_init(&info);
    taken = libxl_domain_info(ts->ctx, &info, domid) == 0 &&
            !(own_is_fine &&
              !memcmp(libxl_uuid_bytearray(&info.uuid), uuid, 16));
    libxl_dominfo_dispose(&info);
    return taken;
}

static void gather_names(struct xlm__ts *ts, const struct xlm__config *c,
                         char *incoming, size_t bytes,
                         struct xlm__destination_facts *facts)
{
    snprintf(incoming, bytes, "%s--incoming", c->name);
    if (name_taken(ts, c->name, c->uuid, true))
        facts->name_taken = c->name;
    else if (name_taken(ts, incoming, c->uuid, false))
        facts->name_taken = incoming;
}

static void gather_flask(struct xlm__ts *ts, const libxl_domain_config *c,
                         struct xlm__destination_facts *facts)
{
    char *label = c->c_info.ssid_label;
    uint32_t sid;

    facts->flask = label && label[0] &&
                   !libxl_flask_context_to_sid(ts->ctx, label, strlen(label),
                                               &sid);
}

static int gather(struct xlm__ts *ts, struct xlm__hv *hv,
                  const struct xlm__config *c, libxl_domain_config *dc,
                  uint64_t memory_pages, struct xlm__destination_facts *facts)
{
    const libxl_version_info *version = libxl_get_version_info(ts->ctx);
    struct xlm__xlconf conf;
    int rc;

    xlm__xlconf_read(XL_CONF, version ? version->commandline : NULL, &conf);
    facts->autoballoon = conf.autoballoon;
    if (conf.autoballoon)
        facts->xl_lock_pid = lock_holder(conf.lockfile);
    facts->sys_class_net = "/sys/class/net";
    facts->scripts_dir = "/etc/xen/scripts";
    facts->xl_path = ts->xl_path;
    if (access(ts->xl_path, X_OK))
        facts->xl_problem = strerrordesc_np(errno);
    gather_qemu(dc, facts);
    gather_flask(ts, dc, facts);
    rc = hv->ops->find_uuid(hv, c->uuid, 0, &facts->uuid_domid);
    return rc ? rc : gather_memory(ts, dc, memory_pages, facts);
}

int xlm__ts_check_destination(struct xlm__toolstack *t, struct xlm__hv *hv,
                              const struct xlm__config *c,
                              uint64_t memory_pages, struct xlm__findings *f)
{
    struct xlm__ts *ts = xlm__ts(t);
    struct xlm__destination_facts facts = { 0 };
    char incoming[256];
    libxl_domain_config dc;
    int rc;

    rc = xlm__ts_config_load(ts, c->json, &dc);
    if (!rc) {
        gather_names(ts, c, incoming, sizeof(incoming), &facts);
        rc = gather(ts, hv, c, &dc, memory_pages, &facts);
    }
    if (!rc) {
        ts->dom0_gives_mib = facts.need_kb > facts.free_kb
                                 ? facts.need_kb / 1024 - facts.free_kb / 1024
                                 : 0;
        xlm__libxl_check_destination(&dc, &facts, f);
    }
    libxl_domain_config_dispose(&dc);
    return rc;
}
