// Windows of one level's chunks to elements of the next level's, by kernels for each reducer and kind of element. Which of them makes
// a level is the host's choice: eight or sixteen bytes a thread where it can (reduce_rows.h), an element a thread otherwise (reduce.h).

#include "reduce.h"
#include "reduce_rows.h"

// A thread makes an element. A row of blocks makes a chunk, so that nothing is counted that is longer than 32 bits.
template <class K> static __device__ void make_elements(const ReduceParams &p) {
    typedef typename K::Bits B;
    uint32_t chunks = (uint32_t)p.epochs * p.some_chunks;
#pragma unroll 1
    for (uint32_t chunk = blockIdx.y; chunk < chunks; chunk += gridDim.y) {
        uint32_t epoch = divide(chunk, p.by_some_chunks);
#pragma unroll 1
        for (uint64_t n = thread_of_grid(); n < p.elements; n += threads_of_grid()) {
            uint32_t frame = divide((uint32_t)n, p.by_some_elements);
            WindowPlace<B> place;
            place.find(p, chunk - epoch * p.some_chunks, (uint32_t)n - frame * p.some_elements);
            uint64_t q = p.first + frame;
            B *to = (B *)p.to + (epoch * p.chunks + place.chunk) * p.chunk_elements + q * p.frame_elements + place.element;
            *to = made<K>(p, epoch, (int64_t)q, place);
        }
    }
}

// With 48 registers a thread five blocks of 256 fit a processor, with 64 four: enough that loads are on their way while others work.
// Measured on an H200, 2026-12-01: what needs no more than 48 is faster so, up to a tenth, and what does is up to four times as slow.
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ < 800
// A processor has 1024 threads there.
#define FIVE 4
#else
#define FIVE 5
#endif
#define REDUCE(name, blocks, work)                                                                                     \
    extern "C" __global__ void __launch_bounds__(256, blocks) name(const __grid_constant__ ReduceParams p) { work(p); }
#define REDUCE_ROWS(name, blocks, Lanes, ...) REDUCE(name, blocks, (make_vectors<Lanes, __VA_ARGS__>))
#define REDUCE_PAIRS(name, blocks, Lanes, ...) REDUCE(name, blocks, (make_pairs<Lanes, __VA_ARGS__>))

// What is summed, and what goes where nothing else does, is of an element type; but for the sign.
#define REDUCE_TYPE(type, blocks, Type, Lanes)                                                                         \
    REDUCE(reduce_any_##type, 4, make_elements<Type>)                                                                  \
    REDUCE_ROWS(reduce_mean_##type, blocks, Lanes, Mean<Lanes, Type>)                                                  \
    REDUCE_PAIRS(reduce_mean_2_##type, blocks, Lanes, Mean<Lanes, Type>)
// What is compared is of a width.
#define REDUCE_WIDTH(bits, Lanes)                                                                                      \
    REDUCE_ROWS(reduce_first_##bits, FIVE, Lanes, First<Lanes>)                                                        \
    REDUCE_ROWS(reduce_least_##bits, FIVE, Lanes, Least<Lanes>)                                                        \
    REDUCE_PAIRS(reduce_first_2_##bits, FIVE, Lanes, First<Lanes>)                                                     \
    REDUCE_PAIRS(reduce_least_2_##bits, FIVE, Lanes, Least<Lanes>)                                                     \
    REDUCE_ROWS(reduce_second_##bits, FIVE, Lanes, Second<Lanes>)                                                      \
    REDUCE_ROWS(reduce_median_8_##bits, FIVE, Lanes, Sorted<Lanes, 8, true>)                                           \
    REDUCE_ROWS(reduce_median_16_##bits, 4, Lanes, Sorted<Lanes, 16, true>)                                            \
    REDUCE_ROWS(reduce_mode_4_##bits, FIVE, Lanes, Sorted<Lanes, 4, false>)                                            \
    REDUCE_ROWS(reduce_mode_8_##bits, FIVE, Lanes, Sorted<Lanes, 8, false>)                                            \
    REDUCE_ROWS(reduce_mode_16_##bits, 4, Lanes, Sorted<Lanes, 16, false>)

REDUCE_TYPE(w8, FIVE, W8, Lanes8)
REDUCE_TYPE(w16, FIVE, W16, Lanes16)
REDUCE_TYPE(w32, FIVE, W32, Lanes32)
REDUCE_TYPE(w64, FIVE, W64, Lanes64)
REDUCE_TYPE(f16, 4, F16, Lanes16)
REDUCE_TYPE(f32, FIVE, F32, Lanes32)
REDUCE_TYPE(f64, 4, F64, Lanes64)
REDUCE_WIDTH(8, Lanes8)
REDUCE_WIDTH(16, Lanes16)
REDUCE_WIDTH(32, Lanes32)
REDUCE_WIDTH(64, Lanes64)
