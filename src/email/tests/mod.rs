//! Tests of mail reading as a whole.

mod bounces;
mod corpus;
mod fixtures;
mod hostile;
mod kinds;
mod threads;

use std::path::PathBuf;

/// The folder of shared test data; `None`, with a message, where it is not here.
fn shared() -> Option<PathBuf> {
    let root = std::env::var_os("INLET_SHARED")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared"), PathBuf::from);
    let data = root.join("data");
    if data.is_dir() {
        return Some(data);
    }
    println!("skipped: no shared data at {}", data.display());
    None
}
