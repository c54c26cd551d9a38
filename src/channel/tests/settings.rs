//! What is refused when a surface is set up, each with the key at fault.

use super::*;

fn custom(change: impl Fn(&mut JsonMap)) -> Value {
    let mut inbound = map(json!({"provider": "custom", "secret": "a-good-secret",
        "verify": {"scheme": "hmac-sha256", "header": "X-Sig"},
        "map": {"thread": "$.t", "messageId": "$.i", "text": "$.x"}}));
    change(&mut inbound);
    Value::Object(inbound)
}

fn set(path: &[&str], value: &Value) -> Value {
    custom(|inbound| {
        let mut at = inbound;
        let (last, first) = path.split_last().unwrap();
        for key in first {
            at = at.entry(*key).or_insert_with(|| json!({})).as_object_mut().unwrap();
        }
        at.insert((*last).to_owned(), value.clone());
    })
}

#[test]
fn every_mistake_names_its_key() {
    let cases: &[(&[&str], Value, &str)] = &[
        (&["typo"], json!(1), "inbound.typo"),
        (&["provider"], json!("slck"), "inbound.provider"),
        (&["secret"], json!("short"), "inbound.secret"),
        (&["secret"], json!("env:NOT_SET"), "inbound.secret"),
        (&["secrets"], json!(["long-enough", "short"]), "inbound.secrets[1]"),
        (&["secret"], json!(5), "inbound.secret"),
        (&["maxBodyBytes"], json!(0), "inbound.maxBodyBytes"),
        (&["maxBodyBytes"], json!(1e12), "inbound.maxBodyBytes"),
        (&["rateLimitPerMinute"], json!(-1), "inbound.rateLimitPerMinute"),
        (&["allowIps"], json!(["10.0.0.0/40"]), "inbound.allowIps"),
        (&["allowUnsigned"], json!("yes"), "inbound.allowUnsigned"),
        (&["publicUrl"], json!("ftp://x"), "inbound.publicUrl"),
        (&["verify", "scheme"], json!("hmac-md5"), "inbound.verify.scheme"),
        (&["verify", "scheme"], json!("none"), "inbound.verify.header"),
        (&["verify", "encoding"], json!("base32"), "inbound.verify.encoding"),
        (&["verify", "headr"], json!("X"), "inbound.verify.headr"),
        (&["verify", "signed"], json!("{rawbody}"), "inbound.verify.signed"),
        (&["verify", "signed"], json!("{url}{raw}"), "inbound.publicUrl"),
        (&["verify", "signed"], json!("{timestamp}.{raw}"), "inbound.verify.timestamp"),
        (&["verify", "timestamp"], json!({"from": "header:X-T"}), "inbound.verify.signed"),
        (&["verify", "timestamp"], json!({"from": "X-T"}), "inbound.verify.timestamp.from"),
        (
            &["verify", "timestamp"],
            json!({"from": "body:/t", "tolerance": 0}),
            "inbound.verify.timestamp.tolerance",
        ),
        (
            &["verify", "timestamp"],
            json!({"from": "body:/t", "tolerance": "inf"}),
            "inbound.verify.timestamp.tolerance",
        ),
        (
            &["verify", "timestamp"],
            json!({"from": "body:/t", "unit": "min"}),
            "inbound.verify.timestamp.unit",
        ),
        (&["map", "thread"], json!("$.a["), "inbound.map.thread"),
        (&["map", "thread"], json!(["$.a", "b"]), "inbound.map.thread[1]"),
        (&["map", "thread"], json!("$..a..b"), "inbound.map.thread"),
        (&["map", "thread"], json!("$.a[?@.b == $.c]"), "inbound.map.thread"),
        (&["map", "thread"], json!("header:X-Thread"), "inbound.map"),
        (&["map", "messageId"], json!("query:id"), "inbound.map"),
        (&["map", "text"], json!(null), "inbound.map.text"),
        (&["map", "time"], json!({"path": "$.t", "format": "iso"}), "inbound.map.time.format"),
        (&["map", "direction"], json!({"path": "$.d", "default": "in"}), "inbound.map.direction.default"),
        (&["map", "when"], json!([{"path": "$.t"}]), "inbound.map.when[0].in"),
        (&["map", "attachments"], json!({"name": "$.n"}), "inbound.map.attachments.url"),
        (&["answer"], json!({"status": 404}), "inbound.answer.status"),
        (&["map"], json!([]), "inbound.map"),
        (&["handshake"], json!({"query": {"mode": "x"}, "token": "query:token"}), "inbound.verifyToken"),
        (&["map", "thread"], json!({"join": []}), "inbound.map.thread.join"),
        (&["map", "thread"], json!({"join": ["$.a"], "with": "%"}), "inbound.map.thread.with"),
        (&["map", "time"], json!({"path": "$.t", "format": "%H:%M"}), "inbound.map.time.format"),
        (&["map", "time"], json!({"path": "$.t", "format": "%Y-%m-%d %!"}), "inbound.map.time.format"),
        (&["verify", "separator"], json!(""), "inbound.verify.separator"),
        (&["verify", "scheme"], json!("hmac_sha256"), "inbound.verify.scheme"),
        (&["verify"], json!([]), "inbound.verify"),
    ];
    for (path, value, key) in cases {
        let fault = fault(set(path, value));
        assert_eq!(fault.key, *key, "{path:?} = {value}: {fault}");
        assert!(fault.to_string().starts_with("surface `test`: inbound"), "{fault}");
    }
}

#[test]
fn a_surface_without_a_secret_says_so_itself() {
    // Expectation 9.
    for provider in ["inlet", "standard-webhooks", "custom"] {
        assert_eq!(fault(json!({"provider": provider})).key, "inbound.secret", "{provider}");
    }
    let open = channel(json!({"provider": "inlet", "allowUnsigned": true}));
    assert_eq!(Post::new("{}").verified(&open), Ok(()));
    assert_eq!(open.warnings().len(), 1);
    let misspelt = fault(json!({"provider": "inlet", "secert": "a-good-secret"}));
    assert_eq!(misspelt.key, "inbound.secret");
    assert!(misspelt.problem.ends_with("(secert is not known here; is secret meant?)"), "{misspelt}");
    let misspelt = fault(set(&["verify"], &json!({"scheme": "static", "headr": "X"})));
    assert_eq!(misspelt.key, "inbound.verify.header");
    assert!(misspelt.problem.ends_with("(headr is not known here; is header meant?)"), "{misspelt}");
    assert!(fault(json!({"provider": "slakc"})).problem.ends_with("(is slack meant?)"));
    let closed = fault(custom(|inbound| {
        inbound.insert("verify".to_owned(), json!({"scheme": "none"}));
    }));
    assert_eq!(closed.key, "inbound.allowUnsigned");
    // What means nothing to our own body is no setting of it, and a proof without its secret is none.
    for (key, value) in
        [("unwrap", json!("/x")), ("open", json!("/x")), ("recognize", json!({"path": "$.x"}))]
    {
        let inbound = json!({"provider": "inlet", "secret": "a-good-secret", key: value});
        assert_eq!(fault(inbound).key, format!("inbound.{key}"));
    }
    let unproved = fault(custom(|inbound| {
        inbound.remove("secret");
        inbound.insert("allowUnsigned".to_owned(), json!(true));
    }));
    assert_eq!(unproved.key, "inbound.secret");
}

#[test]
fn a_secret_never_stands_in_a_message() {
    let fault = fault(json!({"provider": "standard-webhooks", "secret": "whsec_c@nary!"}));
    assert!(!fault.to_string().contains("nary"), "{fault}");
    let channel = channel(json!({"provider": "inlet", "secret": "canary-canary"}));
    assert!(!format!("{channel:?}").contains("canary"));
}

#[test]
fn a_message_without_an_id_is_warned_about() {
    let channel = channel(custom(|inbound| {
        inbound.insert("map".to_owned(), json!({"thread": "$.t", "text": "$.x"}));
    }));
    assert_eq!(channel.warnings().len(), 1);
}

#[test]
fn environment_names_are_resolved_for_configuration_files() {
    let mut inbound = map(json!({"provider": "inlet", "secrets": ["env:A", "env:B"]}));
    resolve_environment(&mut inbound, &|name| (name == "A").then(|| "from-environment".to_owned()));
    assert_eq!(inbound["secrets"], json!(["from-environment", "env:B"]));
}

/// The surface of an example file, its secret set, and the payload in its opening comment.
fn example(file: &std::path::Path) -> (Channel, Value) {
    let text = std::fs::read_to_string(file).unwrap();
    let config: Value = toml::from_str(&text).unwrap_or_else(|error| panic!("{file:?}: {error}"));
    let mut inbound = map(config["surfaces"][0]["inbound"].clone());
    resolve_environment(&mut inbound, &|_| Some("a-secret-of-the-example".to_owned()));
    let sample: String = text
        .lines()
        .take_while(|line| line.starts_with('#'))
        .map(|line| line.trim_start_matches(['#', ' ']))
        .skip_while(|line| !line.starts_with(['{', '[']))
        .take_while(|line| !line.is_empty())
        .collect();
    let mut open = inbound.clone();
    let channel = Channel::compile("example", &inbound).unwrap_or_else(|error| panic!("{file:?}: {error}"));
    assert_eq!(channel.warnings(), &[] as &[String], "{file:?}");
    // The sample is read without its proof.
    ["secrets", "verify"].iter().for_each(|key| drop(open.remove(*key)));
    open.insert("allowUnsigned".to_owned(), json!(true));
    (
        Channel::compile("example", &open).unwrap(),
        serde_json::from_str(&sample).unwrap_or_else(|error| panic!("{file:?}: {error}")),
    )
}

#[test]
fn every_example_is_accepted_and_reads_the_request_in_its_comment() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("config/examples");
    let mut seen = 0;
    for file in std::fs::read_dir(folder).unwrap() {
        let file = file.unwrap().path();
        if file.extension().is_none_or(|ending| ending != "toml") {
            continue;
        }
        let (channel, sample) = example(&file);
        let messages = Post::new(sample.to_string()).messages(&channel);
        assert_eq!(messages.len(), 1, "{file:?}");
        assert_eq!(messages[0].direction, Some(Direction::Inbound), "{file:?}");
        seen += 1;
    }
    assert_eq!(seen, 6);
}
