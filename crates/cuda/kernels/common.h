// What all kernels share. The same sources are compiled for the GPU and, through shim.h, for the CPU.
#pragma once

#ifdef FOREBAY_SHIM
#include "shim.h"
#else
#include <stdint.h>
#define SHARED_BYTES(name) extern __shared__ __align__(16) unsigned char name[]
#endif

// Sixteen bytes, moved at once.
struct __align__(16) Wide {
    uint32_t word[4];
};

// Why a run must fail, written where the host can read it; the first one stays.
enum Trouble { ENCODER_FAILED = 1, CHUNK_TOO_LARGE = 2, BATCH_TOO_LARGE = 3 };

static __device__ void report(uint32_t *trouble, uint32_t why) {
    *(volatile uint32_t *)trouble = why;
}

static __device__ uint64_t thread_of_grid() {
    return (uint64_t)blockIdx.x * blockDim.x + threadIdx.x;
}

static __device__ uint64_t threads_of_grid() {
    return (uint64_t)gridDim.x * blockDim.x;
}

static __device__ uint64_t next_multiple(uint64_t n, uint64_t of) {
    return (n + of - 1) / of * of;
}

// Sixteen bytes at any address: from the aligned words that they lie in. Behind the first of them lie `left` at least that somebody
// has written; no word behind them is read that holds others.
static __device__ Wide load_anywhere(const unsigned char *from, uint64_t left) {
    uint64_t address = (uint64_t)from;
    uint32_t shift = (uint32_t)(address & 3) * 8;
    if ((address & 15) == 0) {
        return *(const Wide *)from;
    }
    const uint32_t *words = (const uint32_t *)(address & ~(uint64_t)3);
    Wide wide;
    uint32_t low = words[0];
    for (int i = 0; i < 3; i++) {
        uint32_t high = words[i + 1];
        wide.word[i] = __funnelshift_r(low, high, shift);
        low = high;
    }
    uint32_t last = 0, cut = (uint32_t)(address & 3);
    if (shift > 0 && left >= 20 - cut) {
        last = words[4];
    } else {
        for (uint32_t i = 0; i < cut; i++) {
            last |= (uint32_t)from[16 - cut + i] << (8 * i);
        }
    }
    wide.word[3] = __funnelshift_r(low, last, shift);
    return wide;
}

// The threads of a block copy bytes from anywhere to anywhere; what is written is aligned.
static __device__ void copy_by_block(unsigned char *to, const unsigned char *from, uint64_t bytes) {
    uint64_t head = (16 - ((uint64_t)to & 15)) & 15;
    head = head < bytes ? head : bytes;
    uint64_t wide = (bytes - head) / 16;
    if (threadIdx.x < head) {
        to[threadIdx.x] = from[threadIdx.x];
    }
    for (uint64_t i = threadIdx.x; i < wide; i += blockDim.x) {
        *(Wide *)(to + head + 16 * i) = load_anywhere(from + head + 16 * i, bytes - head - 16 * i);
    }
    uint64_t rest = head + 16 * wide + threadIdx.x;
    if (rest < bytes) {
        to[rest] = from[rest];
    }
}

// The sum of what all threads of the block before this one give, by doubling; `room` holds a number for each thread.
// All of them call it. `all` gets the sum of all of them.
static __device__ uint64_t sum_before(uint64_t mine, uint64_t *room, uint64_t *all) {
    uint32_t me = threadIdx.x;
    room[me] = mine;
    __syncthreads();
    for (uint32_t step = 1; step < blockDim.x; step *= 2) {
        uint64_t before = me >= step ? room[me - step] : 0;
        __syncthreads();
        room[me] += before;
        __syncthreads();
    }
    uint64_t sum = room[me] - mine;
    *all = room[blockDim.x - 1];
    __syncthreads();
    return sum;
}
