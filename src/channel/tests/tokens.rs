//! Proofs by JSON Web Token and by published keys: what a forger tries.

use super::*;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

const SECRET: &str = "fixture-secret-0123";
const URL: &str = "https://in.example.org/v1/webhooks/x";

fn sha256(text: &str) -> String {
    hex(ring::digest::digest(&ring::digest::SHA256, text.as_bytes()).as_ref())
}

fn token(head: &Value, claims: &Value, secret: &str) -> String {
    let coded = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", coded(head), coded(claims));
    let algorithm = match head["alg"].as_str() {
        Some("HS384") => hmac::HMAC_SHA384,
        Some("HS512") => hmac::HMAC_SHA512,
        _ => hmac::HMAC_SHA256,
    };
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(mac(algorithm, secret.as_bytes(), signed.as_bytes())))
}

fn bird() -> Channel {
    channel(json!({"provider": "messagebird", "secret": SECRET, "publicUrl": URL}))
}

fn claims(body: &str) -> Value {
    let mut claims = json!({"iss": "MessageBird", "nbf": NOW, "exp": NOW + 60, "url_hash": sha256(URL)});
    if !body.is_empty() {
        claims["payload_hash"] = json!(sha256(body));
    }
    claims
}

fn tried(body: &'static str, head: &Value, claims: &Value) -> Result<(), Refused> {
    let token = token(head, claims, SECRET);
    Post::new(body).header("MessageBird-Signature-JWT", token).verified(&bird())
}

#[test]
fn e22_a_token_is_believed_for_its_own_request_alone() {
    for algorithm in ["HS256", "HS384", "HS512"] {
        assert_eq!(tried("{}", &json!({"alg": algorithm}), &claims("{}")), Ok(()), "{algorithm}");
    }
    let hs = json!({"alg": "HS256"});
    let with = |name: &str, value: Value| {
        let mut claims = claims("{}");
        claims[name] = value;
        tried("{}", &hs, &claims)
    };
    assert_eq!(tried("", &hs, &claims("")), Ok(()));
    assert_eq!(tried("{}", &hs, &claims("")), Err(Refused::Mismatch), "a body that the token does not know");
    assert_eq!(tried("", &hs, &claims("{}")), Err(Refused::Mismatch), "a body that was taken away");
    assert_eq!(tried("{ }", &hs, &claims("{}")), Err(Refused::Mismatch), "another body");
    assert_eq!(with("url_hash", json!(sha256("https://other"))), Err(Refused::Mismatch));
    assert_eq!(with("url_hash", Value::Null), Err(Refused::Mismatch));
    assert_eq!(with("iss", json!("Other")), Err(Refused::Mismatch));
    assert_eq!(with("payload_hash", json!("zz")), Err(Refused::Mismatch));
    assert_eq!(with("exp", json!(NOW - 5)), Err(Refused::Stale));
    assert_eq!(with("exp", json!(NOW - 4)), Ok(()));
    assert_eq!(with("exp", json!("x")), Err(Refused::Stale));
    assert_eq!(with("exp", json!(i64::MIN)), Err(Refused::Stale));
    assert_eq!(with("nbf", json!(NOW + 6)), Err(Refused::Stale));
    assert_eq!(with("nbf", json!(1e300)), Err(Refused::Stale));
    for head in
        [json!({"alg": "none"}), json!({"alg": "RS256"}), json!({}), json!({"alg": "HS256", "crit": ["x"]})]
    {
        assert!(tried("{}", &head, &claims("{}")).is_err(), "{head}");
    }
    let good = token(&hs, &claims("{}"), SECRET);
    let (unsigned, _) = good.rsplit_once('.').unwrap();
    for forged in
        [format!("{unsigned}."), unsigned.to_owned(), "..".to_owned(), "a.b.c".to_owned(), "x".repeat(20_000)]
    {
        assert!(Post::new("{}").header("MessageBird-Signature-JWT", forged).verified(&bird()).is_err());
    }
    assert_eq!(
        Post::new("{}")
            .header("MessageBird-Signature-JWT", token(&hs, &claims("{}"), "other-secret"))
            .verified(&bird()),
        Err(Refused::Mismatch)
    );
}

#[test]
fn a_published_key_is_no_shared_secret() {
    // A token by HS256 whose secret is the text of the public keys (RFC 8725 section 2.1).
    let fixture = include_str!("../../../fixtures/webhooks/teams/personal_message.json");
    let fixture: Value = serde_json::from_str(fixture).unwrap();
    let channel = channel(json!({"provider": "teams", "appId": "app-1"}));
    let keys = fixture["keys"].to_string();
    let claims = json!({"iss": "https://api.botframework.com", "aud": "app-1", "nbf": NOW, "exp": NOW + 60});
    let forged = token(&json!({"alg": "HS256", "kid": "k1"}), &claims, &keys);
    let post = Post::new("{}").header("Authorization", format!("Bearer {forged}"));
    assert!(matches!(channel.verify_by(&post.request(), Some(keys.as_bytes())), Err(Refused::Mismatch)));
    assert_eq!(
        channel.keys_address(&post.request()).as_deref(),
        Some("https://login.botframework.com/v1/.well-known/keys")
    );
    let good = Post::new("{}").header("Authorization", fixture["headers"]["Authorization"].as_str().unwrap());
    assert!(channel.verify_by(&good.request(), Some(keys.as_bytes())).is_ok());
    for keys in [None, Some(&b"{}"[..]), Some(b"not json")] {
        assert!(matches!(channel.verify_by(&good.request(), keys), Err(Refused::Keyless)));
    }
    let other = json!({"provider": "teams", "appId": "app-2"});
    let other = Channel::compile("test", &map(other)).unwrap();
    assert!(matches!(other.verify_by(&good.request(), Some(keys.as_bytes())), Err(Refused::Mismatch)));
}

#[test]
fn e20_a_topic_that_is_not_on_the_list_is_not_believed() {
    let fixture = include_str!("../../../fixtures/webhooks/ses/subscription.json");
    let fixture: Value = serde_json::from_str(fixture).unwrap();
    let keys = fixture["keys"].as_str().unwrap().as_bytes();
    let post = Post::new(fixture["body"].as_str().unwrap().to_owned()).header("Content-Type", "text/plain");
    let ours = channel(fixture["inbound"].clone());
    let proof = ours.verify_by(&post.request(), Some(keys)).unwrap();
    let document = ours.read(&post.request(), proof).unwrap();
    assert!(
        ours.confirmation(&document)
            .is_some_and(|url| url.starts_with("https://sns.eu-west-1.amazonaws.com/?"))
    );
    let foreign = channel(json!({"provider": "ses", "topicArns": ["arn:aws:sns:eu-west-1:999:other"]}));
    assert!(matches!(foreign.verify_by(&post.request(), Some(keys)), Err(Refused::Mismatch)));
    assert_eq!(fault(json!({"provider": "ses"})).key, "inbound.secret");
    assert_eq!(fault(json!({"provider": "teams"})).key, "inbound.secret");
}

#[test]
fn e23_vonage_is_asked_for_its_token() {
    let channel = channel(json!({"provider": "vonage", "secret": SECRET}));
    assert!(channel.asks_again());
    assert_eq!(Post::new("{}").verified(&channel), Err(Refused::Missing));
    assert!(!bird().asks_again());
}

#[test]
fn vonage_signs_the_fields_of_a_message_by_the_method_that_is_set() {
    let channel = channel(json!({"provider": "vonage", "secret": SECRET}));
    let stamp = NOW.to_string();
    let signed = format!("&messageId=0A1&msisdn=15552223333&text=a_b&timestamp={stamp}&to=15550001111");
    let json_post = |sig: &str, more: Value| {
        let mut body = json!({"messageId": "0A1", "msisdn": "15552223333", "text": "a&b", "timestamp": stamp, "to": "15550001111", "sig": sig});
        body.as_object_mut().unwrap().extend(map(more));
        Post::new(body.to_string())
    };
    let form = |sig: &str| {
        let body =
            format!("messageId=0A1&msisdn=15552223333&text=a%26b&timestamp={stamp}&to=15550001111&sig={sig}");
        Post::new(body).header("Content-Type", "application/x-www-form-urlencoded")
    };
    for algorithm in [hmac::HMAC_SHA256, hmac::HMAC_SHA512, hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY] {
        let sig = hex(&mac(algorithm, SECRET.as_bytes(), signed.as_bytes())).to_uppercase();
        assert_eq!(json_post(&sig, json!({})).verified(&channel), Ok(()), "{algorithm:?}");
        assert_eq!(form(&sig).verified(&channel), Ok(()), "{algorithm:?}");
        assert_eq!(json_post(&sig, json!({})).messages(&channel)[0].content, "a&b");
        // Nothing that is not under the signature comes along.
        for more in [json!({"text": "forged"}), json!({"status": "read"}), json!({"status": ["read"]})] {
            assert!(json_post(&sig, more.clone()).verified(&channel).is_err(), "{more}");
        }
        let twice = format!("{}&status=a&status=b", std::str::from_utf8(&form(&sig).body).unwrap());
        let twice = Post::new(twice).header("Content-Type", "application/x-www-form-urlencoded");
        assert!(twice.verified(&channel).is_err());
    }
    // By MD5, as the account signs at first.
    let md5 = "0123456789abcdef0123456789abcdef";
    assert_eq!(form(md5).verified(&channel), Err(Refused::Mismatch));
}

/// Set `MESSAGEBIRD_VECTORS` to `webhook-signature-jwt-reference.json` of MessageBird's own libraries.
#[test]
fn the_reference_tokens_of_messagebird_are_judged_as_theirs() {
    let Ok(path) = std::env::var("MESSAGEBIRD_VECTORS") else {
        println!("skipped: MESSAGEBIRD_VECTORS is not set");
        return;
    };
    let cases: Vec<Value> = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    for case in &cases {
        let text = |name: &str| case[name].as_str().unwrap_or_default().to_owned();
        let secret = if text("secret").is_empty() { "no secret".to_owned() } else { text("secret") };
        let channel = channel(json!({"provider": "messagebird", "secret": secret, "publicUrl": text("url")}));
        let mut post = Post::new(text("payload")).header("MessageBird-Signature-JWT", text("token"));
        post.target = text("url").splitn(4, '/').nth(3).map_or_else(String::new, |rest| format!("/{rest}"));
        let received_at = text("timestamp").parse().unwrap();
        let found = channel.verify(&Received { received_at, ..post.request() });
        assert_eq!(found.is_ok(), case["valid"] == true, "{}: {:?}", text("name"), found.err());
    }
    println!("{} reference tokens", cases.len());
}
