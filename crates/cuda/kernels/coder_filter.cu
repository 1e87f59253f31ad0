// The filters of Blosc, into the slots of units. Each thread takes 16 elements, or 32 of which it turns the bits.

#include "coder.h"

// Byte planes of 16 elements.
template <int ELEMENT> static __device__ void planes_of(const unsigned char *from, Wide *planes) {
    const Wide *wide = (const Wide *)from;
    if (ELEMENT == 1) {
        planes[0] = wide[0];
    } else if (ELEMENT == 2) {
        uint32_t words[8];
        *(Wide *)&words[0] = wide[0];
        *(Wide *)&words[4] = wide[1];
        for (int i = 0; i < 4; i++) {
            planes[0].word[i] = __byte_perm(words[2 * i], words[2 * i + 1], 0x6420);
            planes[ELEMENT - 1].word[i] = __byte_perm(words[2 * i], words[2 * i + 1], 0x7531);
        }
    } else {
        const int WORDS = ELEMENT / 4;
        uint32_t words[16 * (WORDS > 0 ? WORDS : 1)];
        for (int i = 0; i < ELEMENT; i++) {
            *(Wide *)&words[4 * i] = wide[i];
        }
        for (int i = 0; i < 4; i++) {
            for (int w = 0; w < WORDS; w++) {
                uint32_t a = words[(4 * i + 0) * WORDS + w], b = words[(4 * i + 1) * WORDS + w];
                uint32_t c = words[(4 * i + 2) * WORDS + w], d = words[(4 * i + 3) * WORDS + w];
                uint32_t low = __byte_perm(a, b, 0x5140), other = __byte_perm(c, d, 0x5140);
                planes[4 * w + 0].word[i] = __byte_perm(low, other, 0x5410);
                planes[4 * w + 1].word[i] = __byte_perm(low, other, 0x7632);
                uint32_t high = __byte_perm(a, b, 0x7362), last = __byte_perm(c, d, 0x7362);
                planes[4 * w + 2].word[i] = __byte_perm(high, last, 0x5410);
                planes[4 * w + 3].word[i] = __byte_perm(high, last, 0x7632);
            }
        }
    }
}

// Eight bytes to eight: bit b of byte i becomes bit i of byte b.
static __device__ uint64_t turned(uint64_t bits) {
    uint64_t swap = (bits ^ bits >> 7) & 0x00AA00AA00AA00AAull;
    bits ^= swap ^ swap << 7;
    swap = (bits ^ bits >> 14) & 0x0000CCCC0000CCCCull;
    bits ^= swap ^ swap << 14;
    swap = (bits ^ bits >> 28) & 0x00000000F0F0F0F0ull;
    return bits ^ swap ^ swap << 28;
}

// The units of a block, to be written.
struct Target {
    Cut cut;
    unsigned char *first;
    uint64_t slot;

    // Where a byte of a plane goes; behind the planes, plane is their number.
    __device__ unsigned char *at(uint64_t plane, uint64_t from) const {
        if (plane >= cut.planes) {
            // In a unit of its own, or in the only one there is.
            return cut.units == 1 ? first + cut.planes * cut.plane + from : first + (cut.units - 1) * slot + from;
        }
        if (cut.together > 1) {
            uint64_t unit = plane / cut.together;
            return first + unit * slot + (plane - unit * cut.together) * cut.plane + from;
        }
        uint64_t piece = cut.pieces == 1 ? 0 : from / cut.piece;
        return first + (plane * cut.pieces + piece) * slot + (from - piece * cut.piece);
    }
};

template <typename T> static __device__ bool is_aligned(const void *address) {
    return ((uint64_t)address & (sizeof(T) - 1)) == 0;
}

// Elements `first .. first + 16`, all there, as planes of bytes.
template <int ELEMENT>
static __device__ void put_bytes(const Target &to, const unsigned char *source, uint64_t first) {
    Wide planes[ELEMENT];
    planes_of<ELEMENT>(source + first * ELEMENT, planes);
    for (int plane = 0; plane < ELEMENT; plane++) {
        unsigned char *there = to.at(plane, first);
        if (is_aligned<Wide>(there)) {
            *(Wide *)there = planes[plane];
        } else {
            for (int i = 0; i < 16; i++) {
                there[i] = (unsigned char)(planes[plane].word[i / 4] >> (8 * (i % 4)));
            }
        }
    }
}

// Elements `first .. first + 32`, all there, as planes of bits: four bytes of each.
template <int ELEMENT>
static __device__ void put_bits(const Target &to, const unsigned char *source, uint64_t first) {
    Wide planes[2][ELEMENT];
    planes_of<ELEMENT>(source + first * ELEMENT, planes[0]);
    planes_of<ELEMENT>(source + (first + 16) * ELEMENT, planes[1]);
    for (int byte = 0; byte < ELEMENT; byte++) {
        uint64_t rows[4];
        for (int i = 0; i < 4; i++) {
            const Wide &wide = planes[i / 2][byte];
            rows[i] = turned((uint64_t)wide.word[i % 2 * 2 + 1] << 32 | wide.word[i % 2 * 2]);
        }
        for (int bit = 0; bit < 8; bit++) {
            uint32_t word = 0;
            for (int i = 0; i < 4; i++) {
                word |= (uint32_t)(rows[i] >> (8 * bit) & 255) << (8 * i);
            }
            unsigned char *there = to.at(8 * byte + bit, first / 8);
            if (is_aligned<uint32_t>(there)) {
                *(uint32_t *)there = word;
            } else {
                for (int i = 0; i < 4; i++) {
                    there[i] = (unsigned char)(word >> (8 * i));
                }
            }
        }
    }
}

// Elements of any size, some of them: bytes one by one.
static __device__ void put_some_bytes(const Target &to, const unsigned char *source, uint64_t first, uint64_t end,
                                      uint64_t element) {
    for (uint64_t i = first; i < end; i++) {
        for (uint64_t plane = 0; plane < element; plane++) {
            *to.at(plane, i) = source[i * element + plane];
        }
    }
}

// The same by bits, eight elements at a time.
static __device__ void put_some_bits(const Target &to, const unsigned char *source, uint64_t first, uint64_t end,
                                     uint64_t element) {
    for (; first < end; first += 8) {
        for (uint64_t byte = 0; byte < element; byte++) {
            uint64_t eight = 0;
            for (int i = 0; i < 8; i++) {
                eight |= (uint64_t)source[(first + i) * element + byte] << (8 * i);
            }
            eight = turned(eight);
            for (int bit = 0; bit < 8; bit++) {
                *to.at(8 * byte + bit, first / 8) = (unsigned char)(eight >> (8 * bit));
            }
        }
    }
}

static __device__ void put_copied(const Target &to, const unsigned char *source, uint64_t first, uint64_t end, uint64_t left) {
    unsigned char *there = to.at(0, first);
    if (end - first == 16) {
        *(Wide *)there = load_anywhere(source + first, left);
        return;
    }
    for (uint64_t i = first; i < end; i++) {
        there[i - first] = source[i];
    }
}

// Blocks along x for blocks of chunks, along y for parts of them. ELEMENT is 0 for sizes that are not known beforehand.
template <int ELEMENT> static __device__ void filter(const CoderParams &p) {
    uint64_t index = p.first / p.block_units + blockIdx.x, chunk = index / p.blocks, block = index - chunk * p.blocks;
    uint64_t bytes = block_bytes_of(p, block);
    const unsigned char *source = p.pool + chunk * p.chunk_bytes + block * p.block_bytes;
    uint64_t unit = chunk * p.chunk_units + block * p.block_units;
    Target to = {cut_of(p, bytes), p.filtered + unit * p.slot, p.slot};
    bool is_plain = to.cut.planes == 1, whole = !is_plain && ELEMENT > 0 && is_aligned<Wide>(source);
    uint64_t element = is_plain ? 1 : p.element, per = !is_plain && p.filter == BITS ? 32 : 16;
    uint64_t begin = 0, elements = (bytes - to.cut.rest) / element;
    if (!p.blosc) {
        // The group may be some of the units of the frame.
        uint64_t behind = (p.first + p.count - unit) * to.cut.piece;
        begin = (p.first > unit ? p.first - unit : 0) * to.cut.piece;
        elements = behind < elements ? behind : elements;
    }
    uint64_t thread = (uint64_t)blockIdx.y * blockDim.x + threadIdx.x, threads = (uint64_t)gridDim.y * blockDim.x;
    for (uint64_t first = begin + per * thread; first < elements; first += per * threads) {
        uint64_t end = first + per < elements ? first + per : elements;
        if (is_plain) {
            put_copied(to, source, first, end, bytes - first);
        } else if (whole && end - first == per) {
            const int KNOWN = ELEMENT > 0 ? ELEMENT : 1;
            if (p.filter == BYTES) {
                put_bytes<KNOWN>(to, source, first);
            } else {
                put_bits<KNOWN>(to, source, first);
            }
        } else if (p.filter == BYTES) {
            put_some_bytes(to, source, first, end, element);
        } else {
            put_some_bits(to, source, first, end, element);
        }
    }
    if (thread < to.cut.rest) {
        *to.at(to.cut.planes, thread) = source[bytes - to.cut.rest + thread];
    }
}

#define FILTER(element)                                                                                                \
    extern "C" __global__ void coder_filter_##element(const __grid_constant__ CoderParams p) { filter<element>(p); }

FILTER(0)
FILTER(1)
FILTER(2)
FILTER(4)
FILTER(8)
