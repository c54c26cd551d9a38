//! The `inlet` program.
fn main() {}
