// The load generator for what wrk cannot measure: uploads of bodies under ever new names, HEAD, and large downloads.
//
//   load HOST PORT CONNECTIONS THREADS SECONDS TABLE [BODY_FILE|-] [cycle | COUNT]
//
// HOST is an IPv4 address; as `tls:ADDRESS` the connections speak TLS, without looking at certificates and without bodies
// to send.
//
// TABLE holds ready-made request heads, each as a line with its length and then its bytes: signing is done before the
// clock starts. With BODY_FILE each head is followed by that file's bytes, with `cycle` the table starts again at its
// end (without it, each head is sent once).
//
// With COUNT the table's first head is a template that is sent so many times: its `@` become the decimal digits of the
// request's number, from 0, padded with zeroes. If the table goes on, its second entry is the string to sign, with the
// same `@`, and its third the key: the Base64 of their HMAC-SHA256 takes the place of the head's run of `#`, so that
// every request is signed for itself, at a microsecond or two. `marks_s` are the times at which each hundredth of the
// requests was answered.
//
// One request at a time per connection. Bodies go out by sendfile and are thrown away on arrival inside the kernel
// (MSG_TRUNC), so that the generator costs the machine as little as it can.
//
// Prints one JSON object. Exit status 1 if any answer was not 2xx or any connection broke.

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { HEAD_BYTES = 16 * 1024, SMALL_BODY_BYTES = 64 * 1024, MAX_THREADS = 64, TEMPLATE_BYTES = 2048, MARKS = 100 };
// Latencies from 1 us to about 70 min: 32 steps in each power of two.
enum { STEPS = 32, BUCKETS = 32 * STEPS };

// As long as the Base64 of 32 bytes.
#define SIGNATURE_PLACE "############################################"

typedef struct { const char *bytes; size_t length; } Head;

typedef struct {
    int socket;
    SSL *secure;          // NULL without TLS
    Head head;
    size_t sent;          // of head and body together
    char answer[HEAD_BYTES];
    size_t answered;      // bytes of the answer's head so far
    int64_t left;         // body bytes still to come; -1 while the head is incomplete
    int status;
    int writing;
    uint64_t began;
    char numbered[TEMPLATE_BYTES];  // the head, when it is made from the template
} Connection;

typedef struct {
    pthread_t thread;
    int connections;
    uint64_t requests, received, bad, broken, last;
    int first_bad;
    uint64_t latency[BUCKETS];
} Worker;

static struct sockaddr_in address;
static SSL_CTX *tls;
static Head *heads;
static size_t head_count;
static atomic_size_t next_head;
static int cycling, body_file = -1;
static size_t numbered_count;  // 0: no template
static size_t signature_at;    // in the template
static atomic_size_t answered_count;
static uint64_t marks[MARKS + 1];
static char *body;
static size_t body_length;
static uint64_t deadline;

static uint64_t now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void fail(const char *what) {
    fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
    exit(2);
}

static void read_table(const char *path) {
    int file = open(path, O_RDONLY);
    struct stat info;
    if (file < 0 || fstat(file, &info) < 0 || info.st_size == 0) fail(path);
    char *at = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, file, 0);
    if (at == MAP_FAILED) fail(path);
    char *end = at + info.st_size;
    size_t room = 1024;
    heads = malloc(room * sizeof *heads);
    while (at < end) {
        size_t length = strtoul(at, &at, 10);
        at++;
        if (head_count == room) heads = realloc(heads, (room *= 2) * sizeof *heads);
        heads[head_count++] = (Head){at, length};
        at += length;
    }
}

static void put_digits(char *text, size_t length, size_t number) {
    for (size_t at = length; at-- > 0;)
        if (text[at] == '@') text[at] = (char)('0' + number % 10), number /= 10;
}

// Makes the head of a number from the template: digits first, then the signature.
static void make_head(char *head, size_t number) {
    memcpy(head, heads[0].bytes, heads[0].length);
    put_digits(head, heads[0].length, number);
    if (head_count < 3) return;
    char text[TEMPLATE_BYTES];
    unsigned char digest[32], base64[48];
    unsigned length = sizeof digest;
    memcpy(text, heads[1].bytes, heads[1].length);
    put_digits(text, heads[1].length, number);
    HMAC(EVP_sha256(), heads[2].bytes, (int)heads[2].length, (unsigned char *)text, heads[1].length, digest, &length);
    int written = EVP_EncodeBlock(base64, digest, (int)length);
    memcpy(head + signature_at, base64, (size_t)written);
}

static unsigned bucket_of(uint64_t ns) {
    uint64_t us = ns / 1000 + 1;
    unsigned power = 63u - (unsigned)__builtin_clzll(us);
    uint64_t step = power >= 5 ? (us >> (power - 5)) & 31 : (us << (5 - power)) & 31;
    unsigned bucket = power * STEPS + (unsigned)step;
    return bucket < BUCKETS ? bucket : BUCKETS - 1;
}

static double bucket_ms(unsigned bucket) { return (double)(1ull << (bucket / STEPS)) * (1.0 + (bucket % STEPS) / 32.0) / 1000.0; }

// Takes the next head. False when there is nothing more to send.
static int begin(Connection *c) {
    if ((c->began = now()) >= deadline) return 0;
    size_t index = atomic_fetch_add(&next_head, 1);
    if (numbered_count) {
        if (index >= numbered_count) return 0;
        make_head(c->numbered, index);
    } else if (index >= head_count) {
        if (!cycling) return 0;
        index %= head_count;
    }
    c->head = numbered_count ? (Head){c->numbered, heads[0].length} : heads[index];
    c->sent = c->answered = 0;
    c->left = -1;
    c->writing = 1;
    return 1;
}

// What a call of the TLS library means, in the words of a system call.
static ssize_t told(Connection *c, int n) {
    if (n > 0) return n;
    int why = SSL_get_error(c->secure, n);
    if (why == SSL_ERROR_ZERO_RETURN) return 0;
    errno = why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE ? EAGAIN : EIO;
    return -1;
}

static ssize_t take(Connection *c, char *room, size_t length) {
    static _Thread_local char thrown_away[256 * 1024];
    if (!c->secure) return recv(c->socket, room, length, room ? 0 : MSG_TRUNC);
    if (!room) room = thrown_away, length = length < sizeof thrown_away ? length : sizeof thrown_away;
    return told(c, SSL_read(c->secure, room, (int)(length < INT32_MAX ? length : INT32_MAX)));
}

// 1: all sent, 0: the socket is full, -1: broken.
static int push(Connection *c) {
    while (c->secure && c->sent < c->head.length) {
        ssize_t n = told(c, SSL_write(c->secure, c->head.bytes + c->sent, (int)(c->head.length - c->sent)));
        if (n <= 0) return n < 0 && errno == EAGAIN ? 0 : -1;
        c->sent += (size_t)n;
    }
    size_t all = c->head.length + body_length;
    while (c->sent < all) {
        ssize_t n;
        if (c->sent < c->head.length || body_length <= SMALL_BODY_BYTES) {
            size_t in_body = c->sent > c->head.length ? c->sent - c->head.length : 0;
            struct iovec parts[2] = {
                {(char *)c->head.bytes + (c->sent < c->head.length ? c->sent : c->head.length),
                 c->sent < c->head.length ? c->head.length - c->sent : 0},
                {body + in_body, body_length <= SMALL_BODY_BYTES ? body_length - in_body : 0}};
            struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
            n = sendmsg(c->socket, &message, MSG_NOSIGNAL | (body_length > SMALL_BODY_BYTES ? MSG_MORE : 0));
        } else {
            off_t offset = (off_t)(c->sent - c->head.length);
            n = sendfile(c->socket, body_file, &offset, all - c->sent);
        }
        if (n < 0) return errno == EAGAIN ? 0 : -1;
        c->sent += (size_t)n;
    }
    return 1;
}

// Finds status and length in a whole answer head. False if it has no length.
static int understand(Connection *c, size_t end) {
    c->answer[end] = 0;
    c->status = atoi(c->answer + 9);
    char *line = strcasestr(c->answer, "\r\ncontent-length:");
    int without_body = c->status == 204 || c->status == 304 || !strncmp(c->head.bytes, "HEAD ", 5);
    if (!line && !without_body) return 0;
    c->left = without_body ? 0 : strtoll(line + 17, NULL, 10);
    c->left -= (int64_t)(c->answered - end - 4);
    return 1;
}

// 1: a whole answer is here, 0: more to come, -1: broken.
static int pull(Connection *c, Worker *w) {
    for (;;) {
        ssize_t n;
        if (c->left < 0) {
            n = take(c, c->answer + c->answered, HEAD_BYTES - 1 - c->answered);
        } else {
            if (c->left == 0) return 1;
            n = take(c, NULL, (size_t)c->left);
        }
        if (n < 0) return errno == EAGAIN ? 0 : -1;
        if (n == 0) return -1;
        if (c->left >= 0) {
            c->left -= n;
            w->received += (uint64_t)n;
            continue;
        }
        c->answered += (size_t)n;
        char *end = memmem(c->answer, c->answered, "\r\n\r\n", 4);
        if (!end) {
            if (c->answered == HEAD_BYTES - 1) return -1;
            continue;
        }
        size_t head = (size_t)(end - c->answer);
        w->received += c->answered - head - 4;
        if (!understand(c, head) || c->left < 0) return -1;
    }
}

static void connect_to_server(Connection *c) {
    int one = 1;
    c->socket = socket(AF_INET, SOCK_STREAM, 0);
    if (c->socket < 0 || connect(c->socket, (struct sockaddr *)&address, sizeof address) < 0) fail("connect");
    setsockopt(c->socket, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (tls) {
        c->secure = SSL_new(tls);
        SSL_set_fd(c->secure, c->socket);
        errno = EPROTO;
        if (SSL_connect(c->secure) != 1) fail("handshake");
    }
    fcntl(c->socket, F_SETFL, O_NONBLOCK);
}

static void finish(Connection *c, Worker *w) {
    uint64_t at = now();
    w->requests++;
    w->last = at;
    w->latency[bucket_of(at - c->began)]++;
    if (numbered_count) {
        size_t before = atomic_fetch_add(&answered_count, 1);
        size_t mark = (before + 1) * MARKS / numbered_count;
        if (mark != before * MARKS / numbered_count) marks[mark] = at;
    }
    if (c->status < 200 || c->status > 299) {
        w->bad++;
        w->first_bad = w->first_bad ? w->first_bad : c->status;
    }
}

// Goes on until the connection would block. False when it is done for good.
static int drive(Connection *c, Worker *w) {
    for (;;) {
        if (c->writing) {
            int pushed = push(c);
            if (pushed < 0) { w->broken++; return 0; }
            if (!pushed) return 1;
            c->writing = 0;
        }
        int pulled = pull(c, w);
        if (pulled < 0) { w->broken++; return 0; }
        if (!pulled) return 1;
        finish(c, w);
        if (!begin(c)) return 0;
    }
}

static void *work(void *argument) {
    Worker *w = argument;
    int poll = epoll_create1(0), open_connections = 0;
    Connection *all = calloc((size_t)w->connections, sizeof *all);
    for (int i = 0; i < w->connections; i++) {
        Connection *c = &all[i];
        connect_to_server(c);
        struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = c};
        epoll_ctl(poll, EPOLL_CTL_ADD, c->socket, &event);
        if (begin(c) && drive(c, w)) open_connections++;
        else close(c->socket);
    }
    while (open_connections) {
        struct epoll_event events[64];
        int n = epoll_wait(poll, events, 64, 30000);
        if (n == 0) { w->broken += (uint64_t)open_connections; break; }  // no answer for half a minute
        for (int i = 0; i < n; i++) {
            Connection *c = events[i].data.ptr;
            if (c->socket >= 0 && !drive(c, w)) {
                close(c->socket);
                c->socket = -1;
                open_connections--;
            }
        }
    }
    return NULL;
}

static double percentile(const uint64_t *buckets, uint64_t count, double part) {
    uint64_t seen = 0;
    for (unsigned b = 0; b < BUCKETS; b++)
        if ((seen += buckets[b]) >= (uint64_t)(part * (double)count) && seen) return bucket_ms(b);
    return 0;
}

int main(int argc, char **argv) {
    if (argc < 7) {
        fprintf(stderr, "usage: load HOST PORT CONNECTIONS THREADS SECONDS TABLE [BODY_FILE|-] [cycle | COUNT]\n");
        return 2;
    }
    address.sin_family = AF_INET;
    const char *host = argv[1];
    if (!strncmp(host, "tls:", 4)) {
        host += 4;
        tls = SSL_CTX_new(TLS_client_method());
        SSL_CTX_set_mode(tls, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    }
    address.sin_port = htons((uint16_t)atoi(argv[2]));
    if (inet_pton(AF_INET, host, &address.sin_addr) != 1) fail(argv[1]);
    int connections = atoi(argv[3]), threads = atoi(argv[4]);
    if (threads < 1 || threads > MAX_THREADS || connections < threads) { errno = EINVAL; fail("threads"); }
    read_table(argv[6]);
    if (argc > 7 && strcmp(argv[7], "-")) {
        struct stat info;
        if ((body_file = open(argv[7], O_RDONLY)) < 0 || fstat(body_file, &info) < 0) fail(argv[7]);
        body_length = (size_t)info.st_size;
        body = mmap(NULL, body_length, PROT_READ, MAP_PRIVATE | MAP_POPULATE, body_file, 0);
        if (body == MAP_FAILED) fail(argv[7]);
        if (tls) { errno = ENOTSUP; fail("a body over TLS"); }
    }
    cycling = argc > 8 && !strcmp(argv[8], "cycle");
    if (argc > 8 && !cycling) {
        numbered_count = strtoull(argv[8], NULL, 10);
        char *place = memmem(heads[0].bytes, heads[0].length, SIGNATURE_PLACE, strlen(SIGNATURE_PLACE));
        signature_at = place ? (size_t)(place - heads[0].bytes) : 0;
        int fits = heads[0].length <= TEMPLATE_BYTES;
        if (head_count >= 3) fits = fits && place && heads[1].length <= TEMPLATE_BYTES;
        if (!numbered_count || !fits) { errno = EINVAL; fail(argv[8]); }
    }
    static Worker workers[MAX_THREADS];
    uint64_t began = now();
    deadline = began + (uint64_t)(atof(argv[5]) * 1e9);
    for (int i = 0; i < threads; i++) {
        workers[i].connections = connections / threads + (i < connections % threads);
        pthread_create(&workers[i].thread, NULL, work, &workers[i]);
    }
    Worker sum = {0};
    for (int i = 0; i < threads; i++) {
        pthread_join(workers[i].thread, NULL);
        Worker *w = &workers[i];
        sum.requests += w->requests, sum.received += w->received, sum.bad += w->bad, sum.broken += w->broken;
        sum.first_bad = sum.first_bad ? sum.first_bad : w->first_bad;
        if (w->last > sum.last) sum.last = w->last;
        for (unsigned b = 0; b < BUCKETS; b++) sum.latency[b] += w->latency[b];
    }
    double seconds = sum.last > began ? (double)(sum.last - began) / 1e9 : 0;
    printf("{\"requests\": %llu, \"seconds\": %.6f, \"received\": %llu, \"sent\": %llu, \"bad\": %llu, \"first_bad\": %d, "
           "\"broken\": %llu, \"p50_ms\": %.3f, \"p99_ms\": %.3f",
           (unsigned long long)sum.requests, seconds, (unsigned long long)sum.received,
           (unsigned long long)(sum.requests * body_length), (unsigned long long)sum.bad, sum.first_bad,
           (unsigned long long)sum.broken, percentile(sum.latency, sum.requests, 0.5), percentile(sum.latency, sum.requests, 0.99));
    if (numbered_count) {
        printf(", \"marks_s\": [");
        for (int m = 1; m <= MARKS; m++)
            printf("%s%.6f", m > 1 ? ", " : "", marks[m] ? (double)(marks[m] - began) / 1e9 : 0.0);
        printf("]");
    }
    printf("}\n");
    return sum.bad || sum.broken;
}
