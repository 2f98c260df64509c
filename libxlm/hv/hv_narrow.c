/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "hv/hv_narrow.h"

#include <pthread.h>
#include <stdlib.h>

#define XLM_MODULE "hv"

enum asked { POPULATE, PV_POPULATE, DEPOPULATE, DOMINFO, HOSTINFO };

struct request {
    enum asked what;
    unsigned order;
    size_t nr;
    const uint64_t *pfns; /* or gfns */
    uint64_t *mfns_out;
    bool *flag_out; /* no memory; exists */
    struct xlm__dominfo *dominfo;
    struct xlm__hostinfo *hostinfo;
    bool done;
    int rc;
};

struct narrow {
    struct xlm__hv base; /* must be first */
    /* set once */
    struct xlm__hv *hv;     /* of everything                  */
    struct xlm__hv *window; /* NULL: there is none, hv itself */
    int window_fd;
    uint32_t domid;
    pthread_t thread;
    bool started;
    /* under lock */
    pthread_mutex_t lock;
    pthread_cond_t asked, answered;
    struct request *request; /* one at a time */
    bool ending;
};

static struct narrow *narrow(struct xlm__hv *hv)
{
    return (struct narrow *)hv;
}

static int check(const struct narrow *n, uint32_t domid)
{
    if (domid == n->domid)
        return 0;
    return XLM_FAIL(n->base.err, XLM_ERR_INTERNAL,
                    "domain %u, by a handle that is for domain %u only", domid,
                    n->domid);
}

/* ---- at once ---- */

static struct xlm__hv *mapper(const struct narrow *n)
{
    return n->window ? n->window : n->hv;
}

static int narrow_map(struct xlm__hv *hv, uint32_t domid, bool write, size_t nr,
                      const uint64_t *gfns, int *errs, struct xlm__map *out)
{
    struct xlm__hv *m = mapper(narrow(hv));
    int rc = check(narrow(hv), domid);

    return rc ? rc : m->ops->map(m, domid, write, nr, gfns, errs, out);
}

static void narrow_unmap(struct xlm__hv *hv, struct xlm__map *map)
{
    struct xlm__hv *m = mapper(narrow(hv));

    m->ops->unmap(m, map);
}

/* ---- by the handle's thread ---- */

static int answer(const struct narrow *n, const struct request *r)
{
    const struct xlm__hv_ops *ops = n->hv->ops;

    switch (r->what) {
    case POPULATE:
        return ops->populate(n->hv, n->domid, r->order, r->nr, r->pfns,
                             r->flag_out);
    case PV_POPULATE:
        return ops->pv_populate(n->hv, n->domid, r->nr, r->pfns, r->mfns_out,
                                r->flag_out);
    case DEPOPULATE:
        return ops->depopulate(n->hv, n->domid, r->nr, r->pfns);
    case DOMINFO:
        return ops->dominfo(n->hv, n->domid, r->dominfo, r->flag_out);
    case HOSTINFO:
        return ops->hostinfo(n->hv, r->hostinfo);
    }
    return XLM_FAIL(n->base.err, XLM_ERR_INTERNAL, "request %d", (int)r->what);
}

static void *serve(void *arg)
{
    struct narrow *n = arg;

    pthread_mutex_lock(&n->lock);
    for (;;) {
        struct request *r = n->request;

        if (r && !r->done) {
            pthread_mutex_unlock(&n->lock);
            r->rc = answer(n, r);
            pthread_mutex_lock(&n->lock);
            r->done = true;
            pthread_cond_broadcast(&n->answered);
        } else if (n->ending) {
            break;
        } else {
            pthread_cond_wait(&n->asked, &n->lock);
        }
    }
    pthread_mutex_unlock(&n->lock);
    return NULL;
}

static int ask(struct narrow *n, struct request *r)
{
    pthread_mutex_lock(&n->lock);
    while (n->request)
        pthread_cond_wait(&n->answered, &n->lock);
    n->request = r;
    pthread_cond_signal(&n->asked);
    while (!r->done)
        pthread_cond_wait(&n->answered, &n->lock);
    n->request = NULL;
    pthread_cond_broadcast(&n->answered);
    pthread_mutex_unlock(&n->lock);
    return r->rc;
}

static int narrow_populate(struct xlm__hv *hv, uint32_t domid, unsigned order,
                           size_t nr, const uint64_t *pfns, bool *nomem_out)
{
    struct request r = { .what = POPULATE,
                         .order = order,
                         .nr = nr,
                         .pfns = pfns,
                         .flag_out = nomem_out };
    int rc = check(narrow(hv), domid);

    return rc ? rc : ask(narrow(hv), &r);
}

static int narrow_pv_populate(struct xlm__hv *hv, uint32_t domid, size_t nr,
                              const uint64_t *pfns, uint64_t *mfns_out,
                              bool *nomem_out)
{
    struct request r = { .what = PV_POPULATE,
                         .nr = nr,
                         .pfns = pfns,
                         .mfns_out = mfns_out,
                         .flag_out = nomem_out };
    int rc = check(narrow(hv), domid);

    return rc ? rc : ask(narrow(hv), &r);
}

static int narrow_depopulate(struct xlm__hv *hv, uint32_t domid, size_t nr,
                             const uint64_t *gfns)
{
    struct request r = { .what = DEPOPULATE, .nr = nr, .pfns = gfns };
    int rc = check(narrow(hv), domid);

    return rc ? rc : ask(narrow(hv), &r);
}

static int narrow_dominfo(struct xlm__hv *hv, uint32_t domid,
                          struct xlm__dominfo *out, bool *exists_out)
{
    struct request r = { .what = DOMINFO,
                         .dominfo = out,
                         .flag_out = exists_out };
    int rc = check(narrow(hv), domid);

    return rc ? rc : ask(narrow(hv), &r);
}

static int narrow_hostinfo(struct xlm__hv *hv, struct xlm__hostinfo *out)
{
    struct request r = { .what = HOSTINFO, .hostinfo = out };

    return ask(narrow(hv), &r);
}

/* ---- lifetime ---- */

static void narrow_close(struct xlm__hv *hv)
{
    struct narrow *n = narrow(hv);

    if (!hv)
        return;
    pthread_mutex_lock(&n->lock);
    n->ending = true;
    pthread_cond_signal(&n->asked);
    pthread_mutex_unlock(&n->lock);
    if (n->started)
        pthread_join(n->thread, NULL);
    if (n->window)
        n->window->ops->close(n->window);
    pthread_cond_destroy(&n->answered);
    pthread_cond_destroy(&n->asked);
    pthread_mutex_destroy(&n->lock);
    free(n);
}

static const struct xlm__hv_ops narrow_ops = {
    .close = narrow_close,
    .hostinfo = narrow_hostinfo,
    .dominfo = narrow_dominfo,
    .map = narrow_map,
    .unmap = narrow_unmap,
    .populate = narrow_populate,
    .pv_populate = narrow_pv_populate,
    .depopulate = narrow_depopulate,
};

int xlm__hv_narrow(struct xlm__hv *hv, uint32_t domid, struct xlm__hv **out)
{
    struct narrow *n = calloc(1, sizeof(*n));
    int rc;

    if (!n)
        return XLM_FAIL(hv->err, XLM_ERR_NOMEM, "handle of domain %u", domid);
    n->base.ops = &narrow_ops;
    n->base.err = hv->err;
    n->hv = hv;
    n->window_fd = -1;
    n->domid = domid;
    pthread_mutex_init(&n->lock, NULL);
    pthread_cond_init(&n->asked, NULL);
    pthread_cond_init(&n->answered, NULL);
    rc = hv->ops->window(hv, domid, &n->window, &n->window_fd);
    if (!rc && pthread_create(&n->thread, NULL, serve, n))
        rc = XLM_FAIL(hv->err, XLM_ERR_SYSTEM, "thread for domain %u's memory",
                      domid);
    n->started = !rc;
    if (rc)
        narrow_close(&n->base);
    else
        *out = &n->base;
    return rc;
}

int xlm__hv_narrow_fd(const struct xlm__hv *hv)
{
    return ((const struct narrow *)hv)->window_fd;
}
