/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* xlm.conf, as inih and the settings' own parsers see it. */
#include "config.h"

#include "fuzz.h"

#include <sys/mman.h>
#include <unistd.h>

#include "hostconf.h"

static void check_limits(const struct hostconf *c)
{
    FUZZ_CHECK(memchr(c->listen_address, '\0', sizeof(c->listen_address)));
    FUZZ_CHECK(memchr(c->ssh, '\0', sizeof(c->ssh)));
    FUZZ_CHECK(c->preset.ssh && *c->preset.ssh);
    FUZZ_CHECK(c->port_low <= c->port_high && !c->port_low == !c->port_high);
    FUZZ_CHECK(c->preset.rounds <= 1000 && c->preset.downtime_ms <= 600000);
    FUZZ_CHECK(c->preset.channels <= LM_CHANNELS_MAX);
    FUZZ_CHECK(c->preset.dirty < LM_DIRTY_COUNT);
    FUZZ_CHECK(!c->preset.domain && !c->preset.host && !c->preset.json);
}

int fuzz_hostconf(const uint8_t *data, size_t size)
{
    int fd = memfd_create("xlm.conf", MFD_CLOEXEC);
    char path[32], error[LM_ERROR_MAX] = "";
    struct hostconf c;
    bool ok;

    FUZZ_CHECK(fd >= 0 && write(fd, data, size) == (ssize_t)size);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    setenv("XLM_CONF", path, 1);
    ok = hostconf_read(&c, error);
    FUZZ_CHECK(memchr(error, '\0', sizeof(error)));
    FUZZ_CHECK(ok ? !error[0] : !strncmp(error, path, strlen(path)));
    if (ok)
        check_limits(&c);
    close(fd);
    return 0;
}
