//! Every provider: its surface, its rules, and the request for its n-th message.

use super::CHATS;
use super::rules::Rules;
use super::unnamed::by_fixture;
use super::wire::{Wire, base64, digest, ed25519, hex, now, public_key, sha1, sha256, token};
use inlet::channel::preset_names;
use serde_json::{Value, json};

pub const SECRET: &str = "a-secret-of-the-simulator";
const USER: &str = "hook";
const PUBLIC_URL: &str = "https://hooks.example/x";

pub struct Provider {
    pub name: &'static str,
    pub inbound: Value,
    pub rules: Rules,
    pub waits_to_be_asked: bool,
    pub make: Box<MakeAny>,
}

/// Makes the request for a message to a URL.
type MakeAny = dyn Fn(&Message, &str) -> Wire + Send + Sync;
type Make = fn(&Message, &str) -> Wire;

/// The n-th message of a provider.
pub struct Message {
    pub text: String,
    pub number: usize,
    chat: usize,
    /// Its own time, in seconds; later ones are later.
    time: i64,
}

impl Provider {
    /// What its n-th message says.
    pub fn text(&self, number: usize) -> String {
        format!("{} says {number}", self.name)
    }

    pub fn request(&self, number: usize, url: &str, is_asked: bool) -> Wire {
        let time = 1_760_000_000 + i64::try_from(number).unwrap();
        let message = Message { text: self.text(number), number, chat: number % CHATS, time };
        let mut wire = (self.make)(&message, url);
        if self.waits_to_be_asked && !is_asked {
            wire.headers.retain(|(name, _)| *name != "Authorization");
        }
        wire
    }
}

/// All of them.
pub fn all() -> Vec<Provider> {
    let secret = |name: &'static str, rules, make: Make| {
        let inbound =
            json!({"provider": name, "secret": SECRET, "verifyToken": "verify", "publicUrl": PUBLIC_URL});
        Provider { name, inbound, rules, waits_to_be_asked: false, make: Box::new(make) }
    };
    let basic = |name: &'static str, rules, make: Make| {
        let inbound = json!({"provider": name, "username": USER, "password": SECRET});
        Provider { name, inbound, rules, waits_to_be_asked: false, make: Box::new(make) }
    };
    let standard = json!({"provider": "standard-webhooks", "secret": format!("whsec_{}", base64(SECRET))});
    // Their keys are their own: the proofs are the fixtures' business, how they retry is this one's.
    let unsigned = |name: &'static str, make| Provider {
        inbound: json!({"provider": name, "allowUnsigned": true}),
        ..secret(name, Rules::AFewTimes, make)
    };
    let mut all = vec![
        secret("inlet", Rules::Standard, inlet),
        Provider { inbound: standard, ..secret("standard-webhooks", Rules::Standard, standard_webhooks) },
        secret("whatsapp", Rules::Meta, whatsapp),
        secret("messenger", Rules::Meta, |it, url| meta("page", it, url)),
        secret("instagram", Rules::Meta, |it, url| meta("instagram", it, url)),
        secret("slack", Rules::Slack, slack),
        secret("telegram", Rules::Telegram, telegram),
        secret("intercom", Rules::AFewTimes, intercom),
        secret("chatwoot", Rules::Never, chatwoot),
        secret("twilio", Rules::Twilio, twilio),
        secret("crisp", Rules::AFewTimes, crisp),
        secret("sunshine", Rules::AFewTimes, sunshine),
        basic("postmark", Rules::Postmark, postmark),
        secret("mailgun", Rules::Mailgun, mailgun),
        basic("sendgrid", Rules::SendGrid, sendgrid),
        secret("mandrill", Rules::AFewTimes, mandrill),
        basic("cloudmailin", Rules::CloudMailin, cloudmailin),
        secret("rfc822", Rules::Relay, relay),
        secret("line", Rules::AFewTimes, line),
        secret("viber", Rules::AFewTimes, viber),
        secret("rocketchat", Rules::RocketChat, rocketchat),
        Provider { waits_to_be_asked: true, ..basic("ses", Rules::Sns, ses) },
        Provider {
            inbound: json!({"provider": "resend", "secret": format!("whsec_{}", base64(SECRET))}),
            ..secret("resend", Rules::Standard, resend)
        },
        secret("vonage", Rules::AFewTimes, vonage),
        secret("messagebird", Rules::AFewTimes, messagebird),
        Provider {
            inbound: json!({"provider": "telnyx", "secret": public_key()}),
            ..secret("telnyx", Rules::Telnyx, telnyx)
        },
        unsigned("freshchat", freshchat),
        unsigned("teams", teams),
    ];
    let is_named = |name: &str| all.iter().any(|provider| provider.name == name);
    let unnamed: Vec<_> = preset_names().filter(|name| !is_named(name)).filter_map(by_fixture).collect();
    all.extend(unnamed);
    all
}

fn with_password(wire: Wire) -> Wire {
    wire.header("Authorization", format!("Basic {}", base64(format!("{USER}:{SECRET}"))))
}

#[test]
fn every_preset_is_simulated() {
    let mut simulated: Vec<&str> = all().iter().map(|provider| provider.name).collect();
    simulated.sort_unstable();
    assert_eq!(
        simulated,
        preset_names().collect::<Vec<_>>(),
        "what has no JSON fixture is written in this file"
    );
}

/// A mail that answers the first one of its chat, so that a chat is one conversation.
fn mail(it: &Message, service: &str) -> String {
    format!(
        "From: Ann <ann{chat}@example.org>\r\nTo: us@example.com\r\nSubject: Chat {chat}\r\nMessage-ID: <{number}@{service}>\r\n\
         References: <chat-{chat}@{service}>\r\nDate: Thu, 09 Oct 2025 {hour:02}:{minute:02}:{second:02} +0000\r\n\r\n{text}\r\n",
        chat = it.chat,
        number = it.number,
        hour = it.number / 3_600 % 24,
        minute = it.number / 60 % 60,
        second = it.number % 60,
        text = it.text,
    )
}

fn inlet(it: &Message, url: &str) -> Wire {
    let body = json!({"externalThreadId": it.chat.to_string(), "externalMessageId": it.number.to_string(), "content": it.text});
    let wire = Wire::json(url, &body);
    let sign = format!("sha256={}", hex(sha256(SECRET, wire.text())));
    wire.header("X-Inlet-Signature", sign)
}

fn standard_webhooks(it: &Message, url: &str) -> Wire {
    let wire = Wire::json(url, &json!({"externalThreadId": it.chat.to_string(), "content": it.text}));
    let (id, stamp) = (format!("msg_{}", it.number), now());
    let sign = format!("v1,{}", base64(sha256(SECRET, &format!("{id}.{stamp}.{}", wire.text()))));
    wire.header("webhook-id", id)
        .header("webhook-timestamp", stamp.to_string())
        .header("webhook-signature", sign)
}

fn hub(wire: Wire) -> Wire {
    let sign = format!("sha256={}", hex(sha256(SECRET, wire.text())));
    wire.header("X-Hub-Signature-256", sign)
}

fn whatsapp(it: &Message, url: &str) -> Wire {
    let message = json!({"from": format!("1555{}", it.chat), "id": format!("wamid.{}", it.number), "timestamp": it.time.to_string(),
        "type": "text", "text": {"body": it.text}});
    let value = json!({"messaging_product": "whatsapp", "metadata": {"phone_number_id": "PN1"}, "messages": [message]});
    hub(Wire::json(
        url,
        &json!({"object": "whatsapp_business_account", "entry": [{"id": "W", "changes": [{"field": "messages", "value": value}]}]}),
    ))
}

fn meta(object: &str, it: &Message, url: &str) -> Wire {
    let messaging = json!({"sender": {"id": format!("PSID{}", it.chat)}, "recipient": {"id": "P1"}, "timestamp": it.time * 1_000,
        "message": {"mid": format!("m_{}", it.number), "text": it.text}});
    hub(Wire::json(
        url,
        &json!({"object": object, "entry": [{"id": "P1", "time": it.time * 1_000, "messaging": [messaging]}]}),
    ))
}

fn slack(it: &Message, url: &str) -> Wire {
    let event = json!({"type": "message", "channel": format!("C{}", it.chat), "channel_type": "channel", "user": "U1", "text": it.text,
        "ts": format!("{}.000100", it.time), "thread_ts": "1759999999.000200"});
    let wire = Wire::json(
        url,
        &json!({"type": "event_callback", "team_id": "T1", "event_id": format!("Ev{}", it.number), "event": event}),
    );
    let stamp = now().to_string();
    let sign = format!("v0={}", hex(sha256(SECRET, &format!("v0:{stamp}:{}", wire.text()))));
    wire.header("X-Slack-Request-Timestamp", stamp).header("X-Slack-Signature", sign)
}

fn telegram(it: &Message, url: &str) -> Wire {
    let message = json!({"message_id": it.number, "date": it.time, "chat": {"id": it.chat, "type": "private"}, "from": {"id": it.chat, "is_bot": false},
        "text": it.text});
    Wire::json(url, &json!({"update_id": it.number, "message": message}))
        .header("X-Telegram-Bot-Api-Secret-Token", SECRET)
}

fn intercom(it: &Message, url: &str) -> Wire {
    let author = json!({"id": format!("u{}", it.chat), "type": "user"});
    let part = json!({"type": "conversation_part", "id": format!("p{}", it.number), "author": author, "body": format!("<p>{}</p>", it.text), "created_at": it.time});
    let item = json!({"type": "conversation", "id": it.chat.to_string(), "source": {"id": "s", "author": author, "body": "<p>first</p>"},
        "conversation_parts": {"conversation_parts": [part]}});
    let body = json!({"type": "notification_event", "topic": "conversation.user.replied", "id": format!("n{}", it.number), "data": {"item": item}});
    let wire = Wire::json(url, &body);
    let sign = format!("sha1={}", hex(sha1(SECRET, wire.text())));
    wire.header("X-Hub-Signature", sign)
}

fn chatwoot(it: &Message, url: &str) -> Wire {
    let body = json!({"event": "message_created", "id": it.number, "content": it.text, "message_type": "incoming", "private": false,
        "conversation": {"id": it.chat, "contact_inbox": {"source_id": it.chat.to_string()}}, "account": {"id": 1}});
    let wire = Wire::json(url, &body);
    let stamp = now().to_string();
    let sign = format!("sha256={}", hex(sha256(SECRET, &format!("{stamp}.{}", wire.text()))));
    wire.header("X-Chatwoot-Timestamp", stamp).header("X-Chatwoot-Signature", sign)
}

fn twilio(it: &Message, url: &str) -> Wire {
    let (id, from) = (format!("SM{}", it.number), format!("+1555{}", it.chat));
    let fields = [
        ("AccountSid", "AC1"),
        ("Body", it.text.as_str()),
        ("From", &from),
        ("MessageSid", &id),
        ("To", "+1999"),
    ];
    let signed: String = fields.iter().map(|(name, value)| format!("{name}{value}")).collect();
    Wire::form(url, &fields)
        .header("X-Twilio-Signature", base64(sha1(SECRET, &format!("{PUBLIC_URL}{signed}"))))
}

fn crisp(it: &Message, url: &str) -> Wire {
    let data = json!({"session_id": format!("session_{}", it.chat), "type": "text", "content": it.text, "from": "user", "timestamp": it.time * 1_000,
        "fingerprint": 176_000_000_000_000_i64 + it.time, "user": {"nickname": "visitor"}});
    let wire = Wire::json(
        url,
        &json!({"website_id": "w", "event": "message:send", "data": data, "timestamp": it.time * 1_000}),
    );
    let stamp = (now() * 1_000).to_string();
    let sign = hex(sha256(SECRET, &format!("[{stamp};{}]", wire.text())));
    wire.header("X-Crisp-Request-Timestamp", stamp).header("X-Crisp-Signature", sign)
}

fn sunshine(it: &Message, url: &str) -> Wire {
    let message = json!({"id": format!("m{}", it.number), "author": {"type": "user", "userId": "u"}, "content": {"type": "text", "text": it.text}});
    let payload = json!({"conversation": {"id": format!("cv{}", it.chat)}, "message": message});
    let body = json!({"events": [{"id": format!("ev{}", it.number), "type": "conversation:message", "payload": payload}]});
    Wire::json(url, &body).header("X-API-Key", SECRET)
}

fn postmark(it: &Message, url: &str) -> Wire {
    with_password(Wire::json(
        url,
        &json!({"MessageID": format!("pm-{}", it.number), "From": "ann@example.org", "RawEmail": mail(it, "postmark.test")}),
    ))
}

fn mailgun(it: &Message, url: &str) -> Wire {
    // A try of the same message has a token of its own.
    let (stamp, token) = (now().to_string(), format!("{}-{}", it.number, now()));
    let sign = hex(sha256(SECRET, &format!("{stamp}{token}")));
    let raw = mail(it, "mailgun.test");
    Wire::form(
        url,
        &[
            ("recipient", "us@example.com"),
            ("sender", "ann@example.org"),
            ("body-mime", &raw),
            ("timestamp", &stamp),
            ("token", &token),
            ("signature", &sign),
        ],
    )
}

fn sendgrid(it: &Message, url: &str) -> Wire {
    let part = |name: &str, value: &str| {
        format!("--edge\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
    };
    let body = format!("{}{}--edge--\r\n", part("envelope", "{}"), part("email", &mail(it, "sendgrid.test")));
    with_password(Wire::new(url, "multipart/form-data; boundary=edge", body))
}

fn mandrill(it: &Message, url: &str) -> Wire {
    let events = json!([{"event": "inbound", "msg": {"raw_msg": mail(it, "mandrill.test"), "email": "us@example.com"}}]).to_string();
    let sign = base64(sha1(SECRET, &format!("{PUBLIC_URL}mandrill_events{events}")));
    Wire::form(url, &[("mandrill_events", &events)]).header("X-Mandrill-Signature", sign)
}

fn cloudmailin(it: &Message, url: &str) -> Wire {
    let headers = json!({"subject": "Hi", "message_id": format!("<{}@cloudmailin.test>", it.number), "in_reply_to": format!("<chat-{}@cloudmailin.test>", it.chat)});
    with_password(Wire::json(
        url,
        &json!({"envelope": {"from": format!("ann{}@example.org", it.chat)}, "headers": headers, "plain": it.text}),
    ))
}

fn relay(it: &Message, url: &str) -> Wire {
    Wire::new(url, "message/rfc822", mail(it, "relay.test"))
        .header("Authorization", format!("Bearer {SECRET}"))
}

fn line(it: &Message, url: &str) -> Wire {
    let event = json!({"type": "message", "timestamp": it.time * 1_000, "webhookEventId": format!("01H{}", it.number), "source": {"type": "user", "userId": format!("U{}", it.chat)},
        "message": {"id": it.number.to_string(), "type": "text", "text": it.text}});
    let wire = Wire::json(url, &json!({"destination": "U0", "events": [event]}));
    let sign = base64(sha256(SECRET, wire.text()));
    wire.header("X-Line-Signature", sign)
}

fn viber(it: &Message, url: &str) -> Wire {
    let body = json!({"event": "message", "timestamp": it.time * 1_000, "message_token": 4_912_661_846_655_238_145_u64 + it.number as u64,
        "sender": {"id": format!("v{}==", it.chat), "name": "Ann"}, "message": {"type": "text", "text": it.text}});
    let wire = Wire::json(url, &body);
    let sign = hex(sha256(SECRET, wire.text()));
    wire.header("X-Viber-Content-Signature", sign)
}

fn rocketchat(it: &Message, url: &str) -> Wire {
    let message = json!({"_id": format!("m{}", it.number), "username": "guest", "msg": it.text});
    Wire::json(url, &json!({"_id": format!("room{}", it.chat), "type": "Message", "visitor": {"token": "v", "name": "Ann"}, "messages": [message]}))
        .header("X-RocketChat-Livechat-Token", SECRET)
}

fn ses(it: &Message, url: &str) -> Wire {
    let received = json!({"notificationType": "Received", "mail": {"messageId": it.number.to_string(), "source": "ann@example.org"},
        "receipt": {"recipients": ["us@example.com"], "action": {"type": "SNS", "encoding": "UTF-8"}}, "content": mail(it, "ses.test")});
    let body = json!({"Type": "Notification", "MessageId": format!("sns-{}", it.number), "TopicArn": "arn:aws:sns:eu-west-1:1:mail", "Message": received.to_string()});
    with_password(Wire::new(url, "text/plain; charset=UTF-8", body.to_string()))
}

fn resend(it: &Message, url: &str) -> Wire {
    let data = json!({"email_id": it.number.to_string(), "from": "Ann <ann@example.org>", "to": ["us@example.com"], "subject": "Hi", "text": it.text,
        "message_id": format!("<{}@resend.test>", it.number), "attachments": []});
    let wire = Wire::json(url, &json!({"type": "email.received", "data": data}));
    let (id, stamp) = (format!("msg_{}", it.number), now());
    let sign = format!("v1,{}", base64(sha256(SECRET, &format!("{id}.{stamp}.{}", wire.text()))));
    wire.header("svix-id", id).header("svix-timestamp", stamp.to_string()).header("svix-signature", sign)
}

fn vonage(it: &Message, url: &str) -> Wire {
    let body = json!({"message_uuid": format!("uuid-{}", it.number), "to": "1999", "from": format!("1555{}", it.chat), "channel": "sms", "message_type": "text", "text": it.text});
    let wire = Wire::json(url, &body);
    let claims = json!({"iat": now(), "jti": it.number.to_string(), "iss": "Vonage", "payload_hash": digest(wire.text())});
    wire.header("Authorization", format!("Bearer {}", token(&claims)))
}

fn messagebird(it: &Message, url: &str) -> Wire {
    let (id, from) = (format!("mb{}", it.number), format!("1555{}", it.chat));
    let wire =
        Wire::form(url, &[("id", &id), ("recipient", "1999"), ("originator", &from), ("body", &it.text)]);
    let claims = json!({"iss": "MessageBird", "nbf": now() - 1, "exp": now() + 60, "jti": it.number.to_string(), "url_hash": digest(PUBLIC_URL),
        "payload_hash": digest(wire.text())});
    wire.header("MessageBird-Signature-JWT", token(&claims))
}

fn telnyx(it: &Message, url: &str) -> Wire {
    let number = |number: String| json!({"phone_number": number});
    let payload = json!({"record_type": "message", "direction": "inbound", "id": format!("tx{}", it.number), "type": "SMS",
        "from": number(format!("+1555{}", it.chat)), "to": [number("+1999".to_owned())], "text": it.text, "media": []});
    let data = json!({"record_type": "event", "event_type": "message.received", "id": format!("ev{}", it.number), "payload": payload});
    let wire = Wire::json(url, &json!({"data": data, "meta": {"attempt": 1}}));
    let stamp = now().to_string();
    let sign = base64(ed25519(&format!("{stamp}|{}", wire.text())));
    wire.header("telnyx-timestamp", stamp).header("telnyx-signature-ed25519", sign)
}

fn freshchat(it: &Message, url: &str) -> Wire {
    let message = json!({"id": format!("m{}", it.number), "conversation_id": format!("c{}", it.chat), "actor_type": "user", "actor_id": "u", "message_type": "normal",
        "message_parts": [{"text": {"content": it.text}}]});
    Wire::json(
        url,
        &json!({"actor": {"actor_type": "user", "actor_id": "u"}, "action": "message_create", "data": {"message": message}}),
    )
}

fn teams(it: &Message, url: &str) -> Wire {
    Wire::json(
        url,
        &json!({"type": "message", "id": it.number.to_string(), "channelId": "msteams", "from": {"id": "29:1", "aadObjectId": "a1"},
        "conversation": {"id": format!("a:{}", it.chat), "conversationType": "personal"}, "recipient": {"id": "28:bot"}, "text": it.text}),
    )
}
