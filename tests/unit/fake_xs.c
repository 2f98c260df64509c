/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "fake_xs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <xenstore_lib.h>

#define MAX_NODES 8192

struct node {
    char *path;
    char *value;
    size_t bytes;
    char *perms;
};

struct store {
    struct node nodes[MAX_NODES];
    size_t nr;
};

static struct store now, before; /* before: to undo a transaction */
static bool in_transaction;
static unsigned fail_in, conflicts, calls;

static char *copy(const void *data, size_t bytes)
{
    char *p = malloc(bytes + 1);

    memcpy(p, data, bytes);
    p[bytes] = '\0';
    return p;
}

static void clear(struct store *s)
{
    for (size_t i = 0; i < s->nr; i++) {
        free(s->nodes[i].path);
        free(s->nodes[i].value);
        free(s->nodes[i].perms);
    }
    s->nr = 0;
}

static void duplicate(struct store *to, const struct store *from)
{
    clear(to);
    for (size_t i = 0; i < from->nr; i++) {
        const struct node *n = &from->nodes[i];

        to->nodes[to->nr++] = (struct node){ strdup(n->path),
                                             copy(n->value, n->bytes), n->bytes,
                                             strdup(n->perms) };
    }
}

static struct node *find(const char *path)
{
    for (size_t i = 0; i < now.nr; i++)
        if (!strcmp(now.nodes[i].path, path))
            return &now.nodes[i];
    return NULL;
}

static struct node *make(const char *path)
{
    struct node *n = find(path);
    char *parent;
    char *slash;

    if (n)
        return n;
    parent = strdup(path);
    slash = strrchr(parent, '/');
    if (slash && slash != parent) {
        *slash = '\0';
        make(parent);
    }
    free(parent);
    if (now.nr == MAX_NODES)
        abort();
    n = &now.nodes[now.nr++];
    *n = (struct node){ strdup(path), strdup(""), 0, strdup("n0") };
    return n;
}

struct xs_handle *fake_xs(void)
{
    return (struct xs_handle *)&now;
}

void fake_xs_reset(void)
{
    clear(&now);
    clear(&before);
    in_transaction = false;
    fail_in = conflicts = calls = 0;
}

void fake_xs_set(const char *path, const void *value, size_t bytes,
                 const char *perms)
{
    struct node *n = make(path);

    free(n->value);
    n->value = copy(value, bytes);
    n->bytes = bytes;
    if (perms) {
        free(n->perms);
        n->perms = strdup(perms);
    }
}

void fake_xs_text(const char *path, const char *value)
{
    fake_xs_set(path, value, strlen(value), NULL);
}

const char *fake_xs_get(const char *path, size_t *bytes_out)
{
    struct node *n = find(path);

    if (n && bytes_out)
        *bytes_out = n->bytes;
    return n ? n->value : NULL;
}

const char *fake_xs_perms(const char *path)
{
    struct node *n = find(path);

    return n ? n->perms : NULL;
}

size_t fake_xs_count(void)
{
    return now.nr;
}

void fake_xs_fail_call(unsigned nth)
{
    fail_in = nth;
}

void fake_xs_conflicts(unsigned times)
{
    conflicts = times;
}

unsigned fake_xs_calls(void)
{
    return calls;
}

bool fake_xs_in_transaction(void)
{
    return in_transaction;
}

static bool fails(void)
{
    calls++;
    if (!fail_in || --fail_in)
        return false;
    errno = EIO;
    return true;
}

static bool absent(const struct node *n)
{
    if (n)
        return false;
    errno = ENOENT;
    return true;
}

/* ---------------- libxenstore's names ---------------- */

struct xs_handle *xs_open(unsigned long flags)
{
    (void)flags;
    return fake_xs();
}

void xs_close(struct xs_handle *xsh)
{
    (void)xsh;
}

/* Returns the bytes used. */
static size_t put_name(char *to, const char *name)
{
    const size_t bytes = strlen(name) + 1;

    memcpy(to, name, bytes);
    return bytes;
}

char **xs_directory(struct xs_handle *h, xs_transaction_t t, const char *path,
                    unsigned int *num)
{
    const size_t bytes = strlen(path);
    char **list;
    char *text;

    (void)h, (void)t;
    if (fails() || absent(find(path)))
        return NULL;
    /* One block, as libxenstore gives it: pointers, then names. */
    list = malloc(now.nr * (sizeof(*list) + 256) + 1);
    text = (char *)(list + now.nr);
    *num = 0;
    for (size_t i = 0; i < now.nr; i++) {
        const char *p = now.nodes[i].path;

        if (strncmp(p, path, bytes) || p[bytes] != '/' ||
            strchr(p + bytes + 1, '/'))
            continue;
        list[(*num)++] = text;
        text += put_name(text, p + bytes + 1);
    }
    return list;
}

void *xs_read(struct xs_handle *h, xs_transaction_t t, const char *path,
              unsigned int *len)
{
    struct node *n = find(path);

    (void)h, (void)t;
    if (fails() || absent(n))
        return NULL;
    if (len)
        *len = (unsigned)n->bytes;
    return copy(n->value, n->bytes);
}

bool xs_write(struct xs_handle *h, xs_transaction_t t, const char *path,
              const void *data, unsigned int len)
{
    (void)h, (void)t;
    if (fails())
        return false;
    fake_xs_set(path, data, len, NULL);
    return true;
}

struct xs_permissions *xs_get_permissions(struct xs_handle *h,
                                          xs_transaction_t t, const char *path,
                                          unsigned int *num)
{
    static const char letters[] = "nrwb";
    struct node *n = find(path);
    struct xs_permissions *perms;

    (void)h, (void)t;
    if (fails() || absent(n))
        return NULL;
    perms = calloc(strlen(n->perms) + 1, sizeof(*perms));
    *num = 0;
    for (const char *at = n->perms; *at;) {
        char *end;

        perms[*num].perms = (unsigned)(strchr(letters, *at) - letters);
        perms[(*num)++].id = (unsigned)strtoul(at + 1, &end, 10);
        at = *end == ',' ? end + 1 : end;
    }
    return perms;
}

bool xs_set_permissions(struct xs_handle *h, xs_transaction_t t,
                        const char *path, struct xs_permissions *perms,
                        unsigned int num_perms)
{
    struct node *n = find(path);
    char text[1024] = "";

    (void)h, (void)t;
    if (fails() || absent(n))
        return false;
    for (unsigned i = 0; i < num_perms; i++) {
        const size_t at = strlen(text);

        snprintf(text + at, sizeof(text) - at, "%s%c%u", i ? "," : "",
                 "nrwb"[perms[i].perms & 3], perms[i].id);
    }
    free(n->perms);
    n->perms = strdup(text);
    return true;
}

xs_transaction_t xs_transaction_start(struct xs_handle *h)
{
    (void)h;
    if (fails())
        return XBT_NULL;
    duplicate(&before, &now);
    in_transaction = true;
    return 1;
}

bool xs_transaction_end(struct xs_handle *h, xs_transaction_t t, bool abandon)
{
    const bool conflict = !abandon && conflicts;

    (void)h, (void)t;
    in_transaction = false;
    if (fails() || conflict || abandon) {
        duplicate(&now, &before);
        if (conflict) {
            conflicts--;
            errno = EAGAIN;
        }
        return abandon;
    }
    return true;
}

int xs_suspend_evtchn_port(int domid)
{
    (void)domid;
    return -1;
}
