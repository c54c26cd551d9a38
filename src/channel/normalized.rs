//! What a body holds once it is read: messages and mails, what could not be read, what is neither.

use super::error::Detail;
use crate::envelope::{ChannelAttachment, ChannelMessage};
use crate::model::key::KeyHash;
use bytes::Bytes;
use std::collections::HashMap;

/// What a body holds.
#[derive(Debug, Default, PartialEq)]
pub struct Normalized {
    /// What became of its items, in their order, each with its position among all items.
    pub items: Vec<(u32, Item)>,
    /// Items that are meant as messages but cannot be read.
    pub broken: Vec<Broken>,
    /// Items that are no messages: receipts, typing, pings.
    pub ignored: u32,
}

impl Normalized {
    /// Numbers messages without ids that say the same: in one request they are not repeats.
    pub(super) fn numbered(mut self) -> Self {
        if self.items.len() < 2 {
            return self;
        }
        let mut seen: HashMap<KeyHash, u32> = HashMap::new();
        for (_, item) in &mut self.items {
            if let Item::Message(message) = item
                && message.external_message_id.is_none()
            {
                let text = |text: &Option<String>| text.clone().unwrap_or_default();
                let words = KeyHash::of(&[
                    text(&message.external_thread_id).as_bytes(),
                    text(&message.external_participant_id).as_bytes(),
                    message.content.as_bytes(),
                    message.sent_at.map_or_else(String::new, |time| time.to_string()).as_bytes(),
                ]);
                let count = seen.entry(words).or_default();
                message.occurrence = *count;
                *count += 1;
            }
        }
        self
    }
}

/// One item of a body.
#[derive(Debug, PartialEq)]
pub enum Item {
    /// A message, taken apart.
    Message(Box<ChannelMessage>),
    /// A whole mail, RFC 5322, and attachments of which only the address is known.
    Mail {
        /// The mail.
        raw: Bytes,
        /// What is fetched later.
        linked: Vec<ChannelAttachment>,
    },
}

/// An item that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// Its position among all items, from 0.
    pub position: u32,
    /// What is wrong with it.
    pub details: Vec<Detail>,
}

impl Broken {
    /// What is wrong, as one sentence.
    #[must_use]
    pub fn reason(&self) -> String {
        super::error::sentence(&self.details)
    }
}
