//! Presets: providers as data. Each is a TOML document in the language of a surface's `inbound`,
//! compiled into the binary; adding one adds a file in `presets/`.

use super::error::Fault;
use super::settings::meant;
use crate::model::JsonMap;
use serde_json::Value;

// `PRESETS`, by name: `build.rs` finds the files.
include!(concat!(env!("OUT_DIR"), "/presets.rs"));

/// The names of all presets.
pub fn names() -> impl Iterator<Item = &'static str> {
    PRESETS.iter().map(|(name, _)| *name)
}

/// The settings of a preset; `custom` has none.
pub(super) fn load(name: &str) -> Result<JsonMap, Fault> {
    if name == "custom" {
        return Ok(JsonMap::new());
    }
    let Some((_, text)) = PRESETS.iter().find(|(known, _)| *known == name) else {
        let known: Vec<_> = names().chain(["custom"]).collect();
        let problem = format!("must be one of {}{}", known.join(", "), meant(name, &known));
        return Err(Fault::new("inbound.provider", problem));
    };
    // A test reads every preset, so that this cannot fail for a released one.
    match toml::from_str(text) {
        Ok(Value::Object(map)) => Ok(map),
        _ => Err(Fault::new("inbound.provider", format!("the preset {name} is damaged"))),
    }
}
