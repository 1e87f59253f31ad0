// A CRC-32C behind each packed chunk (RFC 3720, appendix B.4: polynomial 1EDC6F41, reflected).
//
// A block takes a chunk; its threads take the remainder of one piece each. A CRC is linear: that of two pieces is the
// first's, multiplied by x to the number of bits of the second modulo the polynomial, xor the second's. Pieces are counted
// from the end, so that all but the first are of one length, and each round of joining neighbours multiplies by one number.

#include "common.h"

#define POLYNOMIAL 0x82F63B78u
#define TABLES 4
#define LEAST_PIECE 128

struct CrcParams {
    uint64_t chunks;
    uint64_t regions;
    const uint32_t *order;
    // First packed position, chunks, tail: see aggregate.cu.
    const uint32_t *table;
    const unsigned char *source;
    uint64_t stride;
    const uint64_t *sizes;
    uint64_t size;
    unsigned char *packed;
    uint64_t room;
    const uint64_t *index;
    // x^(8 * LEAST_PIECE * 2^k) modulo the polynomial, for each k.
    uint32_t powers[40];
};

// a * b modulo the polynomial; bit 31 is the coefficient of x^0.
static __device__ uint32_t multiply(uint32_t a, uint32_t b) {
    uint32_t product = 0;
    for (uint32_t bit = 1u << 31; bit != 0; bit >>= 1) {
        product ^= (a & bit) ? b : 0;
        b = (b & 1) ? (b >> 1) ^ POLYNOMIAL : b >> 1;
    }
    return product;
}

// Remainders of each byte followed by 0 to 3 zero bytes.
static __device__ void make_tables(uint32_t *tables) {
    for (uint32_t i = threadIdx.x; i < 256; i += blockDim.x) {
        uint32_t crc = i;
        for (int k = 0; k < TABLES; k++) {
            for (int bit = 0; bit < 8; bit++) {
                crc = (crc & 1) ? (crc >> 1) ^ POLYNOMIAL : crc >> 1;
            }
            tables[256 * k + i] = crc;
        }
    }
}

static __device__ uint32_t remainder_of(const unsigned char *bytes, uint64_t count, uint32_t crc, const uint32_t *tables) {
    while (count > 0 && ((uint64_t)bytes & 3) != 0) {
        crc = (crc >> 8) ^ tables[(crc ^ *bytes) & 255];
        bytes++;
        count--;
    }
    for (; count >= 4; bytes += 4, count -= 4) {
        crc ^= *(const uint32_t *)bytes;
        crc = tables[768 + (crc & 255)] ^ tables[512 + ((crc >> 8) & 255)] ^ tables[256 + ((crc >> 16) & 255)] ^
              tables[crc >> 24];
    }
    for (; count > 0; bytes++, count--) {
        crc = (crc >> 8) ^ tables[(crc ^ *bytes) & 255];
    }
    return crc;
}

extern "C" __global__ void crc32c(const __grid_constant__ CrcParams p) {
    SHARED_BYTES(shared);
    uint32_t *tables = (uint32_t *)shared, *sums = tables + 256 * TABLES;
    uint64_t position = blockIdx.x;
    uint32_t chunk = p.order[position];
    uint64_t size = p.sizes ? p.sizes[chunk] : p.size;
    uint64_t low = 0, high = p.regions;
    while (high - low > 1) {
        uint64_t middle = (low + high) / 2;
        if (p.table[3 * middle] <= position) {
            low = middle;
        } else {
            high = middle;
        }
    }
    uint64_t at = p.index[position + low] + size;
    make_tables(tables);
    __syncthreads();
    uint32_t doubled = 0;
    while (((uint64_t)LEAST_PIECE << doubled) * blockDim.x < size) {
        doubled++;
    }
    uint64_t piece = (uint64_t)LEAST_PIECE << doubled;
    uint64_t behind = piece * (blockDim.x - 1 - threadIdx.x);
    uint64_t end = behind < size ? size - behind : 0, begin = piece < end ? end - piece : 0;
    // The chunk begins with all ones, which is how a CRC-32C begins.
    uint32_t crc = begin == 0 && end > 0 ? 0xFFFFFFFFu : 0;
    sums[threadIdx.x] = remainder_of(p.source + chunk * p.stride + begin, end - begin, crc, tables);
    __syncthreads();
    for (uint32_t step = 1; step < blockDim.x; step *= 2, doubled++) {
        if (threadIdx.x % (2 * step) == 0) {
            sums[threadIdx.x] = multiply(p.powers[doubled], sums[threadIdx.x]) ^ sums[threadIdx.x + step];
        }
        __syncthreads();
    }
    // Nothing at all leaves the ones as they are.
    uint32_t whole = size == 0 ? 0xFFFFFFFFu : sums[0];
    if (threadIdx.x < 4 && at + 4 <= p.room) {
        p.packed[at + threadIdx.x] = (unsigned char)(~whole >> (8 * threadIdx.x));
    }
}
