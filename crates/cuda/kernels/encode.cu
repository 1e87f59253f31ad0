// Around a codec of a library: where its chunks are and go, and whether it did what it was asked.

#include "common.h"

struct EncodeParams {
    uint64_t chunks;
    const unsigned char *pool;
    uint64_t chunk_bytes;
    unsigned char *scratch;
    uint64_t slot_bytes;
    // The library's arrays.
    const unsigned char **from;
    uint64_t *from_bytes;
    unsigned char **to;
    // What it wrote: sizes, and a status for each chunk (0: well).
    uint64_t *sizes;
    const int32_t *statuses;
    uint32_t *trouble;
};

extern "C" __global__ void encode_addresses(const __grid_constant__ EncodeParams p) {
    for (uint64_t i = thread_of_grid(); i < p.chunks; i += threads_of_grid()) {
        p.from[i] = p.pool + i * p.chunk_bytes;
        p.from_bytes[i] = p.chunk_bytes;
        p.to[i] = p.scratch + i * p.slot_bytes;
    }
}

// A chunk that failed has no size, so that nothing is packed of it: the run has failed and ends.
extern "C" __global__ void encode_check(const __grid_constant__ EncodeParams p) {
    for (uint64_t i = thread_of_grid(); i < p.chunks; i += threads_of_grid()) {
        if (p.statuses[i] != 0) {
            report(p.trouble, ENCODER_FAILED);
            p.sizes[i] = 0;
        } else if (p.sizes[i] > p.slot_bytes) {
            report(p.trouble, CHUNK_TOO_LARGE);
            p.sizes[i] = 0;
        }
    }
}
