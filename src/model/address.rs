//! A mail address with its display name.

use serde::{Deserialize, Serialize};

/// One mailbox of RFC 5322 section 3.4: display name and addr-spec.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Address {
    /// The decoded display name, never empty.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub name: Option<String>,
    /// The addr-spec, lower-cased (local parts are compared without case, as providers do).
    pub email: String,
}
