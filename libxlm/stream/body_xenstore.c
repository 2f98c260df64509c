/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* XENSTORE: what a guest owns in xenstore, and nothing else. */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "stream/body_int.h"
#include "util/byteorder.h"

/* First components that belong to the guest; the last is a prefix. */
static const char *const roots[] = { "data", "attr", "drivers", "feature",
                                     "vm-data" };
#define CONTROL_FEATURE "control/feature-"

static bool path_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c >= '0' && c <= '9') || (c && strchr("-/_@.", c));
}

static bool guest_owned(const char *path)
{
    size_t first = strcspn(path, "/");

    for (size_t i = 0; i < sizeof(roots) / sizeof(roots[0]); i++)
        if (first == strlen(roots[i]) && !memcmp(path, roots[i], first))
            return true;
    return !strncmp(path, CONTROL_FEATURE, sizeof(CONTROL_FEATURE) - 1);
}

/* What is wrong with the path's components, or NULL. */
static const char *bad_components(const char *path)
{
    unsigned depth = 0;
    const char *at = path;

    for (;;) {
        size_t n = strcspn(at, "/");

        if (!n)
            return "has an empty component";
        if ((n == 1 && at[0] == '.') || (n == 2 && !memcmp(at, "..", 2)))
            return "has a dot component";
        if (++depth > XLM__XS_DEPTH_MAX)
            return "has more than 16 components";
        if (!at[n])
            return NULL;
        at += n + 1;
    }
}

static void check_path(struct xlm__taker *t, const char *path)
{
    const char *bad = NULL;

    if (t->rc)
        return;
    for (const char *c = path; *c; c++)
        if (!path_char(*c))
            bad = "has a character that xenstore does not allow";
    if (!bad)
        bad = bad_components(path);
    if (!bad && !guest_owned(path))
        bad = "does not belong to the guest";
    if (bad)
        xlm__take_fail(t, "path \"%.64s\" %s", path, bad);
}

static void check_perms(struct xlm__taker *t, const char *perms)
{
    const char *at = perms;

    if (t->rc)
        return;
    for (;;) {
        size_t n = strcspn(at, ",");
        bool who = (n == 6 && !memcmp(at + 1, "@self", 5)) ||
                   (n == 2 && at[1] == '0');

        if (!who || !strchr("nrwb", at[0])) {
            xlm__take_fail(t, "permissions \"%.64s\"", perms);
            return;
        }
        if (!at[n])
            return;
        at += n + 1;
    }
}

static void take_node(struct xlm__taker *t, struct xlm__node *n)
{
    xlm__take_string(t, n->path, 1, XLM__XS_PATH_MAX, "path");
    check_path(t, n->path);
    xlm__take_string(t, n->perms, 2, XLM__XS_PERMS_MAX, "permissions");
    check_perms(t, n->perms);
    n->value_bytes = xlm__take_u32(t, "value");
    xlm__take_in(t, n->value_bytes, 0, XLM__XS_VALUE_MAX, "bytes of value");
    n->value = xlm__take(t, n->value_bytes, "value");
}

void xlm__take_xenstore(struct xlm__taker *t, struct xlm__list *out)
{
    struct xlm__node node;

    out->round = 0;
    out->nr = xlm__take_u32(t, "count");
    xlm__take_reserved(t);
    out->at = t->at;
    xlm__take_in(t, out->nr, 0, XLM__XS_NODES_MAX, "nodes");
    for (uint32_t i = 0; !t->rc && i < out->nr; i++)
        take_node(t, &node);
    out->bytes = (uint32_t)(t->at - out->at);
}

/* Only for lists that have been checked. */
static const uint8_t *copy_text(const uint8_t *at, char *out)
{
    uint32_t bytes = xlm__get_le32(at);

    memcpy(out, at + 4, bytes);
    out[bytes] = '\0';
    return at + 4 + bytes;
}

bool xlm__xenstore_next(const struct xlm__list *l, uint32_t *pos,
                        struct xlm__node *out)
{
    const uint8_t *at = l->at + *pos;

    if (*pos >= l->bytes)
        return false;
    at = copy_text(at, out->path);
    at = copy_text(at, out->perms);
    out->value_bytes = xlm__get_le32(at);
    out->value = at + 4;
    *pos = (uint32_t)(at + 4 + out->value_bytes - l->at);
    return true;
}
