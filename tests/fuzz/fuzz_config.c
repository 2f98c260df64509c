/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The body of CONFIG: the JSON of a domain's configuration.  libxl parses it;
 * we read its result, and compare it with itself.  libxl wants a hypervisor
 * and xenstore for its context, and uses neither here.
 */
#include "config.h"

#include "fuzz.h"

#include <xenctrl.h>
#include <xenstore.h>

#include "toolstack/toolstack_libxl.h"

static char nothing;

/* Instead of those of Xen's libraries, for libxl too. */
#define REPLACES __attribute__((visibility("default")))

REPLACES xc_interface *xc_interface_open(xentoollog_logger *logger,
                                         xentoollog_logger *dombuild_logger,
                                         unsigned open_flags)
{
    (void)logger;
    (void)dombuild_logger;
    (void)open_flags;
    return (xc_interface *)&nothing;
}

REPLACES struct xs_handle *xs_open(unsigned long flags)
{
    (void)flags;
    return (struct xs_handle *)&nothing;
}

int fuzz_config(const uint8_t *data, size_t size)
{
    static struct xlm__ts ts;
    struct xlm__errslot err = XLM__ERRSLOT_INITIALIZER;
    struct xlm__config c = { 0 };
    char *json = fuzz_text(data, size), diff[512] = "";

    if (!ts.ctx) {
        xlm__libxl_log_init(&ts.log, &err);
        FUZZ_CHECK(!xlm__libxl_open(&err, &ts.log, &ts.ctx));
    }
    ts.log.err = ts.base.err = &err;
    if (xlm__ts_config_parse(&ts.base, json, &c)) {
        FUZZ_CHECK(xlm__errslot_code(&err));
    } else {
        FUZZ_CHECK(c.name && c.name[0] && !strchr(c.name, '/') && c.json &&
                   c.max_vcpus);
        FUZZ_CHECK(!xlm__ts_config_diff(&ts.base, &c, &c, diff, sizeof(diff)));
        FUZZ_CHECK(!diff[0]);
    }
    xlm__config_free(&c);
    free(json);
    xlm__errslot_destroy(&err);
    return 0;
}
