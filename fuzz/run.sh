#!/usr/bin/env bash
# Builds every fuzz target and runs each for some seconds, as many at a time as there are processors:
# fuzz/run.sh [seconds] [target...]
#
# New inputs gather in target/corpus beside the build, not in the committed seeds; inputs that crash are
# kept in fuzz/artifacts/<target>/. Fails when a target does not build or finds something.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
seconds=${1:-60}
shift || true
mapfile -t targets < <(sed -n 's/^name = "\(.*\)"$/\1/p' "$here/Cargo.toml" | tail -n +2)
(($# == 0)) || targets=("$@")
jobs=$(nproc)

export CARGO_TARGET_DIR=${FUZZ_TARGET_DIR:-$here/target}
export CXX=${CXX:-clang++}

# Coverage instrumentation as libFuzzer expects it, on the stable toolchain. With --target, so that
# build scripts and macros go without it.
host=$(rustc -vV | sed -n 's/^host: //p')
export RUSTFLAGS="--cfg fuzzing \
 -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
 -Cllvm-args=-sanitizer-coverage-trace-compares -Cdebug-assertions -Coverflow-checks"
cargo build --release --locked --target "$host" --manifest-path "$here/Cargo.toml"

declare -A running=() # the target of each pid
failed=0
trap 'kill "${!running[@]}" 2>/dev/null || true; exit 130' INT TERM HUP

start() {
    local found="$CARGO_TARGET_DIR/corpus/$1"
    mkdir -p "$found" "$here/corpus/$1" "$here/artifacts/$1"
    echo "fuzz: $1 for $seconds s"
    # 4 GiB would hide a leak, 512 MiB is far above what any of these may hold. An input that takes
    # ten seconds burns CPU for its sender.
    "$CARGO_TARGET_DIR/$host/release/$1" "$found" "$here/corpus/$1" \
        -max_total_time="$seconds" -timeout=10 -rss_limit_mb=512 -max_len=65536 -print_final_stats=1 \
        -artifact_prefix="$here/artifacts/$1/" >"$CARGO_TARGET_DIR/$1.log" 2>&1 &
    running[$!]=$1
}

# Waits for the next target to end, and says how it went in one piece.
finish_one() {
    local pid target log status=0
    wait -n -p pid "${!running[@]}" || status=$?
    target=${running[$pid]}
    unset "running[$pid]"
    log="$CARGO_TARGET_DIR/$target.log"
    if ((status == 0)); then
        sed -nE "s/^stat::(number_of_executed_units|peak_rss_mb): */fuzz: $target \1 /p" "$log"
    else
        failed=1
        echo "fuzz: $target FAILED"
        tail -n 40 "$log"
    fi
}

for target in "${targets[@]}"; do
    ((${#running[@]} < jobs)) || finish_one
    start "$target"
done
while ((${#running[@]})); do finish_one; done
exit "$failed"
