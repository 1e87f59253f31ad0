// A GPU's threads on the CPU, one at a time, each on a stack of its own.
//
// A thread runs until it waits: for the lanes of a warp, or for its block. Who goes on then is drawn from a seed: after each
// barrier of a block, most often whole warps one after another as far as they come, so that what lacks a barrier meets
// memory that nobody wrote, or too late; sometimes all warps mixed. Lanes of a warp go in any order. So do the blocks.
//
// It says so when threads of a block wait at different barriers, when a thread ends and leaves the others waiting, when the
// lanes of a mask do not meet in one place, when a lane reads from one that is not there, and when a block has written
// behind its shared memory. Shared memory is noise that the seed draws, so what nobody wrote differs from seed to seed. Two
// threads that touch the same bytes between two barriers are found by their order, not by what they touch.

#include "emulator.h"
#include "shim.h"

#include <stdarg.h>
#include <stdio.h>
#include <sys/mman.h>

#ifndef __x86_64__
#include <ucontext.h>
#endif

Dim3 gridDim, blockDim, blockIdx, threadIdx;
unsigned char *shim_shared;

namespace emulator {
namespace {

const uint32_t MOST_THREADS = 1024, LANES = 32, MOST_WARPS = MOST_THREADS / LANES;
const size_t STACK = 64 << 10, PAGE = 4096;
// Shared memory of a block at the most, and noise behind it that must stay.
const uint32_t MOST_SHARED = 227 << 10, BEHIND = 1024;

enum State { READY, AT_WARP, AT_BARRIER, ENDED };

struct Thread {
    State state;
    // What it waits for, and where.
    Together what;
    uint32_t mask;
    uint64_t value;
    uint32_t argument;
    const char *file;
    int line;
    uint64_t result;
};

#ifdef __x86_64__
// A stack that waits is known by where it ends: six registers that a callee keeps, and where it goes on. ucontext would ask
// the system for each switch: 720 ns a lane and operation where this takes 75 (2 busy cores at 2.8 GHz, 2026-11-23).
typedef void *Context;
extern "C" void emulator_switch(Context *leave, Context enter);
asm(R"(
.text
.globl emulator_switch
.type emulator_switch, @function
emulator_switch:
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    ret
.size emulator_switch, .-emulator_switch
)");

void go(Context &leave, Context &enter) {
    emulator_switch(&leave, enter);
}

// The function begins with a stack as after a call: 8 bytes off a multiple of 16.
void begin(Context &context, char *stack, void (*function)()) {
    void **top = (void **)(stack + STACK - 64);
    *--top = nullptr;
    *--top = (void *)function;
    for (int registers = 0; registers < 6; registers++) {
        *--top = nullptr;
    }
    context = top;
}
#else
typedef ucontext_t Context;

void go(Context &leave, Context &enter) {
    swapcontext(&leave, &enter);
}

void begin(Context &context, char *stack, void (*function)()) {
    getcontext(&context);
    context.uc_stack.ss_sp = stack;
    context.uc_stack.ss_size = STACK;
    context.uc_link = nullptr;
    makecontext(&context, function, 0);
}
#endif

Thread threads[MOST_THREADS];
Context contexts[MOST_THREADS], scheduler;
char *stacks;
// Lanes that may go on, of each warp.
uint32_t ready[MOST_WARPS];
uint32_t order[MOST_WARPS];
const Launch *launched;
uint64_t random_state;
// Of the barrier that threads come to, and of the one that they leave.
bool any_says, any_said;
bool failed;
char why[512];

uint64_t draw() {
    random_state += 0x9E3779B97F4A7C15ull;
    uint64_t z = random_state;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9ull;
    z = (z ^ z >> 27) * 0x94D049BB133111EBull;
    return z ^ z >> 31;
}

void fail(const char *format, ...) {
    if (failed) {
        return;
    }
    failed = true;
    int used = snprintf(why, sizeof why, "seed %llu, block %u, %u: ", (unsigned long long)launched->seed, blockIdx.x,
                        blockIdx.y);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(why + used, sizeof why - used, format, arguments);
    va_end(arguments);
}

// The thread that runs gives way.
void wait() {
    uint32_t me = threadIdx.x;
    ready[me / LANES] &= ~(1u << me % LANES);
    go(contexts[me], scheduler);
}

void run_thread() {
    launched->body(launched->params);
    threads[threadIdx.x].state = ENDED;
    wait();
}

const char *name(const Thread &thread) {
    switch (thread.state) {
    case AT_BARRIER:
        return "waits for the block";
    case AT_WARP:
        return "waits for its warp";
    case ENDED:
        return "has ended";
    default:
        return "goes on";
    }
}

void fail_between(const char *what, uint32_t one, uint32_t other) {
    const Thread &a = threads[one], &b = threads[other];
    fail("%s: thread %u %s at %s:%d (mask %08x), thread %u %s at %s:%d (mask %08x)", what, one, name(a), a.file, a.line,
         a.mask, other, name(b), b.file, b.line, b.mask);
}

// The lane that a shuffle reads; its own where there is none.
uint32_t source_of(const Thread &thread, uint32_t lane) {
    uint32_t by = thread.argument;
    switch (thread.what) {
    case SHUFFLE:
        return by % LANES;
    case SHUFFLE_UP:
        return lane >= by ? lane - by : lane;
    case SHUFFLE_DOWN:
        return lane + by < LANES ? lane + by : lane;
    default:
        return (lane ^ by) % LANES;
    }
}

uint64_t joined(Together what, uint64_t a, uint64_t b) {
    switch (what) {
    case SUM:
        return (uint32_t)(a + b);
    case LEAST:
        return a < b ? a : b;
    case MOST:
        return a > b ? a : b;
    case AND:
        return a & b;
    case XOR:
        return a ^ b;
    default:
        return a | b;
    }
}

// What each lane of the mask gets, now that all are there.
void complete(Thread *warp, Together what, uint32_t mask) {
    uint64_t all = 0;
    bool first = true;
    for (uint32_t rest = mask; rest != 0; rest &= rest - 1) {
        uint32_t lane = __builtin_ctz(rest);
        uint64_t value = what == BALLOT ? (uint64_t)(warp[lane].value != 0) << lane : warp[lane].value;
        all = first ? value : joined(what, all, value);
        first = false;
    }
    for (uint32_t rest = mask; rest != 0; rest &= rest - 1) {
        uint32_t lane = __builtin_ctz(rest);
        Thread &thread = warp[lane];
        if (what >= SHUFFLE && what <= SHUFFLE_XOR) {
            uint32_t source = source_of(thread, lane);
            if ((mask >> source & 1) == 0) {
                fail("a lane reads from one that is not there: lane %u from %u of mask %08x at %s:%d", lane, source, mask,
                     thread.file, thread.line);
                return;
            }
            thread.result = warp[source].value;
        } else if (what == MATCH) {
            thread.result = 0;
            for (uint32_t others = mask; others != 0; others &= others - 1) {
                uint32_t other = __builtin_ctz(others);
                thread.result |= (uint64_t)(warp[other].value == thread.value) << other;
            }
        } else {
            thread.result = all;
        }
    }
}

// Whether all lanes of the thread's mask stand where it stands.
bool is_met(uint32_t me) {
    const Thread &mine = threads[me], *warp = &threads[me / LANES * LANES];
    for (uint32_t rest = mine.mask; rest != 0; rest &= rest - 1) {
        const Thread &other = warp[__builtin_ctz(rest)];
        if (other.state != AT_WARP || other.what != mine.what || other.mask != mine.mask || other.line != mine.line ||
            other.file != mine.file) {
            return false;
        }
    }
    return true;
}

// Nobody can go on: everybody stands at one barrier or has ended, or something is wrong.
bool stands_at_barrier(uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        const Thread &thread = threads[i];
        if (thread.state == AT_WARP) {
            for (uint32_t rest = thread.mask; rest != 0; rest &= rest - 1) {
                uint32_t other = i / LANES * LANES + __builtin_ctz(rest);
                const Thread &there = threads[other];
                bool same = there.state == AT_WARP && there.what == thread.what && there.mask == thread.mask &&
                            there.line == thread.line;
                if (!same) {
                    fail_between("lanes of a mask do not meet", i, other);
                    return false;
                }
            }
        }
    }
    for (uint32_t i = 1; i < count; i++) {
        if (threads[i].state != threads[0].state) {
            fail_between("threads of a block do not meet", 0, i);
            return false;
        }
        bool elsewhere = threads[i].line != threads[0].line || threads[i].file != threads[0].file;
        if (threads[i].state == AT_BARRIER && elsewhere) {
            fail_between("threads of a block wait at different barriers", 0, i);
            return false;
        }
    }
    return true;
}

uint32_t lanes_of(uint32_t warp, uint32_t count) {
    uint32_t lanes = count - warp * LANES;
    return lanes >= LANES ? ~0u : (1u << lanes) - 1;
}

// All may go on; in which order, is drawn. True: warps are mixed.
bool release(uint32_t count) {
    uint32_t warps = (count + LANES - 1) / LANES;
    any_said = any_says;
    any_says = false;
    for (uint32_t i = 0; i < count; i++) {
        threads[i].state = READY;
    }
    for (uint32_t w = 0; w < warps; w++) {
        ready[w] = lanes_of(w, count);
        uint32_t other = (uint32_t)(draw() % (w + 1));
        order[w] = order[other];
        order[other] = w;
    }
    return draw() % 4 == 0;
}

// Who goes on: a lane of the first warp that can, or of any. -1: nobody can.
int next(uint32_t warps, uint32_t &cursor, bool mixed) {
    uint64_t drawn = draw();
    uint32_t from = mixed ? (uint32_t)(drawn >> 32) % warps : cursor;
    for (uint32_t i = 0; i < warps; i++) {
        uint32_t place = (from + i) % warps, warp = order[place];
        if (ready[warp] != 0) {
            cursor = place;
            uint32_t turn = (uint32_t)drawn % LANES;
            uint32_t turned = turn == 0 ? ready[warp] : ready[warp] >> turn | ready[warp] << (LANES - turn);
            return (int)(warp * LANES + (__builtin_ctz(turned) + turn) % LANES);
        }
    }
    return -1;
}

void run_block(uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        begin(contexts[i], stacks + i * (STACK + PAGE) + PAGE, run_thread);
        threads[i].file = "its beginning";
        threads[i].line = 0;
        threads[i].mask = 0;
    }
    uint32_t warps = (count + LANES - 1) / LANES, cursor = 0;
    bool mixed = release(count);
    while (!failed) {
        int chosen = next(warps, cursor, mixed);
        if (chosen >= 0) {
            threadIdx.x = (uint32_t)chosen;
            go(scheduler, contexts[chosen]);
        } else if (!stands_at_barrier(count) || threads[0].state == ENDED) {
            return;
        } else {
            mixed = release(count);
            cursor = 0;
        }
    }
}

// Stacks, each with a page below that nobody may touch.
void take_stacks() {
    if (stacks != nullptr) {
        return;
    }
    size_t each = STACK + PAGE;
    void *all = mmap(nullptr, each * MOST_THREADS, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (all == MAP_FAILED) {
        fail("no memory for stacks");
        return;
    }
    stacks = (char *)all;
    for (uint32_t i = 0; i < MOST_THREADS; i++) {
        mprotect(stacks + i * each, PAGE, PROT_NONE);
    }
}

uint64_t common_divisor(uint64_t a, uint64_t b) {
    return b == 0 ? a : common_divisor(b, a % b);
}

} // namespace

uint64_t meet(Together what, uint32_t mask, uint64_t value, uint32_t argument, const char *file, int line) {
    uint32_t me = threadIdx.x, lane = me % LANES;
    Thread &mine = threads[me];
    mine = {AT_WARP, what, mask, value, argument, file, line, 0};
    if (!launched->meets) {
        fail("a kernel that is said to meet nobody waits at %s:%d", file, line);
        return 0;
    }
    uint32_t there = lanes_of(me / LANES, blockDim.x);
    if ((mask >> lane & 1) == 0 || (mask & ~there) != 0) {
        fail("mask %08x at %s:%d, of thread %u: it lacks the thread, or has lanes that do not exist", mask, file, line, me);
        wait();
    }
    if (!is_met(me)) {
        wait();
        return threads[me].result;
    }
    complete(&threads[me - lane], what, mask);
    if (failed) {
        wait();
    }
    for (uint32_t rest = mask; rest != 0; rest &= rest - 1) {
        threads[me - lane + __builtin_ctz(rest)].state = READY;
    }
    ready[me / LANES] |= mask;
    return mine.result;
}

bool barrier(bool says, const char *file, int line) {
    Thread &mine = threads[threadIdx.x];
    any_says = any_says || says;
    mine.state = AT_BARRIER;
    mine.mask = 0;
    mine.file = file;
    mine.line = line;
    if (launched->meets) {
        wait();
    } else {
        fail("a kernel that is said to meet nobody waits at %s:%d", file, line);
    }
    return any_said;
}

const char *run(const Launch &launch) {
    alignas(16) static unsigned char shared[MOST_SHARED + BEHIND];
    static unsigned char behind[BEHIND];
    launched = &launch;
    failed = any_says = false;
    random_state = launch.seed;
    gridDim = {launch.grid_x, launch.grid_y, 1};
    blockDim = {launch.threads, 1, 1};
    threadIdx = {0, 0, 0};
    shim_shared = shared;
    take_stacks();
    if (launch.threads > MOST_THREADS || launch.shared > MOST_SHARED) {
        fail("%u threads with %u bytes of shared memory", launch.threads, launch.shared);
    }
    uint64_t blocks = (uint64_t)launch.grid_x * launch.grid_y;
    uint64_t first = draw() % (blocks + (blocks == 0)), step = draw() % (blocks + 1) | 1;
    while (common_divisor(step, blocks) > 1) {
        step += 2;
    }
    for (uint64_t i = 0; i < blocks && !failed; i++) {
        uint64_t block = (first + i * step) % blocks;
        blockIdx = {(uint32_t)(block % launch.grid_x), (uint32_t)(block / launch.grid_x), 0};
        for (uint32_t at = 0; launch.meets && at < launch.shared + BEHIND; at += 8) {
            uint64_t noise = draw();
            memcpy(shared + at, &noise, 8);
        }
        memcpy(behind, shared + launch.shared, BEHIND);
        if (launch.meets) {
            run_block(launch.threads);
        } else {
            for (threadIdx.x = 0; threadIdx.x < launch.threads && !failed; threadIdx.x++) {
                launch.body(launch.params);
            }
        }
        if (memcmp(behind, shared + launch.shared, BEHIND) != 0) {
            fail("it wrote behind its %u bytes of shared memory", launch.shared);
        }
    }
    return failed ? why : nullptr;
}

} // namespace emulator
