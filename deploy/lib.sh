# shellcheck shell=bash
# What deploy/test, deploy/demo and .ci/run share. Sourced, never run.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

say() { printf '\n== %s\n' "$*" >&2; }

die() {
    printf 'deploy: %s\n' "$*" >&2
    exit 1
}

have() { command -v "$1" >/dev/null 2>&1; }

# As root, whoever we are.
as_root() {
    if [[ $(id -u) == 0 ]]; then
        "$@"
    elif have sudo; then
        sudo "$@"
    else
        die "this needs root and sudo is missing; run as root: $*"
    fi
}

have_postgres() { have postgres || compgen -G '/usr/lib/postgresql/*/bin/postgres' >/dev/null; }

# Installs what is missing of PostgreSQL, Python, a C compiler (ring and mimalloc are C) and certificates. Asks the network for
# nothing when nothing is missing. Further packages that are, are its arguments.
install_missing() {
    local missing=()
    have_postgres || missing+=(postgresql)
    have python3 || missing+=(python3)
    have cc || missing+=(gcc libc6-dev)
    [[ -e /etc/ssl/certs/ca-certificates.crt || -e /etc/pki/tls/certs/ca-bundle.crt ]] || missing+=(ca-certificates)
    missing+=("$@")
    if ((${#missing[@]} > 0)); then
        have apt-get || die "install ${missing[*]} first; this is not a Debian, so it is not done for you"
        say "installing ${missing[*]}"
        as_root apt-get update -q
        # The release that is tested most, where the distribution has it.
        if [[ ${missing[0]} == postgresql ]] && apt-cache show postgresql-15 >/dev/null 2>&1; then
            missing[0]=postgresql-15
        fi
        keep_debian_from_starting_a_cluster
        as_root env DEBIAN_FRONTEND=noninteractive UCF_FORCE_CONFFOLD=1 apt-get install -qy --no-install-recommends \
            -o Dpkg::Options::=--force-confold "${missing[@]}"
        have_postgres || die "PostgreSQL was installed, and its programs are nowhere to be found"
    fi
}

# The package would make and start a cluster of its own; we bring our own, private one.
keep_debian_from_starting_a_cluster() {
    local file=/etc/postgresql-common/createcluster.conf
    if [[ ! -e $file ]]; then
        as_root mkdir -p "${file%/*}"
        as_root sh -c "echo 'create_main_cluster = false' >$file"
    fi
}

need_rust() {
    if ! have cargo && [[ -r $HOME/.cargo/env ]]; then
        # shellcheck disable=SC1091
        source "$HOME/.cargo/env"
    fi
    have cargo || die "no Rust toolchain: see https://rustup.rs"
}

# Formatter and linter, which a minimal toolchain lacks.
need_rust_components() {
    local tool
    for tool in fmt:rustfmt clippy:clippy; do
        cargo "${tool%:*}" --version >/dev/null 2>&1 && continue
        have rustup || die "cargo ${tool%:*} is missing and so is rustup; install ${tool#*:}"
        rustup component add "${tool#*:}"
    done
}

# Puts a cargo-deny of one version outside the checkout, where it is kept for the next run, and names it in $cargo_deny. From its
# source: what package registries hold of it as a program is not by its makers. Four minutes once, on two cores.
need_cargo_deny() {
    local version=0.20.2
    local folder=${XDG_CACHE_HOME:-$HOME/.cache}/onestop-tools/cargo-deny-$version
    cargo_deny=$folder/bin/cargo-deny
    [[ -x $cargo_deny ]] && return
    say "installing cargo-deny $version"
    # Built beside nothing of ours, and what it was built from is not kept.
    local build
    build=$(mktemp -d)
    cargo install --quiet --locked cargo-deny --version "$version" --root "$folder" --target-dir "$build" || true
    rm -rf "$build"
    [[ -x $cargo_deny ]]
}

# Where cargo builds. In CI a folder outside the checkout, so that the next checkout finds the dependencies built.
choose_target() {
    if [[ -z ${CARGO_TARGET_DIR:-} && ${CI:-} == true && -n ${XDG_CACHE_HOME:-}${HOME:-} ]]; then
        local shared=${XDG_CACHE_HOME:-$HOME/.cache}/onestop-target
        if mkdir -p "$shared" 2>/dev/null && [[ -w $shared ]]; then
            export CARGO_TARGET_DIR=$shared
        fi
    fi
    target=${CARGO_TARGET_DIR:-$root/target}
    [[ $target == /* ]] || target=$root/$target
}

port_taken() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# The port asked for, or the next free one above it.
free_port() {
    local port=$1
    while port_taken "$port"; do
        port=$((port + 1))
        ((port < $1 + 200)) || die "no free port from $1 on"
    done
    echo "$port"
}

# Prints the answer of a GET on this machine; no curl needed.
http_get() {
    local port=$1 path=$2
    (
        exec 3<>"/dev/tcp/127.0.0.1/$port" || exit 1
        printf 'GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n' "$path" >&3
        cat <&3
    ) 2>/dev/null
}
