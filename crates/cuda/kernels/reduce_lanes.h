// Eight bytes of results at a time: sixteen bytes of samples, pair by pair, as keys that lie side by side in registers. Keys of 8 and
// of 16 bits are two to a register, which processors from 9.0 on compare at once.
//
// A width has as many `Lane`s of first samples as of second ones, and serves whole numbers and floats: `Turned` says which.
#pragma once

#include "reduce.h"

// Ones in all bits of each half whose highest bit is set.
static __device__ uint32_t halves_below_zero(uint32_t bits) {
#ifdef FOREBAY_SHIM
    uint32_t lowest = bits >> 15 & 0x00010001;
    return (lowest << 16) - lowest;
#else
    // Twice the sign of the second byte, and of the fourth: __byte_perm has no such selectors.
    uint32_t signs;
    asm("prmt.b32 %0, %1, 0, 0xbb99;" : "=r"(signs) : "r"(bits));
    return signs;
#endif
}

// Ones in all bits of each half that holds one, where all hold one or zero.
static __device__ uint32_t halves_of_ones(uint32_t lowest) {
    return lowest * 0xffff;
}

// Ones in all bits of each half that is not zero.
static __device__ uint32_t halves_set(uint32_t bits) {
    return halves_of_ones(__vminu2(bits, 0x00010001));
}

static __device__ uint64_t two_words(uint32_t low, uint32_t high) {
    return (uint64_t)high << 32 | low;
}

// Two keys of 16 bits.
struct Halves {
    typedef uint32_t Lane;
    static __device__ Lane least(Lane a, Lane b) { return __vminu2(a, b); }
    static __device__ Lane most(Lane a, Lane b) { return __vmaxu2(a, b); }
    static __device__ Lane float_key(Lane raw, Lane turn, Lane nan) {
        uint32_t order = raw ^ (halves_below_zero(raw) & 0x7fff7fff) ^ 0x80008000;
        // Above infinity, the highest bit comes up.
        uint32_t is_nan = halves_below_zero((raw & 0x7fff7fff) + 0x03ff03ff);
        return ((order ^ turn) & ~is_nan) | (nan & is_nan);
    }
    static __device__ Lane float_of(Lane key, Lane turn, Lane nan) {
        uint32_t raw = key ^ turn ^ 0x80008000, is_number = halves_set(key ^ nan);
        return ((raw ^ (halves_below_zero(raw) & 0x7fff7fff)) & is_number) | (0x7e007e00 & ~is_number);
    }
    // What is not a number in `test` is not one in `value` either.
    static __device__ Lane poisoned(Lane test, Lane value, Lane nan) {
        uint32_t is_number = halves_set(test ^ nan);
        return (value & is_number) | (nan & ~is_number);
    }
    static __device__ Lane differ(Lane a, Lane b) { return halves_set(a ^ b); }
    static __device__ Lane choose(Lane mask, Lane a, Lane b) { return (a & mask) | (b & ~mask); }
    // For each half the key that there is most of; of several the least. Equal keys are neighbours.
    static __device__ Lane mode(const Lane *sorted, uint32_t samples) {
        uint32_t best = sorted[0], longest = 0x00010001, run = longest;
#pragma unroll
        for (uint32_t i = 1; i < samples; i++) {
            run = (run & ~differ(sorted[i], sorted[i - 1])) + 0x00010001;
            // A run that is longer is so by one.
            uint32_t now = __vmaxu2(longest, run);
            best = choose(halves_of_ones(now - longest), sorted[i], best);
            longest = now;
        }
        return best;
    }
};

struct Lanes8 : Halves {
    typedef uint8_t Bits;
    typedef W8 Number;
    typedef W8 Floating;
    static const bool HAS_FLOATS = false;
    static const uint32_t LANES = 4;
    static __device__ Lane spread(uint64_t bits) { return (uint32_t)(uint8_t)bits * 0x00010001; }
    static __device__ void split(const Wide &w, Lane *first, Lane *second) {
#pragma unroll
        for (uint32_t k = 0; k < LANES; k++) {
            first[k] = w.word[k] & 0x00ff00ff;
            second[k] = w.word[k] >> 8 & 0x00ff00ff;
        }
    }
    static __device__ uint64_t pack(const Lane *r) {
        return two_words(__byte_perm(r[0], r[1], 0x6420), __byte_perm(r[2], r[3], 0x6420));
    }
    // `b` is no less than `a`.
    static __device__ Lane differ(Lane b, Lane a) { return halves_below_zero(b - a + 0x7fff7fff); }
    // Runs and keys share a half: of equal runs the least key is the largest of what is turned over.
    static __device__ Lane mode(const Lane *sorted, uint32_t samples) {
        uint32_t run = 0x01ff01ff - sorted[0], best = run;
#pragma unroll
        for (uint32_t i = 1; i < samples; i++) {
            // One more, or one.
            run = choose(differ(sorted[i], sorted[i - 1]), 0x00ff00ff - sorted[i], run) + 0x01000100;
            best = most(best, run);
        }
        return 0x00ff00ff - (best & 0x00ff00ff);
    }
    static __device__ Wide zipped(const uint32_t *a, const uint32_t *b) {
        return {{__byte_perm(a[0], b[0], 0x5140), __byte_perm(a[0], b[0], 0x7362), __byte_perm(a[1], b[1], 0x5140),
                 __byte_perm(a[1], b[1], 0x7362)}};
    }
};

struct Lanes16 : Halves {
    typedef uint16_t Bits;
    typedef W16 Number;
    typedef F16 Floating;
    static const bool HAS_FLOATS = true;
    static const uint32_t LANES = 2;
    static __device__ void split(const Wide &w, Lane *first, Lane *second) {
#pragma unroll
        for (uint32_t k = 0; k < LANES; k++) {
            first[k] = __byte_perm(w.word[2 * k], w.word[2 * k + 1], 0x5410);
            second[k] = __byte_perm(w.word[2 * k], w.word[2 * k + 1], 0x7632);
        }
    }
    static __device__ uint64_t pack(const Lane *r) { return two_words(r[0], r[1]); }
    static __device__ Wide zipped(const uint32_t *a, const uint32_t *b) {
        return {{__byte_perm(a[0], b[0], 0x5410), __byte_perm(a[0], b[0], 0x7632), __byte_perm(a[1], b[1], 0x5410),
                 __byte_perm(a[1], b[1], 0x7632)}};
    }
};

// A key to a register, or to two.
template <class W, class F> struct Single {
    typedef typename W::Bits Bits;
    typedef W Number;
    typedef F Floating;
    typedef Bits Lane;
    static const bool HAS_FLOATS = true;
    static const uint32_t LANES = 8 / sizeof(Lane);
    static __device__ Lane least(Lane a, Lane b) { return a < b ? a : b; }
    static __device__ Lane most(Lane a, Lane b) { return a < b ? b : a; }
    static __device__ Lane float_key(Lane raw, Lane turn, Lane nan) { return F::key(raw, 0, turn, nan); }
    static __device__ Lane float_of(Lane key, Lane turn, Lane nan) { return F::of(key, 0, turn, nan); }
    static __device__ Lane poisoned(Lane test, Lane value, Lane nan) { return test == nan ? nan : value; }
    static __device__ bool differ(Lane a, Lane b) { return a != b; }
    static __device__ Lane choose(bool which, Lane a, Lane b) { return which ? a : b; }
    static __device__ Lane mode(const Lane *sorted, uint32_t samples) {
        Lane best = sorted[0];
        uint32_t longest = 1, run = 1;
#pragma unroll
        for (uint32_t i = 1; i < samples; i++) {
            run = sorted[i] == sorted[i - 1] ? run + 1 : 1;
            best = run > longest ? sorted[i] : best;
            longest = run > longest ? run : longest;
        }
        return best;
    }
};

struct Lanes32 : Single<W32, F32> {
    static __device__ void split(const Wide &w, Lane *first, Lane *second) {
        first[0] = w.word[0];
        second[0] = w.word[1];
        first[1] = w.word[2];
        second[1] = w.word[3];
    }
    static __device__ uint64_t pack(const Lane *r) { return two_words(r[0], r[1]); }
    static __device__ Wide zipped(const uint32_t *a, const uint32_t *b) { return {{a[0], b[0], a[1], b[1]}}; }
};

struct Lanes64 : Single<W64, F64> {
    static __device__ void split(const Wide &w, Lane *first, Lane *second) {
        first[0] = two_words(w.word[0], w.word[1]);
        second[0] = two_words(w.word[2], w.word[3]);
    }
    static __device__ uint64_t pack(const Lane *r) { return r[0]; }
    static __device__ Wide zipped(const uint32_t *a, const uint32_t *b) { return {{a[0], a[1], b[0], b[1]}}; }
};

// How elements become keys, and keys elements.
template <class L> struct Turned {
    typedef typename L::Lane Lane;
    Lane turn, nan;
    bool is_float;

    __device__ Turned(uint64_t turn, uint64_t nan, bool is_float)
        : turn((Lane)turn), nan((Lane)nan), is_float(L::HAS_FLOATS && is_float) {}

    template <uint32_t N> __device__ void keys(Lane (&all)[N]) const {
        if (is_float) {
#pragma unroll
            for (uint32_t i = 0; i < N; i++) {
                all[i] = L::float_key(all[i], turn, nan);
            }
            return;
        }
#pragma unroll
        for (uint32_t i = 0; i < N; i++) {
            all[i] ^= turn;
        }
    }

    template <uint32_t N> __device__ void elements(Lane (&all)[N]) const {
        if (is_float) {
#pragma unroll
            for (uint32_t i = 0; i < N; i++) {
                all[i] = L::float_of(all[i], turn, nan);
            }
            return;
        }
#pragma unroll
        for (uint32_t i = 0; i < N; i++) {
            all[i] ^= turn;
        }
    }

    __device__ Lane poisoned(Lane test, Lane value) const { return is_float ? L::poisoned(test, value, nan) : value; }
};

// Sums by element, each of what its type sums in.
template <class K> struct ElementSums {
    typedef typename K::Bits B;
    static const uint32_t N = 8 / sizeof(B);
    typename K::Sum sum[N];

    // Sample `s` of element `i`, both numbers known to the compiler.
    static __device__ B sample(const Wide &w, uint32_t i, uint32_t s) {
        uint32_t at = (2 * i + s) * sizeof(B);
        if (sizeof(B) == 8) {
            return (B)two_words(w.word[at / 4], w.word[(at / 4 + 1) % 4]);
        }
        return (B)(w.word[at / 4] >> (8 * (at % 4)));
    }
    __device__ void begin(const Wide &w, uint64_t sign) {
#pragma unroll
        for (uint32_t i = 0; i < N; i++) {
            sum[i] = K::add(K::sum(sample(w, i, 0), (B)sign), sample(w, i, 1), (B)sign);
        }
    }
    __device__ void add(const Wide &w, uint64_t sign) {
#pragma unroll
        for (uint32_t i = 0; i < N; i++) {
            sum[i] = K::add(K::add(sum[i], sample(w, i, 0), (B)sign), sample(w, i, 1), (B)sign);
        }
    }
    __device__ uint64_t mean(uint32_t shift, uint64_t sign) const {
        uint64_t all = 0;
#pragma unroll
        for (uint32_t i = 0; i < N; i++) {
            all |= (uint64_t)K::mean(sum[i], shift, (B)sign) << (8 * sizeof(B) * i);
        }
        return all;
    }
};

// The same for bytes, two to a register: a sum of 256 samples fits 16 bits.
template <> struct ElementSums<W8> {
    uint32_t sum[Lanes8::LANES];

    __device__ void begin(const Wide &w, uint64_t sign) {
#pragma unroll
        for (uint32_t k = 0; k < Lanes8::LANES; k++) {
            sum[k] = 0;
        }
        add(w, sign);
    }
    __device__ void add(const Wide &w, uint64_t sign) {
        uint32_t first[Lanes8::LANES], second[Lanes8::LANES], turn = Lanes8::spread(sign);
        Lanes8::split(w, first, second);
#pragma unroll
        for (uint32_t k = 0; k < Lanes8::LANES; k++) {
            sum[k] += (first[k] ^ turn) + (second[k] ^ turn);
        }
    }
    __device__ uint64_t mean(uint32_t shift, uint64_t sign) const {
        uint32_t mean[Lanes8::LANES], half = ((1u << (shift - 1)) - 1) * 0x00010001;
#pragma unroll
        for (uint32_t k = 0; k < Lanes8::LANES; k++) {
            uint32_t odd = sum[k] >> shift & 0x00010001;
            mean[k] = ((sum[k] + half + odd) >> shift & 0x00ff00ff) ^ Lanes8::spread(sign);
        }
        return Lanes8::pack(mean);
    }
};

// Of four keys in order the one that there is most of: the first that is its neighbour's twin, or the least of all.
template <class L> static __device__ typename L::Lane mode_of_four(const typename L::Lane *sorted) {
    typename L::Lane best = L::choose(L::differ(sorted[3], sorted[2]), sorted[0], sorted[2]);
    best = L::choose(L::differ(sorted[2], sorted[1]), best, sorted[1]);
    return L::choose(L::differ(sorted[1], sorted[0]), best, sorted[0]);
}

// Odd-even merge sort (Batcher 1968): 5 comparisons for 4, 19 for 8, 63 for 16. Those whose result nobody reads, the compiler drops.
template <class L> static __device__ void in_order(typename L::Lane &a, typename L::Lane &b) {
    typename L::Lane least = L::least(a, b);
    b = L::most(a, b);
    a = least;
}

template <class L, uint32_t FROM, uint32_t COUNT, uint32_t STEP> static __device__ void merge(typename L::Lane *a) {
    if constexpr (2 * STEP < COUNT) {
        merge<L, FROM, COUNT, 2 * STEP>(a);
        merge<L, FROM + STEP, COUNT, 2 * STEP>(a);
#pragma unroll
        for (uint32_t i = FROM + STEP; i + STEP < FROM + COUNT; i += 2 * STEP) {
            in_order<L>(a[i], a[i + STEP]);
        }
    } else {
        in_order<L>(a[FROM], a[FROM + STEP]);
    }
}

template <class L, uint32_t FROM, uint32_t COUNT> static __device__ void sort(typename L::Lane *a) {
    if constexpr (COUNT > 1) {
        sort<L, FROM, COUNT / 2>(a);
        sort<L, FROM + COUNT / 2, COUNT / 2>(a);
        merge<L, FROM, COUNT, 1>(a);
    }
}
