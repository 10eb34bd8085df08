#include "tls.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { HASH = 48, BLOCK = 128, KEY = 32, NONCE = 12, TAG = 16, SHARE = 32 };
enum { RECORD_HEADER = 5, RECORD_MAX = 16384, SEALED_MAX = RECORD_HEADER + RECORD_MAX + 256, MESSAGE_HEADER = 4, FLIGHT_MAX = 16384 };
enum { TICKET_MAX = 1024 };

/* Types of records. */
enum { CHANGE_CIPHER_SPEC = 20, ALERT = 21, HANDSHAKE = 22, DATA = 23 };
/* Types of handshake messages. */
enum { CLIENT_HELLO = 1, SERVER_HELLO = 2, NEW_SESSION_TICKET = 4, FINISHED = 20 };
/* Types of extensions. */
enum { PRE_SHARED_KEY = 41, KEY_SHARE = 51 };

typedef unsigned char byte;
typedef byte Hash[HASH];

/* One direction. */
typedef struct {
  EVP_CIPHER_CTX *cipher;
  byte iv[NONCE];
  uint64_t number;
} Protection;

struct Tls {
  int fd;
  int is_protected, is_done, is_resumed, is_offered;
  Protection in, out;
  EVP_MD_CTX *transcript;
  /* Secrets of the key schedule. */
  Hash early, handshake, server_traffic, client_traffic, master;
  /* What has been read from the socket and not been looked at yet. */
  byte records[2 * SEALED_MAX];
  size_t first, end;
  /* Handshake messages that are not whole yet. */
  byte flight[FLIGHT_MAX];
  size_t flight_length;
  /* What has been decrypted and not been taken yet. */
  const byte *data;
  size_t data_length;
};

static EVP_MD *sha384;
static EVP_CIPHER *aes;
static EVP_MD_CTX *scratch;
static EVP_PKEY *own_key;
static byte own_share[SHARE];
static Hash empty_hash;
static const Hash zeros;
static const byte no_context[1];

/* The session that is resumed. */
static int resuming, has_session;
static struct {
  byte ticket[TICKET_MAX];
  size_t ticket_length;
  Hash key;
  uint32_t age_add;
  uint64_t received;
} session;

static void fail(const char *what) {
  ERR_print_errors_fp(stderr);
  fprintf(stderr, "load: TLS: %s: %s\n", what, errno == 0 ? "unexpected" : strerror(errno));
  exit(1);
}

static void check(int success, const char *what) {
  if (!success) fail(what);
}

static uint64_t milliseconds(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (uint64_t)time.tv_sec * 1000u + (uint64_t)time.tv_nsec / 1000000u;
}

/* The key schedule, RFC 8446 section 7.1. */

static void digest(Hash out, const byte *bytes, size_t length) {
  check(EVP_DigestInit_ex(scratch, sha384, NULL) && EVP_DigestUpdate(scratch, bytes, length) && EVP_DigestFinal_ex(scratch, out, NULL), "SHA-384");
}

static void hmac(Hash out, const Hash key, const byte *bytes, size_t length) {
  byte pad[BLOCK];
  Hash inner;
  memset(pad, 0x36, BLOCK);
  for (int i = 0; i < HASH; i++) pad[i] ^= key[i];
  check(EVP_DigestInit_ex(scratch, sha384, NULL) && EVP_DigestUpdate(scratch, pad, BLOCK), "HMAC");
  check(EVP_DigestUpdate(scratch, bytes, length) && EVP_DigestFinal_ex(scratch, inner, NULL), "HMAC");
  for (int i = 0; i < BLOCK; i++) pad[i] ^= 0x36 ^ 0x5c;
  check(EVP_DigestInit_ex(scratch, sha384, NULL) && EVP_DigestUpdate(scratch, pad, BLOCK), "HMAC");
  check(EVP_DigestUpdate(scratch, inner, HASH) && EVP_DigestFinal_ex(scratch, out, NULL), "HMAC");
}

/* HKDF-Expand-Label, of which no more than one hash is needed. */
static void expand(byte *out, size_t length, const Hash secret, const char *label, const byte *context, size_t context_length) {
  byte info[BLOCK], *at = info;
  size_t label_length = strlen(label);
  Hash whole;
  *at++ = 0;
  *at++ = (byte)length;
  *at++ = (byte)(6 + label_length);
  memcpy(at, "tls13 ", 6);
  memcpy(at + 6, label, label_length);
  at += 6 + label_length;
  *at++ = (byte)context_length;
  memcpy(at, context, context_length);
  at += context_length;
  *at++ = 1;
  hmac(whole, secret, info, (size_t)(at - info));
  memcpy(out, whole, length);
}

static void derive(Hash out, const Hash secret, const char *label, const Hash transcript) {
  expand(out, HASH, secret, label, transcript, HASH);
}

static void finished(Hash out, const Hash secret, const Hash transcript) {
  Hash key;
  expand(key, HASH, secret, "finished", no_context, 0);
  hmac(out, key, transcript, HASH);
}

static void protect(Protection *protection, const Hash secret, int encrypt) {
  byte key[KEY];
  expand(key, KEY, secret, "key", no_context, 0);
  expand(protection->iv, NONCE, secret, "iv", no_context, 0);
  protection->number = 0;
  check(EVP_CipherInit_ex(protection->cipher, aes, NULL, key, NULL, encrypt), "AES");
}

static void add_to_transcript(Tls *tls, const byte *message, size_t length) {
  check(EVP_DigestUpdate(tls->transcript, message, length), "SHA-384");
}

static void transcript_so_far(Tls *tls, Hash out) {
  check(EVP_MD_CTX_copy_ex(scratch, tls->transcript) && EVP_DigestFinal_ex(scratch, out, NULL), "SHA-384");
}

/* Records, RFC 8446 section 5. */

static void next_nonce(Protection *protection, byte *nonce) {
  memcpy(nonce, protection->iv, NONCE);
  for (int i = 0; i < 8; i++) nonce[NONCE - 1 - i] ^= (byte)(protection->number >> (8 * i));
  protection->number++;
}

static void put_header(byte *header, byte type, size_t length) {
  const byte bytes[RECORD_HEADER] = {type, 3, 3, (byte)(length >> 8), (byte)length};
  memcpy(header, bytes, RECORD_HEADER);
}

static void write_all(Tls *tls, const byte *bytes, size_t length) {
  /* What the client sends at a time fits into any socket's buffer. */
  if (write(tls->fd, bytes, length) != (ssize_t)length) fail("write");
}

static void seal(Tls *tls, byte type, const byte *bytes, size_t length) {
  static byte sealed[SEALED_MAX];
  byte nonce[NONCE], *body = sealed + RECORD_HEADER;
  EVP_CIPHER_CTX *cipher = tls->out.cipher;
  int count;
  put_header(sealed, DATA, length + 1 + TAG);
  next_nonce(&tls->out, nonce);
  check(EVP_EncryptInit_ex(cipher, NULL, NULL, NULL, nonce) && EVP_EncryptUpdate(cipher, NULL, &count, sealed, RECORD_HEADER), "AES");
  check(EVP_EncryptUpdate(cipher, body, &count, bytes, (int)length) && EVP_EncryptUpdate(cipher, body + length, &count, &type, 1), "AES");
  check(EVP_EncryptFinal_ex(cipher, body + length + 1, &count), "AES");
  check(EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_AEAD_GET_TAG, TAG, body + length + 1), "AES");
  write_all(tls, sealed, RECORD_HEADER + length + 1 + TAG);
}

/* Opens a record where it lies. Its type; `length` becomes that of what was in it. */
static byte unseal(Tls *tls, byte *record, size_t *length) {
  byte nonce[NONCE], *body = record + RECORD_HEADER;
  EVP_CIPHER_CTX *cipher = tls->in.cipher;
  int count;
  if (*length < TAG + 1) fail("a short record");
  size_t plain = *length - TAG;
  next_nonce(&tls->in, nonce);
  check(EVP_DecryptInit_ex(cipher, NULL, NULL, NULL, nonce) && EVP_DecryptUpdate(cipher, NULL, &count, record, RECORD_HEADER), "AES");
  check(EVP_DecryptUpdate(cipher, body, &count, body, (int)plain), "AES");
  check(EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_AEAD_SET_TAG, TAG, body + plain), "AES");
  check(EVP_DecryptFinal_ex(cipher, body + plain, &count), "a record that is not authentic");
  while (plain > 0 && body[plain - 1] == 0) plain--;
  if (plain == 0) fail("a record without a type");
  *length = plain - 1;
  return body[plain - 1];
}

static size_t whole_record(const Tls *tls) {
  size_t held = tls->end - tls->first;
  if (held < RECORD_HEADER) return 0;
  const byte *header = tls->records + tls->first;
  size_t length = RECORD_HEADER + ((size_t)header[3] << 8 | header[4]);
  return held < length ? 0 : length;
}

/* The next record's type, and where what is in it lies; 0 if nothing has come, with errno as of read(). */
static byte next_record(Tls *tls, byte **bytes, size_t *length) {
  size_t size;
  while ((size = whole_record(tls)) == 0) {
    memmove(tls->records, tls->records + tls->first, tls->end - tls->first);
    tls->end -= tls->first;
    tls->first = 0;
    ssize_t count = read(tls->fd, tls->records + tls->end, sizeof tls->records - tls->end);
    if (count < 0 && errno == EAGAIN) return 0;
    if (count <= 0) fail(count == 0 ? "the server has ended a connection without close_notify" : "read");
    tls->end += (size_t)count;
  }
  byte *record = tls->records + tls->first, type = record[0];
  tls->first += size;
  *bytes = record + RECORD_HEADER;
  *length = size - RECORD_HEADER;
  return tls->is_protected && type == DATA ? unseal(tls, record, length) : type;
}

/* The handshake, RFC 8446 section 4. */

static byte *put(byte *at, const void *bytes, size_t length) {
  memcpy(at, bytes, length);
  return at + length;
}

static byte *put_number(byte *at, size_t number, int length) {
  for (int i = 0; i < length; i++) at[i] = (byte)(number >> (8 * (length - 1 - i)));
  return at + length;
}

static void send_client_hello(Tls *tls) {
  static const byte extensions[] = {
      0, 43, 0, 3, 2, 3, 4,             /* supported_versions: 1.3 */
      0, 10, 0, 4, 0, 2, 0, 29,         /* supported_groups: X25519 */
      0, 13, 0, 4, 0, 2, 4, 3,          /* signature_algorithms: ecdsa_secp256r1_sha256 */
      0, 45, 0, 2, 1, 1,                /* psk_key_exchange_modes: with a key share; asks for tickets too */
      0, 51, 0, 38, 0, 36, 0, 29, 0, 32 /* key_share: X25519, whose bytes follow */
  };
  byte record[TICKET_MAX + 512], *hello = record + RECORD_HEADER, *at = hello + MESSAGE_HEADER;
  tls->is_offered = resuming && has_session;
  at = put_number(at, 0x0303, 2);
  check(RAND_bytes(at, 32) == 1, "random bytes");
  at = put_number(at + 32, 0, 1);     /* no session of an older version */
  at = put_number(at, 0x00021302, 4); /* TLS_AES_256_GCM_SHA384 */
  at = put_number(at, 0x0100, 2);     /* no compression */
  size_t offer = tls->is_offered ? 2 + 2 + session.ticket_length + 4 + 2 + 1 + HASH : 0;
  at = put_number(at, sizeof extensions + SHARE + (offer > 0 ? 4 + offer : 0), 2);
  at = put(at, extensions, sizeof extensions);
  at = put(at, own_share, SHARE);
  size_t length = (size_t)(at - hello) + (offer > 0 ? 4 + offer : 0);
  put_number(hello, CLIENT_HELLO << 24 | (length - MESSAGE_HEADER), 4);
  if (tls->is_offered) {
    at = put_number(at, PRE_SHARED_KEY << 16 | offer, 4);
    at = put_number(at, 2 + session.ticket_length + 4, 2);
    at = put_number(at, session.ticket_length, 2);
    at = put(at, session.ticket, session.ticket_length);
    at = put_number(at, (uint32_t)(milliseconds() - session.received) + session.age_add, 4);
    Hash transcript, key, binder;
    digest(transcript, hello, (size_t)(at - hello));
    hmac(tls->early, zeros, session.key, HASH);
    derive(key, tls->early, "res binder", empty_hash);
    finished(binder, key, transcript);
    at = put_number(at, 1 + HASH, 2);
    at = put_number(at, HASH, 1);
    at = put(at, binder, HASH);
  }
  put_header(record, HANDSHAKE, length);
  add_to_transcript(tls, hello, length);
  write_all(tls, record, RECORD_HEADER + length);
}

static void server_hello(Tls *tls, const byte *message, size_t length) {
  const byte *end = message + length, *at = message + MESSAGE_HEADER + 2 + 32, *share = NULL;
  at += 1 + *at; /* the session */
  if (at + 5 > end || at[0] != 0x13 || at[1] != 0x02) fail("the server has chosen another cipher suite");
  for (at += 2 + 1 + 2; at + 4 <= end; at += 4 + (at[2] << 8 | at[3])) {
    int type = at[0] << 8 | at[1];
    if (type == PRE_SHARED_KEY) tls->is_resumed = 1;
    if (type == KEY_SHARE && (at[2] << 8 | at[3]) == 4 + SHARE) share = at + 4 + 4;
  }
  if (share == NULL || share + SHARE > end) fail("the server has sent no key share");
  if (tls->is_offered != tls->is_resumed) fail("the server did not resume a session");

  byte shared[SHARE];
  size_t shared_length = sizeof shared;
  EVP_PKEY *peer = EVP_PKEY_new_raw_public_key(EVP_PKEY_X25519, NULL, share, SHARE);
  EVP_PKEY_CTX *exchange = EVP_PKEY_CTX_new(own_key, NULL);
  check(peer != NULL && EVP_PKEY_derive_init(exchange) > 0 && EVP_PKEY_derive_set_peer_ex(exchange, peer, 0) > 0, "X25519");
  check(EVP_PKEY_derive(exchange, shared, &shared_length) > 0, "X25519");
  EVP_PKEY_CTX_free(exchange);
  EVP_PKEY_free(peer);

  Hash transcript, salt;
  transcript_so_far(tls, transcript);
  if (!tls->is_resumed) hmac(tls->early, zeros, zeros, HASH);
  derive(salt, tls->early, "derived", empty_hash);
  hmac(tls->handshake, salt, shared, shared_length);
  derive(tls->client_traffic, tls->handshake, "c hs traffic", transcript);
  derive(tls->server_traffic, tls->handshake, "s hs traffic", transcript);
  protect(&tls->in, tls->server_traffic, 0);
  protect(&tls->out, tls->client_traffic, 1);
  tls->is_protected = 1;
}

/* `before` is the transcript without this message. */
static void server_finished(Tls *tls, const byte *message, size_t length, const Hash before) {
  Hash expected, transcript, salt;
  finished(expected, tls->server_traffic, before);
  if (length != MESSAGE_HEADER + HASH || memcmp(message + MESSAGE_HEADER, expected, HASH) != 0) fail("the server's Finished is wrong");

  byte answer[MESSAGE_HEADER + HASH] = {FINISHED, 0, 0, HASH};
  transcript_so_far(tls, transcript);
  finished(answer + MESSAGE_HEADER, tls->client_traffic, transcript);
  seal(tls, HANDSHAKE, answer, sizeof answer);
  add_to_transcript(tls, answer, sizeof answer);

  derive(salt, tls->handshake, "derived", empty_hash);
  hmac(tls->master, salt, zeros, HASH);
  derive(tls->client_traffic, tls->master, "c ap traffic", transcript);
  derive(tls->server_traffic, tls->master, "s ap traffic", transcript);
  protect(&tls->in, tls->server_traffic, 0);
  protect(&tls->out, tls->client_traffic, 1);
  tls->is_done = 1;
}

static void new_session_ticket(Tls *tls, const byte *message) {
  if (!resuming || has_session) return;
  const byte *age_add = message + MESSAGE_HEADER + 4, *nonce = age_add + 4, *ticket = nonce + 1 + *nonce;
  Hash transcript, secret;
  transcript_so_far(tls, transcript);
  derive(secret, tls->master, "res master", transcript);
  expand(session.key, HASH, secret, "resumption", nonce + 1, *nonce);
  session.age_add = (uint32_t)age_add[0] << 24 | (uint32_t)age_add[1] << 16 | (uint32_t)age_add[2] << 8 | age_add[3];
  session.received = milliseconds();
  session.ticket_length = (size_t)ticket[0] << 8 | ticket[1];
  if (session.ticket_length > TICKET_MAX) fail("a long ticket");
  memcpy(session.ticket, ticket + 2, session.ticket_length);
  has_session = 1;
}

static void take_message(Tls *tls, const byte *message, size_t length) {
  byte type = message[0];
  if (type == NEW_SESSION_TICKET) {
    new_session_ticket(tls, message);
    return;
  }
  if (tls->is_done) fail("a handshake message after the handshake");
  Hash before;
  if (type == FINISHED) transcript_so_far(tls, before);
  add_to_transcript(tls, message, length);
  if (type == SERVER_HELLO) server_hello(tls, message, length);
  else if (type == FINISHED) server_finished(tls, message, length, before);
}

static void take_handshake(Tls *tls, const byte *bytes, size_t length) {
  if (tls->flight_length + length > FLIGHT_MAX) fail("a long handshake message");
  memcpy(tls->flight + tls->flight_length, bytes, length);
  tls->flight_length += length;
  byte *at = tls->flight, *end = at + tls->flight_length;
  while (end - at >= MESSAGE_HEADER) {
    size_t size = MESSAGE_HEADER + ((size_t)at[1] << 16 | (size_t)at[2] << 8 | at[3]);
    if ((size_t)(end - at) < size) break;
    take_message(tls, at, size);
    at += size;
  }
  tls->flight_length = (size_t)(end - at);
  memmove(tls->flight, at, tls->flight_length);
}

void tls_prepare(int is_resuming) {
  resuming = is_resuming;
  sha384 = EVP_MD_fetch(NULL, "SHA384", NULL);
  aes = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
  scratch = EVP_MD_CTX_new();
  own_key = EVP_PKEY_Q_keygen(NULL, NULL, "X25519");
  size_t length = SHARE;
  check(sha384 != NULL && aes != NULL && own_key != NULL && EVP_PKEY_get_raw_public_key(own_key, own_share, &length), "OpenSSL");
  digest(empty_hash, no_context, 0);
}

Tls *tls_begin(Tls *tls, int fd) {
  if (tls == NULL) {
    tls = calloc(1, sizeof *tls);
    tls->in.cipher = EVP_CIPHER_CTX_new();
    tls->out.cipher = EVP_CIPHER_CTX_new();
    tls->transcript = EVP_MD_CTX_new();
  }
  tls->fd = fd;
  tls->is_protected = tls->is_done = tls->is_resumed = 0;
  tls->first = tls->end = tls->flight_length = tls->data_length = 0;
  check(EVP_DigestInit_ex(tls->transcript, sha384, NULL), "SHA-384");
  send_client_hello(tls);
  return tls;
}

int tls_shake_hands(Tls *tls) {
  byte *bytes;
  size_t length;
  while (!tls->is_done) {
    byte type = next_record(tls, &bytes, &length);
    if (type == 0) return 0;
    if (type == HANDSHAKE) take_handshake(tls, bytes, length);
    else if (type != CHANGE_CIPHER_SPEC) fail("the server has broken off a handshake");
  }
  return 1;
}

ssize_t tls_read(Tls *tls, void *bytes, size_t size) {
  while (tls->data_length == 0) {
    byte *data;
    size_t length;
    byte type = next_record(tls, &data, &length);
    if (type == 0) return -1;
    if (type == HANDSHAKE) {
      take_handshake(tls, data, length);
    } else if (type == ALERT) {
      if (length != 2 || data[1] != 0) fail("the server has sent an alert");
      return 0;
    } else if (type == DATA) {
      tls->data = data;
      tls->data_length = length;
    } else {
      fail("a record of an unknown type");
    }
  }
  size_t count = tls->data_length < size ? tls->data_length : size;
  memcpy(bytes, tls->data, count);
  tls->data += count;
  tls->data_length -= count;
  return (ssize_t)count;
}

ssize_t tls_write(Tls *tls, const void *bytes, size_t length) {
  size_t count = length < RECORD_MAX ? length : RECORD_MAX;
  seal(tls, DATA, bytes, count);
  return (ssize_t)count;
}

int tls_has_pending(const Tls *tls) {
  return tls->data_length > 0 || whole_record(tls) > 0;
}

void tls_say_goodbye(Tls *tls) {
  static const byte close_notify[] = {1, 0};
  seal(tls, ALERT, close_notify, sizeof close_notify);
}
