//! A logged-in connection and the commands Inlet uses. A session is a value: commands take it and give it back, an error
//! drops it, so that the rest of a broken answer can never be taken for the answer to the next command.

use super::connect::dial;
use super::driver::Driver;
use super::error::{Error, ErrorClass, Phase};
use super::guard::{Bounds, Guard};
use super::handshake::Handshake;
use super::login::login;
use super::names::{MAX_NAME_BYTES, decode_mailbox_name, encode_mailbox_name, quoted};
use super::response::{Code, Event, FolderRow, StatusKind, StatusRow, nonzero};
use super::target::{Auth, Network, Target};
use jiff::civil::Date;
use tokio::io::AsyncWriteExt;
use tokio::time::timeout;

/// A logged-in connection.
#[derive(Debug)]
pub struct Session {
    pub(super) driver: Driver,
    pub(super) capabilities: Capabilities,
}

/// What the server offers, as far as Inlet makes use of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "a list of independent offers")]
#[non_exhaustive]
pub struct Capabilities {
    /// IDLE (RFC 2177).
    pub idle: bool,
    /// CONDSTORE (RFC 7162).
    pub condstore: bool,
    /// X-GM-EXT-1: X-GM-MSGID and X-GM-THRID.
    pub gmail: bool,
    /// ID (RFC 2971).
    pub id: bool,
    /// SPECIAL-USE (RFC 6154).
    pub special_use: bool,
    pub(super) list_extended: bool,
    pub(super) moves: bool,
    pub(super) uidplus: bool,
    pub(super) starttls: bool,
    pub(super) login_disabled: bool,
    pub(super) sasl_ir: bool,
    pub(super) auth_plain: bool,
    pub(super) auth_xoauth2: bool,
    pub(super) auth_oauthbearer: bool,
    /// Whether the server has said at all.
    pub(super) known: bool,
}

impl Capabilities {
    /// Reads a space-separated list.
    pub(super) fn read(list: &str) -> Self {
        let mut this = Self { known: true, ..Self::default() };
        for word in list.split_ascii_whitespace() {
            match word.to_ascii_uppercase().as_str() {
                "IDLE" => this.idle = true,
                // QRESYNC includes it (RFC 7162 section 3.2.3).
                "CONDSTORE" | "QRESYNC" => this.condstore = true,
                "X-GM-EXT-1" => this.gmail = true,
                "ID" => this.id = true,
                "SPECIAL-USE" => this.special_use = true,
                "LIST-EXTENDED" => this.list_extended = true,
                "MOVE" => this.moves = true,
                "UIDPLUS" => this.uidplus = true,
                "STARTTLS" => this.starttls = true,
                "LOGINDISABLED" => this.login_disabled = true,
                "SASL-IR" => this.sasl_ir = true,
                "AUTH=PLAIN" => this.auth_plain = true,
                "AUTH=XOAUTH2" => this.auth_xoauth2 = true,
                "AUTH=OAUTHBEARER" => this.auth_oauthbearer = true,
                _ => {}
            }
        }
        this
    }
}

/// A mailbox that was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Selected {
    /// What the UIDs are valid for; never 0.
    pub uid_validity: u32,
    /// The UID the next mail will get at least, as of the moment of opening.
    pub uid_next: Option<u32>,
    /// Number of messages.
    pub exists: u32,
    /// Highest modification sequence, where the server keeps them.
    pub highest_modseq: Option<u64>,
}

/// STATUS of a mailbox that need not be open.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MailboxStatus {
    /// Number of messages.
    pub messages: Option<u32>,
    /// The UID the next mail will get at least.
    pub uid_next: Option<u32>,
    /// What the UIDs are valid for.
    pub uid_validity: Option<u32>,
}

/// A folder as LIST shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folder {
    /// The name as people read it.
    pub name: String,
    /// What separates levels in the name.
    pub delimiter: Option<String>,
    /// What the folder is for, if the server says.
    pub role: Option<FolderRole>,
    /// Whether it can be opened.
    pub selectable: bool,
}

/// What a folder is for (RFC 6154 section 2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the RFC's own words")]
pub enum FolderRole {
    All,
    Archive,
    Drafts,
    Flagged,
    Junk,
    Sent,
    Trash,
}

impl Session {
    /// Connects, protects, logs in.
    ///
    /// # Errors
    /// Names the step that failed and what to do about it.
    pub async fn open(target: &Target, network: &Network) -> Result<Self, Error> {
        let handshake = dial(target, network).await?;
        Self::enter(handshake, target, network).await
    }

    /// Logs in on a connection that has greeted us.
    pub(super) async fn enter(
        mut handshake: Handshake,
        target: &Target,
        network: &Network,
    ) -> Result<Self, Error> {
        let limits = network.limits.clone();
        login(&mut handshake, target, &limits).await?;
        let (wire, early, capabilities) = handshake.finish();
        let bounds = Bounds {
            max_literal_bytes: limits.max_message_bytes,
            max_line_bytes: limits.max_line_bytes,
            max_paren_depth: limits.max_paren_depth,
        };
        let guard = Guard::new(wire, early, bounds, limits.inactivity);
        let bearer = matches!(target.auth, Auth::Bearer { .. });
        Ok(Self { driver: Driver::new(guard, limits, bearer), capabilities })
    }

    /// What the server offers to this account.
    #[must_use]
    pub const fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    /// Whether the server has announced mail since the mailbox was opened or IDLE last reported it.
    #[must_use]
    pub const fn is_announced(&self) -> bool {
        self.driver.is_announced()
    }

    /// Opens a mailbox read-only. Flags and \Recent stay as they are.
    ///
    /// # Errors
    /// The name cannot be sent; [`Error::mailbox`] where only this mailbox is at fault; no or a wrong UIDVALIDITY.
    pub async fn examine(self, mailbox: &str) -> Result<(Self, Selected), Error> {
        self.open_mailbox("EXAMINE", mailbox).await
    }

    pub(super) async fn open_mailbox(mut self, verb: &str, mailbox: &str) -> Result<(Self, Selected), Error> {
        let phase = Phase::Examine;
        let name = wire_name(mailbox)?;
        let condstore = if self.capabilities.condstore { " (CONDSTORE)" } else { "" };
        let (mut exists, mut uid_validity, mut uid_next, mut highest_modseq) = (None, None, None, None);
        let command = format!("{verb} {name}{condstore}");
        let ran = self.driver.run(phase, &command, |event| {
            match event {
                Event::Exists(count) => exists = Some(count),
                Event::Status { kind: StatusKind::Ok, code: Some(code), .. } => match code {
                    Code::UidValidity(value) => uid_validity = nonzero(value),
                    Code::UidNext(value) => uid_next = nonzero(value),
                    Code::HighestModSeq(value) => highest_modseq = Some(value),
                },
                _ => {}
            }
            Ok(())
        });
        ran.await.map_err(|error| about_mailbox(error, mailbox))?;
        let uid_validity = uid_validity.ok_or(Error::protocol(phase, "it gave no valid UIDVALIDITY"))?;
        let exists = exists.ok_or(Error::protocol(phase, "it did not say how many messages there are"))?;
        self.driver.set_announced(false);
        Ok((self, Selected { uid_validity, uid_next, exists, highest_modseq }))
    }

    /// Asks for the state of a mailbox without opening it.
    ///
    /// # Errors
    /// As [`Session::examine`].
    pub async fn status(mut self, mailbox: &str) -> Result<(Self, MailboxStatus), Error> {
        let command = format!("STATUS {} (MESSAGES UIDNEXT UIDVALIDITY)", wire_name(mailbox)?);
        let mut found = StatusRow::default();
        let ran = self.driver.run(Phase::Status, &command, |event| {
            if let Event::MailboxStatus(row) = event {
                found = row;
            }
            Ok(())
        });
        ran.await.map_err(|error| about_mailbox(error, mailbox))?;
        let StatusRow { messages, uid_next, uid_validity, .. } = found;
        Ok((self, MailboxStatus { messages, uid_next, uid_validity }))
    }

    /// The UIDs that exist from `first` to `last`, both included, ascending. Ask in windows: the answer is one line.
    ///
    /// # Errors
    /// As every command.
    pub async fn search_uids(self, first: u32, last: u32) -> Result<(Self, Vec<u32>), Error> {
        self.search(first, last, "").await
    }

    /// As [`Session::search_uids`], only mail that arrived on `day` or later by the server's calendar.
    ///
    /// # Errors
    /// As every command.
    pub async fn search_since(self, first: u32, last: u32, day: Date) -> Result<(Self, Vec<u32>), Error> {
        // RFC 3501 section 9, `date`; English month names whatever the locale.
        let since = format!(" SINCE {}", day.strftime("%-d-%b-%Y"));
        self.search(first, last, &since).await
    }

    async fn search(mut self, first: u32, last: u32, also: &str) -> Result<(Self, Vec<u32>), Error> {
        let first = first.max(1);
        if first > last {
            return Ok((self, Vec::new()));
        }
        let phase = Phase::Search;
        // A number repeated or out of range costs nothing; more numbers than could exist is an attack on memory.
        let most = u64::from(last - first) + 1;
        let mut found: Vec<u32> = Vec::new();
        let command = format!("UID SEARCH UID {first}:{last}{also}");
        let ran = self.driver.run(phase, &command, |event| {
            if let Event::Numbers(numbers) = event {
                found.extend(numbers.into_iter().filter(|uid| (first..=last).contains(uid)));
                if found.len() as u64 > most {
                    found.sort_unstable();
                    found.dedup();
                }
            }
            Ok(())
        });
        ran.await?;
        found.sort_unstable();
        found.dedup();
        Ok((self, found))
    }

    /// Proves that the connection lives, and lets the server announce mail ([`Session::is_announced`]).
    ///
    /// # Errors
    /// The connection is dead.
    pub async fn noop(mut self) -> Result<Self, Error> {
        self.driver.run(Phase::Noop, "NOOP", |_| Ok(())).await?;
        Ok(self)
    }

    /// All folders of the account. An error is never an empty list.
    ///
    /// # Errors
    /// As every command; more folders than [`super::Limits::max_folders`].
    pub async fn list(mut self) -> Result<(Self, Vec<Folder>), Error> {
        let phase = Phase::List;
        let extended = self.capabilities.special_use && self.capabilities.list_extended;
        let command = if extended { "LIST \"\" \"*\" RETURN (SPECIAL-USE)" } else { "LIST \"\" \"*\"" };
        let most = self.driver.limits().max_folders;
        let mut folders = Vec::new();
        let ran = self.driver.run(phase, command, |event| {
            if let Event::Folder(row) = event {
                if folders.len() == most {
                    return Err(Error::protocol(phase, "it lists more folders than are accepted"));
                }
                folders.push(folder(row));
            }
            Ok(())
        });
        ran.await?;
        Ok((self, folders))
    }

    /// Says goodbye; whether the server answers does not matter any more.
    pub async fn logout(mut self) {
        let limit = self.driver.limits().logout;
        let goodbye = async {
            let _ = self.driver.run(Phase::Logout, "LOGOUT", |_| Ok(())).await;
            let _ = self.driver.guard().shutdown().await;
        };
        let _ = timeout(limit, goodbye).await;
    }
}

/// Whether the account works and the mailbox can be read: login, EXAMINE, LOGOUT.
///
/// # Errors
/// What a person must change, in a sentence.
pub async fn verify(target: &Target, network: &Network, mailbox: &str) -> Result<(), Error> {
    let session = Session::open(target, network).await?;
    let (session, _) = session.examine(mailbox).await?;
    session.logout().await;
    Ok(())
}

/// The quoted modified UTF-7 form of a mailbox name; nothing that could end the command or hide in a log reaches the wire.
pub(super) fn wire_name(mailbox: &str) -> Result<String, Error> {
    let unusable = |why: &str| Error::Setting(format!("The mailbox name cannot be used: it {why}."));
    if mailbox.is_empty() {
        return Err(unusable("is empty"));
    }
    if mailbox.len() > MAX_NAME_BYTES {
        return Err(unusable("is too long"));
    }
    if mailbox.contains(char::is_control) {
        return Err(unusable("holds a line break or another control character"));
    }
    quoted(&encode_mailbox_name(mailbox)).ok_or_else(|| unusable("holds a line break"))
}

/// A refusal that is about the mailbox says which.
fn about_mailbox(error: Error, name: &str) -> Error {
    match error {
        Error::Refused { phase, words, class: ErrorClass::Config, wait, .. } => {
            Error::Refused { phase, words, class: ErrorClass::Config, wait, mailbox: Some(name.to_owned()) }
        }
        other => other,
    }
}

fn folder(row: FolderRow) -> Folder {
    let has = |name: &str| row.attributes.iter().any(|attribute| attribute == name);
    let role = [
        ("\\all", FolderRole::All),
        ("\\archive", FolderRole::Archive),
        ("\\drafts", FolderRole::Drafts),
        ("\\flagged", FolderRole::Flagged),
        ("\\junk", FolderRole::Junk),
        ("\\sent", FolderRole::Sent),
        ("\\trash", FolderRole::Trash),
    ]
    .into_iter()
    .find_map(|(name, role)| has(name).then_some(role));
    // RFC 5258: \NonExistent implies \Noselect.
    let selectable = !has("\\noselect") && !has("\\nonexistent");
    Folder { name: decode_mailbox_name(&row.name), delimiter: row.delimiter, role, selectable }
}
