// Codes of literals: a warp for each unit. Bytes are sorted by how often they are there, the lengths of their codes are found in
// place (Moffat and Katajainen), cut to 11 bits, and turned into codes and into the tree's description (RFC 8878, 4.2.1).

#include "coder_fse.h"

#define TABLE_WARPS 4
#define WEIGHT_LOG 6

struct TableShared {
    // How often, and which byte: sorted.
    uint32_t keys[256];
    uint32_t work[256];
    // Codes of each length; the first of them.
    uint32_t lengths[40];
    uint32_t codes[16];
    uint32_t weight_counts[16];
    unsigned char length[256];
    unsigned char weights[256];
    unsigned char tree[TREE_ROOM];
    Fse fse;
    int16_t shares[16];
    unsigned char spread[1 << FSE_BITS];
    uint32_t longest;
    uint32_t bytes;
};

static_assert(TABLE_WARPS * sizeof(TableShared) <= 17408, "as much as it is launched with");

// Ascending, by all lanes.
static __device__ void sort_keys(uint32_t *keys, uint32_t lane) {
    for (uint32_t size = 2; size <= 256; size *= 2) {
        for (uint32_t apart = size / 2; apart > 0; apart /= 2) {
            for (uint32_t pair = lane; pair < 128; pair += 32) {
                uint32_t one = (pair & ~(apart - 1)) << 1 | (pair & (apart - 1)), other = one | apart;
                uint32_t a = keys[one], b = keys[other];
                if ((a > b) == ((one & size) == 0)) {
                    keys[one] = b;
                    keys[other] = a;
                }
            }
            __syncwarp();
        }
    }
}

// How many codes there are of each length, for counts that ascend in `a`; it is overwritten. At least two counts.
static __device__ void find_lengths(uint32_t *a, int count, uint32_t *lengths) {
    // Inner nodes take the place of the leaves that are used up: first their sums, then their parents.
    int leaf = 0, root = 0;
    for (int next = 0; next < count - 1; next++) {
        uint32_t sum = 0;
        for (int child = 0; child < 2; child++) {
            if (leaf >= count || (root < next && a[root] < a[leaf])) {
                sum += a[root];
                a[root++] = (uint32_t)next;
            } else {
                sum += a[leaf++];
            }
        }
        a[next] = sum;
    }
    // Depths of inner nodes, then how many leaves are left over at each depth.
    a[count - 2] = 0;
    for (int next = count - 3; next >= 0; next--) {
        a[next] = a[a[next]] + 1;
    }
    int open = 1, node = count - 2;
    for (uint32_t depth = 0; open > 0; depth++) {
        int inner = 0;
        for (; node >= 0 && a[node] == depth; node--) {
            inner++;
        }
        lengths[depth < 39 ? depth : 39] += (uint32_t)(open - inner);
        open = 2 * inner;
    }
}

// No code longer than the most: those that are get that length, others are made longer until all fit, and what is then left
// over is given back.
static __device__ void cut_lengths(uint32_t *lengths) {
    const uint32_t ALL = 1u << MOST_BITS;
    uint32_t used = 0;
    for (int length = 39; length > MOST_BITS; length--) {
        lengths[MOST_BITS] += lengths[length];
        lengths[length] = 0;
    }
    for (int length = 1; length <= MOST_BITS; length++) {
        used += lengths[length] << (MOST_BITS - length);
    }
    while (used > ALL) {
        int length = MOST_BITS - 1;
        while (lengths[length] == 0) {
            length--;
        }
        lengths[length]--;
        lengths[length + 1]++;
        used -= 1u << (MOST_BITS - length - 1);
    }
    for (int length = 2; length <= MOST_BITS; length++) {
        while (lengths[length] > 0 && used + (1u << (MOST_BITS - length)) <= ALL) {
            lengths[length]--;
            lengths[length - 1]++;
            used += 1u << (MOST_BITS - length);
        }
    }
}

// Weights of the symbols before the last, coded by two states in turn; 0: they cannot be, or not in the room.
static __device__ uint32_t describe_by_fse(TableShared *s, uint32_t count) {
    for (uint32_t i = 0; i < 16; i++) {
        s->weight_counts[i] = 0;
    }
    for (uint32_t i = 0; i < count; i++) {
        s->weight_counts[s->weights[i]]++;
    }
    uint32_t symbols = 0;
    for (uint32_t i = 0; i < 13; i++) {
        symbols = s->weight_counts[i] > 0 ? i + 1 : symbols;
        if (s->weight_counts[i] == count) {
            return 0;
        }
    }
    fse_shares(s->shares, s->weight_counts, symbols, count, WEIGHT_LOG, (1 << WEIGHT_LOG) - 1);
    fse_build(&s->fse, s->shares, symbols, WEIGHT_LOG, s->spread);
    BitWriter to = {s->tree, TREE_ROOM, 1, 0, 0};
    fse_describe(&to, s->shares, symbols, WEIGHT_LOG);
    uint32_t states[2] = {0, 0};
    for (uint32_t i = count; i-- > 0;) {
        uint32_t weight = s->weights[i], *state = &states[i & 1];
        if (i + 2 >= count) {
            *state = fse_begin(&s->fse, weight);
        } else {
            uint32_t old = *state;
            to.put(old, fse_next(&s->fse, state, weight));
        }
    }
    to.put(states[1], WEIGHT_LOG);
    to.put(states[0], WEIGHT_LOG);
    to.put(1, 1);
    to.pad();
    uint32_t bytes = to.used - 1;
    return bytes > 1 && bytes < 128 ? bytes : 0;
}

// The tree's description; `last` is the last symbol that has a code. Gives its bytes; 0: there is none.
static __device__ uint32_t describe_tree(TableShared *s, uint32_t last) {
    uint32_t coded = describe_by_fse(s, last), direct = (last + 1) / 2;
    if (coded > 0 && (coded < direct || last > 128)) {
        s->tree[0] = (unsigned char)coded;
        return 1 + coded;
    }
    if (last > 128) {
        return 0;
    }
    s->tree[0] = (unsigned char)(127 + last);
    for (uint32_t i = 0; i < last; i += 2) {
        uint32_t second = i + 1 < last ? s->weights[i + 1] : 0;
        s->tree[1 + i / 2] = (unsigned char)(s->weights[i] << 4 | second);
    }
    return 1 + direct;
}

// The first code of each length: codes of one length follow one another, the longest come first (RFC 8878, 4.2.1.3).
static __device__ void first_codes(TableShared *s) {
    uint32_t longest = MOST_BITS, code = 0;
    while (s->lengths[longest] == 0) {
        longest--;
    }
    for (uint32_t length = longest; length > 0; length--) {
        s->codes[length] = code;
        code = (code + s->lengths[length]) >> 1;
    }
    s->longest = longest;
}

// Codes of all bytes to `counts`, 11 bits and above them their length. Gives the bits of all literals.
static __device__ uint32_t give_codes(TableShared *s, uint32_t present, uint16_t *counts, uint32_t lane) {
    uint32_t bits = 0;
    for (uint32_t i = lane; i < present; i += 32) {
        // Those that are there most often have the shortest codes.
        uint32_t rank = present - 1 - i, length = 1, up_to = s->lengths[1];
        while (up_to <= rank) {
            length++;
            up_to += s->lengths[length];
        }
        s->length[s->keys[i] & 255] = (unsigned char)length;
        bits += length * (s->keys[i] >> 8);
    }
    __syncwarp();
    for (uint32_t first = 0; first < 256; first += 32) {
        uint32_t byte = first + lane, length = s->length[byte];
        uint32_t same = __match_any_sync(~0u, length), before = __popc(same & ((1u << lane) - 1));
        uint32_t code = s->codes[length] + before;
        counts[byte] = (uint16_t)(length > 0 ? length << MOST_BITS | code : 0);
        s->weights[byte] = (unsigned char)(length > 0 ? s->longest + 1 - length : 0);
        __syncwarp();
        if (before == 0) {
            s->codes[length] += __popc(same);
        }
        __syncwarp();
    }
    return sum_of_warp(bits);
}

static __device__ uint32_t literals_header(uint32_t literals, uint32_t how, uint32_t coded) {
    if (how != LITERALS_CODED) {
        return literals < 32 ? 1 : literals < 4096 ? 2 : 3;
    }
    uint32_t most = literals > coded ? literals : coded;
    return most < 1024 ? 3 : most < 16384 ? 4 : 5;
}

extern "C" __global__ void __launch_bounds__(32 * TABLE_WARPS) coder_table(const __grid_constant__ CoderParams p) {
    SHARED_BYTES(bytes_shared);
    uint32_t lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    TableShared *s = (TableShared *)bytes_shared + warp;
    uint64_t unit = p.first + (uint64_t)blockIdx.x * TABLE_WARPS + warp;
    if (unit >= p.first + p.count) {
        return;
    }
    Unit *about = p.units + unit;
    uint16_t *counts = p.counts + 256 * unit;
    uint32_t present = 0, highest = 0;
    for (uint32_t first = 0; first < 256; first += 32) {
        uint32_t byte = first + lane, count = counts[byte];
        s->keys[byte] = count > 0 ? count << 8 | byte : ~0u;
        s->length[byte] = 0;
        uint32_t there = __ballot_sync(~0u, count > 0);
        present += __popc(there);
        highest = there != 0 ? first + highest_bit(there) : highest;
    }
    for (uint32_t i = lane; i < 40; i += 32) {
        s->lengths[i] = 0;
    }
    if (lane < 16) {
        s->codes[lane] = 0;
    }
    uint32_t literals = about->literals;
    if (present == 1) {
        if (lane == 0) {
            about->how = literals >= 4 ? LITERALS_SAME : LITERALS_RAW;
            about->same = highest;
        }
        return;
    }
    if (literals < LEAST_CODED) {
        return;
    }
    __syncwarp();
    sort_keys(s->keys, lane);
    for (uint32_t i = lane; i < 256; i += 32) {
        s->work[i] = s->keys[i] >> 8;
    }
    __syncwarp();
    if (lane == 0) {
        find_lengths(s->work, (int)present, s->lengths);
        cut_lengths(s->lengths);
        first_codes(s);
    }
    __syncwarp();
    uint32_t bits = give_codes(s, present, counts, lane);
    if (lane == 0) {
        uint32_t tree = describe_tree(s, highest), streams = bits / 8 + 4, coded = tree + 6 + streams;
        s->bytes = tree;
        bool pays = tree > 0 && literals_header(literals, LITERALS_CODED, coded) + coded <
                                    literals_header(literals, LITERALS_RAW, 0) + literals;
        about->tree = tree;
        about->how = pays ? LITERALS_CODED : LITERALS_RAW;
    }
    __syncwarp();
    for (uint32_t i = lane; i < s->bytes; i += 32) {
        p.out[unit * p.out_slot + i] = s->tree[i];
    }
}
