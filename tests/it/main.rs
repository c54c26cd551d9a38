//! Integration tests: one binary, one module a subject.

mod api;
mod architecture;
mod mailbox;
mod servers;
mod store;
mod webhooks;
