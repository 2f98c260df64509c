/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reading: see xsnodes_restore.c for the way back. */
#include "config.h"

#include "toolstack/xsnodes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "util/buf.h"

#define XLM_MODULE "xenstore"

#define PERMS_MAX 1024

/* control has the toolstack's own nodes too (shutdown, sysrq): only what the
 * guest announces there is its own. */
static const char *const roots[] = { "data", "attr", "drivers", "feature",
                                     "vm-data" };
#define CONTROL         "control"
#define CONTROL_FEATURE "control/feature-"

/* The guest's report about one move must not be taken for the next one's. */
#define NOT_COPIED "data/xlm/gap-ms"

struct walk {
    struct xlm__errslot *err;
    struct xs_handle *xs;
    uint32_t domid;
    struct xlm__xsnodes *out;
    size_t room;
    size_t total;
    unsigned dropped; /* warned about, one by one up to WARN_MAX */
};
#define WARN_MAX 8

/* What xenstored takes in a name (c is not NUL, which strchr() finds). */
static bool char_ok(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c >= '0' && c <= '9') || strchr("-_@/", c);
}

static bool below_root(const char *path)
{
    for (size_t i = 0; i < sizeof(roots) / sizeof(roots[0]); i++) {
        const size_t n = strlen(roots[i]);

        if (!strncmp(path, roots[i], n) && (path[n] == '/' || !path[n]))
            return true;
    }
    return !strncmp(path, CONTROL_FEATURE, sizeof(CONTROL_FEATURE) - 1);
}

bool xlm__xsnodes_path_ok(const char *path)
{
    const size_t bytes = strlen(path);
    unsigned depth = 1;

    if (!bytes || bytes > XLM__XS_MAX_PATH || path[bytes - 1] == '/')
        return false;
    for (const char *c = path; *c; c++) {
        if (!char_ok(*c) || (*c == '/' && c[1] == '/'))
            return false;
        depth += *c == '/';
    }
    return depth <= XLM__XS_MAX_DEPTH && below_root(path);
}

static void drop(struct walk *w, const char *path, const char *why)
{
    if (w->dropped++ < WARN_MAX)
        XLM_LOG(w->err, WARN, "xenstore entry %s of domain %u is left out: %s",
                path, w->domid, why);
}

static char perm_letter(unsigned perms)
{
    static const char letters[] = { 'n', 'r', 'w', 'b' };

    return letters[perms & (XS_PERM_READ | XS_PERM_WRITE)];
}

/* One entry of the list.  A node that a third domain owns becomes dom0's: it
 * may not get an owner that is somebody else over there. */
static void put_perm(struct walk *w, struct xlm__buf *b, const char *path,
                     const struct xs_permissions *perm, bool owner)
{
    const char letter = perm_letter(perm->perms);
    const char *comma = owner ? "" : ",";

    if (perm->id == w->domid) {
        xlm__buf_printf(b, "%s%c@self", comma, letter);
        return;
    }
    if (perm->id == 0) {
        xlm__buf_printf(b, "%s%c0", comma, letter);
        return;
    }
    XLM_LOG(w->err, WARN,
            "xenstore entry %s of domain %u: permission for domain %u is left "
            "out",
            path, w->domid, perm->id);
    if (owner)
        xlm__buf_printf(b, "%c0", letter);
}

static char *get_perms(struct walk *w, const char *full, const char *path)
{
    struct xlm__buf b;
    struct xs_permissions *perms;
    unsigned nr = 0;
    char *text;
    size_t bytes;

    perms = xs_get_permissions(w->xs, XBT_NULL, full, &nr);
    if (!perms)
        return NULL;
    xlm__buf_init(&b, PERMS_MAX);
    for (unsigned i = 0; i < nr; i++)
        put_perm(w, &b, path, &perms[i], i == 0);
    free(perms);
    xlm__buf_put_u8(&b, 0);
    text = (char *)xlm__buf_steal(&b, &bytes);
    xlm__buf_free(&b);
    return text;
}

static int make_room(struct walk *w)
{
    size_t room = w->room ? w->room * 2 : 64;
    struct xlm__xsnode *nodes;

    if (w->out->nr < w->room)
        return 0;
    nodes = reallocarray(w->out->nodes, room, sizeof(*nodes));
    if (!nodes)
        return XLM_FAIL(w->err, XLM_ERR_NOMEM, "%zu xenstore entries", room);
    w->out->nodes = nodes;
    w->room = room;
    return 0;
}

/* Takes value and perms on success, and then only. */
static int append(struct walk *w, const char *path, void *value,
                  size_t value_bytes, char *perms)
{
    char *copy = strdup(path);
    int rc;

    rc = copy ? make_room(w) : XLM_FAIL(w->err, XLM_ERR_NOMEM, "xenstore path");
    if (rc) {
        free(copy);
        return rc;
    }
    w->out->nodes[w->out->nr++] = (struct xlm__xsnode){
        .path = copy,
        .value = value,
        .value_bytes = value_bytes,
        .perms = perms,
    };
    w->total += strlen(path) + value_bytes + strlen(perms);
    return 0;
}

static const char *over_limit(const struct walk *w, const char *path,
                              size_t value_bytes)
{
    if (w->out->nr >= XLM__XS_MAX_NODES)
        return "more than 4096 entries";
    if (value_bytes > XLM__XS_MAX_VALUE)
        return "value longer than 4096 bytes";
    if (w->total + strlen(path) + value_bytes + PERMS_MAX > XLM__XS_MAX_TOTAL)
        return "more than 1 MiB in all";
    return NULL;
}

/* *kept_out: its children are worth a look. */
static int take_node(struct walk *w, const char *full, const char *path,
                     bool *kept_out)
{
    unsigned bytes = 0;
    void *value;
    char *perms = NULL;
    const char *why;
    int rc = 0;

    *kept_out = false;
    value = xs_read(w->xs, XBT_NULL, full, &bytes);
    if (!value && errno == ENOENT)
        return 0; /* the guest removed it meanwhile */
    if (!value)
        return XLM_FAIL_ERRNO(w->err, XLM_ERR_TOOLSTACK, "xenstore: read %s",
                              full);
    why = over_limit(w, path, bytes);
    if (!why) {
        perms = get_perms(w, full, path);
        if (!perms)
            why = "its permissions cannot be read";
    }
    if (why)
        drop(w, path, why);
    else
        rc = append(w, path, value, bytes, perms);
    if (why || rc) {
        free(value);
        free(perms);
        return rc;
    }
    *kept_out = true;
    return 0;
}

static int walk_node(struct walk *w, const char *path, unsigned depth);

static int walk_children(struct walk *w, const char *full, const char *path,
                         unsigned depth)
{
    unsigned nr = 0;
    char **names = xs_directory(w->xs, XBT_NULL, full, &nr);
    int rc = 0;

    if (!names)
        return errno == ENOENT ? 0
                               : XLM_FAIL_ERRNO(w->err, XLM_ERR_TOOLSTACK,
                                                "xenstore: list %s", full);
    for (unsigned i = 0; i < nr && !rc; i++) {
        char child[XLM__XS_MAX_PATH + 1];
        int n = snprintf(child, sizeof(child), "%s/%s", path, names[i]);

        if (n < 0 || (size_t)n >= sizeof(child))
            drop(w, path, "a path below it is longer than 1024 bytes");
        else
            rc = walk_node(w, child, depth + 1);
    }
    free(names);
    return rc;
}

static int walk_node(struct walk *w, const char *path, unsigned depth)
{
    char full[XLM__XS_MAX_PATH + 64];
    bool kept;
    int rc;

    if (!strcmp(path, NOT_COPIED))
        return 0;
    if (!strcmp(path, CONTROL)) {
        kept = true;
    } else if (!strncmp(path, CONTROL "/", sizeof(CONTROL)) &&
               !below_root(path)) {
        return 0;
    } else if (depth > XLM__XS_MAX_DEPTH) {
        drop(w, path, "deeper than 16 levels");
        return 0;
    } else if (!xlm__xsnodes_path_ok(path)) {
        drop(w, path, "name not allowed");
        return 0;
    } else {
        kept = false;
    }

    snprintf(full, sizeof(full), "/local/domain/%u/%s", w->domid, path);
    if (!kept) {
        rc = take_node(w, full, path, &kept);
        if (rc)
            return rc;
    }
    return kept ? walk_children(w, full, path, depth) : 0;
}

int xlm__xsnodes_collect(struct xlm__errslot *err, struct xs_handle *xs,
                         uint32_t domid, struct xlm__xsnodes *out)
{
    struct xlm__xsnodes nodes = { 0 };
    struct walk w = { .err = err, .xs = xs, .domid = domid, .out = &nodes };
    int rc = 0;

    for (size_t i = 0; i < sizeof(roots) / sizeof(roots[0]) && !rc; i++)
        rc = walk_node(&w, roots[i], 1);
    if (!rc)
        rc = walk_node(&w, CONTROL, 1);
    if (rc) {
        xlm__xsnodes_free(&nodes);
        return rc;
    }
    if (w.dropped > WARN_MAX)
        XLM_LOG(err, WARN, "%u xenstore entries of domain %u are left out",
                w.dropped, domid);
    *out = nodes;
    return 0;
}
