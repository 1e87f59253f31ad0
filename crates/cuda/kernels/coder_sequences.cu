// Sequences to bits: a block for each unit.
//
// A run repeats the byte before it, so its offset is the one that was used last, which every frame begins with, and takes no
// bits; matches name their offset where it is another than the last one's. The lengths of literals, offsets, and the lengths of
// matches go through three chains of states, from the last sequence to the first. The chains are cut into a piece for each
// thread. Each begins with the state that stands for the symbol before it, goes through its piece, and begins anew where
// the piece before it ended elsewhere, until all begin where the one before them ended: what comes of it is what one thread
// alone would write.
//
// Threads go through their pieces together, several times: while the codes are counted each sequence is put down in one word,
// where the places of matches were, those that threads read at a time side by side.

#include "coder_fse.h"

#define SEQUENCES_THREADS 128
#define LEAST_PIECE_RUNS 16
// Bits of all codes of a sequence.
#define CODES_BITS 17

// Shares of the predefined tables (RFC 8878, 3.1.1.3.2.2).
static __constant__ int16_t LITERAL_SHARES[36] = {4, 3, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2,  2,  1,  1,  1,  2,  2,
                                                      2, 2, 2, 2, 2, 2, 2, 3, 2, 1, 1, 1,  1,  1,  -1, -1, -1, -1};
static __constant__ int16_t MATCH_SHARES[53] = {1, 4, 3, 2, 2, 2, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1,  1,  1,  1,  1,  1,  1,  1,  1, 1, 1, 1,
                                                    1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,  1,  1,  1,  1,  -1, -1, -1, -1, -1, -1, -1};

static __constant__ int16_t OFFSET_SHARES[29] = {1, 1, 1, 1, 1, 1, 2, 2, 2, 1, 1, 1, 1,  1,  1,
                                                     1, 1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1};

// In the order in which their tables stand.
enum Chain { OF_LITERALS, OF_OFFSETS, OF_MATCHES, CHAINS };
enum Mode { PREDEFINED, SINGLE, DESCRIBED = 2 };
// Bytes of a table's description at the most.
#define DESCRIPTION 80

struct SequencesShared {
    Fse fse[CHAINS];
    uint32_t counts[CHAINS][FSE_SYMBOLS];
    uint32_t ends[CHAINS][SEQUENCES_THREADS];
    uint32_t bits[SEQUENCES_THREADS / 32];
    int16_t shares[CHAINS][FSE_SYMBOLS];
    unsigned char spread[CHAINS][1 << FSE_BITS];
    unsigned char description[CHAINS][DESCRIPTION];
    uint32_t described[CHAINS];
    uint32_t mode[CHAINS];
};

static_assert(sizeof(SequencesShared) <= 7168, "as much as it is launched with");

// A length as its code, and the bits behind it (RFC 8878, 3.1.1.3.2.1.1).
static __device__ uint32_t literal_code(uint32_t length) {
    if (length < 16) {
        return length;
    }
    if (length >= 64) {
        return highest_bit(length) + 19;
    }
    return length < 24 ? 16 + (length - 16) / 2 : length < 32 ? 20 + (length - 24) / 4 : length < 48 ? 22 + (length - 32) / 8 : 24;
}

static __device__ uint32_t literal_bits(uint32_t code) {
    return code < 16 ? 0 : code < 20 ? 1 : code < 22 ? 2 : code < 24 ? 3 : code == 24 ? 4 : code - 19;
}

// Three less than the length of a match.
static __device__ uint32_t match_code(uint32_t length) {
    if (length < 32) {
        return length;
    }
    if (length >= 128) {
        return highest_bit(length) + 36;
    }
    return length < 40   ? 32 + (length - 32) / 2
           : length < 48 ? 36 + (length - 40) / 4
           : length < 64 ? 38 + (length - 48) / 8
           : length < 96 ? 40 + (length - 64) / 16
                         : 42;
}

static __device__ uint32_t match_bits(uint32_t code) {
    return code < 32 ? 0 : code < 36 ? 1 : code < 38 ? 2 : code < 40 ? 3 : code < 42 ? 4 : code == 42 ? 5 : code - 36;
}

// A sequence in a word: the codes of literals (6 bits), of the match (6) and of the offset (5), then what stands behind them in
// that order. They have 64 bits: lengths are less than a unit together, 15 and 14 bits or less, and an offset has at most 16.
typedef uint64_t Word;

static __device__ uint32_t code_of(Word word, int chain) {
    uint32_t codes = (uint32_t)word;
    return chain == OF_LITERALS ? codes & 63 : chain == OF_MATCHES ? codes >> 6 & 63 : codes >> 12 & 31;
}

// Bits behind a code.
static __device__ uint32_t bits_behind(int chain, uint32_t code) {
    return chain == OF_LITERALS ? literal_bits(code) : chain == OF_MATCHES ? match_bits(code) : code;
}

struct Runs {
    const uint16_t *starts;
    const uint16_t *ends;
    // Null: all are 1.
    const uint16_t *offsets;
    uint32_t count;
    // Whether the offset that was used last may be another than 1 where the unit begins.
    bool others;

    // 1: the one that was used last, which must have literals before it; otherwise three more than the offset.
    __device__ uint32_t offset_number(uint32_t n, uint32_t literals) const {
        if (!offsets) {
            return n == 0 && others ? 4 : 1;
        }
        return n > 0 && literals > 0 && offsets[n] == offsets[n - 1] ? 1 : offsets[n] + 3u;
    }

    // The sequence of a number, from its lengths.
    __device__ Word nth(uint32_t n) const {
        uint32_t before = n > 0 ? ends[n - 1] + 1u : 0, start = starts[n], end = ends[n] + 1u;
        uint32_t literals = start - before, match = end - start - 3, offset = offset_number(n, literals);
        uint32_t of_literals = literal_code(literals), of_match = match_code(match), of_offset = highest_bit(offset);
        uint32_t first = literal_bits(of_literals), second = match_bits(of_match);
        uint64_t behind = literals & ((1u << first) - 1);
        behind |= (uint64_t)(match & ((1u << second) - 1)) << first;
        behind |= (uint64_t)(offset & ((1u << of_offset) - 1)) << (first + second);
        return behind << CODES_BITS | (of_offset << 12 | of_match << 6 | of_literals);
    }
};

// All sequences of a unit, from the last to the first, cut into pieces of so many.
struct Told {
    Runs runs;
    uint32_t each;
    // Null where there is no room: then they are told anew each time.
    Word *words;

    __device__ Told(const CoderParams &p, const Runs &of, uint64_t unit) : runs(of), words(nullptr) {
        each = (runs.count + SEQUENCES_THREADS - 1) / SEQUENCES_THREADS;
        each = each > LEAST_PIECE_RUNS ? each : LEAST_PIECE_RUNS;
        if (p.matching && sizeof(Word) * SEQUENCES_THREADS * each <= 2 * p.slot) {
            words = (Word *)(p.candidates + unit * p.slot);
        }
    }

    __device__ Word *place(uint32_t i) const {
        return words + (i % each) * SEQUENCES_THREADS + i / each;
    }

    __device__ Word at(uint32_t i) const {
        return words ? *place(i) : runs.nth(runs.count - 1 - i);
    }
};

// Bits that the symbols take by a distribution, in 1/16: what is compared, so that no float is rounded in two ways.
static __device__ uint32_t cost_of(const uint32_t *counts, const int16_t *shares, uint32_t symbols, uint32_t log) {
    uint32_t cost = 0;
    for (uint32_t s = 0; s < symbols; s++) {
        if (counts[s] > 0) {
            uint32_t share = shares[s] < 1 ? 1 : (uint32_t)shares[s], whole = highest_bit(share);
            // The logarithm between two powers of two as a straight line.
            uint32_t logarithm = 16 * whole + ((share << 4 >> whole) & 15);
            cost += counts[s] * (16 * log - logarithm);
        }
    }
    return cost;
}

// Makes the table of a chain: of one symbol, predefined, or described, whichever takes the fewest bits.
static __device__ void make_table(SequencesShared *s, int chain, uint32_t total) {
    const int16_t *predefined = chain == OF_LITERALS ? LITERAL_SHARES : chain == OF_OFFSETS ? OFFSET_SHARES : MATCH_SHARES;
    uint32_t known = chain == OF_LITERALS ? 36 : chain == OF_OFFSETS ? 29 : 53, symbols = 0, kinds = 0;
    uint32_t predefined_log = chain == OF_OFFSETS ? 5 : 6;
    const uint32_t *counts = s->counts[chain];
    for (uint32_t i = 0; i < known; i++) {
        symbols = counts[i] > 0 ? i + 1 : symbols;
        kinds += counts[i] > 0;
    }
    s->described[chain] = 0;
    if (kinds == 1) {
        s->mode[chain] = SINGLE;
        s->described[chain] = 1;
        s->description[chain][0] = (unsigned char)(symbols - 1);
        fse_build_single(&s->fse[chain], symbols - 1);
        return;
    }
    uint32_t usual = cost_of(counts, predefined, symbols, predefined_log);
    uint32_t log = highest_bit(total) >= 8 ? FSE_BITS : 6;
    if (total >= 16) {
        int16_t *shares = s->shares[chain];
        fse_shares(shares, counts, symbols, total, log, 3 << (log - 2));
        BitWriter to = {s->description[chain], DESCRIPTION, 0, 0, 0};
        fse_describe(&to, shares, symbols, log);
        uint32_t cost = cost_of(counts, shares, symbols, log) + 128 * to.used;
        if (to.used <= DESCRIPTION && cost < usual) {
            s->mode[chain] = DESCRIBED;
            s->described[chain] = to.used;
            fse_build(&s->fse[chain], shares, symbols, log, s->spread[chain]);
            return;
        }
    }
    s->mode[chain] = PREDEFINED;
    fse_build(&s->fse[chain], predefined, known, predefined_log, s->spread[chain]);
}

// Counts the codes, puts sequences down where there is room, and makes the tables.
static __device__ void count_codes(SequencesShared *s, const Told &told) {
    for (uint32_t i = threadIdx.x; i < CHAINS * FSE_SYMBOLS; i += SEQUENCES_THREADS) {
        s->counts[i / FSE_SYMBOLS][i % FSE_SYMBOLS] = 0;
    }
    __syncthreads();
    for (uint32_t n = threadIdx.x; n < told.runs.count; n += SEQUENCES_THREADS) {
        Word word = told.runs.nth(n);
        for (int chain = 0; chain < CHAINS; chain++) {
            atomicAdd(&s->counts[chain][code_of(word, chain)], 1u);
        }
        if (told.words) {
            *told.place(told.runs.count - 1 - n) = word;
        }
    }
    __syncthreads();
    if (threadIdx.x % 32 == 0 && threadIdx.x / 32 < CHAINS) {
        make_table(s, (int)(threadIdx.x / 32), told.runs.count);
    }
    __syncthreads();
    for (uint32_t i = threadIdx.x; i < CHAINS * FSE_SYMBOLS; i += SEQUENCES_THREADS) {
        uint32_t chain = i / FSE_SYMBOLS, code = i % FSE_SYMBOLS;
        if (s->counts[chain][code] > 0) {
            s->fse[chain].to[code] |= bits_behind((int)chain, code) << 16;
        }
    }
    __syncthreads();
}

// Where the chains stand.
struct States {
    uint32_t of[CHAINS];

    __device__ void begin(const SequencesShared *s, Word word) {
        for (int chain = 0; chain < CHAINS; chain++) {
            of[chain] = fse_begin(&s->fse[chain], code_of(word, chain));
        }
    }

    // Goes on to a sequence; gives all its bits.
    __device__ uint32_t follow(const SequencesShared *s, Word word) {
        uint32_t bits = 0;
        for (int chain = 0; chain < CHAINS; chain++) {
            uint32_t symbol = s->fse[chain].to[code_of(word, chain)];
            bits += fse_follow(&s->fse[chain], &of[chain], symbol) + (symbol >> 16 & 31);
        }
        return bits;
    }
};

// What a thread writes: sequences `begin .. end`, counted from the last, beginning in these states.
struct Piece {
    uint32_t begin;
    uint32_t end;
    States states;
};

// Bits of a piece, and the states that it ends in.
static __device__ uint32_t go_through(const SequencesShared *s, const Told &told, const Piece &piece, States *states) {
    uint32_t bits = 0, i = piece.begin;
    *states = piece.states;
    if (i == 0) {
        Word word = told.at(0);
        states->begin(s, word);
        for (int chain = 0; chain < CHAINS; chain++) {
            bits += bits_behind(chain, code_of(word, chain));
        }
        i++;
    }
    for (; i < piece.end; i++) {
        bits += states->follow(s, told.at(i));
    }
    return bits;
}

// Settles where each piece begins, and gives its bits.
static __device__ uint32_t settle(SequencesShared *s, const Told &told, Piece *piece) {
    bool wrong = piece->begin < piece->end;
    uint32_t bits = 0, me = threadIdx.x;
    if (wrong && piece->begin > 0) {
        piece->states.begin(s, told.at(piece->begin - 1));
    }
    do {
        if (wrong) {
            States states;
            bits = go_through(s, told, *piece, &states);
            for (int chain = 0; chain < CHAINS; chain++) {
                s->ends[chain][me] = states.of[chain];
            }
        }
        __syncthreads();
        wrong = false;
        for (int chain = 0; chain < CHAINS && piece->begin > 0 && piece->begin < piece->end; chain++) {
            uint32_t state = s->ends[chain][me - 1];
            wrong = wrong || state != piece->states.of[chain];
            piece->states.of[chain] = state;
        }
    } while (__syncthreads_or(wrong));
    return bits;
}

// Words of the output, to which a thread's bits are appended; those at either end it shares.
struct WordWriter {
    uint32_t *words;
    uint32_t word;
    uint32_t used;
    uint64_t held;
    bool shared;

    __device__ WordWriter(uint32_t *to, uint32_t at) : words(to), word(at / 32), used(at % 32), held(0), shared(true) {}

    // At most 32 bits, and no others behind them.
    __device__ void put(uint32_t value, uint32_t bits) {
        held |= (uint64_t)value << used;
        used += bits;
        if (used >= 32) {
            if (shared) {
                atomicOr(&words[word], (uint32_t)held);
            } else {
                words[word] = (uint32_t)held;
            }
            shared = false;
            word++;
            held >>= 32;
            used -= 32;
        }
    }

    __device__ void end() {
        if (used > 0) {
            atomicOr(&words[word], (uint32_t)held);
        }
    }
};

// The lowest bits of a number, fewer than 32.
static __device__ uint32_t lowest(uint32_t number, uint32_t bits) {
    return number & ((1u << bits) - 1);
}

// What stands behind the codes of a sequence; fewer than 64 bits.
static __device__ void put_behind(WordWriter *to, Word word, uint32_t bits) {
    uint64_t behind = word >> CODES_BITS;
    to->put((uint32_t)behind, bits < 32 ? bits : 32);
    if (bits > 32) {
        to->put((uint32_t)(behind >> 32), bits - 32);
    }
}

static __device__ void write_piece(const SequencesShared *s, const Told &told, const Piece &piece, WordWriter to) {
    // States are told in another order than what stands behind their codes.
    const int ORDER[CHAINS] = {OF_OFFSETS, OF_MATCHES, OF_LITERALS};
    States states = piece.states;
    for (uint32_t i = piece.begin; i < piece.end; i++) {
        Word word = told.at(i);
        uint32_t behind = 0, value = 0, count = 0;
        if (i == 0) {
            states.begin(s, word);
        }
        for (int chain : ORDER) {
            uint32_t symbol = s->fse[chain].to[code_of(word, chain)], old = states.of[chain];
            behind += symbol >> 16 & 31;
            if (i > 0) {
                uint32_t bits = fse_follow(&s->fse[chain], &states.of[chain], symbol);
                value |= lowest(old, bits) << count;
                count += bits;
            }
        }
        to.put(value, count);
        put_behind(&to, word, behind);
    }
    to.end();
}

// What says how sequences are coded: a byte of modes, then the tables.
static __device__ uint32_t write_tables(const SequencesShared *s, unsigned char *to) {
    if (threadIdx.x == 0) {
        to[0] = (unsigned char)(s->mode[OF_LITERALS] << 6 | s->mode[OF_OFFSETS] << 4 | s->mode[OF_MATCHES] << 2);
    }
    uint32_t at = 1;
    for (int chain = 0; chain < CHAINS; chain++) {
        for (uint32_t i = threadIdx.x; i < s->described[chain]; i += SEQUENCES_THREADS) {
            to[at + i] = s->description[chain][i];
        }
        at += s->described[chain];
    }
    return at;
}

static __device__ Runs runs_of(const CoderParams &p, uint64_t unit) {
    const Unit &about = p.units[unit];
    if (!about.matched) {
        return {p.starts + unit * p.runs, p.ends + unit * p.runs, nullptr, about.sequences, false};
    }
    const uint16_t *list = p.matches + unit * p.most_matches * 3;
    return {list, list + p.most_matches, list + 2 * p.most_matches, about.sequences, true};
}

// Whether a unit before this one in its frame has matches.
static __device__ bool others_before(const CoderParams &p, uint64_t unit) {
    uint64_t frame = unit - place_of(p, unit).index, first = frame > p.first ? frame : p.first;
    // Of groups before this one the records are gone: what they had is a flag.
    bool any = frame < p.first && *p.matched != 0;
    for (uint64_t i = first + threadIdx.x; i < unit; i += SEQUENCES_THREADS) {
        any = any || p.units[i].matched;
    }
    return __syncthreads_or(any);
}

extern "C" __global__ void __launch_bounds__(SEQUENCES_THREADS) coder_sequences(const __grid_constant__ CoderParams p) {
    SHARED_BYTES(bytes_shared);
    SequencesShared *s = (SequencesShared *)bytes_shared;
    uint64_t unit = p.first + blockIdx.x;
    Unit *about = p.units + unit;
    Runs runs = runs_of(p, unit);
    uint32_t me = threadIdx.x, lane = me % 32, warp = me / 32;
    // Of one byte and its run the block is that byte.
    if (runs.count == 0 || (runs.count == 1 && about->literals == 1)) {
        return;
    }
    if (p.matching && !about->matched) {
        runs.others = others_before(p, unit);
    }
    Told told(p, runs, unit);
    count_codes(s, told);
    Piece piece = {};
    piece.begin = me * told.each < runs.count ? me * told.each : runs.count;
    piece.end = piece.begin + told.each < runs.count ? piece.begin + told.each : runs.count;
    uint32_t bits = settle(s, told, &piece), up_to = sum_up_to(bits, lane);
    if (lane == 31) {
        s->bits[warp] = up_to;
    }
    __syncthreads();
    uint32_t before = up_to - bits, all = 0;
    for (uint32_t w = 0; w < SEQUENCES_THREADS / 32; w++) {
        before += w < warp ? s->bits[w] : 0;
        all += s->bits[w];
    }
    // Behind the streams of literals; a chain that has no room there pays for nothing.
    uint32_t at = HEAD_ROOM;
    for (int stream = 0; stream < 4; stream++) {
        at += (uint32_t)next_multiple(about->streams[stream], 4);
    }
    uint32_t last = s->fse[OF_LITERALS].log + s->fse[OF_OFFSETS].log + s->fse[OF_MATCHES].log + 1, words = (all + last + 31) / 32;
    unsigned char *out = p.out + unit * p.out_slot;
    uint32_t tables = write_tables(s, out + TREE_ROOM), bytes = (all + last + 7) / 8;
    if (at + 4 * words > p.out_slot) {
        bytes = UNIT;
    } else {
        uint32_t *to = (uint32_t *)(out + at);
        for (uint32_t i = me; i < words; i += SEQUENCES_THREADS) {
            to[i] = 0;
        }
        __syncthreads();
        write_piece(s, told, piece, WordWriter(to, before));
        if (me == 0) {
            uint32_t owner = (runs.count - 1) / told.each;
            WordWriter end(to, all);
            end.put(lowest(s->ends[OF_MATCHES][owner], s->fse[OF_MATCHES].log), s->fse[OF_MATCHES].log);
            end.put(lowest(s->ends[OF_OFFSETS][owner], s->fse[OF_OFFSETS].log), s->fse[OF_OFFSETS].log);
            end.put(lowest(s->ends[OF_LITERALS][owner], s->fse[OF_LITERALS].log), s->fse[OF_LITERALS].log);
            end.put(1, 1);
            end.end();
        }
    }
    if (me == 0) {
        about->tables = tables;
        about->chain = bytes;
        about->chain_at = at;
    }
}
