//! Tests that span rooms: agreement with other programs over collected corpora, and the table of it.

pub(crate) mod fidelity;
mod threads;
