# The three steps of scripts/in-vm: what must be installed, the kernel with its initramfs, the machine. Sourced, not run.

cache=${XDG_CACHE_HOME:-$HOME/.cache}/outrigger-vm

# shellcheck source=scripts/needs.sh
. "$here/../needs.sh"

install_what_lacks() {
    local lacking=()
    command -v qemu-system-x86_64 >/dev/null || lacking+=(qemu-system-x86)
    [ -x /bin/busybox ] || lacking+=(busybox-static)
    [ ${#lacking[@]} = 0 ] && return
    echo "in-vm: installing ${lacking[*]}" >&2
    as_root apt-get update -qq >&2
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${lacking[@]}" >/dev/null
}

# The distribution's kernel, downloaded and unpacked but not installed. The name of the newest one is a dependency of a
# metapackage; Ubuntu keeps the modules in a package of their own.
kernel_packages() {
    local meta
    for meta in linux-image-amd64 linux-image-virtual; do
        apt-cache depends --recurse --no-recommends --no-suggests --no-conflicts --no-breaks --no-replaces --no-enhances \
            "$meta" 2>/dev/null | grep -oE '^(linux-image|linux-modules)-[0-9][^ ]*' | sort -u && return
    done
    echo "in-vm: no kernel package is known to apt on this machine" >&2
    return 1
}

prepare_kernel() {
    [ -e "$cache/ready" ] || fetch_kernel
    # The initramfs is ours, and the one in the cache may be of another version of us.
    cmp -s "$here/init" "$cache/initramfs/init" && return
    rm -rf "$cache/initramfs"
    make_initramfs "$cache" "$(basename "$cache"/kernel/lib/modules/*)"
}

fetch_kernel() {
    echo "in-vm: fetching a kernel into $cache (once)" >&2
    [ -n "$(kernel_packages 2>/dev/null)" ] || as_root apt-get update -qq >&2
    local packages
    packages=$(kernel_packages)
    rm -rf "$cache.new" && mkdir -p "$cache.new/packages" "$cache.new/kernel"
    # shellcheck disable=SC2086 # one word a package
    (cd "$cache.new/packages" && apt-get download -qq $packages 2>&1 | { grep -v unsandboxed >&2 || true; })
    local file
    for file in "$cache.new"/packages/*.deb; do dpkg-deb -x "$file" "$cache.new/kernel"; done
    [ -d "$cache.new/kernel/lib/modules" ] || mv "$cache.new/kernel/usr/lib/modules" "$cache.new/kernel/lib/modules"
    local version
    version=$(basename "$cache.new"/kernel/lib/modules/*)
    busybox depmod -b "$cache.new/kernel" "$version"
    rm -rf "$cache.new/packages"
    touch "$cache.new/ready"
    rm -rf "$cache" && mv "$cache.new" "$cache"
}

# busybox, our init and the few modules that reach the shared root; everything else is loaded from there.
make_initramfs() {
    local target=$1 version=$2 root=$1/initramfs name path
    mkdir -p "$root"/{bin,modules,proc,sys,dev,newroot}
    cp "$(command -v busybox)" "$root/bin/busybox"
    cp "$here/init" "$root/init" && chmod +x "$root/init"
    # In the order of loading: a module stands behind those it needs.
    for name in virtio_ring virtio virtio_pci_modern_dev virtio_pci_legacy_dev virtio_pci virtio_console netfs fscache \
        9pnet 9pnet_virtio 9p overlay; do
        path=$(find "$target/kernel/lib/modules/$version" -name "$name.ko*" | head -1)
        [ -z "$path" ] && continue # built into this kernel
        case $path in
            *.xz) xz -dc "$path" >"$root/modules/$name.ko" ;;
            *.zst) zstd -qdc "$path" >"$root/modules/$name.ko" ;;
            *) cp "$path" "$root/modules/$name.ko" ;;
        esac
        echo "$name" >>"$root/modules/order"
    done
    (cd "$root" && find . | busybox cpio -o -H newc 2>/dev/null | gzip -1 >"$target/initrd.gz")
}

share() { # TAG PATH [OPTIONS]
    machine+=(-virtfs "local,path=$2,mount_tag=$1,security_model=none,multidevs=remap${3:-}")
}

run_machine() {
    local machine index=0 directory status=0
    control=$(mktemp -d) # not local: the trap outlives this function
    trap 'rm -rf "$control"' EXIT
    machine=(-accel tcg,thread=multi,tb-size=512 -cpu max,la57=off -M q35 -smp 2 -m "$memory_mb" -nodefaults -no-user-config
        -display none -no-reboot -serial "file:$control/console" -chardev stdio,id=out,signal=on
        -device virtio-serial-pci -device virtconsole,chardev=out
        -kernel "$(ls "$cache"/kernel/boot/vmlinuz-*)" -initrd "$cache/initrd.gz"
        # Without address randomisation TCG keeps its translations from one exec to the next: four times as fast.
        -append "console=ttyS0 panic=-1 quiet mitigations=off norandmaps nokaslr init_on_alloc=0")
    share root / ,readonly=on
    share modules "$cache/kernel/lib/modules" ,readonly=on
    share control "$control"
    printf 'export HOME=%q PATH=%q OUTRIGGER_IN_VM=1\n' "$HOME" "$PATH" >"$control/run"
    env | grep -E '^(OUTRIGGER_|RUST_|NO_COLOR)' | sed -E "s/'/'\\\\''/g; s/^([^=]+)=(.*)$/export \1='\2'/" >>"$control/run"
    for directory in ${writable[@]+"${writable[@]}"}; do
        share "writable$index" "$directory"
        printf 'writable writable%d %q\n' "$index" "$directory" >>"$control/run"
        index=$((index + 1))
    done
    printf '%s\n' "$PWD" ${CARGO_TARGET_DIR:+"$(realpath -m "$CARGO_TARGET_DIR")"} >"$control/needed"
    { printf 'cd %q\n' "$PWD"; printf '%q ' "$@"; printf '\n'; } >>"$control/run"
    cp "$here/guest" "$control/guest"
    timeout "$limit_s" qemu-system-x86_64 "${machine[@]}" </dev/null || status=$?
    if [ -s "$control/status" ]; then return "$(cat "$control/status")"; fi
    [ $status = 124 ] && { echo "in-vm: the command took longer than $limit_s s" >&2; return 124; }
    cat "$control/console" >&2
    echo "in-vm: the machine ended without a result" >&2
    return 125
}
