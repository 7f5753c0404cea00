#ifndef FOREBAY_CCHECKSUMS_H
#define FOREBAY_CCHECKSUMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/// CRC-64/NVME: reflected polynomial 0x9A6C9329AC4BC9B5, all ones in and out. `state` is the running register: it starts
/// as `~0` and the checksum is its complement. These functions hold no memory between calls and may run on any thread.

/// Uses carry-less multiplication where the processor has it.
uint64_t forebay_crc64nvme_update(uint64_t state, const void *bytes, size_t count);

/// Tables alone: runs on every processor.
uint64_t forebay_crc64nvme_update_portable(uint64_t state, const void *bytes, size_t count);

/// Whether `forebay_crc64nvme_update` multiplies without carries on this processor.
bool forebay_crc64nvme_is_accelerated(void);

/// The checksum of A followed by B, from the checksums of both and the length of B.
uint64_t forebay_crc64nvme_combine(uint64_t a, uint64_t b, uint64_t length_of_b);

#endif
