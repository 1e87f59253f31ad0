// A thread makes eight bytes of results that lie in one row, and the same of some more frames, from rows of sixteen bytes, or from
// pairs of rows of eight where no two samples of a window are neighbours; of windows of two samples sixteen bytes, for there is
// little to do for each.
//
// All windows are taken for whole ones: where one lacks samples at an edge, those that it has count twice. That makes no difference but
// for means of floats, which are rounded at each step, and for the second of an order. Those the host has made anew, an element a
// thread; and windows that are cut at the end of a row, and those of a frame and one that is not there but holds the fill value.
#pragma once

#include "reduce_lanes.h"

// Halved dimensions of a frame at the most; the nearest of them is none of the rows', so that a frame has up to eight of these.
#define MOST_PAIRS 4

// Sixteen bytes, element by element; those from `turn` on lie `jump` further.
template <typename B>
__device__ __noinline__ Wide narrow(const B *at, uint32_t elements, uint32_t turn, uint32_t jump) {
    Wide wide = {{0, 0, 0, 0}};
#pragma unroll
    for (uint32_t i = 0; i < 16 / sizeof(B); i++) {
        if (i < elements) {
            uint64_t value = at[i + (i >= turn ? jump : 0)];
            wide.word[i * sizeof(B) / 4] |= (uint32_t)value << (8 * (i * sizeof(B) % 4));
            if (sizeof(B) == 8) {
                wide.word[i * sizeof(B) / 4 + 1] = (uint32_t)(value >> 32);
            }
        }
    }
    return wide;
}

// Two frames, or the same twice.
struct Pair {
    const unsigned char *first, *next;
};

// Where a vector's samples are, in any frame; in bytes, which 32 bits are enough for.
template <class L, uint32_t BYTES = 8> struct Vector {
    typedef typename L::Bits B;
    static const uint32_t MOST = BYTES / sizeof(B);
    // From the frame's first sample to the vector's, and from there to those of the other rows: sums of these; 0 where there is none.
    uint32_t base;
    uint32_t apart[MOST_PAIRS];
    // How far it is to the second of each pair, where that is in another row.
    uint32_t partner;
    // Results that there are, those among them that are made, and whether the last of these has a sample less.
    uint32_t count, live;
    bool cut;
    // Samples side by side before the next chunk's, and how much further those are, in elements.
    uint32_t turn, jump;

    // Finds the samples of results `i` and more of row `line`.
    __device__ void find(const ReduceParams &p, uint32_t chunk, uint32_t line, uint32_t i) {
        uint32_t pairs = 0, elements = 0;
        jump = 0;
        turn = ~0u;
        cut = false;
        count = live = MOST;
#pragma unroll
        for (uint32_t d = 0; d < MOST_PAIRS; d++) {
            apart[d] = 0;
        }
#pragma unroll 1
        for (int d = (int)p.rank - 1; d >= 0; d--) {
            const ReduceDim &dim = p.dims[d];
            bool along = d == (int)p.row;
            uint32_t extent = (uint32_t)dim.chunk, step = (uint32_t)dim.step, stride = (uint32_t)dim.stride;
            uint32_t outer = divide(chunk, dim.by_chunks), c = chunk - outer * (uint32_t)dim.chunks, in = i;
            chunk = outer;
            if (along) {
                count = min(count, extent - i);
            } else {
                outer = divide(line, dim.by_chunk);
                in = line - outer * extent;
                line = outer;
            }
            uint32_t index = c * extent + in, to = (uint32_t)dim.to, left = index < to ? to - index : 0;
            live = along ? min(min(live, count), left) : left > 0 ? live : 0;
            elements += c * step + in * stride;
            if (!dim.halved) {
                continue;
            }
            // The first half of a chunk comes from one chunk, the second from the next; a window may come from both.
            uint32_t first = 2 * in, further = (uint32_t)dim.jump;
            elements += c * step + in * stride + (first < extent ? 0 : further);
            if (along) {
                cut = (dim.from & 1) && index + live == to;
                turn = first < extent ? extent - first : ~0u;
                jump = further;
            } else if (dim.from > 1) {
                uint32_t by = stride + (first + 1 == extent ? further : 0);
                by = 2 * index + 1 < (uint32_t)dim.from ? by * sizeof(B) : 0;
#pragma unroll
                for (uint32_t k = 0; k < MOST_PAIRS; k++) {
                    apart[k] = k == pairs ? by : apart[k];
                }
                pairs++;
            }
        }
        base = elements * sizeof(B);
        take_partner(p.nearest == OTHER_ROW);
    }

    // The nearest pair is none of the rows'.
    __device__ void take_partner(bool is_there) {
        partner = is_there ? apart[0] : 0;
#pragma unroll
        for (uint32_t d = 1; d < MOST_PAIRS; d++) {
            apart[d - 1] = is_there ? apart[d] : apart[d - 1];
        }
    }

    // Eight bytes of a row.
    template <bool WIDE> __device__ void eight(const unsigned char *from, uint32_t *word) const {
        if (WIDE) {
            uint2 both = *(const uint2 *)from;
            word[0] = both.x;
            word[1] = both.y;
        } else {
            Wide some = narrow((const B *)from, live, ~0u, 0);
            word[0] = some.word[0];
            word[1] = some.word[1];
        }
    }

    // Pairs of samples: row `r`, those of the next frame behind those of the first.
    template <bool WIDE, bool FIRST_ONLY = false>
    __device__ Wide row(const ReduceParams &p, Pair frames, uint32_t r) const {
        const unsigned char *from = r >> p.pairs == 0 ? frames.first : frames.next;
        uint32_t by = base;
#pragma unroll
        for (uint32_t d = 0; d < MOST_PAIRS - 1; d++) {
            by += r >> d & 1 ? apart[d] : 0;
        }
        if (p.nearest == NEIGHBOURS) {
            return WIDE ? *(const Wide *)(from + by) : narrow((const B *)(from + by), 2 * live - cut, turn, jump);
        }
        uint32_t a[2], b[2];
        eight<WIDE>(from + by, a);
        if (FIRST_ONLY) {
            return L::zipped(a, a);
        }
        eight<WIDE>((p.nearest == OTHER_ROW ? from : frames.next) + (by + partner), b);
        return L::zipped(a, b);
    }
};

// Some rows of a window, all on their way before the first is looked at.
template <bool WIDE, uint32_t COUNT, class L, class Take>
static __device__ void some_rows(const ReduceParams &p, const Vector<L> &v, Pair frames, uint32_t r, Take take) {
    Wide some[COUNT];
#pragma unroll
    for (uint32_t i = 0; i < COUNT; i++) {
        some[i] = v.template row<WIDE>(p, frames, r + i);
    }
#pragma unroll
    for (uint32_t i = 0; i < COUNT; i++) {
        take(some[i], i == 0 && r == 0);
    }
}

// The rows of one window.
template <bool WIDE, class L, class Take>
static __device__ void each_row(const ReduceParams &p, const Vector<L> &v, Pair frames, Take take) {
    if (p.rows == 1) {
        some_rows<WIDE, 1>(p, v, frames, 0, take);
    } else if (!WIDE || p.rows == 2) {
#pragma unroll 1
        for (uint32_t r = 0; r < (WIDE ? 2 : p.rows); r += 2) {
            some_rows<WIDE, 2>(p, v, frames, r, take);
        }
    } else {
#pragma unroll 1
        for (uint32_t r = 0; r < p.rows; r += 4) {
            some_rows<WIDE, 4>(p, v, frames, r, take);
        }
    }
}

template <class L, class K> struct Mean {
    // Whether it is too long to be there twice: then `WIDE` says nothing, and `p.wide` is asked at each window. And whether it takes
    // first samples only.
    static const bool IS_LONG = false;
    static const bool TAKES_THE_FIRST = false;
    // Of windows of two.
    static __device__ uint64_t of_two(const ReduceParams &p, const Wide &w) {
        ElementSums<K> sums;
        sums.begin(w, p.sign);
        return sums.mean(1, p.sign);
    }
    template <bool WIDE> static __device__ uint64_t of(const ReduceParams &p, const Vector<L> &v, Pair frames) {
        ElementSums<K> sums;
        uint64_t sign = p.sign;
        each_row<WIDE>(p, v, frames, [&](const Wide &w, bool first) { first ? sums.begin(w, sign) : sums.add(w, sign); });
        return sums.mean(p.halvings, sign);
    }
};

// The lesser keys of pairs.
template <class L> static __device__ uint64_t least_of_two(const Turned<L> &turned, const Wide &w) {
    typename L::Lane first[L::LANES], second[L::LANES];
    L::split(w, first, second);
    turned.keys(first);
    turned.keys(second);
#pragma unroll
    for (uint32_t k = 0; k < L::LANES; k++) {
        first[k] = L::least(first[k], second[k]);
    }
    turned.elements(first);
    return L::pack(first);
}

// The least key of a window.
template <class L> struct Least {
    static const bool IS_LONG = false;
    static const bool TAKES_THE_FIRST = false;
    static __device__ uint64_t of_two(const ReduceParams &p, const Wide &w) {
        return least_of_two(Turned<L>(p.turn, p.nan, p.is_float), w);
    }
    template <bool WIDE> static __device__ uint64_t of(const ReduceParams &p, const Vector<L> &v, Pair frames) {
        Turned<L> turned(p.turn, p.nan, p.is_float);
        typename L::Lane best[L::LANES], first[L::LANES], second[L::LANES];
        each_row<WIDE>(p, v, frames, [&](const Wide &w, bool begins) {
            L::split(w, first, second);
            turned.keys(first);
            turned.keys(second);
#pragma unroll
            for (uint32_t k = 0; k < L::LANES; k++) {
                typename L::Lane least = L::least(first[k], second[k]);
                best[k] = begins ? least : L::least(best[k], least);
            }
        });
        turned.elements(best);
        return L::pack(best);
    }
};

// The least but one.
template <class L> struct Second {
    static const bool IS_LONG = false;
    template <bool WIDE> static __device__ uint64_t of(const ReduceParams &p, const Vector<L> &v, Pair frames) {
        Turned<L> turned(p.turn, p.nan, p.is_float);
        typename L::Lane best[L::LANES], next[L::LANES], first[L::LANES], second[L::LANES];
        each_row<WIDE>(p, v, frames, [&](const Wide &w, bool begins) {
            L::split(w, first, second);
            turned.keys(first);
            turned.keys(second);
#pragma unroll
            for (uint32_t k = 0; k < L::LANES; k++) {
                in_order<L>(first[k], second[k]);
                // Of two pairs in order, the least two.
                typename L::Lane after = L::least(L::most(best[k], first[k]), L::least(next[k], second[k]));
                best[k] = begins ? first[k] : L::least(best[k], first[k]);
                next[k] = begins ? second[k] : after;
            }
        });
#pragma unroll
        for (uint32_t k = 0; k < L::LANES; k++) {
            next[k] = turned.poisoned(best[k], next[k]);
        }
        turned.elements(next);
        return L::pack(next);
    }
};

// The lower one in the middle, or the one that there is most of; NaN is behind all others.
template <class L, uint32_t SAMPLES, bool MIDDLE> struct Sorted {
    static const bool IS_LONG = true;
    template <bool WIDE> static __device__ uint64_t of(const ReduceParams &p, const Vector<L> &v, Pair frames) {
        Turned<L> turned(p.turn, p.nan, p.is_float);
        typename L::Lane all[SAMPLES][L::LANES], made[L::LANES];
        if (p.wide) {
#pragma unroll
            for (uint32_t r = 0; r < SAMPLES / 2; r++) {
                L::split(v.template row<true>(p, frames, r), all[2 * r], all[2 * r + 1]);
            }
        } else {
            // By way of memory of the thread's own, so that no register is kept while elements are looked for.
            Wide rows[SAMPLES / 2];
#pragma unroll 1
            for (uint32_t r = 0; r < SAMPLES / 2; r++) {
                rows[r] = v.template row<false>(p, frames, r);
            }
#pragma unroll
            for (uint32_t r = 0; r < SAMPLES / 2; r++) {
                L::split(rows[r], all[2 * r], all[2 * r + 1]);
            }
        }
#pragma unroll
        for (uint32_t k = 0; k < L::LANES; k++) {
            typename L::Lane keys[SAMPLES];
#pragma unroll
            for (uint32_t i = 0; i < SAMPLES; i++) {
                keys[i] = all[i][k];
            }
            turned.keys(keys);
            sort<L, 0, SAMPLES>(keys);
            typename L::Lane middle = turned.poisoned(keys[SAMPLES - 1], keys[(SAMPLES - 1) / 2]);
            made[k] = MIDDLE ? middle : SAMPLES == 4 ? mode_of_four<L>(keys) : L::mode(keys, SAMPLES);
        }
        turned.elements(made);
        return L::pack(made);
    }
};

template <class L> struct First {
    static const bool IS_LONG = false;
    static const bool TAKES_THE_FIRST = true;
    static __device__ uint64_t of_two(const ReduceParams &, const Wide &w) {
        typename L::Lane first[L::LANES], second[L::LANES];
        L::split(w, first, second);
        return L::pack(first);
    }
    template <bool WIDE> static __device__ uint64_t of(const ReduceParams &p, const Vector<L> &v, Pair frames) {
        typename L::Lane first[L::LANES], second[L::LANES];
        L::split(v.template row<WIDE, true>(p, frames, 0), first, second);
        return L::pack(first);
    }
};

// Results of two frames to one.
template <class L> __device__ __noinline__ uint64_t joined_frames(const ReduceParams &p, uint64_t first, uint64_t then) {
    if (p.by == DECIMATE) {
        return first;
    }
    const uint32_t a[2] = {(uint32_t)first, (uint32_t)(first >> 32)}, b[2] = {(uint32_t)then, (uint32_t)(then >> 32)};
    const Wide pairs = L::zipped(a, b);
    if (p.by != MEAN) {
        return least_of_two(Turned<L>(p.by_turn, p.by_nan, p.is_float), pairs);
    }
    return L::HAS_FLOATS && p.is_float ? Mean<L, typename L::Floating>::of_two(p, pairs)
                                       : Mean<L, typename L::Number>::of_two(p, pairs);
}

// Frames that are halved apart: each by itself, then both.
template <class L, class R, bool WIDE>
static __device__ uint64_t made_of_rows(const ReduceParams &p, const Vector<L> &v, Pair frames) {
    uint64_t first = 0, then;
    // There is one call, for it is long.
#pragma unroll 1
    for (bool joined = false;; joined = true) {
        then = R::template of<WIDE>(p, v, frames);
        if (p.frames != APART) {
            return then;
        }
        if (joined) {
            break;
        }
        first = then;
        frames.first = frames.next;
    }
    return joined_frames<L>(p, first, then);
}

// Results, of which so many are there, and the fill value behind them.
template <typename B> static __device__ uint64_t before_fill(uint64_t results, int32_t live, uint64_t fill) {
    if (live >= (int32_t)(8 / sizeof(B))) {
        return results;
    }
    uint64_t past = live > 0 ? ~(uint64_t)0 << (8 * sizeof(B) * live) : ~(uint64_t)0;
    return (results & ~past) | (fill & past);
}

// The results of a frame, to where they belong.
template <class L, class R, bool WIDE>
static __device__ void make_vector(const ReduceParams &p, const Vector<L> &v, bool is_there, Pair frames, unsigned char *to) {
    typedef typename L::Bits B;
    uint64_t results = p.fill;
    if (v.live > 0 && is_there) {
        results = before_fill<B>(made_of_rows<L, R, WIDE>(p, v, frames), v.live, p.fill);
    }
    if (WIDE && (!R::IS_LONG || p.wide)) {
        *(uint64_t *)to = results;
    } else {
#pragma unroll
        for (uint32_t k = 0; k < v.MOST; k++) {
            if (k < v.count) {
                ((B *)to)[k] = (B)(results >> (8 * sizeof(B) * k));
            }
        }
    }
}

// The results of a frame where windows have two samples, to where they belong.
template <class L, class R>
static __device__ void make_two_vectors(const ReduceParams &p, const Vector<L, 16> &v, bool is_there, Pair frames, unsigned char *to) {
    typedef typename L::Bits B;
    uint64_t low = p.fill, high = p.fill;
    if (v.live > 0 && is_there) {
        const Wide *first = (const Wide *)(frames.first + v.base), *then = (const Wide *)(frames.next + (v.base + v.partner));
        Wide a, b;
        if (p.nearest == NEIGHBOURS) {
            a = first[0];
            b = first[1];
        } else {
            const Wide one = *first, other = R::TAKES_THE_FIRST ? one : *then;
            a = L::zipped(one.word, other.word);
            b = L::zipped(one.word + 2, other.word + 2);
        }
        low = before_fill<B>(R::of_two(p, a), (int32_t)v.live, p.fill);
        high = before_fill<B>(R::of_two(p, b), (int32_t)(v.live - v.MOST / 2), p.fill);
    }
    *(Wide *)to = {{(uint32_t)low, (uint32_t)(low >> 32), (uint32_t)high, (uint32_t)(high >> 32)}};
}

// A row of blocks makes some frames of a chunk: places in them are found once, and where frames begin is the same for all threads.
template <class Make>
static __device__ void make_frames(const ReduceParams &p, uint32_t chunk, uint32_t begun, uint32_t in_frame, Make make) {
    const bool kept = p.frames == KEPT;
    uint32_t frames = (uint32_t)(p.end - p.first), count = min(p.together, (uint32_t)p.epochs * frames - begun);
    uint32_t epoch = divide(begun, p.by_frames), q = begun - epoch * frames;
    // The frame above that the next window begins with, and how many there are from there on.
    int32_t first = (int32_t)(p.first + q);
    first = kept ? first : 2 * first + (int32_t)p.offset;
    int32_t left = (int32_t)p.valid - first;
    const uint64_t step = kept ? p.frame_bytes : 2 * p.frame_bytes;
    const unsigned char *from = (const unsigned char *)p.from + epoch * p.above_bytes + first * (int64_t)p.frame_bytes;
    unsigned char *to = (unsigned char *)p.to + epoch * p.here_bytes + (chunk * p.depth + p.first + q) * p.frame_bytes;
#pragma unroll 1
    while (true) {
        Pair pair = {first < 0 ? (const unsigned char *)p.last : from, from + p.frame_bytes};
        pair.next = kept || left < 2 ? pair.first : pair.next;
        make(left > 0, pair, to + in_frame);
        if (--count == 0) {
            return;
        }
        first += kept ? 1 : 2;
        left -= kept ? 1 : 2;
        from += step;
        to += p.frame_bytes;
        if (++q == frames) {
            q = 0;
            first -= (int32_t)frames;
            left += (int32_t)frames;
            from += p.above_bytes - frames * p.frame_bytes;
            to += p.here_bytes - frames * p.frame_bytes;
        }
    }
}

// A thread finds its vector's place in each chunk that it makes some frames of.
template <class L, uint32_t BYTES, class Make> static __device__ void each_vector(const ReduceParams &p, Make make) {
    uint32_t n = blockIdx.x * blockDim.x + threadIdx.x;
    if (n >= p.frame_vectors) {
        return;
    }
    uint32_t line = divide(n, p.by_row), i = (n - line * p.row_vectors) * Vector<L, BYTES>::MOST;
    uint32_t in_frame = (line * (uint32_t)p.dims[p.row].chunk + i) * sizeof(typename L::Bits);
#pragma unroll 1
    for (uint32_t row = blockIdx.y; row < (uint32_t)p.chunks * p.groups; row += gridDim.y) {
        uint32_t chunk = divide(row, p.by_groups), begun = (row - chunk * p.groups) * p.together;
        Vector<L, BYTES> v;
        v.find(p, chunk, line, i);
        make(v, chunk, begun, in_frame);
    }
}

template <class L, class R> static __device__ void make_vectors(const ReduceParams &p) {
    each_vector<L, 8>(p, [&](const Vector<L> &v, uint32_t chunk, uint32_t begun, uint32_t in_frame) {
        if (R::IS_LONG || p.wide) {
            make_frames(p, chunk, begun, in_frame, [&](bool is_there, Pair frames, unsigned char *to) {
                make_vector<L, R, true>(p, v, is_there, frames, to);
            });
        } else if constexpr (!R::IS_LONG) {
            make_frames(p, chunk, begun, in_frame, [&](bool is_there, Pair frames, unsigned char *to) {
                make_vector<L, R, false>(p, v, is_there, frames, to);
            });
        }
    });
}

template <class L, class R> static __device__ void make_pairs(const ReduceParams &p) {
    each_vector<L, 16>(p, [&](const Vector<L, 16> &v, uint32_t chunk, uint32_t begun, uint32_t in_frame) {
        make_frames(p, chunk, begun, in_frame, [&](bool is_there, Pair frames, unsigned char *to) {
            make_two_vectors<L, R>(p, v, is_there, frames, to);
        });
    });
}
