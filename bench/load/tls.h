/*
 * The client's side of TLS 1.3, as cheap as can be: a connection with OpenSSL's own client costs about as much CPU time as the server
 * has for it, and then it is the load that holds things up. So this one has one cipher suite (TLS_AES_256_GCM_SHA384) and one group
 * (X25519), uses the same key for all of its key shares, and does not ask who the server is: certificate and signature count for the
 * transcript alone. It is of no use but to measure servers, who cannot tell it from another client.
 */
#include <stddef.h>
#include <sys/types.h>

typedef struct Tls Tls;

/* Prepares all connections. With `resuming`, all handshakes after the first ticket that comes resume its session. */
void tls_prepare(int resuming);

/* Begins the handshake on a connected socket. `tls` is what an earlier connection has used, or NULL; what this one uses is returned. */
Tls *tls_begin(Tls *tls, int fd);

/* Goes on with the handshake, with what has come. Whether it is done. */
int tls_shake_hands(Tls *tls);

/* As read(): 0 is the server's close_notify. */
ssize_t tls_read(Tls *tls, void *bytes, size_t size);

/* As write(). */
ssize_t tls_write(Tls *tls, const void *bytes, size_t length);

/* Whether there may be more to read that epoll does not know of. */
int tls_has_pending(const Tls *tls);

/* Sends close_notify. */
void tls_say_goodbye(Tls *tls);
