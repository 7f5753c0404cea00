#include "crc64nvme.h"

#if defined(__aarch64__)

#include <arm_neon.h>

#if defined(__linux__)
#include <sys/auxv.h>
#ifndef HWCAP_PMULL
#define HWCAP_PMULL (1 << 4)
#endif
bool forebay_crc64nvme_can_fold(void) { return (getauxval(AT_HWCAP) & HWCAP_PMULL) != 0; }
#else
bool forebay_crc64nvme_can_fold(void) { return true; }
#endif

#define FOLDING __attribute__((target("aes")))

FOLDING static inline uint64x2_t step(uint64x2_t accumulator, uint64x2_t constants, uint64x2_t next) {
    poly128_t low = vmull_p64((poly64_t)vgetq_lane_u64(accumulator, 0), (poly64_t)vgetq_lane_u64(constants, 0));
    poly128_t high = vmull_high_p64(vreinterpretq_p64_u64(accumulator), vreinterpretq_p64_u64(constants));
    return veorq_u64(veorq_u64(vreinterpretq_u64_p128(low), vreinterpretq_u64_p128(high)), next);
}

FOLDING static inline uint64x2_t load(const uint8_t *bytes) { return vreinterpretq_u64_u8(vld1q_u8(bytes)); }

/// The same folding as on x86-64; see there.
FOLDING uint64_t forebay_crc64nvme_fold(uint64_t state, const uint8_t *bytes, size_t count, size_t *taken) {
    const uint8_t *at = bytes;
    uint64x2_t lanes[fold_lanes];
    for (int lane = 0; lane < fold_lanes; lane++) lanes[lane] = load(at + 16 * lane);
    lanes[0] = veorq_u64(lanes[0], vsetq_lane_u64(state, vdupq_n_u64(0), 0));
    at += fold_stride;
    count -= fold_stride;

    const uint64x2_t far = {forebay_crc64nvme_fold_stride.low, forebay_crc64nvme_fold_stride.high};
    for (; count >= fold_stride; at += fold_stride, count -= fold_stride) {
#pragma clang loop unroll(full)
        for (int lane = 0; lane < fold_lanes; lane++) lanes[lane] = step(lanes[lane], far, load(at + 16 * lane));
    }

    const uint64x2_t near = {forebay_crc64nvme_fold_16.low, forebay_crc64nvme_fold_16.high};
    uint64x2_t rest = lanes[0];
    for (int lane = 1; lane < fold_lanes; lane++) rest = step(rest, near, lanes[lane]);
    for (; count >= 16; at += 16, count -= 16) rest = step(rest, near, load(at));

    uint8_t last[16];
    vst1q_u8(last, vreinterpretq_u8_u64(rest));
    *taken = (size_t)(at - bytes);
    return forebay_crc64nvme_update_portable(0, last, sizeof last);
}

#endif
