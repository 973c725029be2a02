# shellcheck shell=bash
# What the client kits share. Sourced by their run scripts, never run.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)

# Where a kit generates and installs; nothing is installed into the system.
work=${CLIENTS_DIR:-$root/target/clients}

# missing WHAT: this machine can not run the kit. Code 3 tells it from a kit that failed.
missing() {
    printf 'skipped: %s is missing\n' "$*" >&2
    exit 3
}

# choose [discharge [PREFIX]]: which example to run, and what to give it.
choose() {
    example=first arguments=("${@:2}")
    case ${1:-} in
        '') ;;
        discharge) example=discharge ;;
        *) echo "usage: run, or run discharge [PREFIX of the request id, such as SBX-LOST-]" >&2; exit 64 ;;
    esac
}

have() { command -v "$1" >/dev/null 2>&1; }

# Where the sandbox is, as it told: `onestop sandbox` leaves this file.
sandbox=/var/tmp/onestop-sandbox
[[ $(id -u) == 0 ]] || sandbox+=-$(id -u)
env=${SANDBOX_ENV:-$sandbox/env}
[[ -r $env ]] || { printf 'no sandbox: start one with "onestop sandbox" (looked for %s)\n' "$env" >&2; exit 1; }
# shellcheck disable=SC1090
source "$env"
