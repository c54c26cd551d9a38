//! Reading a surface's settings with the path of every key at hand: wrong types, unknown keys and
//! missing ones become a [`Fault`] that names the key. Values are never in the message.

use super::error::Fault;
use super::nearest::nearest;
use crate::model::JsonMap;
use serde_json::Value;
use std::cell::RefCell;

/// One object of the settings. Keys are ticked off as they are read; [`Table::finish`] refuses the rest.
pub(super) struct Table<'a> {
    path: String,
    map: &'a JsonMap,
    read: RefCell<Vec<&'static str>>,
}

type Read<T> = Result<T, Fault>;

impl<'a> Table<'a> {
    pub fn new(path: impl Into<String>, map: &'a JsonMap) -> Self {
        Self { path: path.into(), map, read: RefCell::default() }
    }

    /// An object where only an object will do.
    pub fn of(path: impl Into<String>, value: &'a Value) -> Read<Self> {
        let path = path.into();
        match value {
            Value::Object(map) => Ok(Self::new(path, map)),
            _ => Err(Fault::new(path, "must be an object")),
        }
    }

    /// The path of `key` in here.
    pub fn at(&self, key: &str) -> String {
        format!("{}.{key}", self.path)
    }

    /// A fault of `key`. Where the key is not there and one is that nobody knows and that is nearly it, the fault says so.
    pub fn fault(&self, key: &str, problem: impl Into<String>) -> Fault {
        let (mut problem, read) = (problem.into(), self.read.borrow());
        let unread = self.map.keys().map(String::as_str).filter(|written| !read.contains(written));
        if !self.map.contains_key(key)
            && let Some(near) = nearest(key, &unread.collect::<Vec<_>>())
        {
            problem = format!("{problem} ({near} is not known here; is {key} meant?)");
        }
        Fault::new(self.at(key), problem)
    }

    /// The value of `key`; `null` counts as not there.
    pub fn value(&self, key: &'static str) -> Option<&'a Value> {
        let mut read = self.read.borrow_mut();
        if !read.contains(&key) {
            read.push(key);
        }
        self.map.get(key).filter(|value| !value.is_null())
    }

    pub fn text(&self, key: &'static str) -> Read<Option<&'a str>> {
        match self.value(key) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(self.fault(key, "must be a string")),
        }
    }

    pub fn required_text(&self, key: &'static str) -> Read<&'a str> {
        match self.text(key)? {
            Some(text) if !text.is_empty() => Ok(text),
            _ => Err(self.fault(key, "is required")),
        }
    }

    pub fn flag(&self, key: &'static str) -> Read<bool> {
        match self.value(key) {
            None => Ok(false),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(_) => Err(self.fault(key, "must be true or false")),
        }
    }

    /// A whole number within `bounds`, both ends allowed.
    pub fn count(&self, key: &'static str, bounds: std::ops::RangeInclusive<u64>) -> Read<Option<u64>> {
        match self.value(key) {
            None => Ok(None),
            Some(value) => match value.as_u64().filter(|count| bounds.contains(count)) {
                Some(count) => Ok(Some(count)),
                None => Err(self.fault(
                    key,
                    format!("must be a whole number from {} to {}", bounds.start(), bounds.end()),
                )),
            },
        }
    }

    pub fn table(&self, key: &'static str) -> Read<Option<Table<'a>>> {
        self.value(key).map(|value| Table::of(self.at(key), value)).transpose()
    }

    /// A list of objects, or one object.
    pub fn tables(&self, key: &'static str) -> Read<Vec<Table<'a>>> {
        match self.value(key) {
            None => Ok(Vec::new()),
            Some(Value::Array(items)) => items
                .iter()
                .enumerate()
                .map(|(position, item)| Table::of(format!("{}[{position}]", self.at(key)), item))
                .collect(),
            Some(value) => Ok(vec![Table::of(self.at(key), value)?]),
        }
    }

    /// A list of strings, or one string.
    pub fn texts(&self, key: &'static str) -> Read<Vec<&'a str>> {
        match self.value(key) {
            None => Ok(Vec::new()),
            Some(Value::String(text)) => Ok(vec![text]),
            Some(Value::Array(items)) => items
                .iter()
                .enumerate()
                .map(|(position, item)| {
                    item.as_str().ok_or_else(|| {
                        Fault::new(format!("{}[{position}]", self.at(key)), "must be a string")
                    })
                })
                .collect(),
            Some(_) => Err(self.fault(key, "must be a string or a list of strings")),
        }
    }

    /// An object whose keys are free.
    pub fn entries(&self, key: &'static str) -> Read<Vec<(&'a str, &'a Value)>> {
        match self.value(key) {
            None => Ok(Vec::new()),
            Some(Value::Object(map)) => Ok(map.iter().map(|(name, value)| (name.as_str(), value)).collect()),
            Some(_) => Err(self.fault(key, "must be an object")),
        }
    }

    /// One of a few words.
    pub fn word<T: Copy>(&self, key: &'static str, words: &[(&str, T)]) -> Read<Option<T>> {
        let Some(text) = self.text(key)? else { return Ok(None) };
        match words.iter().find(|(word, _)| *word == text) {
            Some((_, value)) => Ok(Some(*value)),
            None => {
                let known: Vec<_> = words.iter().map(|(word, _)| *word).collect();
                Err(self.fault(key, format!("must be one of {}{}", known.join(", "), meant(text, &known))))
            }
        }
    }

    /// Refuses keys that nobody asked for.
    pub fn finish(&self) -> Read<()> {
        let read = self.read.borrow();
        match self.map.keys().find(|key| !read.contains(&key.as_str())) {
            None => Ok(()),
            Some(key) => {
                let problem =
                    format!("is not known here; known are {}{}", read.join(", "), meant(key, &read));
                Err(self.fault(key, problem))
            }
        }
    }
}

/// A question behind an error, where something that is known is nearly what was written.
pub(super) fn meant(written: &str, known: &[&str]) -> String {
    nearest(written, known).map_or_else(String::new, |near| format!(" (is {near} meant?)"))
}

/// `5m`, `90s`, `1h`, or a number of seconds; positive, at most a day.
pub(super) fn duration_seconds(path: &str, value: &Value) -> Result<i64, Fault> {
    let seconds = match value {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => {
            let cut = text.trim_end_matches(|unit: char| unit.is_ascii_alphabetic());
            let scale = match text.strip_prefix(cut) {
                Some("s" | "") => Some(1),
                Some("m") => Some(60),
                Some("h") => Some(3_600),
                _ => None,
            };
            cut.parse::<i64>().ok().zip(scale).and_then(|(count, scale)| count.checked_mul(scale))
        }
        _ => None,
    };
    seconds.filter(|seconds| (1..=86_400).contains(seconds)).ok_or_else(|| {
        Fault::new(path, "must be a time like \"5m\" or a number of seconds, above 0 and at most a day")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn tolerances_are_positive_and_finite() {
        for (value, seconds) in
            [(json!("5m"), 300), (json!("30s"), 30), (json!("1h"), 3_600), (json!(60), 60), (json!("45"), 45)]
        {
            assert_eq!(duration_seconds("t", &value), Ok(seconds));
        }
        for value in [
            json!(0),
            json!(-5),
            json!("0s"),
            json!("-1m"),
            json!("inf"),
            json!("5 m"),
            json!(1e99),
            json!("9999999999999999h"),
            json!(true),
            json!("2d"),
            json!(""),
        ] {
            assert!(duration_seconds("t", &value).is_err(), "{value}");
        }
    }

    #[test]
    fn an_unknown_key_is_named_with_its_path() {
        let value = json!({"a": "x", "typo": 1});
        let table = Table::of("inbound.verify", &value).unwrap();
        assert_eq!(table.text("a"), Ok(Some("x")));
        let fault = table.finish().unwrap_err();
        assert_eq!(fault.key, "inbound.verify.typo");
        assert_eq!(fault.problem, "is not known here; known are a");
    }
}
