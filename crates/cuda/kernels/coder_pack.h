// Literals of a unit, packed without gaps and counted, each warp a stretch: what analysis and matching end with.
#pragma once

#include "coder.h"

#define PACK_THREADS 256
#define PACK_WARPS (PACK_THREADS / 32)
// How often each byte is there is counted by so many, so that lanes with equal bytes do not wait.
#define COUNTERS 16
#define STAGE 544

struct PackShared {
    uint32_t counts[256 * COUNTERS];
    __align__(16) unsigned char stage[PACK_WARPS][STAGE];
};

static __device__ uint32_t valid_bits(uint32_t bytes, uint32_t group) {
    uint32_t left = bytes - 16 * group;
    return left >= 16 ? 0xFFFF : (1u << left) - 1;
}

static __device__ uint32_t byte_at(const Wide &wide, int i) {
    return wide.word[i / 4] >> (8 * (i % 4)) & 255;
}

// Kernels read 16 bytes at a time: what the last of them lack is zero.
static __device__ void fill_up(unsigned char *bytes, uint32_t count) {
    uint32_t at = count + threadIdx.x;
    if (at < (count + 15) / 16 * 16) {
        bytes[at] = 0;
    }
}

// A stretch of groups of 16 bytes, that of a warp.
struct Stretch {
    uint32_t begin;
    uint32_t end;
};

static __device__ Stretch stretch_of(uint32_t bytes, uint32_t warp) {
    uint32_t groups = (bytes + 15) / 16, each = (groups + 32 * PACK_WARPS - 1) / (32 * PACK_WARPS) * 32;
    uint32_t begin = warp * each < groups ? warp * each : groups;
    return {begin, begin + each < groups ? begin + each : groups};
}

static __device__ void clear_counts(PackShared *shared) {
    for (uint32_t i = threadIdx.x; i < 256 * COUNTERS; i += PACK_THREADS) {
        shared->counts[i] = 0;
    }
}

static __device__ void count_bytes(PackShared *shared, const Wide &wide, uint32_t which, uint32_t lane) {
    uint32_t *counts = shared->counts + lane % COUNTERS;
    if (which == 0xFFFF) {
        for (int i = 0; i < 16; i++) {
            atomicAdd(&counts[byte_at(wide, i) * COUNTERS], 1u);
        }
        return;
    }
    for (int i = 0; i < 16; i++) {
        if (which >> i & 1) {
            atomicAdd(&counts[byte_at(wide, i) * COUNTERS], 1u);
        }
    }
}

// How often each byte is there, to memory; after a barrier.
static __device__ void give_counts(const PackShared *shared, uint16_t *to) {
    for (uint32_t byte = threadIdx.x; byte < 256; byte += PACK_THREADS) {
        uint32_t count = 0;
        for (uint32_t i = 0; i < COUNTERS; i++) {
            count += shared->counts[byte * COUNTERS + (i + byte) % COUNTERS];
        }
        to[byte] = (uint16_t)count;
    }
}

// The sum of what the lanes of all warps give, and of those of the warps before this one. It has a barrier at either end.
static __device__ uint32_t sum_of_block(uint32_t *sums, uint32_t mine, uint32_t *before) {
    uint32_t warp = threadIdx.x / 32, all = 0;
    mine = sum_of_warp(mine);
    if (threadIdx.x % 32 == 0) {
        sums[warp] = mine;
    }
    __syncthreads();
    *before = 0;
    for (uint32_t w = 0; w < PACK_WARPS; w++) {
        *before += w < warp ? sums[w] : 0;
        all += sums[w];
    }
    __syncthreads();
    return all;
}

// Writes a warp's literals through its stage, 16 at a time. Before the first that is this warp's, `hole` bytes are others'.
struct Packer {
    unsigned char *stage;
    unsigned char *to;
    uint32_t filled;
    uint32_t hole;

    __device__ Packer(unsigned char *room, unsigned char *literals, uint32_t first)
        : stage(room), to(literals + (first & ~15u)), filled(first & 15), hole(first & 15) {}

    // The literals of a lane's group, of which so many go before it among `all` of the warp.
    __device__ void put(const Wide &wide, uint32_t literal, uint32_t before, uint32_t all, uint32_t lane) {
        unsigned char *at = stage + filled + before;
        for (int i = 0; i < 16; i++) {
            if (literal >> i & 1) {
                *at++ = (unsigned char)byte_at(wide, i);
            }
        }
        filled += all;
        __syncwarp();
        uint32_t whole = filled / 16, left = filled % 16;
        if (whole == 0) {
            return;
        }
        for (uint32_t i = lane; i < whole; i += 32) {
            if (i > 0 || hole == 0) {
                *(Wide *)(to + 16 * i) = *(const Wide *)(stage + 16 * i);
            }
        }
        if (hole > 0 && lane >= hole && lane < 16) {
            to[lane] = stage[lane];
        }
        unsigned char moved = lane < left ? stage[16 * whole + lane] : 0;
        __syncwarp();
        if (lane < left) {
            stage[lane] = moved;
        }
        to += 16 * whole;
        filled = left;
        hole = 0;
    }

    __device__ void end(uint32_t lane) {
        __syncwarp();
        if (lane >= hole && lane < filled) {
            to[lane] = stage[lane];
        }
    }
};
