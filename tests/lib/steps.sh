# SPDX-License-Identifier: LGPL-2.1-or-later
# Sourced by tests/run and tests/demo: bounded steps, logs, sums.
# shellcheck shell=bash

LOGS=build/log
PASSED=0
FAILED=0
NAMES_OF_FAILED=()
STEP_PID=

# timeout leads a process group of its own, and passes the signal on to it.
interrupted() {
    trap '' INT TERM HUP
    if [ -n "$STEP_PID" ]; then
        kill -TERM "$STEP_PID" 2>/dev/null || true
        wait "$STEP_PID" 2>/dev/null || true
    fi
    echo
    echo "interrupted"
    [ -z "${ON_INTERRUPT-}" ] || "$ON_INTERRUPT"
    exit 130
}

# bounded LOG LIVE SECONDS CMD...: exit status of CMD, 124 if it took longer.
bounded() {
    local log=$1 live=$2 limit=$3 rc=0 show=
    shift 3

    timeout -k 30 "$limit" "$@" </dev/null >"$log" 2>&1 &
    STEP_PID=$!
    if [ "$live" = yes ]; then
        tail -n +1 -s 0.2 --pid="$STEP_PID" -f "$log" &
        show=$!
    fi
    wait "$STEP_PID" || rc=$?
    STEP_PID=
    [ -z "$show" ] || wait "$show" || true
    return $rc
}

# The last "N passed, N failed" of a log, as "N N"; nothing if there is none.
sums_of() {
    sed -nE 's/^(.*: )?([0-9]+) passed, ([0-9]+) failed$/\2 \3/p' "$1" |
        tail -n 1
}

# What automake's harness ran since STAMP: each test has a .trs with the
# verdict, and a .log with its own sums.  One that died before it could print
# them counts as one.
sums_of_check() {
    local dir=$1 stamp=$2 trs sums p=0 f=0 a b

    while IFS= read -r trs; do
        sums=$(sums_of "${trs%.trs}.log")
        case $(sed -n 's/^:test-result: //p' "$trs") in
        PASS) sums=${sums:-1 0} ;;
        *) case $sums in '' | *' 0') sums="${sums%% *}" && sums="${sums:-0} 1" ;; esac ;;
        esac
        read -r a b <<<"$sums"
        p=$((p + a))
        f=$((f + b))
    done < <(find "$dir" -name '*.trs' -newer "$stamp" \
        -not -path '*/xlm-[0-9]*')
    echo "$p $f"
}

# failed_tests DIR STAMP: automake's tests that failed since, a line each.
failed_tests() {
    local trs

    while IFS= read -r trs; do
        grep -q '^:test-result: PASS' "$trs" || echo "${trs%.trs}"
    done < <(find "$1" -name '*.trs' -newer "$2" -not -path '*/xlm-[0-9]*')
}

# Their logs, for a person to read.
failed_checks() {
    local name

    while IFS= read -r name; do
        echo "--- $name.log"
        grep -vE '(Test: .*passed$|^ok |^passed: )' "$name.log" | tail -n 25
    done < <(failed_tests "$1" "$2")
}

# note_failed STEP COUNT LOG STAMP: what failed in it by name, for the end,
# where a reader who has only the end of a long output finds it.
note_failed() {
    local step=$1 name

    case $2 in
    none) NAMES_OF_FAILED+=("$step") ;;
    sums)
        while IFS= read -r name; do
            NAMES_OF_FAILED+=("$step: $name")
        done < <(grep -E '^(FAIL|not ok)' "$3" || echo "see its log")
        ;;
    *)
        while IFS= read -r name; do
            NAMES_OF_FAILED+=("$step: ${name#"$2"/}")
        done < <(failed_tests "$2" "$4" | grep . || echo "see its log")
        ;;
    esac
}

# step [--live] [--check DIR|--sums] NAME SECONDS CMD...
# Runs CMD, logs it to build/log/NAME.log, prints one line, adds to the sums:
# --check: the tests that automake ran in DIR; --sums: the log's own last line.
# A step that failed without naming a failed test counts as one failure.
step() {
    local live=no count=none name limit log rc=0 sums="" began=$SECONDS stamp

    case $1 in --live) live=yes && shift ;; esac
    case $1 in
    --check) count=$2 && shift 2 ;;
    --sums) count=sums && shift ;;
    esac
    name=$1 limit=$2
    shift 2
    log=$LOGS/$name.log
    stamp=$LOGS/$name.stamp
    mkdir -p "$LOGS"
    touch "$stamp"
    [ "$live" = no ] || echo "== $name"

    bounded "$log" "$live" "$limit" "$@" || rc=$?
    case $count in
    none) ;;
    sums) sums=$(sums_of "$log") ;;
    *) sums=$(sums_of_check "$count" "$stamp") ;;
    esac
    # What says nothing of its tests may have run none.
    [ "$count:$rc:$sums" != sums:0: ] || sums='0 1'
    report_step "$name" "$rc" "$((SECONDS - began))" "$sums" "$limit"
    case $rc:$sums in
    0: | 0:*' 0') ;;
    *) note_failed "$name" "$count" "$log" "$stamp" ;;
    esac
    if [ $rc -ne 0 ] && [ "$live" = no ]; then
        case $count in
        none | sums) tail -n 40 "$log" ;;
        *) tail -n 15 "$log" && failed_checks "$count" "$stamp" ;;
        esac | sed 's/^/    | /'
    fi
    rm -f "$stamp"
    return $rc
}

# report_step NAME RC SECONDS SUMS LIMIT
report_step() {
    local name=$1 rc=$2 seconds=$3 p=0 f=0 verdict=ok

    [ -z "$4" ] || read -r p f <<<"$4"
    if [ "$rc" -ne 0 ]; then
        [ "$f" -gt 0 ] || f=1
        verdict=FAILED
        [ "$rc" -ne 124 ] || verdict="FAILED: over its limit of $5 s"
    elif [ "$f" -gt 0 ]; then
        verdict=FAILED
    fi
    PASSED=$((PASSED + p))
    FAILED=$((FAILED + f))
    if [ -n "$4" ]; then
        verdict="$verdict ($p passed, $f failed)"
    fi
    printf '%-20s %4d s  %s\n' "$name" "$seconds" "$verdict"
}

# A step that cannot be run, because an earlier one failed.
skipped_step() {
    FAILED=$((FAILED + 1))
    NAMES_OF_FAILED+=("$1: not run, $2")
    printf '%-20s    -    NOT RUN: %s\n' "$1" "$2"
}

finish() {
    [ ${#NAMES_OF_FAILED[@]} -eq 0 ] ||
        printf 'failed: %s\n' "${NAMES_OF_FAILED[@]}"
    echo "$PASSED passed, $FAILED failed"
    if [ "$FAILED" -eq 0 ] && [ "$PASSED" -gt 0 ]; then
        exit 0
    fi
    exit 1
}
