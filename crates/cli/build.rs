//! How the one binary is linked.
//!
//! Not position-independent: a shim is this binary started once a Pod, and the run-time
//! relocations of a position-independent one would be 280 KiB of memory of its own in each. What
//! that gives up is the random place of the program itself; libraries, heap and stacks keep theirs.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rustc-link-arg-bins=-no-pie");
}
