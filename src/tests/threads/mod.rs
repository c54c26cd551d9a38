//! Whole corpora through reading and the pure decision, measured against what Dovecot, Cyrus and a plain union agree
//! on. Through the pipeline and both stores the same is asserted in `tests/it/threads`.

mod policy;
mod repair;
mod truth;

use super::fidelity::{OURS, note};
use crate::email::tests::mailbox;
use crate::envelope::{Envelope, Origin, Payload};
use crate::ids::{ConversationId, SurfaceId, TenantId};
use crate::inbound::{InboundMessage, SurfaceSettings, normalize};
use crate::matching::decide::{Candidate, Found, decide};
use crate::model::JsonMap;
use crate::model::key::KeyHash;
use crate::model::message::Direction;
use crate::model::surface::{Surface, SurfaceStatus};
use bytes::Bytes;
use jiff::Timestamp;
use std::collections::HashMap;
use std::path::Path;
use truth::{Score, Truth, labels, shared};
use uuid::Uuid;

fn settings() -> SurfaceSettings {
    settings_with(serde_json::json!({}))
}

fn settings_with(config: serde_json::Value) -> SurfaceSettings {
    let surface = Surface {
        id: SurfaceId(Uuid::from_u128(1)),
        name: "lists".into(),
        kind: "email".into(),
        status: SurfaceStatus::Active,
        environment: "test".into(),
        workspace_id: None,
        config: config.as_object().cloned().unwrap(),
        inbound: JsonMap::new(),
        outbound: JsonMap::new(),
        created_at: Timestamp::UNIX_EPOCH,
        updated_at: Timestamp::UNIX_EPOCH,
    };
    SurfaceSettings::of(&surface, None)
}

fn read(raw: &[u8], settings: &SurfaceSettings) -> InboundMessage {
    let envelope = Envelope {
        tenant_id: TenantId(Uuid::from_u128(2)),
        surface_id: SurfaceId(Uuid::from_u128(1)),
        origin: Origin::Import,
        received_at: "2026-11-20T10:00:00Z".parse().unwrap(),
        payload: Payload::Mail(Bytes::copy_from_slice(raw)),
    };
    normalize(envelope, settings)
}

/// The conversation of each mail, all of them decided as one batch; copies are where their first is.
fn conversations(messages: &[InboundMessage]) -> Vec<u64> {
    let mut first: HashMap<(KeyHash, KeyHash), usize> = HashMap::new();
    let mut at = Vec::with_capacity(messages.len());
    let mut candidates: Vec<Candidate> = Vec::new();
    for message in messages {
        let next = candidates.len();
        let place = *first.entry((message.identity, message.fingerprint)).or_insert(next);
        at.push(place);
        if place == next {
            candidates.push(Candidate {
                surface_id: message.surface_id,
                fresh: ConversationId(Uuid::from_u128(next as u128 + 1)),
                keys: message.keys.clone(),
                identity: message.identity,
                hint: message.hint,
                rule: message.rule,
                reopens: message.reopens,
                inbound: message.direction == Some(Direction::Inbound),
                sent_at: message.sent_at,
                received_at: message.received_at,
                policy: message.policy,
            });
        }
    }
    let decision = decide(&candidates, &Found::default());
    let label = |place: &usize| {
        let id = decision.placements[*place].conversation_id.0.as_u128();
        u64::try_from(id).unwrap()
    };
    at.iter().map(label).collect()
}

fn say(corpus: &str, who: &str, score: &Score) {
    let of = usize::try_from(score.together).unwrap();
    note("Threads", corpus, "pairs, recall", who, 100.0 * score.recall(), of);
    note("Threads", corpus, "pairs, precision", who, 100.0 * score.precision(), of);
}

/// Pairs that a bounce makes with the mail that it reports on: engines read headers alone.
const REPORTED: [(&str, u64); 1] = [("spamassassin-easyham", 1)];

#[test]
fn where_dovecot_cyrus_and_the_plain_union_agree_on_a_pair_we_do_too() {
    let Some(data) = shared("threading") else { return };
    let settings = settings();
    for folder in std::fs::read_dir(data).unwrap().flatten().map(|file| file.path()) {
        let name = folder.file_name().unwrap().display().to_string();
        let mails = mailbox(&folder);
        let messages: Vec<InboundMessage> = mails.iter().map(|raw| read(raw, &settings)).collect();
        let truth = Truth::read(&folder, mails.len());
        let score = truth.compare(&conversations(&messages));
        println!("{name:32} {score:?}");
        say(&name, OURS, &score);
        for engine in engines(&folder) {
            if let Some(theirs) = labels(&folder, &engine, mails.len()) {
                say(&name, &engine, &truth.compare(&theirs));
            }
        }
        let reported = REPORTED.iter().find(|(corpus, _)| *corpus == name).map_or(0, |(_, pairs)| *pairs);
        assert_eq!(score.found, score.together, "{name}: pairs lost");
        assert_eq!(score.invented, reported, "{name}: pairs invented");
    }
}

/// Engines that a corpus has partitions of.
fn engines(folder: &Path) -> Vec<String> {
    let files = std::fs::read_dir(folder.join("expected")).unwrap().flatten();
    let names = files.filter_map(|file| file.file_name().to_str()?.strip_suffix(".json").map(str::to_owned));
    names.filter(|name| !matches!(name.as_str(), "comparison" | "thread_index_partial")).collect()
}
