// Makes the file system calls of a process fail or wait, for files below one directory: loaded with LD_PRELOAD.
//
// SICK_DISK_ROOT    the directory, absolute
// SICK_DISK_CONTROL a file of sizeof(struct control) bytes that says what to do now; changed while the process runs

#define _GNU_SOURCE

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { CALL_WRITE = 1, CALL_SYNC = 2, CALL_ALLOCATE = 4, CALL_CREATE = 8, CALL_CHANGE = 16 };
enum { AREA_METADATA = 1, AREA_EXTENTS = 2 };

struct control {
    uint32_t calls;     // which calls, CALL_*; 0 for a sound disk
    uint32_t areas;     // below which directories, AREA_*
    uint32_t error;     // the errno; 0 lets the call through after the delay
    uint32_t delay_ms;  // waits before anything else
    uint32_t tears;     // every other failing write puts half of its bytes into the file first
    uint32_t padding;
    uint64_t hits;      // calls that failed or waited
};

static volatile struct control *control;
static char root[PATH_MAX];
static size_t root_length;

__attribute__((constructor)) static void start(void) {
    const char *directory = getenv("SICK_DISK_ROOT"), *path = getenv("SICK_DISK_CONTROL");
    if (directory == NULL || path == NULL) return;
    root_length = strlen(directory);
    if (root_length >= sizeof root) return;
    memcpy(root, directory, root_length + 1);
    int descriptor = open(path, O_RDWR | O_CLOEXEC);
    if (descriptor < 0) return;
    void *mapped = mmap(NULL, sizeof(struct control), PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
    if (mapped != MAP_FAILED) control = mapped;
    close(descriptor);
}

static uint32_t area_of(const char *path) {
    if (strncmp(path, root, root_length) != 0 || path[root_length] != '/') return 0;
    const char *rest = path + root_length + 1;
    if (strncmp(rest, "metadata/", 9) == 0) return AREA_METADATA;
    if (strncmp(rest, "extents/", 8) == 0) return AREA_EXTENTS;
    return 0;
}

static uint32_t area_of_descriptor(int descriptor) {
    char link[64], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t count = readlink(link, path, sizeof path - 1);
    if (count < 0) return 0;
    path[count] = 0;
    if (strncmp(path, root, root_length) == 0 && strcmp(path + root_length, "/metadata") == 0) return AREA_METADATA;
    return area_of(path);
}

static void wait_ms(uint32_t milliseconds) {
    struct timespec time = {milliseconds / 1000, (milliseconds % 1000) * 1000000L};
    nanosleep(&time, NULL);
}

// Whether the call must fail; errno is set then. Waits if it must wait.
static int strikes(uint32_t call, uint32_t area) {
    if ((control->areas & area) == 0) return 0;
    __atomic_add_fetch(&control->hits, 1, __ATOMIC_RELAXED);
    if (control->delay_ms) wait_ms(control->delay_ms);
    if (control->error == 0) return 0;
    errno = (int)control->error;
    return 1;
}

static int watches(uint32_t call) { return control != NULL && (control->calls & call) != 0; }
static int fails_descriptor(uint32_t call, int descriptor) {
    return watches(call) && strikes(call, area_of_descriptor(descriptor));
}
static int fails_path(uint32_t call, const char *path) { return watches(call) && strikes(call, area_of(path)); }

// Half of a failing write, if it is one that tears; 0 for none.
static size_t torn(size_t count) {
    static uint32_t turn;
    if (!control->tears || count < 2 || __atomic_add_fetch(&turn, 1, __ATOMIC_RELAXED) % 2 == 0) return 0;
    return count / 2;
}

#define NEXT(name) \
    static __typeof__(&name) next; \
    if (next == NULL) next = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

ssize_t write(int descriptor, const void *bytes, size_t count) {
    NEXT(write);
    if (fails_descriptor(CALL_WRITE, descriptor)) {
        size_t half = torn(count);
        return half ? next(descriptor, bytes, half) : -1;
    }
    return next(descriptor, bytes, count);
}

ssize_t pwrite(int descriptor, const void *bytes, size_t count, off_t offset) {
    NEXT(pwrite);
    if (fails_descriptor(CALL_WRITE, descriptor)) {
        size_t half = torn(count);
        return half ? next(descriptor, bytes, half, offset) : -1;
    }
    return next(descriptor, bytes, count, offset);
}

ssize_t writev(int descriptor, const struct iovec *parts, int count) {
    NEXT(writev);
    return fails_descriptor(CALL_WRITE, descriptor) ? -1 : next(descriptor, parts, count);
}

ssize_t pwritev(int descriptor, const struct iovec *parts, int count, off_t offset) {
    NEXT(pwritev);
    return fails_descriptor(CALL_WRITE, descriptor) ? -1 : next(descriptor, parts, count, offset);
}

int fsync(int descriptor) {
    NEXT(fsync);
    return fails_descriptor(CALL_SYNC, descriptor) ? -1 : next(descriptor);
}

int fdatasync(int descriptor) {
    NEXT(fdatasync);
    return fails_descriptor(CALL_SYNC, descriptor) ? -1 : next(descriptor);
}

int fallocate(int descriptor, int mode, off_t offset, off_t length) {
    NEXT(fallocate);
    // Giving space back needs none.
    uint32_t call = mode & FALLOC_FL_PUNCH_HOLE ? CALL_CHANGE : CALL_ALLOCATE;
    return fails_descriptor(call, descriptor) ? -1 : next(descriptor, mode, offset, length);
}

int posix_fallocate(int descriptor, off_t offset, off_t length) {
    NEXT(posix_fallocate);
    return fails_descriptor(CALL_ALLOCATE, descriptor) ? errno : next(descriptor, offset, length);
}

int ftruncate(int descriptor, off_t length) {
    NEXT(ftruncate);
    return fails_descriptor(CALL_CHANGE, descriptor) ? -1 : next(descriptor, length);
}

int rename(const char *from, const char *to) {
    NEXT(rename);
    return fails_path(CALL_CHANGE, to) ? -1 : next(from, to);
}

int unlink(const char *path) {
    NEXT(unlink);
    return fails_path(CALL_CHANGE, path) ? -1 : next(path);
}

int open(const char *path, int flags, ...) {
    NEXT(open);
    va_list arguments;
    va_start(arguments, flags);
    mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(arguments, mode_t) : 0;
    va_end(arguments);
    int writes = (flags & O_ACCMODE) != O_RDONLY;
    if (writes && watches(CALL_CREATE)) {
        // A full disk lets files be opened that exist; one that is read-only does not.
        int exists = access(path, F_OK) == 0;
        if ((!exists || control->error == EROFS) && strikes(CALL_CREATE, area_of(path))) return -1;
    }
    return next(path, flags, mode);
}
