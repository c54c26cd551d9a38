//! Real servers that tests start and stop.

pub mod chromium;
pub mod dovecot;
pub mod postgres;
