// Chunks to packed order, region by region: where each goes, then the bytes; see `device::AggregateJob`.

#include "common.h"

// A region of the table: its first packed position, its number of chunks, the shard whose tail it begins with.
struct Region {
    uint32_t first;
    uint32_t chunks;
    uint32_t tail;
};

#define NO_TAIL 0xFFFFFFFFu

struct AggregateParams {
    uint64_t chunks;
    uint64_t regions;
    const uint32_t *order;
    const Region *table;
    uint64_t page;
    // Tails a page apart, and their lengths; 0 where there are none.
    const unsigned char *tails;
    const uint32_t *lengths;
    const unsigned char *source;
    uint64_t stride;
    // Sizes of the chunks in the source; 0: all have `size`.
    const uint64_t *sizes;
    uint64_t size;
    // Bytes behind each chunk: 4 for a CRC-32C.
    uint64_t trailer;
    unsigned char *packed;
    uint64_t room;
    uint64_t *index;
    // What regions leave of a page, a page apart; 0: nobody asks.
    unsigned char *kept;
    uint32_t *trouble;
};

// Bytes of a chunk that one block gathers.
#define PART 32768

static __device__ uint64_t size_of(const AggregateParams &p, uint32_t chunk) {
    return p.sizes ? p.sizes[chunk] : p.size;
}

static __device__ uint64_t stored_size(const AggregateParams &p, uint64_t position) {
    return size_of(p, p.order[position]) + p.trailer;
}

static __device__ uint64_t tail_of(const AggregateParams &p, const Region &region) {
    return p.lengths && region.tail != NO_TAIL ? p.lengths[region.tail] : 0;
}

// Region of a packed position: the last one that begins at or before it.
static __device__ uint64_t region_of(const AggregateParams &p, uint64_t position) {
    uint64_t low = 0, high = p.regions;
    while (high - low > 1) {
        uint64_t middle = (low + high) / 2;
        if (p.table[middle].first <= position) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return low;
}

// Entries of the index: each region has one more than it has chunks, its end.
static __device__ uint64_t end_entry(const Region &region, uint64_t r) {
    return (uint64_t)region.first + region.chunks + r;
}

// One block finds all offsets. First they are counted from the batch's first chunk, then each region is moved to the
// page where it begins; on the way the entry of its end holds by how much.
extern "C" __global__ void place(const __grid_constant__ AggregateParams p) {
    SHARED_BYTES(shared);
    uint64_t *room = (uint64_t *)shared;
    uint64_t per = (p.chunks + blockDim.x - 1) / blockDim.x;
    uint64_t begin = per * threadIdx.x < p.chunks ? per * threadIdx.x : p.chunks;
    uint64_t end = begin + per < p.chunks ? begin + per : p.chunks;
    uint64_t mine = 0, all = 0;
    for (uint64_t i = begin; i < end; i++) {
        mine += stored_size(p, i);
    }
    uint64_t at = sum_before(mine, room, &all);
    uint64_t r = begin < end ? region_of(p, begin) : 0;
    for (uint64_t i = begin; i < end; i++) {
        while (i >= (uint64_t)p.table[r].first + p.table[r].chunks) {
            r++;
        }
        p.index[i + r] = at;
        at += stored_size(p, i);
    }
    __syncthreads();

    uint64_t per_region = (p.regions + blockDim.x - 1) / blockDim.x;
    uint64_t first = per_region * threadIdx.x < p.regions ? per_region * threadIdx.x : p.regions;
    uint64_t last = first + per_region < p.regions ? first + per_region : p.regions;
    mine = 0;
    for (uint64_t q = first; q < last; q++) {
        Region region = p.table[q];
        uint64_t start = region.first + q, final = end_entry(region, q) - 1;
        uint64_t bytes = p.index[final] + stored_size(p, region.first + region.chunks - 1) - p.index[start];
        mine += next_multiple(tail_of(p, region) + bytes, p.page);
    }
    at = sum_before(mine, room, &all);
    if (threadIdx.x == 0 && all > next_multiple(p.room, p.page)) {
        report(p.trouble, BATCH_TOO_LARGE);
    }
    for (uint64_t q = first; q < last; q++) {
        Region region = p.table[q];
        uint64_t start = region.first + q, final = end_entry(region, q) - 1, tail = tail_of(p, region);
        uint64_t bytes = p.index[final] + stored_size(p, region.first + region.chunks - 1) - p.index[start];
        // May go below zero, and comes right when it is added.
        p.index[final + 1] = at + tail - p.index[start];
        at += next_multiple(tail + bytes, p.page);
    }
    __syncthreads();

    r = begin < end ? region_of(p, begin) : 0;
    for (uint64_t i = begin; i < end; i++) {
        while (i >= (uint64_t)p.table[r].first + p.table[r].chunks) {
            r++;
        }
        p.index[i + r] += p.index[end_entry(p.table[r], r)];
    }
    __syncthreads();
    for (uint64_t q = first; q < last; q++) {
        uint64_t final = end_entry(p.table[q], q) - 1;
        p.index[final + 1] = p.index[final] + stored_size(p, p.table[q].first + p.table[q].chunks - 1);
    }
}

// A block for each region: what is left of its shard's last page.
extern "C" __global__ void gather_tails(const __grid_constant__ AggregateParams p) {
    uint64_t r = blockIdx.x;
    Region region = p.table[r];
    uint64_t tail = tail_of(p, region);
    uint64_t at = p.index[region.first + r] - tail;
    if (tail > 0 && tail <= p.page && at + tail <= p.room) {
        copy_by_block(p.packed + at, p.tails + region.tail * p.page, tail);
    }
}

// A block for each region: what it leaves of a page, when all else is there.
extern "C" __global__ void keep_tails(const __grid_constant__ AggregateParams p) {
    uint64_t r = blockIdx.x;
    uint64_t end = p.index[end_entry(p.table[r], r)], left = end % p.page;
    if (end <= p.room) {
        copy_by_block(p.kept + r * p.page, p.packed + end - left, left);
    }
}

// Blocks along x for chunks in packed order, along y for parts of them.
extern "C" __global__ void gather(const __grid_constant__ AggregateParams p) {
    uint64_t position = blockIdx.x, from = (uint64_t)blockIdx.y * PART;
    uint32_t chunk = p.order[position];
    uint64_t size = size_of(p, chunk);
    uint64_t at = p.index[position + region_of(p, position)];
    if (from >= size || size > p.room || at > p.room - size) {
        return;
    }
    uint64_t bytes = size - from < PART ? size - from : PART;
    copy_by_block(p.packed + at + from, p.source + chunk * p.stride + from, bytes);
}
