/*
 * Clients of a server on 127.0.0.1 that counts nothing as a reason to give up, and counts what becomes of everything they ask for, while the
 * server is reloaded, killed or stopped. The server echoes.
 *
 *   clients PORT visit|stream CONNECTIONS DEPTH
 *
 * visit: CONNECTIONS at a time connect, send DEPTH messages at once, read the replies, send their FIN, wait for the server's, and start again.
 * stream: CONNECTIONS stay open with DEPTH messages in flight on each; for each reply, another one is sent. One that the server ends is opened again.
 *
 * A message is a line of 64 bytes, with the number of its connection and its own. Every byte received is compared with what is expected next.
 *
 * Prints "busy" when there have been replies for a while. When its input ends, no message is sent any more, replies to those in flight are waited for,
 * and one line of JSON is printed:
 *
 *   connected    connections that came about
 *   answered     messages whose reply came, whole
 *   refused      attempts to connect that were (ECONNREFUSED); it is tried again a millisecond later
 *   reset        connections that were (RST), before they had come about or later
 *   ended        connections that the server ended (FIN) although the client had not
 *   unanswered   messages without a whole reply when their connection came to its end: by "reset", by "end", or "never" within STALL_SECONDS
 *                of the end of the input
 *   torn         replies of which only a part had come when the connection came to its end
 *   wrong        connections on which something else came than what was asked for; they are closed
 *   slowest      milliseconds from a message (in a visit: from its connect) to its reply, at most
 *   pause        milliseconds between two replies on any of the connections, at most
 *
 * When a server ends a stream, messages are on their way to it. Those that get no reply before its FIN are "unanswered by end": in a protocol that answers
 * in order, the client knows that they were not looked at, and says them again elsewhere. Whether that is so is for the server to say, whose count of
 * messages has to be the client's count of replies. "Unanswered by reset" is what nobody can tell about.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
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

enum { EVENTS = 256, MESSAGE = 64, MAX_DEPTH = 64, READ_SIZE = 65536, STALL_SECONDS = 5, BUSY_AFTER = 20 };

typedef enum { CLOSED, CONNECTING, OPEN, LEAVING } State;

typedef struct {
  int fd;
  State state;
  uint32_t number;     /* of this connection, among all that there were */
  uint64_t made;       /* messages that are written, or in `out` */
  uint64_t written;    /* bytes */
  uint64_t received;   /* bytes */
  uint64_t started[MAX_DEPTH]; /* when the messages in flight were made */
  char out[MAX_DEPTH * MESSAGE];
  size_t out_first, out_end;
  int cannot_write;
} Connection;

static int port, visiting, connections, depth;
static int epoll;
static Connection *all;
static int leaving, is_busy, closed_count;
static uint64_t last_reply, slowest, longest_pause;
static uint64_t connected_count, answered, refused, resets, ends, by_reset, by_end, never, torn, wrong;
static char input[READ_SIZE];

static void fail(const char *what) {
  fprintf(stderr, "clients: %s: %s\n", what, strerror(errno));
  exit(1);
}

static uint64_t now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static void write_message(char *at, uint32_t connection, uint64_t message) {
  char text[MESSAGE + 1];
  snprintf(text, sizeof text, "%08x %016llx %.*s\n", connection, (unsigned long long)message, MESSAGE - 27, "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx");
  memcpy(at, text, MESSAGE);
}

static void watch(Connection *connection, int operation, uint32_t events) {
  struct epoll_event event = {.events = events, .data.ptr = connection};
  if (epoll_ctl(epoll, operation, connection->fd, &event) != 0) fail("epoll_ctl");
}

static void forget(Connection *connection) {
  close(connection->fd);
  connection->state = CLOSED;
  closed_count++;
}

static uint64_t in_flight(const Connection *connection) { return connection->written / MESSAGE - connection->received / MESSAGE; }

/* The connection has come to its end, and the client had not asked for that, or not only. */
static void over(Connection *connection, uint64_t *unanswered) {
  *unanswered += in_flight(connection);
  if (connection->received % MESSAGE != 0) torn++;
  forget(connection);
}

static void reset(Connection *connection) {
  resets++;
  over(connection, &by_reset);
}

static void not_connected(Connection *connection, int error) {
  if (error == ECONNREFUSED) {
    refused++;
    forget(connection);
  } else if (error == ECONNRESET) {
    reset(connection);
  } else {
    errno = error;
    fail("connect");
  }
}

static void start_connecting(Connection *connection) {
  static uint32_t count;
  int one = 1;
  memset(connection, 0, sizeof *connection);
  closed_count--;
  connection->number = ++count;
  connection->state = CONNECTING;
  connection->started[0] = now();
  connection->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  if (connection->fd < 0) fail("socket");
  setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  /* Many source addresses, so that connections which have just ended do not use up the ports. */
  struct sockaddr_in address = {.sin_family = AF_INET};
  address.sin_addr.s_addr = htonl(0x7f000002u + count % 200);
  setsockopt(connection->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
  if (bind(connection->fd, (struct sockaddr *)&address, sizeof address) != 0) fail("bind");
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons((uint16_t)port);
  if (connect(connection->fd, (struct sockaddr *)&address, sizeof address) != 0 && errno != EINPROGRESS) {
    not_connected(connection, errno);
    return;
  }
  watch(connection, EPOLL_CTL_ADD, EPOLLOUT);
}

/* Hands over what there is to write, as far as the socket takes it. That it takes no more for ever is what reading will tell. */
static void flush_out(Connection *connection) {
  while (connection->out_first < connection->out_end && !connection->cannot_write) {
    ssize_t count = write(connection->fd, connection->out + connection->out_first, connection->out_end - connection->out_first);
    if (count < 0 && errno == EAGAIN) break;
    if (count < 0) {
      connection->cannot_write = 1;
    } else {
      connection->out_first += (size_t)count;
      connection->written += (uint64_t)count;
    }
  }
  int is_waiting = connection->out_first < connection->out_end && !connection->cannot_write;
  watch(connection, EPOLL_CTL_MOD, is_waiting ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

static void leave(Connection *connection) {
  connection->state = LEAVING;
  /* It fails where the server has reset the connection, which reading will tell. */
  shutdown(connection->fd, SHUT_WR);
}

/* Sends as many messages as may be in flight, or leaves when there is nothing more to say. */
static void go_on(Connection *connection) {
  uint64_t replies = connection->received / MESSAGE;
  int has_said_all = leaving || (visiting && connection->made == (uint64_t)depth);
  if (has_said_all && connection->out_first == connection->out_end && replies == connection->made) {
    leave(connection);
    return;
  }
  memmove(connection->out, connection->out + connection->out_first, connection->out_end - connection->out_first);
  connection->out_end -= connection->out_first;
  connection->out_first = 0;
  while (!has_said_all && connection->made < replies + (uint64_t)depth) {
    write_message(connection->out + connection->out_end, connection->number, connection->made);
    connection->out_end += MESSAGE;
    if (!visiting || connection->made > 0) connection->started[connection->made % MAX_DEPTH] = now();
    connection->made++;
    has_said_all = visiting && connection->made == (uint64_t)depth;
  }
  flush_out(connection);
}

static void connected(Connection *connection) {
  int error = 0;
  socklen_t size = sizeof error;
  getsockopt(connection->fd, SOL_SOCKET, SO_ERROR, &error, &size);
  if (error != 0) {
    not_connected(connection, error);
    return;
  }
  connected_count++;
  connection->state = OPEN;
  go_on(connection);
}

static void count_reply(const Connection *connection, uint64_t message) {
  uint64_t time = now(), taken = time - connection->started[message % MAX_DEPTH];
  answered++;
  if (taken > slowest) slowest = taken;
  if (is_busy && time - last_reply > longest_pause) longest_pause = time - last_reply;
  last_reply = time;
}

/* Whether it was what comes next. */
static int take(Connection *connection, const char *bytes, size_t length) {
  for (size_t i = 0; i < length;) {
    char expected[MESSAGE];
    uint64_t message = connection->received / MESSAGE;
    size_t begin = connection->received % MESSAGE, count = MESSAGE - begin;
    if (count > length - i) count = length - i;
    write_message(expected, connection->number, message);
    if (message >= connection->made || memcmp(bytes + i, expected + begin, count) != 0) return 0;
    connection->received += count;
    i += count;
    if (connection->received % MESSAGE == 0) count_reply(connection, message);
  }
  return 1;
}

static void readable(Connection *connection) {
  ssize_t count = read(connection->fd, input, sizeof input);
  if (count < 0 && errno == EAGAIN) return;
  if (count < 0) {
    reset(connection);
  } else if (count == 0 && connection->state == LEAVING) {
    forget(connection);
  } else if (count == 0) {
    ends++;
    over(connection, &by_end);
  } else if (!take(connection, input, (size_t)count)) {
    fprintf(stderr, "clients: not what was asked for: %.*s\n", (int)(count < 200 ? count : 200), input);
    wrong++;
    forget(connection);
  } else if (connection->state == OPEN) {
    go_on(connection);
  }
}

static void handle_events(void) {
  static struct epoll_event events[EVENTS];
  int count = epoll_wait(epoll, events, EVENTS, 1);
  if (count < 0 && errno != EINTR) fail("epoll_wait");
  for (int i = 0; i < count; i++) {
    Connection *connection = events[i].data.ptr;
    if (connection == NULL) {
      /* Whatever comes over the input: it is its end that counts. */
      if (read(STDIN_FILENO, input, sizeof input) > 0) continue;
      epoll_ctl(epoll, EPOLL_CTL_DEL, STDIN_FILENO, NULL);
      leaving = 1;
      for (int j = 0; j < connections; j++) if (all[j].state == OPEN) go_on(&all[j]);
    } else if (connection->state == CONNECTING) {
      connected(connection);
    } else {
      if (events[i].events & EPOLLOUT) flush_out(connection);
      if (events[i].events & ~(uint32_t)EPOLLOUT) readable(connection);
    }
  }
}

int main(int count, char **arguments) {
  if (count != 5) {
    fprintf(stderr, "usage: clients PORT visit|stream CONNECTIONS DEPTH\n");
    return 2;
  }
  signal(SIGPIPE, SIG_IGN);
  port = atoi(arguments[1]);
  visiting = strcmp(arguments[2], "visit") == 0;
  connections = atoi(arguments[3]);
  depth = atoi(arguments[4]);
  if (depth < 1 || depth > MAX_DEPTH) fail("DEPTH");
  struct rlimit descriptors;
  getrlimit(RLIMIT_NOFILE, &descriptors);
  descriptors.rlim_cur = descriptors.rlim_max;
  setrlimit(RLIMIT_NOFILE, &descriptors);
  all = calloc((size_t)connections, sizeof *all);
  closed_count = connections;
  epoll = epoll_create1(0);
  struct epoll_event end_of_input = {.events = EPOLLIN};
  if (epoll_ctl(epoll, EPOLL_CTL_ADD, STDIN_FILENO, &end_of_input) != 0) fail("the input is no pipe");
  while (!leaving) {
    for (int i = 0; closed_count > 0 && i < connections; i++) if (all[i].state == CLOSED) start_connecting(&all[i]);
    handle_events();
    if (!is_busy && answered >= (uint64_t)connections * BUSY_AFTER) {
      is_busy = 1;
      puts("busy");
      fflush(stdout);
    }
  }
  uint64_t end = now() + STALL_SECONDS * 1000000000ull;
  while (closed_count < connections && now() < end) handle_events();
  for (int i = 0; i < connections; i++) if (all[i].state == OPEN) never += in_flight(&all[i]);
  printf("{\"connected\":%llu,\"answered\":%llu,\"refused\":%llu,\"reset\":%llu,\"ended\":%llu,\"unanswered\":{\"reset\":%llu,\"end\":%llu,\"never\":%llu},"
         "\"torn\":%llu,\"wrong\":%llu,\"slowest\":%.1f,\"pause\":%.1f}\n",
         (unsigned long long)connected_count, (unsigned long long)answered, (unsigned long long)refused, (unsigned long long)resets,
         (unsigned long long)ends, (unsigned long long)by_reset, (unsigned long long)by_end, (unsigned long long)never, (unsigned long long)torn,
         (unsigned long long)wrong, (double)slowest / 1e6, (double)longest_pause / 1e6);
  return 0;
}
