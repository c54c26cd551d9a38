//! Integration tests: one binary, one module a subject.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "a test that meets what it does not expect has to fail there; clippy knows only #[test] functions as tests"
)]

mod api;
mod architecture;
mod browser;
mod catalogue;
mod cli;
mod declared;
mod faults;
mod fleet;
mod mailbox;
mod readme;
mod servers;
mod store;
mod threads;
mod webhooks;
