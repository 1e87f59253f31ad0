// Where everything goes, and the frames: Blosc's header, for each of its blocks one zstd frame, for each unit one of its blocks.

#include "coder.h"

#define PLACE_WARPS 4
#define BLOSC_HEADER 16
// Of a frame behind its first four bytes.
#define SINGLE_SEGMENT 0x20
#define WINDOW_128K (7 << 3)

// Bytes of a zstd frame's header for so many bytes of content.
static __device__ uint32_t frame_header(uint64_t content) {
    return content > MOST_SINGLE ? 10 : content < 256 ? 6 : content < 65536 + 256 ? 7 : 9;
}

static __device__ uint32_t literals_header_of(const Unit &unit) {
    if (unit.how != LITERALS_CODED) {
        return unit.literals < 32 ? 1 : unit.literals < 4096 ? 2 : 3;
    }
    uint32_t coded = unit.tree + 6 + unit.streams[0] + unit.streams[1] + unit.streams[2] + unit.streams[3];
    uint32_t most = unit.literals > coded ? unit.literals : coded;
    return most < 1024 ? 3 : most < 16384 ? 4 : 5;
}

static __device__ uint32_t literals_size(const Unit &unit) {
    uint32_t header = literals_header_of(unit);
    if (unit.how == LITERALS_CODED) {
        return header + unit.tree + 6 + unit.streams[0] + unit.streams[1] + unit.streams[2] + unit.streams[3];
    }
    return header + (unit.how == LITERALS_SAME ? 1 : unit.literals);
}

static __device__ uint32_t count_size(uint32_t sequences) {
    return sequences < 128 ? 1 : sequences < 0x7F00 ? 2 : 3;
}

// What the block of a unit is, and how long.
static __device__ void finish(Unit &unit) {
    bool same = unit.sequences == 0 ? unit.how == LITERALS_SAME : unit.sequences == 1 && unit.literals == 1;
    unit.kind = KIND_SAME;
    unit.size = 1;
    if (!same) {
        unit.kind = KIND_CODED;
        unit.size = literals_size(unit) + count_size(unit.sequences);
        unit.size += unit.sequences > 0 ? unit.tables + unit.chain : 0;
    }
    if (unit.size >= unit.bytes) {
        unit.kind = KIND_RAW;
        unit.size = unit.bytes;
    }
}

// Places units `first .. first + units` of one block from `at` on, by one warp. Gives where the next begins, and whether one of them
// has matches.
static __device__ uint64_t place_units(const CoderParams &p, uint64_t first, uint64_t units, uint64_t block, uint64_t at,
                                       uint32_t lane, bool *matched) {
    uint64_t bytes = block_bytes_of(p, block);
    Unit *about = p.units + first;
    // A zstd frame of which there is some already goes on.
    bool goes_on = !p.blosc && p.first > 0;
    uint32_t header = p.lz4 || goes_on ? 0 : frame_header(bytes), unit_header = p.lz4 ? 0 : 3;
    // Sums of 32 bits would do for a block; a frame of the plain codec may be longer.
    uint64_t all = header;
    for (uint64_t i = 0; i < units; i += 32) {
        Unit unit = {};
        if (i + lane < units) {
            unit = about[i + lane];
            if (!p.lz4) {
                finish(unit);
            }
            about[i + lane].kind = unit.kind;
            about[i + lane].size = unit.size;
        }
        *matched = *matched || unit.matched;
        all += sum_of_warp(i + lane < units ? unit.size + unit_header : 0);
    }
    bool stored = p.blosc && all >= bytes;
    uint64_t from = at + (p.blosc ? 4 : 0) + (stored ? 0 : header);
    for (uint64_t i = 0; i < units; i += 32) {
        uint32_t mine = 0;
        if (i + lane < units) {
            mine = stored ? about[i + lane].bytes : about[i + lane].size + unit_header;
        }
        uint32_t up_to = sum_up_to(mine, lane);
        if (i + lane < units) {
            about[i + lane].at = (uint32_t)(from + up_to - mine);
            about[i + lane].kind = stored ? (uint32_t)KIND_STORED : about[i + lane].kind;
            about[i + lane].size = stored ? about[i + lane].bytes : about[i + lane].size;
        }
        from += __shfl_sync(~0u, up_to, 31);
    }
    return from;
}

// A warp for each chunk. What it says of a chunk's size holds up to the end of the group; once that is the size of a frame that did not
// shrink, it stays so, and no byte of it is written where it has no room.
extern "C" __global__ void __launch_bounds__(32 * PLACE_WARPS) coder_place(const __grid_constant__ CoderParams p) {
    uint64_t chunk = (uint64_t)blockIdx.x * PLACE_WARPS + threadIdx.x / 32;
    uint32_t lane = threadIdx.x % 32;
    if (chunk >= p.chunks) {
        return;
    }
    uint64_t at = p.first > 0 ? p.sizes[chunk] : p.blosc ? BLOSC_HEADER + 4 * p.blocks : 0;
    bool matched = p.first > 0 && *p.matched != 0;
    if (!p.stored) {
        uint64_t unit = chunk * p.chunk_units + p.first, end = p.first + p.count;
        end = end < p.chunk_units ? end : p.chunk_units;
        for (uint64_t block = p.first / p.block_units; block < p.blocks && block * p.block_units < end; block++) {
            uint64_t behind = block + 1 < p.blocks ? (block + 1) * p.block_units : end;
            uint64_t units = chunk * p.chunk_units + behind - unit;
            at = place_units(p, unit, units, block, at, lane, &matched);
            unit += units;
        }
    }
    matched = __any_sync(~0u, matched);
    // A frame that does not shrink is the chunk itself.
    bool stored = p.blosc && (p.stored || at >= p.chunk_bytes + BLOSC_HEADER);
    if (lane == 0) {
        p.sizes[chunk] = stored ? p.chunk_bytes + BLOSC_HEADER : at;
        if (p.count < p.chunk_units) {
            *p.matched = matched;
        }
    }
}

static __device__ void put_number(unsigned char *to, uint64_t number, uint32_t bytes) {
    for (uint32_t i = 0; i < bytes; i++) {
        to[i] = (unsigned char)(number >> (8 * i));
    }
}

// By one thread.
static __device__ void put_blosc_header(const CoderParams &p, unsigned char *to, uint64_t size, bool stored) {
    to[0] = 2;
    to[1] = 1;
    // Blocks are not split, and hold LZ4 (1) or zstd (4).
    to[2] = (unsigned char)((p.filter == BYTES ? 1 : p.filter == BITS ? 4 : 0) | (stored ? 2 : 0) | 0x10 | (p.lz4 ? 1 : 4) << 5);
    to[3] = (unsigned char)p.element;
    put_number(to + 4, p.chunk_bytes, 4);
    put_number(to + 8, p.block_bytes, 4);
    put_number(to + 12, size, 4);
}

static __device__ void put_frame_header(unsigned char *to, uint64_t content) {
    put_number(to, 0xFD2FB528u, 4);
    if (content > MOST_SINGLE) {
        to[4] = 2 << 6;
        to[5] = WINDOW_128K;
        put_number(to + 6, content, 4);
    } else if (content < 256) {
        to[4] = SINGLE_SEGMENT;
        to[5] = (unsigned char)content;
    } else if (content < 65536 + 256) {
        to[4] = 1 << 6 | SINGLE_SEGMENT;
        put_number(to + 5, content - 256, 2);
    } else {
        to[4] = 2 << 6 | SINGLE_SEGMENT;
        put_number(to + 5, content, 4);
    }
}

// Where a block of a Blosc frame begins, with the four bytes of its size.
static __device__ uint64_t block_begin(const CoderParams &p, uint64_t chunk, uint64_t block) {
    uint64_t unit = chunk * p.chunk_units + block * p.block_units;
    // Behind the last of the chunk, or of the group.
    if (block == p.blocks || unit >= p.first + p.count) {
        return p.sizes[chunk];
    }
    const Unit &first = p.units[unit];
    return first.at - 4 - (first.kind == KIND_STORED || p.lz4 ? 0 : frame_header(block_bytes_of(p, block)));
}

// Header and literals of a compressed block. Gives how many bytes.
static __device__ uint32_t put_literals(const CoderParams &p, uint64_t index, const Place &place, const Unit &unit,
                                        unsigned char *to) {
    uint32_t header = literals_header_of(unit);
    if (unit.how != LITERALS_CODED) {
        if (threadIdx.x == 0) {
            uint32_t how = unit.how, count = unit.literals;
            put_number(to, header == 1 ? how | count << 3 : how | (header == 2 ? 1 : 3) << 2 | count << 4, header);
            if (how == LITERALS_SAME) {
                to[header] = (unsigned char)unit.same;
            }
        }
        if (unit.how == LITERALS_RAW) {
            copy_by_block(to + header, unit_literals(p, index, place), unit.literals);
        }
        return literals_size(unit);
    }
    uint32_t coded = literals_size(unit) - header;
    if (threadIdx.x == 0) {
        uint64_t format = header - 2, bits = header == 3 ? 10 : header == 4 ? 14 : 18;
        put_number(to, 2 | format << 2 | (uint64_t)unit.literals << 4 | (uint64_t)coded << (4 + bits), header);
        for (int i = 0; i < 3; i++) {
            put_number(to + header + unit.tree + 2 * i, unit.streams[i], 2);
        }
    }
    const unsigned char *from = p.out + index * p.out_slot;
    copy_by_block(to + header, from, unit.tree);
    unsigned char *there = to + header + unit.tree + 6;
    from += HEAD_ROOM;
    for (int i = 0; i < 4; i++) {
        copy_by_block(there, from, unit.streams[i]);
        there += unit.streams[i];
        from += next_multiple(unit.streams[i], 4);
    }
    return header + coded;
}

static __device__ void put_sequences(const CoderParams &p, uint64_t index, const Unit &unit, unsigned char *to) {
    uint32_t bytes = count_size(unit.sequences), count = unit.sequences;
    if (threadIdx.x == 0) {
        to[0] = (unsigned char)(bytes == 1 ? count : bytes == 2 ? (count >> 8) + 128 : 255);
        if (bytes == 2) {
            to[1] = (unsigned char)count;
        } else if (bytes == 3) {
            put_number(to + 1, count - 0x7F00, 2);
        }
    }
    if (count > 0) {
        const unsigned char *from = p.out + index * p.out_slot;
        copy_by_block(to + bytes, from + TREE_ROOM, unit.tables);
        copy_by_block(to + bytes + unit.tables, from + unit.chain_at, unit.chain);
    }
}

// A block for each unit.
extern "C" __global__ void coder_assemble(const __grid_constant__ CoderParams p) {
    uint64_t index = p.first + blockIdx.x;
    Place place = place_of(p, index);
    unsigned char *to = p.scratch + place.chunk * p.stride;
    uint64_t size = p.sizes[place.chunk];
    bool stored = p.blosc && size == p.chunk_bytes + BLOSC_HEADER;
    // By the last, when the size is known.
    if (p.blosc && place.block == p.blocks - 1 && place.index == place.units - 1 && threadIdx.x == 0) {
        put_blosc_header(p, to, size, stored);
    }
    if (stored) {
        uint64_t at = place.block * p.block_bytes + place.offset;
        copy_by_block(to + BLOSC_HEADER + at, p.pool + place.chunk * p.chunk_bytes + at, place.bytes);
        return;
    }
    Unit unit = p.units[index];
    if (place.index == 0 && threadIdx.x == 0) {
        uint64_t begin = p.blosc ? block_begin(p, place.chunk, place.block) : 0;
        if (p.blosc) {
            put_number(to + BLOSC_HEADER + 4 * place.block, begin, 4);
            put_number(to + begin, block_begin(p, place.chunk, place.block + 1) - begin - 4, 4);
        }
        if (unit.kind != KIND_STORED && !p.lz4) {
            put_frame_header(to + begin + (p.blosc ? 4 : 0), place.block_bytes);
        }
    }
    to += unit.at;
    const unsigned char *bytes = unit_bytes(p, index, place);
    if (unit.kind == KIND_STORED || p.lz4) {
        copy_by_block(to, unit.kind == KIND_STORED ? bytes : p.out + index * p.out_slot, unit.size);
        return;
    }
    if (threadIdx.x == 0) {
        uint32_t last = place.index == place.units - 1, count = unit.kind == KIND_SAME ? unit.bytes : unit.size;
        put_number(to, last | unit.kind << 1 | count << 3, 3);
    }
    to += 3;
    if (unit.kind == KIND_SAME) {
        if (threadIdx.x == 0) {
            to[0] = bytes[0];
        }
    } else if (unit.kind == KIND_RAW) {
        copy_by_block(to, bytes, unit.bytes);
    } else {
        to += put_literals(p, index, place, unit, to);
        put_sequences(p, index, unit, to);
    }
}

// Blocks for pieces of one chunk that went through in parts: a frame that did not shrink holds it all.
extern "C" __global__ void coder_restore(const __grid_constant__ CoderParams p) {
    uint64_t at = (uint64_t)blockIdx.x * UNIT, left = p.chunk_bytes - at;
    if (p.sizes[0] == p.chunk_bytes + BLOSC_HEADER) {
        copy_by_block(p.scratch + BLOSC_HEADER + at, p.pool + at, left < UNIT ? left : UNIT);
    }
}
