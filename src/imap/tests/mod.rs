//! Sessions against scripted servers: byte-exact scripts over a pipe, with paused time. Case numbers (A01 to I12, T1 to T18)
//! are those of the failure catalogue, "fault n" those of the fault matrix.

mod fetching;
mod idling;
mod limits;
mod login;
mod mailboxes;
mod network;
mod pace;
pub(super) mod server;
mod timing;
mod words;
