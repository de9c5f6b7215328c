#!/bin/sh
# Measures Stella: builds the programs and runs the benchmark's phases. Works from any directory.
#
#   perf/run.sh --phase PHASE[,PHASE] --samples N [--out DIR]
#   perf/run.sh --help        every option, and what the exit codes mean
#
# Results are kept in bench-artifacts/ of this checkout unless --out says otherwise.
#
# CARGO_TARGET_DIR   where to build
# STELLA_PERF_BUILT  a directory that holds stella, stella-server and stella-perf: nothing is built
set -eu

fail() { printf 'perf/run.sh: %s\n' "$*" >&2; exit 3; }

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd -P)

build() {
    command -v cargo >/dev/null || fail 'no cargo: install a Rust toolchain, or set STELLA_PERF_BUILT'
    # Cargo takes a relative directory from where it is called, and the toolchain's version from the checkout.
    case "${CARGO_TARGET_DIR:-/}" in
        /*) ;;
        *) CARGO_TARGET_DIR="$PWD/$CARGO_TARGET_DIR"; export CARGO_TARGET_DIR ;;
    esac
    cd "$root"
    printf 'perf/run.sh: building\n' >&2
    log=$(mktemp)
    trap 'rm -f "$log"' EXIT
    if ! cargo build --release --locked --workspace --bins >"$log" 2>&1; then
        cat "$log" >&2
        fail 'it does not build; what cargo said is above'
    fi
    # Cargo's configuration may put it elsewhere too.
    target=$(cargo metadata --no-deps --locked --format-version 1 2>>"$log" |
        sed -n 's/.*"target_directory":"\([^"]*\)".*/\1/p')
    printf '%s/release\n' "$target"
}

if [ -n "${STELLA_PERF_BUILT:-}" ]; then
    built=$STELLA_PERF_BUILT
else
    built=$(build)
fi
for program in stella stella-server stella-perf; do
    [ -x "$built/$program" ] || fail "no program $built/$program"
done

# A variable that CI sets to nothing is not set.
[ -n "${STELLA_PERF_PLANT:-}" ] || unset STELLA_PERF_PLANT
[ -n "${STELLA_PERF_TICKETS:-}" ] || unset STELLA_PERF_TICKETS
[ -n "${STELLA_PERF_FEEDS:-}" ] || unset STELLA_PERF_FEEDS

# Options given twice: the caller's, which come last, count.
exec "$built/stella-perf" run --stella "$built/stella" --server "$built/stella-server" \
    --targets "$root/perf/targets.yaml" --cache "$root/target/stella-perf" --out "$root/bench-artifacts" "$@"
