//! Integration tests: one binary, one module a subject.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says on standard output what it skips"
)]

mod api;
mod architecture;
mod cli;
mod mailbox;
mod readme;
mod servers;
mod store;
mod threads;
mod webhooks;
