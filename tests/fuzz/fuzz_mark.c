/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A mark as it may be found after a crash, or as somebody else wrote it. */
#include "config.h"

#include "fuzz.h"

#include <fcntl.h>
#include <unistd.h>

#include "toolstack/mark.h"

#define UUID "00112233-4455-6677-8899-aabbccddeeff"
static const unsigned char uuid[16] = { 0x00, 0x11, 0x22, 0x33, 0x44, 0x55,
                                        0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb,
                                        0xcc, 0xdd, 0xee, 0xff };
static char dir[64];

static void remove_dir(void)
{
    xlm__mark_clear(dir, XLM__MARK_RECEIVED, uuid);
    rmdir(dir);
}

static void make_dir(void)
{
    if (dir[0])
        return;
    snprintf(dir, sizeof(dir), "%s/xlm-fuzz-mark.XXXXXX",
             access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm");
    FUZZ_CHECK(mkdtemp(dir));
    atexit(remove_dir);
}

static void write_file(const uint8_t *data, size_t size)
{
    char path[160];
    int fd;

    snprintf(path, sizeof(path), "%s/" UUID ".received", dir);
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    FUZZ_CHECK(fd >= 0 && write(fd, data, size) == (ssize_t)size);
    close(fd);
}

int fuzz_mark(const uint8_t *data, size_t size)
{
    struct xlm__errslot err = XLM__ERRSLOT_INITIALIZER;
    static struct xlm__mark m, again;
    bool exists;

    make_dir();
    write_file(data, size);
    if (xlm__mark_get(&err, dir, XLM__MARK_RECEIVED, uuid, &m, &exists)) {
        FUZZ_CHECK(xlm__errslot_code(&err) == XLM_ERR_SYSTEM && !exists);
    } else if (exists && m.phase < 100) {
        /* What can be read can be written, and then says the same. */
        FUZZ_CHECK(!memcmp(m.uuid, uuid, sizeof(uuid)));
        FUZZ_CHECK(!xlm__mark_set(&err, dir, XLM__MARK_RECEIVED, &m));
        FUZZ_CHECK(!xlm__mark_get(&err, dir, XLM__MARK_RECEIVED, uuid, &again,
                                  &exists));
        /* Those two are told by whoever writes. */
        again.turn = m.turn;
        again.since_s = m.since_s;
        FUZZ_CHECK(exists && !memcmp(&m, &again, sizeof(m)));
    }
    xlm__errslot_destroy(&err);
    return 0;
}
