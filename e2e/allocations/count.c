// Counts the allocations of a process from inside: a library for LD_PRELOAD.
//
// ALLOCATION_COUNTS names a file of at least sizeof(Board) zero bytes, mapped shared; whoever else maps it reads the
// counts while the process runs, and sets `tracing` to have the call stack of each allocation counted as well.
// The layout is known to allocations.py (counts) and sites.py (stacks): keep the three alike.
//
// What counts is a call of malloc, calloc, realloc, posix_memalign, aligned_alloc or memalign; C++'s operator new and
// Swift's swift_allocObject end in one of these. Memory from mmap and the pages behind the heap do not count.

#define _GNU_SOURCE
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { DEPTH = 28, SITES = 1 << 14, OWN_FRAMES = 2 };

typedef struct {
    atomic_uint_least64_t stack;  // hash of the addresses, 0: free
    atomic_uint_least64_t calls, bytes;
    uint64_t depth;
    void *frames[DEPTH];
} Site;

typedef struct {
    atomic_uint_least64_t calls, bytes;
    atomic_uint_least64_t tracing;
    atomic_uint_least64_t lost;  // stacks that found no free place
    Site sites[SITES];
} Board;

// glibc's own names of the functions that this library stands in front of; going by dlsym would allocate.
void *__libc_malloc(size_t);
void *__libc_calloc(size_t, size_t);
void *__libc_realloc(void *, size_t);
void *__libc_memalign(size_t, size_t);

static Board *board;
static _Thread_local int inside __attribute__((tls_model("initial-exec")));

static void trace(size_t bytes) {
    void *frames[DEPTH + OWN_FRAMES];
    int depth = backtrace(frames, DEPTH + OWN_FRAMES) - OWN_FRAMES;
    if (depth <= 0) return;
    uint64_t hash = 0xcbf29ce484222325u;
    for (int i = 0; i < depth; i++) hash = (hash ^ (uintptr_t)frames[i + OWN_FRAMES]) * 0x100000001b3u;
    hash |= 1;
    for (unsigned step = 0; step < 64; step++) {
        Site *site = &board->sites[((hash >> 20) + step) % SITES];
        uint_least64_t found = 0;
        if (atomic_compare_exchange_strong(&site->stack, &found, hash)) {
            memcpy(site->frames, frames + OWN_FRAMES, (size_t)depth * sizeof *frames);
            site->depth = (uint64_t)depth;
        } else if (found != hash) {
            continue;
        }
        atomic_fetch_add_explicit(&site->calls, 1, memory_order_relaxed);
        atomic_fetch_add_explicit(&site->bytes, bytes, memory_order_relaxed);
        return;
    }
    atomic_fetch_add_explicit(&board->lost, 1, memory_order_relaxed);
}

static __attribute__((noinline)) void count(size_t bytes) {
    if (!board || inside) return;
    atomic_fetch_add_explicit(&board->calls, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&board->bytes, bytes, memory_order_relaxed);
    if (!atomic_load_explicit(&board->tracing, memory_order_relaxed)) return;
    inside = 1;  // the unwinder allocates once in its life
    trace(bytes);
    inside = 0;
}

void *malloc(size_t size) {
    count(size);
    return __libc_malloc(size);
}

void *calloc(size_t number, size_t size) {
    count(number * size);
    return __libc_calloc(number, size);
}

void *realloc(void *old, size_t size) {
    count(size);
    return __libc_realloc(old, size);
}

void *memalign(size_t alignment, size_t size) {
    count(size);
    return __libc_memalign(alignment, size);
}

void *aligned_alloc(size_t alignment, size_t size) {
    count(size);
    return __libc_memalign(alignment, size);
}

int posix_memalign(void **result, size_t alignment, size_t size) {
    if (alignment % sizeof(void *) || alignment & (alignment - 1) || !alignment) return EINVAL;
    count(size);
    void *memory = __libc_memalign(alignment, size);
    if (!memory) return ENOMEM;
    *result = memory;
    return 0;
}

static __attribute__((constructor)) void start(void) {
    const char *path = getenv("ALLOCATION_COUNTS");
    struct stat info;
    int file = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    if (file < 0) return;
    if (fstat(file, &info) == 0 && (size_t)info.st_size >= sizeof *board) {
        void *mapped = mmap(NULL, sizeof *board, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
        void *first[1];
        backtrace(first, 1);  // loads the unwinder
        if (mapped != MAP_FAILED) board = mapped;
    }
    close(file);
}
