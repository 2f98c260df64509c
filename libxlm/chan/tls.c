/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "chan/tls.h"

#include <errno.h>
#include <gnutls/gnutls.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "chan/ktls.h"

/* The hash of a key from outside is SHA-256 unless said otherwise (RFC 8446
 * 4.2.11), which leaves these two; ephemeral keys keep what was recorded safe
 * from a key that leaks later.  GnuTLS wants to hear of signatures, although
 * nothing is signed. */
#define PRIORITY                                                               \
    "NONE:+VERS-TLS1.3:+AES-128-GCM:+CHACHA20-POLY1305:+AEAD:+ECDHE-PSK:"      \
    "+GROUP-X25519:+GROUP-SECP256R1:+SIGN-ALL"
/* Says nothing: the key is known by the connection. */
#define IDENTITY "xlm"

/* GnuTLS reads a record's header and body by a call each. */
#define AHEAD_BYTES (64u << 10)
/* The most that one record carries (RFC 8446 5.1). */
#define RECORD_BYTES (16u << 10)

struct xlm__tls {
    /* set once */
    int fd;
    enum xlm_role role;
    gnutls_session_t session;
    gnutls_psk_client_credentials_t client;
    gnutls_psk_server_credentials_t server;
    uint8_t key[XLM__TLS_KEY_BYTES];
    bool may_hand_over; /* to the kernel */
    /* set once, when the handshake is over */
    bool shaken;
    bool kernel_reads, kernel_writes; /* GnuTLS does not any more */
    /* owned by the reading thread */
    int read_error; /* of GnuTLS; 0: none */
    int read_errno; /* of the socket's end, if that was it */
    bool ended;
    uint8_t *ahead; /* AHEAD_BYTES from the socket, not yet decrypted */
    size_t ahead_at, ahead_end;
    gnutls_packet_t packet; /* decrypted, taken up to packet_at */
    size_t packet_at;
    /* owned by the writing thread */
    int write_error, write_errno;
    uint64_t records;  /* that went out */
    uint8_t *gathered; /* pieces that are too small for a record each */
    size_t in_flight;  /* plain bytes of a record that is not out yet */
};

/* ---- below GnuTLS ---- */

static ssize_t pull(gnutls_transport_ptr_t user, void *buf, size_t bytes)
{
    struct xlm__tls *t = user;
    size_t left = t->ahead_end - t->ahead_at;
    ssize_t r;

    if (!left) {
        /* What comes after the handshake may be the kernel's. */
        const size_t most = t->shaken ? AHEAD_BYTES : bytes;

        do
            r = recv(t->fd, t->ahead, most, 0);
        while (r < 0 && errno == EINTR);
        if (r <= 0) {
            t->read_errno = errno;
            gnutls_transport_set_errno(t->session, errno);
            return r;
        }
        t->ahead_at = 0;
        t->ahead_end = left = (size_t)r;
    }
    if (bytes > left)
        bytes = left;
    memcpy(buf, t->ahead + t->ahead_at, bytes);
    t->ahead_at += bytes;
    return (ssize_t)bytes;
}

static ssize_t push(gnutls_transport_ptr_t user, const giovec_t *iov, int nr)
{
    struct xlm__tls *t = user;
    struct msghdr m = { .msg_iov = (struct iovec *)(uintptr_t)iov,
                        .msg_iovlen = (size_t)nr };
    ssize_t r;

    do
        r = sendmsg(t->fd, &m, MSG_NOSIGNAL);
    while (r < 0 && errno == EINTR);
    if (r < 0) {
        t->write_errno = errno;
        gnutls_transport_set_errno(t->session, errno);
    }
    return r;
}

static int give_key(gnutls_session_t session, const char *identity,
                    gnutls_datum_t *key)
{
    const struct xlm__tls *t = gnutls_session_get_ptr(session);

    if (strcmp(identity, IDENTITY))
        return -1;
    key->data = gnutls_malloc(sizeof(t->key));
    if (!key->data)
        return -1;
    memcpy(key->data, t->key, sizeof(t->key));
    key->size = sizeof(t->key);
    return 0;
}

/* ---- lifetime ---- */

static bool set_credentials(struct xlm__tls *t)
{
    const gnutls_datum_t key = { t->key, sizeof(t->key) };

    if (t->role == XLM_SOURCE)
        return !gnutls_psk_allocate_client_credentials(&t->client) &&
               !gnutls_psk_set_client_credentials(t->client, IDENTITY, &key,
                                                  GNUTLS_PSK_KEY_RAW) &&
               !gnutls_credentials_set(t->session, GNUTLS_CRD_PSK, t->client);
    if (gnutls_psk_allocate_server_credentials(&t->server))
        return false;
    gnutls_psk_set_server_credentials_function(t->server, give_key);
    return !gnutls_credentials_set(t->session, GNUTLS_CRD_PSK, t->server);
}

static bool set_up(struct xlm__tls *t)
{
    const unsigned flags = GNUTLS_NONBLOCK | GNUTLS_NO_TICKETS |
                           (t->role == XLM_SOURCE ? GNUTLS_CLIENT
                                                  : GNUTLS_SERVER);

    t->ahead = malloc(AHEAD_BYTES);
    t->gathered = malloc(RECORD_BYTES);
    if (!t->ahead || !t->gathered || gnutls_init(&t->session, flags))
        return false;
    gnutls_session_set_ptr(t->session, t);
    gnutls_transport_set_ptr(t->session, t);
    gnutls_transport_set_pull_function(t->session, pull);
    gnutls_transport_set_vec_push_function(t->session, push);
    return !gnutls_priority_set_direct(t->session, PRIORITY, NULL) &&
           set_credentials(t);
}

struct xlm__tls *xlm__tls_new(int fd, enum xlm_role role,
                              const uint8_t key[XLM__TLS_KEY_BYTES],
                              bool may_hand_over)
{
    struct xlm__tls *t = calloc(1, sizeof(*t));

    if (!t)
        return NULL;
    t->fd = fd;
    t->role = role;
    t->may_hand_over = may_hand_over;
    memcpy(t->key, key, sizeof(t->key));
    if (set_up(t))
        return t;
    xlm__tls_free(t);
    return NULL;
}

void xlm__tls_free(struct xlm__tls *t)
{
    if (!t)
        return;
    if (t->packet)
        gnutls_packet_deinit(t->packet);
    if (t->session)
        gnutls_deinit(t->session);
    if (t->client)
        gnutls_psk_free_client_credentials(t->client);
    if (t->server)
        gnutls_psk_free_server_credentials(t->server);
    free(t->ahead);
    free(t->gathered);
    explicit_bzero(t->key, sizeof(t->key));
    free(t);
}

/* ---- handshake ---- */

static bool is_again(int error)
{
    return error == GNUTLS_E_AGAIN || error == GNUTLS_E_INTERRUPTED;
}

static void hand_over(struct xlm__tls *t)
{
    t->kernel_writes = xlm__ktls_take(t->fd, t->session, true);
    t->kernel_reads = t->kernel_writes &&
                      xlm__ktls_take(t->fd, t->session, false);
}

int xlm__tls_handshake(struct xlm__tls *t)
{
    int r;

    do
        r = gnutls_handshake(t->session);
    while (r < 0 && !is_again(r) && !gnutls_error_is_fatal(r));
    if (!r) {
        t->shaken = true;
        if (t->may_hand_over)
            hand_over(t);
        return 1;
    }
    if (is_again(r))
        return 0;
    t->read_error = r;
    return -1;
}

bool xlm__tls_is_in_kernel(const struct xlm__tls *t)
{
    return t->kernel_reads && t->kernel_writes;
}

short xlm__tls_events(const struct xlm__tls *t)
{
    return gnutls_record_get_direction(t->session) ? POLLOUT : POLLIN;
}

/* ---- records ---- */

static ssize_t failed(int *kept, int error)
{
    if (is_again(error)) {
        errno = EAGAIN;
        return -1;
    }
    if (!*kept) /* the first one says why, later ones that it is broken */
        *kept = error;
    errno = EPROTO;
    return -1;
}

/* GnuTLS says "again" also for a record that was its own affair, as new keys;
 * what is to be read may be here already then, and the socket silent. */
static ssize_t receive(struct xlm__tls *t)
{
    size_t at, end;
    ssize_t r;

    do {
        at = t->ahead_at;
        end = t->ahead_end;
        r = gnutls_record_recv_packet(t->session, &t->packet);
    } while (r < 0 && is_again((int)r) && t->ahead_at != t->ahead_end &&
             (t->ahead_at != at || t->ahead_end != end));
    return r;
}

/* Decrypt the next record that has something in it: 1; 0 at the end. */
static int next_packet(struct xlm__tls *t)
{
    ssize_t r;

    if (t->ended)
        return 0;
    do
        r = receive(t);
    while (r < 0 && !is_again((int)r) && !gnutls_error_is_fatal((int)r));
    t->packet_at = 0;
    if (r > 0)
        return 1;
    t->packet = NULL;
    /* Who closes without a farewell is told apart by the records above. */
    t->ended = !r || r == GNUTLS_E_PREMATURE_TERMINATION;
    if (t->ended)
        return 0;
    return (int)failed(&t->read_error, (int)r);
}

/* From the packet into [at, at + bytes): how much. */
static size_t take(struct xlm__tls *t, uint8_t *at, size_t bytes)
{
    gnutls_datum_t d;
    size_t left;

    gnutls_packet_get(t->packet, &d, NULL);
    left = d.size - t->packet_at;
    if (bytes > left)
        bytes = left;
    memcpy(at, d.data + t->packet_at, bytes);
    t->packet_at += bytes;
    if (t->packet_at == d.size) {
        gnutls_packet_deinit(t->packet);
        t->packet = NULL;
    }
    return bytes;
}

/* What is no application data is a farewell, or says that the peer has another
 * key from here on; it has gone to where data was to go, of a connection that
 * is at its end. */
static ssize_t kernel_readv(struct xlm__tls *t, const struct iovec *iov,
                            size_t nr)
{
    uint8_t type;
    const ssize_t r = t->ended ? 0 : xlm__ktls_readv(t->fd, iov, nr, &type);

    if (r <= 0 || type == XLM__TLS_APPLICATION_DATA)
        return r;
    t->ended = type == XLM__TLS_ALERT;
    return t->ended ? 0 : failed(&t->read_error, GNUTLS_E_UNEXPECTED_PACKET);
}

ssize_t xlm__tls_readv(struct xlm__tls *t, const struct iovec *iov, size_t nr)
{
    size_t total = 0, done = 0;
    int r;

    if (t->kernel_reads)
        return kernel_readv(t, iov, nr);
    for (size_t i = 0; i < nr;) {
        if (done == iov[i].iov_len) {
            done = 0;
            i++;
            continue;
        }
        if (!t->packet) {
            r = next_packet(t);
            if (r <= 0) /* what went wrong is met again by the next call */
                return total ? (ssize_t)total : r;
        }
        r = (int)take(t, (uint8_t *)iov[i].iov_base + done,
                      iov[i].iov_len - done);
        done += (size_t)r;
        total += (size_t)r;
    }
    return (ssize_t)total;
}

bool xlm__tls_pending(const struct xlm__tls *t)
{
    return t->packet || t->ahead_at != t->ahead_end;
}

bool xlm__tls_waits_for_whole(const struct xlm__tls *t)
{
    return t->kernel_reads;
}

/* One record's worth: a large piece as it lies there, or small ones gathered.
 * Each byte is read once: guest memory may change meanwhile. */
static size_t gather(struct xlm__tls *t, const struct iovec *iov, size_t nr,
                     const void **at_out)
{
    size_t bytes = 0;

    *at_out = iov[0].iov_base;
    if (nr == 1 || iov[0].iov_len >= RECORD_BYTES)
        return iov[0].iov_len < RECORD_BYTES ? iov[0].iov_len : RECORD_BYTES;
    *at_out = t->gathered;
    for (size_t i = 0; i < nr && bytes < RECORD_BYTES; i++) {
        size_t n = iov[i].iov_len;

        if (n > RECORD_BYTES - bytes)
            n = RECORD_BYTES - bytes;
        memcpy(t->gathered + bytes, iov[i].iov_base, n);
        bytes += n;
    }
    return bytes;
}

static ssize_t kernel_writev(struct xlm__tls *t, const struct iovec *iov,
                             size_t nr)
{
    const struct msghdr m = { .msg_iov = (struct iovec *)(uintptr_t)iov,
                              .msg_iovlen = nr };
    const ssize_t r = sendmsg(t->fd, &m, MSG_NOSIGNAL);

    if (r > 0)
        t->records += 1 + (size_t)r / RECORD_BYTES;
    return r;
}

ssize_t xlm__tls_writev(struct xlm__tls *t, const struct iovec *iov, size_t nr)
{
    const void *at = NULL;
    size_t bytes = 0;
    ssize_t r;

    if (t->kernel_writes)
        return kernel_writev(t, iov, nr);
    if (!t->in_flight) {
        bytes = gather(t, iov, nr, &at);
        if (!bytes)
            return 0;
    }
    r = gnutls_record_send(t->session, at, bytes);
    if (r >= 0) {
        t->in_flight = 0;
        t->records++;
        return r;
    }
    if (is_again((int)r) && !t->in_flight)
        t->in_flight = bytes; /* is encrypted: only has to go out */
    return failed(&t->write_error, (int)r);
}

uint64_t xlm__tls_records(const struct xlm__tls *t)
{
    return t->records;
}

const char *xlm__tls_why(const struct xlm__tls *t)
{
    /* What the socket had to say is better than that it failed. */
    if (t->write_error == GNUTLS_E_PUSH_ERROR)
        return strerrordesc_np(t->write_errno);
    if (!t->write_error && t->read_error == GNUTLS_E_PULL_ERROR)
        return strerrordesc_np(t->read_errno);
    return gnutls_strerror(t->write_error ? t->write_error : t->read_error);
}
