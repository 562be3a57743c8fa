#!/usr/bin/env bash
# Builds every fuzz target and runs each for some seconds: fuzz/run.sh [seconds] [target...]
#
# New inputs gather in target/corpus beside the build, not in the committed seeds; inputs that crash are
# kept in fuzz/artifacts/<target>/. Fails when a target does not build or finds something.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
seconds=${1:-60}
shift || true
mapfile -t targets < <(sed -n 's/^name = "\(.*\)"$/\1/p' "$here/Cargo.toml" | tail -n +2)
[ $# -gt 0 ] && targets=("$@")

export CARGO_TARGET_DIR=${FUZZ_TARGET_DIR:-$here/target}
export CXX=${CXX:-clang++}

# Coverage instrumentation as libFuzzer expects it, on the stable toolchain. With --target, so that
# build scripts and macros go without it.
host=$(rustc -vV | sed -n 's/^host: //p')
export RUSTFLAGS="--cfg fuzzing -Clink-arg=-fuse-ld=lld \
 -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
 -Cllvm-args=-sanitizer-coverage-trace-compares -Cdebug-assertions -Coverflow-checks"
cargo build --release --target "$host" --manifest-path "$here/Cargo.toml"

failed=0
for target in "${targets[@]}"; do
    found="$CARGO_TARGET_DIR/corpus/$target"
    mkdir -p "$found" "$here/corpus/$target" "$here/artifacts/$target"
    echo "fuzz: $target for $seconds s"
    log="$CARGO_TARGET_DIR/$target.log"
    # 4 GiB would hide a leak, 512 MiB is far above what any of these may hold. An input that takes
    # ten seconds burns CPU for its sender.
    if "$CARGO_TARGET_DIR/$host/release/$target" "$found" "$here/corpus/$target" \
        -max_total_time="$seconds" -timeout=10 -rss_limit_mb=512 -max_len=65536 -print_final_stats=1 \
        -artifact_prefix="$here/artifacts/$target/" >"$log" 2>&1; then
        grep -E 'stat::number_of_executed_units|stat::peak_rss_mb' "$log" | sed "s/^/fuzz: $target /"
    else
        echo "fuzz: $target FAILED"
        tail -n 40 "$log"
        failed=1
    fi
done
exit $failed
