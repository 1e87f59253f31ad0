// Runs, literals, and how often each byte is among them: a block for each unit, 16 bytes a lane.
//
// A byte that equals the one before it sets a bit; eight such bits in a row and more are a run. Bits of neighbours lie in
// shared memory, so that a lane sees 16 on either side of its own: enough to know which of its bytes belong to a run, and
// where runs begin and end. Each warp has a stretch of the unit; literals go through a stage of the warp's, so that they are
// written 16 at a time.

#include "coder_pack.h"

#define ANALYZE_THREADS PACK_THREADS
#define GROUPS (UNIT / 16)

struct AnalyzeShared {
    PackShared pack;
    uint32_t sums[PACK_WARPS];
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

static __device__ Totals count_runs(AnalyzeShared *shared, uint32_t bytes, Stretch mine, uint32_t lane) {
    uint32_t literals = 0, runs = 0;
    for (uint32_t group = mine.begin + lane; group < mine.end; group += 32) {
        uint64_t in_run = runs_around(shared->equal, group);
        literals += __popc(~(uint32_t)(in_run >> 16) & valid_bits(bytes, group));
        runs += __popc((uint32_t)((in_run & ~(in_run << 1)) >> 16) & 0xFFFF);
    }
    Totals totals;
    totals.literals = sum_of_block(shared->sums, literals, &totals.literals_before);
    totals.runs = sum_of_block(shared->sums, runs, &totals.runs_before);
    return totals;
}

static __device__ void write_bits(uint16_t *to, uint32_t bits, uint32_t first) {
    for (; bits != 0; bits &= bits - 1) {
        *to++ = (uint16_t)(first + __ffs((int)bits) - 1);
    }
}

static __device__ void list_runs(const CoderParams &p, AnalyzeShared *shared, uint64_t unit, const unsigned char *source,
                                 uint32_t bytes, Stretch mine, const Totals &totals, uint32_t lane) {
    uint16_t *starts = p.starts + unit * p.runs, *ends = p.ends + unit * p.runs;
    Packer packer(shared->pack.stage[threadIdx.x / 32], p.literals + unit * p.slot, totals.literals_before);
    uint32_t runs = totals.runs_before;
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
        count_bytes(&shared->pack, wide, literal, lane);
        uint32_t run = runs + (before >> 16);
        write_bits(starts + run, begins, 16 * group);
        // A run that goes on from the group before ends before any that begins here.
        write_bits(ends + run - (in_run >> 15 & in_run >> 16 & 1), finishes, 16 * group);
        runs += all >> 16;
        packer.put(wide, literal, before & 0xFFFF, all & 0xFFFF, lane);
    }
    packer.end(lane);
}

extern "C" __global__ void __launch_bounds__(ANALYZE_THREADS) coder_analyze(const __grid_constant__ CoderParams p) {
    SHARED_BYTES(bytes_shared);
    AnalyzeShared *shared = (AnalyzeShared *)bytes_shared;
    uint64_t unit = p.first + blockIdx.x;
    Place place = place_of(p, unit);
    const unsigned char *source = unit_bytes(p, unit, place);
    uint32_t bytes = place.bytes, lane = threadIdx.x % 32;
    Stretch mine = stretch_of(bytes, threadIdx.x / 32);
    clear_counts(&shared->pack);
    if (threadIdx.x == 0) {
        shared->equal[0] = 0;
        shared->equal[(bytes + 15) / 16 + 1] = 0;
    }
    if (p.filtered) {
        fill_up(p.filtered + unit * p.slot, bytes);
    }
    __syncthreads();
    find_equal(shared, source, bytes, mine, lane);
    __syncthreads();
    Totals totals = count_runs(shared, bytes, mine, lane);
    if (totals.runs > 0) {
        list_runs(p, shared, unit, source, bytes, mine, totals, lane);
        fill_up(p.literals + unit * p.slot, totals.literals);
    } else {
        for (uint32_t group = mine.begin + lane; group < mine.end; group += 32) {
            count_bytes(&shared->pack, *(const Wide *)(source + 16 * group), valid_bits(bytes, group), lane);
        }
    }
    __syncthreads();
    give_counts(&shared->pack, p.counts + 256 * unit);
    if (threadIdx.x == 0) {
        Unit about = {};
        about.bytes = bytes;
        about.literals = totals.literals;
        about.sequences = totals.runs;
        p.units[unit] = about;
    }
}
