#include "crc64nvme.h"

#include <string.h>

static const uint64_t polynomial = 0x9A6C9329AC4BC9B5u;

/// table[k][b]: what byte b does to the register when k more bytes follow it.
static uint64_t table[8][256];
/// doubling[k] = x^(2^k) modulo the polynomial, reflected: bit 63 is x^0.
static uint64_t doubling[67];
static bool can_fold;

struct fold_constants forebay_crc64nvme_fold_stride;
struct fold_constants forebay_crc64nvme_fold_16;

static uint64_t times_x(uint64_t a) { return (a >> 1) ^ (a & 1 ? polynomial : 0); }

static uint64_t multiply(uint64_t a, uint64_t b) {
    uint64_t product = 0;
    for (int bit = 63; bit >= 0; bit--) {
        if (a >> bit & 1) product ^= b;
        b = times_x(b);
    }
    return product;
}

/// x^(n · 2^shift) modulo the polynomial.
static uint64_t power_of_x(uint64_t n, unsigned shift) {
    uint64_t result = (uint64_t)1 << 63;
    for (unsigned k = shift; n != 0; n >>= 1, k++) {
        if (n & 1) result = multiply(doubling[k], result);
    }
    return result;
}

/// A carry-less product of two reflected words is one bit short of the reflected product, hence the "- 1": the constant
/// for x^n is x^(n-1).
static struct fold_constants constants_for(unsigned distance_bytes) {
    unsigned bits = 8 * distance_bytes;
    return (struct fold_constants){.low = power_of_x(bits + 64 - 1, 0), .high = power_of_x(bits - 1, 0)};
}

/// Before main, so that no caller ever waits or races for the tables.
__attribute__((constructor)) static void prepare(void) {
    for (unsigned byte = 0; byte < 256; byte++) {
        uint64_t value = byte;
        for (int bit = 0; bit < 8; bit++) value = times_x(value);
        table[0][byte] = value;
    }
    for (unsigned byte = 0; byte < 256; byte++) {
        for (int k = 1; k < 8; k++) {
            uint64_t before = table[k - 1][byte];
            table[k][byte] = (before >> 8) ^ table[0][before & 0xFF];
        }
    }
    doubling[0] = (uint64_t)1 << 62;
    for (int k = 1; k < 67; k++) doubling[k] = multiply(doubling[k - 1], doubling[k - 1]);
    forebay_crc64nvme_fold_stride = constants_for(fold_stride);
    forebay_crc64nvme_fold_16 = constants_for(16);
#ifdef FOREBAY_CRC64NVME_FOLDS
    can_fold = forebay_crc64nvme_can_fold();
#endif
}

uint64_t forebay_crc64nvme_update_portable(uint64_t state, const void *bytes, size_t count) {
    const uint8_t *at = bytes;
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    for (; count >= 8; at += 8, count -= 8) {
        uint64_t word;
        memcpy(&word, at, 8);
        word ^= state;
        state = table[7][word & 0xFF] ^ table[6][word >> 8 & 0xFF] ^ table[5][word >> 16 & 0xFF]
            ^ table[4][word >> 24 & 0xFF] ^ table[3][word >> 32 & 0xFF] ^ table[2][word >> 40 & 0xFF]
            ^ table[1][word >> 48 & 0xFF] ^ table[0][word >> 56];
    }
#endif
    for (; count > 0; at++, count--) state = (state >> 8) ^ table[0][(state ^ *at) & 0xFF];
    return state;
}

uint64_t forebay_crc64nvme_update(uint64_t state, const void *bytes, size_t count) {
    const uint8_t *at = bytes;
#ifdef FOREBAY_CRC64NVME_FOLDS
    if (can_fold && count >= fold_stride) {
        size_t taken = 0;
        state = forebay_crc64nvme_fold(state, at, count, &taken);
        at += taken;
        count -= taken;
    }
#endif
    return forebay_crc64nvme_update_portable(state, at, count);
}

bool forebay_crc64nvme_is_accelerated(void) { return can_fold; }

uint64_t forebay_crc64nvme_combine(uint64_t a, uint64_t b, uint64_t length_of_b) {
    // Advancing A through |B| zero bytes; the all-ones in and out cancel.
    return multiply(power_of_x(length_of_b, 3), a) ^ b;
}
