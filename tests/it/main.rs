//! Integration tests: one binary, one module a subject.

mod api;
mod architecture;
mod cli;
mod mailbox;
mod readme;
mod servers;
mod store;
mod threads;
mod webhooks;
