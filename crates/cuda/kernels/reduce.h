// What the kernels of a level take, and one window after another: see `plan::Reduction` and the host's kernel, which does the
// same bit by bit.
#pragma once

#include "common.h"

#include "reduce_element.h"

#define MOST_REDUCED 32
// Samples of a window are 2 to this at the most.
#define MOST_HALVED 8

enum Reducer { MEAN, MIN, MAX, MEDIAN, SECOND_LARGEST, SECOND_SMALLEST, MODE, DECIMATE };
enum Frames { KEPT, HALVED, APART };
enum Nearest { NEIGHBOURS, OTHER_ROW, NEXT_FRAME };

// Division of any 32 bits by a number that the host knows: Granlund and Montgomery, Division by invariant integers using
// multiplication (1994), figure 4.1.
struct Divisor {
    uint32_t multiplier;
    uint32_t shift;
};

static __device__ uint32_t divide(uint32_t n, Divisor by) {
    return (uint32_t)(((uint64_t)__umulhi(by.multiplier, n) + n) >> by.shift);
}

struct ReduceDim {
    uint64_t from;
    uint64_t to;
    uint64_t chunk;
    uint64_t chunks;
    uint64_t halved;
    // Elements from one index to the next inside a chunk, and from one chunk to the next in the level above; and by how much
    // further it is from the last index of a chunk to the first of the next.
    uint64_t stride;
    uint64_t step;
    uint64_t jump;
    Divisor by_chunk;
    Divisor by_chunks;
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
    uint32_t filled;
    uint32_t frames;
    uint32_t reducer;
    uint32_t by;
    // The fill value, again and again.
    uint64_t fill;
    // What is turned over in an element so that it is a number without a sign: its highest bit, or nothing.
    uint64_t sign;
    uint64_t rank;

    // Of the kernels that make an element a thread: the dimension of which only the last index is made, or none; where that is. Chunks of
    // an epoch, elements of a frame, and elements of a chunk that are made.
    uint32_t edge;
    uint32_t edge_chunk;
    uint32_t edge_element;
    uint32_t some_chunks;
    uint32_t some_elements;
    uint32_t elements;
    // By `some_chunks` and `some_elements`.
    Divisor by_some_chunks;
    Divisor by_some_elements;

    // Of the kernels that make eight or sixteen bytes of elements at a time, which lie in one row: along the last dimension of which a
    // chunk has more than one index. Such vectors of a frame and of a row.
    uint32_t row;
    uint32_t frame_vectors;
    uint32_t row_vectors;
    // Frames that a thread makes one after another, of one epoch or of several; and threads for as many frames as there are.
    uint32_t together;
    uint32_t groups;
    Divisor by_row;
    Divisor by_groups;
    Divisor by_frames;
    // What the nearest two samples of a window are. Rows of these pairs that a window has, their binary logarithm for those of a frame,
    // and that of all samples.
    uint32_t nearest;
    uint32_t rows;
    uint32_t pairs;
    uint32_t halvings;
    // Whether all vectors are whole and lie where they can be moved at once.
    uint32_t wide;
    uint32_t is_float;
    // For what is compared, as a register of keys has it: what is turned over beside what makes floats comparable (the sign of whole numbers,
    // and all of it where the largest is looked for), and the key of what is not a number.
    uint64_t turn;
    uint64_t nan;
    // The same for what becomes of two frames that are halved apart.
    uint64_t by_turn;
    uint64_t by_nan;
    // The last frame of the epoch before; and bytes of a frame, of an epoch above and of an epoch here.
    const void *last;
    uint64_t frame_bytes;
    uint64_t above_bytes;
    uint64_t here_bytes;

    ReduceDim dims[MOST_REDUCED];
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

    // There is no index that is not known here: an array that has one lies in memory.
    __device__ void pair(uint64_t by) {
#pragma unroll
        for (uint32_t d = 0; d < MOST_HALVED; d++) {
            apart[d] = d == pairs ? by : apart[d];
        }
        pairs++;
    }

    __device__ B get(uint32_t i) const {
        const B *at = i >> pairs ? frame[1] : frame[0];
        if (!at) {
            return fill;
        }
        uint64_t by = 0;
#pragma unroll
        for (uint32_t d = 0; d < MOST_HALVED; d++) {
            by += d < pairs && (i >> d & 1) ? apart[d] : 0;
        }
        return at[by];
    }
};

template <class K>
static __device__ typename K::Bits end(const Samples<typename K::Bits> &s, typename K::Bits sign, bool largest) {
    typedef typename K::Bits B;
    B flip = largest ? (B)~(B)0 : 0, best = K::key(s.get(0), sign, flip, 0);
#pragma unroll 1
    for (uint32_t i = 1; i < 1u << s.shift(); i++) {
        B key = K::key(s.get(i), sign, flip, 0);
        best = key < best ? key : best;
    }
    return K::of(best, sign, flip, 0);
}

template <class K>
static __device__ typename K::Bits second(const Samples<typename K::Bits> &s, typename K::Bits sign, bool largest) {
    typedef typename K::Bits B;
    B flip = largest ? (B)~(B)0 : 0, best = K::key(s.get(0), sign, flip, 0), next = best;
#pragma unroll 1
    for (uint32_t i = 1; i < 1u << s.shift(); i++) {
        B key = K::key(s.get(i), sign, flip, 0), larger = key < best ? best : key;
        next = i == 1 || larger < next ? larger : next;
        best = key < best ? key : best;
    }
    return K::of(K::is_nan(best, 0) ? best : next, sign, flip, 0);
}

template <class K> static __device__ typename K::Bits mean(const Samples<typename K::Bits> &s, typename K::Bits sign) {
    typename K::Sum sum = K::sum(s.get(0), sign);
#pragma unroll 1
    for (uint32_t i = 1; i < 1u << s.shift(); i++) {
        sum = K::add(sum, s.get(i), sign);
    }
    return K::mean(sum, s.shift(), sign);
}

// The lower one in the middle, or the one that there is most of: each sample is counted among all, so nothing is kept.
template <class K>
static __device__ typename K::Bits counted(const Samples<typename K::Bits> &s, typename K::Bits sign, bool middle) {
    typedef typename K::Bits B;
    const B high = (B)~(B)0;
    uint32_t samples = 1u << s.shift(), most = 0;
    B best = 0;
#pragma unroll 1
    for (uint32_t i = 0; i < samples; i++) {
        B key = K::key(s.get(i), sign, 0, high);
        uint32_t less = 0, same = 0;
#pragma unroll 1
        for (uint32_t j = 0; j < samples; j++) {
            B other = K::key(s.get(j), sign, 0, high);
            less += other < key;
            same += other == key;
        }
        if (middle) {
            bool is_middle = less <= (samples - 1) / 2 && (samples - 1) / 2 < less + same;
            best = K::is_nan(best, high) || K::is_nan(key, high) ? high : is_middle ? key : best;
        } else {
            best = same > most || (same == most && key < best) ? key : best;
            most = same > most ? same : most;
        }
    }
    return K::of(best, sign, 0, high);
}

template <class K>
__device__ __noinline__ typename K::Bits reduce_window(uint32_t reducer, const Samples<typename K::Bits> &s,
                                                 typename K::Bits sign) {
    switch (reducer) {
    case MEAN:
        return mean<K>(s, sign);
    case MIN:
    case MAX:
        return end<K>(s, sign, reducer == MAX);
    case SECOND_LARGEST:
    case SECOND_SMALLEST:
        return second<K>(s, sign, reducer == SECOND_LARGEST);
    case MEDIAN:
    case MODE:
        return counted<K>(s, sign, reducer == MEDIAN);
    default:
        return s.get(0);
    }
}

// What becomes of one or two frames' elements.
template <class K>
static __device__ typename K::Bits joined(uint32_t by, typename K::Bits first, typename K::Bits then, uint32_t frames,
                                          typename K::Bits sign) {
    typedef typename K::Bits B;
    if (by == DECIMATE) {
        return first;
    }
    if (by == MEAN) {
        typename K::Sum sum = K::sum(first, sign);
        return K::mean(frames == 2 ? K::add(sum, then, sign) : sum, frames - 1, sign);
    }
    // Of two the second largest is the least.
    bool largest = by == MAX || by == SECOND_SMALLEST;
    B flip = largest ? (B)~(B)0 : 0, nan = by == MODE ? (B)~(B)0 : 0;
    B a = K::key(first, sign, flip, nan), b = frames == 2 ? K::key(then, sign, flip, nan) : a;
    return K::of(a < b ? a : b, sign, flip, nan);
}

// Where an element of a frame lies among those of its epoch, and where the samples lie that it is made from.
template <typename B> struct WindowPlace {
    Samples<B> samples;
    uint64_t base;
    // The chunk of the epoch, and the element of the frame in it.
    uint64_t chunk, element;
    bool is_past;

    __device__ void find(const ReduceParams &p, uint32_t chunks_left, uint32_t elements_left) {
        base = chunk = element = samples.pairs = 0;
        is_past = false;
        uint64_t across = 1;
#pragma unroll 1
        for (int d = (int)p.rank - 1; d >= 0; d--) {
            const ReduceDim &dim = p.dims[d];
            uint32_t extent = (uint32_t)dim.chunk, i = p.edge_element, c = p.edge_chunk;
            if (d != (int)p.edge) {
                uint32_t elements = divide(elements_left, dim.by_chunk), chunks = divide(chunks_left, dim.by_chunks);
                i = elements_left - elements * extent;
                c = chunks_left - chunks * (uint32_t)dim.chunks;
                elements_left = elements;
                chunks_left = chunks;
            }
            chunk += c * across;
            across *= dim.chunks;
            element += i * dim.stride;
            uint64_t index = (uint64_t)c * extent + i;
            is_past = is_past || index >= dim.to;
            if (!dim.halved) {
                base += c * dim.step + i * dim.stride;
                continue;
            }
            // The first half of a chunk comes from one chunk, the second from the next; a window may come from both.
            uint64_t first = 2 * (uint64_t)i;
            base += 2 * c * dim.step + first * dim.stride + (first < extent ? 0 : dim.jump);
            if (2 * index + 1 < dim.from) {
                samples.pair(dim.stride + (first + 1 == extent ? dim.jump : 0));
            }
        }
    }
};

// The frames of a window: where they begin, and how many there are; 0: the element is the fill value.
template <typename B>
static __device__ uint32_t frames_of(const ReduceParams &p, uint32_t epoch, int64_t q, const B **frame) {
    int64_t first = p.frames == KEPT ? q : 2 * q + p.offset, valid = (int64_t)p.valid;
    if (first >= valid) {
        return 0;
    }
    const B *from = (const B *)p.from + epoch * p.above;
    const B *before = (const B *)p.before + (p.depth - 1) * p.frame_elements;
    frame[0] = first < 0 ? before : from + first * p.frame_elements;
    bool there = first + 1 < valid;
    frame[1] = there ? from + (first + 1) * p.frame_elements : 0;
    return p.frames != KEPT && (there || p.filled) ? 2 : 1;
}

// What becomes of the window of an element of frame `q`.
template <class K>
static __device__ typename K::Bits made(const ReduceParams &p, uint32_t epoch, int64_t q, WindowPlace<typename K::Bits> &place) {
    typedef typename K::Bits B;
    B sign = (B)p.sign;
    Samples<B> &s = place.samples;
    s.fill = (B)p.fill;
    uint32_t frames = frames_of(p, epoch, q, s.frame);
    if (frames == 0 || place.is_past) {
        return s.fill;
    }
    const B *frame[2] = {s.frame[0] + place.base, s.frame[1] ? s.frame[1] + place.base : 0};
    s.frame[0] = frame[0];
    s.frame[1] = frame[1];
    s.frames = p.frames == APART ? 1 : frames;
    B first = reduce_window<K>(p.reducer, s, sign), then = s.fill;
    if (p.frames != APART) {
        return first;
    }
    // Each frame by itself, then both.
    if (frames == 2 && frame[1]) {
        s.frame[0] = frame[1];
        then = reduce_window<K>(p.reducer, s, sign);
    }
    return joined<K>(p.by, first, then, frames, sign);
}
