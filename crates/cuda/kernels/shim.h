// CUDA's words, said to a C++ compiler for the CPU, so that kernels run where there is no GPU: see emulator.cpp, which runs
// the threads and says when they do not meet as they must.
#pragma once

#include <stdint.h>
#include <string.h>

#define __global__
#define __device__
#define __grid_constant__
#define __forceinline__ inline
#define __noinline__ __attribute__((noinline))
#define __launch_bounds__(...)
#define __align__(n) alignas(n)
#define __constant__ const

struct Dim3 {
    uint32_t x, y, z;
};

extern Dim3 gridDim, blockDim, blockIdx, threadIdx;
// The block's shared memory; its contents are noise when a block begins.
extern unsigned char *shim_shared;

#define SHARED_BYTES(name) unsigned char *name = shim_shared

namespace emulator {

// What lanes of a warp do together; the number tells apart what must not meet.
enum Together { SYNC, SHUFFLE, SHUFFLE_UP, SHUFFLE_DOWN, SHUFFLE_XOR, BALLOT, MATCH, SUM, LEAST, MOST, AND, OR, XOR };

// Waits for all lanes of the mask, and gives this lane what comes of their values.
uint64_t meet(Together what, uint32_t mask, uint64_t value, uint32_t argument, const char *file, int line);
// Waits for all threads of the block, and says whether any of them said so.
bool barrier(bool says, const char *file, int line);

template <typename T> static inline uint64_t bits(T value) {
    static_assert(sizeof(T) <= 8, "lanes exchange up to eight bytes");
    uint64_t bits = 0;
    memcpy(&bits, &value, sizeof value);
    return bits;
}

template <typename T> static inline T value(uint64_t bits) {
    T value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

} // namespace emulator

// Where a word stands in the kernel.
#define FROM_HERE const char *file = __builtin_FILE(), int line = __builtin_LINE()

static inline void __syncthreads(FROM_HERE) {
    emulator::barrier(false, file, line);
}
static inline int __syncthreads_or(int says, FROM_HERE) {
    return emulator::barrier(says != 0, file, line);
}
static inline void __syncwarp(uint32_t mask = ~0u, FROM_HERE) {
    emulator::meet(emulator::SYNC, mask, 0, 0, file, line);
}

#define SHUFFLE(name, what)                                                                                            \
    template <typename T> static inline T name(uint32_t mask, T value, uint32_t argument, FROM_HERE) {                 \
        return emulator::value<T>(emulator::meet(emulator::what, mask, emulator::bits(value), argument, file, line));  \
    }
SHUFFLE(__shfl_sync, SHUFFLE)
SHUFFLE(__shfl_up_sync, SHUFFLE_UP)
SHUFFLE(__shfl_down_sync, SHUFFLE_DOWN)
SHUFFLE(__shfl_xor_sync, SHUFFLE_XOR)
#undef SHUFFLE

#define VOTE(name, Result, what, result)                                                                               \
    static inline Result name(uint32_t mask, uint32_t value, FROM_HERE) {                                              \
        uint32_t got = (uint32_t)emulator::meet(emulator::what, mask, value, 0, file, line);                           \
        return (Result)(result);                                                                                       \
    }
VOTE(__ballot_sync, uint32_t, BALLOT, got)
VOTE(__any_sync, int, BALLOT, got != 0)
VOTE(__all_sync, int, BALLOT, got == mask)
VOTE(__match_any_sync, uint32_t, MATCH, got)
VOTE(__reduce_add_sync, uint32_t, SUM, got)
VOTE(__reduce_min_sync, uint32_t, LEAST, got)
VOTE(__reduce_max_sync, uint32_t, MOST, got)
VOTE(__reduce_and_sync, uint32_t, AND, got)
VOTE(__reduce_or_sync, uint32_t, OR, got)
VOTE(__reduce_xor_sync, uint32_t, XOR, got)
#undef VOTE

// One thread runs at a time, and gives way only where it waits.
#define ATOMIC(name, expression)                                                                                       \
    template <typename T> static inline T name(T *to, T by) {                                                          \
        T old = *to;                                                                                                   \
        *to = (expression);                                                                                            \
        return old;                                                                                                    \
    }
ATOMIC(atomicAdd, old + by)
ATOMIC(atomicSub, old - by)
ATOMIC(atomicOr, old | by)
ATOMIC(atomicAnd, old &by)
ATOMIC(atomicXor, old ^ by)
ATOMIC(atomicMax, old > by ? old : by)
ATOMIC(atomicMin, old < by ? old : by)
ATOMIC(atomicExch, by)
#undef ATOMIC
template <typename T> static inline T atomicCAS(T *to, T expected, T by) {
    T old = *to;
    *to = old == expected ? by : old;
    return old;
}

static inline void __threadfence() {}
static inline void __threadfence_block() {}

static inline uint32_t __funnelshift_r(uint32_t low, uint32_t high, uint32_t shift) {
    return (uint32_t)(((uint64_t)high << 32 | low) >> (shift & 31));
}
static inline uint32_t __funnelshift_l(uint32_t low, uint32_t high, uint32_t shift) {
    return (uint32_t)((((uint64_t)high << 32 | low) << (shift & 31)) >> 32);
}
static inline int __popc(uint32_t bits) {
    return __builtin_popcount(bits);
}
static inline int __clz(int bits) {
    return bits == 0 ? 32 : __builtin_clz((uint32_t)bits);
}
static inline int __clzll(long long bits) {
    return bits == 0 ? 64 : __builtin_clzll((unsigned long long)bits);
}
static inline int __ffs(int bits) {
    return __builtin_ffs(bits);
}
static inline int __ffsll(long long bits) {
    return __builtin_ffsll(bits);
}
static inline uint32_t __brev(uint32_t bits) {
    uint32_t turned = 0;
    for (int i = 0; i < 32; i++) {
        turned |= (bits >> i & 1) << (31 - i);
    }
    return turned;
}
// Four bytes of eight; of a selector three bits are used.
static inline uint32_t __byte_perm(uint32_t low, uint32_t high, uint32_t selectors) {
    uint64_t all = (uint64_t)high << 32 | low;
    uint32_t bytes = 0;
    for (int i = 0; i < 4; i++) {
        uint32_t byte = (uint32_t)(all >> (8 * (selectors >> (4 * i) & 7))) & 255;
        bytes |= byte << (8 * i);
    }
    return bytes;
}
static inline uint32_t __umulhi(uint32_t a, uint32_t b) {
    return (uint32_t)((uint64_t)a * b >> 32);
}
// The less, and the larger, of each half.
static inline uint32_t __vminu2(uint32_t a, uint32_t b) {
    uint32_t low = (uint16_t)a < (uint16_t)b ? (uint16_t)a : (uint16_t)b, high = a >> 16 < b >> 16 ? a >> 16 : b >> 16;
    return high << 16 | low;
}
static inline uint32_t __vmaxu2(uint32_t a, uint32_t b) {
    uint32_t low = (uint16_t)a > (uint16_t)b ? (uint16_t)a : (uint16_t)b, high = a >> 16 > b >> 16 ? a >> 16 : b >> 16;
    return high << 16 | low;
}
template <typename T> static inline T min(T a, T b) {
    return a < b ? a : b;
}
struct uint2 {
    uint32_t x, y;
};
template <typename T> static inline T __ldg(const T *from) {
    return *from;
}
