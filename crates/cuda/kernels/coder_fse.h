// Tables of finite state entropy, as zstd's format has them (RFC 8878, 4.1): made by one thread, used by many.
#pragma once

#include "coder.h"

// Symbols of an alphabet, and bits of a table, at the most.
#define FSE_SYMBOLS 64
#define FSE_BITS 8

// Where in a sum with a state the number of bits begins.
#define FSE_UP 11

struct Fse {
    // Of a symbol, in one word: what is added to a state for the number of bits to stand from FSE_UP on (16 bits), what its user
    // puts there (5 bits, 0), and where its states begin (11 bits with a sign).
    uint32_t to[FSE_SYMBOLS];
    uint16_t states[1 << FSE_BITS];
    uint32_t log;
};

// Bits that are appended to bytes, the lowest first. Bytes behind the room are counted and not written.
struct BitWriter {
    unsigned char *bytes;
    uint32_t room;
    uint32_t used;
    uint64_t held;
    uint32_t count;

    __device__ void put(uint32_t value, uint32_t bits) {
        held |= (uint64_t)(value & ((1u << bits) - 1)) << count;
        count += bits;
        for (; count >= 8; count -= 8) {
            if (used < room) {
                bytes[used] = (unsigned char)held;
            }
            used++;
            held >>= 8;
        }
    }

    __device__ void pad() {
        if (count > 0) {
            put(0, 8 - count);
        }
    }
};

// The table of a distribution: shares that sum up to two to `log`; -1 is less than one share. `spread` has room for as many.
static __device__ void fse_build(Fse *fse, const int16_t *shares, uint32_t symbols, uint32_t log, unsigned char *spread) {
    uint32_t size = 1u << log, mask = size - 1, step = (size >> 1) + (size >> 3) + 3, top = size;
    for (uint32_t s = 0; s < symbols; s++) {
        if (shares[s] < 0) {
            spread[--top] = (unsigned char)s;
        }
    }
    uint32_t at = 0;
    for (uint32_t s = 0; s < symbols; s++) {
        for (int i = 0; i < shares[s]; i++) {
            spread[at] = (unsigned char)s;
            do {
                at = (at + step) & mask;
            } while (at >= top);
        }
    }
    // `to` counts up to where each symbol's next state goes; where its states begin is before that by twice how often it is there.
    uint32_t before = 0;
    for (uint32_t s = 0; s < symbols; s++) {
        fse->to[s] = before;
        before += shares[s] < 0 ? 1 : (uint32_t)shares[s];
    }
    for (uint32_t i = 0; i < size; i++) {
        fse->states[fse->to[spread[i]]++] = (uint16_t)(size + i);
    }
    for (uint32_t s = 0; s < symbols; s++) {
        uint32_t count = shares[s] < 0 ? 1 : (uint32_t)shares[s];
        uint32_t most = log - (count > 1 ? highest_bit(count - 1) : 0);
        uint32_t added = count == 0 ? (log + 1) << FSE_UP : (most << FSE_UP) - (count << most);
        fse->to[s] = (fse->to[s] - 2 * count) << 21 | added;
    }
    fse->log = log;
}

// A table of one symbol, which takes no bits.
static __device__ void fse_build_single(Fse *fse, uint32_t symbol) {
    fse->to[symbol] = 0;
    fse->states[0] = 0;
    fse->log = 0;
}

// The state that a symbol's word and so many bits of the one before lead to.
static __device__ uint32_t fse_state(const Fse *fse, uint32_t state, uint32_t bits, uint32_t word) {
    return fse->states[(int32_t)(state >> bits) + ((int32_t)word >> 21)];
}

// The state that stands for a symbol before any other: the one that takes the fewest bits to get to.
static __device__ uint32_t fse_begin(const Fse *fse, uint32_t symbol) {
    uint32_t word = fse->to[symbol], added = word & 0xFFFF, bits = (added + (1 << (FSE_UP - 1))) >> FSE_UP;
    return fse_state(fse, (bits << FSE_UP) - added, bits, word);
}

// Goes on to the symbol of a word; gives how many of the state's lowest bits are written for it.
static __device__ uint32_t fse_follow(const Fse *fse, uint32_t *state, uint32_t word) {
    uint32_t bits = (*state + (word & 0xFFFF)) >> FSE_UP;
    *state = fse_state(fse, *state, bits, word);
    return bits;
}

static __device__ uint32_t fse_next(const Fse *fse, uint32_t *state, uint32_t symbol) {
    return fse_follow(fse, state, fse->to[symbol]);
}

// Shares of two to `log`, at least one for each symbol that is there; no more than `most` for any.
static __device__ void fse_shares(int16_t *shares, const uint32_t *counts, uint32_t symbols, uint32_t total, uint32_t log,
                                  int most) {
    int left = 1 << log;
    for (uint32_t s = 0; s < symbols; s++) {
        int share = (int)(((uint64_t)counts[s] << log) / total);
        share = counts[s] > 0 && share < 1 ? 1 : share;
        share = share < most ? share : most;
        shares[s] = (int16_t)share;
        left -= share;
    }
    while (left != 0) {
        // The largest that may grow, or shrink.
        int which = -1;
        for (uint32_t s = 0; s < symbols; s++) {
            bool may = left > 0 ? shares[s] > 0 && shares[s] < most : shares[s] > 1;
            if (may && (which < 0 || shares[s] > shares[which])) {
                which = (int)s;
            }
        }
        int by = left < 0 ? -1 : most - shares[which] < left ? most - shares[which] : left;
        shares[which] = (int16_t)(shares[which] + by);
        left -= by;
    }
}

// The distribution as a table's header (RFC 8878, 4.1.1).
static __device__ void fse_describe(BitWriter *to, const int16_t *shares, uint32_t symbols, uint32_t log) {
    int remaining = (1 << log) + 1, threshold = 1 << log;
    uint32_t bits = log + 1;
    bool after_zero = false;
    to->put(log - 5, 4);
    for (uint32_t s = 0; s < symbols && remaining > 1;) {
        if (after_zero) {
            uint32_t zeros = 0;
            while (s + zeros < symbols && shares[s + zeros] == 0) {
                zeros++;
            }
            s += zeros;
            for (; zeros >= 3; zeros -= 3) {
                to->put(3, 2);
            }
            to->put(zeros, 2);
        }
        int share = shares[s++], most = 2 * threshold - 1 - remaining;
        remaining -= share < 0 ? -share : share;
        share++;
        if (share >= threshold) {
            share += most;
        }
        to->put((uint32_t)share, bits - (share < most ? 1 : 0));
        after_zero = share == 1;
        while (remaining < threshold) {
            bits--;
            threshold >>= 1;
        }
    }
    to->pad();
}
