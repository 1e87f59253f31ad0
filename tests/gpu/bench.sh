#!/usr/bin/env bash
# Measures everything that the GPU is to be fast at, each beside the limits of the machine in the same run. Put into the
# folder of `cargo xtask gpu-pack`; needs Python 3. Sink: discarding, pages of 4096 bytes. Give a filter where time is short.
#
# Usage: ./bench.sh [FILTER, an extended regular expression that names of cases match] [FOLDER for the objects, bench].
# FOREBAY names the program, DEVICE the device (cuda), RUNS the rounds (3), BYTES (with M or G) the input of every case,
# FILL what frames hold (xor).
# Prints a line for each case; the last line is the total. What a case printed is FOLDER/CASE.json, errors CASE.err.
cd "$(dirname "${BASH_SOURCE[0]}")" || exit 2
[ -e libnvcomp.so.5 ] && export FOREBAY_NVCOMP="$PWD"
filter="${1:-.}" folder="${2:-bench}" forebay="${FOREBAY:-./forebay}"
mkdir -p "$folder" || exit 2
failed=0 ran=0

# One line of the table: CASE, the share that is asked for, GiB/s that are asked for (0: none of the two).
line() {
    python3 - "$folder/$1.json" "$@" <<'PYTHON'
import json, sys

path, case, share, rate = sys.argv[1], sys.argv[2], float(sys.argv[3]), float(sys.argv[4])
with open(path) as file:
    it = json.load(file)
gb = it["forebay"]["gb_per_second"]
reached = gb["median"] * 1e9 / 2**30
text = f"{case:28} {gb['median']:6.1f} ({gb['min']:.1f} to {gb['max']:.1f}) GB/s {reached:6.1f} GiB/s"
missed = 0 < rate and reached < rate
if it["one_stream"]:
    sums, one = it["one_stream"]["sum_reaches"], it["one_stream"]["gb_per_second"]
    text += f"  {sums['median']:.2f} ({sums['min']:.2f} to {sums['max']:.2f}) of one stream, {one['median']:.1f}"
    missed |= sums["median"] < 0.95
if it["binds"]:
    limit = next(l for l in it["limits"] if l["name"] == it["binds"])
    of, shares = limit["input_gb_per_second"], it["share"]
    text += f"  {shares['median']:.2f} ({shares['min']:.2f} to {shares['max']:.2f}) of {limit['name']}: {of['median']:.1f}"
    missed |= shares["median"] < share
elif share:
    text, missed = text + "  no limit was measured", True
memory = it["device_memory"]
if memory:
    text += f"  memory {memory['ratio']:.3f} of {memory['planned'] / 2**20:.0f} MiB planned"
    missed |= abs(memory["ratio"] - 1) > 0.05
middle = lambda values: sorted(values)[len(values) // 2]
appends = it["forebay"]["append_seconds"]
times = "/".join(f"{1e6 * middle(appends[k]):.0f}" for k in ("p50", "p99", "p999", "max"))
text += f"  append of {it['append_bytes']} B {times} us"
text += "".join(f"  [{l['absent']}]" for l in it["limits"] if "absent" in l)
text += "".join(f"  [{note}]" for note in it["notes"] if "smaller" in note)
print(text + ("  MISSED" if missed else ""), flush=True)
PYTHON
}

# With coarser levels CASE, without them CASE, the share of one in the other that is asked for, by how much the levels
# multiply the bytes that are written.
quotient() {
    [ -s "$folder/$1.json" ] && [ -s "$folder/$2.json" ] || return 0
    python3 - "$folder" "$@" <<'PYTHON'
import json, sys

folder, levels, alone, share, growth = sys.argv[1:3] + sys.argv[3:4] + [float(word) for word in sys.argv[4:6]]
measured = lambda case: json.load(open(f"{folder}/{case}.json"))
rate = lambda it: it["forebay"]["gb_per_second"]["median"]
it = measured(levels)
reached = rate(it) / rate(measured(alone)) * growth
said = "  MISSED" if reached < share else ""
# What goes down beside uploads, as input: chunks at an edge are stored whole, so more goes down than levels have pixels.
for limit in it["limits"]:
    if it["codec"] == "none" and limit["name"].startswith("H2D and D2H at once") and "absent" not in limit:
        written = it["bytes_out"] / it["bytes_in"]
        down = limit["gb_per_second"]["median"] / written
        said += f"  {rate(it) / down:.2f} of {down:.1f}, all that comes down beside uploads ({written:.3f} of what goes up)"
print(f"{levels:28} {reached:.2f} of {alone} divided by {growth:.3f}; {share} is asked for{said}", flush=True)
PYTHON
}

# CASE, share, GiB/s, bytes, and arguments of `bench`.
measure() {
    local case="$1" share="$2" rate="$3" bytes="${BYTES:-$4}"
    shift 4
    grep -qE -- "$filter" <<<"$case" || return 0
    ran=$((ran + 1))
    if timeout 120 "$forebay" bench "$@" --fill "${FILL:-xor}" --bytes "$bytes" --runs "${RUNS:-3}" --device "${DEVICE:-cuda}" \
        --json >"$folder/$case.json" 2>"$folder/$case.err" && line "$case" "$share" "$rate"; then
        return 0
    fi
    failed=$((failed + 1))
    echo "$case FAILED: $(tail -n 1 "$folder/$case.err")"
}

echo "case, rate, share of the limit that binds, memory of the GPU, appends (p50/p99/p99.9/max); MISSED: below a target"
for ingest in reserve registered copy; do
    for scenario in 256cube medfmt smallepoch orca2; do
        rate=0 bytes=24G
        [ $scenario = smallepoch ] && rate=20
        # Two slots of 512M: the first and the last stand alone on the link, so there are more of them.
        [ $ingest = reserve ] && bytes=96G
        measure "none-$ingest-$scenario" 0.9 $rate $bytes $scenario --codec none --ingest $ingest --append 64M
    done
done
measure none-copy-512-bytes 0 4 2G 256cube --codec none --ingest copy --append 512
for scenario in 256cube medfmt orca2; do
    measure "none-copy-frame-$scenario" 0 0 8G $scenario --codec none --ingest copy
done
measure zstd-copy-frame-orca2 0 0 6G orca2 --codec zstd --coder nvcomp --ingest copy
for chunk in 64K 256K 1M; do
    for scenario in 256cube medfmt orca2; do
        measure "zstd-$scenario-$chunk" 0.9 0 6G $scenario --codec zstd --coder nvcomp --chunk-bytes $chunk --ingest registered --append 64M
    done
done
# Frames with coarser levels beside the same without: y and x are halved in orca2, z, y and x in 256cube, with t in their `_t`.
for way in "zstd registered nvcomp" "zstd reserve own" "none reserve nvcomp" "none copy nvcomp"; do
    read -r codec ingest coder <<<"$way"
    bytes=24G of="$codec"
    [ "$codec" = zstd ] && bytes=6G
    [ $ingest = reserve ] && bytes=48G
    [ "$coder" = own ] && of="own-$codec"
    for scenario in 256cube orca2; do
        growth=1.143 joint=1.067
        [ $scenario = orca2 ] && growth=1.333 joint=1.143
        asked=(--codec "$codec" --coder "$coder" --ingest "$ingest" --append 64M)
        measure "$of-$ingest-alone-$scenario" 0 0 $bytes $scenario "${asked[@]}"
        for levels in "_multiscale $growth" "_multiscale_t $joint"; do
            read -r name by <<<"$levels"
            # What is copied comes at the speed of the copy, whatever goes down.
            [ $ingest = copy ] && by=1
            measure "$of-$ingest-$scenario$name" 0 0 $bytes $scenario$name "${asked[@]}"
            quotient "$of-$ingest-$scenario$name" "$of-$ingest-alone-$scenario" 0.9 "$by"
        done
    done
done
# Our own coder: chunks as they are and with their bytes apart, what a camera sees and what it never sees; then pyramids through it.
for codec in zstd blosc-zstd; do
    own=(--codec $codec --coder own --ingest reserve --append 64M)
    for chunk in 64K 256K 1M; do
        for scenario in 256cube orca2 camera; do
            fill=xor
            [ $scenario = camera ] && fill=camera
            FILL=$fill measure "own-$codec-$scenario-$chunk" 0 40 24G $scenario "${own[@]}" --chunk-bytes $chunk
        done
    done
    FILL=xor measure "own-$codec-256cube_multiscale" 0 35 24G 256cube_multiscale "${own[@]}"
done
# Where it looks for matches, and finds them everywhere.
for codec in zstd:3 blosc-zstd:5 blosc-lz4:5; do
    for scenario in 256cube orca2; do
        measure "own-${codec/:/-}-$scenario-256K" 0 15 12G $scenario --codec $codec --coder own --chunk-bytes 256K --ingest reserve --append 64M
    done
done
measure two_streams-none 0 0 24G two_streams --codec none --ingest registered --append 64M
measure two_streams-zstd 0 0 4G two_streams --codec zstd --coder nvcomp --ingest registered --append 64M
[ "${DEVICE:-cuda}" = host ] || nvidia-smi --query-gpu=name,driver_version,pcie.link.gen.current,pcie.link.width.current \
    --format=csv,noheader
echo "$ran measured, $failed failed, ${SECONDS} s"
[ "$failed" -eq 0 ]
