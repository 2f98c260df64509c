/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "chan/ktls.h"

#include <errno.h>
#include <linux/tls.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const char ulp[] = "tls";

bool xlm__ktls_exists(void)
{
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int error;

    if (fd < 0)
        return false;
    /* The module is looked for before the connection is, which is not there. */
    error = setsockopt(fd, IPPROTO_TCP, TCP_ULP, ulp, sizeof(ulp)) ? errno : 0;
    close(fd);
    return !error || error == ENOTCONN;
}

static bool describe(gnutls_session_t session, bool writes,
                     struct tls12_crypto_info_aes_gcm_128 *out)
{
    gnutls_datum_t iv, key;
    unsigned char seq[sizeof(out->rec_seq)];

    if (gnutls_protocol_get_version(session) != GNUTLS_TLS1_3 ||
        gnutls_cipher_get(session) != GNUTLS_CIPHER_AES_128_GCM ||
        gnutls_record_get_state(session, !writes, NULL, &iv, &key, seq) ||
        iv.size != sizeof(out->salt) + sizeof(out->iv) ||
        key.size != sizeof(out->key))
        return false;
    *out = (struct tls12_crypto_info_aes_gcm_128){
        .info = { .version = TLS_1_3_VERSION,
                  .cipher_type = TLS_CIPHER_AES_GCM_128 }
    };
    memcpy(out->salt, iv.data, sizeof(out->salt));
    memcpy(out->iv, iv.data + sizeof(out->salt), sizeof(out->iv));
    memcpy(out->key, key.data, sizeof(out->key));
    memcpy(out->rec_seq, seq, sizeof(out->rec_seq));
    return true;
}

bool xlm__ktls_take(int fd, gnutls_session_t session, bool writes)
{
    struct tls12_crypto_info_aes_gcm_128 info;
    bool taken;

    if (!describe(session, writes, &info))
        return false;
    /* EEXIST: the other direction was first. */
    if (setsockopt(fd, IPPROTO_TCP, TCP_ULP, ulp, sizeof(ulp)) &&
        errno != EEXIST)
        taken = false;
    else
        taken = !setsockopt(fd, SOL_TLS, writes ? TLS_TX : TLS_RX, &info,
                            sizeof(info));
    explicit_bzero(&info, sizeof(info));
    return taken;
}

ssize_t xlm__ktls_readv(int fd, const struct iovec *iov, size_t nr,
                        uint8_t *type_out)
{
    union {
        char bytes[CMSG_SPACE(sizeof(uint8_t))];
        struct cmsghdr align;
    } control;
    struct msghdr m = { .msg_iov = (struct iovec *)(uintptr_t)iov,
                        .msg_iovlen = nr,
                        .msg_control = control.bytes,
                        .msg_controllen = sizeof(control.bytes) };
    const struct cmsghdr *c;
    const ssize_t r = recvmsg(fd, &m, 0);

    *type_out = XLM__TLS_APPLICATION_DATA;
    c = r > 0 ? CMSG_FIRSTHDR(&m) : NULL;
    if (c && c->cmsg_level == SOL_TLS && c->cmsg_type == TLS_GET_RECORD_TYPE)
        *type_out = *CMSG_DATA(c);
    return r;
}
