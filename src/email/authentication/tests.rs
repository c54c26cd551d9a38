//! Fields that servers write, and signatures with keys made here.

use super::*;
use crate::email::read;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mail_auth::arc::ArcSealer;
use mail_auth::common::crypto::Ed25519Key;
use mail_auth::common::headers::HeaderWriter as _;
use mail_auth::dkim::DkimSigner;
use mail_auth::{ArcOutput, AuthenticatedMessage, AuthenticationResults};
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use std::collections::BTreeMap;

fn stamps(fields: &str) -> Vec<Stamp> {
    read(format!("{fields}From: ann@example.org\n\nHello\n").replace('\n', "\r\n").as_bytes()).trace.stamps
}

fn results_of(field: &str) -> Results {
    match stamps(&format!("Authentication-Results: {field}\n")).remove(0) {
        Stamp::Results(results) => results,
        other => panic!("{other:?}"),
    }
}

fn pairs(results: &Results) -> Vec<(&str, &str)> {
    results.methods.iter().map(|it| (it.method.as_str(), it.result.as_str())).collect()
}

#[test]
fn methods_are_read_through_comments_quotes_versions_and_blanks() {
    let found = results_of(
        "Mx.Example.ORG 1;\n dkim/1 = Pass (2048-bit; key) header.d=\"example.org\" header.i=@example.org;\n \
         spf=softfail (a (nested; dmarc=pass) remark) smtp.mailfrom=x@y.example; dmarc=fail\n reason=\"a; dmarc=pass\" \
         header.from=example.org",
    );
    assert_eq!(found.server, "mx.example.org");
    assert_eq!(pairs(&found), [("dkim", "pass"), ("spf", "softfail"), ("dmarc", "fail")]);
    assert_eq!(found.methods[0].property("header.d"), Some("example.org"));
    assert_eq!(found.methods[1].property("smtp.mailfrom"), Some("x@y.example"));
}

#[test]
fn a_server_without_a_name_and_one_without_results_are_read() {
    let nameless = results_of("spf=pass (sender IP is 192.0.2.1) smtp.mailfrom=a.example; dkim=none");
    assert_eq!((nameless.server.as_str(), pairs(&nameless)), ("", vec![("spf", "pass"), ("dkim", "none")]));
    let none = results_of("mx.example.org; none");
    assert_eq!((none.server.as_str(), none.methods.len()), ("mx.example.org", 0));
}

#[test]
fn received_lines_name_the_server_and_not_what_the_other_side_said() {
    let found = stamps(
        "Received: from by mx.evil.example (by [192.0.2.9]) by MX.example.org with ESMTP; Mon, 2 Nov 2026\n\
         Received: from localhost (localhost [127.0.0.1]) by mx.example.org\n\
         Received: from [127.0.0.1] (evil [192.0.2.9]) by mx.example.org\n\
         Authentication-Results: x; none\n",
    );
    let is = |from_itself| Stamp::Received { by: "mx.example.org".into(), from_itself };
    assert_eq!(found[..3], [is(false), is(true), is(false)]);
}

#[test]
fn arc_fields_carry_their_instance() {
    let found = stamps(
        "ARC-Seal: i=2; a=rsa-sha256; cv=pass; d=Lists.Example; s=k; b=AAAA\n\
         ARC-Authentication-Results: i=2; lists.example; dmarc=pass header.from=example.org\n",
    );
    assert_eq!(found[0], Stamp::Seal { instance: 2, domain: "lists.example".into() });
    assert!(
        matches!(&found[1], Stamp::Forwarded { instance: 2, results } if pairs(results) == [("dmarc", "pass")])
    );
}

#[test]
fn most_mails_have_no_trace_and_hostile_ones_a_bounded_one() {
    assert_eq!(stamps("Received: by mx.example.org\n"), []);
    assert_eq!(stamps(&"Authentication-Results: mx; a=b\n".repeat(500)).len(), FIELD_LIMIT);
    let long = format!("mx;{}", "a=b;".repeat(10_000));
    assert!(results_of(&long).methods.len() <= RESULT_LIMIT);
    assert_eq!(results_of(&format!("mx; {}", "(".repeat(5_000))).methods, []);
}

pub(crate) struct Keys(pub BTreeMap<String, String>);

impl DkimKeys for Keys {
    fn record(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }
}

const MAIL: &str = "From: Ann <ann@example.org>\r\nTo: us@example.com\r\nSubject: Hello\r\n\
    Date: Fri, 20 Nov 2026 09:00:00 +0000\r\nMessage-ID: <1@example.org>\r\n\r\nHello there\r\n";

/// A mail signed with a key made from `seed`, and the record of that key.
pub(crate) fn signed(seed: u8, domain: &str) -> (String, Keys) {
    let pair = Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap();
    let public = pair.public_key().as_ref().to_vec();
    let key = Ed25519Key::from_seed_and_public_key(&[seed; 32], &public).unwrap();
    let signature = DkimSigner::from_key(key)
        .domain(domain)
        .selector("one")
        .headers(["From", "To", "Subject", "Date", "Message-ID"])
        .sign(MAIL.as_bytes())
        .unwrap();
    let record = format!("v=DKIM1; k=ed25519; p={}", STANDARD.encode(public));
    let keys = BTreeMap::from([(format!("one._domainkey.{domain}"), record)]);
    (format!("{}{MAIL}", signature.to_header()), Keys(keys))
}

fn result(mail: &str, keys: &Keys) -> Vec<(String, &'static str)> {
    check(mail.as_bytes(), keys).dkim.into_iter().map(|it| (it.domain, it.result)).collect()
}

#[test]
fn a_signature_is_checked_with_the_key_at_hand() {
    let (mail, keys) = signed(1, "example.org");
    let is = |word| [("example.org".to_owned(), word)];
    assert_eq!(result(&mail, &keys), is("pass"));
    assert_eq!(result(&mail.replace("Hello there", "Pay me"), &keys), is("fail"), "another body");
    assert_eq!(result(&mail.replace("Subject: Hello", "Subject: Pay"), &keys), is("fail"), "another header");
    let (_, others) = signed(2, "example.org");
    assert_eq!(result(&mail, &others), is("fail"), "another key");
    assert_eq!(result(&mail, &Keys(BTreeMap::new())), [], "no key at hand");
    assert_eq!(result(MAIL, &keys), [], "no signature");
}

#[test]
fn a_key_that_was_withdrawn_and_one_that_is_damaged_prove_nothing() {
    let (mail, mut keys) = signed(1, "example.org");
    for record in ["v=DKIM1; p=", "v=DKIM1; k=ed25519; p=AAAA", "nonsense"] {
        keys.0.values_mut().for_each(|value| *value = record.to_owned());
        assert_eq!(check(mail.as_bytes(), &keys).dkim.iter().filter(|it| it.result == "pass").count(), 0);
    }
}

#[test]
fn hundreds_of_signatures_are_not_checked() {
    let (mail, keys) = signed(1, "example.org");
    let field = mail.split("From:").next().unwrap();
    assert_eq!(check(format!("{}{mail}", field.repeat(200)).as_bytes(), &keys), Signatures::default());
    let wide = field.replacen(';', &format!("; z={};", "A".repeat(10_000)), 1);
    assert!(wide.len() > 10_000);
    assert_eq!(check(format!("{wide}{MAIL}").as_bytes(), &keys), Signatures::default());
}

#[test]
fn a_chain_of_seals_is_checked_with_the_keys_at_hand() {
    let (_, keys) = signed(1, "lists.example");
    let public = Ed25519KeyPair::from_seed_unchecked(&[1; 32]).unwrap().public_key().as_ref().to_vec();
    let key = Ed25519Key::from_seed_and_public_key(&[1; 32], &public).unwrap();
    let message = AuthenticatedMessage::parse(MAIL.as_bytes()).unwrap();
    let seen = AuthenticationResults::new("lists.example");
    let seal = ArcSealer::from_key(key)
        .domain("lists.example")
        .selector("one")
        .headers(["From", "To", "Subject", "Date", "Message-ID"])
        .seal(&message, &seen, &ArcOutput::default())
        .unwrap();
    let mail = format!("{}{MAIL}", seal.to_header());
    let verdict = |mail: &str, keys: &Keys| check(mail.as_bytes(), keys).arc;
    assert_eq!(verdict(&mail, &keys), Some("pass"));
    assert_eq!(verdict(&mail.replace("Hello there", "Pay me"), &keys), Some("fail"));
    assert_eq!(verdict(&mail.replace("cv=none", "cv=pass"), &keys), Some("fail"));
    assert_eq!(verdict(&mail, &Keys(BTreeMap::new())), None);
    assert_eq!(verdict(MAIL, &keys), None);
}
