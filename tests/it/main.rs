//! Integration tests: one binary, one module a subject.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::string_slice,
    reason = "a test stops at the first surprise"
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
