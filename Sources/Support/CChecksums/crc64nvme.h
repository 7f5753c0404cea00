#ifndef FOREBAY_CRC64NVME_H
#define FOREBAY_CRC64NVME_H

#include "CChecksums.h"

/// What one folding step multiplies by: a 16-byte accumulator moves `distance` bytes ahead in the message.
/// `low` is for the accumulator's first eight bytes, `high` for its last eight.
struct fold_constants {
    uint64_t low;
    uint64_t high;
};

/// Eight accumulators of 16 bytes are folded at once; at the end each is folded onto its neighbour.
enum { fold_lanes = 8, fold_stride = 16 * fold_lanes };

extern struct fold_constants forebay_crc64nvme_fold_stride;
extern struct fold_constants forebay_crc64nvme_fold_16;

#if defined(__x86_64__) || defined(__aarch64__)
#define FOREBAY_CRC64NVME_FOLDS 1
bool forebay_crc64nvme_can_fold(void);
/// `count` is at least `fold_stride`. Takes a multiple of 16 bytes, answers how many in `taken`.
uint64_t forebay_crc64nvme_fold(uint64_t state, const uint8_t *bytes, size_t count, size_t *taken);
#endif

#endif
