# What the Debian package does before it goes, told with an `outrigger` that only plays one: that Pods do not end, or that
# no daemon can be started, takes minutes or a broken machine otherwise. Sourced, not run.

# The words that it was called with go to $stage/calls. A file in $stage says how the machine is: `runs` that a daemon does,
# `broken` that none can be started, `deaf` that a Pod ends by force alone, `stuck` that it does not even then.
play_outrigger() {
    stage=$work/removal
    rm -rf "$stage" && mkdir -p "$stage/bin" "$stage/root/lives"
    cat >"$stage/bin/outrigger" <<-'END'
		#!/bin/sh
		stage=${0%/bin/outrigger}
		echo "$*" >>"$stage/calls"
		end() { rm -f "$stage/root/lives/p.jsonl"; }
		case $* in
		    daemon*)
		        [ ! -e "$stage/broken" ] || { echo "the disk is full" >&2 && exit 1; }
		        touch "$stage/runs"
		        exec /bin/sleep 60
		        ;;
		    get*) [ -e "$stage/runs" ] && echo "default p 1/1 Running 0 1m" ;;
		    delete*--force*) [ -e "$stage/stuck" ] || end ;;
		    delete*) [ -e "$stage/stuck" ] || [ -e "$stage/deaf" ] || end ;;
		esac
	END
    # Minutes of waiting go by in no time, but for the daemon's first steps.
    printf '#!/bin/sh\nexec /bin/sleep 0.01\n' >"$stage/bin/sleep"
    chmod +x "$stage"/bin/*
    : >"$stage/calls"
    touch "$stage/root/lives/p.jsonl"
}

removes() { # WORD…: how prerm ends with these words
    PATH=$stage/bin:$PATH OUTRIGGER_ROOT=$stage/root sh scripts/debian/prerm "$@" >"$stage/said" 2>&1
}

asks() { grep -q -- "$1" "$stage/calls"; }

# Each of these ends the whole check where it is not so: `set -e` looks away from what stands behind `!` or before `&&`.
so() { "$@" || wrong "not so: $*"; }
not_so() { ! "$@" || wrong "so: $*"; }
wrong() { echo "$1" && cat "$stage/said" "$stage/calls" && exit 1; }

is_refused() { # TEXT
    not_so removes remove
    for text in "$1" OUTRIGGER_KEEP_PODS; do so grep -q "$text" "$stage/said"; done
    so test -e "$stage/root/lives/p.jsonl"
}

removals_are_refused() {
    play_outrigger
    so removes remove
    so asks "^delete pod p --namespace default"
    not_so asks --force

    play_outrigger
    so removes upgrade 2.0
    OUTRIGGER_KEEP_PODS=1 so removes remove
    not_so asks .

    play_outrigger
    rm "$stage/root/lives/p.jsonl"
    so removes remove
    not_so asks .

    play_outrigger
    touch "$stage/runs"
    is_refused "stop it first"
    not_so asks "^delete"
    not_so asks "^daemon"

    play_outrigger
    touch "$stage/broken"
    is_refused "the disk is full"
    not_so asks "^delete"

    play_outrigger
    touch "$stage/deaf"
    so removes remove
    so asks --force

    play_outrigger
    touch "$stage/stuck"
    is_refused "there are Pods that do not end"
    so asks --force
    rm -rf "$stage"
}
