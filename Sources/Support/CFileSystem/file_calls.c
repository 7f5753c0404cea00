#define _GNU_SOURCE

#include "CFileSystem.h"

#include <errno.h>
#include <unistd.h>

int64_t forebay_read(int descriptor, void *buffer, size_t length, int64_t offset) {
    while (1) {
        ssize_t count = pread(descriptor, buffer, length, offset);
        if (count >= 0) return count;
        if (errno != EINTR) return -errno;
    }
}

#if defined(__linux__)

#include <fcntl.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <sys/vfs.h>

int forebay_preallocate(int descriptor, int64_t offset, int64_t length) {
    return fallocate(descriptor, 0, offset, length) == 0 ? 0 : -errno;
}

int forebay_punch_hole(int descriptor, int64_t offset, int64_t length) {
    return fallocate(descriptor, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, length) == 0 ? 0 : -errno;
}

int64_t forebay_cached_bytes(int descriptor, int64_t offset, int64_t length) {
    struct statfs system;
    if (fstatfs(descriptor, &system) != 0) return -errno;
    if (system.f_type == TMPFS_MAGIC || system.f_type == RAMFS_MAGIC) return 0;
    int64_t page = sysconf(_SC_PAGESIZE);
    int64_t begin = offset / page * page;
    size_t size = (size_t)(offset + length - begin);
    size_t pages = (size + (size_t)page - 1) / (size_t)page;
    unsigned char *states = malloc(pages);
    if (states == NULL) return -ENOMEM;
    int64_t answer = 0;
    // Nothing is read through the mapping, so a file that is cut meanwhile does no harm.
    void *mapping = mmap(NULL, size, PROT_READ, MAP_SHARED, descriptor, begin);
    if (mapping == MAP_FAILED || mincore(mapping, size, states) != 0) {
        answer = -errno;
    } else {
        for (size_t index = 0; index < pages; index++) answer += (states[index] & 1) * page;
    }
    if (mapping != MAP_FAILED) munmap(mapping, size);
    free(states);
    return answer;
}

int forebay_start_writeback(int descriptor, int64_t offset, int64_t length) {
    return sync_file_range(descriptor, offset, length, SYNC_FILE_RANGE_WRITE) == 0 ? 0 : -errno;
}

int64_t forebay_read_cached(int descriptor, void *buffer, size_t length, int64_t offset) {
    struct iovec space = {buffer, length};
    ssize_t count = preadv2(descriptor, &space, 1, offset, RWF_NOWAIT);
    return count >= 0 ? count : -errno;
}

#else

int64_t forebay_read_cached(int descriptor, void *buffer, size_t length, int64_t offset) { return -EOPNOTSUPP; }

int forebay_preallocate(int descriptor, int64_t offset, int64_t length) { return -ENOTSUP; }
int forebay_punch_hole(int descriptor, int64_t offset, int64_t length) { return -ENOTSUP; }
int64_t forebay_cached_bytes(int descriptor, int64_t offset, int64_t length) { return 0; }
int forebay_start_writeback(int descriptor, int64_t offset, int64_t length) { return 0; }

#endif
