// Matches inside a unit, where they pay: a block for each unit.
//
// First a probe: of some bytes in the middle, how many come back eight at a time. Where they do, each position looks in a table
// for the last place before its step that had the same six bytes; what is found is a candidate. Then a thread for each 1024 bytes
// goes through its candidates, takes each match as far as it goes and keeps those that cost less than the literals that they
// replace. Matches that go on from one such stretch to the next are joined. What comes of it takes the place of the runs that
// analysis has found, if it is smaller: by the entropy of the literals that are left, and what sequences cost.
//
// Positions are put into the table by maximum, step by step, so which place is found depends on no order. Logarithms are
// taken without fractions of floats, which would not be rounded alike everywhere.

#include "coder_pack.h"

#define MATCH_THREADS PACK_THREADS
#define TABLE_LOG 13
#define PROBE_LOG 12
#define LEAST_MATCH 5
#define STRETCH 1024u
// Matches of a stretch at the most.
#define STRETCH_MATCHES 206u
#define MOST_STRETCHES (UNIT / STRETCH)
// Bytes of the probe: those that are put into the table, and those that are looked for.
#define PROBED 3072
#define ASKED 1024
// Fewer bytes are not probed.
#define LEAST_PROBED 8192
// What the hits of a probe must come to, times the sixteenths of a bit that a literal takes.
#define LEAST_HITS 2000
// Candidates of 4096 bytes, for the next ones to be looked at.
#define REGION 4096u
#define LEAST_FOUND 64

struct MatchShared {
    // Places by hash, one more than they are; later the stages and counters of literals.
    union {
        uint32_t table[1 << TABLE_LOG];
        PackShared pack;
    };
    // A bit for each byte: where there is a candidate; later what is in a match.
    uint32_t bits[UNIT / 32];
    uint32_t found[MOST_STRETCHES];
    uint16_t counts[256];
    uint32_t sums[MATCH_THREADS / 32];
    uint32_t hits[2];
};

static_assert(sizeof(MatchShared) <= 41984, "as much as it is launched with");

// Eight bytes at any place of a unit; those behind its end are anything.
static __device__ uint64_t eight_at(const unsigned char *source, uint32_t at) {
    const uint32_t *words = (const uint32_t *)(source + (at & ~3u));
    uint32_t shift = 8 * (at & 3);
    uint32_t low = __funnelshift_r(words[0], words[1], shift), high = words[1];
    high = shift == 0 ? high : __funnelshift_r(words[1], words[2], shift);
    return (uint64_t)high << 32 | low;
}

static __device__ uint32_t hash_of(uint64_t bytes, uint32_t log) {
    return (uint32_t)((bytes << 16) * 0x9E3779B185EBCA87ull >> (64 - log));
}

// Bytes that are equal from the lowest on.
static __device__ uint32_t equal_bytes(uint64_t a, uint64_t b) {
    return a == b ? 8 : ((uint32_t)__ffsll((long long)(a ^ b)) - 1) / 8;
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

// Whether so many places come back that matching may pay.
static __device__ bool probe(MatchShared *s, const unsigned char *source, uint32_t bytes, uint32_t cost) {
    for (uint32_t i = threadIdx.x; i < 1 << PROBE_LOG; i += MATCH_THREADS) {
        s->table[i] = 0;
    }
    __syncthreads();
    uint32_t first = (bytes / 2 - (PROBED + ASKED) / 2) & ~3u, hits = 0, before;
    for (uint32_t i = threadIdx.x; i < PROBED; i += MATCH_THREADS) {
        atomicMax(&s->table[hash_of(eight_at(source, first + i), PROBE_LOG)], first + i + 1);
    }
    __syncthreads();
    for (uint32_t i = PROBED + threadIdx.x; i < PROBED + ASKED; i += MATCH_THREADS) {
        uint64_t here = eight_at(source, first + i);
        uint32_t place = s->table[hash_of(here, PROBE_LOG)];
        // A run is found without a table.
        bool is_run = here == (here << 8 | source[first + i - 1]);
        hits += place > 0 && !is_run && here == eight_at(source, place - 1);
    }
    return sum_of_block(s->sums, hits, &before) * cost >= LEAST_HITS;
}

// The candidate at a position: its offset; 0: none.
static __device__ uint32_t candidate(const MatchShared *s, const unsigned char *source, uint32_t at, uint64_t here,
                                     uint32_t hash) {
    uint32_t offset = 0, length = 0;
    if (at > 0) {
        length = equal_bytes(here, here << 8 | source[at - 1]);
        offset = length >= LEAST_MATCH ? 1 : 0;
    }
    if (length < 7) {
        uint32_t place = s->table[hash];
        if (place > 0) {
            uint32_t other = equal_bytes(here, eight_at(source, place - 1));
            if (other >= LEAST_MATCH && other > length + 1) {
                offset = at - (place - 1);
            }
        }
    }
    return offset;
}

// Candidates of all positions, step by step; after some that were in vain only of some.
static __device__ void find_candidates(MatchShared *s, const unsigned char *source, uint32_t bytes, uint16_t *candidates) {
    uint32_t lane = threadIdx.x % 32;
    for (uint32_t i = threadIdx.x; i < 1 << TABLE_LOG; i += MATCH_THREADS) {
        s->table[i] = 0;
    }
    for (uint32_t i = threadIdx.x; i < UNIT / 32; i += MATCH_THREADS) {
        s->bits[i] = 0;
    }
    bool looks = true;
    for (uint32_t region = 0; region * REGION < bytes; region++) {
        if (threadIdx.x == 0) {
            s->hits[region & 1] = 0;
        }
        __syncthreads();
        if (region >= 2) {
            looks = looks ? s->hits[(region - 1) & 1] >= LEAST_FOUND : region % 4 == 1;
        }
        uint32_t end = (region + 1) * REGION < bytes ? (region + 1) * REGION : bytes, found = 0;
        for (uint32_t first = region * REGION; looks && first < end; first += MATCH_THREADS) {
            uint32_t at = first + threadIdx.x, hash = 0, offset = 0;
            bool inside = at + 8 <= bytes;
            if (inside) {
                uint64_t here = eight_at(source, at);
                hash = hash_of(here, TABLE_LOG);
                offset = candidate(s, source, at, here, hash);
                if (offset > 0) {
                    candidates[at] = (uint16_t)offset;
                    found += offset > 1;
                }
            }
            uint32_t there = __ballot_sync(~0u, offset > 0);
            if (lane == 0) {
                s->bits[at / 32] = there;
            }
            __syncthreads();
            if (inside) {
                atomicMax(&s->table[hash], at + 1);
            }
            __syncthreads();
        }
        found = sum_of_warp(found);
        if (lane == 0 && found > 0) {
            atomicAdd(&s->hits[region & 1], found);
        }
        __syncthreads();
    }
}

// The first position from `at` on that has a candidate, or the end.
static __device__ uint32_t next_candidate(const uint32_t *bits, uint32_t at, uint32_t end) {
    while (at < end) {
        uint32_t left = bits[at / 32] >> (at % 32);
        if (left != 0) {
            at += (uint32_t)__ffs((int)left) - 1;
            return at < end ? at : end;
        }
        at = (at / 32 + 1) * 32;
    }
    return end;
}

static __device__ uint32_t match_length(const unsigned char *source, uint32_t at, uint32_t offset, uint32_t end) {
    uint32_t length = 0;
    while (at + length + 8 <= end) {
        uint32_t equal = equal_bytes(eight_at(source, at + length), eight_at(source, at + length - offset));
        length += equal;
        if (equal < 8) {
            return length;
        }
    }
    while (at + length < end && source[at + length] == source[at + length - offset]) {
        length++;
    }
    return length;
}

struct Matches {
    uint16_t *starts;
    uint16_t *ends;
    uint16_t *offsets;
};

// About what a sequence takes; in LZ4 always as much.
static __device__ uint32_t sequence_bits(bool lz4, uint32_t offset, uint32_t last) {
    return lz4 ? 24 : offset == last ? 12 : 10 + highest_bit(offset + 3);
}

// A thread's stretch, from its beginning to its end: matches that pay.
static __device__ uint32_t choose(const MatchShared *s, const unsigned char *source, uint32_t bytes, uint32_t stretch,
                                  const uint16_t *candidates, uint32_t cost, bool lz4, const Matches &to) {
    uint32_t end = (stretch + 1) * STRETCH < bytes ? (stretch + 1) * STRETCH : bytes;
    uint32_t done = stretch == 0 ? 1 : stretch * STRETCH, at = done, count = 0, last = 0;
    while ((at = next_candidate(s->bits, at, end)) < end) {
        uint32_t offset = candidates[at], length = match_length(source, at, offset, end), back = 0;
        while (at - back > done && at - back > offset && source[at - back - 1] == source[at - back - 1 - offset]) {
            back++;
        }
        uint32_t bits = sequence_bits(lz4, offset, last), all = length + back;
        bool pays = all >= LEAST_MATCH && all * cost >= 16 * bits;
        if (pays || (offset == 1 && all >= LEAST_RUN)) {
            to.starts[count] = (uint16_t)(at - back);
            to.ends[count] = (uint16_t)(at + length - 1);
            to.offsets[count] = (uint16_t)offset;
            count++;
            last = offset;
            done = at = at + length;
        } else {
            // The same match from its next byte on is shorter still.
            uint32_t lost = at + length < end ? at + length : end;
            at++;
            while (at < lost && (s->bits[at / 32] >> (at % 32) & 1) != 0 && candidates[at] == offset) {
                at++;
            }
        }
    }
    return count;
}

// Moves the matches of all stretches together, in place, and joins those that go on. Gives how many they are.
static __device__ uint32_t join(const MatchShared *s, uint32_t stretches, const Matches &all) {
    uint32_t total = 0, me = threadIdx.x;
    for (uint32_t stretch = 0; stretch < stretches; stretch++) {
        uint32_t count = s->found[stretch], from = stretch * STRETCH_MATCHES;
        if (count == 0) {
            continue;
        }
        uint16_t start = 0, end = 0, offset = 0;
        if (me < count) {
            start = all.starts[from + me];
            end = all.ends[from + me];
            offset = all.offsets[from + me];
        }
        bool goes_on = total > 0 && all.starts[from] == stretch * STRETCH && all.ends[total - 1] + 1u == all.starts[from] &&
                       all.offsets[total - 1] == all.offsets[from];
        __syncthreads();
        uint32_t to = total + me - (goes_on ? 1 : 0);
        if (me < count) {
            if (me > 0 || !goes_on) {
                all.starts[to] = start;
                all.offsets[to] = offset;
            }
            all.ends[to] = end;
        }
        total += count - (goes_on ? 1 : 0);
        __syncthreads();
    }
    return total;
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
    uint64_t unit = blockIdx.x;
    Unit *about = p.units + unit;
    uint32_t bytes = about->bytes, literals = about->literals, runs = about->sequences;
    if (bytes < LEAST_PROBED || literals < LEAST_CODED) {
        return;
    }
    Place place = place_of(p, unit);
    const unsigned char *source = unit_bytes(p, unit, place);
    uint16_t *counts = p.counts + 256 * unit;
    // A literal of LZ4's is a byte.
    uint32_t without = p.lz4 ? 128 * literals : cost_of_literals(s, counts, literals), cost = without / literals;
    if (!probe(s, source, bytes, cost)) {
        return;
    }
    cost = cost < 14 ? 14 : cost;
    uint16_t *candidates = p.candidates + unit * p.slot;
    find_candidates(s, source, bytes, candidates);
    uint32_t stretches = (bytes + STRETCH - 1) / STRETCH;
    uint16_t *list = p.matches + unit * p.most_matches * 3;
    Matches matches = {list, list + p.most_matches, list + 2 * p.most_matches};
    // One lane of four: threads of a warp go their own ways.
    if (threadIdx.x % 4 == 0 && threadIdx.x / 4 < stretches) {
        uint32_t stretch = threadIdx.x / 4, from = stretch * STRETCH_MATCHES;
        Matches here = {matches.starts + from, matches.ends + from, matches.offsets + from};
        s->found[stretch] = choose(s, source, bytes, stretch, candidates, cost, p.lz4, here);
    }
    __syncthreads();
    uint32_t count = join(s, stretches, matches), covered = 0, bits = 0, before;
    for (uint32_t i = threadIdx.x; i < count; i += MATCH_THREADS) {
        uint32_t offset = matches.offsets[i];
        covered += matches.ends[i] - matches.starts[i] + 1u;
        bits += sequence_bits(p.lz4, offset, i > 0 ? matches.offsets[i - 1] : 0);
    }
    covered = sum_of_block(s->sums, covered, &before);
    bits = sum_of_block(s->sums, bits, &before);
    if (count == 0) {
        return;
    }
    for (uint32_t i = threadIdx.x; i < UNIT / 32; i += MATCH_THREADS) {
        s->bits[i] = 0;
    }
    clear_counts(&s->pack);
    __syncthreads();
    mark(s, matches, count);
    __syncthreads();
    uint32_t own = 0, lane = threadIdx.x % 32, left = bytes - covered;
    Stretch mine = stretch_of(bytes, threadIdx.x / 32);
    for (uint32_t group = mine.begin + lane; group < mine.end; group += 32) {
        uint32_t literal = literal_bits_of(s, bytes, group);
        own += __popc(literal);
        count_bytes(&s->pack, *(const Wide *)(source + 16 * group), literal, lane);
    }
    sum_of_block(s->sums, own, &before);
    give_counts(&s->pack, s->counts);
    __syncthreads();
    uint32_t with = (p.lz4 ? 128 * left : cost_of_literals(s, s->counts, left)) + 16 * bits;
    if (with >= without + 16 * sequence_bits(p.lz4, 1, 1) * runs) {
        return;
    }
    for (uint32_t byte = threadIdx.x; byte < 256; byte += MATCH_THREADS) {
        counts[byte] = s->counts[byte];
    }
    pack_literals(s, source, bytes, p.literals + unit * p.slot, before);
    if (threadIdx.x == 0) {
        about->literals = left;
        about->sequences = count;
        about->matched = 1;
    }
}
