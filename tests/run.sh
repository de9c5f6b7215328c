#!/bin/sh
# Every test of the project, on Debian 12 with a Rust toolchain: installs what is missing, starts a Docker engine of its
# own, runs the suites, and stops what it started.
#
#   tests/run.sh            every suite of a few minutes
#   tests/run.sh --full     and the long ones: the benchmark, its gates' many runs, its peers, big images, more stacks, the image
#
# STELLA_TEST_DOCKER_HOST  use this engine instead of an own one (no root needed then)
# STELLA_TEST_IMAGES       directory with real images for --full: oci/py-v1, oci/big-toolchain, and any others as oci/NAME
set -eu

cd "$(dirname "$0")/.."
# Where Debian keeps tc and dockerd, and where not everybody looks.
PATH="$PATH:/usr/sbin:/sbin"
export PATH
full=no
case "${1:-}" in
    '') ;;
    --full) full=yes ;;
    *) sed -n '2,9s/^# \{0,1\}//p' "$0"; exit 2 ;;
esac

# Tests ask for it themselves.
[ $full = no ] || export STELLA_TEST_FULL=1

say() { printf '== %s\n' "$*"; }
fail() { printf 'tests/run.sh: %s\n' "$*" >&2; exit 1; }
have() { command -v "$1" >/dev/null 2>&1; }

have cargo || fail 'no cargo: install a Rust toolchain first (rust-toolchain.toml names the version)'
if [ "$(id -u)" = 0 ]; then root=''; elif have sudo; then root='sudo'; else root='none'; fi
as_root() {
    [ "$root" != none ] || fail "needs root for: $* (run as root, install sudo, or set STELLA_TEST_DOCKER_HOST)"
    $root "$@"
}

# ---- what is missing --------------------------------------------------------------------------------------------------
packages=''
need() { have "$1" || packages="$packages $2"; }
need python3 python3
need skopeo skopeo
need zstd zstd
need docker docker.io
need docker-registry docker-registry
# Builders with a store of their own.
need buildah buildah
need podman podman
# A shell for images that are built here: one that needs no library.
if ! have busybox || ldd "$(command -v busybox)" >/dev/null 2>&1; then packages="$packages busybox-static"; fi
need htpasswd apache2-utils
# What executables, archives and databases hold, their own tools say.
need go golang-go
need jar openjdk-17-jdk-headless
need rpmbuild rpm
need db_load db-util
# The performance harness: its checkers come from PyPI and npm, the distance from `tc`, the trend is looked at.
python3 -c 'import ensurepip' 2>/dev/null || packages="$packages python3-venv"
need git git
need curl curl
need openssl openssl
need rsync rsync
need npm npm
need chromium chromium
need tc iproute2
# A package manager that the inventory is held against.
need gem ruby
if [ -z "${STELLA_TEST_DOCKER_HOST:-}" ]; then
    need dockerd docker.io
    need iptables iptables
fi
if [ $full = yes ]; then
    [ -x /usr/bin/time ] || packages="$packages time"
    need umoci umoci
fi
if [ -n "$packages" ]; then
    have apt-get || fail "missing, and no apt-get to install it with:$packages"
    say "installing$packages"
    # RUNLEVEL: the packages' own services stay off; only the engine below is used.
    as_root env RUNLEVEL=1 sh -c "apt-get update -q && DEBIAN_FRONTEND=noninteractive \
        apt-get install -q -y --no-install-recommends $packages" \
        || fail "could not install$packages: is this machine offline? Install them by hand and run again"
fi

# ---- an engine of our own ---------------------------------------------------------------------------------------------
work=$(mktemp -d)
engine_pid=''
stop() {
    status=$?
    trap - EXIT INT TERM
    if [ -n "$engine_pid" ]; then
        $root kill -TERM "$engine_pid" 2>/dev/null || true
        tries=0
        while $root kill -0 "$engine_pid" 2>/dev/null && [ $tries -lt 150 ]; do
            sleep 0.1
            tries=$((tries + 1))
        done
        $root umount "$work/engine/data" 2>/dev/null || true
        $root rm -rf "$work/engine"
    fi
    rm -rf "$work"
    exit $status
}
trap stop EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

start_engine() {
    engine="$work/engine"
    mkdir -p "$engine/data"
    # overlayfs cannot stack on an overlayfs, which is what a container's own disk is.
    if [ "$(stat -f -c %T "$engine")" = overlayfs ]; then
        as_root mount -t tmpfs tmpfs "$engine/data"
    fi
    say "starting a Docker engine in $engine"
    # No bridge and no packet filter: the tests need no container network, and other engines stay undisturbed.
    as_root dockerd --host "unix://$engine/docker.sock" --group "$(id -gn)" --data-root "$engine/data" \
        --exec-root "$engine/exec" --pidfile "$engine/pid" --storage-driver overlay2 --bridge none --iptables=false \
        --ip-forward=false --ip-masq=false --containerd-namespace "stella-test-$$" --log-level warn \
        >"$engine/log" 2>&1 &
    launched=$!
    export DOCKER_HOST="unix://$engine/docker.sock"
    tries=0
    until docker info >/dev/null 2>&1; do
        tries=$((tries + 1))
        if [ $tries -gt 300 ] || ! $root kill -0 $launched 2>/dev/null; then
            engine_pid=$(cat "$engine/pid" 2>/dev/null || true)
            tail -n 20 "$engine/log" >&2
            fail 'the Docker engine did not start; its last words are above'
        fi
        sleep 0.1
    done
    engine_pid=$(cat "$engine/pid")
}

if [ -n "${STELLA_TEST_DOCKER_HOST:-}" ]; then
    export DOCKER_HOST="$STELLA_TEST_DOCKER_HOST"
    docker info >/dev/null || fail "no Docker engine at STELLA_TEST_DOCKER_HOST=$STELLA_TEST_DOCKER_HOST"
else
    start_engine
fi
say "Docker engine $(docker version --format '{{.Server.Version}}') at $DOCKER_HOST"

# ---- the suites -------------------------------------------------------------------------------------------------------
passed=0 failed=0 skipped=0 failures=''
suite() { # NAME COMMAND...
    name=$1
    shift
    say "$name"
    began=$(date +%s)
    if "$@"; then
        passed=$((passed + 1))
        outcome=passed
    else
        failed=$((failed + 1))
        failures="$failures $name"
        outcome=FAILED
    fi
    say "$name: $outcome in $(($(date +%s) - began)) s"
}
# Suites that measure no time, beside the ones that follow. They are heard when they are `joined`, in the order in which they began.
beside=''
start() { # NAME COMMAND...
    name=$1
    shift
    say "$name: beside the next"
    {
        began=$(date +%s)
        status=0
        "$@" || status=$?
        printf '%s %s\n' "$status" $(($(date +%s) - began)) >"$work/$name.ended"
    } >"$work/$name.log" 2>&1 &
    beside="$beside $name:$!"
}
join() {
    for each in $beside; do
        name=${each%:*}
        wait "${each#*:}" || true
        say "$name"
        cat "$work/$name.log"
        read -r status took <"$work/$name.ended" || status=1 took='?'
        if [ "$status" = 0 ]; then
            passed=$((passed + 1))
            outcome=passed
        else
            failed=$((failed + 1))
            failures="$failures $name"
            outcome=FAILED
        fi
        say "$name: $outcome in $took s"
    done
    beside=''
}
skip() { # NAME WHY
    skipped=$((skipped + 1))
    say "$1: skipped: $2"
}

suite build cargo build --release --locked --workspace --bins
[ $failed = 0 ] || fail 'it does not build'
target="${CARGO_TARGET_DIR:-target}/release"
STELLA=$(realpath "$target/stella")
STELLA_SERVER_PROGRAM=$(realpath "$target/stella-server")
export STELLA STELLA_SERVER_PROGRAM

peak_memory() { # LAYOUT
    # Any verdict will do; what counts is that it came to one within 200 MiB.
    status=0
    /usr/bin/time -f %M -o "$work/peak" env XDG_CACHE_HOME="$work/cache" \
        "$STELLA" gate "oci:$1" --advisories "$work/advisories" -o "json=$work/big.json" || status=$?
    # GNU time says first when a command did not end with 0; the figure is its last line.
    peak_kib=$(tail -n 1 "$work/peak")
    say "peak memory $peak_kib KiB, exit code $status"
    [ "$status" -le 1 ] && [ "$peak_kib" -lt 204800 ]
}

engine_export() { # LAYOUT
    image=stella-perf/engine:1
    skopeo copy --quiet --insecure-policy "oci:$1" "docker-archive:$work/engine.tar:$image" || return 1
    docker load --quiet --input "$work/engine.tar" || return 1
    status=0
    "$target/stella-perf" engine --stella "$STELLA" --image "$image" --samples 10 \
        --gate-argument=--advisories "--gate-argument=$work/advisories" || status=$?
    docker rmi --force "$image" >/dev/null
    return $status
}

performance_harness() {
    # With 1, the gates' many runs in a row too.
    long=0
    [ $full = no ] || long=1
    STELLA_PERF_BUILT="$target" STELLA_TEST_FULL=$long python3 -m unittest discover --start-directory tests/perf
}

static_program() {
    triple=$(rustc -vV | sed -n 's/^host: //p')
    ./dist.sh "$triple" || return 1
    STELLA_STATIC=$(realpath "${CARGO_TARGET_DIR:-target}/$triple/dist/stella")
    export STELLA_STATIC
}

benchmark() {
    # Real feeds beside the seeded ones, where they are.
    data="${STELLA_SHARED:-$PWD/../shared}/data"
    if [ ! -d "$data" ]; then data="${STELLA_PERF_FEEDS:-}"; fi
    STELLA_PERF_BUILT="$target" perf/run.sh --out "$work/bench-artifacts" ${data:+--feeds "$data"}
}

overlay() {
    # In a mount namespace of its own, so that nothing stays mounted whatever happens.
    stacks=4000
    [ $full = no ] || stacks=10000
    cargo test --release --locked --workspace --test overlay \
        --config "target.'cfg(unix)'.runner = '$root env STELLA_TEST_OVERLAY_STACKS=$stacks unshare --mount'" \
        -- --nocapture
}

pypi() {
    python3 -m venv "$work/pypi" &&
        "$work/pypi/bin/pip" download --quiet --disable-pip-version-check --no-deps --dest "$work/pypi" wheel
}

# Cases of other projects, with a line for each that is not held.
cases() {
    # Of the whole workspace: of one package alone, cargo would build everything again with that package's features.
    cargo test --release --locked --workspace --test versions --test parsers --test systems --test archives \
        --test executables --test sboms --test goldens -- --nocapture
}

for data in version-osv-scalibr extract-trivy-parsers osdb-trivy osrelease-syft sbom-trivy image-trivy \
    e2e-trivy-integration schemas; do
    [ -e "${STELLA_SHARED:-../shared}/suites/$data.tar.zst" ] || skip "$data" 'its vectors are not beside this checkout'
done
[ -d "${STELLA_SHARED:-../shared}/data" ] || skip real-advisories 'their packs are not beside this checkout (../shared/data)'
for tool in python npm promtool; do
    # The tests that need it say so too, and are skipped.
    why=$(python3 tests/validators/fetched.py $tool 2>&1) || skip "validators-$tool" "$why"
done
# These two wait more than they compute, and what they run is built: the tests are built meanwhile, of what they leave.
start tests-build nice -n 19 cargo test --release --locked --workspace --no-run
start validators python3 -m unittest discover --start-directory tests/validators
suite end-to-end python3 -m unittest discover --start-directory tests/e2e
join
suite unit-and-program cargo test --release --locked --workspace
suite cases cases
if [ "$root" = none ]; then
    skip merging-equals-the-kernel 'mounting takes root'
else
    suite merging-equals-the-kernel overlay
fi
if [ $full = yes ]; then
    # What is shipped, for the image's tests; it is slow to build.
    suite static-program static_program
    # Without it the pipelines say that they skip it.
    why=$(python3 tests/ci/buildkit.py 2>&1) || skip buildkit "$why"
else
    skip image 'its static program takes minutes to build: --full'
fi
start pipelines python3 -m unittest discover --start-directory tests/ci
suite odd-images python3 tests/odd/run.py --stella "$STELLA" --engine
suite registry python3 -m unittest discover --start-directory tests/registry
suite ground-truth python3 -m unittest discover --start-directory tests/truth
join
suite performance-harness performance_harness

if [ $full = yes ]; then
    images="${STELLA_TEST_IMAGES:-}"
    if [ -z "$images" ] && [ -x ../shared/images/make-images.sh ]; then
        say 'making big images; this takes a quarter of an hour'
        images="$work/images"
        if ! ROOT="$images" ../shared/images/make-images.sh base py_ctx apps py rpm big export odd >"$work/images.log" 2>&1; then
            tail -n 5 "$work/images.log" >&2
            images=''
        fi
    fi
    suite import "$STELLA" feeds import tests/fixtures/advisories --advisories "$work/advisories"
    suite benchmark benchmark
    if pypi; then
        suite peers perf/peers.sh --install --samples 3
    else
        skip peers 'no PyPI to get Syft and Trivy from'
    fi
    if [ -n "$images" ]; then
        suite engine-export engine_export "$images/oci/py-v1"
        suite peak-memory peak_memory "$images/oci/big-toolchain"
        suite ground-truth-images env STELLA_TEST_IMAGES="$images" python3 tests/truth/images.py
        if [ -x "${CARGO_TARGET_DIR:-target}/peers/bin/python3" ]; then
            suite peer-counts python3 tests/truth/peers.py "$images"
        else
            skip peer-counts 'no Syft and Trivy'
        fi
    else
        suite seeded-images "$target/stella-perf" images --out "$work/seeded"
        suite engine-export engine_export "$work/seeded/delta-v1"
        for name in peak-memory ground-truth-images peer-counts; do
            skip $name 'it takes big real images: set STELLA_TEST_IMAGES'
        done
    fi
fi

say "$passed passed, $failed failed, $skipped skipped${failures:+ (failed:$failures)}"
[ $failed = 0 ]
