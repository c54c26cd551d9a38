//! The language of `inbound`: a mistake in any of its tables is refused wherever settings are read, with surface and key named,
//! and `docs/channels.md` has the keys and defaults that the code has.

use super::*;
use crate::cli::Installation;
use inlet::channel::Channel;
use std::collections::{BTreeMap, BTreeSet};

/// A table of the language: the heading of its section in `docs/channels.md`, settings that have it, and where it stands there.
struct Example {
    section: &'static str,
    inbound: Value,
    pointer: &'static str,
}

impl Example {
    /// The table's path as errors name it: `inbound.map.when[0]`.
    fn path(&self) -> String {
        self.pointer.split('/').skip(1).fold("inbound".to_owned(), |path, name| match name.parse::<usize>() {
            Ok(position) => format!("{path}[{position}]"),
            Err(_) => format!("{path}.{name}"),
        })
    }

    /// The settings with `key` set in the table.
    fn with(&self, key: &str, value: Value) -> Value {
        let mut inbound = self.inbound.clone();
        inbound.pointer_mut(self.pointer).unwrap().as_object_mut().unwrap().insert(key.to_owned(), value);
        inbound
    }

    /// The keys that the code looks for in the table, as it tells them beside one that it does not know.
    fn known(&self) -> Vec<String> {
        let (key, problem) = fault(&self.with(UNKNOWN, json!(1)));
        assert_eq!(key, format!("{}.{UNKNOWN}", self.path()));
        let known = problem.strip_prefix("is not known here; known are ").unwrap();
        known.split(", ").map(str::to_owned).collect()
    }
}

const UNKNOWN: &str = "unheardOf";

fn compile(inbound: &Value) -> Result<String, (String, String)> {
    match Channel::compile("widget", inbound.as_object().unwrap()) {
        Ok(channel) => Ok(format!("{channel:?}")),
        Err(error) => Err((error.key, error.problem)),
    }
}

fn fault(inbound: &Value) -> (String, String) {
    compile(inbound).expect_err(&format!("{inbound} is refused"))
}

/// Settings whose `map` has more.
fn mapped(more: Value) -> Value {
    let mut map = json!({"thread": "$.t", "messageId": "$.i", "text": "$.x"});
    map.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!({"provider": "custom", "secret": SECRET, "verify": {"scheme": "static", "header": "X-Token"}, "map": map})
}

/// Settings with a proof.
fn proved(verify: Value) -> Value {
    let mut inbound = mapped(json!({}));
    inbound["verify"] = verify;
    inbound
}

/// Settings with a key.
fn set(key: &str, value: Value) -> Value {
    let mut inbound = mapped(json!({}));
    inbound[key] = value;
    inbound
}

fn examples() -> Vec<Example> {
    let stamp = json!({"from": "header:X-Time"});
    let signature = json!({"scheme": "hmac-sha256", "header": "X-Sig", "signed": "{timestamp}.{raw}", "timestamp": stamp});
    let when = json!([{"path": "$.k", "in": ["m"]}]);
    let sns = json!({"provider": "custom", "topicArns": ["arn:aws:sns:eu-west-1:1:mail"], "verify": {"scheme": "sns"},
        "map": {"thread": "$.t", "text": "$.x"}});
    let basic = json!({"provider": "custom", "username": "hook", "password": SECRET, "verify": {"scheme": "basic"},
        "map": {"thread": "$.t", "text": "$.x"}});
    let token = json!({"scheme": "jwt", "header": "X-Token", "algorithms": ["HS256"], "bodyHash": "hash"});
    let published =
        json!({"scheme": "jwt", "header": "X-Token", "keysUrl": "https://keys.example/", "bodyHash": "hash"});
    let lookup = json!({"lookup": {"in": "$.list", "key": "$.id", "equals": "$.who", "take": "$.name"}});
    let join = json!({"join": ["$.a", "$.b"]});
    let file = json!({"url": "$.u", "plainWhen": when});
    let example = |section, inbound, pointer| Example { section, inbound, pointer };
    vec![
        example("## Keys of `inbound`", mapped(json!({})), ""),
        example("## `verify`", proved(signature.clone()), "/verify"),
        example("## `verify`", proved(json!({"scheme": "static", "header": "X-Token"})), "/verify"),
        example("## `verify`", basic, "/verify"),
        example("## `verify`", proved(json!({"scheme": "standard-webhooks"})), "/verify"),
        example("## `verify`", proved(token), "/verify"),
        example("## `verify`", proved(published), "/verify"),
        example("## `verify`", sns, "/verify"),
        example(
            "## `verify`",
            proved(json!([{"scheme": "static", "header": "X-Token"}, signature])),
            "/verify/1",
        ),
        example("### `timestamp`", proved(signature), "/verify/timestamp"),
        example("## `handshake`", set("handshake", json!({"query": {"mode": "set-up"}})), "/handshake"),
        example("## `handshake`", set("handshake", json!([{"when": when}])), "/handshake/0"),
        example("### Conditions", set("handshake", json!({"when": when})), "/handshake/when/0"),
        example("## `answer`", set("answer", json!({"body": "OK"})), "/answer"),
        example("### Conditions", set("recognize", when.clone()), "/recognize/0"),
        example("## `map`", mapped(json!({})), "/map"),
        example("### Conditions", mapped(json!({"when": when})), "/map/when/0"),
        example("### Conditions", mapped(json!({"skip": when})), "/map/skip/0"),
        example("### Conditions", mapped(json!({"group": when})), "/map/group/0"),
        example("## Values", mapped(json!({"thread": join})), "/map/thread"),
        example("## Values", mapped(json!({"text": [{"value": "hi"}]})), "/map/text/0"),
        example("## Values", mapped(json!({"metadata": {"who": lookup}})), "/map/metadata/who"),
        example("## Values", mapped(json!({"context": {"who": join}})), "/map/context/who"),
        example("### `lookup`", mapped(json!({"name": lookup})), "/map/name/lookup"),
        example("### `time`", mapped(json!({"time": {"path": "$.at"}})), "/map/time"),
        example(
            "### `time`",
            mapped(json!({"change": "edit", "changedAt": {"path": "$.at"}})),
            "/map/changedAt",
        ),
        example(
            "### `direction`",
            mapped(json!({"direction": {"path": "$.d", "inbound": ["in"]}})),
            "/map/direction",
        ),
        example("### `aliases`", mapped(json!({"aliases": [{"thread": "$.other"}]})), "/map/aliases/0"),
        example("### `attachments`", mapped(json!({"attachments": [file]})), "/map/attachments/0"),
        example("### Conditions", mapped(json!({"attachments": file})), "/map/attachments/plainWhen/0"),
        example("### `mail`", mapped(json!({"mail": {"path": "$.raw"}})), "/map/mail"),
    ]
}

/// What is wrong in each: a key that is not known, and each known key with a value that none of them takes.
fn mistakes(examples: &[Example]) -> Vec<(Value, String)> {
    let mut all = Vec::new();
    for example in examples {
        all.push((example.with(UNKNOWN, json!(1)), format!("{}.{UNKNOWN}", example.path())));
        for key in example.known() {
            all.push((example.with(&key, json!(5.5)), format!("{}.{key}", example.path())));
        }
    }
    all
}

fn without_secrets(inbound: &Value) -> Value {
    let mut inbound = inbound.clone();
    for key in ["secret", "username", "password", "topicArns"] {
        inbound.as_object_mut().unwrap().remove(key);
    }
    inbound
}

/// Runs `inlet surfaces test` on settings; whether it succeeds, and what it says.
fn tried(installation: &Installation, inbound: &Value) -> (bool, String) {
    let settings = json!({"surfaces": [{"name": "widget", "inbound": inbound}]});
    std::fs::write(installation.folder().join("settings.json"), settings.to_string()).unwrap();
    std::fs::write(installation.folder().join("payload.json"), r#"{"t": 1, "i": 2, "x": "hi"}"#).unwrap();
    let output = installation.run(&["surfaces", "test", "payload.json", "--settings", "settings.json"], &[]);
    (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mistake_in_any_table_is_refused_wherever_settings_are_read() {
    // Expectation 85.
    let examples = examples();
    let all = mistakes(&examples);
    assert!(all.len() > 200, "{}", all.len());
    let world = World::new().await;
    let id = inlet(&world).await;
    for (inbound, path) in &all {
        let (key, problem) = fault(inbound);
        assert_eq!(&key, path, "{inbound}: {problem}");
        // Tried before it is saved, over settings that are there already.
        let answer = world
            .post(&format!("/v1/surfaces/{id}/mapping/test"), &json!({"payload": {}, "inbound": inbound}))
            .await;
        assert_eq!(answer.expect_error(422), "MAPPING_FAILED", "{inbound}");
        let told = answer.json();
        assert_eq!(told["details"][0]["path"], json!(path), "{inbound}");
        let named = format!("The settings cannot be used: surface `Widget`: {path}: ");
        assert!(told["error"].as_str().unwrap().starts_with(&named), "{told}");
        // Saved.
        let order = json!({"name": "W", "type": "webhook", "inbound": inbound});
        assert_eq!(world.post("/v1/surfaces", &order).await.fields_at_fault(), [path.as_str()], "{inbound}");
    }
    for example in &examples {
        assert!(compile(&example.inbound).is_ok(), "{}: {:?}", example.inbound, compile(&example.inbound));
    }
}

#[test]
fn a_mistake_is_told_by_the_command_though_no_secret_is_there() {
    let installation = Installation::new();
    for example in examples() {
        let (right, said) = tried(&installation, &without_secrets(&example.inbound));
        assert!(right || said.contains("does not become a message"), "{}: {said}", example.inbound);
        let wrong = without_secrets(&example.with(UNKNOWN, json!(1)));
        let (right, said) = tried(&installation, &wrong);
        let named = format!("surface `widget`: {}.{UNKNOWN}: is not known here; known are ", example.path());
        assert!(!right && said.contains(&named), "{wrong}: {said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_misspelt_proof_is_told_before_there_is_a_secret() {
    let world = World::new().await;
    let id = surface(&world, "webhook", json!({"provider": "inlet", "allowUnsigned": true})).await;
    let installation = Installation::new();
    let stamp = |unit: &str| json!({"from": "header:X-Time", "unit": unit});
    let verify = |key: &str, value: Value| {
        let mut verify = json!({"scheme": "hmac-sha256", "header": "X-Sig", "signed": "{timestamp}.{raw}", "timestamp": stamp("s")});
        verify[key] = value;
        verify
    };
    for (verify, key, hint) in [
        (verify("seperator", json!(",")), "seperator", "(is separator meant?)"),
        (verify("prefx", json!("s=")), "prefx", "(is prefix meant?)"),
        (verify("scheme", json!("hmac-sha-256")), "scheme", "(is hmac-sha256 meant?)"),
        (verify("timestamp", stamp("sec")), "timestamp.unit", "must be one of s, ms"),
        (verify("encoding", json!("base46")), "encoding", "(is base64 meant?)"),
    ] {
        let path = format!("inbound.verify.{key}");
        let map = json!({"thread": "$.t", "text": "$.x"});
        let inbound = json!({"provider": "custom", "verify": verify, "map": map});
        let (right, said) = tried(&installation, &inbound);
        assert!(
            !right && said.contains(&format!("surface `widget`: {path}: ")) && said.contains(hint),
            "{said}"
        );
        let test = json!({"payload": {"t": 1, "x": "hi"}, "inbound": inbound});
        let answer = world.post(&format!("/v1/surfaces/{id}/mapping/test"), &test).await;
        assert_eq!(answer.expect_error(422), "MAPPING_FAILED");
        let told = answer.json();
        assert_eq!(told["details"][0]["path"], json!(path));
        assert!(told["error"].as_str().unwrap().contains(hint), "{told}");
        // At load the mistake is named, and not only that the secret is missing.
        let order = json!({"name": "W", "type": "webhook", "inbound": inbound});
        assert_eq!(world.post("/v1/surfaces", &order).await.fields_at_fault(), [path.as_str()]);
        let declared = json!({"surfaces": [{"name": "widget", "type": "webhook", "inbound": inbound}]});
        std::fs::write(installation.folder().join("inlet.toml"), toml::to_string(&declared).unwrap())
            .unwrap();
        let serve = installation.run(&["serve"], &[("INLET_CONFIG", "inlet.toml")]);
        let said = String::from_utf8_lossy(&serve.stderr).into_owned();
        assert!(!serve.status.success() && said.contains("widget") && said.contains(&path), "{said}");
    }
    assert_eq!(totals(&world, &id).await, (0, 0));
}

/// The rows of the tables below a heading of `docs/channels.md`, up to the next heading: each key with its default, if one stands
/// there as code.
fn documented(heading: &str) -> BTreeMap<String, Option<Value>> {
    let page = include_str!("../../../docs/channels.md");
    let section =
        page.split(&format!("\n{heading}\n")).nth(1).unwrap_or_else(|| panic!("no section {heading}"));
    let cells = |line: &str| -> Vec<String> {
        line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect()
    };
    let code = |cell: &str| {
        cell.strip_prefix('`')?.strip_suffix('`').filter(|text| !text.contains('`')).map(str::to_owned)
    };
    let (mut rows, mut at) = (BTreeMap::new(), None);
    for line in section.lines().take_while(|line| !line.starts_with('#')).filter(|line| line.starts_with('|'))
    {
        let cells = cells(line);
        if cells[0] == "Key" {
            at = cells.iter().position(|cell| cell == "Default");
        } else if !cells[0].starts_with('-') {
            let default = code(&cells[at.expect("a column of defaults")]);
            let default = default
                .map(|text| serde_json::from_str(&text).unwrap_or_else(|error| panic!("{line}: {error}")));
            for key in cells[0].split(", ") {
                rows.insert(code(key).unwrap(), default.clone());
            }
        }
    }
    rows
}

#[test]
fn the_documented_keys_and_defaults_are_those_of_the_code() {
    let mut known: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    let mut defaults = 0;
    for example in examples() {
        let keys = example.known();
        for (key, default) in documented(example.section) {
            let Some(default) = default.filter(|_| keys.contains(&key)) else { continue };
            if example.inbound.pointer(&format!("{}/{key}", example.pointer)).is_none() {
                // What is in the way of a key is no matter here: `from` beside `header`.
                let said = compile(&example.with(&key, default.clone()));
                assert_eq!(said, compile(&example.inbound), "{} `{key}` = {default}", example.section);
                defaults += 1;
            }
        }
        known.entry(example.section).or_default().extend(keys);
    }
    assert!(defaults > 30, "{defaults}");
    for (section, keys) in known {
        assert_eq!(documented(section).into_keys().collect::<BTreeSet<_>>(), keys, "{section}");
    }
}

#[test]
fn the_documented_keys_of_presets_are_those_of_the_code() {
    let known = |preset: Value, path: &str| -> BTreeSet<String> {
        let error = Channel::compile_preset_for_trial("p", preset.as_object().unwrap()).unwrap_err();
        assert_eq!(error.key, format!("{path}.{UNKNOWN}"));
        let known = error.problem.strip_prefix("is not known here; known are ").unwrap();
        known.split(", ").map(str::to_owned).collect()
    };
    let map = json!({"thread": "$.t", "text": "$.x"});
    let top = known(json!({"map": map, UNKNOWN: 1}), "inbound");
    let of_surfaces: BTreeSet<String> = documented("## Keys of `inbound`").into_keys().collect();
    let alone: BTreeSet<String> = top.difference(&of_surfaces).cloned().collect();
    assert_eq!(documented("## Keys of presets alone").into_keys().collect::<BTreeSet<_>>(), alone);
    let media = known(json!({"map": map, "media": {UNKNOWN: 1}}), "inbound.media");
    assert_eq!(documented("### `media`").into_keys().collect::<BTreeSet<_>>(), media);
    for key in &alone {
        let wrong = json!({"map": map, key: 5.5});
        let error = Channel::compile_preset_for_trial("p", wrong.as_object().unwrap()).unwrap_err();
        assert_eq!(error.key, format!("inbound.{key}"));
        let mut inbound = mapped(json!({}));
        inbound[key] = json!(true);
        assert_eq!(fault(&inbound).0, format!("inbound.{key}"), "a surface may not say it");
    }
}
