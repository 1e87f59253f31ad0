#!/usr/bin/env bash
# Runs every test that needs a GPU, on a host that has one and neither Rust nor a network. Made by `cargo xtask gpu-pack`.
#
# Usage: ./run.sh [SECONDS of random plans, 60] [SEED, 1]. Leaves stores.tar.gz for readers elsewhere. The last line is the
# total. What takes longer is in ./long.sh. With DEVICE=host the stores are written by the host: to try this script.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
seconds="${1:-60}" seed="${2:-1}" device="${DEVICE:-cuda}"

plans=properties::streams_come_back_from_the_gpu
# Tables of figures: asked for by name.
measured=_measured

for path in tests/*; do
    program="$(basename "$path")"
    for test in $(needing "$program"); do
        # The checked build is the same tests once more, slower: of it, random plans are enough.
        [ "$test" = "$plans" ] || [[ "$test" = *"$measured" || "$program" = *-checked ]] || of "$program" "$test"
    done
done

# Random plans: as they are drawn; into whole pages with the gate; the same without it, where the driver has too few queues for
# one; and under the checker of order.
LIMIT=$((seconds + 120))
of forebay-streams "$plans" env FOREBAY_GPU_SECONDS="$seconds" FOREBAY_GPU_SEED="$seed"
of forebay-streams "$plans" env FOREBAY_GPU_SECONDS="$((seconds / 2))" FOREBAY_GPU_SEED="$((seed + 1))" FOREBAY_GPU_GATE=yes
of forebay-streams "$plans" env FOREBAY_GPU_SECONDS="$((seconds / 2))" FOREBAY_GPU_SEED="$((seed + 2))" FOREBAY_GPU_GATE=no CUDA_DEVICE_MAX_CONNECTIONS=8
of forebay-streams-checked "$plans" env FOREBAY_GPU_SECONDS="$((seconds / 2))" FOREBAY_GPU_SEED="$((seed + 3))"
of forebay-streams "$plans" env FOREBAY_GPU_SECONDS="$seconds" FOREBAY_GPU_SEED="$((seed + 4))" FOREBAY_GPU_CODEC=own
of forebay-streams-checked "$plans" env FOREBAY_GPU_SECONDS="$((seconds / 2))" FOREBAY_GPU_SEED="$((seed + 5))" FOREBAY_GPU_CODEC=own
LIMIT=120

# One stream of a few megabytes, buffered, past the system's cache in whole pages with the gate, and without it: the same shards
# each time, and without a codec those of the host.
rm -rf stores host ways && mkdir stores host ways
seq -w 0 999999 | tr -d '\n' | head -c 4500000 >inputs/stream.bytes
stream=(--plain --dtype uint16 -d "t:0,y:300:64,x:500:128" --crc32c)
for codec in none zstd:3; do
    check "stream, $codec" ./store.sh "$device" ways/plain.zarr 0 stream.bytes "${stream[@]}" --codec "$codec"
    check "stream, $codec, --direct" ./store.sh "$device" ways/direct.zarr 0 stream.bytes "${stream[@]}" --codec "$codec" --direct --batch 1M
    check "stream, $codec, --direct --no-gate" ./store.sh "$device" ways/waiting.zarr 0 stream.bytes "${stream[@]}" --codec "$codec" --direct --no-gate --batch 1M
    if [ "$codec" = none ]; then
        check "stream, $codec, on the host" ./store.sh host ways/host.zarr 0 stream.bytes "${stream[@]}" --codec "$codec" --direct
    fi
    for other in ways/*.zarr; do
        [ "$other" = ways/plain.zarr ] || check "stream, $codec: the shards of $(basename "$other")" diff -r ways/plain.zarr/c "$other/c"
    done
    rm -rf ways/*
done
for codec in zstd:1 blosc-zstd:1; do
    check "stream, $codec, by our own coder" ./store.sh "$device" ways/plain.zarr 0 stream.bytes "${stream[@]}" --codec "$codec" --coder own
    check "stream, $codec, by our own coder, in other batches" ./store.sh "$device" ways/other.zarr 0 stream.bytes "${stream[@]}" --codec "$codec" --coder own --batch 1M
    check "stream, $codec, by our own coder: the same shards" diff -r ways/plain.zarr/c ways/other.zarr/c
    rm -rf ways/*
done

# Stores of many shapes and types, of images, and of pyramids: the whole store is the host's where there is no codec. All are
# brought back for foreign readers but some large ones. Two at a time: most of what one takes is opening the GPU and pinning
# host memory, which the driver does for one process after another (1.16 s a store one at a time, 0.98 two, 1.07 four, 1.40 eight).
some_cases() {
    while IFS=$'\t' read -r name status input kept words; do
        read -ra words <<<"$words"
        check "store $name" ./store.sh "$device" "stores/$name.zarr" "$status" "$input" "${words[@]}"
        if [[ " ${words[*]} " == *" --codec none "* ]]; then
            check "store $name on the host" ./store.sh host "host/$name.zarr" "$status" "$input" "${words[@]}"
            check "store $name: the same" diff -r "host/$name.zarr" "stores/$name.zarr"
        fi
        [ "$kept" = yes ] || rm -rf "stores/$name.zarr"
    done
    echo "$passed $failed" >"ways/$1.total"
}
many=2
for ((part = 0; part < many; part++)); do
    (passed=0 failed=0 && awk "NR % $many == $part" cases | some_cases $part) >"ways/$part.said" 2>&1 &
done
wait
for ((part = 0; part < many; part++)); do
    cat "ways/$part.said"
    # Who did not get to the end has failed.
    read -r ok bad <"ways/$part.total" || { ok=0 bad=1; }
    passed=$((passed + ok)) failed=$((failed + bad))
done
rm -rf host ways
check "an archive of the stores" tar -czf stores.tar.gz cases stores
check "of less than 16 MiB" test "$(wc -c <stores.tar.gz)" -lt $((16 << 20))
total
