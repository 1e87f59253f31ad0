// Sequences to an LZ4 block (its format: tokens, literals, offsets of two bytes): a block for each unit, which is all of a block
// of Blosc's. Sizes first; then each thread writes a sequence where those before it end. Literals are copied by the thread
// itself, long ones by its warp.

#include "coder_pack.h"

#define LZ4_THREADS PACK_THREADS
// A block ends with so many literals, and its last match begins so far before its end.
#define LAST_LITERALS 5
#define LAST_MATCH 12
#define SHORT 32

struct Lz4Shared {
    uint32_t sums[LZ4_THREADS / 32];
};

// Matches, or runs, of which the last ones are cut or left out.
struct Lz4Sequences {
    const uint16_t *starts;
    const uint16_t *ends;
    const uint16_t *offsets;
    uint32_t count;
    uint32_t bytes;

    __device__ uint32_t end(uint32_t n) const {
        uint32_t end = ends[n] + 1u;
        return end + LAST_LITERALS <= bytes ? end : bytes - LAST_LITERALS;
    }

    // The first literal before a match; behind the last one, those that end the block.
    __device__ uint32_t literals_from(uint32_t n) const { return n > 0 ? end(n - 1) : 0; }
    __device__ uint32_t literals_to(uint32_t n) const { return n < count ? starts[n] : bytes; }
};

static __device__ Lz4Sequences lz4_sequences(const CoderParams &p, uint64_t unit) {
    const Unit &about = p.units[unit];
    const uint16_t *list = p.matches + unit * p.most_matches * 3;
    Lz4Sequences it = {p.starts + unit * p.runs, p.ends + unit * p.runs, nullptr, about.sequences, about.bytes};
    if (about.matched) {
        it.starts = list;
        it.ends = list + p.most_matches;
        it.offsets = list + 2 * p.most_matches;
    }
    while (it.count > 0 && it.starts[it.count - 1] + (uint32_t)LAST_MATCH > it.bytes) {
        it.count--;
    }
    return it;
}

// Bytes behind a token for a length that its half does not hold.
static __device__ uint32_t more_bytes(uint32_t length) {
    return length < 15 ? 0 : (length - 15) / 255 + 1;
}

static __device__ unsigned char *put_more(unsigned char *to, uint32_t length) {
    if (length < 15) {
        return to;
    }
    for (length -= 15; length >= 255; length -= 255) {
        *to++ = 255;
    }
    *to++ = (unsigned char)length;
    return to;
}

// Bytes of a sequence; the last is literals alone.
static __device__ uint32_t lz4_size(const Lz4Sequences &it, uint32_t n) {
    uint32_t literals = it.literals_to(n) - it.literals_from(n), size = 1 + more_bytes(literals) + literals;
    return n < it.count ? size + 2 + more_bytes(it.end(n) - it.starts[n] - 4) : size;
}

// Writes a sequence but for its literals, and says where those go.
static __device__ unsigned char *put_sequence(const Lz4Sequences &it, uint32_t n, unsigned char *to) {
    uint32_t literals = it.literals_to(n) - it.literals_from(n), match = n < it.count ? it.end(n) - it.starts[n] - 4 : 0;
    *to++ = (unsigned char)((literals < 15 ? literals : 15) << 4 | (match < 15 ? match : 15));
    unsigned char *there = put_more(to, literals);
    if (n < it.count) {
        uint32_t offset = it.offsets ? it.offsets[n] : 1;
        there[literals] = (unsigned char)offset;
        there[literals + 1] = (unsigned char)(offset >> 8);
        put_more(there + literals + 2, match);
    }
    return there;
}

// Literals of the lanes of a warp: short ones by each lane, the others by all.
static __device__ void put_lz4_literals(const unsigned char *source, unsigned char *to, uint32_t from, uint32_t count,
                                        uint32_t lane) {
    for (uint32_t i = 0; i < count && count <= SHORT; i++) {
        to[i] = source[from + i];
    }
    for (uint32_t longer = __ballot_sync(~0u, count > SHORT); longer != 0; longer &= longer - 1) {
        int whose = __ffs((int)longer) - 1;
        uint32_t bytes = __shfl_sync(~0u, count, whose), first = __shfl_sync(~0u, from, whose);
        uint64_t there = __shfl_sync(~0u, (uint64_t)to, whose);
        for (uint32_t i = lane; i < bytes; i += 32) {
            ((unsigned char *)there)[i] = source[first + i];
        }
    }
}

extern "C" __global__ void __launch_bounds__(LZ4_THREADS) coder_lz4(const __grid_constant__ CoderParams p) {
    SHARED_BYTES(bytes_shared);
    Lz4Shared *s = (Lz4Shared *)bytes_shared;
    uint64_t unit = p.first + blockIdx.x;
    Unit *about = p.units + unit;
    Place place = place_of(p, unit);
    const unsigned char *source = unit_bytes(p, unit, place);
    Lz4Sequences it = lz4_sequences(p, unit);
    uint32_t lane = threadIdx.x % 32, size = 0, before;
    for (uint32_t n = threadIdx.x; n <= it.count; n += LZ4_THREADS) {
        size += lz4_size(it, n);
    }
    size = sum_of_block(s->sums, size, &before);
    // One that does not shrink is stored as it is.
    if (threadIdx.x == 0) {
        about->size = size < it.bytes ? size : it.bytes;
        about->kind = KIND_CODED;
    }
    unsigned char *to = p.out + unit * p.out_slot;
    for (uint32_t first = 0; size < it.bytes && first <= it.count; first += LZ4_THREADS) {
        uint32_t n = first + threadIdx.x, mine = n <= it.count ? lz4_size(it, n) : 0, count = 0, from = 0;
        uint32_t all = sum_of_block(s->sums, mine, &before);
        before += sum_up_to(mine, lane) - mine;
        unsigned char *there = to;
        if (n <= it.count) {
            from = it.literals_from(n);
            count = it.literals_to(n) - from;
            there = put_sequence(it, n, to + before);
        }
        put_lz4_literals(source, there, from, count, lane);
        to += all;
    }
}
