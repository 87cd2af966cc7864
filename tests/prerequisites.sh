#!/usr/bin/env bash
# Checks for what a make target needs and installs what is missing.
#
# usage: prerequisites.sh GROUP...     groups: build, test, bench, inspection, fuzz
#
# Where apt-get is there it installs (with sudo when not root); elsewhere it says what to install. It is silent when
# nothing is missing, touches nothing that is there, and never upgrades.
set -eu -o pipefail

missing=()      # Debian package names
commands=()     # the commands they bring
files=()        # and the files

need() { # COMMAND PACKAGE
    command -v "$1" >/dev/null 2>&1 && return
    commands+=("$1")
    missing+=("$2")
}

# For what brings no command: a file that it brings.
need_file() { # FILE PACKAGE
    [ -e "$1" ] && return
    files+=("$1")
    missing+=("$2")
}

need_rust() {
    if ! command -v cargo >/dev/null 2>&1; then
        echo "cargo is missing: install Rust from https://rustup.rs (rust-toolchain.toml names the release)" >&2
        exit 1
    fi
}

need_fuzzer() {
    command -v cargo-fuzz >/dev/null 2>&1 && return
    echo "installing cargo-fuzz" >&2
    cargo install --locked --quiet cargo-fuzz
}

install_missing() {
    [ "${#missing[@]}" -eq 0 ] && return
    echo "missing: ${commands[*]} ${files[*]}" >&2
    if ! command -v apt-get >/dev/null 2>&1; then
        echo "install them and try again, for example:" >&2
        echo "  brew install ${missing[*]}     or     dnf install ${missing[*]}" >&2
        echo "(names of packages may differ; these are Debian's)" >&2
        exit 1
    fi
    local root=()
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null 2>&1 || { echo "as root: apt-get install ${missing[*]}" >&2; exit 1; }
        root=(sudo)
    fi
    echo "installing with apt-get: ${missing[*]}" >&2
    # The lists of a fresh machine are empty or old; an update that fails on one source may still have found the rest.
    "${root[@]}" apt-get update -qq || true
    "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >&2
    local command file
    for command in "${commands[@]}"; do
        command -v "$command" >/dev/null 2>&1 || { echo "$command is still missing" >&2; exit 1; }
    done
    for file in "${files[@]}"; do
        [ -e "$file" ] || { echo "$file is still missing" >&2; exit 1; }
    done
}

for group in "$@"; do
    case "$group" in
        # libz-ng-sys wants cmake and a C compiler, SQLite and mimalloc the compiler.
        build) need_rust; need cc gcc; need make make; need cmake cmake ;;
        test) need curl curl; need redis-server redis-server ;;
        bench) need wrk wrk; need curl curl; need redis-server redis-server ;;
        inspection)
            need wrk wrk; need curl curl; need cc gcc; need c++ g++; need python3 python3
            need_file /usr/include/modsecurity/modsecurity.h libmodsecurity-dev
            need_file /usr/sbin/nginx nginx
            need_file /usr/lib/nginx/modules/ngx_http_modsecurity_module.so libnginx-mod-http-modsecurity
            ;;
        fuzz) need c++ g++; need_rust; need_fuzzer ;;
        *) echo "prerequisites.sh: no group $group" >&2; exit 2 ;;
    esac
done
install_missing
