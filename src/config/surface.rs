//! A surface as a configuration file declares it. What its maps may hold is `channel`'s to say.

use crate::model::JsonMap;
use crate::model::surface::SurfaceStatus;
use serde::Deserialize;

/// `[[surfaces]]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeclaredSurface {
    /// A name for people, 1 to 255 characters; it is what the surface is known again by.
    pub name: String,
    /// `email`, `webhook`, `chat`, ...; 1 to 50 characters.
    #[serde(rename = "type")]
    pub kind: String,
    /// The name of its tenant; made if it is new.
    #[serde(default = "default_tenant")]
    pub tenant: String,
    /// Whether it takes messages.
    #[serde(default = "active")]
    pub status: SurfaceStatus,
    /// `production`, `staging`, ...; 1 to 50 characters.
    #[serde(default = "production")]
    pub environment: String,
    /// Settings.
    #[serde(default)]
    pub config: JsonMap,
    /// How inbound webhooks are verified and read. A secret may be `env:NAME`.
    #[serde(default)]
    pub inbound: JsonMap,
    /// How messages leave.
    #[serde(default)]
    pub outbound: JsonMap,
}

fn default_tenant() -> String {
    "default".to_owned()
}

fn active() -> SurfaceStatus {
    SurfaceStatus::Active
}

fn production() -> String {
    "production".to_owned()
}
