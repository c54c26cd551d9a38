//! Amazon SNS: its signature, made by a key whose certificate stands at an address that the message itself
//! names, so that only Amazon's own addresses are believed; and the confirmation of a subscription.
//! A good signature proves Amazon, not the topic: topics are on a list.
//!
//! {"Type":"Notification","MessageId":"22b8","TopicArn":"arn:aws:sns:eu-west-1:123456789012:mail",
//!  "Message":"{...}","Timestamp":"2026-10-01T10:00:00.000Z","SignatureVersion":"1","Signature":"EXAMPLE",
//!  "SigningCertURL":"https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0.pem"}

use super::body::Document;
use super::error::{Fault, Refused};
use super::publickey::{Hash, PublicKey};
use super::request::Received;
use super::settings::Table;
use super::signature::Encoding;
use super::verify::Secrets;
use serde_json::Value;

/// A message is good for this long: SNS tries for up to an hour by its default policies.
const AGE_SECONDS: i64 = 3_600;

/// One compiled `verify` object of scheme `sns`.
#[derive(Debug)]
pub(super) struct Sns {
    topics: Vec<String>,
}

impl Sns {
    pub fn compile(_table: &Table<'_>, secrets: &Secrets) -> Result<Self, Fault> {
        if secrets.topics.is_empty() && !secrets.in_form {
            return Err(Fault::new(
                "inbound.topicArns",
                "is required: a signature of Amazon does not say that a topic is yours",
            ));
        }
        Ok(Self { topics: secrets.topics.clone() })
    }

    /// Where the certificate of this request's key is, if the topic is ours and Amazon may have put it there.
    pub fn key_address(&self, document: &Document) -> Option<String> {
        let text = |name: &str| document.value()?.get(name)?.as_str();
        let url = text("SigningCertURL")?;
        let is_ours = self.topics.iter().any(|known| text("TopicArn") == Some(known));
        (is_ours && is_amazon(url) && url.ends_with(".pem")).then(|| url.to_owned())
    }

    /// Checks a request; `certificate` is what stands at [`Self::key_address`].
    pub fn check(
        &self,
        request: &Received<'_>,
        document: Option<&Document>,
        certificate: Option<&[u8]>,
    ) -> Result<(), Refused> {
        let message = document.and_then(Document::value).ok_or(Refused::Missing)?;
        let text = |name: &str| message.get(name).and_then(Value::as_str).ok_or(Refused::Missing);
        let (given, topic) = (text("Signature")?, text("TopicArn")?);
        let hash = match text("SignatureVersion")? {
            "1" => Hash::Sha1,
            "2" => Hash::Sha256,
            _ => return Err(Refused::Missing),
        };
        let sent = super::convert::rfc3339(text("Timestamp")?).ok_or(Refused::Missing)?;
        if sent.as_second().abs_diff(request.received_at.as_second()) > AGE_SECONDS.unsigned_abs() {
            return Err(Refused::Stale);
        }
        if !self.topics.iter().any(|known| known == topic) {
            return Err(Refused::Mismatch);
        }
        let signed = signed(message).ok_or(Refused::Missing)?;
        let proof = Encoding::Base64.decode(given).ok_or(Refused::Missing)?;
        document.and_then(|document| self.key_address(document)).ok_or(Refused::Mismatch)?;
        let pem = certificate.and_then(|pem| std::str::from_utf8(pem).ok()).ok_or(Refused::Keyless)?;
        let key = PublicKey::parse(pem).ok_or(Refused::Keyless)?;
        if key.verifies(hash, signed.as_bytes(), &proof) { Ok(()) } else { Err(Refused::Mismatch) }
    }
}

/// The lines that SNS signs: name and value, each with a line feed, in the order of the names.
fn signed(message: &Value) -> Option<String> {
    let names: &[&str] = match message.get("Type")?.as_str()? {
        "Notification" => &["Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"],
        "SubscriptionConfirmation" | "UnsubscribeConfirmation" => {
            &["Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"]
        }
        _ => return None,
    };
    let mut out = String::new();
    for name in names {
        match message.get(*name) {
            Some(Value::String(value)) => {
                out.push_str(name);
                out.push('\n');
                out.push_str(value);
                out.push('\n');
            }
            None | Some(Value::Null) if *name == "Subject" => {}
            _ => return None,
        }
    }
    Some(out)
}

/// The address that confirms a subscription, if this message asks for it and the address is Amazon's.
pub(super) fn confirmation(document: &Document) -> Option<String> {
    let message = document.value()?;
    (message.get("Type")?.as_str()? == "SubscriptionConfirmation").then_some(())?;
    let url = message.get("SubscribeURL")?.as_str()?;
    is_amazon(url).then(|| url.to_owned())
}

/// `https://sns.REGION.amazonaws.com/...`, and nothing that only looks like it.
pub(super) fn is_amazon(url: &str) -> bool {
    let Some(rest) = url.strip_prefix("https://") else { return false };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let Some((host, path)) = rest.split_at_checked(end) else { return false };
    let region = host.strip_prefix("sns.").and_then(|tail| {
        tail.strip_suffix(".amazonaws.com").or_else(|| tail.strip_suffix(".amazonaws.com.cn"))
    });
    let is_region = |region: &str| {
        !region.is_empty()
            && region.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    };
    region.is_some_and(is_region) && path.starts_with('/') && url.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn e21_only_amazon_s_own_addresses_are_believed() {
        assert!(is_amazon("https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0.pem"));
        assert!(is_amazon("https://sns.cn-north-1.amazonaws.com.cn/x.pem"));
        for url in [
            "http://sns.eu-west-1.amazonaws.com/x.pem",
            "https://evil.example/x.pem",
            "https://sns.us-east-1.amazonaws.com.evil.example/x.pem",
            "https://sns.us-east-1.amazonaws.com@evil.example/x.pem",
            "https://sns.us-east-1.amazonaws.com:8443/x.pem",
            "https://evil.example/sns.us-east-1.amazonaws.com/x.pem",
            "https://sns.evil.example#.amazonaws.com/x.pem",
            "https://sns.a.b.amazonaws.com/x.pem",
            "https://sns..amazonaws.com/x.pem",
            "https://sns.us-east-1.amazonaws.com",
            "https://sns.us-east-1.amazonaws.com/\\@evil.example/ x",
            "file:///etc/passwd",
        ] {
            assert!(!is_amazon(url), "{url}");
        }
    }
}
