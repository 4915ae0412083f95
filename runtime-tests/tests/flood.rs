//! Placeholder while this is written.

fn main() {}
