// What the kernels of our own coder share: how chunks are cut, what is known of each piece, and where it lies.
//
// A chunk is one zstd frame, or a Blosc frame of blocks that hold one zstd frame each. The bytes of a block are filtered, and
// cut into units of at most 64 KiB that never mix planes (unless planes are small): a unit is a block of zstd's. Its runs of
// equal bytes become sequences, and what is left over are its literals, which Huffman codes.
//
// Blosc with LZ4 takes the same way, but each of its blocks is one unit, and its sequences are told in LZ4's words.
//
// One kernel after another, none of which asks the host: filter, analyze (runs, literals, how often each byte is there), match (where it may pay), table
// (codes), encode (literals to bits), sequences (runs to bits), place (where everything goes), assemble (the frames).
//
// They run over a group of units: those of some whole chunks, or a part of one chunk, where that is larger than what there is
// memory for. Parts of Blosc's chunks are whole blocks. What one part leaves to the next: the bytes of the frame so far, in `sizes`,
// and whether there were matches. That a Blosc frame does not shrink may come out after some parts of it were written: then
// `coder_restore` puts the chunk in their place.
#pragma once

#include "common.h"

// Bytes of a unit at the most; planes of fewer bytes than the second go together.
#define UNIT 65536u
#define SMALL_PLANE 4096u
// Bytes that repeat the one before them, for a run to be one.
#define LEAST_RUN 8
// Bits of a code of a literal at the most.
#define MOST_BITS 11
// Fewer literals are not worth a table.
#define LEAST_CODED 64
// Of a unit's output: the tree, the tables of the sequences, then streams.
#define TREE_ROOM 136u
#define TABLES_ROOM 248u
#define HEAD_ROOM 384u
// Bytes of a frame up to which the frame is its own window.
#define MOST_SINGLE (8u << 20)

enum Filter { PLAIN, BYTES, BITS };
enum Literals { LITERALS_RAW, LITERALS_SAME, LITERALS_CODED };
enum Kind { KIND_RAW, KIND_SAME, KIND_CODED, KIND_STORED };

// What becomes of a unit.
struct Unit {
    // Of the filtered bytes; those that are literals; runs.
    uint32_t bytes;
    uint32_t literals;
    uint32_t sequences;
    uint32_t how;
    // Bytes in its output.
    uint32_t tree;
    uint32_t streams[4];
    uint32_t tables;
    uint32_t chain;
    // Bytes of its block without a header; where in the chunk's output it begins; what it is.
    uint32_t size;
    uint32_t at;
    uint32_t kind;
    // Where the chain of sequences lies in the output; the byte that all literals are.
    uint32_t chain_at;
    uint32_t same;
    // Whether its sequences are matches of any offset, not runs.
    uint32_t matched;
};

static_assert(sizeof(Unit) == 68, "as coder.rs counts it");

struct CoderParams {
    // Chunks of the group; or one, of which the group is a part: so many units from the first on.
    uint64_t chunks;
    uint64_t first;
    uint64_t count;
    const unsigned char *pool;
    uint64_t chunk_bytes;
    // Bytes of an element, which filter, whether frames are Blosc's.
    uint64_t element;
    uint64_t filter;
    uint64_t blosc;
    // Whether chunks are stored as they are, without trying; whether matches are looked for.
    uint64_t stored;
    uint64_t matching;
    // Whether Blosc's blocks hold LZ4: then each of them is one unit.
    uint64_t lz4;
    uint64_t block_bytes;
    uint64_t blocks;
    // Units of a whole block, and of a chunk.
    uint64_t block_units;
    uint64_t chunk_units;
    // Bytes from a unit to the next: of filtered bytes and literals; of output; and how many runs it may have.
    uint64_t slot;
    uint64_t out_slot;
    uint64_t runs;
    // Lists lie where unit 0 of the chunk has its place, so that units have their number there whatever the group: before `first`
    // there is no memory. 0: units are read where they lie in the pool.
    unsigned char *filtered;
    unsigned char *literals;
    unsigned char *out;
    uint16_t *starts;
    uint16_t *ends;
    // Where bytes came before, for each byte of a unit; and three lists of matches, of so many for each unit.
    uint16_t *candidates;
    uint16_t *matches;
    uint64_t most_matches;
    // 256 for each unit: how often each byte is there, then its code and the bits of it.
    uint16_t *counts;
    Unit *units;
    // Whether a unit of the parts of the chunk before this one has matches.
    uint64_t *matched;
    unsigned char *scratch;
    uint64_t stride;
    uint64_t *sizes;
};

// How a block of bytes is cut. `coder.rs` does the same.
struct Cut {
    uint64_t planes;
    uint64_t plane;
    // Planes that go together, and pieces of one plane otherwise.
    uint64_t together;
    uint64_t pieces;
    uint64_t piece;
    // Bytes behind the planes.
    uint64_t rest;
    uint64_t units;
};

static __device__ Cut cut_of(const CoderParams &p, uint64_t bytes) {
    Cut cut;
    uint64_t elements = bytes / p.element;
    cut.planes = 1;
    cut.plane = bytes;
    if (p.filter == BYTES && elements > 0) {
        cut.planes = p.element;
        cut.plane = elements;
    } else if (p.filter == BITS && elements > 0 && elements % 8 == 0) {
        cut.planes = 8 * p.element;
        cut.plane = elements / 8;
    }
    cut.rest = bytes - cut.planes * cut.plane;
    cut.together = 1;
    if (p.lz4) {
        cut.together = cut.planes;
        cut.pieces = 1;
        cut.piece = bytes;
        cut.units = 1;
        return cut;
    }
    if (cut.planes > 1 && cut.plane < SMALL_PLANE) {
        cut.together = (SMALL_PLANE + cut.plane - 1) / cut.plane;
        cut.together = cut.together < cut.planes ? cut.together : cut.planes;
    }
    if (cut.together > 1) {
        cut.pieces = 1;
        cut.piece = cut.together * cut.plane;
        cut.units = (cut.planes + cut.together - 1) / cut.together;
    } else {
        cut.pieces = (cut.plane + UNIT - 1) / UNIT;
        cut.piece = next_multiple((cut.plane + cut.pieces - 1) / cut.pieces, 16);
        cut.pieces = (cut.plane + cut.piece - 1) / cut.piece;
        cut.units = cut.planes * cut.pieces;
    }
    cut.units += cut.rest > 0;
    return cut;
}

static __device__ uint64_t block_bytes_of(const CoderParams &p, uint64_t block) {
    uint64_t left = p.chunk_bytes - block * p.block_bytes;
    return left < p.block_bytes ? left : p.block_bytes;
}

// Where a unit lies.
struct Place {
    uint64_t chunk;
    uint64_t block;
    uint64_t block_bytes;
    // In its block: which it is, of how many, from which filtered byte, and how many.
    uint64_t index;
    uint64_t units;
    uint64_t offset;
    uint32_t bytes;
};

static __device__ Place place_of(const CoderParams &p, uint64_t unit) {
    Place place;
    place.chunk = unit / p.chunk_units;
    uint64_t inside = unit - place.chunk * p.chunk_units;
    place.block = inside / p.block_units;
    place.block = place.block < p.blocks ? place.block : p.blocks - 1;
    place.index = inside - place.block * p.block_units;
    place.block_bytes = block_bytes_of(p, place.block);
    Cut cut = cut_of(p, place.block_bytes);
    place.units = cut.units;
    uint64_t whole = cut.planes * cut.plane, bytes;
    if (p.lz4) {
        place.offset = 0;
        bytes = place.block_bytes;
    } else if (cut.rest > 0 && place.index == cut.units - 1) {
        place.offset = whole;
        bytes = cut.rest;
    } else if (cut.together > 1) {
        place.offset = place.index * cut.piece;
        bytes = whole - place.offset < cut.piece ? whole - place.offset : cut.piece;
    } else {
        uint64_t plane = place.index / cut.pieces, from = (place.index - plane * cut.pieces) * cut.piece;
        place.offset = plane * cut.plane + from;
        bytes = cut.plane - from < cut.piece ? cut.plane - from : cut.piece;
    }
    place.bytes = (uint32_t)bytes;
    return place;
}

// The unit's bytes, filtered; on a multiple of 16.
static __device__ const unsigned char *unit_bytes(const CoderParams &p, uint64_t unit, const Place &place) {
    if (p.filtered) {
        return p.filtered + unit * p.slot;
    }
    return p.pool + place.chunk * p.chunk_bytes + place.block * p.block_bytes + place.offset;
}

// Its literals: all of it, where it has no runs.
static __device__ const unsigned char *unit_literals(const CoderParams &p, uint64_t unit, const Place &place) {
    return p.units[unit].sequences == 0 ? unit_bytes(p, unit, place) : p.literals + unit * p.slot;
}

static __device__ uint32_t highest_bit(uint32_t number) {
    return 31 - __clz((int)number);
}

// The sum of what the lanes up to this one give.
static __device__ uint32_t sum_up_to(uint32_t mine, uint32_t lane) {
    for (uint32_t step = 1; step < 32; step *= 2) {
        uint32_t before = __shfl_up_sync(~0u, mine, step);
        mine += lane >= step ? before : 0;
    }
    return mine;
}

static __device__ uint32_t sum_of_warp(uint32_t mine) {
    for (uint32_t step = 16; step > 0; step /= 2) {
        mine += __shfl_xor_sync(~0u, mine, step);
    }
    return mine;
}
