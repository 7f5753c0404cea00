#ifndef FOREBAY_CFILESYSTEM_H
#define FOREBAY_CFILESYSTEM_H

#include <stddef.h>
#include <stdint.h>

/// Linux file calls that the C library keeps from Swift (they stand behind _GNU_SOURCE). Each answers 0 or the negative
/// errno, if nothing else is said.

/// Allocates the range and lets the file's size grow to its end.
int forebay_preallocate(int descriptor, int64_t offset, int64_t length);

/// Gives the range's blocks back; it then reads as zeros. The file's size stays.
int forebay_punch_hole(int descriptor, int64_t offset, int64_t length);

/// How many bytes of the range the page cache holds, or the negative errno. 0 on a file system in memory: it is the cache.
int64_t forebay_cached_bytes(int descriptor, int64_t offset, int64_t length);

/// Asks the kernel to begin writing the range's dirty pages; says nothing about durability.
int forebay_start_writeback(int descriptor, int64_t offset, int64_t length);

/// Reads what the page cache has of the range, never waiting for the disk. Answers the bytes read; 0 at the end of the file;
/// -EAGAIN when the first byte is not there, -EOPNOTSUPP when the file system cannot tell.
int64_t forebay_read_cached(int descriptor, void *buffer, size_t length, int64_t offset);

/// Reads, past interruptions. Answers the bytes read, which may be fewer than asked for; 0 at the end of the file.
int64_t forebay_read(int descriptor, void *buffer, size_t length, int64_t offset);

#endif
