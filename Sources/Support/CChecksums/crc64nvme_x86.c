#include "crc64nvme.h"

#if defined(__x86_64__)

#include <immintrin.h>

bool forebay_crc64nvme_can_fold(void) {
    __builtin_cpu_init();
    return __builtin_cpu_supports("pclmul") && __builtin_cpu_supports("sse4.1");
}

#define FOLDING __attribute__((target("pclmul,sse4.1")))

FOLDING static inline __m128i load(const uint8_t *bytes) { return _mm_loadu_si128((const __m128i *)bytes); }

FOLDING static inline __m128i step(__m128i accumulator, __m128i constants, __m128i next) {
    __m128i low = _mm_clmulepi64_si128(accumulator, constants, 0x00);
    __m128i high = _mm_clmulepi64_si128(accumulator, constants, 0x11);
    return _mm_xor_si128(_mm_xor_si128(low, high), next);
}

/// Folding as in "Fast CRC Computation for Generic Polynomials Using PCLMULQDQ Instruction" (Intel, 2009). The last 16
/// bytes go through the tables, which costs less code than a Barrett reduction and no time that shows.
FOLDING uint64_t forebay_crc64nvme_fold(uint64_t state, const uint8_t *bytes, size_t count, size_t *taken) {
    const uint8_t *at = bytes;
    __m128i lanes[fold_lanes];
    for (int lane = 0; lane < fold_lanes; lane++) lanes[lane] = load(at + 16 * lane);
    lanes[0] = _mm_xor_si128(lanes[0], _mm_cvtsi64_si128((long long)state));
    at += fold_stride;
    count -= fold_stride;

    const __m128i far = _mm_set_epi64x(
        (long long)forebay_crc64nvme_fold_stride.high, (long long)forebay_crc64nvme_fold_stride.low);
    for (; count >= fold_stride; at += fold_stride, count -= fold_stride) {
#pragma clang loop unroll(full)
        for (int lane = 0; lane < fold_lanes; lane++) lanes[lane] = step(lanes[lane], far, load(at + 16 * lane));
    }

    const __m128i near = _mm_set_epi64x(
        (long long)forebay_crc64nvme_fold_16.high, (long long)forebay_crc64nvme_fold_16.low);
    __m128i rest = lanes[0];
    for (int lane = 1; lane < fold_lanes; lane++) rest = step(rest, near, lanes[lane]);
    for (; count >= 16; at += 16, count -= 16) rest = step(rest, near, load(at));

    uint8_t last[16];
    _mm_storeu_si128((__m128i *)last, rest);
    *taken = (size_t)(at - bytes);
    return forebay_crc64nvme_update_portable(0, last, sizeof last);
}

#endif
