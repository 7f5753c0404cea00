// Records what a process does to the files below one directory: preloaded into the unmodified binary, it appends every
// call that changes a file, a name or what is durable to a trace, in one order, with the bytes that were written.
//
//   RECORDER_ROOT      the directory that plays the disk; an absolute path without links
//   RECORDER_TRACE     the trace, opened for appending: others may append their own marks to it
//   RECORDER_SYNC_US   how long each sync takes at least, as on a disk: commits then share syncs
//
// A change is made and recorded under one lock, so that the order of the trace is the order of the changes. A sync is
// recorded twice, before and after the call: it covers what was recorded before its beginning, and holds once its end
// is recorded. What this library cannot follow (a shared writable mapping, a copy inside the kernel, a file opened for
// synchronous writing) is recorded as a gap, which fails the run; what it cannot see at all fails the comparison of the
// directory with what the trace rebuilds.
//
// Calls go straight to the kernel: no look-up of the next library, so nothing depends on the order of initialisation.

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum Kind {
    CREATE = 1, MAKE_DIRECTORY, TRUNCATE, WRITE, ALLOCATE, ALLOCATE_KEEPING_SIZE, PUNCH, RENAME, LINK, UNLINK,
    REMOVE_DIRECTORY, SYNC_BEGIN, SYNC_END, SYNC_ALL_BEGIN, SYNC_ALL_END, GAP,
    MARK  // written by others
};

// All numbers are those of the machine: the trace is read where it was made. `text` bytes of names follow (two names
// are separated by NUL), then `bytes` bytes of data.
typedef struct {
    uint32_t magic, kind;
    uint64_t inode;
    int64_t offset, length;
    uint32_t text, bytes;
} Header;

enum { MAGIC = 0x4c505246, KNOWN = 1 << 16 };

static char root[PATH_MAX];
static size_t root_length;
static dev_t device;
static int trace = -1;
static long sync_us;
static pthread_mutex_t order = PTHREAD_MUTEX_INITIALIZER;
static atomic_long syncs;
static _Atomic uint64_t known[KNOWN];  // inodes below the root, by open addressing; never forgotten

static void fail(const char *what) {
    dprintf(2, "recorder: %s: %s\n", what, strerror(errno));
    abort();
}

__attribute__((constructor)) static void start(void) {
    const char *directory = getenv("RECORDER_ROOT"), *path = getenv("RECORDER_TRACE");
    if (directory == NULL || path == NULL) return;
    struct stat status;
    if (stat(directory, &status) != 0) fail(directory);
    device = status.st_dev;
    root_length = strlen(directory);
    if (root_length >= sizeof root) fail("the root's path is too long");
    memcpy(root, directory, root_length + 1);
    const char *delay = getenv("RECORDER_SYNC_US");
    sync_us = delay ? atol(delay) : 0;
    trace = syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
    if (trace < 0) fail(path);
}

static void record(enum Kind kind, uint64_t inode, int64_t offset, int64_t length, const char *text, size_t text_length,
                   const struct iovec *data, int parts, size_t bytes) {
    int kept = errno;
    Header header = { MAGIC, kind, inode, offset, length, (uint32_t)text_length, (uint32_t)bytes };
    struct iovec all[2 + IOV_MAX];
    all[0] = (struct iovec){ &header, sizeof header };
    all[1] = (struct iovec){ (void *)text, text_length };
    int count = 2;
    size_t left = bytes;
    for (int i = 0; i < parts && left > 0 && count < IOV_MAX; i++) {
        size_t part = data[i].iov_len < left ? data[i].iov_len : left;
        all[count++] = (struct iovec){ data[i].iov_base, part };
        left -= part;
    }
    // One call, so that records of several processes never mix.
    if (left > 0 || syscall(SYS_writev, trace, all, count) != (long)(sizeof header + text_length + bytes))
        fail("the trace cannot be written");
    errno = kept;
}

static void gap(const char *call, uint64_t inode) { record(GAP, inode, 0, 0, call, strlen(call), NULL, 0, 0); }

static void learn(uint64_t inode) {
    for (uint64_t at = inode * 0x9E3779B97F4A7C15u >> 48;; at = (at + 1) % KNOWN) {
        uint64_t expected = 0;
        if (known[at] == inode || atomic_compare_exchange_strong(&known[at], &expected, inode) || expected == inode)
            return;
    }
}

static int is_known(uint64_t inode) {
    for (uint64_t at = inode * 0x9E3779B97F4A7C15u >> 48; known[at] != 0; at = (at + 1) % KNOWN)
        if (known[at] == inode) return 1;
    return 0;
}

// The inode of a regular file below the root; 0 for any other descriptor.
static uint64_t file_of(int descriptor) {
    struct stat status;
    int kept = errno;
    int is_file = trace >= 0 && fstat(descriptor, &status) == 0 && S_ISREG(status.st_mode) && status.st_dev == device
        && is_known(status.st_ino);
    errno = kept;
    return is_file ? status.st_ino : 0;
}

// The name below the root, with the directory's links resolved; 0 when it lies elsewhere.
static int below_root(int directory, const char *path, char name[PATH_MAX]) {
    if (trace < 0 || path == NULL) return 0;
    char full[PATH_MAX], parent[PATH_MAX];
    int kept = errno;
    if (path[0] != '/' && directory != AT_FDCWD) {
        char link[64];
        snprintf(link, sizeof link, "/proc/self/fd/%d", directory);
        ssize_t length = readlink(link, full, sizeof full - 1);
        if (length < 0) return 0;
        snprintf(full + length, sizeof full - length, "/%s", path);
    } else {
        snprintf(full, sizeof full, "%s", path);
    }
    size_t end = strlen(full);
    while (end > 1 && full[end - 1] == '/') full[--end] = 0;
    char *slash = strrchr(full, '/');
    const char *last = slash ? slash + 1 : full;
    int parent_length = slash == NULL || slash == full ? 1 : (int)(slash - full);
    snprintf(parent, sizeof parent, "%.*s", parent_length, slash ? full : ".");
    char resolved[PATH_MAX];
    int is_below = 0;
    // A directory that is not there yet is told by its text: the call will fail and record nothing.
    if (realpath(parent, resolved) != NULL && strcmp(last, "..") != 0 && strcmp(last, ".") != 0) {
        size_t length = strlen(resolved);
        if (strncmp(resolved, root, root_length) == 0 && (resolved[root_length] == '/' || resolved[root_length] == 0)) {
            const char *inside = length == root_length ? "" : resolved + root_length + 1;
            snprintf(name, PATH_MAX, "%s%s%s", inside, *inside ? "/" : "", last);
            is_below = 1;
        }
    }
    errno = kept;
    return is_below;
}

// --- Opening

static int open_recorded(int directory, const char *path, int flags, mode_t mode) {
    char name[PATH_MAX];
    if ((flags & O_TMPFILE) == O_TMPFILE || !below_root(directory, path, name))
        return syscall(SYS_openat, directory, path, flags, mode);
    pthread_mutex_lock(&order);
    struct stat status;
    int kept = errno;
    int existed = fstatat(directory, path, &status, 0) == 0;
    errno = kept;
    int descriptor = syscall(SYS_openat, directory, path, flags, mode);
    kept = errno;
    if (descriptor >= 0 && fstat(descriptor, &status) == 0 && S_ISREG(status.st_mode)) {
        learn(status.st_ino);
        if (!existed) record(CREATE, status.st_ino, 0, 0, name, strlen(name), NULL, 0, 0);
        else if (flags & O_TRUNC) record(TRUNCATE, status.st_ino, 0, 0, NULL, 0, NULL, 0, 0);
        if ((flags & O_DSYNC) && (flags & O_ACCMODE) != O_RDONLY) gap("open with O_DSYNC or O_SYNC", status.st_ino);
    }
    pthread_mutex_unlock(&order);
    errno = kept;
    return descriptor;
}

#define WITH_MODE(flags) \
    mode_t mode = 0; \
    if ((flags) & (O_CREAT | O_TMPFILE)) { \
        va_list rest; \
        va_start(rest, flags); \
        mode = va_arg(rest, mode_t); \
        va_end(rest); \
    }

int open(const char *path, int flags, ...) { WITH_MODE(flags) return open_recorded(AT_FDCWD, path, flags, mode); }
int open64(const char *path, int flags, ...) { WITH_MODE(flags) return open_recorded(AT_FDCWD, path, flags, mode); }
int openat(int at, const char *path, int flags, ...) { WITH_MODE(flags) return open_recorded(at, path, flags, mode); }
int openat64(int at, const char *path, int flags, ...) { WITH_MODE(flags) return open_recorded(at, path, flags, mode); }
int __open_2(const char *path, int flags) { return open_recorded(AT_FDCWD, path, flags, 0); }
int __open64_2(const char *path, int flags) { return open_recorded(AT_FDCWD, path, flags, 0); }
int creat(const char *path, mode_t mode) {
    return open_recorded(AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC, mode);
}

// --- Bytes

static ssize_t written(uint64_t inode, int64_t offset, const struct iovec *parts, int count, ssize_t result) {
    if (result > 0) record(WRITE, inode, offset, result, NULL, 0, parts, count, (size_t)result);
    return result;
}

// At the descriptor's own offset, which is asked for afterwards: it is right for O_APPEND too.
static ssize_t write_recorded(int descriptor, const struct iovec *parts, int count) {
    uint64_t inode = file_of(descriptor);
    if (inode == 0) return syscall(SYS_writev, descriptor, parts, count);
    pthread_mutex_lock(&order);
    ssize_t result = syscall(SYS_writev, descriptor, parts, count);
    int64_t end = result > 0 ? syscall(SYS_lseek, descriptor, 0, SEEK_CUR) : 0;
    written(inode, end - result, parts, count, result);
    pthread_mutex_unlock(&order);
    return result;
}

static ssize_t pwrite_recorded(int descriptor, const struct iovec *parts, int count, off_t offset, int flags) {
    uint64_t inode = file_of(descriptor);
    if (inode == 0) return syscall(SYS_pwritev2, descriptor, parts, count, offset, 0L, flags);
    pthread_mutex_lock(&order);
    if (flags != 0) gap("pwritev2 with flags", inode);
    ssize_t result = syscall(SYS_pwritev2, descriptor, parts, count, offset, 0L, flags);
    written(inode, offset, parts, count, result);
    pthread_mutex_unlock(&order);
    return result;
}

ssize_t write(int descriptor, const void *bytes, size_t count) {
    if (file_of(descriptor) == 0) return syscall(SYS_write, descriptor, bytes, count);
    struct iovec part = { (void *)bytes, count };
    return write_recorded(descriptor, &part, 1);
}
ssize_t writev(int descriptor, const struct iovec *parts, int count) {
    return write_recorded(descriptor, parts, count);
}
ssize_t pwrite(int descriptor, const void *bytes, size_t count, off_t offset) {
    struct iovec part = { (void *)bytes, count };
    return pwrite_recorded(descriptor, &part, 1, offset, 0);
}
ssize_t pwrite64(int descriptor, const void *bytes, size_t count, off_t offset) {
    return pwrite(descriptor, bytes, count, offset);
}
ssize_t pwritev(int descriptor, const struct iovec *parts, int count, off_t offset) {
    return pwrite_recorded(descriptor, parts, count, offset, 0);
}
ssize_t pwritev64(int descriptor, const struct iovec *parts, int count, off_t offset) {
    return pwrite_recorded(descriptor, parts, count, offset, 0);
}
ssize_t pwritev2(int descriptor, const struct iovec *parts, int count, off_t offset, int flags) {
    return offset == -1 && flags == 0 ? write_recorded(descriptor, parts, count)
                                      : pwrite_recorded(descriptor, parts, count, offset, flags);
}
ssize_t pwritev64v2(int descriptor, const struct iovec *parts, int count, off_t offset, int flags) {
    return pwritev2(descriptor, parts, count, offset, flags);
}

static int allocate_recorded(int descriptor, int mode, off_t offset, off_t length) {
    uint64_t inode = file_of(descriptor);
    if (inode == 0) return syscall(SYS_fallocate, descriptor, mode, offset, length);
    pthread_mutex_lock(&order);
    int result = syscall(SYS_fallocate, descriptor, mode, offset, length);
    if (result == 0) {
        enum Kind kind = mode == 0 ? ALLOCATE
            : mode == FALLOC_FL_KEEP_SIZE ? ALLOCATE_KEEPING_SIZE
            : mode == (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE) ? PUNCH : GAP;
        if (kind == GAP) gap("fallocate in an unknown mode", inode);
        else record(kind, inode, offset, length, NULL, 0, NULL, 0, 0);
    }
    pthread_mutex_unlock(&order);
    return result;
}

int fallocate(int descriptor, int mode, off_t offset, off_t length) {
    return allocate_recorded(descriptor, mode, offset, length);
}
int fallocate64(int descriptor, int mode, off_t offset, off_t length) {
    return allocate_recorded(descriptor, mode, offset, length);
}
int posix_fallocate(int descriptor, off_t offset, off_t length) {
    int kept = errno, result = allocate_recorded(descriptor, 0, offset, length) == 0 ? 0 : errno;
    errno = kept;
    return result;
}
int posix_fallocate64(int descriptor, off_t offset, off_t length) {
    return posix_fallocate(descriptor, offset, length);
}

int ftruncate(int descriptor, off_t size) {
    uint64_t inode = file_of(descriptor);
    if (inode == 0) return syscall(SYS_ftruncate, descriptor, size);
    pthread_mutex_lock(&order);
    int result = syscall(SYS_ftruncate, descriptor, size);
    if (result == 0) record(TRUNCATE, inode, 0, size, NULL, 0, NULL, 0, 0);
    pthread_mutex_unlock(&order);
    return result;
}
int ftruncate64(int descriptor, off_t size) { return ftruncate(descriptor, size); }

int truncate(const char *path, off_t size) {
    char name[PATH_MAX];
    if (below_root(AT_FDCWD, path, name)) gap("truncate", 0);
    return syscall(SYS_truncate, path, size);
}
int truncate64(const char *path, off_t size) { return truncate(path, size); }

ssize_t copy_file_range(int from, off64_t *from_at, int to, off64_t *to_at, size_t count, unsigned flags) {
    uint64_t inode = file_of(to);
    if (inode) gap("copy_file_range", inode);
    return syscall(SYS_copy_file_range, from, from_at, to, to_at, count, flags);
}
ssize_t sendfile(int to, int from, off_t *offset, size_t count) {
    uint64_t inode = file_of(to);
    if (inode) gap("sendfile", inode);
    return syscall(SYS_sendfile, to, from, offset, count);
}
ssize_t sendfile64(int to, int from, off_t *offset, size_t count) { return sendfile(to, from, offset, count); }
ssize_t splice(int from, off64_t *from_at, int to, off64_t *to_at, size_t count, unsigned flags) {
    uint64_t inode = file_of(to);
    if (inode) gap("splice", inode);
    return syscall(SYS_splice, from, from_at, to, to_at, count, flags);
}

void *mmap(void *address, size_t length, int protection, int flags, int descriptor, off_t offset) {
    if ((flags & (MAP_SHARED | MAP_SHARED_VALIDATE)) && (protection & PROT_WRITE) && descriptor >= 0) {
        uint64_t inode = file_of(descriptor);
        if (inode) gap("shared writable mmap", inode);
    }
    return (void *)syscall(SYS_mmap, address, length, protection, flags, descriptor, offset);
}
void *mmap64(void *address, size_t length, int protection, int flags, int descriptor, off_t offset) {
    return mmap(address, length, protection, flags, descriptor, offset);
}

// --- Names

int mkdirat(int directory, const char *path, mode_t mode) {
    char name[PATH_MAX];
    if (!below_root(directory, path, name)) return syscall(SYS_mkdirat, directory, path, mode);
    pthread_mutex_lock(&order);
    int result = syscall(SYS_mkdirat, directory, path, mode);
    struct stat status;
    if (result == 0 && fstatat(directory, path, &status, 0) == 0)
        record(MAKE_DIRECTORY, status.st_ino, 0, 0, name, strlen(name), NULL, 0, 0);
    pthread_mutex_unlock(&order);
    return result;
}
int mkdir(const char *path, mode_t mode) { return mkdirat(AT_FDCWD, path, mode); }

static int two_names(enum Kind kind, int from_at, const char *from, int to_at, const char *to, unsigned flags) {
    char names[2 * PATH_MAX], target[PATH_MAX];
    int from_below = below_root(from_at, from, names), to_below = below_root(to_at, to, target);
    long call = kind == RENAME ? SYS_renameat2 : SYS_linkat;
    if (!from_below && !to_below) return syscall(call, from_at, from, to_at, to, flags);
    pthread_mutex_lock(&order);
    if (!from_below || !to_below || (kind == RENAME && flags != 0)) gap("rename or link across the root, exchange", 0);
    int result = syscall(call, from_at, from, to_at, to, flags);
    if (result == 0) {
        size_t length = strlen(names) + 1;
        snprintf(names + length, PATH_MAX, "%s", target);
        record(kind, 0, 0, 0, names, length + strlen(target), NULL, 0, 0);
    }
    pthread_mutex_unlock(&order);
    return result;
}

int rename(const char *from, const char *to) { return two_names(RENAME, AT_FDCWD, from, AT_FDCWD, to, 0); }
int renameat(int from_at, const char *from, int to_at, const char *to) {
    return two_names(RENAME, from_at, from, to_at, to, 0);
}
int renameat2(int from_at, const char *from, int to_at, const char *to, unsigned flags) {
    return two_names(RENAME, from_at, from, to_at, to, flags);
}
int link(const char *from, const char *to) { return two_names(LINK, AT_FDCWD, from, AT_FDCWD, to, 0); }
int linkat(int from_at, const char *from, int to_at, const char *to, int flags) {
    return two_names(LINK, from_at, from, to_at, to, (unsigned)flags);
}

int unlinkat(int directory, const char *path, int flags) {
    char name[PATH_MAX];
    if (!below_root(directory, path, name)) return syscall(SYS_unlinkat, directory, path, flags);
    pthread_mutex_lock(&order);
    int result = syscall(SYS_unlinkat, directory, path, flags);
    if (result == 0)
        record(flags & AT_REMOVEDIR ? REMOVE_DIRECTORY : UNLINK, 0, 0, 0, name, strlen(name), NULL, 0, 0);
    pthread_mutex_unlock(&order);
    return result;
}
int unlink(const char *path) { return unlinkat(AT_FDCWD, path, 0); }
int rmdir(const char *path) { return unlinkat(AT_FDCWD, path, AT_REMOVEDIR); }
int remove(const char *path) {
    int result = unlink(path);
    return result != 0 && errno == EISDIR ? rmdir(path) : result;
}
int symlinkat(const char *target, int directory, const char *path) {
    char name[PATH_MAX];
    if (below_root(directory, path, name)) gap("symlink", 0);
    return syscall(SYS_symlinkat, target, directory, path);
}
int symlink(const char *target, const char *path) { return symlinkat(target, AT_FDCWD, path); }

// --- Syncs

static int sync_recorded(long call, int descriptor) {
    struct stat status;
    if (trace < 0 || fstat(descriptor, &status) != 0 || status.st_dev != device
        || (S_ISREG(status.st_mode) ? !is_known(status.st_ino) : !S_ISDIR(status.st_mode)))
        return syscall(call, descriptor);
    long number = atomic_fetch_add(&syncs, 1);
    int is_whole = call == SYS_fsync;
    record(SYNC_BEGIN, status.st_ino, number, is_whole, NULL, 0, NULL, 0, 0);
    if (sync_us > 0) usleep((useconds_t)sync_us);
    int result = syscall(call, descriptor);
    if (result == 0) record(SYNC_END, status.st_ino, number, is_whole, NULL, 0, NULL, 0, 0);
    return result;
}

int fsync(int descriptor) { return sync_recorded(SYS_fsync, descriptor); }
int fdatasync(int descriptor) { return sync_recorded(SYS_fdatasync, descriptor); }

static int sync_everything(long call, int descriptor) {
    long number = atomic_fetch_add(&syncs, 1);
    if (trace >= 0) record(SYNC_ALL_BEGIN, 0, number, 0, NULL, 0, NULL, 0, 0);
    int result = syscall(call, descriptor);
    if (trace >= 0 && result == 0) record(SYNC_ALL_END, 0, number, 0, NULL, 0, NULL, 0, 0);
    return result;
}
int syncfs(int descriptor) { return sync_everything(SYS_syncfs, descriptor); }
void sync(void) { sync_everything(SYS_sync, 0); }

// Not a sync: it waits for no disk cache and writes no metadata (sync_file_range(2)).
int sync_file_range(int descriptor, off64_t offset, off64_t length, unsigned flags) {
    return syscall(SYS_sync_file_range, descriptor, offset, length, flags);
}
