#!/usr/bin/env bash
# Runs every test that needs a GPU, on a host that has one and neither Rust nor a network. Made by `cargo xtask gpu-pack`.
#
# Usage: ./run.sh [SECONDS of random plans, 60] [SEED, 1]. Leaves stores.tar for readers elsewhere. The last line is the total.
cd "$(dirname "${BASH_SOURCE[0]}")" || exit 2
export FOREBAY_NVCOMP="$PWD" FOREBAY_GPU_SECONDS="${1:-60}" FOREBAY_GPU_SEED="${2:-1}"
passed=0 failed=0

# Runs a command under a name; what it prints is shown where it fails.
check() {
    local name="$1" said
    shift
    if said=$(timeout $((FOREBAY_GPU_SECONDS + 300)) "$@" 2>&1); then
        passed=$((passed + 1))
        echo "passed  $name"
        grep -E "random plans" <<<"$said"
    else
        failed=$((failed + 1))
        echo "FAILED  $name"
        tail -n 40 <<<"$said"
    fi
}

for binary in tests/*; do
    while read -r name; do
        check "$(basename "$binary") $name" "$binary" --exact "$name" --ignored --nocapture
    done < <("$binary" --list --ignored 2>/dev/null | sed -n 's/: test$//p')
done

# The same stream on the host and on the GPU: equal shards without a codec, equal pixels with one.
rm -rf stores && mkdir stores
for codec in none zstd:3; do
    for direct in "" --direct; do
        name="${codec%%:*}${direct#-}"
        for device in host cuda; do
            check "write $name on $device" bash -c "./forebay write - < run-input \
                stores/$name-$device --plain --dtype uint16 -d t:0,y:300:64,x:500:128 --codec $codec --crc32c \
                --device $device $direct"
            check "verify $name on $device" ./forebay verify "stores/$name-$device"
        done
        if [ "$codec" = none ]; then
            check "compare $name" diff -r "stores/$name-host/c" "stores/$name-cuda/c"
        fi
    done
done
tar -cf stores.tar stores
nvidia-smi --query-gpu=name,driver_version --format=csv,noheader
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
