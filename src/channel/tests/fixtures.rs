//! Every preset against its fixtures: proof good, missing, bad and old, a malformed body, and what
//! becomes of the body. The signatures are made here, by what the providers document, not by our code.

use super::*;
use std::path::{Path, PathBuf};

fn fixtures() -> Vec<(String, PathBuf, Value)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/webhooks");
    let mut found = Vec::new();
    for preset in std::fs::read_dir(&root).unwrap() {
        let preset = preset.unwrap().path();
        for file in std::fs::read_dir(&preset).unwrap() {
            let file = file.unwrap().path();
            let fixture = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
            found.push((preset.file_name().unwrap().to_string_lossy().into_owned(), file, fixture));
        }
    }
    found.sort_by(|a, b| a.1.cmp(&b.1));
    found
}

/// The fixture's request, signed over `body`.
fn post(fixture: &Value, body: Bytes) -> Post {
    let mut post = Post::new(body);
    if let Some(target) = fixture["target"].as_str() {
        post.target = target.to_owned();
    }
    for (name, value) in fixture["headers"].as_object().into_iter().flatten() {
        post = post.header(name, value.as_str().unwrap());
    }
    let sign = &fixture["sign"];
    if let Some(header) = sign["header"].as_str() {
        let text = sign["text"].as_str().unwrap_or("{raw}");
        let text = text.replace("{raw}", std::str::from_utf8(&post.body).unwrap());
        let secret = || fixture["inbound"]["secret"].as_str().unwrap().as_bytes();
        let tag = match (sign["hmac"].as_str(), sign["ed25519"].as_str()) {
            (Some("sha1"), _) => mac(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret(), text.as_bytes()),
            (Some("sha256"), _) => mac(hmac::HMAC_SHA256, secret(), text.as_bytes()),
            (Some("sha512"), _) => mac(hmac::HMAC_SHA512, secret(), text.as_bytes()),
            (None, Some(seed)) => {
                let pair = ring::signature::Ed25519KeyPair::from_seed_unchecked(seed.as_bytes()).unwrap();
                pair.sign(text.as_bytes()).as_ref().to_vec()
            }
            other => panic!("sign says neither hmac (sha1, sha256, sha512) nor ed25519: {other:?}"),
        };
        let tag = if sign["encoding"] == "hex" { hex(&tag) } else { STANDARD.encode(tag) };
        post = post.header(header, format!("{}{tag}", sign["prefix"].as_str().unwrap_or_default()));
    }
    post
}

fn body_of(fixture: &Value) -> Bytes {
    match &fixture["body"] {
        Value::String(text) => text.clone().into(),
        json => json.to_string().into(),
    }
}

/// The proof of a request, by the provider's published keys where the fixture has some.
fn proved(channel: &Channel, request: &Received<'_>, fixture: &Value) -> Result<Proof, Refused> {
    let keys = match &fixture["keys"] {
        Value::Null => None,
        Value::String(pem) => Some(pem.clone()),
        json => Some(json.to_string()),
    };
    assert_eq!(channel.keys_address(request).is_some(), keys.is_some());
    channel.verify_by(request, keys.as_deref().map(str::as_bytes))
}

fn refused(channel: &Channel, post: &Post, fixture: &Value) -> Refused {
    proved(channel, &post.request(), fixture).expect_err("the proof is not good")
}

fn good(fixture: &Value) -> Post {
    post(fixture, body_of(fixture))
}

#[test]
fn every_preset_has_fixtures_and_compiles() {
    let fixtures = fixtures();
    for name in preset_names() {
        assert!(fixtures.iter().any(|(preset, ..)| preset == name), "{name} has no fixture");
    }
    for (preset, file, fixture) in &fixtures {
        assert_eq!(fixture["inbound"]["provider"], json!(preset), "{file:?}");
        let channel = channel(fixture["inbound"].clone());
        assert_eq!(channel.provider(), preset);
        assert_eq!(channel.warnings(), &[] as &[String], "{file:?}");
    }
}

#[test]
fn every_preset_has_two_fixtures_a_message_and_what_is_none() {
    let fixtures = fixtures();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/channel/presets");
    for name in preset_names() {
        let own: Vec<&Value> = fixtures
            .iter()
            .filter(|(preset, ..)| preset == name)
            .map(|(_, _, fixture)| &fixture["expect"])
            .collect();
        assert!(own.len() >= 2, "{name} has {} fixtures: CONTRIBUTING.md asks for two", own.len());
        let holds = |expect: &Value, key: &str| expect[key].as_array().is_some_and(|list| !list.is_empty());
        let is_message = |expect: &&&Value| holds(expect, "messages") || holds(expect, "mails");
        assert!(own.iter().any(|expect| is_message(&expect)), "{name} has no fixture of a message");
        // A preset that takes every body for a message has nothing to ignore.
        let text = std::fs::read_to_string(folder.join(format!("{name}.toml"))).unwrap();
        let preset: Value = toml::from_str(&text).unwrap();
        let chooses = preset["map"].as_array().into_iter().flatten().any(|map| !map["when"].is_null());
        let is_ignored = |expect: &&&Value| expect["ignored"].as_u64() > Some(0) || !is_message(expect);
        assert!(
            !chooses || own.iter().any(|expect| is_ignored(&expect)),
            "{name} has no fixture of something that is no message (a receipt, a ping)"
        );
    }
}

#[test]
fn good_requests_become_what_is_expected() {
    let mut wrong = Vec::new();
    for (_, file, fixture) in fixtures() {
        let channel = channel(fixture["inbound"].clone());
        let post = good(&fixture);
        let request = post.request();
        let proof =
            proved(&channel, &request, &fixture).unwrap_or_else(|reason| panic!("{file:?}: {reason}"));
        assert_eq!(proof.once.as_deref(), fixture["expect"]["once"].as_str(), "{file:?}");
        let document = channel.read(&request, proof).unwrap();
        if let Some(challenge) = fixture["expect"]["challenge"].as_str() {
            assert_eq!(
                channel.ping(&request, &document).unwrap(),
                Challenge { status: 200, body: challenge.to_owned() }
            );
            continue;
        }
        assert_eq!(channel.ping(&request, &document), None, "{file:?}");
        let normalized =
            channel.normalize(&request, document).unwrap_or_else(|error| panic!("{file:?}: {error}"));
        let (mut messages, mut mails) = (Vec::new(), Vec::new());
        for (_, item) in &normalized.items {
            match item {
                Item::Message(message) => messages.push(generic_json(message)),
                Item::Mail { raw, .. } if fixture["expect"]["mails"].is_array() => {
                    mails.push(json!(std::str::from_utf8(raw).unwrap()));
                }
                mail @ Item::Mail { .. } => messages.push(item_json(mail)),
            }
        }
        let found = json!({"messages": messages, "mails": mails, "ignored": normalized.ignored, "broken": normalized.broken.len()});
        let mut expected = fixture["expect"].clone();
        let expected_map = expected.as_object_mut().unwrap();
        expected_map.remove("once");
        expected_map.entry("mails").or_insert(json!([]));
        if found != expected {
            wrong.push(format!(
                "{}\n found {found}\n expected {expected}\n {:?}",
                file.display(),
                normalized.broken
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn requests_without_their_proof_or_with_another_are_refused() {
    // Expectations 2, 3 and 14.
    for (_, file, fixture) in fixtures() {
        let channel = channel(fixture["inbound"].clone());
        let mut tried = 0;
        for position in 0..good(&fixture).headers.0.len() {
            let name = good(&fixture).headers.0[position].0.clone();
            let proves = |key: &Value| key.as_str().is_some_and(|header| header.eq_ignore_ascii_case(&name));
            if !proves(&fixture["sign"]["header"]) && !proves(&fixture["proof"]) {
                continue;
            }
            let mut missing = good(&fixture);
            missing.headers.0.remove(position);
            assert_eq!(refused(&channel, &missing, &fixture), Refused::Missing, "{file:?}");
            let mut other = good(&fixture);
            // The digit before the padding of base64 and the last bits: one in the middle.
            let value = &mut other.headers.0[position].1;
            let middle = value.len() - 6;
            let digit = if value.get(middle..=middle) == Some("0") { "1" } else { "0" };
            value.replace_range(middle..=middle, digit);
            refused(&channel, &other, &fixture);
            tried += 1;
        }
        if fixture["sealed"] == true {
            let mut other = good(&fixture);
            let text = String::from_utf8(other.body.to_vec()).unwrap();
            let changed = text.replacen("22b80b92", "22b80b93", 1);
            other.body = if changed == text { format!("{text} ").into() } else { changed.into() };
            assert_eq!(refused(&channel, &other, &fixture), Refused::Mismatch, "{file:?}");
            tried += 1;
        }
        let in_query = fixture["target"].as_str().is_some_and(|target| target.contains("secret"));
        if in_query {
            let mut other = good(&fixture);
            other.target.push('x');
            assert_eq!(other.verified(&channel), Err(Refused::Mismatch), "{file:?}");
            tried += 1;
        }
        if fixture["inbound"]["provider"] == "mailgun" {
            let body = String::from_utf8(body_of(&fixture).to_vec()).unwrap().replace("tok-1", "tok-2");
            assert_eq!(post(&fixture, body.into()).verified(&channel), Err(Refused::Mismatch));
            tried += 1;
        }
        assert!(tried > 0, "{file:?} proves nothing: `sign` or `proof` name the header of the proof");
    }
}

#[test]
fn old_requests_are_refused_where_the_provider_says_when() {
    let mut stamped = 0;
    for (_, file, fixture) in fixtures() {
        let channel = channel(fixture["inbound"].clone());
        let has_stamp =
            good(&fixture).headers.0.iter().any(|(name, _)| name.to_lowercase().ends_with("timestamp"));
        if !has_stamp && fixture["inbound"]["provider"] != "mailgun" && fixture["dated"] != true {
            continue;
        }
        stamped += 1;
        for shift in [-301, 301] {
            let post = good(&fixture);
            let request =
                Received { received_at: Timestamp::from_second(NOW + shift).unwrap(), ..post.request() };
            assert!(matches!(proved(&channel, &request, &fixture), Err(Refused::Stale)), "{file:?} {shift}");
        }
    }
    assert!(stamped > 5);
}

#[test]
fn malformed_bodies_are_an_error_and_no_panic() {
    for (preset, file, fixture) in fixtures() {
        let covers_body = fixture["sign"].is_null()
            || fixture["sign"]["text"].as_str().is_none_or(|it| it.contains("{raw}"));
        if !covers_body || fixture["sealed"] == true || matches!(preset.as_str(), "mailgun" | "rfc822") {
            continue;
        }
        let channel = channel(fixture["inbound"].clone());
        for body in ["{", "null", "[]", "{\"a\":[]}", "\u{0}"] {
            let post = post(&fixture, Bytes::from(body));
            let request = post.request();
            let proof =
                proved(&channel, &request, &fixture).unwrap_or_else(|reason| panic!("{file:?}: {reason}"));
            let outcome =
                channel.read(&request, proof).and_then(|document| channel.normalize(&request, document));
            if let Ok(normalized) = outcome {
                assert_eq!(normalized.items, [], "{file:?} {body}");
            }
        }
    }
}

#[test]
fn challenges_of_meta_are_answered_for_the_right_token_alone() {
    // Expectation 27.
    let channel =
        channel(json!({"provider": "whatsapp", "secret": "fixture-secret", "verifyToken": "right token"}));
    let ask = |query: &str| {
        let mut post = Post::new("");
        post.target = format!("/v1/webhooks/x?{query}");
        channel.challenge(&Received { method: "GET", ..post.request() })
    };
    let answer = |status, body: &str| Some(Challenge { status, body: body.to_owned() });
    assert_eq!(
        ask("hub.mode=subscribe&hub.verify_token=right%20token&hub.challenge=1158201444"),
        answer(200, "1158201444")
    );
    assert_eq!(ask("hub.mode=subscribe&hub.verify_token=wrong&hub.challenge=1"), answer(403, ""));
    assert_eq!(ask("hub.mode=subscribe&hub.challenge=1"), answer(403, ""));
    assert_eq!(ask("hub.mode=other"), None);
}
