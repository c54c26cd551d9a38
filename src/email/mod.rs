//! Mail reading.
pub mod reply;
