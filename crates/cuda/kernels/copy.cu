// Small copies up from pinned memory, read by the GPU itself: copies of the driver's stand in one queue, behind uploads.

#include "common.h"

// Bytes of a block: one read of sixteen for each thread, so that all are under way at once.
#define PIECE 4096

struct CopyParams {
    unsigned char *to;
    const unsigned char *from;
    uint64_t bytes;
};

extern "C" __global__ void copy_up(const __grid_constant__ CopyParams p) {
    uint64_t at = (uint64_t)blockIdx.x * PIECE;
    if (at < p.bytes) {
        copy_by_block(p.to + at, p.from + at, p.bytes - at < PIECE ? p.bytes - at : PIECE);
    }
}
