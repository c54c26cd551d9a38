//! What sealing promises, shown on a sealer with random keys.

use super::*;
use crate::clock::SystemClock;
use crate::ids::{Ids, SystemEntropy};
use proptest::prelude::*;
use secrecy::ExposeSecret as _;
use serde_json::json;

fn ids() -> Ids {
    Ids::new(Arc::new(SystemClock), Arc::new(SystemEntropy::new()))
}

fn key() -> EncryptionKey {
    let text = base64::engine::general_purpose::STANDARD.encode(ids().random::<32>());
    EncryptionKey::parse(&text, "test").unwrap()
}

fn sealer() -> Sealer {
    Sealer::new(&key(), &[], Arc::new(SystemEntropy::new()))
}

fn map(value: serde_json::Value) -> JsonMap {
    value.as_object().cloned().unwrap()
}

#[test]
fn a_secret_opens_only_at_its_place() {
    let (sealer, tenant, surface) = (sealer(), ids().next(), ids().next());
    let sealed = sealer.seal("hunter2", tenant, surface, "imapPassword");
    assert!(!sealed.contains("hunter2"));
    assert_eq!(sealer.open(&sealed, tenant, surface, "imapPassword").unwrap().expose_secret(), "hunter2");
    for (tenant, surface, path) in [
        (ids().next(), surface, "imapPassword"),
        (tenant, ids().next(), "imapPassword"),
        (tenant, surface, "token"),
    ] {
        assert!(matches!(sealer.open(&sealed, tenant, surface, path), Err(SecretError::Damaged { .. })));
    }
}

#[test]
fn a_bit_changed_anywhere_is_noticed() {
    let (sealer, tenant, surface) = (sealer(), ids().next(), ids().next());
    let sealed = sealer.seal("hunter2", tenant, surface, "secret");
    let start = PREFIX.len() + 9;
    for place in start..sealed.len() {
        let mut bytes = sealed.clone().into_bytes();
        bytes[place] = if bytes[place] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(bytes).unwrap();
        assert!(sealer.open(&changed, tenant, surface, "secret").is_err(), "{place}");
    }
}

#[test]
fn the_previous_key_still_opens_and_resealing_moves_to_the_current_one() {
    let (old, new, tenant, surface) = (key(), key(), ids().next(), ids().next());
    let before = Sealer::new(&old, &[], Arc::new(SystemEntropy::new()));
    let after = Sealer::new(&new, &[old], Arc::new(SystemEntropy::new()));
    let later = Sealer::new(&new, &[], Arc::new(SystemEntropy::new()));
    let mut stored = map(json!({"imapPassword": "hunter2"}));
    before.seal_map(&mut stored, tenant, surface);
    assert!(matches!(later.open_map(&stored, tenant, surface), Err(SecretError::UnknownKey { .. })));
    assert_eq!(after.open_map(&stored, tenant, surface).unwrap()["imapPassword"], "hunter2");
    assert!(after.reseal_map(&mut stored, tenant, surface).unwrap());
    assert!(!after.reseal_map(&mut stored, tenant, surface).unwrap());
    assert_eq!(later.open_map(&stored, tenant, surface).unwrap()["imapPassword"], "hunter2");
}

#[test]
fn maps_are_sealed_masked_and_kept() {
    let (sealer, tenant, surface) = (sealer(), ids().next(), ids().next());
    let plain = map(json!({
        "imapHost": "imap.example.org", "imapPassword": "one",
        "auth": {"clientId": "id", "clientSecret": "two", "tokenUrl": "https://example.org/token"},
        "secrets": ["three", "four"], "smtpPassword": "", "nested": [{"token": "five"}], "apiKey": null,
    }));
    let mut stored = plain.clone();
    sealer.seal_map(&mut stored, tenant, surface);
    let text = serde_json::to_string(&stored).unwrap();
    for secret in ["one", "two", "three", "four", "five"] {
        assert!(!text.contains(&format!("\"{secret}\"")), "{secret}");
    }
    assert_eq!(stored["auth"]["tokenUrl"], "https://example.org/token");
    assert_eq!(sealer.open_map(&stored, tenant, surface).unwrap(), plain);

    let mut shown = stored.clone();
    mask_map(&mut shown);
    assert_eq!(
        serde_json::Value::from(shown.clone()),
        json!({
            "imapHost": "imap.example.org", "imapPassword": MASK,
            "auth": {"clientId": "id", "clientSecret": MASK, "tokenUrl": "https://example.org/token"},
            "secrets": [MASK, MASK], "smtpPassword": "", "nested": [{"token": MASK}], "apiKey": null,
        })
    );

    let mut sent_back = shown;
    sent_back.insert("imapPassword".into(), json!("new"));
    keep_masked(&mut sent_back, &stored).unwrap();
    sealer.seal_map(&mut sent_back, tenant, surface);
    let opened = sealer.open_map(&sent_back, tenant, surface).unwrap();
    assert_eq!(opened["imapPassword"], "new");
    assert_eq!(opened["secrets"], json!(["three", "four"]));
    assert_eq!(opened["auth"]["clientSecret"], "two");
}

#[test]
fn a_mask_for_nothing_is_an_error_that_names_it() {
    let mut new = map(json!({"auth": {"clientSecret": MASK}}));
    let error = keep_masked(&mut new, &JsonMap::new()).unwrap_err();
    assert_eq!(error.to_string(), "`auth.clientSecret` is masked, and no secret is stored for it");
}

#[test]
fn entries_of_a_secret_list_may_change_places() {
    let (sealer, tenant, surface) = (sealer(), ids().next(), ids().next());
    let mut stored = map(json!({"secrets": ["a", "b"]}));
    sealer.seal_map(&mut stored, tenant, surface);
    stored["secrets"].as_array_mut().unwrap().reverse();
    assert_eq!(sealer.open_map(&stored, tenant, surface).unwrap()["secrets"], json!(["b", "a"]));
}

#[test]
fn a_password_that_looks_sealed_is_sealed_like_any_other() {
    let (sealer, tenant, surface) = (sealer(), ids().next(), ids().next());
    let plain = map(json!({"password": "sealed:v1:00000000:AAAA"}));
    let mut stored = plain.clone();
    sealer.seal_map(&mut stored, tenant, surface);
    assert_ne!(stored, plain);
    assert_eq!(sealer.open_map(&stored, tenant, surface).unwrap(), plain);
}

#[test]
fn nothing_that_holds_a_key_shows_it() {
    let text = base64::engine::general_purpose::STANDARD.encode([7; 32]);
    let key = EncryptionKey::parse(&text, "test").unwrap();
    let sealer = Sealer::new(&key, &[], Arc::new(SystemEntropy::new()));
    let shown = format!("{key:?} {sealer:?}");
    assert!(!shown.contains("7, 7") && !shown.contains(&text), "{shown}");
    assert!(shown.contains(&key.id()));
}

#[test]
fn keys_are_read_in_every_base64_spelling_and_nothing_else() {
    let bytes = [0xfb; 32];
    let ids: Vec<String> = [
        base64::engine::general_purpose::STANDARD.encode(bytes),
        base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes),
        format!("  {}\n", STANDARD_NO_PAD.encode(bytes)),
    ]
    .iter()
    .map(|text| EncryptionKey::parse(text, "test").unwrap().id())
    .collect();
    assert!(ids.windows(2).all(|pair| pair[0] == pair[1]));
    for wrong in ["", "short", &"A".repeat(44), "not base64 !"] {
        assert!(EncryptionKey::parse(wrong, "INLET_ENCRYPTION_KEY").is_err(), "{wrong}");
    }
}

#[cfg(unix)]
#[test]
fn the_key_file_is_made_once_and_for_its_owner_only() {
    use std::os::unix::fs::PermissionsExt as _;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("encryption.key");
    let first = EncryptionKey::load_or_create(&path, &SystemEntropy::new()).unwrap().id();
    let again = EncryptionKey::load_or_create(&path, &SystemEntropy::new()).unwrap().id();
    assert_eq!(first, again);
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
}

#[test]
fn api_keys_have_their_form_and_differ() {
    let (one, other) = (new_api_key(&ids()), new_api_key(&ids()));
    let text = one.expose_secret();
    let digits = text.strip_prefix("inlet_").unwrap();
    assert_eq!(digits.len(), 43);
    assert!(digits.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    assert_ne!(hash_key(text), hash_key(other.expose_secret()));
}

proptest! {
    #[test]
    fn every_text_comes_back(plain in ".*", path in "[a-zA-Z.]{0,40}") {
        let (sealer, tenant, surface) = (sealer(), ids().next(), ids().next());
        let sealed = sealer.seal(&plain, tenant, surface, &path);
        let opened = sealer.open(&sealed, tenant, surface, &path).unwrap();
        prop_assert_eq!(opened.expose_secret(), plain.as_str());
    }

    #[test]
    fn hostile_sealed_texts_are_refused_quietly(text in "sealed:v1:.*") {
        let _ = sealer().open(&text, ids().next(), ids().next(), "secret");
    }
}
