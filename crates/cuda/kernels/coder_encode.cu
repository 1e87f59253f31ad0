// Literals to bits: four streams for each unit, a quarter of the block's warps for each.
//
// Streams are read from their end, so the last literal comes first. A lane takes 16 of them. First each warp counts the bits of
// its part, which says where it begins; then the lanes of a warp put theirs together in its stage, 512 literals at a time.
// Words that two warps share are joined in the output itself.

#include "coder.h"

#define ENCODE_THREADS 512
#define ENCODE_WARPS (ENCODE_THREADS / 32)
// 512 literals of 11 bits, and the word where they begin.
#define ENCODE_STAGE 180

struct EncodeShared {
    uint32_t codes[256];
    uint32_t stage[ENCODE_WARPS][ENCODE_STAGE];
    uint32_t bits[ENCODE_WARPS];
};

static_assert(sizeof(EncodeShared) <= 12672, "as much as it is launched with");

// A warp's part of a stream: groups of 16 literals, counted from the stream's end.
struct Part {
    uint32_t begin;
    uint32_t end;
    // Of the stream: its literals, and its last group.
    uint32_t first;
    uint32_t last;
    uint32_t top;
};

static __device__ Part part_of(uint32_t literals, uint32_t stream, uint32_t which, uint32_t of) {
    Part part;
    uint32_t quarter = (literals + 3) / 4;
    part.first = stream * quarter;
    part.last = part.first + quarter < literals ? part.first + quarter : literals;
    part.top = (part.last - 1) / 16;
    uint32_t groups = part.top - part.first / 16 + 1, each = ((groups + of - 1) / of + 31) / 32 * 32;
    part.begin = which * each < groups ? which * each : groups;
    part.end = part.begin + each < groups ? part.begin + each : groups;
    return part;
}

// Codes of a group, the length above 16 bits of code; 0 where a literal is not the stream's. Gives the bits of all.
static __device__ uint32_t codes_of(const EncodeShared *shared, const unsigned char *literals, const Part &part, uint32_t nth,
                                    uint32_t *codes) {
    uint32_t at = 16 * (part.top - nth), bits = 0;
    Wide wide = *(const Wide *)(literals + at);
    bool whole = at >= part.first && at + 16 <= part.last;
#pragma unroll
    for (int i = 0; i < 16; i++) {
        uint32_t code = shared->codes[wide.word[i / 4] >> (8 * (i % 4)) & 255];
        codes[i] = whole || (at + i >= part.first && at + i < part.last) ? code : 0;
        bits += codes[i] >> 16;
    }
    return bits;
}

// Puts a lane's codes where its bits begin in the stage. Words between its first and its last are its own.
static __device__ void put_codes(uint32_t *stage, const uint32_t *codes, uint32_t at) {
    uint32_t word = at / 32, used = at % 32;
    uint64_t held = 0;
    bool shares = true;
#pragma unroll
    for (int i = 14; i >= 0; i -= 2) {
        uint32_t last = codes[i + 1], pair = (last & 0xFFFF) | (codes[i] & 0xFFFF) << (last >> 16);
        held |= (uint64_t)pair << used;
        used += (last >> 16) + (codes[i] >> 16);
        if (used >= 32) {
            if (shares) {
                atomicOr(&stage[word], (uint32_t)held);
            } else {
                stage[word] = (uint32_t)held;
            }
            shares = false;
            word++;
            held >>= 32;
            used -= 32;
        }
    }
    if (used > 0) {
        atomicOr(&stage[word], (uint32_t)held);
    }
}

// Writes this warp's part from bit `at` of the stream on.
static __device__ void write_part(EncodeShared *shared, const unsigned char *literals, const Part &part, uint32_t at,
                                  uint32_t *to, uint32_t lane, uint32_t warp) {
    uint32_t *stage = shared->stage[warp], first = at / 32, carried = 0;
    for (uint32_t nth = part.begin; nth < part.end; nth += 32) {
        uint32_t codes[16], bits = 0;
#pragma unroll
        for (int i = 0; i < 16; i++) {
            codes[i] = 0;
        }
        if (nth + lane < part.end) {
            bits = codes_of(shared, literals, part, nth + lane, codes);
        }
        uint32_t up_to = sum_up_to(bits, lane), all = __shfl_sync(~0u, up_to, 31);
        uint32_t skipped = at % 32, words = (skipped + all) / 32;
        for (uint32_t i = lane; i <= words; i += 32) {
            stage[i] = i == 0 ? carried : 0;
        }
        __syncwarp();
        put_codes(stage, codes, skipped + up_to - bits);
        __syncwarp();
        for (uint32_t i = lane; i < words; i += 32) {
            uint32_t word = at / 32 + i;
            if (word == first) {
                atomicOr(&to[word], stage[i]);
            } else {
                to[word] = stage[i];
            }
        }
        carried = stage[words];
        at += all;
        __syncwarp();
    }
    if (lane == 0 && at % 32 != 0 && carried != 0) {
        atomicOr(&to[at / 32], carried);
    }
}

extern "C" __global__ void __launch_bounds__(ENCODE_THREADS) coder_encode(const __grid_constant__ CoderParams p) {
    SHARED_BYTES(bytes_shared);
    EncodeShared *shared = (EncodeShared *)bytes_shared;
    uint64_t unit = p.first + blockIdx.x;
    if (p.units[unit].how != LITERALS_CODED) {
        return;
    }
    Place place = place_of(p, unit);
    const unsigned char *literals = unit_literals(p, unit, place);
    uint32_t lane = threadIdx.x % 32, warp = threadIdx.x / 32, of = blockDim.x / 128, stream = warp / of, which = warp % of;
    for (uint32_t byte = threadIdx.x; byte < 256; byte += blockDim.x) {
        uint32_t code = p.counts[256 * unit + byte];
        shared->codes[byte] = (code >> MOST_BITS) << 16 | (code & ((1 << MOST_BITS) - 1));
    }
    __syncthreads();
    Part part = part_of(p.units[unit].literals, stream, which, of);
    uint32_t bits = 0;
    for (uint32_t nth = part.begin + lane; nth < part.end; nth += 32) {
        uint32_t codes[16];
        bits += codes_of(shared, literals, part, nth, codes);
    }
    bits = sum_of_warp(bits);
    if (lane == 0) {
        shared->bits[warp] = bits;
    }
    __syncthreads();
    // Where the stream begins, and this part in it; a stream begins on a word, and ends with a bit that is set.
    uint32_t begin = HEAD_ROOM, at = 0, all = 0;
    for (uint32_t w = 0; w < (stream + 1) * of; w++) {
        if (w % of == 0) {
            begin = w == 0 ? begin : begin + (uint32_t)next_multiple(all / 8 + 1, 4);
            all = 0;
        }
        at = w == warp ? all : at;
        all += shared->bits[w];
    }
    uint32_t *to = (uint32_t *)(p.out + unit * p.out_slot + begin);
    if (lane == 0) {
        to[at / 32] = 0;
        to[(at + bits) / 32] = 0;
    }
    __syncthreads();
    write_part(shared, literals, part, at, to, lane, warp);
    if (lane == 0 && which == of - 1) {
        atomicOr(&to[all / 32], 1u << (all % 32));
        p.units[unit].streams[stream] = all / 8 + 1;
    }
}
