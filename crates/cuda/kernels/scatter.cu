// Elements of epochs to their places in chunks, and the same element everywhere.
//
// The position of an element is a sum over dimensions; see `plan::Scatter`. Where everything divides, the host takes
// several elements as one wider one. Memory is far faster than the link that elements come over, so each element is
// found by itself.

#include "common.h"

#define MOST_DIMS 33

struct ScatterDim {
    uint64_t extent;
    uint64_t chunk;
    uint64_t chunk_step;
    uint64_t inside_step;
};

struct ScatterParams {
    // Elements as they arrived; 0: the same one, again and again.
    const void *source;
    void *pool;
    uint64_t first;
    uint64_t count;
    Wide fill;
    uint64_t rank;
    // Outermost first: the epochs, then the dimensions of one.
    ScatterDim dims[MOST_DIMS];
};

struct FillParams {
    void *to;
    uint64_t count;
    Wide element;
};

// `Index` is 32 bits wide where the elements can be counted so: division is what costs.
template <typename Index>
static __device__ uint64_t position(const ScatterParams &p, Index linear) {
    uint64_t at = 0;
    for (int d = (int)p.rank - 1; d >= 0; d--) {
        Index extent = (Index)p.dims[d].extent, chunk = (Index)p.dims[d].chunk;
        Index rest = d > 0 ? linear / extent : 0;
        // The outermost is not taken apart: there it goes on, epoch after epoch.
        Index i = linear - rest * extent;
        Index c = i / chunk;
        at += c * p.dims[d].chunk_step + (i - c * chunk) * p.dims[d].inside_step;
        linear = rest;
    }
    return at;
}

template <typename T, typename Index> static __device__ void scatter(const ScatterParams &p) {
    const T *source = (const T *)p.source;
    T *pool = (T *)p.pool;
    T fill = *(const T *)&p.fill;
    for (uint64_t i = thread_of_grid(); i < p.count; i += threads_of_grid()) {
        pool[position<Index>(p, (Index)(p.first + i))] = source ? source[i] : fill;
    }
}

template <typename T> static __device__ void fill(const FillParams &p) {
    T element = *(const T *)&p.element;
    T *to = (T *)p.to;
    for (uint64_t i = thread_of_grid(); i < p.count; i += threads_of_grid()) {
        to[i] = element;
    }
}

#define KERNELS(name, T)                                                                                               \
    extern "C" __global__ void scatter_##name(const __grid_constant__ ScatterParams p) { scatter<T, uint32_t>(p); }    \
    extern "C" __global__ void scatter_long_##name(const __grid_constant__ ScatterParams p) {                          \
        scatter<T, uint64_t>(p);                                                                                       \
    }                                                                                                                  \
    extern "C" __global__ void fill_##name(const __grid_constant__ FillParams p) { fill<T>(p); }

KERNELS(1, uint8_t)
KERNELS(2, uint16_t)
KERNELS(4, uint32_t)
KERNELS(8, uint64_t)
KERNELS(16, Wide)
