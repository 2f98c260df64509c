/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "engine/confine.h"

#include "base/log.h"

#define XLM_MODULE "confine"

#if XLM_CONFINE

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <xen/xen.h>

#include <xen/sys/privcmd.h>

/* Linux 5.17's last (set_mempolicy_home_node), which is Debian 12's list. */
#define LAST_KNOWN 450u
#define X32        0x40000000u /* __X32_SYSCALL_BIT */
#define MAX_STEPS  160u

/* Whatever their arguments are. */
static const unsigned plain[] = {
    /* the channel, the log, xl's pipe, the event that stops us */
    SYS_read, SYS_readv, SYS_recvfrom, SYS_recvmsg, SYS_write, SYS_writev,
    SYS_sendto, SYS_sendmsg, SYS_poll, SYS_ppoll, SYS_close, SYS_shutdown,
    SYS_fstat, SYS_newfstatat, SYS_getsockopt, SYS_setsockopt, SYS_getsockname,
    SYS_getpeername,
    /* SIGPIPE, and what a handler of the program's returns by */
    SYS_rt_sigprocmask, SYS_rt_sigpending, SYS_rt_sigtimedwait,
    SYS_rt_sigreturn, SYS_restart_syscall,
    /* memory; mmap and mprotect are below */
    SYS_munmap, SYS_mremap, SYS_madvise, SYS_brk,
    /* locks, clocks (where there is no vDSO, as under Xen), nap */
    SYS_futex, SYS_clock_gettime, SYS_gettimeofday, SYS_time, SYS_nanosleep,
    SYS_clock_nanosleep, SYS_sched_yield,
    /* the C library's and GnuTLS's own: arenas, random numbers, who am I */
    SYS_sched_getaffinity, SYS_getrandom, SYS_getrusage, SYS_getpid, SYS_gettid,
    /* out of the way of hotplug scripts; has xl ended? */
    SYS_getpriority, SYS_wait4,
    /* the end of the thread */
    SYS_exit
};

/* Allowed if an argument, masked, has a value; and a second one too. */
struct test {
    unsigned arg;
    uint32_t mask, value;
};
struct rule {
    unsigned nr;
    unsigned nr_tests;
    struct test tests[2];
};

struct program {
    struct sock_filter steps[MAX_STEPS];
    unsigned nr;
};

static void add(struct program *p, struct sock_filter step)
{
    assert(p->nr < MAX_STEPS);
    p->steps[p->nr++] = step;
}

static void load(struct program *p, size_t offset)
{
    add(p, (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
                                        (uint32_t)offset));
}

static void give(struct program *p, uint32_t verdict)
{
    add(p, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, verdict));
}

/* Skip so many steps unless what was loaded is `value`. */
static void unless_equal_skip(struct program *p, uint32_t value, uint8_t steps)
{
    add(p, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0,
                                        steps));
}

static void allow(struct program *p, unsigned nr)
{
    unless_equal_skip(p, nr, 1);
    give(p, SECCOMP_RET_ALLOW);
}

/* The lower half of an argument is enough: all are ints, or flags there.  A
 * call may have several rules. */
static void allow_if(struct program *p, const struct rule *r)
{
    const uint8_t each = 3; /* steps of a test */

    unless_equal_skip(p, r->nr, (uint8_t)(each * r->nr_tests + 2));
    for (unsigned i = 0; i < r->nr_tests; i++) {
        const struct test *t = &r->tests[i];

        load(p, offsetof(struct seccomp_data, args) + 8 * t->arg);
        add(p,
            (struct sock_filter)BPF_STMT(BPF_ALU | BPF_AND | BPF_K, t->mask));
        unless_equal_skip(p, t->value,
                          (uint8_t)(each * (r->nr_tests - 1 - i) + 1));
    }
    give(p, SECCOMP_RET_ALLOW);
    load(p, offsetof(struct seccomp_data, nr));
}

static void allow_mapping(struct program *p, int fd)
{
    const struct rule r = { SYS_ioctl,
                            fd < 0 ? 1 : 2,
                            { { 1, ~0u, IOCTL_PRIVCMD_MMAPBATCH_V2 },
                              { 0, ~0u, (uint32_t)fd } } };

    if (fd != XLM__CONFINE_NO_MAPPING)
        allow_if(p, &r);
}

/* Our own process by its id, so that abort() and raise() work. */
static void allow_rules(struct program *p)
{
    const struct rule rules[] = {
        { SYS_mmap, 1, { { 2, PROT_EXEC, 0 } } },
        { SYS_mprotect, 1, { { 2, PROT_EXEC, 0 } } },
        { SYS_tgkill, 1, { { 0, ~0u, (uint32_t)getpid() } } },
        { SYS_setpriority, 2, { { 0, ~0u, PRIO_PROCESS }, { 1, ~0u, 0 } } },
        { SYS_fcntl, 1, { { 1, ~0u, F_GETFL } } },
        { SYS_fcntl, 1, { { 1, ~0u, F_SETFL } } },
    };

    for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
        allow_if(p, &rules[i]);
}

static void compile(struct program *p, const struct xlm__confine *c)
{
    p->nr = 0;
    load(p, offsetof(struct seccomp_data, arch));
    add(p, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K,
                                        AUDIT_ARCH_X86_64, 1, 0));
    give(p, SECCOMP_RET_ERRNO | EPERM);
    load(p, offsetof(struct seccomp_data, nr));
    for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++)
        allow(p, plain[i]);
    if (c->accepts)
        allow(p, SYS_accept4);
    allow_mapping(p, c->map_fd);
    allow_rules(p);
    add(p, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, X32, 2, 0));
    add(p, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, LAST_KNOWN,
                                        0, 1));
    give(p, SECCOMP_RET_ERRNO | ENOSYS);
    give(p, SECCOMP_RET_ERRNO | EPERM);
}

/* Of these it keeps what lets it be as nice as before again.  libc has no
 * function for it; the kernel's is for the calling thread. */
static bool drop_capabilities(void)
{
    struct __user_cap_header_struct head = { _LINUX_CAPABILITY_VERSION_3, 0 };
    struct __user_cap_data_struct caps[_LINUX_CAPABILITY_U32S_3];
    const uint32_t keep = CAP_TO_MASK(CAP_SYS_NICE);

    _Static_assert(CAP_TO_INDEX(CAP_SYS_NICE) == 0, "in the first word");
    if (syscall(SYS_capget, &head, caps))
        return false;
    caps[0].permitted &= keep;
    caps[0].effective &= keep;
    caps[0].inheritable = 0;
    memset(&caps[1], 0, sizeof(caps[1]));
    return !syscall(SYS_capset, &head, caps);
}

static bool filter_calls(const struct xlm__confine *c)
{
    struct program p;
    struct sock_fprog prog;

    compile(&p, c);
    prog = (struct sock_fprog){ .len = (unsigned short)p.nr,
                                .filter = p.steps };
    /* Without CAP_SYS_ADMIN the kernel wants to hear that first.  It is this
     * thread's, which starts nothing: xl can have its own way. */
    return !prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) &&
           !syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog);
}

bool xlm__confine_thread(struct xlm__errslot *err, const struct xlm__confine *c)
{
    const bool dropped = drop_capabilities();

    if (!dropped)
        XLM_LOG(err, INFO, "%s keeps its capabilities: %s", c->who,
                strerrordesc_np(errno));
    if (!filter_calls(c)) {
        XLM_LOG(err, INFO, "%s may make all system calls: %s", c->who,
                strerrordesc_np(errno));
        return false;
    }
    if (!dropped)
        return false;
    XLM_LOG(err, DEBUG,
            "%s is confined: %zu system calls, no capabilities, "
            "mappings by descriptor %d",
            c->who, sizeof(plain) / sizeof(plain[0]), c->map_fd);
    return true;
}

#else /* !XLM_CONFINE */

bool xlm__confine_thread(struct xlm__errslot *err, const struct xlm__confine *c)
{
    XLM_LOG(err, DEBUG, "%s is not confined: not in this build", c->who);
    return false;
}

#endif
