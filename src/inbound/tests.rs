//! Direction, identity and belief, on small mails.

use super::*;
use crate::ids::TenantId;
use crate::matching::keys;
use crate::model::surface::{Surface, SurfaceStatus};
use serde_json::json;
use uuid::Uuid;

fn settings(config: serde_json::Value) -> SurfaceSettings {
    let surface = Surface {
        id: SurfaceId(Uuid::from_u128(1)),
        name: "support".into(),
        kind: "email".into(),
        status: SurfaceStatus::Active,
        environment: "production".into(),
        workspace_id: None,
        config: config.as_object().cloned().unwrap(),
        inbound: JsonMap::new(),
        outbound: JsonMap::new(),
        created_at: Timestamp::UNIX_EPOCH,
        updated_at: Timestamp::UNIX_EPOCH,
    };
    SurfaceSettings::of(&surface, json!({"fromAddress": "Support+in@Example.org"}).as_object())
}

fn mail(text: &str, sent: bool, settings: &SurfaceSettings) -> InboundMessage {
    let origin = Origin::Imap {
        mailbox: "INBOX".into(),
        uid_validity: 1,
        uid: 1,
        internal_date: None,
        sent,
        backfill: false,
        gmail: None,
    };
    let envelope = Envelope {
        tenant_id: TenantId(Uuid::from_u128(2)),
        surface_id: SurfaceId(Uuid::from_u128(1)),
        origin,
        received_at: "2026-11-20T10:00:00Z".parse().unwrap(),
        payload: Payload::Mail(Bytes::from(text.replace('\n', "\r\n"))),
    };
    normalize(envelope, settings)
}

const HELLO: &str = "From: Ann <Ann@customer.example>\nTo: support@example.org\nMessage-ID: <2@customer.example>\n\
    References: <0@Example.org> <1@example.org>\nIn-Reply-To: <1@example.org>\nSubject: Hello\n\
    Date: Fri, 20 Nov 2026 09:00:00 +0000\n\nHello there\n";

#[test]
fn an_inbound_mail_is_its_senders_and_linked_nearest_first() {
    let read = mail(HELLO, false, &settings(json!({})));
    assert_eq!(read.direction, Some(Direction::Inbound));
    assert_eq!(read.role, Role::User);
    assert_eq!(read.counterpart.unwrap().external_id, "ann@customer.example");
    assert_eq!(read.thread_id.as_deref(), Some("0@Example.org"));
    let expected: Vec<_> = ["2@customer.example", "1@example.org", "0@example.org"].map(keys::mail).into();
    assert_eq!(read.keys, expected);
    assert_eq!(read.sent_at.to_string(), "2026-11-20T09:00:00Z");
}

#[test]
fn what_lies_in_sent_is_outbound_and_belongs_to_its_recipient() {
    let text = HELLO
        .replace("Ann <Ann@customer.example>", "support@example.org")
        .replace("To: support@example.org", "To: Bob <bob@customer.example>");
    let read = mail(&text, true, &settings(json!({})));
    assert_eq!((read.direction, read.role), (Some(Direction::Outbound), Role::Assistant));
    assert_eq!(read.counterpart.unwrap().external_id, "bob@customer.example");
    assert!(!read.reopens);
}

#[test]
fn our_own_address_in_the_inbox_proves_nothing_unless_the_surface_trusts_it() {
    let text = HELLO.replace("Ann@customer.example", "SUPPORT@example.org");
    let read = mail(&text, false, &settings(json!({})));
    assert_eq!(read.direction, Some(Direction::Inbound));
    assert_eq!(read.metadata["flags"]["spoofSuspected"], json!(true));
    let read = mail(&text, false, &settings(json!({"match": {"trustOwnAddresses": true}})));
    assert_eq!(read.direction, Some(Direction::Outbound));
}

#[test]
fn dmarc_failure_counts_only_from_the_trusted_server() {
    let stamped = |id: &str| {
        format!("Authentication-Results: {id}; spf=pass; dmarc=fail (p=none) header.from=x\n{HELLO}")
    };
    let trusting = settings(json!({"trustedAuthserv": "mx.example.org"}));
    assert!(mail(&stamped("mx.example.org"), false, &trusting).disowned);
    assert!(!mail(&stamped("mx.evil.example"), false, &trusting).disowned);
    assert!(!mail(&stamped("mx.example.org"), false, &settings(json!({}))).disowned);
}

#[test]
fn a_date_in_the_far_future_gives_way_to_arrival() {
    let read = mail(&HELLO.replace("2026 09", "2031 09"), false, &settings(json!({})));
    assert_eq!(read.sent_at.to_string(), "2026-11-20T10:00:00Z");
}

#[test]
fn a_mail_without_message_id_has_the_same_identity_each_time() {
    let text = HELLO.replace("Message-ID: <2@customer.example>\n", "");
    let config = settings(json!({}));
    assert_eq!(mail(&text, false, &config).identity, mail(&text, true, &config).identity);
    assert!(mail(&text, false, &config).external_message_id.starts_with("sha256:"));
}

#[test]
fn our_own_address_in_the_free_text_of_in_reply_to_joins_no_customers() {
    let text = HELLO.replace(
        "In-Reply-To: <1@example.org>",
        "In-Reply-To: Message from Us <support@example.org> of \"Mon\" <1@example.org>",
    );
    let config = settings(json!({}));
    assert_eq!(mail(&text, false, &config).keys, mail(HELLO, false, &config).keys);
}
