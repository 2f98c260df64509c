/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "toolstack/toolstack.h"

#include <stdlib.h>
#include <string.h>

void xlm__config_free(struct xlm__config *c)
{
    free(c->json);
    free(c->name);
    memset(c, 0, sizeof(*c));
}

void xlm__xsnodes_free(struct xlm__xsnodes *x)
{
    for (size_t i = 0; i < x->nr; i++) {
        free(x->nodes[i].path);
        free(x->nodes[i].value);
        free(x->nodes[i].perms);
    }
    free(x->nodes);
    memset(x, 0, sizeof(*x));
}
