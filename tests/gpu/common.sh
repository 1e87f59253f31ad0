# shellcheck shell=bash
# What run.sh and long.sh share: a line for each check, and the total. To be sourced by a script in the same folder.
cd "$(dirname "${BASH_SOURCE[0]}")" || exit 2
export FOREBAY_NVCOMP="$PWD"
passed=0 failed=0
# Seconds after which a check has hung.
LIMIT=300
# Lines of a passing check that are shown.
TELLING='random plans|^mutation|^rows left out|^tail carry|^zstd: |^writers together|^the seventh|^pool_free|^tail_published|^=+ (ERROR|RACECHECK) SUMMARY'

# check NAME COMMAND...: a command that must succeed; where MUST is set, it must say so.
check() {
    local name="$1" begun=$SECONDS said status
    shift
    said=$(timeout --kill-after=10 "$LIMIT" "$@" 2>&1)
    status=$?
    if [ "$status" -eq 0 ] && grep -qE "${MUST:-}" <<<"$said"; then
        passed=$((passed + 1))
        echo "passed  $name ($((SECONDS - begun)) s)"
        grep -E "$TELLING" <<<"$said" | sed 's/^/        /'
    else
        failed=$((failed + 1))
        [[ "$status" -ne 124 && "$status" -ne 137 ]] || status="$status: it hung"
        echo "FAILED  $name (after $((SECONDS - begun)) s, with status $status)"
        tail -n 40 <<<"$said"
    fi
}

# of PROGRAM TEST [COMMAND...]: one test of a program, under a command. A name that no test has would pass, and must not.
of() {
    local program="$1" test="$2"
    shift 2
    MUST='^test result: ok\. 1 passed' check "$program $test${*:+, $*}" "$@" "tests/$program" --exact "$test" --ignored --nocapture
}

# The tests of a program that need a GPU.
needing() {
    "tests/$1" --list --ignored 2>/dev/null | sed -n 's/: test$//p'
}

# The last lines, and the exit status.
total() {
    nvidia-smi --query-gpu=name,driver_version --format=csv,noheader
    echo "$passed passed, $failed failed"
    [ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
}
