#!/usr/bin/env bash
# Puts the program at hand that `checksums.txt` names, and says where it is (output `path`). Nothing runs before its
# SHA-256 is the table's: not what was downloaded, and not what lies in the cache. Other jobs may write there at any time, so
# what is checked, and run by the next step, is a copy in a directory of this job.
set -euo pipefail
here=${BASH_SOURCE[0]%/*}
# shellcheck source=action/words.sh
. "$here/words.sh"

sha256() { # FILE
    local printed
    # From stdin: of a name with a backslash, as Windows has them, sha256sum makes a line of another form. openssl first: it uses
    # what the processor has for it, and takes a quarter of the time.
    if command -v openssl >/dev/null; then
        printed=$(openssl dgst -sha256 -r <"$1")
    elif command -v sha256sum >/dev/null; then
        printed=$(sha256sum <"$1")
    elif command -v shasum >/dev/null; then
        printed=$(shasum -a 256 <"$1")
    else
        fail 3 'no openssl, sha256sum or shasum on this runner: the program cannot be checked; install one, or set binary-path'
    fi
    printf '%s' "${printed%% *}"
}

# Whether the copy is what the table says; where it is not, nothing of it is left, and `wrong` says why.
matches() { # WHERE-FROM
    local found
    found=$(sha256 "$program") || exit
    [ "$found" != "$expected" ] || return 0
    rm -f "$program"
    wrong="$1 is not $name: its SHA-256 is $found, and $here/checksums.txt says $expected. Nothing of it ran"
    return 1
}

# Puts a copy into the cache, for the next job.
keep() {
    mkdir -p "$cache/$arch" || return
    # Beside its place: moving it there is one step, and another job sees all of it or nothing.
    part=$(mktemp "$cache/$arch/part.XXXXXX") || return
    cp "$program" "$part" && chmod 755 "$part" && mv -f "$part" "$cached" && : >"$complete"
}

# Needs the token of the job, which may be read-only.
attest() { # FILE
    truth verify-attestation "$INPUT_VERIFY_ATTESTATION" || return 0
    command -v gh >/dev/null || fail 3 'verify-attestation takes the gh program, which this runner does not have'
    gh attestation verify "$1" --repo "$REPOSITORY" --signer-workflow "$REPOSITORY/.github/workflows/release.yml" \
        --source-ref refs/heads/main ||
        fail 3 "$1 has no attestation that $REPOSITORY built it (gh says why above); nothing of it ran"
}

if [ -n "$INPUT_BINARY_PATH" ]; then
    [ -f "$INPUT_BINARY_PATH" ] || fail 2 "binary-path $INPUT_BINARY_PATH: there is no such file"
    case $INPUT_BINARY_PATH in
        /* | [A-Za-z]:*) program=$INPUT_BINARY_PATH ;;
        *) program=$PWD/$INPUT_BINARY_PATH ;;
    esac
    attest "$program"
    output path "$program"
    exit
fi

suffix=''
case ${RUNNER_OS:-}/${RUNNER_ARCH:-} in
    Linux/X64) target=x86_64-unknown-linux-gnu ;;
    Linux/ARM64) target=aarch64-unknown-linux-gnu ;;
    macOS/X64) target=x86_64-apple-darwin ;;
    macOS/ARM64) target=aarch64-apple-darwin ;;
    Windows/X64) target=x86_64-pc-windows-msvc suffix=.exe ;;
    *) fail 3 "no release has a program for ${RUNNER_OS:-an unknown system} on ${RUNNER_ARCH:-an unknown processor}: build one, and set binary-path" ;;
esac
IFS= read -r version <"$here/version"
name=stella-$version-$target$suffix

expected=''
empty=yes
while read -r digest file; do
    case $digest in '#'* | '') continue ;; esac
    empty=no
    [ "$file" != "$name" ] || expected=$digest
done <"$here/checksums.txt"
[ $empty = no ] || fail 3 "this commit has no release: $here/checksums.txt names no program. Pin the commit of a released tag, or set binary-path"
[[ $expected =~ ^[0-9a-f]{64}$ ]] || fail 3 "$here/checksums.txt has no SHA-256 of $name: pin the commit of a released tag, or set binary-path"

cache=${RUNNER_TOOL_CACHE:-$RUNNER_TEMP}
# Windows: one kind of slash, which its programs take too.
cache=${cache//\\//}/stella/$version
case $RUNNER_ARCH in X64) arch=x64 ;; *) arch=arm64 ;; esac
cached=$cache/$arch/stella$suffix
complete=$cache/$arch.complete

mine=$(mktemp -d "${RUNNER_TEMP//\\//}/stella-program.XXXXXX")
part=''
# Of a step that ends here nothing stays.
trap 'rm -f "$part"; rm -rf "$mine"' EXIT
program=$mine/stella$suffix

checked=no
if [ -f "$complete" ] && [ -f "$cached" ] && cp "$cached" "$program"; then
    # Somebody else's doing must not end this job: what is wrong there is not there.
    if matches "$cached of the runner's tool cache"; then checked=yes; else annotate warning "$wrong; it is downloaded again"; fi
fi
if [ $checked = no ]; then
    # Plain HTTP only from this machine, as a mirror beside the runner or a test has it.
    loopback='^http://(127\.0\.0\.1|localhost|\[::1\])(:[0-9]+)?(/|$)'
    protocols='=https'
    [[ ! $INPUT_DOWNLOAD_URL =~ $loopback ]] || protocols='=http,https'
    from=${INPUT_DOWNLOAD_URL%/}/v$version/$name
    curl --fail --silent --show-error --location --proto "$protocols" --proto-redir "$protocols" \
        --retry 3 --retry-max-time 90 --connect-timeout 10 --max-time 120 --output "$program" -- "$from" ||
        fail 3 "could not download $from (curl says why above): is this runner offline? Then set download-url or binary-path"
    matches "$from" || fail 3 "$wrong"
    keep || annotate warning "cannot write to the runner's tool cache $cache (see above): the next job downloads again"
fi
chmod 755 "$program"
attest "$program"
output path "$program"
# The next step runs it; the runner empties its temporary directory after the job.
mine=''
