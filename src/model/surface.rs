//! Surfaces: one configured channel each.

use super::JsonMap;
use super::message::text_enum;
use crate::ids::SurfaceId;
use jiff::Timestamp;

text_enum! {
    /// Whether a surface takes messages.
    SurfaceStatus {
        /// Not yet in use; takes messages, so that it can be tried.
        Draft = "draft",
        /// In use.
        Active = "active",
        /// Takes nothing for now.
        Paused = "paused",
        /// Takes nothing any more.
        Archived = "archived",
    }
}

impl SurfaceStatus {
    /// Whether messages are taken in this status.
    #[must_use]
    pub fn takes_messages(self) -> bool {
        matches!(self, Self::Draft | Self::Active)
    }
}

/// A stored surface. Secrets inside `config`, `inbound` and `outbound` are sealed
/// (see `crate::secret`) and leave this process only masked.
#[derive(Debug, Clone, PartialEq)]
pub struct Surface {
    /// Our id.
    pub id: SurfaceId,
    /// A name for people, 1 to 255 characters.
    pub name: String,
    /// `email`, `webhook`, `chat`, ...; kept as given.
    pub kind: String,
    /// Whether it takes messages.
    pub status: SurfaceStatus,
    /// `production`, `staging`, ...; kept as given.
    pub environment: String,
    /// The key's workspace, if it has one.
    pub workspace_id: Option<String>,
    /// Settings of the surface (`match`, `ownAddresses`, ...).
    pub config: JsonMap,
    /// How inbound webhooks are verified and mapped.
    pub inbound: JsonMap,
    /// How messages leave.
    pub outbound: JsonMap,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

impl Surface {
    /// Whether one thread id may hold several people (email, Slack, Discord), so that a second
    /// participant joins; on one-to-one channels each participant has a conversation of their own.
    #[must_use]
    pub fn is_many_to_many(&self) -> bool {
        matches!(self.kind.as_str(), "email" | "slack" | "discord")
    }
}
