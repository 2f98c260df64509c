/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A device model that says all it has to say at once, and hangs up. */
#include "config.h"

#include "fuzz.h"

#include <pthread.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "toolstack/qmp.h"

#define SAID_MAX 65536u

static struct {
    char dir[64], path[96];
    int fd;
    /* under lock */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    const uint8_t *data;
    size_t size;
    bool due;
} qemu = { .lock = PTHREAD_MUTEX_INITIALIZER,
           .changed = PTHREAD_COND_INITIALIZER };

static void speak(int fd)
{
    size_t at = 0;
    char heard[256];

    while (at < qemu.size) {
        ssize_t n = send(fd, qemu.data + at, qemu.size - at, MSG_NOSIGNAL);

        if (n <= 0)
            break;
        at += (size_t)n;
    }
    shutdown(fd, SHUT_WR);
    while (recv(fd, heard, sizeof(heard), 0) > 0)
        ;
    close(fd);
}

static void *serve(void *arg)
{
    (void)arg;
    for (;;) {
        pthread_mutex_lock(&qemu.lock);
        while (!qemu.due)
            pthread_cond_wait(&qemu.changed, &qemu.lock);
        pthread_mutex_unlock(&qemu.lock);
        speak(accept(qemu.fd, NULL, NULL));
        pthread_mutex_lock(&qemu.lock);
        qemu.due = false;
        pthread_cond_signal(&qemu.changed);
        pthread_mutex_unlock(&qemu.lock);
    }
    return NULL;
}

static void remove_dir(void)
{
    unlink(qemu.path);
    rmdir(qemu.dir);
}

static void start(void)
{
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    pthread_t thread;

    if (qemu.dir[0])
        return;
    snprintf(qemu.dir, sizeof(qemu.dir), "/tmp/xlm-fuzz-qmp.XXXXXX");
    FUZZ_CHECK(mkdtemp(qemu.dir));
    snprintf(qemu.path, sizeof(qemu.path), "%s/s", qemu.dir);
    snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", qemu.path);
    qemu.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    FUZZ_CHECK(qemu.fd >= 0 &&
               !bind(qemu.fd, (struct sockaddr *)&addr, sizeof(addr)) &&
               !listen(qemu.fd, 1));
    atexit(remove_dir);
    FUZZ_CHECK(!pthread_create(&thread, NULL, serve, NULL));
    pthread_detach(thread);
}

int fuzz_qmp(const uint8_t *data, size_t size)
{
    struct xlm__errslot err = XLM__ERRSLOT_INITIALIZER;
    char text[XLM_MESSAGE_MAX];
    int rc;

    start();
    pthread_mutex_lock(&qemu.lock);
    qemu.data = data;
    qemu.size = size < SAID_MAX ? size : SAID_MAX;
    qemu.due = true;
    pthread_cond_signal(&qemu.changed);
    pthread_mutex_unlock(&qemu.lock);

    rc = xlm__qmp_command(&err, qemu.path, "xen-set-global-dirty-log",
                          "{\"enable\":true}", 5000);
    /* It hung up: nothing may take until the limit. */
    FUZZ_CHECK(rc == xlm__errslot_read(&err, text) && rc != XLM_ERR_TIMEOUT);
    xlm__errslot_destroy(&err);

    pthread_mutex_lock(&qemu.lock);
    while (qemu.due)
        pthread_cond_wait(&qemu.changed, &qemu.lock);
    pthread_mutex_unlock(&qemu.lock);
    return 0;
}
