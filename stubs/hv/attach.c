/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The state of this host, its lock, and waiting. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "stubs/hv/sim.h"

#define DOM0_PAGES     (UINT64_C(1024) << 8)
#define READY_LIMIT_MS 5000 /* for whoever makes the state */

struct sim_hv *sim_hv;
static const char *state_dir;

bool sim_path(char *out, size_t size, const char *format, ...)
{
    va_list args;
    int at = snprintf(out, size, "%s/", state_dir);
    int n;

    if (at < 0 || (size_t)at >= size)
        return false;
    va_start(args, format);
    n = vsnprintf(out + at, size - at, format, args);
    va_end(args);
    return n >= 0 && (size_t)n < size - at;
}

/* Its owner was killed in a call, which Xen would have finished.  What it held
 * goes on; a count of pages may be wrong by those of that call. */
static void recover_lock(void)
{
    pthread_mutex_consistent(&sim_hv->lock);
    for (unsigned i = 0; i < SIM_MAXDOM; i++)
        if (sim_hv->dom[i].held) {
            sim_hv->dom[i].held = 0;
            sim_futex_wake(&sim_hv->dom[i].gate);
        }
}

void sim_lock(void)
{
    if (pthread_mutex_lock(&sim_hv->lock) == EOWNERDEAD)
        recover_lock();
}

void sim_unlock(void)
{
    pthread_mutex_unlock(&sim_hv->lock);
}

void sim_futex_wake(uint32_t *word)
{
    __atomic_add_fetch(word, 1, __ATOMIC_SEQ_CST);
    syscall(SYS_futex, word, FUTEX_WAKE, 1 << 30, NULL, NULL, 0);
}

void sim_futex_wait(uint32_t *word, uint32_t seen, int timeout_ms)
{
    const struct timespec t = { .tv_sec = timeout_ms / 1000,
                                .tv_nsec = timeout_ms % 1000 * 1000000L };

    syscall(SYS_futex, word, FUTEX_WAIT, seen, &t, NULL, 0);
}

struct sim_domain *sim_domain(uint32_t domid)
{
    if (domid == DOMID_SELF)
        domid = 0;
    for (unsigned i = 0; i < SIM_MAXDOM; i++)
        if (sim_hv->dom[i].used && sim_hv->dom[i].domid == domid)
            return &sim_hv->dom[i];
    return NULL;
}

static uint64_t from_env(const char *name, uint64_t otherwise, uint64_t max)
{
    const char *text = getenv(name);
    char *end;
    unsigned long long n;

    if (!text || !*text)
        return otherwise;
    n = strtoull(text, &end, 10);
    return *end || n < 1 || n > max ? otherwise : n;
}

static void init_lock(pthread_mutex_t *lock)
{
    pthread_mutexattr_t attr;

    pthread_mutexattr_init(&attr);
    pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
    pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
    pthread_mutex_init(lock, &attr);
    pthread_mutexattr_destroy(&attr);
}

static void init_dom0(struct sim_hv *hv)
{
    struct sim_domain *d = &hv->dom[0];

    d->used = true;
    d->shutdown_code = SIM_NO_SHUTDOWN;
    d->incarnation = hv->next_incarnation++;
    d->max_vcpus = d->create.max_vcpus = hv->nr_cpus;
    for (unsigned i = 0; i < hv->nr_cpus; i++)
        d->vcpu[i].online = true;
    d->tot_pages = DOM0_PAGES;
    d->max_pages = UINT32_MAX;
    d->sched_weight = SIM_SCHED_WEIGHT;
    /* Where xenstored finds dom0: xsd_port says so too. */
    d->port[1].state = SIM_PORT_UNBOUND;
}

static void init_names(struct sim_hv *hv)
{
    const char *host = getenv("SIMXEN_HOST"), *dir = getenv("SIMXEN_CLOCK");
    const char *slash = strrchr(state_dir, '/');

    if (!host || !*host)
        host = slash ? slash + 1 : state_dir;
    snprintf(hv->host, sizeof(hv->host), "%s", host);
    snprintf(hv->clock_dir, sizeof(hv->clock_dir), "%s", dir ? dir : "");
}

static void init_state(struct sim_hv *hv)
{
    const uint64_t chunks = from_env("SIMXEN_MEM_MB", 16384,
                                     (SIM_MAXCHUNK - SIM_MAXDOM) * 16ul) /
                            16;

    init_lock(&hv->lock);
    hv->nr_cpus = from_env("SIMXEN_CPUS", 2, SIM_MAXVCPU);
    hv->warm_mb = from_env("SIMXEN_WARM_MB", 0, (SIM_XH_BASE << 12) >> 20);
    hv->pv_log_dirty = from_env("SIMXEN_PV_LOGDIRTY", 2, 2) == 1;
    hv->sched_id = sim_sched_by_name(getenv("SIMXEN_SCHED"));
    hv->nr_chunks = SIM_MAXDOM + chunks;
    hv->total_pages = hv->nr_chunks * SIM_CHUNK_PAGES;
    hv->free_pages = chunks * SIM_CHUNK_PAGES;
    hv->next_domid = hv->next_incarnation = hv->next_handle = 1;
    for (unsigned i = 1; i < SIM_MAXDOM; i++)
        hv->chunk_owner[i] = i;
    init_names(hv);
    init_dom0(hv);
}

static void make_proc_xen(void)
{
    static const char *const file[][2] = { { "xsd_port", "1" },
                                           { "xsd_kva", "" },
                                           { "capabilities", "control_d\n" } };
    char path[512];

    if (sim_path(path, sizeof(path), "xen-proc"))
        mkdir(path, 0755);
    for (unsigned i = 0; i < 3; i++) {
        int fd;

        if (!sim_path(path, sizeof(path), "xen-proc/%s", file[i][0]))
            return;
        fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
        if (fd < 0)
            return;
        /* The page of dom0's own xenstore ring. */
        if (!*file[i][1] ? ftruncate(fd, 4096) < 0
                         : write(fd, file[i][1], strlen(file[i][1])) < 0)
            sim_log("cannot fill %s", path);
        close(fd);
    }
}

/* Whoever comes first makes it; the others wait until it says "ready". */
static int map_state(bool *first_out)
{
    char path[512];
    struct stat st;
    int fd, err = 0;

    if (!sim_path(path, sizeof(path), "hv"))
        return -ENAMETOOLONG;
    fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    *first_out = fd >= 0;
    if (fd < 0)
        fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    if (*first_out && ftruncate(fd, sizeof(*sim_hv)))
        err = -errno;
    for (int ms = 0; !err; ms++) {
        if (fstat(fd, &st))
            err = -errno;
        else if ((size_t)st.st_size >= sizeof(*sim_hv))
            break;
        else if (ms >= READY_LIMIT_MS)
            err = -EPROTO; /* another version's, or its maker was killed */
        else
            usleep(1000);
    }
    if (!err) {
        void *p = mmap(NULL, sizeof(*sim_hv), PROT_READ | PROT_WRITE,
                       MAP_SHARED, fd, 0);

        if (p == MAP_FAILED)
            err = -errno;
        else
            sim_hv = p;
    }
    close(fd);
    return err;
}

static int await_ready(void)
{
    for (int ms = 0; ms < READY_LIMIT_MS; ms++) {
        const uint32_t ready = __atomic_load_n(&sim_hv->ready,
                                               __ATOMIC_ACQUIRE);

        if (ready)
            return ready == SIM_XEN_MINOR ? 0 : -EPROTO;
        usleep(1000);
    }
    return -EPROTO;
}

static int attach(void)
{
    char path[512];
    bool first;
    int err;

    state_dir = getenv("SIMXEN_STATE");
    if (!state_dir || *state_dir != '/')
        return -ENODEV;
    err = map_state(&first);
    if (err)
        return err;
    if (!first) {
        err = await_ready();
    } else {
        if (sim_path(path, sizeof(path), "ev"))
            mkdir(path, 0755);
        make_proc_xen();
        init_state(sim_hv);
        __atomic_store_n(&sim_hv->ready, SIM_XEN_MINOR, __ATOMIC_RELEASE);
    }
    if (err) {
        munmap(sim_hv, sizeof(*sim_hv));
        sim_hv = NULL;
    }
    return err;
}

int sim_attach(void)
{
    static pthread_mutex_t once = PTHREAD_MUTEX_INITIALIZER;
    int err = 0;

    pthread_mutex_lock(&once);
    if (!sim_hv)
        err = attach();
    pthread_mutex_unlock(&once);
    return err;
}
