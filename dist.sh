#!/bin/sh
# Builds the program that is shipped into target/TARGET/dist/: small, and without a library of the system where that can be.
#
#   ./dist.sh TARGET [ARGUMENTS OF cargo build...]      such as x86_64-unknown-linux-gnu
set -eu
[ $# -ge 1 ] || { sed -n '2,4s/^# \{0,1\}//p' "$0" >&2; exit 2; }
cd "$(dirname "$0")"
target=$1
shift
case $target in
    # Runs in any image, on any Linux; on Windows without a runtime to install.
    *-linux-* | *-windows-*) flags='-C target-feature=+crt-static' ;;
    *) flags='' ;;
esac
case $target in
    # Rust's own linker is LLD here: functions of the same code are there once.
    x86_64-unknown-linux-gnu) flags="$flags -C link-arg=-Wl,--icf=all" ;;
esac
# Ways to compress that no level takes which Stella asks for: 1 for what is sent, 19 for bundles.
for way in GREEDY LAZY LAZY2 BTLAZY2 BTOPT; do CFLAGS="${CFLAGS:-} -DZSTD_EXCLUDE_${way}_BLOCK_COMPRESSOR"; done
export CFLAGS
RUSTFLAGS="${RUSTFLAGS:-} $flags" exec cargo build --profile dist --locked --package stella --target "$target" "$@"
