// The project's kernels for the CPU, by name, for tests: see shim.h and emulator.cpp.

#define FOREBAY_SHIM
#include "all.cu"

#include "../tests/shim/canaries.cu"
#include "emulator.h"

#include <stdio.h>
#include <string.h>

namespace {

struct Kernel {
    const char *name;
    emulator::Body body;
    // Whether its threads wait for one another.
    bool meets;
};

#define KERNEL(name, Params, meets) \
    { #name, [](const void *params) { name(*(const Params *)params); }, meets }
#define SIZES(name, Params)                                                                                            \
    KERNEL(name##_1, Params, false), KERNEL(name##_2, Params, false), KERNEL(name##_4, Params, false),                 \
        KERNEL(name##_8, Params, false), KERNEL(name##_16, Params, false)
#define TYPES(name)                                                                                                    \
    KERNEL(name##_w8, ReduceParams, false), KERNEL(name##_w16, ReduceParams, false),                                   \
        KERNEL(name##_w32, ReduceParams, false), KERNEL(name##_w64, ReduceParams, false),                              \
        KERNEL(name##_f16, ReduceParams, false), KERNEL(name##_f32, ReduceParams, false),                              \
        KERNEL(name##_f64, ReduceParams, false)
#define WIDTHS(name)                                                                                                   \
    KERNEL(name##_8, ReduceParams, false), KERNEL(name##_16, ReduceParams, false),                                     \
        KERNEL(name##_32, ReduceParams, false), KERNEL(name##_64, ReduceParams, false)

const Kernel KERNELS_KNOWN[] = {
    SIZES(scatter, ScatterParams),
    SIZES(scatter_long, ScatterParams),
    SIZES(fill, FillParams),
    KERNEL(place, AggregateParams, true),
    KERNEL(gather_tails, AggregateParams, false),
    KERNEL(gather, AggregateParams, false),
    KERNEL(keep_tails, AggregateParams, false),
    KERNEL(copy_up, CopyParams, false),
    KERNEL(crc32c, CrcParams, true),
    KERNEL(coder_filter_0, CoderParams, false),
    KERNEL(coder_filter_1, CoderParams, false),
    KERNEL(coder_filter_2, CoderParams, false),
    KERNEL(coder_filter_4, CoderParams, false),
    KERNEL(coder_filter_8, CoderParams, false),
    KERNEL(coder_analyze, CoderParams, true),
    KERNEL(coder_lz4, CoderParams, true),
    KERNEL(coder_match, CoderParams, true),
    KERNEL(coder_table, CoderParams, true),
    KERNEL(coder_encode, CoderParams, true),
    KERNEL(coder_sequences, CoderParams, true),
    KERNEL(coder_place, CoderParams, true),
    KERNEL(coder_assemble, CoderParams, false),
    KERNEL(coder_restore, CoderParams, false),
    KERNEL(encode_addresses, EncodeParams, false),
    KERNEL(encode_check, EncodeParams, false),
    TYPES(reduce_any),
    TYPES(reduce_mean),
    TYPES(reduce_mean_2),
    WIDTHS(reduce_first),
    WIDTHS(reduce_least),
    WIDTHS(reduce_first_2),
    WIDTHS(reduce_least_2),
    WIDTHS(reduce_second),
    WIDTHS(reduce_median_8),
    WIDTHS(reduce_median_16),
    WIDTHS(reduce_mode_4),
    WIDTHS(reduce_mode_8),
    WIDTHS(reduce_mode_16),
    // Kernels of the emulator's own tests.
    KERNEL(canary_words, CanaryParams, true),
    KERNEL(canary_turn, CanaryParams, true),
    KERNEL(canary_warp, CanaryParams, true),
    KERNEL(canary_meet, CanaryParams, true),
    KERNEL(canary_blocks, CanaryParams, true),
};

} // namespace

// One at a time: the words of CUDA are globals here. 0: the kernel ran; 1: there is none of this name; 2: it does not keep the
// rules, and `why` says which.
extern "C" int forebay_shim(const char *name, uint32_t grid_x, uint32_t grid_y, uint32_t block, uint32_t shared,
                            uint64_t seed, const void *params, char *why, size_t room) {
    for (const Kernel &kernel : KERNELS_KNOWN) {
        if (strcmp(kernel.name, name) == 0) {
            emulator::Launch launch = {kernel.body, params, grid_x, grid_y, block, shared, kernel.meets, seed};
            const char *fault = emulator::run(launch);
            if (fault != nullptr) {
                snprintf(why, room, "%s: %s", name, fault);
            }
            return fault == nullptr ? 0 : 2;
        }
    }
    return 1;
}
