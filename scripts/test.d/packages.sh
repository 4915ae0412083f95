# What scripts/test.d/packaging.sh wants of the Debian package. Sourced, not run.

# Of the program in the image, so that it is built once and asks for Debian 12's C library.
make_package() {
    local container
    container=$(buildah_here from "$image")
    cp "$(buildah_here mount "$container")/usr/bin/outrigger" "$work/outrigger"
    buildah_here rm "$container" >/dev/null
    rm -rf "$target/debian"
    scripts/package deb --binary "$work/outrigger"
    cp -r "$target/debian" "$work/debian"
    dpkg-deb --info "$work"/debian/*.deb
    dpkg-deb --contents "$work"/debian/*.deb
    detail="$(($(stat --format %s "$work"/debian/*.deb) / 1000)) kB"
}

on_debian() { podman_here exec debian "$@"; }

# What is on that machine, with modes, owners and contents; without logs, caches and what systemd notes for itself.
files() {
    on_debian sh -c '
        set -- / -xdev \( -path /proc -o -path /sys -o -path /dev -o -path /run -o -path /tmp -o -path /var/tmp -o -path /package \
            -o -path /var/log/journal -o -path /var/log/wtmp -o -path /var/log/dpkg.log -o -path /var/cache/man \
            -o -path "/var/cache/ldconfig/*" -o -path "/var/lib/dpkg/*-old" -o -path "/var/lib/dpkg/lock*" \
            -o -path "/var/lib/systemd/*" -o -path /etc/machine-id \) -prune -o
        find "$@" -printf "%p %y %m %U:%G %l\n"
        find "$@" -type f -print0 | xargs -0 sha256sum' | sort
}

package_is_installed() {
    run_container --detach --name debian --systemd always --cgroupns private --volume "$work/debian:/package:ro" \
        localhost/debian-systemd /sbin/init
    await 60 on_debian systemctl is-system-running --wait
    files >"$work/files.before"
    on_debian sh -c 'dpkg --install /package/*.deb'
    on_debian systemctl --no-pager status outrigger
    on_debian systemctl is-enabled outrigger
    on_debian systemd-analyze verify outrigger.service
    on_debian sh -c 'man --pager=cat outrigger | head -n 20 | grep outrigger'
    on_debian bash -c '. /usr/share/bash-completion/completions/outrigger'
    detail=$(on_debian outrigger --version)
    # One Pod of each kind: of the folder, and of the API.
    podman_here cp scripts/test.d/staying.yaml debian:/etc/outrigger/manifests/staying.yaml
    sed 's/name: staying/name: applied/' scripts/test.d/staying.yaml | podman_here exec --interactive debian outrigger apply -f -
    await 60 pod_runs on_debian outrigger staying
    await 60 pod_runs on_debian outrigger applied
}

shims() { on_debian sh -c 'grep -lx outrigger-shim /proc/[0-9]*/comm || true' | sort; }

package_is_upgraded() {
    local before daemon
    before=$(shims) daemon=$(on_debian systemctl show --property MainPID outrigger)
    [ "$(wc -l <<<"$before")" = 2 ]
    on_debian sh -c 'dpkg --install /package/*.deb'
    on_debian systemctl is-active outrigger
    [ "$daemon" != "$(on_debian systemctl show --property MainPID outrigger)" ]
    [ "$before" = "$(shims)" ]
    await 30 pod_runs on_debian outrigger staying
    await 30 pod_runs on_debian outrigger applied
}

package_is_removed() {
    on_debian dpkg --remove outrigger
    [ -z "$(shims)" ]
    # The manifests are settings, and stay until the purge.
    on_debian test -e /etc/outrigger/manifests/staying.yaml
    on_debian test ! -e /run/outrigger
}

package_is_purged() {
    on_debian dpkg --purge outrigger
    files >"$work/files.after"
    diff "$work/files.before" "$work/files.after"
    [ "$(on_debian systemctl is-system-running)" = running ]
    podman_here rm --force --time 10 --volumes debian
}

without_systemd() {
    run_container --detach --name debian --volume "$work/debian:/package:ro" localhost/debian-systemd sleep infinity
    files >"$work/files.before"
    on_debian sh -c 'dpkg --install /package/*.deb'
    podman_here exec --interactive debian outrigger check - <scripts/test.d/staying.yaml
    on_debian dpkg --purge outrigger
    files >"$work/files.after"
    diff "$work/files.before" "$work/files.after"
    podman_here rm --force --time 0 --volumes debian
}
