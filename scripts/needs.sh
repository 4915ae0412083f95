# What the scripts need of a machine, and how they get it. Sourced, not run.

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }

need() { # COMMAND REMEDY
    command -v "$1" >/dev/null || { echo "$(basename "$0"): $1 is missing: install $2" >&2; exit 1; }
}

need_package() { # COMMAND PACKAGE…
    local command=$1
    shift
    command -v "$command" >/dev/null && return
    echo "$(basename "$0"): installing $* (for $command)" >&2
    as_root apt-get update -qq
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}
