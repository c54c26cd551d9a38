//! Signatures: good, bad, old, several secrets, hostile headers.

use super::*;

const SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

fn standard() -> Channel {
    channel(json!({"provider": "standard-webhooks", "secret": SECRET}))
}

fn signed(body: &'static str, stamp: &str) -> Post {
    let key = STANDARD.decode("C2FVsBQIhrscChlQIMV+b5sSYspob7oD").unwrap();
    let proof = STANDARD.encode(mac(hmac::HMAC_SHA256, &key, format!("msg_1.{stamp}.{body}").as_bytes()));
    Post::new(body)
        .header("webhook-id", "msg_1")
        .header("webhook-timestamp", stamp)
        .header("webhook-signature", format!("v1,{proof}"))
}

#[test]
fn the_vector_of_the_standard_webhooks_libraries_verifies() {
    let mut post = Post::new(r#"{"email":"test@example.com","username":"test_user"}"#)
        .header("webhook-id", "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk")
        .header("webhook-timestamp", "1649367553")
        .header("webhook-signature", "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=");
    let channel = standard();
    let at = |second| {
        let request = Received { received_at: Timestamp::from_second(second).unwrap(), ..post.request() };
        channel.verify(&request).map(|_| ())
    };
    assert_eq!(at(1_649_367_553), Ok(()));
    // Expectation 5: the edge is in, both ways; beyond it is out, both ways.
    assert_eq!(at(1_649_367_853), Ok(()));
    assert_eq!(at(1_649_367_253), Ok(()));
    assert_eq!(at(1_649_367_854), Err(Refused::Stale));
    assert_eq!(at(1_649_367_252), Err(Refused::Stale));
    // Expectation 1: the same JSON with other whitespace is another text.
    post.body = Bytes::from_static(br#"{"email": "test@example.com","username":"test_user"}"#);
    let request = Received { received_at: Timestamp::from_second(1_649_367_553).unwrap(), ..post.request() };
    assert!(matches!(channel.verify(&request), Err(Refused::Mismatch)));
}

#[test]
fn older_svix_headers_and_several_signatures_are_read() {
    let post = signed(r#"{"content":"x"}"#, "1760000000");
    let proof = post.headers.get("webhook-signature").unwrap().to_owned();
    let svix = Post::new(r#"{"content":"x"}"#)
        .header("svix-id", "msg_1")
        .header("svix-timestamp", "1760000000")
        .header("svix-signature", format!("v2,zzz v1,AAAA {proof} v1a,AAAA"));
    assert_eq!(svix.verified(&standard()), Ok(()));
}

#[test]
fn hostile_timestamps_are_refused_without_panic() {
    // Expectation 4.
    for stamp in [
        "-9223372036854775808",
        "9223372036854775807",
        "99999999999999999999",
        "-1",
        "1e3",
        "+1760000000",
        "1760000000000",
        " 1760000000",
        "0x1",
    ] {
        let post = signed("{}", "1760000000").header("webhook-timestamp", stamp);
        assert!(post.verified(&standard()).is_err(), "{stamp}");
    }
    let twice = {
        let mut post = signed("{}", "1760000000");
        post.headers.0.push(("webhook-timestamp".to_owned(), "1760000000".to_owned()));
        post
    };
    assert_eq!(twice.verified(&standard()), Err(Refused::Missing));
}

#[test]
fn any_secret_of_the_list_is_accepted() {
    // Expectation 8.
    let spec = |secrets: Value| {
        channel(json!({"provider": "custom", "secrets": secrets,
            "verify": {"scheme": "hmac-sha256", "header": "X-Sig", "prefix": "sha256="},
            "map": {"thread": "$.t", "messageId": "$.i", "text": "$.x"}}))
    };
    let post = |secret: &str| {
        let proof = hex(&mac(hmac::HMAC_SHA256, secret.as_bytes(), b"{}"));
        Post::new("{}").header("X-Sig", format!("sha256={proof}"))
    };
    let both = spec(json!(["new-secret-1", "old-secret-1"]));
    assert_eq!(post("new-secret-1").verified(&both), Ok(()));
    assert_eq!(post("old-secret-1").verified(&both), Ok(()));
    // Which one it was is known by its place, never by its value.
    for (secret, place) in [("new-secret-1", 0), ("old-secret-1", 1)] {
        assert_eq!(both.verify(&post(secret).request()).unwrap().key, Some(place));
    }
    assert_eq!(post("old-secret-1").verified(&spec(json!(["new-secret-1"]))), Err(Refused::Mismatch));
}

#[test]
fn damaged_signature_headers_are_refused() {
    // Expectations 2 and 3.
    let channel = channel(json!({"provider": "inlet", "secret": "a-good-secret"}));
    let good = hex(&mac(hmac::HMAC_SHA256, b"a-good-secret", b"{}"));
    assert_eq!(
        Post::new("{}").header("X-Inlet-Signature", format!("sha256={good}")).verified(&channel),
        Ok(())
    );
    assert_eq!(
        Post::new("{}")
            .header("X-Inlet-Signature", format!("SHA256={}", good.to_uppercase()))
            .verified(&channel),
        Ok(())
    );
    for bad in [
        String::new(),
        "sha256=".to_owned(),
        format!("sha1={good}"),
        good.clone(),
        format!("sha256={}", good.strip_suffix(char::is_alphanumeric).unwrap()),
        format!("sha256={good}00"),
        "sha256=zz".to_owned(),
        "\u{e9}\u{e9}\u{e9}\u{e9}=".to_owned(),
    ] {
        assert!(
            Post::new("{}").header("X-Inlet-Signature", bad.clone()).verified(&channel).is_err(),
            "{bad}"
        );
    }
    assert_eq!(Post::new("{}").verified(&channel), Err(Refused::Missing));
    assert_eq!(Post::new("{}").header("Authorization", "Bearer a-good-secret").verified(&channel), Ok(()));
    assert_eq!(
        Post::new("{}").header("Authorization", "Bearer a-good-secre").verified(&channel),
        Err(Refused::Mismatch)
    );
}

#[test]
fn a_template_signs_what_it_names() {
    let channel = channel(json!({"provider": "custom", "secret": "s3cr3t-s3cr3t",
        "verify": {"scheme": "hmac-sha512", "header": "X-Sig", "encoding": "base64",
            "signed": "{method}|{header:X-Time}|{body:/id}|{raw}",
            "timestamp": {"from": "header:X-Time", "unit": "ms", "tolerance": "10s"}},
        "map": {"thread": "$.t", "messageId": "$.id", "text": "$.x"}}));
    let body = r#"{"id":9007199254740993,"x":"a"}"#;
    let post = |stamp: &str| {
        let text = format!("POST|{stamp}|9007199254740993|{body}");
        let proof = STANDARD.encode(mac(hmac::HMAC_SHA512, b"s3cr3t-s3cr3t", text.as_bytes()));
        Post::new(body).header("X-Time", stamp).header("X-Sig", proof)
    };
    assert_eq!(post("1760000009999").verified(&channel), Ok(()));
    assert_eq!(post("1760000010001").verified(&channel), Err(Refused::Stale));
    // Expectation 6: seconds where milliseconds are meant.
    assert_eq!(post("1760000000").verified(&channel), Err(Refused::Stale));
    assert_eq!(
        post("1760000000000").header("X-Time", "1760000000001").verified(&channel),
        Err(Refused::Mismatch)
    );
}

#[test]
fn a_header_of_several_parts_is_taken_apart() {
    let channel = channel(json!({"provider": "custom", "secret": "s3cr3t-s3cr3t",
        "verify": {"scheme": "hmac-sha256", "header": "X-Sig", "separator": ",", "prefix": "s=",
            "signed": "{timestamp}.{raw}", "timestamp": {"from": "header:X-Sig", "prefix": "t="}},
        "map": {"thread": "$.t", "messageId": "$.id", "text": "$.x"}}));
    let proof = hex(&mac(hmac::HMAC_SHA256, b"s3cr3t-s3cr3t", b"1760000000.{}"));
    assert_eq!(
        Post::new("{}").header("X-Sig", format!("t=1760000000,s=00,s={proof}")).verified(&channel),
        Ok(())
    );
    assert_eq!(
        Post::new("{}").header("X-Sig", format!("t=1760000001,s={proof}")).verified(&channel),
        Err(Refused::Mismatch)
    );
}

#[test]
fn a_password_may_hold_colons() {
    // Expectation 15.
    let channel = channel(json!({"provider": "custom", "username": "u", "password": "pa:ss:word",
        "verify": {"scheme": "basic"}, "map": {"thread": "$.t", "messageId": "$.id", "text": "$.x"}}));
    let post =
        |pair: &str| Post::new("{}").header("Authorization", format!("Basic {}", STANDARD.encode(pair)));
    assert_eq!(post("u:pa:ss:word").verified(&channel), Ok(()));
    assert_eq!(post("u:pa:ss").verified(&channel), Err(Refused::Mismatch));
    assert_eq!(
        Post::new("{}").header("Authorization", "Basic ***").verified(&channel),
        Err(Refused::Missing)
    );
}

#[test]
fn the_vectors_of_others_verify() {
    let shared =
        std::env::var("INLET_SHARED").unwrap_or_else(|_| format!("{}/../shared", env!("CARGO_MANIFEST_DIR")));
    let Ok(text) = std::fs::read_to_string(format!("{shared}/data/webhooks/signature-vectors/vectors.json"))
    else {
        println!("skipped: no vectors at {shared}");
        return;
    };
    let vectors: Vec<Value> = serde_json::from_str(&text).unwrap();
    let (mut slack, mut twilio) = (0, 0);
    for vector in &vectors {
        let get = |key: &str| vector[key].as_str().unwrap_or_default().to_owned();
        if get("scheme").starts_with("slack") {
            let channel = channel(json!({"provider": "custom", "secret": get("secret"),
                "verify": {"scheme": "hmac-sha256", "header": "X-Slack-Signature", "prefix": "v0=",
                    "signed": "v0:{header:X-Slack-Request-Timestamp}:{raw}",
                    "timestamp": {"from": "header:X-Slack-Request-Timestamp"}},
                "map": {"thread": "$.t", "messageId": "$.id", "text": "$.x"}}));
            let post = Post::new(get("body"))
                .header("X-Slack-Signature", get("signature"))
                .header("X-Slack-Request-Timestamp", get("timestamp"));
            let at = Timestamp::from_second(get("timestamp").parse().unwrap()).unwrap();
            assert!(channel.verify(&Received { received_at: at, ..post.request() }).is_ok());
            slack += 1;
        } else {
            let channel =
                channel(json!({"provider": "twilio", "secret": get("secret"), "publicUrl": get("url")}));
            let pairs: Vec<String> = vector["params"]
                .as_object()
                .unwrap()
                .iter()
                .map(|(k, v)| format!("{k}={}", v.as_str().unwrap().replace('+', "%2B")))
                .collect();
            let post = Post::new(pairs.join("&"))
                .header("Content-Type", "application/x-www-form-urlencoded")
                .header("X-Twilio-Signature", get("signature"));
            assert_eq!(post.verified(&channel), Ok(()));
            let other = Post::new(pairs.join("&").replace("1234", "1235"))
                .header("Content-Type", "application/x-www-form-urlencoded")
                .header("X-Twilio-Signature", get("signature"));
            assert_eq!(other.verified(&channel), Err(Refused::Mismatch));
            twilio += 1;
        }
    }
    assert!(slack > 0 && twilio > 0);
}

fn twilio(url: &str) -> Channel {
    channel(json!({"provider": "twilio", "secret": "12345", "publicUrl": url}))
}

fn twilio_proof(text: &str) -> String {
    STANDARD.encode(mac(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, b"12345", text.as_bytes()))
}

#[test]
fn e17_the_public_address_is_signed_with_and_without_its_port() {
    let form = "From=%2B1&Body=hi";
    let post = |signed: &str| {
        let mut post = Post::new(form)
            .header("Content-Type", "application/x-www-form-urlencoded")
            .header("X-Forwarded-Host", "evil.example")
            .header("X-Twilio-Signature", twilio_proof(&format!("{signed}BodyhiFrom+1")));
        post.target = "/v1/webhooks/x?a=1".to_owned();
        post
    };
    for public in [
        "https://in.example.org",
        "https://in.example.org:443",
        "https://in.example.org/",
        "https://in.example.org/v1/webhooks/x",
    ] {
        for signed in
            ["https://in.example.org/v1/webhooks/x?a=1", "https://in.example.org:443/v1/webhooks/x?a=1"]
        {
            assert_eq!(post(signed).verified(&twilio(public)), Ok(()), "{public} {signed}");
        }
        for other in [
            "https://evil.example/v1/webhooks/x?a=1",
            "http://in.example.org/v1/webhooks/x?a=1",
            "https://in.example.org/v1/webhooks/x?a=2",
        ] {
            assert_eq!(post(other).verified(&twilio(public)), Err(Refused::Mismatch), "{public} {other}");
        }
    }
}

#[test]
fn e18_a_json_body_is_bound_by_its_hash_in_the_url() {
    let body = r#"{"MessageSid":"SM1"}"#;
    let hash = hex(ring::digest::digest(&ring::digest::SHA256, body.as_bytes()).as_ref());
    let target = format!("/hook?bodySHA256={hash}");
    let post = |body: &'static str, target: &str| {
        let mut post = Post::new(body)
            .header("X-Twilio-Signature", twilio_proof(&format!("https://in.example.org{target}")));
        post.target = target.to_owned();
        post
    };
    let channel = twilio("https://in.example.org");
    assert_eq!(post(body, &target).verified(&channel), Ok(()));
    assert_eq!(post(r#"{"MessageSid":"SM2"}"#, &target).verified(&channel), Err(Refused::Mismatch));
    assert_eq!(post(body, "/hook").verified(&channel), Err(Refused::Mismatch));
}

#[test]
fn e24_probes_with_bad_ed25519_signatures_do_not_pass() {
    let pair = ring::signature::Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap();
    let key = hex(ring::signature::KeyPair::public_key(&pair).as_ref());
    let channel = channel(json!({"provider": "custom", "secret": key,
        "verify": {"scheme": "ed25519", "header": "X-Signature-Ed25519", "signed": "{header:X-Signature-Timestamp}{raw}",
            "timestamp": {"from": "header:X-Signature-Timestamp"}},
        "map": {"thread": "$.channel_id", "messageId": "$.id", "text": "$.data"}}));
    let post = |signed: &str| {
        Post::new("{}")
            .header("X-Signature-Timestamp", NOW.to_string())
            .header("X-Signature-Ed25519", hex(pair.sign(signed.as_bytes()).as_ref()))
    };
    assert_eq!(post(&format!("{NOW}{{}}")).verified(&channel), Ok(()));
    assert_eq!(post(&format!("{NOW}{{ }}")).verified(&channel), Err(Refused::Mismatch));
    assert_eq!(post("").header("X-Signature-Ed25519", "00").verified(&channel), Err(Refused::Mismatch));
    assert_eq!(post("").header("X-Signature-Ed25519", "zz").verified(&channel), Err(Refused::Missing));
}
