//! The HTTP interface over a real TCP connection, on SQLite always and on PostgreSQL where the machine has it.

mod attachments;
mod attention;
mod auth;
mod connections;
mod conversations;
mod document;
mod errors;
mod events;
mod lists;
mod messages;
mod takeover;
mod tenancy;
pub mod world;
