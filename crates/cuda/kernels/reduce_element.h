// Element types of a pyramid, one element at a time: a key, which is a number without a sign in the order of the elements, and
// what they are summed in. `flip` turns the order around, and `nan` is the key of what is not a number: 0 before all others, or
// all ones behind them. Types that differ in their sign only are one kind; `sign` is the bit that is turned over.
#pragma once

#include "common.h"

#include <string.h>

#ifdef FOREBAY_SHIM
#define __fadd_rn(a, b) ((a) + (b))
#define __fmul_rn(a, b) ((a) * (b))
#define __dadd_rn(a, b) ((a) + (b))
#define __dmul_rn(a, b) ((a) * (b))
#endif

template <typename To, typename From> static __device__ To bits_as(From from) {
    static_assert(sizeof(To) == sizeof(From), "bits of one width");
    To to;
    memcpy(&to, &from, sizeof to);
    return to;
}

static __device__ float float_of_half(uint16_t half) {
#ifdef FOREBAY_SHIM
    // Exponent and fraction where a float has them; the factor brings the exponent there, of small numbers too.
    uint32_t bits = (uint32_t)((int32_t)((uint32_t)half << 16) >> 3) & 0x8fffe000;
    float number = bits_as<float>(bits) * bits_as<float>((uint32_t)(127 + 112) << 23);
    return (half & 0x7c00) == 0x7c00 ? bits_as<float>(bits | 0x7f800000) : number;
#else
    float number;
    asm("cvt.f32.f16 %0, %1;" : "=f"(number) : "h"(half));
    return number;
#endif
}

template <typename B, typename S> struct Whole {
    typedef B Bits;
    typedef S Sum;
    static __device__ B key(B b, B sign, B flip, B) { return (B)(b ^ sign ^ flip); }
    static __device__ B of(B key, B sign, B flip, B) { return (B)(key ^ sign ^ flip); }
    static __device__ bool is_nan(B, B) { return false; }
    static __device__ S sum(B b, B sign) { return (S)(B)(b ^ sign); }
    static __device__ S add(S sum, B b, B sign) { return sum + (S)(B)(b ^ sign); }
    static __device__ B mean(S sum, uint32_t shift, B sign) {
        S half = shift == 0 ? 0 : ((S)1 << (shift - 1)) - 1;
        S odd = shift == 0 ? 0 : sum >> shift & 1;
        return (B)((B)((sum + half + odd) >> shift) ^ sign);
    }
};

typedef Whole<uint8_t, uint32_t> W8;
typedef Whole<uint16_t, uint32_t> W16;
typedef Whole<uint32_t, uint64_t> W32;
typedef Whole<uint64_t, unsigned __int128> W64;

// The order of floats is that of their bits, all turned over below zero and the sign above it.
template <typename B, B INF, B NOT_A_NUMBER> struct Float {
    typedef B Bits;
    static const B SIGN = (B)((B)1 << (8 * sizeof(B) - 1));
    static __device__ B key(B b, B, B flip, B nan) {
        B order = (B)(b ^ (b & SIGN ? (B)~(B)0 : SIGN));
        return (B)(b & (B)~SIGN) > INF ? nan : (B)(order ^ flip);
    }
    static __device__ B of(B key, B, B flip, B nan) {
        B order = (B)(key ^ flip);
        return key == nan ? NOT_A_NUMBER : (B)(order ^ (order & SIGN ? SIGN : (B)~(B)0));
    }
    static __device__ bool is_nan(B key, B nan) { return key == nan; }
};

// Sums are never contracted with what is multiplied: results are those of the host.
struct F16 : Float<uint16_t, 0x7c00, 0x7e00> {
    typedef float Sum;
    static __device__ float sum(uint16_t b, uint16_t) { return float_of_half(b); }
    static __device__ float add(float before, uint16_t b, uint16_t) { return __fadd_rn(before, sum(b, 0)); }
    static __device__ uint16_t mean(float sum, uint32_t shift, uint16_t) {
        float mean = __fmul_rn(sum, 1.0f / (float)(1u << shift));
#ifndef FOREBAY_SHIM
        uint16_t nearest;
        asm("cvt.rn.f16.f32 %0, %1;" : "=h"(nearest) : "f"(mean));
        return mean != mean ? 0x7e00 : nearest;
#else
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
#endif
    }
};

struct F32 : Float<uint32_t, 0x7f800000, 0x7fc00000> {
    typedef double Sum;
    static __device__ double sum(uint32_t b, uint32_t) { return (double)bits_as<float>(b); }
    static __device__ double add(double before, uint32_t b, uint32_t) { return __dadd_rn(before, sum(b, 0)); }
    static __device__ uint32_t mean(double sum, uint32_t shift, uint32_t) {
        float mean = (float)__dmul_rn(sum, 1.0 / (double)(1u << shift));
        return mean != mean ? 0x7fc00000 : bits_as<uint32_t>(mean);
    }
};

struct Bounded {
    double sum, least, most;
};

struct F64 : Float<uint64_t, 0x7ff0000000000000, 0x7ff8000000000000> {
    typedef Bounded Sum;
    static __device__ Bounded sum(uint64_t b, uint64_t) {
        double value = bits_as<double>(b);
        return {value, value, value};
    }
    static __device__ Bounded add(Bounded before, uint64_t b, uint64_t) {
        double value = bits_as<double>(b);
        return {__dadd_rn(before.sum, value), value < before.least ? value : before.least,
                value > before.most ? value : before.most};
    }
    static __device__ uint64_t mean(Bounded sum, uint32_t shift, uint64_t) {
        double mean = __dmul_rn(sum.sum, 1.0 / (double)(1u << shift));
        mean = mean < sum.least ? sum.least : mean;
        mean = mean > sum.most ? sum.most : mean;
        return mean != mean ? 0x7ff8000000000000 : bits_as<uint64_t>(mean);
    }
};
