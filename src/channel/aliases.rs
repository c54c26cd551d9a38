//! Other ids of the same thread and person.

use super::error::Fault;
use super::fallbacks::Fallbacks;
use super::selectors::Scope;
use super::settings::Table;
use crate::envelope::Alias;
use crate::limits::EXTERNAL_ID_CHARS;

/// One compiled `aliases` object.
#[derive(Debug)]
pub(super) struct AliasRule {
    pub thread: Option<Fallbacks>,
    pub participant: Option<Fallbacks>,
}

impl AliasRule {
    /// Compiles one `aliases` object.
    pub fn compile(table: &Table<'_>) -> Result<Self, Fault> {
        let made = Self {
            thread: Fallbacks::optional(table, "thread")?,
            participant: Fallbacks::optional(table, "participant")?,
        };
        table.finish()?;
        if made.thread.is_none() && made.participant.is_none() {
            return Err(table.fault("thread", "is required, or participant"));
        }
        Ok(made)
    }

    /// The alias, if every id that it names is there.
    pub fn read(&self, scope: &Scope<'_>) -> Option<Alias> {
        let get = |field: &Option<Fallbacks>| match field {
            Some(field) => field.filled(scope).map(Some),
            None => Some(None),
        };
        let (thread, participant) = (get(&self.thread)?, get(&self.participant)?);
        let fits =
            |id: &Option<String>| id.as_ref().is_none_or(|id| id.chars().nth(EXTERNAL_ID_CHARS).is_none());
        (fits(&thread) && fits(&participant)).then_some(Alias { thread, participant })
    }
}
