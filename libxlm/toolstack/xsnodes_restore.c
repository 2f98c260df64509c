/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "toolstack/xsnodes.h"

#define XLM_MODULE "xenstore"

#define PERMS_MAX_ENTRIES 64
#define COMMIT_TRIES      8

static bool letter_to_perm(char letter, unsigned *out)
{
    static const char letters[] = "nrwb";
    const char *at = letter ? strchr(letters, letter) : NULL;

    if (!at)
        return false;
    *out = (unsigned)(at - letters);
    return true;
}

/* "n@self,r0" */
static bool parse_perms(const char *text, uint32_t domid,
                        struct xs_permissions *perms, unsigned *nr_out)
{
    unsigned nr = 0;

    for (;;) {
        unsigned bits;

        if (nr == PERMS_MAX_ENTRIES || !letter_to_perm(*text, &bits))
            return false;
        text++;
        if (!strncmp(text, "@self", 5)) {
            perms[nr].id = domid;
            text += 5;
        } else if (*text == '0') {
            perms[nr].id = 0;
            text++;
        } else {
            return false;
        }
        perms[nr++].perms = bits;
        if (!*text)
            break;
        if (*text++ != ',')
            return false;
    }
    *nr_out = nr;
    return true;
}

static int write_node(struct xlm__errslot *err, struct xs_handle *xs,
                      xs_transaction_t t, uint32_t domid,
                      const struct xlm__xsnode *node)
{
    struct xs_permissions perms[PERMS_MAX_ENTRIES];
    char full[XLM__XS_MAX_PATH + 64];
    unsigned nr = 0;

    if (!xlm__xsnodes_path_ok(node->path))
        return XLM_FAIL(err, XLM_ERR_STREAM,
                        "xenstore entry \"%.80s\" is not one that may travel",
                        node->path);
    if (!parse_perms(node->perms, domid, perms, &nr))
        return XLM_FAIL(err, XLM_ERR_STREAM,
                        "xenstore entry %s: permissions \"%.80s\"", node->path,
                        node->perms);
    if (node->value_bytes > XLM__XS_MAX_VALUE)
        return XLM_FAIL(err, XLM_ERR_STREAM,
                        "xenstore entry %s: %zu bytes, limit %d", node->path,
                        node->value_bytes, XLM__XS_MAX_VALUE);
    snprintf(full, sizeof(full), "/local/domain/%u/%s", domid, node->path);
    if (!xs_write(xs, t, full, node->value_bytes ? node->value : "",
                  (unsigned)node->value_bytes))
        return XLM_FAIL_ERRNO(err, XLM_ERR_TOOLSTACK, "xenstore: write %s",
                              full);
    if (!xs_set_permissions(xs, t, full, perms, nr))
        return XLM_FAIL_ERRNO(err, XLM_ERR_TOOLSTACK,
                              "xenstore: permissions \"%s\" of %s", node->perms,
                              full);
    return 0;
}

int xlm__xsnodes_restore(struct xlm__errslot *err, struct xs_handle *xs,
                         uint32_t domid, const struct xlm__xsnodes *nodes)
{
    if (nodes->nr > XLM__XS_MAX_NODES)
        return XLM_FAIL(err, XLM_ERR_STREAM, "%zu xenstore entries, limit %d",
                        nodes->nr, XLM__XS_MAX_NODES);
    for (int tries = 0; tries < COMMIT_TRIES; tries++) {
        xs_transaction_t t = xs_transaction_start(xs);
        int rc = 0;

        if (t == XBT_NULL)
            return XLM_FAIL_ERRNO(err, XLM_ERR_TOOLSTACK,
                                  "xenstore: start a transaction");
        for (size_t i = 0; i < nodes->nr && !rc; i++)
            rc = write_node(err, xs, t, domid, &nodes->nodes[i]);
        if (rc) {
            xs_transaction_end(xs, t, true);
            return rc;
        }
        if (xs_transaction_end(xs, t, false))
            return 0;
        if (errno != EAGAIN)
            break;
    }
    return XLM_FAIL_ERRNO(err, XLM_ERR_TOOLSTACK,
                          "xenstore: commit %zu entries of domain %u",
                          nodes->nr, domid);
}
