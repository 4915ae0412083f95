#!/usr/bin/env bash
# Builds the image of the Dockerfile and the Debian package, and uses both as somebody does who has just got them: the image
# runs an example and the daemon, the package is installed, upgraded, removed and purged on a Debian with systemd.
#
#   scripts/test.d/packaging.sh RESULTS        as root; a line a check goes to RESULTS, everything else to the log
#
# No container registry is asked: the images that the Dockerfile names are made here from Debian's packages, and Rust is this
# machine's. Everything lies in target/packaging and in a mount namespace of its own, and is gone afterwards;
# the package stays in target/debian.
set -euo pipefail
cd "$(dirname "$0")/../.."
target=$(realpath "${CARGO_TARGET_DIR:-target}")
work=$target/packaging
group=/outrigger-packaging
image=localhost/outrigger:packaging

if [ "${2:-}" != inside ]; then
    # Left by a run that was killed; its mounts went with its namespace.
    rm -rf --one-file-system "$work" && mkdir -p "$work"
    status=0
    unshare --mount --propagation private bash "$0" "$1" inside || status=$?
    # What podman makes above the containers' own groups stays otherwise.
    for tree in /sys/fs/cgroup /sys/fs/cgroup/*/; do
        [ ! -d "${tree%/}$group" ] || find "${tree%/}$group" -depth -type d -exec rmdir {} + || status=1
    done
    grep -q " $work/" /proc/self/mountinfo || rm -rf --one-file-system "$work"
    [ ! -e "$work" ] || { echo "packaging: something is left in $work" >&2 && status=1; }
    exit $status
fi

results=$1
: >"$results"
# shellcheck source=scripts/test.d/packages.sh
. scripts/test.d/packages.sh
# shellcheck source=scripts/test.d/removals.sh
. scripts/test.d/removals.sh
# shellcheck source=scripts/test.d/containers.sh
. scripts/test.d/containers.sh

# Says how it went. What comes after a failure is left out, for it would only fail for the same reason.
check() { # NAME COMMAND…
    local start=$SECONDS
    checked=$1 detail=
    shift
    echo "== $checked"
    trap 'tell_failure; end_containers' EXIT
    "$@"
    trap end_containers EXIT
    echo "passed $checked in $((SECONDS - start)) s${detail:+: $detail}" >>"$results"
}

tell_failure() {
    echo "FAILED $checked" >>"$results"
    tell_containers || true
}

check "a removal that cannot end the Pods is refused" removals_are_refused
prepare_containers
check "the images that the Dockerfile names, made of Debian's packages" make_bases
check "the Dockerfile builds" build_image
check "the image runs an example" image_runs_example
check "the image runs the daemon, and a Pod in it" image_runs_daemon
check "the Debian package" make_package
check "systemd starts the service when the package is installed" package_is_installed
check "an upgrade leaves Pods running" package_is_upgraded
check "a removal ends the Pods" package_is_removed
check "a purge leaves no trace" package_is_purged
check "a machine without systemd installs and purges the package too" without_systemd
