// Runs the kernels on the CPU, for tests: see shim.h.

#define FOREBAY_SHIM
#include "all.cu"

#include <string.h>
#include <stdlib.h>
#include <ucontext.h>
#include <vector>

Dim3 gridDim, blockDim, blockIdx, threadIdx;
unsigned char *shim_shared;

namespace {

const size_t STACK = 64 << 10, SHARED = 48 << 10;

typedef void (*Body)(const void *params);

struct Kernel {
    const char *name;
    Body body;
    // Whether its threads wait for one another.
    bool meets;
};

#define KERNEL(name, Params, meets) \
    { #name, [](const void *params) { name(*(const Params *)params); }, meets }
#define SIZES(name, Params)                                                                                            \
    KERNEL(name##_1, Params, false), KERNEL(name##_2, Params, false), KERNEL(name##_4, Params, false),                 \
        KERNEL(name##_8, Params, false), KERNEL(name##_16, Params, false)

const Kernel KERNELS_KNOWN[] = {
    SIZES(scatter, ScatterParams),
    SIZES(scatter_long, ScatterParams),
    SIZES(fill, FillParams),
    KERNEL(place, AggregateParams, true),
    KERNEL(gather_tails, AggregateParams, false),
    KERNEL(gather, AggregateParams, false),
    KERNEL(keep_tails, AggregateParams, false),
    KERNEL(copy_up, CopyParams, false),
    KERNEL(crc32c, CrcParams, true),
    KERNEL(encode_addresses, EncodeParams, false),
    KERNEL(encode_check, EncodeParams, false),
    KERNEL(reduce_u8, ReduceParams, false),
    KERNEL(reduce_u16, ReduceParams, false),
    KERNEL(reduce_u32, ReduceParams, false),
    KERNEL(reduce_u64, ReduceParams, false),
    KERNEL(reduce_i8, ReduceParams, false),
    KERNEL(reduce_i16, ReduceParams, false),
    KERNEL(reduce_i32, ReduceParams, false),
    KERNEL(reduce_i64, ReduceParams, false),
    KERNEL(reduce_f16, ReduceParams, false),
    KERNEL(reduce_f32, ReduceParams, false),
    KERNEL(reduce_f64, ReduceParams, false),
};

struct Thread {
    ucontext_t context;
    std::vector<char> stack;
    bool ended;
};

ucontext_t scheduler;
std::vector<Thread> threads;
Body running;
const void *running_params;

void run_thread() {
    running(running_params);
    threads[threadIdx.x].ended = true;
}

// Each thread goes on to the next barrier, then the next thread; until all have ended.
void run_block() {
    threads.resize(blockDim.x);
    for (Thread &thread : threads) {
        thread.stack.resize(STACK);
        getcontext(&thread.context);
        thread.context.uc_stack.ss_sp = thread.stack.data();
        thread.context.uc_stack.ss_size = STACK;
        thread.context.uc_link = &scheduler;
        thread.ended = false;
        makecontext(&thread.context, run_thread, 0);
    }
    for (bool more = true; more;) {
        more = false;
        for (uint32_t i = 0; i < blockDim.x; i++) {
            if (!threads[i].ended) {
                threadIdx.x = i;
                swapcontext(&scheduler, &threads[i].context);
                more = more || !threads[i].ended;
            }
        }
    }
}

} // namespace

void __syncthreads() {
    uint32_t me = threadIdx.x;
    swapcontext(&threads[me].context, &scheduler);
    threadIdx.x = me;
}

// One at a time: the words of CUDA are globals here. 0: the kernel ran; 1: there is none of this name.
extern "C" int forebay_shim(const char *name, uint32_t grid_x, uint32_t grid_y, uint32_t block, const void *params) {
    static unsigned char shared[SHARED];
    for (const Kernel &kernel : KERNELS_KNOWN) {
        if (strcmp(kernel.name, name) != 0) {
            continue;
        }
        gridDim = {grid_x, grid_y, 1};
        blockDim = {block, 1, 1};
        shim_shared = shared;
        running = kernel.body;
        running_params = params;
        for (uint32_t b = 0; b < grid_x * grid_y; b++) {
            blockIdx = {b % grid_x, b / grid_x, 0};
            memset(shared, 0xA5, sizeof shared);
            if (kernel.meets) {
                run_block();
                continue;
            }
            for (threadIdx = {0, 0, 0}; threadIdx.x < block; threadIdx.x++) {
                kernel.body(params);
            }
        }
        return 0;
    }
    return 1;
}
