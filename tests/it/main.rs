//! Integration tests: one binary, one module a subject.

mod architecture;
mod mailbox;
mod servers;
mod store;
