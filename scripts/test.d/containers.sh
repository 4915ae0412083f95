# How scripts/test.d/packaging.sh runs podman and buildah, and what it wants of the image. Sourced, not run.

# A store of our own; /run is the namespace's, so that nothing of theirs stays on the machine.
prepare_containers() {
    mount -t tmpfs tmpfs /run
    mkdir -p "$work/tmp"
    export TMPDIR=$work/tmp CONTAINERS_CONF=$work/containers.conf
    cat >"$CONTAINERS_CONF" <<-'END'
		[containers]
		# Without CAP_SYS_RESOURCE podman may not raise what it raises otherwise.
		default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
		[engine]
		events_logger = "none"
		lock_type = "file"
	END
    store=(--root "$work/store" --runroot "$work/run" --storage-driver "$(storage_driver)")
}

# Where the working copy lies on an overlay itself, whole copies must do.
storage_driver() {
    local try=$work/try
    mkdir -p "$try"/{lower,upper,work,merged}
    if mount -t overlay overlay -o "lowerdir=$try/lower,upperdir=$try/upper,workdir=$try/work" "$try/merged" 2>/dev/null; then
        umount "$try/merged"
        echo overlay
    else
        echo vfs
    fi
}

podman_here() { podman "${store[@]}" --tmpdir "$work/libpod" --cgroup-manager cgroupfs --runtime runc "$@"; }
buildah_here() { buildah "${store[@]}" "$@"; }

run_container() { # OPTION… IMAGE ARGUMENT…
    podman_here run --privileged --network none --cgroup-parent "$group" "$@"
}

end_containers() {
    podman_here rm --all --force --time 5 >/dev/null || true
    buildah_here rm --all >/dev/null || true
}

# What can be known of the containers that something went wrong in.
tell_containers() {
    local name
    podman_here ps --all
    for name in $(podman_here ps --all --format '{{.Names}}'); do
        podman_here logs --tail 40 "$name"
        podman_here exec "$name" journalctl --no-pager --lines 40 --unit outrigger || true
    done
}

await() { # SECONDS COMMAND…: tries until it succeeds, and shows the last try
    local end=$((SECONDS + $1 * ${OUTRIGGER_TIME_SCALE:-1}))
    shift
    until "$@" >"$work/try.log" 2>&1; do
        [ $SECONDS -lt $end ] || { cat "$work/try.log" && echo "in vain: $*" && return 1; }
        sleep 0.2
    done
    cat "$work/try.log"
}

# debian:bookworm-slim and rust:1-slim-bookworm as their makers make them, but that Rust is mounted when it is used: it is
# as large as everything else together. The third is a whole Debian with systemd.
make_bases() {
    local one made=()
    base debian "" /usr/share/man &
    made+=($!)
    base rust gcc,libc6-dev,ca-certificates,libseccomp-dev /usr/share/man &
    made+=($!)
    base systemd systemd,systemd-sysv,dbus,man-db /usr/share/locale &
    made+=($!)
    for one in "${made[@]}"; do wait "$one"; done
    import debian docker.io/library/debian:bookworm-slim
    import rust docker.io/library/rust:1-slim-bookworm --change ENV=CARGO_HOME=/usr/local/cargo \
        --change ENV=PATH=/usr/local/rust/bin:/usr/sbin:/usr/bin:/sbin:/bin
    import systemd localhost/debian-systemd
}

base() { # NAME PACKAGES WITHOUT
    mmdebstrap --quiet --variant=minbase ${2:+"--include=$2"} --dpkgopt='path-exclude=/usr/share/doc/*' \
        --dpkgopt="path-exclude=$3/*" bookworm "$work/$1.tar"
}

import() { # NAME IMAGE OPTION…
    podman_here import --quiet "${@:3}" "$work/$1.tar" "$2"
    rm "$work/$1.tar"
}

# The crates that cargo has fetched for this machine's own build are not fetched again.
build_image() {
    local cargo_home=${CARGO_HOME:-$HOME/.cargo} certificates=/etc/ssl/certs/ca-certificates.crt
    mkdir -p "$cargo_home/registry"
    buildah_here build --isolation chroot --network host --pull-never --tag "$image" \
        --volume "$(rustc --print sysroot):/usr/local/rust:ro" --volume "$cargo_home/registry:/usr/local/cargo/registry" \
        --volume "$certificates:$certificates:ro" .
    detail="$(megabytes "$image") with Debian, whose part is $(megabytes docker.io/library/debian:bookworm-slim)"
}

megabytes() { echo $(($(podman_here image inspect --format '{{.Size}}' "$1") / 1000000)) MB; }

image_runs_example() {
    local said
    said=$(run_container --rm --cgroupns host --volume "$PWD/examples:/examples:ro" "$image" run /examples/sidecars.yaml 2>&1)
    echo "$said"
    grep -q "Succeeded: every main container exited with 0" <<<"$said"
}

# As docs/installing.md says it.
image_runs_daemon() {
    run_container --detach --name daemon --init --cgroupns host --volume "$PWD/scripts/test.d:/pods:ro" "$image" daemon
    await 30 in_daemon get pods
    in_daemon apply -f /pods/staying.yaml
    await 60 pod_runs in_daemon staying
    in_daemon delete pod staying
    podman_here stop --time 20 daemon
    podman_here logs daemon
    [ "$(podman_here inspect --format '{{.State.ExitCode}}' daemon)" = 0 ]
    podman_here rm --volumes daemon
}

in_daemon() { podman_here exec daemon outrigger "$@"; }

pod_runs() { # HOW… NAME: whether `HOW… get pod NAME` says so
    "${@:1:$#-1}" get pod "${!#}" --no-headers | tee /dev/stderr | grep -q ' Running '
}
