//! Supervision of mailboxes.

pub mod backoff;
pub mod schedule;
