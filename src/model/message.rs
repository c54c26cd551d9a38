//! Messages: one thing that somebody said in a conversation.

use super::JsonMap;
use crate::ids::{ConversationId, MessageId, SurfaceId};
use jiff::Timestamp;

macro_rules! text_enum {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
        pub enum $name { $($(#[$vdoc])* #[serde(rename = $text)] $variant),+ }

        impl $name {
            /// Every value, in the order of the documentation.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The word used on the wire and in the store.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }

            /// The value that `text` names, if it names one.
            #[must_use]
            pub fn parse(text: &str) -> Option<Self> {
                match text { $($text => Some(Self::$variant),)+ _ => None }
            }
        }
        // By hand: the derive does not see a `rename` that a macro passed on, and would describe the
        // names of the variants.
        impl utoipa::PartialSchema for $name {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
                let words = Self::ALL.iter().map(|word| word.as_str());
                utoipa::openapi::schema::ObjectBuilder::new()
                    .schema_type(utoipa::openapi::schema::Type::String)
                    .enum_values(Some(words))
                    .into()
            }
        }
        impl utoipa::ToSchema for $name {}
        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}
pub(crate) use text_enum;

text_enum! {
    /// Which way a message went, seen from us.
    Direction {
        /// From the outside to us.
        Inbound = "inbound",
        /// From us to the outside.
        Outbound = "outbound",
    }
}

text_enum! {
    /// Who speaks.
    Role {
        /// The person outside.
        User = "user",
        /// We, whether human or agent.
        Assistant = "assistant",
        /// The channel itself.
        System = "system",
    }
}

impl Role {
    /// The direction a message of this role has when nobody names one; a system notice has none.
    #[must_use]
    pub fn default_direction(self) -> Option<Direction> {
        match self {
            Self::User => Some(Direction::Inbound),
            Self::Assistant => Some(Direction::Outbound),
            Self::System => None,
        }
    }
}

/// A stored message.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// Our id.
    pub id: MessageId,
    /// The conversation it belongs to now (merges move messages).
    pub conversation_id: ConversationId,
    /// The surface it came through.
    pub surface_id: SurfaceId,
    /// The channel's id of it (email: the Message-ID without angle brackets).
    pub external_message_id: Option<String>,
    /// Who speaks.
    pub role: Role,
    /// Which way it went; a system notice has none.
    pub direction: Option<Direction>,
    /// What the person wrote, as text.
    pub content: String,
    /// Sanitized HTML.
    pub content_html: Option<String>,
    /// Flags, cut-away text, sender and what the channel added.
    pub metadata: JsonMap,
    /// The Message-ID answered, without angle brackets.
    pub in_reply_to: Option<String>,
    /// A caller's own mark.
    pub flow_step_result_id: Option<String>,
    /// When it was sent: the order of messages in a conversation.
    pub sent_at: Timestamp,
    /// When it was stored.
    pub created_at: Timestamp,
}
