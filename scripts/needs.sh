# What the scripts need of a machine, and how they get it. Sourced, not run.

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }

need() { # COMMAND REMEDY
    command -v "$1" >/dev/null || { echo "$(basename "$0"): $1 is missing: install $2" >&2; exit 1; }
}

# libseccomp's archive, which the program is linked with. The compiler says only the name of an archive that it has not got.
need_libseccomp() {
    [ -z "${LIBSECCOMP_LIB_PATH:-}" ] || return 0
    case $(cc -print-file-name=libseccomp.a) in /*) return 0 ;; esac
    echo "$(basename "$0"): installing libseccomp-dev" >&2
    as_root apt-get update -qq
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends libseccomp-dev >/dev/null
}

need_package() { # COMMAND PACKAGE…
    local command=$1
    shift
    command -v "$command" >/dev/null && return
    echo "$(basename "$0"): installing $* (for $command)" >&2
    as_root apt-get update -qq
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}
