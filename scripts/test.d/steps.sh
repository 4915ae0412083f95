# The steps of scripts/test. Sourced, not run.

logs=${CARGO_TARGET_DIR:-target}/test-logs
loops=${OUTRIGGER_LOOPS:-0.05}
list=$logs/programs # a line for each test program: name, directory to run it in, file

# shellcheck source=scripts/needs.sh
. scripts/needs.sh

begin() {
    mkdir -p "$logs"
    began=$SECONDS passed=0 failed=0
    trap '[ "$BASHPID" != $$ ] || say "interrupted" ' INT
}

say() { printf '%4d s  %s\n' $((SECONDS - began)) "$*"; }

install_what_lacks() {
    local lacking=() tool
    for tool in gcc python3 ip:iproute2 unshare:util-linux busybox:busybox-static; do
        command -v "${tool%%:*}" >/dev/null || lacking+=("${tool##*:}")
    done
    # What people run in containers, to see it run under the default seccomp profile; runc stands for what is written in Go.
    for tool in perl runc node:nodejs java:default-jre-headless psql:postgresql; do
        command -v "${tool%%:*}" >/dev/null || lacking+=("${tool##*:}")
    done
    if [ $with_packaging = yes ]; then
        for tool in mmdebstrap buildah podman runc catatonit dpkg-shlibdeps:dpkg-dev; do
            command -v "${tool%%:*}" >/dev/null || lacking+=("${tool##*:}")
        done
        # Of its packages mmdebstrap wants the signature, on an Ubuntu too.
        [ -e /usr/share/keyrings/debian-archive-keyring.gpg ] || lacking+=(debian-archive-keyring)
    fi
    [ $with_vm = no ] || command -v qemu-system-x86_64 >/dev/null || lacking+=(qemu-system-x86)
    case $(cc -print-file-name=libseccomp.a 2>/dev/null) in /*) ;; *) lacking+=(libseccomp-dev) ;; esac
    if [ ${#lacking[@]} != 0 ]; then
        say "installing ${lacking[*]}"
        as_root apt-get update -qq
        as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${lacking[@]}" >/dev/null
    fi
    if ! command -v cargo >/dev/null; then
        say "there is no cargo: install Rust $(sed -n 's/^rust-version = //p' Cargo.toml) or newer, with rustfmt and clippy"
        exit 2
    fi
    # The Python client is one of those that are tested.
    if [ ! -x target/python/bin/python ] || ! target/python/bin/python -c "import kubernetes" 2>/dev/null; then
        say "installing the Python package kubernetes into target/python"
        { python3 -m venv target/python && target/python/bin/pip install --quiet kubernetes; } || say "that failed: its test cannot run"
    fi
    for tool in rustfmt clippy; do
        cargo "${tool/rustfmt/fmt}" --version >/dev/null 2>&1 || { say "installing $tool" && rustup component add "$tool"; }
    done
}

# One thing that passes or fails as a whole.
step() { # NAME COMMAND…
    local name=$1 start=$SECONDS log
    log=$logs/$(tr -c 'a-z0-9\n' - <<<"$name")
    shift
    say "$name …"
    if "$@" >"$log" 2>&1; then
        passed=$((passed + 1))
        say "$name: passed in $((SECONDS - start)) s"
    else
        failed=$((failed + 1))
        tail -n 60 "$log" | sed 's/^/        /'
        say "$name: FAILED after $((SECONDS - start)) s; all of it: $log"
        [ "$name" != "build the tests" ] || finish
    fi
}

# Once for both places: the virtual machine sees these very files.
build_tests() {
    # `set -e` is off in what `if` asks for, as `step` does: each failure returns by itself.
    cargo test --quiet --workspace --no-run --message-format=json-render-diagnostics >"$logs/cargo.json" || return
    python3 scripts/test.d/programs.py "$logs/cargo.json" >"$list" || return
    [ -s "$list" ]
}

chosen() { # NAME WORD…: whether one of the words is in the name, or there are none
    local name=$1 word
    shift
    [ $# != 0 ] || return 0
    for word in "$@"; do
        case $name in *"$word"*) return 0 ;; esac
    done
    return 1
}

# The most that one program may take. The golden Pods wait as long as a kubelet does, 500 kills take minutes; nothing else
# comes near.
limit_s() { case $1 in runtime-tests/golden | runtime-tests/killed | simulator/*) echo 900 ;; *) echo 600 ;; esac }

# The most that one test of a program may take.
test_limit_s() { case $1 in runtime-tests/killed) echo 600 ;; *) echo 240 ;; esac }

on_host() { # WORD…
    local name directory file
    while read -r -u 3 name directory file; do
        chosen "$name" "$@" || continue
        say "$name …"
        run_program "$name" "$directory" "$file"
    done 3<"$list"
}

run_program() { # NAME DIRECTORY FILE
    local log=$logs/host-${1//\//-} status=0 start=$SECONDS
    (cd "$2" && as_root env "PATH=$PATH" OUTRIGGER_SKIPS_FAIL=1 "OUTRIGGER_TIME_SCALE=${OUTRIGGER_TIME_SCALE:-1}" \
        "OUTRIGGER_STORM_SECONDS=${OUTRIGGER_STORM_SECONDS:-60}" "OUTRIGGER_LOOPS=$loops" \
        "OUTRIGGER_FUZZ_SECONDS=${OUTRIGGER_FUZZ_SECONDS:-10}" \
        "OUTRIGGER_TEST_LIMIT_S=$(test_limit_s "$1")" RUST_BACKTRACE=1 "CARGO_MANIFEST_DIR=$2" \
        timeout --kill-after=20 "$(limit_s "$1")" "$3") >"$log" 2>&1 </dev/null || status=$?
    count "$1" $status "$log" $((SECONDS - start))
}

# Adds what a program says of its tests. One that has not come to its end has failed. A test that cannot run here fails by
# OUTRIGGER_SKIPS_FAIL; what is left as ignored are measurements, which promise nothing.
count() { # NAME STATUS LOG SECONDS
    local good bad ignored all=
    [ "$1" != documentation ] || all=--all
    read -r good bad ignored < <(python3 scripts/test.d/results.py "$3" $all)
    if [ "$2" != 0 ] && [ $bad = 0 ]; then bad=1; fi
    passed=$((passed + good)) failed=$((failed + bad))
    if [ $bad = 0 ]; then
        [ "$ignored" = 0 ] && ignored= || ignored=" ($ignored measurements left out)"
        say "$1: $good passed in $4 s$ignored"
        return
    fi
    tail -n 60 "$3" | sed 's/^/        /'
    say "$1: $good passed, $bad FAILED in $4 s (exit code $2); all of it: $3"
}

# Whether every row of the benchmark can still be measured, on what was built for the tests. How fast it is decides nothing.
bench() {
    local target=${CARGO_TARGET_DIR:-target} many greed
    many=$(awk '$1 == "runtime-tests/many" { print $3 }' "$list")
    greed=$(awk '$1 == "runtime-tests/greed" { print $3 }' "$list")
    as_root env "PATH=$PATH" "OUTRIGGER_BIN=$(realpath "$target/debug/outrigger")" "OUTRIGGER_MANY_TEST=$many" \
        "OUTRIGGER_GREED_TEST=$greed" "OUTRIGGER_TIME_SCALE=${OUTRIGGER_TIME_SCALE:-1}" timeout --kill-after=20 900 scripts/bench --quick
}

doc_tests() {
    local start=$SECONDS status=0
    say "documentation tests …"
    cargo test --quiet --workspace --doc >"$logs/documentation" 2>&1 || status=$?
    count "documentation" $status "$logs/documentation" $((SECONDS - start))
}

# The programs whose subject is the kernel, in the virtual machine. The others compute the same there, ten times as slowly;
# and the examples' own probes give up on programs that take ten times as long to start.
in_vm() { # WORD…
    local start=$SECONDS status=0 name directory file log share=$PWD/$logs/vm fewer
    fewer=$(awk "BEGIN { print $loops / 10 }")
    case $logs in /*) share=$logs/vm ;; esac
    mkdir -p "$share" && rm -f "$share"/*
    : >"$share/list"
    while read -r name directory file; do
        case $name in
            runtime-tests/examples | runtime-tests/unit | runtime-tests/kubectl | runtime-tests/clients) continue ;;
            # Hundreds of everything; and grace periods that are part of the stories are not stretched.
            runtime-tests/killed | runtime-tests/many | runtime-tests/flood) continue ;;
            # Large programs, whose calls are the same in every kernel.
            runtime-tests/programs) continue ;;
            # How much a request may cost, and each write that can fail, are no matter of the kernel.
            runtime-tests/greed | runtime-tests/strangers | runtime-tests/writes) continue ;;
            # Its Pods are restarted at the first bad answer of a probe, and so slow a machine gives some.
            runtime-tests/silence) continue ;;
            runtime-tests/* | runtime/* | shim/* | sys/*) ;;
            *) continue ;;
        esac
        chosen "$name" "$@" && echo "$name $directory $file" >>"$share/list"
    done <"$list"
    [ -s "$share/list" ] || return 0
    say "the virtual machine with cgroup v2: $(wc -l <"$share/list") programs …"
    # What a program printed goes to its own file in the shared directory, and here a line each.
    OUTRIGGER_SKIPS_FAIL=1 OUTRIGGER_TIME_SCALE=10 OUTRIGGER_LOOPS=$fewer scripts/in-vm -m 3072 -t 2700 -w "$share" -- \
        bash scripts/test.d/guest.sh "$share" 2>&1 | while read -r line; do say "  $line"; done || status=$?
    while read -r name directory file; do
        log=$share/${name//\//-}
        if [ -e "$log.status" ]; then
            count "vm $name" "$(cat "$log.status")" "$log" "$(cat "$log.seconds")"
        else
            failed=$((failed + 1))
            say "vm $name: FAILED, it did not come to its end (the machine: $status, $((SECONDS - start)) s); see $log"
        fi
    done <"$share/list"
}

# What is installed: the image and the Debian package. Last, for it builds the command anew and uses all of it.
packaging() {
    local log=$logs/packaging results=$PWD/$logs/packaging.results start=$SECONDS status=0 line
    case $logs in /*) results=$logs/packaging.results ;; esac
    say "packaging: the image and the Debian package …"
    : >"$results"
    as_root env "PATH=$PATH" "HOME=$HOME" "OUTRIGGER_TIME_SCALE=${OUTRIGGER_TIME_SCALE:-1}" \
        timeout --kill-after=60 2400 bash scripts/test.d/packaging.sh "$results" >"$log" 2>&1 </dev/null || status=$?
    while read -r line; do say "  $line"; done <"$results"
    passed=$((passed + $(grep -c ^passed "$results"))) failed=$((failed + (status != 0)))
    [ $status = 0 ] && say "packaging: passed in $((SECONDS - start)) s" && return
    tail -n 60 "$log" | sed 's/^/        /'
    say "packaging: FAILED after $((SECONDS - start)) s (exit code $status); all of it: $log"
}

finish() {
    printf '\n%d passed, %d failed\n' $passed $failed
    [ $failed = 0 ] || exit 1
    exit 0
}
