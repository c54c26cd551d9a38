//! Real servers that tests start and stop.

pub mod chromium;
pub mod crowd;
pub mod dovecot;
pub mod postgres;
pub mod proxy;
pub mod scripted;
pub mod smtp;
pub mod worker;
