// Runs, literals, and how often each byte is among them: a block for each unit, 16 bytes a lane.
//
// A byte that equals the one before it sets a bit; eight such bits in a row and more are a run. Bits of neighbours lie in
// shared memory, so that a lane sees 16 on either side of its own: enough to know which of its bytes belong to a run, and
// where runs begin and end. Each warp has a stretch of the unit; literals go through a stage of the warp's, so that they are
// written 16 at a time.

#include "coder.h"

#define ANALYZE_THREADS 256
#define ANALYZE_WARPS (ANALYZE_THREADS / 32)
#define GROUPS (UNIT / 16)
// How often each byte is there is counted by so many, so that lanes with equal bytes do not wait.
#define COUNTERS 16
#define STAGE 544

struct AnalyzeShared {
    uint32_t counts[256 * COUNTERS];
    __align__(16) unsigned char stage[ANALYZE_WARPS][STAGE];
    uint32_t literals[ANALYZE_WARPS];
    uint32_t runs[ANALYZE_WARPS];
    // One group on either side that equals nothing.
    uint16_t equal[GROUPS + 2];
};

static_assert(sizeof(AnalyzeShared) <= 29056, "as much as it is launched with");

// A bit for each byte of the word that is zero.
static __device__ uint32_t zero_bytes(uint32_t word) {
    uint32_t high = ~(((word & 0x7F7F7F7Fu) + 0x7F7F7F7Fu) | word) & 0x80808080u;
    return (high >> 7) * 0x10204080u >> 28;
}

// A bit for each of 16 bytes that equals the one before it.
static __device__ uint32_t equal_before(const Wide &wide, uint32_t before) {
    uint32_t bits = 0;
    for (int i = 0; i < 4; i++) {
        uint32_t word = wide.word[i];
        bits |= zero_bytes(word ^ (word << 8 | before)) << (4 * i);
        before = word >> 24;
    }
    return bits;
}

// Bits of a group and of those beside it that belong to runs; right for the group's own and one on either side.
static __device__ uint64_t runs_around(const uint16_t *equal, uint32_t group) {
    uint64_t bits = (uint64_t)equal[group] | (uint64_t)equal[group + 1] << 16 | (uint64_t)equal[group + 2] << 32;
    bits &= bits >> 1;
    bits &= bits >> 2;
    bits &= bits >> 4;
    bits |= bits << 1;
    bits |= bits << 2;
    return bits | bits << 4;
}

static __device__ uint32_t valid_bits(uint32_t bytes, uint32_t group) {
    uint32_t left = bytes - 16 * group;
    return left >= 16 ? 0xFFFF : (1u << left) - 1;
}

static __device__ uint32_t byte_at(const Wide &wide, int i) {
    return wide.word[i / 4] >> (8 * (i % 4)) & 255;
}

static __device__ void count_bytes(AnalyzeShared *shared, const Wide &wide, uint32_t which, uint32_t lane) {
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

// A stretch of groups, that of this warp.
struct Stretch {
    uint32_t begin;
    uint32_t end;
};

static __device__ void find_equal(AnalyzeShared *shared, const unsigned char *source, uint32_t bytes, Stretch mine,
                                  uint32_t lane) {
    for (uint32_t first = mine.begin; first < mine.end; first += 32) {
        uint32_t group = first + lane;
        Wide wide = {};
        if (group < mine.end) {
            wide = *(const Wide *)(source + 16 * group);
        }
        uint32_t before = __shfl_up_sync(~0u, wide.word[3] >> 24, 1);
        if (lane == 0) {
            before = group > 0 ? source[16 * group - 1] : ~wide.word[0] & 255;
        }
        if (group < mine.end) {
            shared->equal[group + 1] = (uint16_t)(equal_before(wide, before) & valid_bits(bytes, group));
        }
    }
}

// Literals and runs before this warp's stretch, and in the whole unit.
struct Totals {
    uint32_t literals_before;
    uint32_t runs_before;
    uint32_t literals;
    uint32_t runs;
};

static __device__ Totals count_runs(AnalyzeShared *shared, uint32_t bytes, Stretch mine, uint32_t lane, uint32_t warp) {
    uint32_t literals = 0, runs = 0;
    for (uint32_t group = mine.begin + lane; group < mine.end; group += 32) {
        uint64_t in_run = runs_around(shared->equal, group);
        literals += __popc(~(uint32_t)(in_run >> 16) & valid_bits(bytes, group));
        runs += __popc((uint32_t)((in_run & ~(in_run << 1)) >> 16) & 0xFFFF);
    }
    literals = sum_of_warp(literals);
    runs = sum_of_warp(runs);
    if (lane == 0) {
        shared->literals[warp] = literals;
        shared->runs[warp] = runs;
    }
    __syncthreads();
    Totals totals = {};
    for (uint32_t w = 0; w < ANALYZE_WARPS; w++) {
        totals.literals_before += w < warp ? shared->literals[w] : 0;
        totals.runs_before += w < warp ? shared->runs[w] : 0;
        totals.literals += shared->literals[w];
        totals.runs += shared->runs[w];
    }
    return totals;
}

// Writes what is whole in the stage, and moves the rest to its beginning. Before the first byte that is this warp's, `hole`
// bytes are others'. Gives how many bytes are left.
static __device__ uint32_t flush_stage(unsigned char *stage, unsigned char *to, uint32_t filled, uint32_t hole,
                                       uint32_t lane) {
    __syncwarp();
    uint32_t whole = filled / 16;
    for (uint32_t i = lane; i < whole; i += 32) {
        if (i > 0 || hole == 0) {
            *(Wide *)(to + 16 * i) = *(const Wide *)(stage + 16 * i);
        }
    }
    if (whole > 0 && lane >= hole && lane < 16 && hole > 0) {
        to[lane] = stage[lane];
    }
    uint32_t left = filled - 16 * whole;
    unsigned char moved = whole > 0 && lane < left ? stage[16 * whole + lane] : 0;
    __syncwarp();
    if (whole > 0 && lane < left) {
        stage[lane] = moved;
    }
    __syncwarp();
    return left;
}

static __device__ void write_bits(uint16_t *to, uint32_t bits, uint32_t first) {
    for (; bits != 0; bits &= bits - 1) {
        *to++ = (uint16_t)(first + __ffs((int)bits) - 1);
    }
}

static __device__ void list_runs(const CoderParams &p, AnalyzeShared *shared, uint64_t unit, const unsigned char *source,
                                 uint32_t bytes, Stretch mine, const Totals &totals, uint32_t lane, uint32_t warp) {
    uint16_t *starts = p.starts + unit * p.runs, *ends = p.ends + unit * p.runs;
    unsigned char *stage = shared->stage[warp];
    unsigned char *to = p.literals + unit * p.slot + (totals.literals_before & ~15u);
    uint32_t hole = totals.literals_before & 15, filled = hole, runs = totals.runs_before;
    for (uint32_t first = mine.begin; first < mine.end; first += 32) {
        uint32_t group = first + lane, literal = 0, begins = 0, finishes = 0;
        uint64_t in_run = 0;
        Wide wide = {};
        if (group < mine.end) {
            wide = *(const Wide *)(source + 16 * group);
            in_run = runs_around(shared->equal, group);
            literal = ~(uint32_t)(in_run >> 16) & valid_bits(bytes, group);
            begins = (uint32_t)((in_run & ~(in_run << 1)) >> 16) & 0xFFFF;
            finishes = (uint32_t)((in_run & ~(in_run >> 1)) >> 16) & 0xFFFF;
        }
        uint32_t own = __popc(literal) | (uint32_t)__popc(begins) << 16;
        uint32_t up_to = sum_up_to(own, lane), all = __shfl_sync(~0u, up_to, 31), before = up_to - own;
        unsigned char *at = stage + filled + (before & 0xFFFF);
        for (int i = 0; i < 16; i++) {
            if (literal >> i & 1) {
                *at++ = (unsigned char)byte_at(wide, i);
            }
        }
        count_bytes(shared, wide, literal, lane);
        uint32_t run = runs + (before >> 16);
        write_bits(starts + run, begins, 16 * group);
        // A run that goes on from the group before ends before any that begins here.
        write_bits(ends + run - (in_run >> 15 & in_run >> 16 & 1), finishes, 16 * group);
        runs += all >> 16;
        filled += all & 0xFFFF;
        uint32_t left = flush_stage(stage, to, filled, hole, lane);
        hole = filled >= 16 ? 0 : hole;
        to += filled - left;
        filled = left;
    }
    if (lane >= hole && lane < filled) {
        to[lane] = stage[lane];
    }
}

extern "C" __global__ void __launch_bounds__(ANALYZE_THREADS) coder_analyze(const __grid_constant__ CoderParams p) {
    SHARED_BYTES(bytes_shared);
    AnalyzeShared *shared = (AnalyzeShared *)bytes_shared;
    uint64_t unit = blockIdx.x;
    Place place = place_of(p, unit);
    const unsigned char *source = unit_bytes(p, unit, place);
    uint32_t bytes = place.bytes, lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    uint32_t groups = (bytes + 15) / 16, each = (groups + 32 * ANALYZE_WARPS - 1) / (32 * ANALYZE_WARPS) * 32;
    uint32_t begin = warp * each < groups ? warp * each : groups;
    Stretch mine = {begin, begin + each < groups ? begin + each : groups};
    for (uint32_t i = threadIdx.x; i < 256 * COUNTERS; i += ANALYZE_THREADS) {
        shared->counts[i] = 0;
    }
    if (threadIdx.x == 0) {
        shared->equal[0] = 0;
        shared->equal[groups + 1] = 0;
    }
    find_equal(shared, source, bytes, mine, lane);
    __syncthreads();
    Totals totals = count_runs(shared, bytes, mine, lane, warp);
    if (totals.runs > 0) {
        list_runs(p, shared, unit, source, bytes, mine, totals, lane, warp);
    } else {
        for (uint32_t group = mine.begin + lane; group < mine.end; group += 32) {
            count_bytes(shared, *(const Wide *)(source + 16 * group), valid_bits(bytes, group), lane);
        }
    }
    __syncthreads();
    for (uint32_t byte = threadIdx.x; byte < 256; byte += ANALYZE_THREADS) {
        uint32_t count = 0;
        for (uint32_t i = 0; i < COUNTERS; i++) {
            count += shared->counts[byte * COUNTERS + (i + byte) % COUNTERS];
        }
        p.counts[256 * unit + byte] = (uint16_t)count;
    }
    if (threadIdx.x == 0) {
        Unit about = {};
        about.bytes = bytes;
        about.literals = totals.literals;
        about.sequences = totals.runs;
        p.units[unit] = about;
    }
}
