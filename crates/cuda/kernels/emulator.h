// Runs blocks of threads on the CPU: what shim.cpp asks for.
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace emulator {

typedef void (*Body)(const void *params);

struct Launch {
    Body body;
    const void *params;
    uint32_t grid_x, grid_y, threads;
    // Bytes of shared memory that the kernel was given.
    uint32_t shared;
    // Whether threads wait for one another: those that do not need no stacks of their own.
    bool meets;
    // What the order of blocks, warps and lanes is drawn from, and the noise in shared memory.
    uint64_t seed;
};

// Runs all blocks. Null, or what went wrong, in memory that stays until the next launch.
const char *run(const Launch &launch);

} // namespace emulator
