//! Mappings: from one item of a body to a message, by selectors. Which items there are is `walk`'s.

use super::aliases::AliasRule;
use super::attachments::AttachmentRule;
use super::condition::{Condition, Found};
use super::convert::{DirectionRule, TimeRule};
use super::error::{Detail, Fault};
use super::fallbacks::Fallbacks;
use super::mail::MailRule;
use super::normalized::Item;
use super::selectors::{Scope, Selector};
use super::settings::Table;
use crate::envelope::{Change, ChangeKind, ChannelMessage};
use crate::limits::{EXTERNAL_ID_CHARS, WEBHOOK_MESSAGES};
use crate::model::JsonMap;
use crate::model::message::Role;
use serde_json::Value;

/// One compiled `map` object.
#[derive(Debug)]
pub(super) struct Map {
    each: Vec<Selector>,
    /// The lists that the first `each` looks into, for a body whose list is empty.
    each_parents: Vec<Selector>,
    when: Vec<Condition>,
    skip: Vec<Condition>,
    thread: Option<Fallbacks>,
    participant: Option<Fallbacks>,
    name: Option<Fallbacks>,
    email: Option<Fallbacks>,
    message_id: Option<Fallbacks>,
    subject: Option<Fallbacks>,
    text: Option<Fallbacks>,
    html: Option<Fallbacks>,
    mail: Option<MailRule>,
    time: Option<TimeRule>,
    direction: Option<DirectionRule>,
    attachments: Vec<AttachmentRule>,
    metadata: Vec<(String, Fallbacks)>,
    context: Vec<(String, Fallbacks)>,
    /// Other ids of the same thread and person.
    aliases: Vec<AliasRule>,
    /// Where all of these hold, the thread is one of several people.
    group: Vec<Condition>,
    /// What it does to a message that is here already.
    change: Option<ChangeKind>,
    changed_at: Option<TimeRule>,
    role: Option<Role>,
    /// Which of our accounts with the provider it is for.
    account: Option<Fallbacks>,
}

impl Map {
    /// Compiles one `map` object.
    pub fn compile(table: &Table<'_>) -> Result<Self, Fault> {
        let conditions =
            |key| table.tables(key)?.iter().map(Condition::compile).collect::<Result<Vec<_>, _>>();
        let named = |key: &'static str| -> Result<Vec<(String, Fallbacks)>, Fault> {
            let entries = table.entries(key)?;
            let compile = |(name, value): (&str, &Value)| {
                Ok((name.to_owned(), Fallbacks::compile(&format!("{}.{name}", table.at(key)), value)?))
            };
            entries.into_iter().map(compile).collect()
        };
        let each = table.texts("each")?;
        let parents = each.first().and_then(|text| text.strip_suffix("[*]")).into_iter();
        let map = Self {
            each_parents: parents
                .map(|text| Selector::compile(&table.at("each"), text))
                .collect::<Result<_, _>>()?,
            each: each
                .iter()
                .map(|text| Selector::compile(&table.at("each"), text))
                .collect::<Result<_, _>>()?,
            when: conditions("when")?,
            skip: conditions("skip")?,
            thread: Fallbacks::optional(table, "thread")?,
            participant: Fallbacks::optional(table, "participant")?,
            name: Fallbacks::optional(table, "name")?,
            email: Fallbacks::optional(table, "email")?,
            message_id: Fallbacks::optional(table, "messageId")?,
            subject: Fallbacks::optional(table, "subject")?,
            text: Fallbacks::optional(table, "text")?,
            html: Fallbacks::optional(table, "html")?,
            mail: table.table("mail")?.map(|table| MailRule::compile(&table)).transpose()?,
            time: TimeRule::compile(table, "time")?,
            direction: DirectionRule::compile(table, "direction")?,
            attachments: table
                .tables("attachments")?
                .iter()
                .map(AttachmentRule::compile)
                .collect::<Result<_, _>>()?,
            metadata: named("metadata")?,
            context: named("context")?,
            aliases: table.tables("aliases")?.iter().map(AliasRule::compile).collect::<Result<_, _>>()?,
            group: conditions("group")?,
            change: table.word("change", &[("edit", ChangeKind::Edited), ("delete", ChangeKind::Deleted)])?,
            changed_at: TimeRule::compile(table, "changedAt")?,
            account: Fallbacks::optional(table, "account")?,
            role: table.word(
                "role",
                &[("user", Role::User), ("assistant", Role::Assistant), ("system", Role::System)],
            )?,
        };
        table.finish()?;
        map.check(table)?;
        Ok(map)
    }

    fn check(&self, table: &Table<'_>) -> Result<(), Fault> {
        if self.change.is_some() && self.message_id.is_none() {
            return Err(table.fault("messageId", "is required: which message has changed"));
        }
        if self.deletes() {
            return Ok(());
        }
        let map = self;
        if map.mail.is_none() && map.thread.is_none() && map.participant.is_none() {
            return Err(table.fault("thread", "is required, or participant, or mail"));
        }
        if map.mail.is_none() && map.text.is_none() && map.html.is_none() {
            return Err(table.fault("text", "is required, or html, or mail"));
        }
        Ok(())
    }

    fn deletes(&self) -> bool {
        self.change == Some(ChangeKind::Deleted)
    }

    /// Whether messages are known again by an id of the provider.
    pub fn has_message_id(&self) -> bool {
        self.message_id.is_some() || self.mail.is_some()
    }

    /// The selectors that decide whose message it is and which one.
    pub fn each_identity_selector(&self, visit: &mut dyn FnMut(&Selector)) {
        let fields = [&self.thread, &self.participant, &self.email, &self.message_id];
        fields.into_iter().flatten().for_each(|field| field.each_selector(visit));
        let aliases = self.aliases.iter().flat_map(|alias| [&alias.thread, &alias.participant]);
        aliases.flatten().for_each(|field| field.each_selector(visit));
        if let Some(mail) = &self.mail {
            mail.each_field(&mut |field| field.each_selector(visit));
        }
    }

    /// The same and the conditions: what a stored request must keep to be read again.
    pub fn each_selector(&self, visit: &mut dyn FnMut(&Selector)) {
        self.each_identity_selector(visit);
        self.when
            .iter()
            .chain(&self.skip)
            .chain(&self.group)
            .for_each(|condition| condition.each_selector(visit));
        let fields = [&self.name, &self.subject, &self.text, &self.html];
        fields.into_iter().flatten().for_each(|field| field.each_selector(visit));
        self.metadata.iter().chain(&self.context).for_each(|(_, field)| field.each_selector(visit));
    }

    /// Whether `each` finds no item because the list it looks into is there and empty.
    pub fn is_empty_list(&self, root: &Scope<'_>) -> bool {
        self.each_parents.iter().any(
            |parent| matches!(parent.first(root).as_deref(), Some(Value::Array(items)) if items.is_empty()),
        )
    }

    /// The items that this map looks at.
    pub fn scopes<'a>(&self, root: Scope<'a>) -> Vec<Scope<'a>> {
        self.each.iter().fold(vec![root], |scopes, each| {
            scopes
                .iter()
                .flat_map(|scope| {
                    each.all(scope).into_iter().map(|item| scope.within(item)).collect::<Vec<_>>()
                })
                .take(WEBHOOK_MESSAGES + 1)
                .collect()
        })
    }

    /// Whether the item at hand is for this map. `Err` names the condition that found nothing.
    pub fn wants(&self, scope: &Scope<'_>, accounts: &[String]) -> Result<bool, &str> {
        for condition in &self.when {
            match condition.check(scope) {
                Found::Holds => {}
                Found::Fails => return Ok(false),
                Found::Nothing => return Err(condition.key()),
            }
        }
        let account = self.account.as_ref().filter(|_| !accounts.is_empty());
        if account.is_some_and(|path| path.filled(scope).is_none_or(|id| !accounts.contains(&id))) {
            return Ok(false);
        }
        Ok(!self.skip.iter().any(|condition| condition.check(scope) == Found::Holds))
    }

    /// Reads the item at hand.
    pub fn read(&self, scope: &Scope<'_>) -> Result<Item, Vec<Detail>> {
        if let Some(mail) = &self.mail {
            if let Some(whole) = mail.whole(scope) {
                return whole.map(|raw| Item::Mail { raw, linked: Vec::new() });
            }
            if mail.composes() {
                let external_message_id = self.message_id.as_ref().and_then(|id| id.filled(scope));
                let mut message = ChannelMessage { external_message_id, ..ChannelMessage::default() };
                self.words(scope, &mut message);
                return mail.compose(scope, message).map(|(raw, linked)| Item::Mail { raw, linked });
            }
        }
        let mut message = ChannelMessage::default();
        let mut faults = Vec::new();
        self.ids(scope, &mut message, &mut faults);
        self.words(scope, &mut message);
        message.sent_at = self.time.as_ref().and_then(|time| time.read(scope));
        if let Some(direction) = &self.direction {
            direction.apply(scope, &mut message);
        }
        if message.content.is_empty()
            && message.content_html.is_none()
            && message.attachments.is_empty()
            && !self.deletes()
        {
            faults.push(Detail::new(
                if self.text.is_some() { "map.text" } else { "map.html" },
                "nothing is there",
            ));
        }
        message.role = self.role;
        message.metadata = values(&self.metadata, scope);
        message.context = values(&self.context, scope);
        message.change = self.change.map(|kind| {
            let at = self.changed_at.as_ref().and_then(|time| time.read(scope));
            Change { kind, at: at.unwrap_or_else(|| scope.received_at()) }
        });
        if faults.is_empty() { Ok(Item::Message(Box::new(message))) } else { Err(faults) }
    }

    /// Whose message it is, and which one.
    fn ids(&self, scope: &Scope<'_>, message: &mut ChannelMessage, faults: &mut Vec<Detail>) {
        let mut id = |key: &'static str, field: &Option<Fallbacks>, needed: bool| {
            let text = field.as_ref()?.filled(scope);
            match &text {
                Some(text) if text.chars().nth(EXTERNAL_ID_CHARS).is_some() => {
                    faults.push(Detail::new(key, format!("is longer than {EXTERNAL_ID_CHARS} characters")));
                }
                None if needed => faults.push(Detail::new(key, "nothing is there")),
                _ => {}
            }
            text
        };
        let named = !self.deletes();
        message.external_thread_id = id("map.thread", &self.thread, named);
        message.external_participant_id =
            id("map.participant", &self.participant, named && self.thread.is_none());
        message.external_message_id = id("map.messageId", &self.message_id, true);
        message.aliases = self.aliases.iter().filter_map(|rule| rule.read(scope)).collect();
        message.group = !self.group.is_empty()
            && self.group.iter().all(|condition| condition.check(scope) == Found::Holds);
    }

    /// Who says what.
    fn words(&self, scope: &Scope<'_>, message: &mut ChannelMessage) {
        let filled = |field: &Option<Fallbacks>| field.as_ref().and_then(|field| field.filled(scope));
        message.participant_name = filled(&self.name);
        message.participant_email = filled(&self.email).filter(|email| email.contains('@'));
        message.subject = filled(&self.subject);
        message.content_html = filled(&self.html);
        for rule in &self.attachments {
            rule.collect(scope, &mut message.attachments);
        }
        // Empty text says less than a caption: it is taken only where nothing else is there.
        let text = self.text.as_ref().and_then(|text| text.filled(scope).or_else(|| text.text(scope)));
        message.content = text.unwrap_or_default();
    }
}

fn values(fields: &[(String, Fallbacks)], scope: &Scope<'_>) -> JsonMap {
    fields.iter().filter_map(|(name, field)| Some((name.clone(), field.value(scope)?.into_owned()))).collect()
}
