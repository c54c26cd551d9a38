//! Attention items: what a person should look at (api.md 7).

use super::message::text_enum;
use crate::ids::{AttentionId, ConversationId, SurfaceId};
use jiff::Timestamp;

text_enum! {
    /// Why somebody should look.
    AttentionKind {
        /// What came does not prove what it claims, or is not as it should be.
        ValidationFailed = "validation_failed",
        /// The other party asks for a human.
        HumanRequested = "human_requested",
        /// Somebody of us hands it on.
        Escalation = "escalation",
    }
}

text_enum! {
    /// Whether somebody still has to.
    AttentionStatus {
        /// Somebody has to.
        Open = "open",
        /// Somebody did.
        Resolved = "resolved",
    }
}

/// Something that a person should look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttentionItem {
    /// Our id; later items have greater ones.
    pub id: AttentionId,
    /// The surface of the conversation.
    pub surface_id: SurfaceId,
    /// The conversation that it is about now (merges move items).
    pub conversation_id: ConversationId,
    /// Why.
    pub kind: AttentionKind,
    /// The same in a sentence.
    pub reason: Option<String>,
    /// Whether somebody still has to look.
    pub status: AttentionStatus,
    /// When it was raised.
    pub created_at: Timestamp,
    /// When somebody had looked.
    pub resolved_at: Option<Timestamp>,
}
