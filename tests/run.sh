#!/bin/sh
# Every test a change must pass: installs what it needs, builds with warnings as errors, runs the quick and full suites, then the same
# under ASan and UBSan. Sampled counts (kills, power cuts, faults, schedules, fuzz) print their seed; tests/slow runs them in full.
# Usage: tests/run.sh [quick]   quick: one build, quick tests only
set -eu
cd "$(dirname "$0")/.."
top=$(pwd)
deps=${QLOADER_DEPS_DIR:-$top/build/deps}
seed=${QL_SEED:-$(date +%s)}
export QL_SEED="$seed" QL_FUZZ_SEED="$seed" QL_KILL_SEED="$seed" QL_POWER_SEED="$seed" QL_FAULT_SEED="$seed" QL_DETERMINISM_SEED="$seed"
started=$(date +%s)
step() { printf '\n== %s (%s s)\n' "$*" "$(( $(date +%s) - started ))"; }

step "packages of the distribution"
sh pkgconfig/deps/packages
step "pinned sources and the model"
sh pkgconfig/deps/fetch "$deps"
sh pkgconfig/deps/promtool "$deps"
# gcc 12's leak check reads thread-local blocks of libraries that were opened later and falls over them (its own SIGSEGV, no report).
export ASAN_OPTIONS="intercept_tls_get_addr=0${ASAN_OPTIONS:+:$ASAN_OPTIONS}"
export QLOADER_MODEL_DIR="$deps/models/all-MiniLM-L6-v2"

run_preset() { # preset, extra ctest arguments
  preset=$1
  shift
  step "build $preset"
  cmake --preset "$preset" -DQLOADER_DEPS_DIR="$deps" > "build/configure-$preset.log" || { cat "build/configure-$preset.log"; exit 1; }
  cmake --build --preset "$preset" > "build/build-$preset.log" || { tail -n 60 "build/build-$preset.log"; exit 1; }
  step "tests $preset (seed $seed)"
  ctest --test-dir "build/$preset" --output-on-failure --no-tests=error -j "$(nproc)" "$@" ||
    { printf '\nfailed; the same once more: QL_SEED=%s sh tests/run.sh\n' "$seed" >&2; exit 1; }
}

mkdir -p build
if [ "${1:-}" = quick ]; then
  run_preset dev -L quick
else
  run_preset dev -LE slow
  run_preset asan -LE 'slow|noasan' -E '^checks\.' # the checks read sources: once is enough
fi
step "all passed"
