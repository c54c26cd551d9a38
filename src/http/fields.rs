//! Reads a JSON object field by field and collects everything that is wrong with it, so that a client
//! learns of all its mistakes at once. A field that is null counts as absent, unknown fields are
//! ignored. Text loses its NUL characters here: PostgreSQL cannot keep them.

use super::error::{ApiError, Problem};
use crate::model::JsonMap;
use serde_json::Value;
use std::fmt::Display;
use std::ops::RangeInclusive;

/// A request body in its own type.
pub trait FromFields: Sized {
    /// Takes the fields; whatever is wrong is noted in `fields`, and any value may stand in for it,
    /// because the request is refused in that case.
    fn from_fields(fields: &mut Fields) -> Self;
}

/// A JSON object that is being read.
#[derive(Debug)]
pub struct Fields {
    object: JsonMap,
    path: String,
    problems: Vec<Problem>,
}

impl Fields {
    /// Begins to read `object`.
    #[must_use]
    pub fn new(object: JsonMap) -> Self {
        Self { object, path: String::new(), problems: Vec::new() }
    }

    /// Reads a whole body as `T`.
    ///
    /// # Errors
    /// 400 with every field at fault.
    pub fn read<T: FromFields>(body: Value) -> Result<T, ApiError> {
        let Value::Object(object) = body else {
            return Err(ApiError::invalid_field("", "must be a JSON object"));
        };
        let mut fields = Self::new(object);
        let value = T::from_fields(&mut fields);
        fields.finish()?;
        Ok(value)
    }

    /// Ends reading.
    ///
    /// # Errors
    /// 400 with every field at fault.
    pub fn finish(self) -> Result<(), ApiError> {
        if self.problems.is_empty() { Ok(()) } else { Err(ApiError::invalid(self.problems)) }
    }

    /// Notes that the field `name` is at fault.
    pub fn problem(&mut self, name: &str, message: impl Into<String>) {
        /// More than these help nobody.
        const MOST: usize = 100;
        if self.problems.len() < MOST {
            let path = self.path_of(name);
            self.problems.push(Problem { path, message: message.into() });
        }
    }

    /// Whether the field is there, null or not.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.object.contains_key(name)
    }

    /// The field as it is, NUL characters aside; `None` when absent or null.
    pub fn value(&mut self, name: &str) -> Option<Value> {
        match self.object.remove(name) {
            None | Some(Value::Null) => None,
            Some(mut value) => {
                clean(&mut value);
                Some(value)
            }
        }
    }

    /// Text of at most `most` characters.
    pub fn text(&mut self, name: &str, most: usize) -> Option<String> {
        match self.value(name)? {
            Value::String(text) if text.chars().count() <= most => Some(text),
            Value::String(_) => {
                self.problem(name, format!("must be at most {most} characters long"));
                None
            }
            other => {
                self.wrong_type(name, "a string", &other);
                None
            }
        }
    }

    /// Text of 1 to `most` characters, which has to be there.
    pub fn required_text(&mut self, name: &str, most: usize) -> String {
        let before = self.problems.len();
        let text = self.text(name, most).unwrap_or_default();
        if text.is_empty() && self.problems.len() == before {
            self.problem(name, "is required and may not be empty");
        }
        text
    }

    /// Text where null says something else than absence: `Some(None)` is null.
    pub fn nullable_text(&mut self, name: &str, most: usize) -> Option<Option<String>> {
        self.nullable(name, |fields, name| fields.text(name, most))
    }

    /// The same for a field that is read by `read`: `fields.nullable("timezone", Fields::timezone)`.
    pub fn nullable<T>(
        &mut self,
        name: &str,
        read: impl FnOnce(&mut Self, &str) -> Option<T>,
    ) -> Option<Option<T>> {
        if self.is_null(name) {
            return Some(None);
        }
        read(self, name).map(Some)
    }

    /// Whether the field is there and null.
    #[must_use]
    pub fn is_null(&self, name: &str) -> bool {
        matches!(self.object.get(name), Some(Value::Null))
    }

    /// A mail address, lower-cased.
    pub fn email(&mut self, name: &str) -> Option<String> {
        let text = self.text(name, 320)?;
        if is_email(&text) {
            return Some(text.to_lowercase());
        }
        self.problem(name, "must be a mail address like name@example.com");
        None
    }

    /// An IANA time zone name.
    pub fn timezone(&mut self, name: &str) -> Option<String> {
        let text = self.text(name, 64)?;
        if jiff::tz::db().get(&text).is_ok() {
            return Some(text);
        }
        self.problem(name, "must be an IANA time zone like Europe/Berlin");
        None
    }

    /// One of the words that `all` are written as.
    pub fn choice<T: Copy + Display>(&mut self, name: &str, all: &[T]) -> Option<T> {
        let found = match self.value(name)? {
            Value::String(text) => all.iter().copied().find(|word| word.to_string() == text),
            _ => None,
        };
        if found.is_none() {
            let words: Vec<String> = all.iter().map(ToString::to_string).collect();
            self.problem(name, format!("must be one of {}", words.join(", ")));
        }
        found
    }

    /// True or false.
    pub fn boolean(&mut self, name: &str) -> Option<bool> {
        let value = self.value(name)?;
        if value.as_bool().is_none() {
            self.wrong_type(name, "true or false", &value);
        }
        value.as_bool()
    }

    /// A whole number within `range`.
    pub fn integer(&mut self, name: &str, range: RangeInclusive<i64>) -> Option<i64> {
        let value = self.value(name)?;
        match value.as_i64().or_else(|| whole(value.as_f64()?)) {
            Some(number) if range.contains(&number) => Some(number),
            Some(_) => {
                self.problem(name, format!("must be from {} to {}", range.start(), range.end()));
                None
            }
            None => {
                self.wrong_type(name, "a whole number", &value);
                None
            }
        }
    }

    /// A JSON object, kept as given.
    pub fn map(&mut self, name: &str) -> Option<JsonMap> {
        match self.value(name)? {
            Value::Object(map) => Some(map),
            other => {
                self.wrong_type(name, "an object", &other);
                None
            }
        }
    }

    /// An object whose own fields are read as `T`.
    pub fn object<T: FromFields>(&mut self, name: &str) -> Option<T> {
        let object = self.map(name)?;
        Some(self.nested(self.path_of(name), object))
    }

    /// A list of at most `most` objects read as `T`.
    pub fn objects<T: FromFields>(&mut self, name: &str, most: usize) -> Option<Vec<T>> {
        let items = self.list(name, most)?;
        let mut read = Vec::with_capacity(items.len());
        for (position, item) in items.into_iter().enumerate() {
            let name = format!("{name}[{position}]");
            match item {
                Value::Object(object) => read.push(self.nested(self.path_of(&name), object)),
                other => self.wrong_type(&name, "an object", &other),
            }
        }
        Some(read)
    }

    /// A list of at most `most` texts of 1 to `most_chars` characters.
    pub fn texts(&mut self, name: &str, most: usize, most_chars: usize) -> Option<Vec<String>> {
        let items = self.list(name, most)?;
        let mut read = Vec::with_capacity(items.len());
        for (position, item) in items.into_iter().enumerate() {
            match item {
                Value::String(text) if (1..=most_chars).contains(&text.chars().count()) => read.push(text),
                _ => self.problem(
                    &format!("{name}[{position}]"),
                    format!("must be a string of 1 to {most_chars} characters"),
                ),
            }
        }
        Some(read)
    }

    fn list(&mut self, name: &str, most: usize) -> Option<Vec<Value>> {
        match self.value(name)? {
            Value::Array(items) if items.len() <= most => Some(items),
            Value::Array(_) => {
                self.problem(name, format!("must have at most {most} entries"));
                None
            }
            other => {
                self.wrong_type(name, "a list", &other);
                None
            }
        }
    }

    fn nested<T: FromFields>(&mut self, path: String, object: JsonMap) -> T {
        let mut inner = Self { object, path, problems: std::mem::take(&mut self.problems) };
        let value = T::from_fields(&mut inner);
        self.problems = inner.problems;
        value
    }

    fn wrong_type(&mut self, name: &str, wanted: &str, found: &Value) {
        let found = match found {
            Value::Null => "null",
            Value::Bool(_) => "a boolean",
            Value::Number(_) => "a number",
            Value::String(_) => "a string",
            Value::Array(_) => "a list",
            Value::Object(_) => "an object",
        };
        self.problem(name, format!("must be {wanted}, not {found}"));
    }

    fn path_of(&self, name: &str) -> String {
        match (self.path.as_str(), name) {
            ("", name) => name.to_owned(),
            (path, "") => path.to_owned(),
            (path, name) => format!("{path}.{name}"),
        }
    }
}

/// A float that is a whole number exactly (`5.0`), as JSON Schema has it.
fn whole(number: f64) -> Option<i64> {
    /// Every whole number up to here is exact in a double.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    #[expect(clippy::cast_possible_truncation, reason = "within the exact range of a double")]
    (number.fract() == 0.0 && number.abs() <= EXACT).then_some(number as i64)
}

/// Whether `text` has the form of an addr-spec that mail systems take (RFC 5321 section 4.5.3.1
/// for the lengths): one `@` with something on both sides, no blanks, controls or brackets.
#[must_use]
pub fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.rsplit_once('@') else { return false };
    let plain = |part: &str| {
        part.chars()
            .all(|c| !c.is_whitespace() && !c.is_control() && !matches!(c, '<' | '>' | '@' | ',' | ';' | '"'))
    };
    (1..=64).contains(&local.len())
        && (1..=255).contains(&domain.len())
        && plain(local)
        && plain(domain)
        && domain.split('.').all(|label| !label.is_empty())
}

/// Removes NUL from every text and name inside `value`, at most as deep as the JSON reader allows.
fn clean(value: &mut Value) {
    match value {
        Value::String(text) => clean_text(text),
        Value::Array(items) => items.iter_mut().for_each(clean),
        Value::Object(object) => {
            if object.keys().any(|name| name.contains('\0')) {
                *object = std::mem::take(object)
                    .into_iter()
                    .map(|(mut name, value)| {
                        clean_text(&mut name);
                        (name, value)
                    })
                    .collect();
            }
            object.values_mut().for_each(clean);
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn clean_text(text: &mut String) {
    if text.contains('\0') {
        text.retain(|c| c != '\0');
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn fields(value: Value) -> Fields {
        let Value::Object(object) = value else { panic!("an object") };
        Fields::new(object)
    }

    #[test]
    fn every_mistake_is_told_at_once_with_its_path() {
        struct Inner;
        impl FromFields for Inner {
            fn from_fields(fields: &mut Fields) -> Self {
                fields.required_text("url", 10);
                Self
            }
        }
        let mut fields = fields(json!({
            "content": 5, "role": "robot", "port": 70_000, "list": [{"url": []}, 3], "map": "x", "on": "yes",
        }));
        fields.required_text("content", 10);
        fields.required_text("missing", 10);
        fields.choice("role", crate::model::message::Role::ALL);
        fields.integer("port", 1..=65_535);
        fields.objects::<Inner>("list", 5);
        fields.map("map");
        fields.boolean("on");
        let paths: Vec<String> = fields.problems.iter().map(|problem| problem.path.clone()).collect();
        assert_eq!(paths, ["content", "missing", "role", "port", "list[0].url", "list[1]", "map", "on"]);
    }

    #[test]
    fn null_is_absent_unless_a_field_may_be_cleared() {
        let mut fields = fields(json!({"a": null, "b": null, "c": "x"}));
        assert_eq!(fields.text("a", 5), None);
        assert_eq!(fields.nullable_text("b", 5), Some(None));
        assert_eq!(fields.nullable_text("c", 5), Some(Some("x".to_owned())));
        assert_eq!(fields.nullable_text("d", 5), None);
        assert!(fields.finish().is_ok());
    }

    #[test]
    fn lengths_are_counted_in_characters() {
        assert_eq!(fields(json!({"a": "äöü"})).text("a", 3).as_deref(), Some("äöü"));
        assert_eq!(fields(json!({"a": "äöüx"})).text("a", 3), None);
    }

    #[test]
    fn nul_goes_from_text_names_and_depth() {
        let value = fields(json!({"a": {"x\0": ["y\0z", {"\0": "\0"}]}})).value("a").unwrap();
        assert_eq!(value, json!({"x": ["yz", {"": ""}]}));
    }

    #[test]
    fn whole_floats_are_integers() {
        assert_eq!(fields(json!({"a": 5.0})).integer("a", 1..=9), Some(5));
        assert_eq!(fields(json!({"a": 5.5})).integer("a", 1..=9), None);
    }

    #[test]
    fn mail_addresses_are_told_from_other_text() {
        for good in ["a@b.example", "a.b+c@localhost", "ä@ö.example"] {
            assert!(is_email(good), "{good}");
        }
        for bad in [
            "",
            "a",
            "@b",
            "a@",
            "a b@c.example",
            "<a@b.example>",
            "a@b..example",
            "a@b@c.example",
            "a@b.example.",
        ] {
            assert!(!is_email(bad), "{bad}");
        }
    }
}
