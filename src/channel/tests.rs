//! The pure steps of a request together: settings compiled, proof checked, body read.

use super::*;
use crate::envelope::{AttachmentSource, ChannelMessage};
use crate::model::JsonMap;
use crate::model::message::Direction;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use jiff::Timestamp;
use ring::hmac;
use serde_json::{Value, json};

const NOW: i64 = 1_760_000_000;

fn now() -> Timestamp {
    Timestamp::from_second(NOW).unwrap()
}

fn map(value: Value) -> JsonMap {
    value.as_object().unwrap().clone()
}

fn channel(inbound: Value) -> Channel {
    Channel::compile("test", &map(inbound)).unwrap()
}

fn fault(inbound: Value) -> SpecError {
    Channel::compile("test", &map(inbound)).unwrap_err()
}

fn mac(algorithm: hmac::Algorithm, secret: &[u8], text: &[u8]) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(algorithm, secret), text).as_ref().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A request with its parts owned.
struct Post {
    target: String,
    headers: HeaderList,
    body: Bytes,
}

impl Post {
    fn new(body: impl Into<Bytes>) -> Self {
        let headers = HeaderList(vec![("Content-Type".to_owned(), "application/json".to_owned())]);
        Self { target: "/v1/webhooks/x".to_owned(), headers, body: body.into() }
    }

    fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.0.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        self.headers.0.push((name.to_owned(), value.into()));
        self
    }

    fn request(&self) -> Received<'_> {
        Received {
            method: "POST",
            target: &self.target,
            headers: &self.headers,
            wire: &self.body,
            body: &self.body,
            received_at: now(),
        }
    }

    fn verified(&self, channel: &Channel) -> Result<(), Refused> {
        channel.verify(&self.request()).map(|_| ())
    }

    fn normalized(&self, channel: &Channel) -> Result<Normalized, Unreadable> {
        let request = self.request();
        let proof = channel.verify(&request).expect("the proof is good");
        channel.normalize(&request, channel.read(&request, proof)?)
    }

    fn messages(&self, channel: &Channel) -> Vec<ChannelMessage> {
        let normalized = self.normalized(channel).unwrap();
        assert_eq!(normalized.broken, []);
        normalized
            .items
            .into_iter()
            .map(|(_, item)| match item {
                Item::Message(message) => *message,
                Item::Mail { .. } => panic!("a mail"),
            })
            .collect()
    }
}

mod fixtures;
mod generic;
mod mapping;
mod proof;
mod samples;
mod settings;
mod tokens;
