//! Tests of mail reading as a whole.

mod bounces;
mod corpus;
mod expectations;
mod fixtures;
mod hostile;
mod kinds;

use std::io::Read as _;
use std::path::{Path, PathBuf};

/// The messages of a corpus: an mboxrd file, perhaps packed.
pub(crate) fn mailbox(folder: &Path) -> Vec<Vec<u8>> {
    let plain = folder.join("mbox");
    let mut bytes = Vec::new();
    if plain.exists() {
        bytes = std::fs::read(plain).unwrap();
    } else {
        let packed = std::fs::File::open(folder.join("mbox.gz")).unwrap();
        flate2::read::MultiGzDecoder::new(packed).read_to_end(&mut bytes).unwrap();
    }
    let mut messages: Vec<Vec<u8>> = Vec::new();
    for line in bytes.split_inclusive(|b| *b == b'\n') {
        if line.starts_with(b"From ") {
            messages.push(Vec::new());
            continue;
        }
        let quotes = line.iter().take_while(|b| **b == b'>').count();
        let line = if quotes > 0 && line[quotes..].starts_with(b"From ") { &line[1..] } else { line };
        messages.last_mut().unwrap().extend_from_slice(line);
    }
    messages
}

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
