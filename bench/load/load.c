/*
 * Load for a server on 127.0.0.1, with as few instructions a message as can be, so that the server is what runs at its limit.
 *
 *   load PORT stream|visit plain|tls|resumed CONNECTIONS ACTIVE DEPTH TOUCH REQUEST RESPONSE
 *
 * stream: opens CONNECTIONS and keeps ACTIVE of them busy, each in turn with a wave of DEPTH requests that leave in one write; the
 * wave is over when DEPTH responses have come. With TOUCH 1, each connection exchanges one wave before the load is ready.
 * visit: ACTIVE at a time connect, exchange one wave, send their FIN, wait for the server's, and start again.
 * tls: over TLS 1.3, each connection with a full handshake; resumed: all but the first resume a session. Visits over TLS
 * end with a close_notify from either side before the FIN. Compiled with -DWITH_TLS tls.c -lcrypto.
 * REQUEST and RESPONSE are hexadecimal. Every byte received is compared with what is expected.
 *
 * Prints "ready", then for each line "SECONDS" on the standard input one line of JSON. Ends with its input.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#ifdef WITH_TLS
#include "tls.h"
#endif

enum { EVENTS = 256, CONNECTING_AT_A_TIME = 256, STALL_SECONDS = 20, READ_SIZE = 262144 };

/* Latencies are counted in classes of 1/32 of a power of two of nanoseconds. */
enum { CLASS_BITS = 5, CLASSES = 64 << CLASS_BITS };

typedef enum { CLOSED, CONNECTING, SHAKING_HANDS, IDLE, WAITING, ENDING, CLOSING } State;

typedef struct {
  int fd;
  State state;
  size_t received; /* of the present wave */
  uint64_t started;
#ifdef WITH_TLS
  Tls *tls; /* kept from one visit in this place to the next */
#endif
} Connection;

static int port, connections, active, depth, touch, visiting, is_tls;
static unsigned char *wave, *expected;
static size_t wave_length, expected_length;
static unsigned char input[READ_SIZE];

static int epoll;
static Connection *all;
/* Connections that wait for their turn, in a ring. */
static int *turns;
static int first_turn, turn_count;
static int busy, running;
static uint64_t messages, latencies[CLASSES];

static void fail(const char *what) {
  fprintf(stderr, "load: %s: %s\n", what, errno == 0 ? "unexpected" : strerror(errno));
  exit(1);
}

static uint64_t now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static double cpu_seconds(void) {
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) + (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static unsigned char *repeated_bytes(const char *hexadecimal, int times, size_t *length) {
  size_t once = strlen(hexadecimal) / 2;
  *length = once * (size_t)times;
  unsigned char *bytes = malloc(*length);
  for (size_t i = 0; i < *length; i++) {
    unsigned int byte;
    if (sscanf(hexadecimal + 2 * (i % once), "%2x", &byte) != 1) fail("hexadecimal");
    bytes[i] = (unsigned char)byte;
  }
  return bytes;
}

static void count_latency(uint64_t nanoseconds) {
  if (nanoseconds < 1 << CLASS_BITS) nanoseconds = 1 << CLASS_BITS;
  int exponent = 63 - __builtin_clzll(nanoseconds);
  int class = (exponent << CLASS_BITS) | (int)((nanoseconds >> (exponent - CLASS_BITS)) & ((1 << CLASS_BITS) - 1));
  latencies[class]++;
}

/* In microseconds: the upper bound of the class in which the part lies. */
static double latency_at(double part) {
  uint64_t total = 0, seen = 0;
  for (int i = 0; i < CLASSES; i++) total += latencies[i];
  for (int i = 0; i < CLASSES; i++) {
    seen += latencies[i];
    if (seen > 0 && (double)seen >= part * (double)total) {
      int exponent = i >> CLASS_BITS, rest = i & ((1 << CLASS_BITS) - 1);
      return (double)((uint64_t)((1 << CLASS_BITS) + rest + 1) << (exponent - CLASS_BITS)) / 1000;
    }
  }
  return 0;
}

static void watch(Connection *connection, int operation, uint32_t events) {
  struct epoll_event event = {.events = events, .data.ptr = connection};
  if (epoll_ctl(epoll, operation, connection->fd, &event) != 0) fail("epoll_ctl");
}

static void start_connecting(Connection *connection) {
  static uint32_t source;
  int one = 1;
  connection->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  if (connection->fd < 0) fail("socket");
  setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  /* Many source addresses, so that connections which have just ended do not use up the ports. */
  struct sockaddr_in address = {.sin_family = AF_INET};
  address.sin_addr.s_addr = htonl(0x7f000002u + source++ % 200);
  setsockopt(connection->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
  if (bind(connection->fd, (struct sockaddr *)&address, sizeof address) != 0) fail("bind");
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons((uint16_t)port);
  connection->state = CONNECTING;
  connection->started = now();
  if (connect(connection->fd, (struct sockaddr *)&address, sizeof address) != 0 && errno != EINPROGRESS) fail("connect");
  watch(connection, EPOLL_CTL_ADD, EPOLLOUT);
}

#ifdef WITH_TLS

static void prepare_tls(const char *how) {
  is_tls = strcmp(how, "plain") != 0;
  if (is_tls) tls_prepare(strcmp(how, "resumed") == 0);
}

static void begin_tls(Connection *connection) { connection->tls = tls_begin(connection->tls, connection->fd); }
static int hands_shaken(Connection *connection) { return tls_shake_hands(connection->tls); }
static int has_pending(Connection *connection) { return is_tls && connection->state != CONNECTING && tls_has_pending(connection->tls); }

static void say_goodbye(Connection *connection) {
  if (is_tls) tls_say_goodbye(connection->tls);
}

/* After the server's close_notify comes its FIN. */
static ssize_t read_from(Connection *connection) {
  if (!is_tls || connection->state == CLOSING) return read(connection->fd, input, sizeof input);
  ssize_t count = tls_read(connection->tls, input, sizeof input);
  if (count != 0 || connection->state != ENDING) return count;
  connection->state = CLOSING;
  return read(connection->fd, input, sizeof input);
}

static ssize_t write_to(Connection *connection, const void *bytes, size_t length) {
  return is_tls ? tls_write(connection->tls, bytes, length) : write(connection->fd, bytes, length);
}

#else

static void prepare_tls(const char *how) {
  if (strcmp(how, "plain") != 0) fail("compiled without TLS");
}

static void begin_tls(Connection *connection) { (void)connection; }
static int hands_shaken(Connection *connection) { (void)connection; return 1; }
static int has_pending(Connection *connection) { (void)connection; return 0; }
static void say_goodbye(Connection *connection) { (void)connection; }
static ssize_t read_from(Connection *connection) { return read(connection->fd, input, sizeof input); }
static ssize_t write_to(Connection *connection, const void *bytes, size_t length) { return write(connection->fd, bytes, length); }

#endif

static void send_wave(Connection *connection) {
  size_t sent = 0;
  connection->state = WAITING;
  connection->received = 0;
  while (sent < wave_length) {
    ssize_t count = write_to(connection, wave + sent, wave_length - sent);
    if (count >= 0) {
      sent += (size_t)count;
    } else if (errno == EAGAIN) {
      struct pollfd writable = {.fd = connection->fd, .events = POLLOUT};
      if (poll(&writable, 1, STALL_SECONDS * 1000) != 1) fail("the server does not read");
    } else {
      fail("write");
    }
  }
}

static void take_turn(Connection *connection) {
  if (!visiting) connection->started = now();
  busy++;
  send_wave(connection);
}

static void wait_for_turn(Connection *connection) {
  connection->state = IDLE;
  turns[(first_turn + turn_count++) % connections] = (int)(connection - all);
}

static void give_turn(void) {
  Connection *next = &all[turns[first_turn]];
  first_turn = (first_turn + 1) % connections;
  turn_count--;
  take_turn(next);
}

static void wave_answered(Connection *connection) {
  if (visiting) {
    connection->state = ENDING;
    say_goodbye(connection);
    if (shutdown(connection->fd, SHUT_WR) != 0) fail("shutdown");
    return;
  }
  uint64_t time = now();
  count_latency(time - connection->started);
  messages += (uint64_t)depth;
  busy--;
  wait_for_turn(connection);
  if (running) give_turn();
}

static void visit_over(Connection *connection) {
  close(connection->fd);
  connection->state = CLOSED;
  count_latency(now() - connection->started);
  messages++;
  busy--;
  if (running) {
    busy++;
    start_connecting(connection);
  }
}

static void ready(Connection *connection) {
  if (visiting) send_wave(connection);
  else wait_for_turn(connection);
}

static void shake_hands(Connection *connection) {
  if (hands_shaken(connection)) ready(connection);
}

static void connected(Connection *connection) {
  int error = 0;
  socklen_t size = sizeof error;
  getsockopt(connection->fd, SOL_SOCKET, SO_ERROR, &error, &size);
  errno = error;
  if (error != 0) fail("connect");
  watch(connection, EPOLL_CTL_MOD, EPOLLIN);
  if (!is_tls) {
    ready(connection);
  } else {
    connection->state = SHAKING_HANDS;
    begin_tls(connection);
  }
}

/* Whether there was anything to read. */
static int readable(Connection *connection) {
  ssize_t count = read_from(connection);
  if (count < 0 && errno == EAGAIN) return 0;
  if (count < 0) fail("read");
  errno = 0;
  if (count == 0) {
    if (connection->state != ENDING && connection->state != CLOSING) fail("the server has closed a connection");
    visit_over(connection);
    return 1;
  }
  if (connection->state != WAITING || connection->received + (size_t)count > expected_length) fail("more came than was asked for");
  if (memcmp(input, expected + connection->received, (size_t)count) != 0) {
    fprintf(stderr, "load: expected %.200s\nload: received %.*s\n", expected + connection->received, (int)(count < 200 ? count : 200), input);
    fail("a wrong response");
  }
  connection->received += (size_t)count;
  if (connection->received == expected_length) wave_answered(connection);
  return 1;
}

static void handle_events(void) {
  static struct epoll_event events[EVENTS];
  int count = epoll_wait(epoll, events, EVENTS, STALL_SECONDS * 1000);
  if (count < 0 && errno == EINTR) return;
  if (count < 0) fail("epoll_wait");
  if (count == 0) {
    errno = ETIMEDOUT;
    fail("the server answers nothing");
  }
  for (int i = 0; i < count; i++) {
    Connection *connection = events[i].data.ptr;
    switch (connection->state) {
      case CONNECTING: connected(connection); break;
      case SHAKING_HANDS: shake_hands(connection); break;
      default:
        while (readable(connection) && has_pending(connection)) continue;
    }
  }
}

static void open_all(void) {
  for (int i = 0; i < connections; i++) {
    start_connecting(&all[i]);
    while (i + 1 - turn_count >= CONNECTING_AT_A_TIME) handle_events();
  }
  while (turn_count < connections) handle_events();
  if (!touch) return;
  for (int i = 0; i < connections; i++) {
    give_turn();
    while (busy >= CONNECTING_AT_A_TIME) handle_events();
  }
  while (busy > 0) handle_events();
}

static void run(double seconds) {
  double cpu = cpu_seconds();
  uint64_t started = now(), end = started + (uint64_t)(seconds * 1e9);
  messages = 0;
  memset(latencies, 0, sizeof latencies);
  running = 1;
  for (int i = 0; i < active; i++) {
    if (visiting) {
      busy++;
      start_connecting(&all[i]);
    } else {
      give_turn();
    }
  }
  while (now() < end) handle_events();
  running = 0;
  while (busy > 0) handle_events();
  printf("{\"messages\":%llu,\"seconds\":%.6f,\"cpu\":%.6f,\"p50\":%.1f,\"p99\":%.1f}\n", (unsigned long long)messages,
         (double)(now() - started) / 1e9, cpu_seconds() - cpu, latency_at(0.5), latency_at(0.99));
  fflush(stdout);
}

int main(int count, char **arguments) {
  if (count != 10) {
    fprintf(stderr, "usage: load PORT stream|visit plain|tls|resumed CONNECTIONS ACTIVE DEPTH TOUCH REQUEST RESPONSE\n");
    return 2;
  }
  signal(SIGPIPE, SIG_IGN);
  port = atoi(arguments[1]);
  visiting = strcmp(arguments[2], "visit") == 0;
  prepare_tls(arguments[3]);
  connections = atoi(arguments[4]);
  active = atoi(arguments[5]);
  depth = atoi(arguments[6]);
  touch = atoi(arguments[7]);
  wave = repeated_bytes(arguments[8], depth, &wave_length);
  expected = repeated_bytes(arguments[9], depth, &expected_length);
  all = calloc((size_t)connections, sizeof *all);
  turns = calloc((size_t)connections, sizeof *turns);
  struct rlimit descriptors;
  getrlimit(RLIMIT_NOFILE, &descriptors);
  descriptors.rlim_cur = descriptors.rlim_max;
  setrlimit(RLIMIT_NOFILE, &descriptors);
  epoll = epoll_create1(0);
  if (!visiting) open_all();
  puts("ready");
  fflush(stdout);
  char line[64];
  while (fgets(line, sizeof line, stdin) != NULL) run(atof(line));
  return 0;
}
