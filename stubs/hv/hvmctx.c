/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * HVM context: records {typecode, instance, length} and their bodies, ended by
 * END.  All are opaque but the CPU's, whose integer registers are the guest's,
 * and without which a vCPU is offline.
 */
#include "config.h"

#include <cpuid.h>
#include <errno.h>
#include <string.h>

#include "stubs/hv/sim.h"

#include <xen/hvm/save.h>

/* clang-format off */
#define EACH_REG(X)                                                            \
    X(rax) X(rbx) X(rcx) X(rdx) X(rbp) X(rsi) X(rdi) X(rsp) X(rip)             \
    X(r8) X(r9) X(r10) X(r11) X(r12) X(r13) X(r14) X(r15)
/* clang-format on */

typedef struct hvm_save_descriptor descriptor;

/* Records lie at any address. */
static void regs_to_record(const struct sim_vcpu *v, void *record)
{
    struct hvm_hw_cpu cpu;

    memcpy(&cpu, record, sizeof(cpu));
#define X(r) cpu.r = v->ctx.user_regs.r;
    EACH_REG(X)
#undef X
    cpu.rflags = v->ctx.user_regs.rflags;
    memcpy(record, &cpu, sizeof(cpu));
}

static void regs_from_record(struct sim_vcpu *v, const void *record)
{
    struct hvm_hw_cpu cpu;

    memcpy(&cpu, record, sizeof(cpu));
#define X(r) v->ctx.user_regs.r = cpu.r;
    EACH_REG(X)
#undef X
    v->ctx.user_regs.rflags = cpu.rflags;
}

/* Descriptor of the first record that fits; NULL: none, or cut off. */
static descriptor *find(void *ctx, uint32_t bytes, unsigned type, int instance)
{
    uint32_t at = 0;

    while (bytes - at >= sizeof(descriptor)) {
        descriptor *s = (descriptor *)((uint8_t *)ctx + at);

        if (s->length > bytes - at - sizeof(*s))
            return NULL;
        if (s->typecode == type &&
            (instance < 0 || s->instance == (unsigned)instance))
            return s;
        at += sizeof(*s) + s->length;
    }
    return NULL;
}

static int put(struct sim_domain *d, unsigned type, unsigned instance,
               const void *body, uint32_t bytes)
{
    descriptor *s = find(d->hvm_ctx, d->hvm_ctx_bytes, type, instance);
    uint8_t *end;

    if (s && s->length == bytes) {
        memcpy(s + 1, body, bytes);
        return 0;
    }
    if (s)
        return -EINVAL; /* one type has one length */
    if (d->hvm_ctx_bytes + sizeof(*s) + bytes > SIM_MAXCTX)
        return -ENOSPC;
    /* Before END, which is last. */
    end = d->hvm_ctx + d->hvm_ctx_bytes - sizeof(*s);
    memmove(end + sizeof(*s) + bytes, end, sizeof(*s));
    s = (descriptor *)end;
    s->typecode = type;
    s->instance = instance;
    s->length = bytes;
    memcpy(s + 1, body, bytes);
    d->hvm_ctx_bytes += sizeof(*s) + bytes;
    return 0;
}

void sim_hvm_context_init(struct sim_domain *d)
{
    struct hvm_save_header h = { .magic = HVM_FILE_MAGIC,
                                 .version = HVM_FILE_VERSION,
                                 .changeset = UINT64_MAX,
                                 .gtsc_khz = d->tsc_khz };
    static const struct hvm_hw_lapic_regs regs;
    static const struct hvm_hw_mtrr mtrr;
    unsigned b, c, e;

    __cpuid(1, h.cpuid, b, c, e);
    memset(d->hvm_ctx, 0, sizeof(descriptor)); /* END */
    d->hvm_ctx_bytes = sizeof(descriptor);
    put(d, HVM_SAVE_CODE(HEADER), 0, &h, sizeof(h));
    for (unsigned i = 0; i < d->max_vcpus; i++) {
        struct hvm_hw_lapic lapic = { .apic_base_msr = 0xfee00800 |
                                                       (i ? 0 : 0x100) };

        put(d, HVM_SAVE_CODE(LAPIC), i, &lapic, sizeof(lapic));
        put(d, HVM_SAVE_CODE(LAPIC_REGS), i, &regs, sizeof(regs));
        put(d, HVM_SAVE_CODE(MTRR), i, &mtrr, sizeof(mtrr));
    }
}

/* The CPU records as they are now: there is one for each vCPU that is up. */
static int refresh_cpus(struct sim_domain *d)
{
    static const struct hvm_hw_cpu fresh;
    int err = 0;

    for (unsigned i = 0; !err && i < d->max_vcpus; i++) {
        descriptor *s = find(d->hvm_ctx, d->hvm_ctx_bytes, HVM_SAVE_CODE(CPU),
                             i);

        if (!d->vcpu[i].online)
            continue;
        if (!s)
            err = put(d, HVM_SAVE_CODE(CPU), i, &fresh, sizeof(fresh));
        s = find(d->hvm_ctx, d->hvm_ctx_bytes, HVM_SAVE_CODE(CPU), i);
        if (s)
            regs_to_record(&d->vcpu[i], s + 1);
    }
    return err;
}

static void remove_offline(struct sim_domain *d)
{
    for (unsigned i = 0; i < d->max_vcpus; i++) {
        descriptor *s = find(d->hvm_ctx, d->hvm_ctx_bytes, HVM_SAVE_CODE(CPU),
                             i);
        uint32_t bytes;

        if (!s || d->vcpu[i].online)
            continue;
        bytes = sizeof(*s) + s->length;
        memmove(s, (uint8_t *)s + bytes,
                d->hvm_ctx + d->hvm_ctx_bytes - ((uint8_t *)s + bytes));
        d->hvm_ctx_bytes -= bytes;
    }
}

long sim_get_hvm_context(struct sim_domain *d, struct xen_domctl *op)
{
    struct xen_domctl_hvmcontext *c = &op->u.hvmcontext;
    int err;

    if (!sim_is_hvm(d))
        return -EINVAL;
    sim_domain_hold(d);
    remove_offline(d);
    err = refresh_cpus(d);
    if (!err && !c->buffer.p)
        c->size = d->hvm_ctx_bytes;
    else if (!err && c->size < d->hvm_ctx_bytes)
        err = -ENOSPC;
    else if (!err) {
        c->size = d->hvm_ctx_bytes;
        memcpy(c->buffer.p, d->hvm_ctx, d->hvm_ctx_bytes);
    }
    sim_domain_release(d);
    return err;
}

/* How Xen reads the records that depend on its release: an older one's may be
 * shorter, which hvm_load_entry_zeroextend() makes up for; a longer one is of a
 * newer Xen, and refused. */
static const struct form {
    uint16_t type;
    uint32_t length;
    bool extends;
} forms[] = {
    { HVM_SAVE_CODE(CPU), HVM_SAVE_LENGTH(CPU), true },
    { HVM_SAVE_CODE(LAPIC), HVM_SAVE_LENGTH(LAPIC), true },
    { HVM_SAVE_CODE(LAPIC_REGS), HVM_SAVE_LENGTH(LAPIC_REGS), false },
    { HVM_SAVE_CODE(MTRR), HVM_SAVE_LENGTH(MTRR), false },
};

/* As many bytes as it has in this Xen. */
static int check_form(const struct sim_domain *d, const descriptor *s,
                      uint32_t *bytes_out)
{
    *bytes_out = s->length;
    for (unsigned i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        const struct form *f = &forms[i];

        if (f->type != s->typecode)
            continue;
        *bytes_out = f->length;
        if (s->instance >= d->max_vcpus || s->length > f->length ||
            (s->length < f->length && !f->extends))
            return -EINVAL;
    }
    return 0;
}

static int load_record(struct sim_domain *d, const descriptor *s)
{
    struct hvm_hw_cpu extended = { 0 };
    const void *body = s + 1;
    uint32_t bytes;
    int err;

    _Static_assert(sizeof(struct hvm_hw_lapic) <= sizeof(extended), "LAPIC");
    if (s->typecode == HVM_SAVE_CODE(HEADER))
        return 0; /* each host says its own */
    err = check_form(d, s, &bytes);
    if (err)
        return err;
    if (s->length < bytes) {
        memcpy(&extended, s + 1, s->length);
        body = &extended;
    }
    err = put(d, s->typecode, s->instance, body, bytes);
    if (!err && s->typecode == HVM_SAVE_CODE(CPU)) {
        regs_from_record(&d->vcpu[s->instance], body);
        d->vcpu[s->instance].online = true;
    }
    return err;
}

static int check_header(void *ctx, uint32_t bytes)
{
    const descriptor *s = find(ctx, bytes, HVM_SAVE_CODE(HEADER), 0);
    const struct hvm_save_header *h;

    if (!s)
        return -ENODATA;
    if ((const void *)s != ctx || s->length != sizeof(*h))
        return -EINVAL;
    h = (const void *)(s + 1);
    return h->magic == HVM_FILE_MAGIC && h->version == HVM_FILE_VERSION
               ? 0
               : -EINVAL;
}

long sim_set_hvm_context(struct sim_domain *d, struct xen_domctl *op)
{
    uint8_t *ctx = op->u.hvmcontext.buffer.p;
    const uint32_t bytes = op->u.hvmcontext.size;
    const descriptor *end;
    int err;

    if (!sim_is_hvm(d) || !ctx)
        return -EINVAL;
    err = check_header(ctx, bytes);
    end = find(ctx, bytes, HVM_SAVE_CODE(END), -1);
    if (err || !end)
        return err ? err : -ENODATA;
    sim_domain_hold(d);
    /* What is loaded says which vCPUs are up. */
    for (unsigned i = 0; i < d->max_vcpus; i++)
        d->vcpu[i].online = false;
    for (const descriptor *s = (descriptor *)ctx; !err && s < end;
         s = (const void *)((const uint8_t *)(s + 1) + s->length))
        err = load_record(d, s);
    sim_domain_release(d);
    return err;
}

long sim_get_hvm_context_partial(struct sim_domain *d, struct xen_domctl *op)
{
    struct xen_domctl_hvmcontext_partial *c = &op->u.hvmcontext_partial;
    const descriptor *s;
    long err;

    if (!sim_is_hvm(d))
        return -EINVAL;
    err = refresh_cpus(d);
    s = find(d->hvm_ctx, d->hvm_ctx_bytes, c->type, c->instance);
    if (err || !s)
        return err ? err : -ENOENT;
    if (c->buffer.p && c->bufsz < s->length)
        return -ENOSPC;
    if (c->buffer.p)
        memcpy(c->buffer.p, s + 1, s->length);
    c->bufsz = s->length;
    return 0;
}
