//! IMAP: everything between a TCP connection and a checked session.
//!
//! [`Session::open`] resolves and vets the host, connects, brings TLS up and logs in. A session is a value: its
//! methods take it and give it back, and an error drops it, so that a connection in doubt is never used again.
//! Finding mail, cursors and schedules are not here: they are built on top of [`Session`].

mod act;
mod address;
mod classify;
mod connect;
mod driver;
mod error;
mod fetch;
mod guard;
mod handshake;
mod idle;
mod login;
mod names;
mod pinned;
pub mod poll;
mod response;
mod sent;
mod session;
mod target;
mod tls;
mod uid_set;

#[cfg(test)]
mod tests;

pub use act::is_flag;
pub use address::{Forbidden, vet};
pub use error::{Error, ErrorClass, Phase};
pub use fetch::{Fetched, Listed};
pub use idle::IdleEnd;
pub use names::{decode_mailbox_name, encode_mailbox_name};
pub use session::{Capabilities, Folder, FolderRole, MailboxStatus, Selected, Session, verify};
pub use target::{Auth, Limits, Mechanism, Network, Security, Target};
pub use tls::{TlsSetupError, tls_config};
