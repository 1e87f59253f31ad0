#!/usr/bin/env bash
# What takes minutes on a GPU, a part at a time, each less than ten minutes. Made by `cargo xtask gpu-pack`.
#
# Usage: ./long.sh plans [SECONDS, 500] [SEED, 100]      random plans, one after another
#        ./long.sh gate [SECONDS, 250] [SEED, 200]       the same into whole pages with the gate; then without it
#        ./long.sh checked [SECONDS, 500] [SEED, 300]    the same under the checker of order
#        ./long.sh own [SECONDS, 500] [SEED, 600]        the same with our own coder
#        ./long.sh writers [SECONDS, 60] [SEED, 400]     1, 2, 4 and 6 writers together for so long each; then a seventh
#        ./long.sh sanitize TOOL [PLANS, 8] [SEED, 500]  memcheck, racecheck, initcheck or synccheck of compute-sanitizer
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
plans=properties::streams_come_back_from_the_gpu

# plans_of PROGRAM SECONDS SEED [NAME=VALUE...]
plans_of() {
    local program="$1" seconds="$2" seed="$3"
    shift 3
    LIMIT=$((seconds + 60))
    of "$program" "$plans" env FOREBAY_GPU_SECONDS="$seconds" FOREBAY_GPU_SEED="$seed" "$@"
}

# under TOOL PROGRAM TEST [NAME=VALUE...]: a test under a tool. FOREBAY_SANITIZER: more options for it.
under() {
    local tool="$1" program="$2" test="$3" sanitizer
    shift 3
    sanitizer="$(command -v compute-sanitizer || echo /usr/local/cuda/bin/compute-sanitizer)"
    # shellcheck disable=SC2086 # several words
    of "$program" "$test" env "$@" ${FORGIVING:-} "$sanitizer" --tool "$tool" --error-exitcode 99 --print-limit "${PRINTED:-20}" \
        ${FOREBAY_SANITIZER:-}
}

# Our own kernels first, then nvCOMP's beside them; without the gate, for a tool may hold up a lane that stands at one, then with it.
sanitize() {
    # Regions of a packed batch begin on pages. What lies between them comes down with it, and goes nowhere.
    [ "$1" = initcheck ] && export FOREBAY_SANITIZER="--check-api-memory-access no ${FOREBAY_SANITIZER:-}"
    local tool="$1" some=(FOREBAY_GPU_PLANS="$2" FOREBAY_GPU_SEED="$3" FOREBAY_GPU_SECONDS=80)
    local bare=CUDA_DEVICE_MAX_CONNECTIONS=8
    LIMIT=90
    under "$tool" forebay-cuda-gpu the_gpu_keeps_the_contract_without_a_codec $bare
    under "$tool" forebay-streams "$plans" "${some[@]}" $bare FOREBAY_GPU_GATE=no FOREBAY_GPU_CODEC=none
    under "$tool" forebay-cuda-gpu the_gpu_keeps_the_contract_without_a_codec
    under "$tool" forebay-streams "$plans" "${some[@]}" FOREBAY_GPU_GATE=yes FOREBAY_GPU_CODEC=none
    under "$tool" forebay-cuda-gpu our_coder_keeps_the_contract
    under "$tool" forebay-streams "$plans" "${some[@]}" FOREBAY_GPU_GATE=yes FOREBAY_GPU_CODEC=own
    [ "$1" = initcheck ] && export FORGIVING=./forgiving.sh PRINTED=1000000 FOREBAY_SANITIZER="$FOREBAY_SANITIZER --show-backtrace no"
    under "$tool" forebay-cuda-gpu the_gpu_keeps_the_contract $bare
    under "$tool" forebay-streams "$plans" "${some[@]}" FOREBAY_GPU_GATE=yes
}

case "${1:-}" in
plans) plans_of forebay-streams "${2:-500}" "${3:-100}" ;;
gate)
    plans_of forebay-streams "${2:-250}" "${3:-200}" FOREBAY_GPU_GATE=yes
    plans_of forebay-streams "${2:-250}" "$((${3:-200} + 1))" FOREBAY_GPU_GATE=no CUDA_DEVICE_MAX_CONNECTIONS=8
    ;;
own) plans_of forebay-streams "${2:-500}" "${3:-600}" FOREBAY_GPU_CODEC=own ;;
checked) plans_of forebay-streams-checked "${2:-500}" "${3:-300}" ;;
writers)
    LIMIT=$((4 * ${2:-60} + 120))
    of forebay-streams writers::writers_on_a_gpu_do_not_disturb_each_other env FOREBAY_GPU_EACH="${2:-60}" FOREBAY_GPU_SEED="${3:-400}"
    of forebay-streams writers::a_seventh_writer_runs_on_the_host
    ;;
sanitize) sanitize "${2:-memcheck}" "${3:-8}" "${4:-500}" ;;
*)
    sed -n '4,9s/^# \{0,1\}//p' long.sh
    exit 2
    ;;
esac
total
