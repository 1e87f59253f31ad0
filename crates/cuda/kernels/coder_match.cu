// Matches inside a unit, where they pay: a block for each unit.
//
// First a probe: of eight pieces of the unit, how many bits come back in matches. Where enough do, each position looks for the bytes
// from it on in four places: right before it, at the nearest lane of its warp that has the same five, at the last place before its step
// that had them, and at the last that had the same eight. The place that saves most is kept with how far it goes. Then a warp for each eighth
// of the unit goes through them: it takes what saves something, unless the next position saves more by as much as the byte between costs.
// Matches that go on from one eighth to the next are joined, and all are drawn towards the front as far as they
// go. What comes of it takes the place of the runs that analysis has found, if it is smaller: by the entropy of the literals
// that are left, and what sequences cost.
//
// Positions are put into the tables by maximum, step by step, so which place is found depends on no order. Logarithms are
// taken without fractions of floats, which would not be rounded alike everywhere.

#include "coder_pack.h"

#define MATCH_THREADS PACK_THREADS
#define LEAST_MATCH 5
// Places by five bytes, and by eight.
#define SHORT_LOG 13
#define LONG_PLACES 3840u
// Bytes up to which a position says how long its match is.
#define MOST_SAID 16u
// Places that a position looks at.
#define PLACES 4
#define NOTHING_SAVED (-(1 << 30))
// Matches of a stretch of so many bytes at the most. `coder.rs` counts the same.
#define STRETCHES PACK_WARPS
#define MATCHES_OF(stretch) ((stretch) / LEAST_MATCH + 2)
// The probe: pieces, their bytes that are put into the table, and those that are looked for and compared so far.
#define PIECES 8
#define PUT 384
#define ASKED 128
#define COMPARED 24u
#define PROBE_LOG 12
// Bits of lengths, and of offsets where not all are the same, that are not counted where matches are chosen.
#define LENGTH_BITS 2
#define OFFSET_BITS 1
// Fewer bytes are not probed.
#define LEAST_PROBED 8192
// The part of the literals' bits that must come back.
#define LEAST_PART 64

struct MatchShared {
    // Places by hash, one more than they are; later the stages and counters of literals, and a bit for each byte in a match.
    union {
        struct {
            uint32_t by_five[1 << SHORT_LOG];
            uint32_t by_eight[LONG_PLACES];
        };
        struct {
            PackShared pack;
            uint32_t bits[UNIT / 32];
        };
    };
    uint32_t found[STRETCHES];
    uint16_t counts[256];
    uint32_t sums[MATCH_THREADS / 32];
};

static_assert(sizeof(MatchShared) <= 49152, "as much as it is launched with");

// Eight bytes at any place of a unit; those behind its end are anything.
static __device__ uint64_t eight_at(const unsigned char *source, uint32_t at) {
    const uint32_t *words = (const uint32_t *)(source + (at & ~3u));
    uint32_t shift = 8 * (at & 3);
    uint32_t low = __funnelshift_r(words[0], words[1], shift), high = words[1];
    high = shift == 0 ? high : __funnelshift_r(words[1], words[2], shift);
    return (uint64_t)high << 32 | low;
}

static __device__ uint32_t hash_of_five(uint64_t bytes) {
    return (uint32_t)((bytes << 24) * 0x9E3779B185EBCA87ull >> 32);
}

static __device__ uint32_t hash_of_eight(uint64_t bytes) {
    return (uint32_t)(bytes * 0x9E3779B185EBCA87ull >> 32);
}

// Bytes that are equal from the lowest on.
static __device__ uint32_t equal_bytes(uint64_t a, uint64_t b) {
    return a == b ? 8 : ((uint32_t)__ffsll((long long)(a ^ b)) - 1) / 8;
}

// The same at a position and so far before it: up to eight, none behind the unit's end.
static __device__ uint32_t equal_at(const unsigned char *source, uint32_t bytes, uint32_t at, uint32_t offset) {
    if (at + 8 <= bytes) {
        return equal_bytes(eight_at(source, at), eight_at(source, at - offset));
    }
    uint32_t equal = 0;
    while (at + equal < bytes && source[at + equal] == source[at + equal - offset]) {
        equal++;
    }
    return equal;
}

// How far a match goes that is known to go so far, up to `most` and some.
static __device__ uint32_t length_of(const unsigned char *source, uint32_t bytes, uint32_t at, uint32_t offset, uint32_t length,
                                     uint32_t most) {
    for (uint32_t equal = 8; equal == 8 && length < most; length += equal) {
        equal = equal_at(source, bytes, at + length, offset);
    }
    return length;
}

// Sixteen times the logarithm to base two, straight between powers of two.
static __device__ uint32_t logarithm(uint32_t number) {
    uint32_t whole = highest_bit(number);
    return 16 * whole + (uint32_t)(((uint64_t)number << 4 >> whole) & 15);
}

// Sixteenths of a bit that literals take that are counted so.
static __device__ uint32_t cost_of_literals(MatchShared *s, const uint16_t *counts, uint32_t literals) {
    uint32_t cost = 0, before;
    for (uint32_t byte = threadIdx.x; byte < 256; byte += MATCH_THREADS) {
        uint32_t count = counts[byte];
        cost += count > 0 ? count * (logarithm(literals) - logarithm(count)) : 0;
    }
    return sum_of_block(s->sums, cost, &before);
}

// About what a sequence takes; in LZ4 always as much.
static __device__ uint32_t sequence_bits(bool lz4, uint32_t offset, bool again) {
    return lz4 ? 24 : again ? 4 : 4 + highest_bit(offset + 3);
}

// What a literal takes, in sixteenths of a bit, and whether sequences are LZ4's.
struct Costs {
    uint32_t literal;
    bool lz4;

    // What a match saves.
    __device__ int saved(uint32_t offset, uint32_t length) const {
        return (int)(length * literal) - (int)(16 * sequence_bits(lz4, offset, offset == 1));
    }
};

// Whether so many bits come back that matching may pay.
static __device__ bool probe(MatchShared *s, const unsigned char *source, uint32_t bytes, const Costs &costs) {
    for (uint32_t i = threadIdx.x; i < 1 << PROBE_LOG; i += MATCH_THREADS) {
        s->by_five[i] = 0;
    }
    __syncthreads();
    // Unevenly, for what is periodic.
    uint32_t apart = bytes / PIECES, shifted = (apart - PUT - ASKED) / PIECES, saved = 0, before;
    for (uint32_t i = threadIdx.x; i < PIECES * PUT; i += MATCH_THREADS) {
        uint32_t piece = i / PUT, at = piece * apart + piece * 5 % 8 * shifted + 1 + i % PUT;
        atomicMax(&s->by_five[hash_of_five(eight_at(source, at)) >> (32 - PROBE_LOG)], at + 1);
    }
    __syncthreads();
    for (uint32_t i = threadIdx.x; i < PIECES * ASKED; i += MATCH_THREADS) {
        uint32_t piece = i / ASKED, at = piece * apart + piece * 5 % 8 * shifted + 1 + PUT + i % ASKED;
        uint64_t here = eight_at(source, at);
        uint32_t place = s->by_five[hash_of_five(here) >> (32 - PROBE_LOG)];
        // A run is found without a table.
        if (place == 0 || here == (here << 8 | source[at - 1])) {
            continue;
        }
        place--;
        uint32_t last = at > place ? at : place, offset = at > place ? at - place : place - at;
        uint32_t length = length_of(source, bytes, last, offset, 0, COMPARED);
        int saves = costs.saved(offset, length);
        saved += length >= LEAST_MATCH && saves > 0 ? (uint32_t)saves / length : 0;
    }
    return sum_of_block(s->sums, saved, &before) * LEAST_PART >= PIECES * ASKED * costs.literal;
}

// A match from a position on; no offset: there is none.
struct Found {
    uint32_t offset;
    uint32_t length;
    int saved;

    // Takes another place in its stead, so far before, that saves more by eight bytes.
    __device__ void consider(uint64_t here, uint64_t there, uint32_t before, const Costs &costs) {
        uint32_t equal = equal_bytes(here, there);
        int saves = costs.saved(before, equal);
        if (before > 0 && equal >= LEAST_MATCH && saves > saved) {
            offset = before;
            length = equal;
            saved = saves;
        }
    }
};

// The best place for each position, step by step, and how far it goes.
static __device__ void find_all(MatchShared *s, const unsigned char *source, uint32_t bytes, const Costs &costs, uint16_t *offsets,
                                unsigned char *lengths) {
    uint32_t lane = threadIdx.x % 32;
    for (uint32_t i = threadIdx.x; i < 1 << SHORT_LOG; i += MATCH_THREADS) {
        s->by_five[i] = 0;
    }
    for (uint32_t i = threadIdx.x; i < LONG_PLACES; i += MATCH_THREADS) {
        s->by_eight[i] = 0;
    }
    __syncthreads();
    uint64_t next = threadIdx.x + 8 <= bytes ? eight_at(source, threadIdx.x) : 0;
    for (uint32_t first = 0; first < bytes; first += MATCH_THREADS) {
        uint32_t at = first + threadIdx.x;
        bool inside = at + 8 <= bytes;
        uint64_t here = next;
        // What the next step and the places hold is on its way before any of it is looked at.
        next = at + MATCH_THREADS + 8 <= bytes ? eight_at(source, at + MATCH_THREADS) : 0;
        uint32_t hash = hash_of_five(here), five = hash >> (32 - SHORT_LOG);
        uint32_t eight = (uint32_t)((uint64_t)hash_of_eight(here) * LONG_PLACES >> 32);
        // Lanes before this one in the warp; those behind the end come last.
        uint32_t near = __match_any_sync(~0u, hash) & ((1u << lane) - 1);
        Found found = {0, 0, NOTHING_SAVED};
        if (inside) {
            uint32_t longer = s->by_eight[eight], shorter = s->by_five[five];
            uint32_t before[PLACES] = {at > 0, near != 0 ? lane - highest_bit(near) : 0, longer > 0 ? at + 1 - longer : 0,
                                       shorter > 0 ? at + 1 - shorter : 0};
            uint64_t there[PLACES];
            for (int i = 0; i < PLACES; i++) {
                there[i] = eight_at(source, at - before[i]);
            }
            for (int i = 0; i < PLACES; i++) {
                found.consider(here, there[i], before[i], costs);
            }
            if (found.length == 8) {
                found.length = length_of(source, bytes, at, found.offset, 8, MOST_SAID);
            }
        }
        if (at < bytes) {
            offsets[at] = (uint16_t)found.offset;
            lengths[at] = (unsigned char)found.length;
        }
        __syncthreads();
        if (inside) {
            atomicMax(&s->by_five[five], at + 1);
            atomicMax(&s->by_eight[eight], at + 1);
        }
        __syncthreads();
    }
}

static __device__ Found found_at(const uint16_t *offsets, const unsigned char *lengths, uint32_t bytes, uint32_t at,
                                 const Costs &costs) {
    Found found = {0, 0, NOTHING_SAVED};
    if (at < bytes) {
        found.offset = offsets[at];
        found.length = lengths[at];
        found.saved = found.offset > 0 ? costs.saved(found.offset, found.length) : NOTHING_SAVED;
    }
    return found;
}

// How far a match goes, by a warp.
static __device__ uint32_t whole_length(const unsigned char *source, uint32_t bytes, uint32_t at, uint32_t offset, uint32_t length,
                                        uint32_t end, uint32_t lane) {
    while (at + length < end) {
        uint32_t mine = at + length + 8 * lane, equal = mine < bytes ? equal_at(source, bytes, mine, offset) : 0;
        uint32_t ends = __ballot_sync(~0u, equal < 8);
        if (ends != 0) {
            int whose = __ffs((int)ends) - 1;
            return length + 8 * (uint32_t)whose + __shfl_sync(~0u, equal, whose);
        }
        length += 8 * 32;
    }
    return length;
}

struct Matches {
    uint16_t *starts;
    uint16_t *ends;
    uint16_t *offsets;
};

// What is taken of a stretch, by a warp, 32 positions at a time. Gives how many matches.
static __device__ uint32_t choose(const unsigned char *source, uint32_t bytes, uint32_t begin, uint32_t end, const uint16_t *offsets,
                                  const unsigned char *lengths, const Costs &costs, const Matches &to, uint32_t lane) {
    uint32_t count = 0, done = begin;
    Found next = found_at(offsets, lengths, bytes, begin + lane, costs);
    for (uint32_t first = begin; first < end; first += 32) {
        Found mine = next;
        next = found_at(offsets, lengths, bytes, first + 32 + lane, costs);
        int ahead = __shfl_down_sync(~0u, mine.saved, 1), behind = __shfl_sync(~0u, next.saved, 0);
        ahead = lane == 31 ? behind : ahead;
        bool pays = mine.saved >= 0 || (mine.offset == 1 && mine.length >= LEAST_RUN);
        uint32_t left = __ballot_sync(~0u, pays && mine.offset > 0 && ahead <= mine.saved + (int)costs.literal);
        left = done >= first + 32 ? 0 : done > first ? left & ~0u << (done - first) : left;
        while (left != 0) {
            int whose = __ffs((int)left) - 1;
            uint32_t at = first + (uint32_t)whose, offset = __shfl_sync(~0u, mine.offset, whose);
            uint32_t length = __shfl_sync(~0u, mine.length, whose);
            if (length >= MOST_SAID) {
                length = whole_length(source, bytes, at, offset, length, end, lane);
            }
            length = at + length < end ? length : end - at;
            done = at + length;
            left = done >= first + 32 ? 0 : left & ~0u << (done - first);
            // Only where the stretch ends is there less.
            if (length >= LEAST_MATCH) {
                if (lane == 0) {
                    to.starts[count] = (uint16_t)at;
                    to.ends[count] = (uint16_t)(done - 1);
                    to.offsets[count] = (uint16_t)offset;
                }
                count++;
            }
        }
    }
    return count;
}

// Moves the matches of all stretches together, in place, and joins those that go on. Gives how many they are.
static __device__ uint32_t join(const MatchShared *s, uint32_t stretch, const Matches &all) {
    uint32_t total = s->found[0];
    for (uint32_t which = 1; which < STRETCHES; which++) {
        uint32_t count = s->found[which], from = which * MATCHES_OF(stretch);
        bool goes_on = count > 0 && total > 0 && all.ends[total - 1] + 1u == all.starts[from] &&
                       all.offsets[total - 1] == all.offsets[from];
        uint32_t to = total - goes_on;
        for (uint32_t first = 0; first < count; first += MATCH_THREADS) {
            uint32_t me = first + threadIdx.x;
            uint16_t start = 0, end = 0, offset = 0;
            if (me < count) {
                start = all.starts[from + me];
                end = all.ends[from + me];
                offset = all.offsets[from + me];
            }
            __syncthreads();
            if (me < count) {
                if (me > 0 || !goes_on) {
                    all.starts[to + me] = start;
                    all.offsets[to + me] = offset;
                }
                all.ends[to + me] = end;
            }
            __syncthreads();
        }
        total = to + count;
    }
    return total;
}

// Lets each match begin earlier, where the bytes before it are equal too and none of the one before.
static __device__ void draw_to_front(const unsigned char *source, const Matches &matches, uint32_t count) {
    for (uint32_t i = threadIdx.x; i < count; i += MATCH_THREADS) {
        uint32_t start = matches.starts[i], offset = matches.offsets[i], done = i > 0 ? matches.ends[i - 1] + 1u : 0;
        while (start > done && start > offset && source[start - 1] == source[start - 1 - offset]) {
            start--;
        }
        matches.starts[i] = (uint16_t)start;
    }
}

// Marks what lies in matches.
static __device__ void mark(MatchShared *s, const Matches &matches, uint32_t count) {
    for (uint32_t i = threadIdx.x; i < count; i += MATCH_THREADS) {
        uint32_t start = matches.starts[i], end = matches.ends[i], first = start / 32, last = end / 32;
        uint32_t from = ~0u << (start % 32), to = ~0u >> (31 - end % 32);
        if (first == last) {
            atomicOr(&s->bits[first], from & to);
            continue;
        }
        atomicOr(&s->bits[first], from);
        for (uint32_t word = first + 1; word < last; word++) {
            s->bits[word] = ~0u;
        }
        atomicOr(&s->bits[last], to);
    }
}

static __device__ uint32_t literal_bits_of(const MatchShared *s, uint32_t bytes, uint32_t group) {
    return ~(s->bits[group / 2] >> (group % 2 * 16)) & valid_bits(bytes, group);
}

static __device__ void pack_literals(MatchShared *s, const unsigned char *source, uint32_t bytes, unsigned char *literals,
                                     uint32_t before) {
    uint32_t lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    Stretch mine = stretch_of(bytes, warp);
    Packer packer(s->pack.stage[warp], literals, before);
    for (uint32_t first = mine.begin; first < mine.end; first += 32) {
        uint32_t group = first + lane, literal = 0;
        Wide wide = {};
        if (group < mine.end) {
            wide = *(const Wide *)(source + 16 * group);
            literal = literal_bits_of(s, bytes, group);
        }
        uint32_t own = __popc(literal), up_to = sum_up_to(own, lane);
        packer.put(wide, literal, up_to - own, __shfl_sync(~0u, up_to, 31), lane);
    }
    packer.end(lane);
}

extern "C" __global__ void __launch_bounds__(MATCH_THREADS) coder_match(const __grid_constant__ CoderParams p) {
    SHARED_BYTES(bytes_shared);
    MatchShared *s = (MatchShared *)bytes_shared;
    uint64_t unit = p.first + blockIdx.x;
    Unit *about = p.units + unit;
    uint32_t bytes = about->bytes, literals = about->literals, runs = about->sequences;
    if (bytes < LEAST_PROBED || literals < LEAST_CODED) {
        return;
    }
    Place place = place_of(p, unit);
    const unsigned char *source = unit_bytes(p, unit, place);
    uint16_t *counts = p.counts + 256 * unit;
    // A literal of LZ4's is a byte.
    uint32_t without = p.lz4 ? 128 * literals : cost_of_literals(s, counts, literals);
    Costs costs = {without / literals, p.lz4 != 0};
    if (!probe(s, source, bytes, costs)) {
        return;
    }
    costs.literal = costs.literal < 14 ? 14 : costs.literal;
    // What a position has found lies where the output will.
    uint16_t *offsets = p.candidates + unit * p.slot;
    unsigned char *lengths = p.out + unit * p.out_slot;
    find_all(s, source, bytes, costs, offsets, lengths);
    uint16_t *list = p.matches + unit * p.most_matches * 3;
    Matches matches = {list, list + p.most_matches, list + 2 * p.most_matches};
    uint32_t lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    uint32_t stretch = (uint32_t)next_multiple((bytes + STRETCHES - 1) / STRETCHES, 32), from = warp * MATCHES_OF(stretch);
    uint32_t begin = warp * stretch < bytes ? warp * stretch : bytes, end = begin + stretch < bytes ? begin + stretch : bytes;
    Matches mine = {matches.starts + from, matches.ends + from, matches.offsets + from};
    uint32_t found = choose(source, bytes, begin, end, offsets, lengths, costs, mine, lane);
    if (lane == 0) {
        s->found[warp] = found;
    }
    __syncthreads();
    uint32_t count = join(s, stretch, matches), covered = 0, bits = 0, before;
    if (count == 0) {
        return;
    }
    __syncthreads();
    draw_to_front(source, matches, count);
    __syncthreads();
    for (uint32_t i = threadIdx.x; i < count; i += MATCH_THREADS) {
        uint32_t offset = matches.offsets[i];
        covered += matches.ends[i] - matches.starts[i] + 1u;
        bits += sequence_bits(p.lz4, offset, i > 0 && matches.offsets[i - 1] == offset);
    }
    covered = sum_of_block(s->sums, covered, &before);
    bits = sum_of_block(s->sums, bits, &before);
    for (uint32_t i = threadIdx.x; i < UNIT / 32; i += MATCH_THREADS) {
        s->bits[i] = 0;
    }
    clear_counts(&s->pack);
    __syncthreads();
    mark(s, matches, count);
    __syncthreads();
    uint32_t own = 0, left = bytes - covered;
    Stretch groups = stretch_of(bytes, warp);
    for (uint32_t group = groups.begin + lane; group < groups.end; group += 32) {
        uint32_t literal = literal_bits_of(s, bytes, group);
        own += __popc(literal);
        count_bytes(&s->pack, *(const Wide *)(source + 16 * group), literal, lane);
    }
    sum_of_block(s->sums, own, &before);
    give_counts(&s->pack, s->counts);
    __syncthreads();
    uint32_t with = (p.lz4 ? 128 * left : cost_of_literals(s, s->counts, left)) + 16 * (bits + (LENGTH_BITS + OFFSET_BITS) * count);
    if (with >= without + 16 * (sequence_bits(p.lz4, 1, true) + LENGTH_BITS) * runs) {
        return;
    }
    for (uint32_t byte = threadIdx.x; byte < 256; byte += MATCH_THREADS) {
        counts[byte] = s->counts[byte];
    }
    pack_literals(s, source, bytes, p.literals + unit * p.slot, before);
    fill_up(p.literals + unit * p.slot, left);
    if (threadIdx.x == 0) {
        about->literals = left;
        about->sequences = count;
        about->matched = 1;
    }
}
