/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "backends.h"

#include "base/options.h"

int xlm__backends_open(struct xlm__backends *b, const struct xlm_options *opt)
{
    struct xlm__toolstack_params p = { .stop_fd = -1, .record_fd = -1 };
    int rc;

    xlm__errslot_init(&b->err, opt ? opt->log : NULL, opt ? opt->user : NULL,
                      XLM_LOG_DEBUG);
    b->hv = NULL;
    b->ts = NULL;
    rc = xlm__hv_open_xen(&b->err, &b->hv);
    if (rc)
        return rc;
    p.err = &b->err;
    p.hv = b->hv;
    p.xl_path = opt ? opt->xl_path : XLM_REAL_XL;
    return xlm__toolstack_open_libxl(&p, &b->ts);
}

int xlm__backends_close(struct xlm__backends *b, struct xlm_options *opt,
                        int rc, char message_out[XLM_MESSAGE_MAX])
{
    if (rc)
        xlm__errslot_read(&b->err, message_out);
    if (b->ts)
        b->ts->ops->close(b->ts);
    if (b->hv)
        b->hv->ops->close(b->hv);
    xlm__errslot_destroy(&b->err);
    if (opt)
        xlm__options_free(opt);
    return rc;
}
