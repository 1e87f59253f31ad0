// Kernels that keep the rules or break one of them, for the tests of the emulator.

struct CanaryParams {
    uint32_t *out;
    // What is broken; 0: nothing.
    uint64_t flaw;
};

// Each word of a warp, once: ten results a lane.
static void canary_words(const CanaryParams &p) {
    uint32_t lane = threadIdx.x & 31, x = (threadIdx.x * 2654435761u) ^ 0x5bd1e995u, odd = 0xAAAAAAAAu;
    uint32_t *out = p.out + 10 * threadIdx.x;
    out[0] = __shfl_sync(~0u, x, lane * 7);
    out[1] = __shfl_up_sync(~0u, x, 3);
    out[2] = __shfl_down_sync(~0u, x, 5);
    out[3] = __shfl_xor_sync(~0u, x, 9);
    out[4] = __ballot_sync(~0u, x & 4);
    out[5] = __match_any_sync(~0u, x & 3);
    out[6] = __reduce_add_sync(~0u, x);
    // Half of the lanes by themselves.
    out[7] = lane & 1 ? __reduce_max_sync(odd, x) : __reduce_min_sync(~odd, x);
    out[8] = (uint32_t)__any_sync(~0u, lane == 31) + 2 * (uint32_t)__all_sync(~0u, lane != 31);
    out[9] = (uint32_t)(__shfl_sync(~0u, (uint64_t)x << 20, 31 - lane) >> 20);
}

// Turns numbers round in shared memory. 1: without the barrier; 2: behind its end; 3: of what nobody wrote; 4: some threads
// end before it.
static void canary_turn(const CanaryParams &p) {
    SHARED_BYTES(shared);
    uint32_t *room = (uint32_t *)shared, me = threadIdx.x, all = blockDim.x;
    if (p.flaw == 4 && me % 64 == 40) {
        return;
    }
    if (p.flaw != 3 || me != 17) {
        room[me] = me;
    }
    if (p.flaw != 1) {
        __syncthreads();
    }
    p.out[me] = room[all - 1 - me];
    if (p.flaw == 2) {
        room[me + 1] = 0;
    }
}

// Passes numbers to the next lane in shared memory. 1: without waiting for the warp; 2: one lane does not come; 3: a lane reads
// from one that does not take part; 4: a mask without the lane itself.
static void canary_warp(const CanaryParams &p) {
    SHARED_BYTES(shared);
    uint32_t *room = (uint32_t *)shared, me = threadIdx.x, lane = me & 31;
    room[me] = me;
    if (p.flaw != 1 && !(p.flaw == 2 && lane == 9)) {
        __syncwarp();
    }
    uint32_t got = room[(me & ~31u) | ((lane + 1) & 31)];
    uint32_t mask = p.flaw == 4 ? 0xFFFF0000u : lane < 16 ? 0x0000FFFFu : 0xFFFF0000u;
    p.out[me] = __shfl_sync(mask, got, p.flaw == 3 ? 20 : lane);
}

// Barriers in two places. 1: each half of the block at one of them; 2: some lanes at one, others at what a warp does.
static void canary_meet(const CanaryParams &p) {
    if (p.flaw == 2 && (threadIdx.x & 1) != 0) {
        __syncwarp(0xAAAAAAAAu);
        __ballot_sync(~0u, 1);
    } else if (p.flaw == 1 && threadIdx.x >= blockDim.x / 2) {
        __syncthreads();
    } else {
        __syncthreads();
    }
    p.out[threadIdx.x] = threadIdx.x;
}

// A number for each block. 1: in the order in which they come.
static void canary_blocks(const CanaryParams &p) {
    if (threadIdx.x == 0) {
        uint32_t come = atomicAdd(p.out, 1u);
        p.out[1 + blockIdx.x] = p.flaw == 1 ? come : blockIdx.x;
    }
}
