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

/// What Gmail's ids make of a mail: the key, and whether it begins the thread.
fn hint(text: &str, (message_id, thread_id): (u64, u64)) -> Option<Hint> {
    let origin = Origin::Imap {
        mailbox: "INBOX".into(),
        uid_validity: 1,
        uid: 1,
        internal_date: None,
        sent: false,
        backfill: false,
        gmail: Some(crate::envelope::GmailIds { message_id, thread_id }),
    };
    let payload = Payload::Mail(Bytes::from(text.replace('\n', "\r\n")));
    let received_at = "2026-11-20T10:00:00Z".parse().unwrap();
    let (tenant_id, surface_id) = (TenantId(Uuid::from_u128(2)), SurfaceId(Uuid::from_u128(1)));
    normalize(Envelope { tenant_id, surface_id, origin, received_at, payload }, &settings(json!({}))).hint
}

#[test]
fn gmails_thread_counts_for_its_first_mail_and_for_answers_between_the_same_two() {
    let without = |field: &str| {
        let lines = HELLO.lines().filter(|line| !line.starts_with(field));
        lines.fold(String::new(), |text, line| text + line + "\n")
    };
    let first = hint(&without("References").replace("In-Reply-To: <1@example.org>\n", ""), (5, 5)).unwrap();
    let answer = hint(HELLO, (6, 5)).unwrap();
    assert_eq!((first.key, first.begins, answer.begins), (answer.key, true, false));
    let swapped = HELLO
        .replace("Ann <Ann@customer.example>", "x")
        .replace("support@example.org", "ann@customer.example");
    let ours = hint(&swapped.replace("From: x", "From: support@example.org"), (7, 5)).unwrap();
    assert_eq!(ours.key, first.key, "whoever of the two writes");
    let bare = without("References").replace("In-Reply-To: <1@example.org>\n", "");
    assert_eq!(hint(&bare, (6, 5)), None, "the subject alone");
    assert_eq!(hint(&bare.replace("Subject: Hello", "Subject: Re: Hello"), (6, 5)), None, "and with Re:");
    let quoting = bare.replace("Subject: Hello", "Subject: Re: Hello") + "\nOn Monday Bob wrote:\n> Hi Ann\n";
    assert_eq!(hint(&quoting, (6, 5)).map(|hint| hint.key), Some(first.key));
    assert_ne!(hint(&HELLO.replace("Ann@customer", "bob@customer"), (6, 5)).unwrap().key, first.key);
    assert_eq!(hint(&format!("List-Id: <l.example.org>\n{HELLO}"), (6, 5)), None);
}

/// The verdict on a mail with these fields on top.
fn verdict(fields: &str, config: &serde_json::Value) -> (String, serde_json::Value) {
    let read = mail(&format!("{fields}{HELLO}"), false, &settings(config.clone()));
    let authenticity = read.metadata["authenticity"].clone();
    (authenticity["verdict"].as_str().unwrap().to_owned(), authenticity)
}

#[test]
fn a_good_result_counts_only_above_the_line_of_the_server_that_received_the_mail() {
    let config = json!({"trustedAuthserv": ["mx.google.com", "MX.example.org"]});
    let pass = "Authentication-Results: mx.example.org; dmarc=pass header.from=customer.example\n";
    let border =
        "Received: from evil.example (evil.example [192.0.2.9]) by mx.example.org; Mon, 2 Nov 2026\n";
    let inner = "Received: from mx.example.org by imap.example.org with LMTP; Mon, 2 Nov 2026\n";
    let filter = "Received: from localhost (localhost [127.0.0.1]) by mx.example.org; Mon, 2 Nov 2026\n";
    let word = |fields: String| verdict(&fields, &config).0;
    assert_eq!(word(format!("{pass}{border}")), "pass");
    assert_eq!(word(format!("{inner}{filter}{pass}{border}")), "pass");
    assert_eq!(word(format!("{border}{pass}")), "unknown", "the sender wrote it");
    assert_eq!(word(border.to_owned()), "unknown");
    let fail = pass.replace("dmarc=pass", "dmarc=fail");
    assert_eq!(word(format!("{fail}{border}{pass}")), "fail", "the topmost counts");
    assert_eq!(word(format!("{border}{fail}")), "fail", "nobody forges that against himself");
    assert_eq!(verdict(pass, &json!({})).0, "unknown", "nobody is trusted");
}

#[test]
fn several_fields_of_one_server_are_read_together() {
    let config = json!({"trustedAuthserv": "mx.example.org"});
    let fields = "Authentication-Results: mx.example.org; dmarc=fail\n\
        Authentication-Results: mx.example.org; dkim=fail header.d=x.example; dkim=pass header.d=customer.example\n\
        Authentication-Results: other.example; spf=pass smtp.mailfrom=customer.example\n\
        Received: from a ([192.0.2.1]) by mx.example.org; Mon, 2 Nov 2026\n\
        Authentication-Results: mx.example.org; dmarc=pass; arc=pass\n";
    let (word, authenticity) = verdict(fields, &config);
    assert_eq!(word, "fail");
    let expected = json!({"verdict": "fail", "server": "mx.example.org", "dmarc": "fail", "dkim": "pass"});
    assert_eq!(authenticity, expected);
}

#[test]
fn where_the_server_checks_no_dmarc_an_aligned_signature_or_path_vouches() {
    let config = json!({"trustedAuthserv": "mx.example.org"});
    let word =
        |results: &str| verdict(&format!("Authentication-Results: mx.example.org; {results}\n"), &config).0;
    assert_eq!(word("dkim=pass header.d=customer.example"), "pass");
    assert_eq!(word("dkim=pass header.i=@mail.customer.example"), "pass");
    assert_eq!(word("spf=pass smtp.mailfrom=bounce@customer.example"), "pass");
    assert_eq!(word("dkim=pass header.d=evil.example; spf=pass smtp.mailfrom=evil.example"), "unknown");
    assert_eq!(word("dkim=pass header.d=evilcustomer.example"), "unknown");
    assert_eq!(word("dkim=pass header.d=example"), "unknown", "a top-level domain vouches for nobody");
    assert_eq!(word("dmarc=none; dkim=pass header.d=customer.example"), "pass");
    assert_eq!(word("dmarc=temperror; dkim=pass header.d=customer.example"), "unknown");
}

#[test]
fn a_trusted_forwarder_that_saw_the_mail_pass_outweighs_the_failure_it_caused() {
    let seal = |i: u32, domain: &str, dmarc: &str| {
        format!(
            "ARC-Seal: i={i}; a=rsa-sha256; d={domain}; s=k; cv=pass; b=AAAA\n\
             ARC-Authentication-Results: i={i}; {domain}; dmarc={dmarc}\n"
        )
    };
    let own = |arc: &str| format!("Authentication-Results: mx.example.org; dmarc=fail; arc={arc}\n");
    let config = json!({"trustedAuthserv": "mx.example.org", "trustedSealers": ["lists.example"]});
    let word = |arc: &str, seals: String| verdict(&format!("{}{seals}", own(arc)), &config).0;
    assert_eq!(word("pass", seal(1, "lists.example", "pass")), "unknown");
    assert_eq!(word("fail", seal(1, "lists.example", "pass")), "fail", "the chain is broken");
    assert_eq!(word("pass", seal(1, "lists.example", "fail")), "fail", "it saw the mail fail");
    assert_eq!(word("pass", seal(1, "evil.example", "pass")), "fail", "a stranger seals anything");
    let two = seal(2, "evil.example", "pass") + &seal(1, "lists.example", "pass");
    assert_eq!(word("pass", two), "fail", "the newest seal vouches for those below");
    let untrusting = json!({"trustedAuthserv": "mx.example.org"});
    assert_eq!(verdict(&(own("pass") + &seal(1, "lists.example", "pass")), &untrusting).0, "fail");
}

#[test]
fn a_signature_of_the_authors_domain_vouches_where_the_surface_has_its_key() {
    let word = |domain: &str, change: &dyn Fn(String) -> String| {
        let (signed, keys) = crate::email::authentication::tests::signed(7, domain);
        let read = mail(&change(signed.replace("\r\n", "\n")), false, &settings(json!({"dkimKeys": keys.0})));
        read.metadata["authenticity"].clone()
    };
    let good = word("example.org", &|mail| mail);
    assert_eq!(good["verdict"], "pass");
    assert_eq!(good["signatures"], json!([{"domain": "example.org", "selector": "one", "result": "pass"}]));
    let changed = word("example.org", &|mail| mail.replace("Hello there", "Pay me"));
    assert_eq!(
        (&changed["verdict"], &changed["signatures"][0]["result"]),
        (&json!("unknown"), &json!("fail"))
    );
    assert_eq!(word("evil.example", &|mail| mail)["verdict"], "unknown", "a stranger's signature");
    let two = word("example.org", &|mail| format!("From: mallory@evil.example\n{mail}"));
    assert_eq!(two["verdict"], "unknown", "two authors");
}
