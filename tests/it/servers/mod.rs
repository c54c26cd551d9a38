//! Real servers that tests start and stop.

pub mod crowd;
pub mod dovecot;
pub mod postgres;
pub mod scripted;
pub mod worker;
