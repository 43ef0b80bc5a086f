//! The home server's binary.

fn main() {}
