//! Mails: direction, identity, links, flags.

use super::authenticity::{self, Authenticity};
use super::{AttachmentData, InboundAttachment, InboundMessage, SurfaceSettings, evidence, label};
use crate::email::reply::Forward;
use crate::email::{self, Mail, MailPart};
use crate::envelope::{GmailIds, Origin};
use crate::ids::{ConversationId, SurfaceId};
use crate::limits;
use crate::matching::decide::Rule;
use crate::matching::keys;
use crate::model::conversation::Participant;
use crate::model::key::KeyHash;
use crate::model::message::{Direction, Role};
use crate::model::{Address, JsonMap};
use bytes::Bytes;
use jiff::{Timestamp, ToSpan as _};
use serde_json::{Value, json};

/// How far ahead of our clock a Date header may be before it is taken for nonsense, in hours.
const FUTURE_TOLERANCE_HOURS: i64 = 24;
/// Reply tokens of a mail that count.
const TOKENS_MAX: usize = 8;

pub(super) fn normalize(
    surface_id: SurfaceId,
    origin: Origin,
    received_at: Timestamp,
    raw: Bytes,
    oversized_bytes: Option<u64>,
    settings: &SurfaceSettings,
) -> InboundMessage {
    let mut mail = email::read(&raw);
    let place = Place::of(&origin);
    let authenticity = Authenticity::of(&mail, &raw, settings);
    let verdict = Verdict::of(&mail, place.sent, &authenticity, settings);
    let tokens = tokens(&mail, settings);
    let external_message_id = external_id(&mail);
    let author = author(&mail);
    let counterpart = match verdict.direction {
        Some(Direction::Outbound) => {
            mail.to.first().or(mail.cc.first()).or(mail.bcc.first()).map(participant)
        }
        _ => author.clone(),
    };
    let sent_at = sent_at(&mail, place.internal_date, received_at);
    let keys = links(&mail, &tokens, sent_at, settings);
    let hint = evidence::gmail(&mail, place.gmail);
    let mut metadata = metadata(&mut mail, &verdict, place, oversized_bytes);
    if !tokens.is_empty() {
        metadata.insert("replyToken".to_owned(), json!(true));
    }
    metadata.insert("authenticity".to_owned(), authenticity.to_json());
    InboundMessage {
        surface_id,
        received_at,
        identity: keys::mail(&external_message_id),
        fingerprint: KeyHash::shorten(&mail.fingerprint),
        earlier: None,
        change: None,
        keys,
        hint,
        tokens,
        rule: Rule::References,
        participant_key: None,
        thread_id: Some(mail.references.first().cloned().unwrap_or_else(|| external_message_id.clone())),
        author,
        counterpart,
        participant_metadata: JsonMap::new(),
        context: JsonMap::new(),
        direction: verdict.direction,
        role: verdict.role,
        subject: mail.subject.as_deref().and_then(|subject| label(subject, limits::SUBJECT_CHARS)),
        sent_at,
        reopens: verdict.direction == Some(Direction::Inbound)
            && !mail.flags.auto_reply
            && !mail.flags.bounce,
        disowned: verdict.disowned,
        sent_copy: place.sent,
        policy: settings.policy,
        separates_strangers: settings.separates_strangers,
        backfill: place.backfill,
        source: Some(raw),
        oversized: oversized_bytes.is_some(),
        in_reply_to: mail.in_reply_to.first().or(mail.references.last()).cloned(),
        content: std::mem::take(&mut mail.content),
        content_html: mail.content_html.take(),
        attachments: mail.attachments.into_iter().map(attachment).collect(),
        metadata,
        origin,
        external_message_id,
    }
}

/// Where in a mailbox a mail was found.
#[derive(Clone, Copy, Default)]
struct Place {
    internal_date: Option<Timestamp>,
    sent: bool,
    backfill: bool,
    gmail: Option<GmailIds>,
}

impl Place {
    fn of(origin: &Origin) -> Self {
        match origin {
            Origin::Imap { internal_date, sent, backfill, gmail, .. } => {
                Self { internal_date: *internal_date, sent: *sent, backfill: *backfill, gmail: *gmail }
            }
            Origin::Import => Self { backfill: true, ..Self::default() },
            Origin::Webhook { .. } => Self::default(),
        }
    }
}

/// Whose mail it is, and whether to believe it (matching.md 3 and 5).
struct Verdict {
    direction: Option<Direction>,
    role: Role,
    spoof_suspected: bool,
    disowned: bool,
}

impl Verdict {
    fn of(mail: &Mail, sent: bool, authenticity: &Authenticity, settings: &SurfaceSettings) -> Self {
        let believable = !mail.flags.from_ambiguous;
        let own = mail.from.as_ref().is_some_and(|from| settings.is_own(&from.email));
        let disowned = !sent && authenticity.verdict == authenticity::Verdict::Fail;
        let outbound = sent
            || (own
                && believable
                && !disowned
                && (settings.trusts_own_addresses || bears_our_message_id(mail, settings)));
        // Only a mailbox of ours says that a mail is ours; From is a claim that anyone can make.
        let spoof_suspected = !outbound && (own || disowned);
        let (direction, role) = if mail.flags.bounce {
            (None, Role::System)
        } else if outbound {
            (Some(Direction::Outbound), Role::Assistant)
        } else {
            (Some(Direction::Inbound), Role::User)
        };
        Self { direction, role, spoof_suspected, disowned }
    }
}

fn external_id(mail: &Mail) -> String {
    match (&mail.message_id, &mail.digest) {
        (Some(id), _) => id.clone(),
        (None, digest) => {
            let digest = digest.unwrap_or(mail.fingerprint);
            digest.iter().fold("sha256:".to_owned(), |mut text, byte| {
                text.push_str(&format!("{byte:02x}"));
                text
            })
        }
    }
}

/// Whether we made its Message-ID: nobody else can make one with a token in it. One that was seen and used again is the
/// same mail, or flagged as a second one under that id.
fn bears_our_message_id(mail: &Mail, settings: &SurfaceSettings) -> bool {
    let tokens = settings.reply_tokens.as_ref();
    mail.message_id.as_deref().zip(tokens).is_some_and(|(id, tokens)| tokens.in_message_id(id).is_some())
}

/// The conversations that reply tokens name, in the order in which they are looked for (matching.md 2): the addresses to
/// which the mail was brought and written, then the ids that it bears, answers or reports on. A wrong token is an
/// address or an id like any other.
fn tokens(mail: &Mail, settings: &SurfaceSettings) -> Vec<ConversationId> {
    let Some(tokens) = &settings.reply_tokens else { return Vec::new() };
    let written = mail.to.iter().chain(&mail.cc).map(|address| &address.email);
    let in_addresses = mail.delivered_to.iter().chain(written).filter_map(|it| tokens.in_address(it));
    let nearest = mail.references.iter().rev().take(limits::REFERENCES_NEAREST);
    let ids = mail
        .message_id
        .iter()
        .chain(mail.in_reply_to.iter().take(limits::REFERENCES_NEAREST))
        .chain(nearest)
        .chain(&mail.reported);
    let mut found: Vec<ConversationId> = Vec::new();
    for id in in_addresses.chain(ids.filter_map(|id| tokens.in_message_id(id))) {
        if !found.contains(&id) && found.len() < TOKENS_MAX {
            found.push(id);
        }
    }
    found
}

/// Own id, the conversations that tokens name, what it answers, its references from the nearest to the farthest remembered, the root,
/// what it reports on, and evidence. Our own addresses, which old mailers write into In-Reply-To, are no ids:
/// they would lead every customer to one conversation.
fn links(
    mail: &Mail,
    tokens: &[ConversationId],
    sent_at: Timestamp,
    settings: &SurfaceSettings,
) -> Vec<KeyHash> {
    let nearest = mail.references.iter().rev().take(limits::REFERENCES_NEAREST);
    let ids = mail
        .in_reply_to
        .iter()
        .take(limits::REFERENCES_NEAREST)
        .chain(nearest)
        .chain(mail.references.first())
        .chain(&mail.reported);
    let mut links: Vec<KeyHash> = Vec::new();
    let link = |id: &String| (!settings.is_own(id)).then(|| keys::mail(id));
    let own = mail.message_id.iter().filter_map(link);
    let named = tokens.iter().copied().map(keys::conversation);
    for key in own.chain(named).chain(ids.filter_map(link)).chain(evidence::keys(mail, sent_at, settings)) {
        if !links.contains(&key) {
            links.push(key);
        }
    }
    links
}

/// From; behind a list that rewrote it, whom the list says it forwards (matching.md 3).
fn author(mail: &Mail) -> Option<Participant> {
    let rewritten = mail.list_id.is_some() && mail.original_from.is_some();
    let address = if rewritten { mail.original_from.as_ref() } else { mail.from.as_ref() };
    address.or(mail.sender.as_ref()).map(participant)
}

fn participant(address: &Address) -> Participant {
    Participant {
        external_id: address.email.clone(),
        name: address.name.as_deref().and_then(|name| label(name, limits::NAME_CHARS)),
        email: Some(address.email.clone()),
    }
}

/// The Date header when it is sane, else INTERNALDATE, else arrival (api.md 9).
fn sent_at(mail: &Mail, internal_date: Option<Timestamp>, received_at: Timestamp) -> Timestamp {
    let latest = received_at.checked_add(FUTURE_TOLERANCE_HOURS.hours()).unwrap_or(Timestamp::MAX);
    mail.date.filter(|date| *date <= latest).or(internal_date).unwrap_or(received_at)
}

fn metadata(mail: &mut Mail, verdict: &Verdict, place: Place, oversized_bytes: Option<u64>) -> JsonMap {
    let flags = [
        ("autoReply", mail.flags.auto_reply),
        ("outOfOffice", mail.flags.out_of_office),
        ("looped", mail.flags.looped),
        ("bounce", mail.flags.bounce),
        ("readReceipt", mail.flags.read_receipt),
        ("list", mail.flags.list),
        ("spam", mail.flags.spam),
        ("encrypted", mail.flags.encrypted),
        ("signed", mail.flags.signed),
        ("fromAmbiguous", mail.flags.from_ambiguous),
        ("parseLimited", mail.flags.parse_limited),
        ("spoofSuspected", verdict.spoof_suspected),
        ("oversized", oversized_bytes.is_some()),
        ("backfill", place.backfill),
    ];
    let flags: JsonMap =
        flags.into_iter().filter(|(_, on)| *on).map(|(name, on)| (name.to_owned(), json!(on))).collect();
    let mut metadata = JsonMap::new();
    metadata.insert("flags".to_owned(), Value::Object(flags));
    let mut put = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            metadata.insert(name.to_owned(), value);
        }
    };
    put("from", mail.from.as_ref().map(|from| json!(from)));
    put("to", (!mail.to.is_empty()).then(|| json!(mail.to)));
    put("cc", (!mail.cc.is_empty()).then(|| json!(mail.cc)));
    put("replyTo", (!mail.reply_to.is_empty()).then(|| json!(mail.reply_to)));
    put("listId", mail.list_id.take().map(Value::String));
    put("reportedMessageId", mail.reported.clone().map(Value::String));
    put("quoted", mail.quoted.take().map(Value::String));
    put("signature", mail.signature.take().map(Value::String));
    put("forwarded", mail.forward.take().map(|forward| forwarded(&forward)));
    put("remoteImages", (mail.remote_images > 0).then(|| json!(mail.remote_images)));
    put("sizeBytes", oversized_bytes.map(|size| json!(size)));
    // As text: both need more than the 53 bits that a JSON number surely has.
    put("gmailMessageId", place.gmail.map(|ids| json!(ids.message_id.to_string())));
    put("gmailThreadId", place.gmail.map(|ids| json!(ids.thread_id.to_string())));
    metadata
}

/// What a forwarded mail says of itself, in the text that hands it on.
fn forwarded(forward: &Forward) -> Value {
    json!({
        "subject": forward.subject, "from": forward.from, "to": forward.to, "cc": forward.cc,
        "date": forward.date, "body": forward.body,
    })
}

fn attachment(part: MailPart) -> InboundAttachment {
    InboundAttachment {
        filename: part.filename,
        content_type: part.content_type,
        content_id: part.content_id,
        inline: part.inline,
        data: AttachmentData::Bytes(Bytes::from(part.data)),
    }
}
