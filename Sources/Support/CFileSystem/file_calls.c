#define _GNU_SOURCE

#include "CFileSystem.h"

#include <errno.h>

#if defined(__linux__)

#include <fcntl.h>

int forebay_preallocate(int descriptor, int64_t offset, int64_t length) {
    return fallocate(descriptor, 0, offset, length) == 0 ? 0 : -errno;
}

int forebay_punch_hole(int descriptor, int64_t offset, int64_t length) {
    return fallocate(descriptor, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, length) == 0 ? 0 : -errno;
}

int forebay_start_writeback(int descriptor, int64_t offset, int64_t length) {
    return sync_file_range(descriptor, offset, length, SYNC_FILE_RANGE_WRITE) == 0 ? 0 : -errno;
}

#else

int forebay_preallocate(int descriptor, int64_t offset, int64_t length) { return -ENOTSUP; }
int forebay_punch_hole(int descriptor, int64_t offset, int64_t length) { return -ENOTSUP; }
int forebay_start_writeback(int descriptor, int64_t offset, int64_t length) { return 0; }

#endif
