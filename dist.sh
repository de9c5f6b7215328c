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
RUSTFLAGS="${RUSTFLAGS:-} $flags" exec cargo build --profile dist --locked --package stella --target "$target" "$@"
