//! Conditions of a mapping: which items are messages.

use super::error::Fault;
use super::fallbacks::Fallbacks;
use super::selectors::{Scope, Selector};
use super::settings::Table;

/// One condition.
#[derive(Debug)]
pub(super) struct Condition {
    path: Fallbacks,
    test: Test,
    key: String,
}

#[derive(Debug)]
enum Test {
    In(Vec<String>),
    NotIn(Vec<String>),
    Exists(bool),
}

/// What a condition finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// It holds.
    Holds,
    /// It does not.
    Fails,
    /// There is nothing where it looks: perhaps a body of another shape.
    Nothing,
}

impl Condition {
    /// `{path, in | notIn | exists}`.
    pub fn compile(table: &Table<'_>) -> Result<Self, Fault> {
        let path = Fallbacks::required(table, "path")?;
        let owned = |words: Vec<&str>| words.into_iter().map(str::to_owned).collect::<Vec<_>>();
        let (within, without) = (owned(table.texts("in")?), owned(table.texts("notIn")?));
        let exists = table.value("exists").map(|_| table.flag("exists")).transpose()?;
        table.finish()?;
        let test = match (within.is_empty(), without.is_empty(), exists) {
            (false, true, None) => Test::In(within),
            (true, false, None) => Test::NotIn(without),
            (true, true, Some(exists)) => Test::Exists(exists),
            _ => return Err(table.fault("in", "is required, or one of notIn and exists instead")),
        };
        Ok(Self { path, test, key: table.at("path") })
    }

    /// Looks at the item at hand.
    pub fn check(&self, scope: &Scope<'_>) -> Found {
        let held = |holds| if holds { Found::Holds } else { Found::Fails };
        match &self.test {
            Test::Exists(exists) => held(self.path.value(scope).is_some() == *exists),
            Test::In(words) => match self.path.text(scope) {
                Some(word) => held(words.contains(&word)),
                None => Found::Nothing,
            },
            Test::NotIn(words) => held(self.path.text(scope).is_none_or(|word| !words.contains(&word))),
        }
    }

    /// Where in the settings it stands.
    pub fn key(&self) -> &str {
        &self.key
    }

    pub fn each_selector(&self, visit: &mut dyn FnMut(&Selector)) {
        self.path.each_selector(visit);
    }
}
