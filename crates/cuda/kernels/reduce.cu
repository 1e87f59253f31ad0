// Windows of one level's chunks to elements of the next level's; see `plan::Reduction` and the host's kernel, which does the
// same bit by bit.
//
// A thread makes an element. A row of blocks makes a frame of a chunk, so that nothing that is counted within one is longer
// than 32 bits. What a window has is a place for each frame, and for each dimension with two samples how far apart they are.

#include "common.h"

#include <string.h>

#ifdef FOREBAY_SHIM
#define __fadd_rn(a, b) ((a) + (b))
#define __fmul_rn(a, b) ((a) * (b))
#define __dadd_rn(a, b) ((a) + (b))
#define __dmul_rn(a, b) ((a) * (b))
#endif

#define MOST_REDUCED 32
// Samples of a window are 2 to this at the most.
#define MOST_HALVED 8

enum Reducer { MEAN, MIN, MAX, MEDIAN, SECOND_LARGEST, SECOND_SMALLEST, MODE, DECIMATE };
enum Frames { KEPT, HALVED, APART };

struct ReduceDim {
    uint64_t from;
    uint64_t to;
    uint64_t chunk;
    uint64_t chunks;
    uint64_t halved;
    // Elements from one index to the next inside a chunk, and from one chunk to the next in the level above.
    uint64_t stride;
    uint64_t step;
};

struct ReduceParams {
    const void *from;
    // The epoch before the first.
    const void *before;
    void *to;
    uint64_t epochs;
    // Of an epoch: elements above, chunks here.
    uint64_t above;
    uint64_t chunks;
    uint64_t chunk_elements;
    uint64_t frame_elements;
    uint64_t depth;
    uint64_t first;
    uint64_t end;
    int64_t offset;
    uint64_t valid;
    // Whether a frame that is missing holds the fill value.
    uint64_t filled;
    uint64_t frames;
    uint64_t reducer;
    uint64_t by;
    uint64_t fill;
    uint64_t rank;
    ReduceDim dims[MOST_REDUCED];
};

template <typename To, typename From> static __device__ To bits_as(From from) {
    static_assert(sizeof(To) == sizeof(From), "bits of one width");
    To to;
    memcpy(&to, &from, sizeof to);
    return to;
}

// An element type: its bits, an integer in its order, and what it is summed in. `low` and `high` bring NaN to an end.
// `KEY` turns a number without a sign into one with, and `SUM` one with a sign into one without.
#define INTEGER(Name, B, Value, K, KEY, S, SUM)                                                                        \
    struct Name {                                                                                                      \
        typedef B Bits;                                                                                                \
        typedef K Key;                                                                                                 \
        typedef S Sum;                                                                                                 \
        static __device__ K low(B b) { return (K)(Value)b ^ (K)(KEY); }                                                \
        static __device__ K high(B b) { return low(b); }                                                               \
        static __device__ B of(K key) { return (B)(key ^ (K)(KEY)); }                                                  \
        static __device__ bool is_nan(K) { return false; }                                                             \
        static __device__ S sum(B b) { return (S)(B)(b ^ (B)(SUM)); }                                                  \
        static __device__ S add(S sum, B b) { return sum + (S)(B)(b ^ (B)(SUM)); }                                     \
        static __device__ B mean(S sum, uint32_t shift) {                                                              \
            S half = shift == 0 ? 0 : ((S)1 << (shift - 1)) - 1;                                                       \
            S odd = shift == 0 ? 0 : sum >> shift & 1;                                                                 \
            return (B)((B)((sum + half + odd) >> shift) ^ (B)(SUM));                                                   \
        }                                                                                                              \
    };

INTEGER(U8, uint8_t, uint8_t, int32_t, 0, uint32_t, 0)
INTEGER(U16, uint16_t, uint16_t, int32_t, 0, uint32_t, 0)
INTEGER(U32, uint32_t, uint32_t, int32_t, 0x80000000u, uint64_t, 0)
INTEGER(U64, uint64_t, uint64_t, int64_t, (uint64_t)1 << 63, unsigned __int128, 0)
INTEGER(I8, uint8_t, int8_t, int32_t, 0, uint32_t, 1 << 7)
INTEGER(I16, uint16_t, int16_t, int32_t, 0, uint32_t, 1 << 15)
INTEGER(I32, uint32_t, int32_t, int32_t, 0, uint64_t, 0x80000000u)
INTEGER(I64, uint64_t, int64_t, int64_t, 0, unsigned __int128, (uint64_t)1 << 63)

// Floats in the order of their bits, those below the sign turned over where that is set.
template <typename B, typename K, B INF, B NOT_A_NUMBER> struct Float {
    typedef B Bits;
    typedef K Key;
    static const B BELOW = (B) ~((B)1 << (8 * sizeof(B) - 1));
    static __device__ K turn(K bits) { return bits < 0 ? bits ^ (K)BELOW : bits; }
    static __device__ bool has_nan(B b) { return (B)(b & BELOW) > INF; }
    static __device__ K low(B b) { return has_nan(b) ? (K)(BELOW + 1) : turn((K)b); }
    static __device__ K high(B b) { return has_nan(b) ? (K)BELOW : turn((K)b); }
    static __device__ B of(K key) { return is_nan(key) ? NOT_A_NUMBER : (B)turn(key); }
    static __device__ bool is_nan(K key) { return key == (K)BELOW || key == (K)(BELOW + 1); }
};

// Sums are never contracted with what is multiplied: results are those of the host.
struct F16 : Float<uint16_t, int16_t, 0x7c00, 0x7e00> {
    typedef float Sum;
    static __device__ float sum(uint16_t b) {
        uint32_t magnitude = (uint32_t)(b & 0x7fff) << 13;
        float number = __fmul_rn(bits_as<float>(magnitude), bits_as<float>((uint32_t)(127 + 112) << 23));
        uint32_t bits = (b & 0x7fff) >= 0x7c00 ? magnitude | 0x7f800000 : bits_as<uint32_t>(number);
        return bits_as<float>(bits | (uint32_t)(b & 0x8000) << 16);
    }
    static __device__ float add(float before, uint16_t b) { return __fadd_rn(before, sum(b)); }
    static __device__ uint16_t mean(float sum, uint32_t shift) {
        float mean = __fmul_rn(sum, 1.0f / (float)(1u << shift));
        uint32_t bits = bits_as<uint32_t>(mean) & 0x7fffffff, sign = bits_as<uint32_t>(mean) >> 16 & 0x8000;
        if (bits > 0x7f800000) {
            return 0x7e00;
        }
        uint32_t number = ((bits - (112u << 23)) + 0xfff + (bits >> 13 & 1)) >> 13;
        if (bits < 113u << 23) {
            // The last bit of a sum with one half is where that of a small number is.
            number = bits_as<uint32_t>(__fadd_rn(bits_as<float>(bits), 0.5f)) - 0x3f000000;
        } else if (bits >= 143u << 23) {
            number = 0x7c00;
        }
        return (uint16_t)(number | sign);
    }
};

struct F32 : Float<uint32_t, int32_t, 0x7f800000, 0x7fc00000> {
    typedef double Sum;
    static __device__ double sum(uint32_t b) { return (double)bits_as<float>(b); }
    static __device__ double add(double before, uint32_t b) { return __dadd_rn(before, sum(b)); }
    static __device__ uint32_t mean(double sum, uint32_t shift) {
        float mean = (float)__dmul_rn(sum, 1.0 / (double)(1u << shift));
        return mean != mean ? 0x7fc00000 : bits_as<uint32_t>(mean);
    }
};

struct Bounded {
    double sum, least, most;
};

struct F64 : Float<uint64_t, int64_t, 0x7ff0000000000000, 0x7ff8000000000000> {
    typedef Bounded Sum;
    static __device__ Bounded sum(uint64_t b) {
        double value = bits_as<double>(b);
        return {value, value, value};
    }
    static __device__ Bounded add(Bounded before, uint64_t b) {
        double value = bits_as<double>(b);
        return {__dadd_rn(before.sum, value), value < before.least ? value : before.least,
                value > before.most ? value : before.most};
    }
    static __device__ uint64_t mean(Bounded sum, uint32_t shift) {
        double mean = __dmul_rn(sum.sum, 1.0 / (double)(1u << shift));
        mean = mean < sum.least ? sum.least : mean;
        mean = mean > sum.most ? sum.most : mean;
        return mean != mean ? 0x7ff8000000000000 : bits_as<uint64_t>(mean);
    }
};

// The samples of a window, in its order.
template <typename B> struct Samples {
    // Where each frame's begin; 0: they hold the fill value.
    const B *frame[2];
    B fill;
    // Samples of a frame are 2 to the `pairs`; the last dimension's are the nearest.
    uint32_t pairs;
    uint64_t apart[MOST_HALVED];
    uint32_t frames;

    __device__ uint32_t shift() const { return pairs + frames - 1; }

    __device__ B get(uint32_t i) const {
        const B *at = frame[i >> pairs];
        if (!at) {
            return fill;
        }
        for (uint32_t d = 0; d < pairs; d++) {
            at += i >> d & 1 ? apart[d] : 0;
        }
        return *at;
    }
};

template <typename T, bool LARGEST> static __device__ typename T::Bits end(const Samples<typename T::Bits> &s) {
    typename T::Key best = LARGEST ? T::high(s.get(0)) : T::low(s.get(0));
    for (uint32_t i = 1; i < 1u << s.shift(); i++) {
        typename T::Key key = LARGEST ? T::high(s.get(i)) : T::low(s.get(i));
        best = LARGEST == (key > best) ? key : best;
    }
    return T::of(best);
}

template <typename T, bool LARGEST> static __device__ typename T::Bits second(const Samples<typename T::Bits> &s) {
    typename T::Key best = LARGEST ? T::high(s.get(0)) : T::low(s.get(0)), next = best;
    for (uint32_t i = 1; i < 1u << s.shift(); i++) {
        typename T::Key key = LARGEST ? T::high(s.get(i)) : T::low(s.get(i));
        bool ahead = LARGEST == (key > best);
        next = ahead ? best : i == 1 || LARGEST == (key > next) ? key : next;
        best = ahead ? key : best;
    }
    return T::of(T::is_nan(best) ? best : next);
}

template <typename T> static __device__ typename T::Bits mean(const Samples<typename T::Bits> &s) {
    typename T::Sum sum = T::sum(s.get(0));
    for (uint32_t i = 1; i < 1u << s.shift(); i++) {
        sum = T::add(sum, s.get(i));
    }
    return T::mean(sum, s.shift());
}

// The lower one in the middle, or the one that there is most of. By insertion: windows are small.
template <typename T> static __device__ typename T::Bits sorted(const Samples<typename T::Bits> &s, bool middle) {
    typename T::Key sorted[1 << MOST_HALVED];
    uint32_t samples = 1u << s.shift();
    for (uint32_t n = 0; n < samples; n++) {
        typename T::Key key = T::high(s.get(n));
        uint32_t at = n;
        for (; at > 0 && sorted[at - 1] > key; at--) {
            sorted[at] = sorted[at - 1];
        }
        sorted[at] = key;
    }
    if (middle) {
        return T::of(T::is_nan(sorted[samples - 1]) ? sorted[samples - 1] : sorted[(samples - 1) / 2]);
    }
    typename T::Key best = sorted[0];
    uint32_t most = 1, run = 1;
    for (uint32_t i = 1; i < samples; i++) {
        run = sorted[i] == sorted[i - 1] ? run + 1 : 1;
        best = run > most ? sorted[i] : best;
        most = run > most ? run : most;
    }
    return T::of(best);
}

template <typename T>
static __device__ typename T::Bits reduce_window(uint32_t reducer, const Samples<typename T::Bits> &s) {
    if (reducer == MEDIAN && s.shift() <= 2) {
        // Of four the second, of two the first.
        reducer = s.shift() == 2 ? SECOND_SMALLEST : MIN;
    }
    switch (reducer) {
    case MEAN:
        return mean<T>(s);
    case MIN:
        return end<T, false>(s);
    case MAX:
        return end<T, true>(s);
    case SECOND_LARGEST:
        return second<T, true>(s);
    case SECOND_SMALLEST:
        return second<T, false>(s);
    case MEDIAN:
    case MODE:
        return sorted<T>(s, reducer == MEDIAN);
    default:
        return s.get(0);
    }
}

// Where the samples of an element lie in each frame; false: it is past the edge.
template <typename B>
static __device__ bool places(const ReduceParams &p, uint32_t chunk, uint32_t element, Samples<B> &s, uint64_t *base) {
    uint64_t at = 0;
    s.pairs = 0;
    for (int d = (int)p.rank - 1; d >= 0; d--) {
        const ReduceDim &dim = p.dims[d];
        uint32_t extent = (uint32_t)dim.chunk, chunks = (uint32_t)dim.chunks;
        uint64_t i = element % extent, c = chunk % chunks;
        element /= extent;
        chunk /= chunks;
        uint64_t index = c * extent + i;
        if (index >= dim.to) {
            return false;
        }
        if (!dim.halved) {
            at += c * dim.step + i * dim.stride;
            continue;
        }
        // The first half of a chunk comes from one chunk, the second from the next; a window may come from both.
        uint64_t first = 2 * i, second = 2 * i + 1;
        first = first < extent ? first * dim.stride : dim.step + (first - extent) * dim.stride;
        second = second < extent ? second * dim.stride : dim.step + (second - extent) * dim.stride;
        at += 2 * c * dim.step + first;
        if (2 * index + 1 < dim.from) {
            s.apart[s.pairs++] = second - first;
        }
    }
    *base = at;
    return true;
}

// One element of frame `q`.
template <typename T>
static __device__ typename T::Bits made(const ReduceParams &p, uint64_t epoch, uint32_t chunk, int64_t q, uint32_t element) {
    typedef typename T::Bits B;
    Samples<B> s;
    s.fill = (B)p.fill;
    int64_t first = p.frames == KEPT ? q : 2 * q + p.offset, valid = (int64_t)p.valid;
    uint64_t base;
    if (first >= valid || !places(p, chunk, element, s, &base)) {
        return s.fill;
    }
    const B *before = (const B *)p.before + (p.depth - 1) * p.frame_elements + base;
    const B *from = (const B *)p.from + epoch * p.above + base;
    s.frame[0] = first < 0 ? before : from + first * p.frame_elements;
    bool there = first + 1 < valid;
    s.frame[1] = there ? from + (first + 1) * p.frame_elements : 0;
    s.frames = p.frames != KEPT && (there || p.filled) ? 2 : 1;
    // Apart: each frame by itself, then both. There is one call, for it is long.
    const B *frame[2] = {s.frame[0], s.frame[1]};
    B made[2] = {s.fill, s.fill};
    uint32_t frames = s.frames, last = p.frames == APART ? frames : 0;
    for (uint32_t pass = 0;; pass++) {
        bool joined = pass == last;
        if (!joined) {
            s.frame[0] = frame[pass];
            s.frames = 1;
        } else if (last > 0) {
            s.frame[0] = &made[0];
            s.frame[1] = &made[1];
            s.frames = frames;
            s.pairs = 0;
        }
        if (!s.frame[0]) {
            continue;
        }
        B result = reduce_window<T>((uint32_t)(joined && last > 0 ? p.by : p.reducer), s);
        if (joined) {
            return result;
        }
        made[pass] = result;
    }
}

template <typename T> static __device__ void reduce(const ReduceParams &p) {
    typedef typename T::Bits B;
    uint64_t frames = p.end - p.first;
    for (uint64_t row = blockIdx.y; row < p.epochs * p.chunks * frames; row += gridDim.y) {
        uint64_t chunk = row / frames, q = p.first + row % frames;
        B *to = (B *)p.to + chunk * p.chunk_elements + q * p.frame_elements;
        for (uint64_t i = thread_of_grid(); i < p.frame_elements; i += threads_of_grid()) {
            to[i] = made<T>(p, chunk / p.chunks, (uint32_t)(chunk % p.chunks), (int64_t)q, (uint32_t)i);
        }
    }
}

#define REDUCE(name, T)                                                                                                \
    extern "C" __global__ void name(const __grid_constant__ ReduceParams p) { reduce<T>(p); }

REDUCE(reduce_u8, U8)
REDUCE(reduce_u16, U16)
REDUCE(reduce_u32, U32)
REDUCE(reduce_u64, U64)
REDUCE(reduce_i8, I8)
REDUCE(reduce_i16, I16)
REDUCE(reduce_i32, I32)
REDUCE(reduce_i64, I64)
REDUCE(reduce_f16, F16)
REDUCE(reduce_f32, F32)
REDUCE(reduce_f64, F64)
