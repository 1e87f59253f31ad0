// CUDA's words, said to a C++ compiler for the CPU: kernels run thread by thread, block by block.
//
// It shows wrong indexes, edges and types; not races, nor what warps do. Threads of a block that meet at a barrier are
// contexts of one thread (see shim.cpp).
#pragma once

#include <stdint.h>

#define __global__
#define __device__
#define __grid_constant__
#define __align__(n) alignas(n)

struct Dim3 {
    uint32_t x, y, z;
};

extern Dim3 gridDim, blockDim, blockIdx, threadIdx;
// The block's shared memory; its contents are noise when a block begins.
extern unsigned char *shim_shared;
void __syncthreads();

#define SHARED_BYTES(name) unsigned char *name = shim_shared

static inline uint32_t __funnelshift_r(uint32_t low, uint32_t high, uint32_t shift) {
    return (uint32_t)(((uint64_t)high << 32 | low) >> (shift & 31));
}
