//! Presets that nobody has written rules for: their requests are those of a fixture with its words and its id replaced, taken
//! without a proof, and they try again a few times.

use super::providers::{Message, Provider};
use super::rules::Rules;
use super::wire::Wire;
use serde_json::{Value, json};
use std::path::Path;

/// The provider of a preset by one of its fixtures; none where no fixture is JSON with one message whose words and id stand
/// in it.
pub fn by_fixture(preset: &'static str) -> Option<Provider> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/webhooks").join(preset);
    let mut files: Vec<_> = std::fs::read_dir(folder).ok()?.map(|file| file.unwrap().path()).collect();
    files.sort();
    let fixtures = files.iter().map(|file| serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap());
    let (inbound, body, places) = fixtures.filter_map(|fixture: Value| usable(&fixture)).next()?;
    let make = move |it: &Message, url: &str| {
        let mut body = body.clone();
        *body.pointer_mut(&places.0).unwrap() = json!(it.text);
        if let Some(id) = places.1.as_ref().and_then(|place| body.pointer_mut(place)) {
            *id = if id.is_number() { json!(it.number) } else { json!(format!("id-{}", it.number)) };
        }
        Wire::json(url, &body)
    };
    Some(Provider {
        name: preset,
        inbound,
        rules: Rules::AFewTimes,
        waits_to_be_asked: false,
        make: Box::new(make),
    })
}

/// Settings without a proof, the body, and where in it the words and the id of its message are; a message without an id is
/// known by its words.
fn usable(fixture: &Value) -> Option<(Value, Value, (String, Option<String>))> {
    let expected = fixture["expect"]["messages"].as_array().filter(|all| all.len() == 1)?.first()?;
    let words = expected["content"].as_str()?;
    let body = fixture["body"].is_object().then(|| fixture["body"].clone())?;
    let words = place(&body, "", &|text| !text.is_empty() && text == words)?;
    // An id may be several joined (with the colons inside them escaped), of which the last is the message's.
    let id = match expected["externalMessageId"].as_str() {
        Some(id) => {
            let last = id.rsplit(':').next()?.replace("%3A", ":").replace("%25", "%");
            Some(place(&body, "", &|text| text == id || text == last)?)
        }
        None => None,
    };
    let mut inbound = fixture["inbound"].clone();
    let settings = inbound.as_object_mut()?;
    for key in ["secret", "secrets", "username", "password", "appId", "topicArns"] {
        settings.remove(key);
    }
    settings.insert("allowUnsigned".to_owned(), json!(true));
    Some((inbound, body, (words, id)))
}

/// The JSON pointer of the first text or number that fits.
fn place(value: &Value, at: &str, fits: &dyn Fn(&str) -> bool) -> Option<String> {
    match value {
        Value::String(text) => fits(text).then(|| at.to_owned()),
        Value::Number(number) => fits(&number.to_string()).then(|| at.to_owned()),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .find_map(|(position, item)| place(item, &format!("{at}/{position}"), fits)),
        Value::Object(fields) => fields.iter().find_map(|(name, field)| {
            place(field, &format!("{at}/{}", name.replace('~', "~0").replace('/', "~1")), fits)
        }),
        _ => None,
    }
}

#[test]
fn a_fixture_gives_as_many_messages_as_are_asked_for() {
    use inlet::channel::{Channel, HeaderList, preset_names, trial};
    let mut named = Vec::new();
    for provider in preset_names().filter_map(by_fixture) {
        let channel = Channel::compile(provider.name, provider.inbound.as_object().unwrap()).unwrap();
        let envelope = |number: usize| {
            let wire = provider.request(number, "http://x.example", false);
            let body = serde_json::from_slice(&wire.body).unwrap();
            let now = jiff::Timestamp::from_second(1_760_000_000).unwrap();
            let trial = trial(&channel, &body, HeaderList(Vec::new()), now).unwrap();
            assert_eq!(trial.envelopes.len(), 1, "{}", provider.name);
            trial.envelopes[0].clone()
        };
        let (third, fourth) = (envelope(3), envelope(4));
        assert_eq!(third["content"], json!(provider.text(3)), "{}", provider.name);
        assert_ne!(third["externalMessageId"], fourth["externalMessageId"], "{}", provider.name);
        assert_eq!(third["externalThreadId"], fourth["externalThreadId"], "{}", provider.name);
        named.push(provider.name);
    }
    for preset in ["chatwoot", "crisp", "slack", "sunshine", "teams", "telegram", "telnyx", "viber"] {
        assert!(named.contains(&preset), "{preset} is not among {named:?}");
    }
}
