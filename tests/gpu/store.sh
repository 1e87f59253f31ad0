#!/usr/bin/env bash
# Writes a store, which must end with a status, and has it verified.
#
# Usage: ./store.sh DEVICE STORE STATUS INPUT ARGUMENT... Inputs lie in inputs/; those called *.bytes go to standard input,
# *.bytes@COUNT again and again, so many bytes of them.
device="$1" store="$2" want="$3" input="$4"
shift 4
case "$input" in
*.bytes) ./forebay write - "$store" --device "$device" "$@" <"inputs/$input" ;;
*.bytes@*) while cat "inputs/${input%@*}"; do :; done 2>/dev/null | head -c "${input#*@}" | ./forebay write - "$store" --device "$device" "$@" ;;
*) ./forebay write "inputs/$input" "$store" --device "$device" "$@" ;;
esac
status=$?
if [ "$status" -ne "$want" ]; then
    echo "forebay write ended with $status, not $want"
    exit 1
fi
./forebay verify "$store"
