//! From a body to its messages: each map looks at its items. A malformed item stands alone in
//! [`Normalized::broken`]; its neighbours go on.

use super::body::Document;
use super::condition::{Condition, Found};
use super::error::{Detail, Unreadable};
use super::map::Map;
use super::normalized::{Broken, Normalized};
use super::request::Received;
use super::selectors::Scope;
use crate::limits::WEBHOOK_MESSAGES;
use serde_json::Value;
use std::collections::HashSet;

/// Reads a body by its maps. `recognized` says that the body is of the provider's shape although no
/// item came of it; `accounts`, that only items for these of our accounts are messages.
pub(super) fn normalize(
    maps: &[Map],
    recognized: &[Condition],
    accounts: &[String],
    document: &Document,
    request: &Received<'_>,
) -> Result<Normalized, Unreadable> {
    let root = Scope::new(document.value().unwrap_or(&Value::Null), request, document.files());
    let mut out = Normalized::default();
    let (mut taken, mut skipped) = (HashSet::new(), HashSet::new());
    let mut shapeless = Vec::new();
    let mut next = 0_u32..;
    for map in maps {
        for scope in map.scopes(root.clone()) {
            let position = next.next().unwrap_or(u32::MAX);
            if out.items.len() + out.broken.len() >= WEBHOOK_MESSAGES {
                return Err(Unreadable::at(
                    "",
                    format!("the body holds more than {WEBHOOK_MESSAGES} messages"),
                ));
            }
            let address = std::ptr::from_ref(scope.item());
            match map.wants(&scope, accounts) {
                Ok(true) => {
                    // What holds a message is not ignored either.
                    taken.extend(scope.items().map(std::ptr::from_ref));
                    match map.read(&scope) {
                        Ok(item) => out.items.push((position, item)),
                        Err(details) => out.broken.push(Broken { position, details }),
                    }
                }
                Ok(false) => {
                    skipped.insert(address);
                }
                Err(key) => shapeless.push((address, position, key)),
            }
        }
    }
    // Nothing that is known as a message or as none: somebody has to look at it.
    shapeless.retain(|(address, ..)| !taken.contains(address) && !skipped.contains(address));
    if !taken.is_empty() || !skipped.is_empty() {
        for (_, position, key) in shapeless.drain(..).take(WEBHOOK_MESSAGES) {
            out.broken.push(Broken { position, details: vec![Detail::new(key, "nothing is there")] });
        }
    }
    out.ignored = u32::try_from(skipped.difference(&taken).count()).unwrap_or(u32::MAX);
    if out.items.is_empty() && out.broken.is_empty() && out.ignored == 0 {
        let known = !recognized.is_empty()
            && recognized.iter().all(|condition| condition.check(&root) == Found::Holds);
        if known || (shapeless.is_empty() && maps.iter().any(|map| map.is_empty_list(&root))) {
            out.ignored = 1;
        } else {
            let key = shapeless.first().map_or("map.each", |(_, _, key)| key);
            return Err(Unreadable::at(key, "nothing is there"));
        }
    }
    Ok(out)
}
