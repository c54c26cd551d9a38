//! Values by fallback: the first of several ways that gives something, and the ways besides a single selector: values
//! joined, a constant, the element of a list that fits.

use super::error::Fault;
use super::selectors::{Scope, Selector};
use super::settings::Table;
use serde_json::Value;
use std::borrow::Cow;

/// How to come by a value.
#[derive(Debug)]
pub(super) enum Pick {
    One(Selector),
    /// Several values, each needed, with a sign between them that is escaped inside them, so that
    /// (`ab`, `c`) and (`a`, `bc`) stay apart; `plain` leaves it, for names.
    Join {
        parts: Vec<Fallbacks>,
        with: Box<str>,
        plain: bool,
    },
    Constant(Box<str>),
    /// The `take` of that element of `list` whose `key` equals `equals`.
    Lookup {
        list: Selector,
        key: Selector,
        equals: Fallbacks,
        take: Selector,
    },
}

/// Several ways to a value: the first that gives one is taken.
#[derive(Debug)]
pub(super) struct Fallbacks(Vec<Pick>);

impl Fallbacks {
    /// A selector, an object with `join`, `value` or `lookup`, or a list of these.
    pub fn compile(key: &str, value: &Value) -> Result<Self, Fault> {
        let picks = match value {
            Value::Array(items) => items
                .iter()
                .enumerate()
                .map(|(position, item)| Pick::compile(&format!("{key}[{position}]"), item))
                .collect::<Result<Vec<_>, _>>()?,
            item => vec![Pick::compile(key, item)?],
        };
        if picks.is_empty() { Err(Fault::new(key, "must not be empty")) } else { Ok(Self(picks)) }
    }

    pub fn required(table: &Table<'_>, key: &'static str) -> Result<Self, Fault> {
        Self::optional(table, key)?.ok_or_else(|| table.fault(key, "is required"))
    }

    pub fn optional(table: &Table<'_>, key: &'static str) -> Result<Option<Self>, Fault> {
        table.value(key).map(|value| Self::compile(&table.at(key), value)).transpose()
    }

    /// The first value that is not `null`.
    pub fn value<'a>(&self, scope: &Scope<'a>) -> Option<Cow<'a, Value>> {
        self.0.iter().find_map(|pick| pick.value(scope))
    }

    /// The first value that can be written as text: strings as they are, numbers to the digit.
    pub fn text(&self, scope: &Scope<'_>) -> Option<String> {
        self.0.iter().find_map(|pick| match pick {
            Pick::Join { parts, with, plain } => join(parts, with, *plain, scope),
            pick => pick.value(scope).and_then(text_of),
        })
    }

    /// The first text that is not empty: ids and names.
    pub fn filled(&self, scope: &Scope<'_>) -> Option<String> {
        self.0.iter().find_map(|pick| {
            let text = match pick {
                Pick::Join { parts, with, plain } => join(parts, with, *plain, scope),
                pick => pick.value(scope).and_then(text_of),
            };
            text.filter(|text| !text.trim().is_empty())
        })
    }

    /// Every selector in here.
    pub fn each_selector(&self, visit: &mut dyn FnMut(&Selector)) {
        for pick in &self.0 {
            match pick {
                Pick::One(selector) => visit(selector),
                Pick::Constant(_) => {}
                Pick::Join { parts, .. } => parts.iter().for_each(|part| part.each_selector(visit)),
                Pick::Lookup { list, key, equals, take } => {
                    [list, key, take].into_iter().for_each(&mut *visit);
                    equals.each_selector(visit);
                }
            }
        }
    }
}

fn text_of(value: Cow<'_, Value>) -> Option<String> {
    match value {
        Cow::Owned(Value::String(text)) => Some(text),
        Cow::Borrowed(Value::String(text)) => Some(text.clone()),
        Cow::Owned(Value::Number(number)) => Some(number.to_string()),
        Cow::Borrowed(Value::Number(number)) => Some(number.to_string()),
        Cow::Owned(Value::Bool(flag)) | Cow::Borrowed(&Value::Bool(flag)) => Some(flag.to_string()),
        _ => None,
    }
}

fn join(parts: &[Fallbacks], with: &str, plain: bool, scope: &Scope<'_>) -> Option<String> {
    let mut out = String::new();
    for (position, part) in parts.iter().enumerate() {
        let text = part.filled(scope)?;
        if position > 0 {
            out.push_str(with);
        }
        if !plain && (text.contains(with) || text.contains('%')) {
            let sign: String = with.bytes().map(|byte| format!("%{byte:02X}")).collect();
            out.push_str(&text.replace('%', "%25").replace(with, &sign));
        } else {
            out.push_str(&text);
        }
    }
    Some(out)
}

impl Pick {
    fn compile(key: &str, value: &Value) -> Result<Self, Fault> {
        let Value::Object(_) = value else {
            let text = value
                .as_str()
                .ok_or_else(|| Fault::new(key, "must be a path, or an object with join, value or lookup"))?;
            return Selector::compile(key, text).map(Self::One);
        };
        let table = Table::of(key, value)?;
        let made = if let Some(lookup) = table.table("lookup")? {
            let selector = |name| Selector::compile(&lookup.at(name), lookup.required_text(name)?);
            let made = Self::Lookup {
                list: selector("in")?,
                key: selector("key")?,
                equals: Fallbacks::required(&lookup, "equals")?,
                take: selector("take")?,
            };
            lookup.finish()?;
            made
        } else if let Some(text) = table.text("value")? {
            Self::Constant(text.into())
        } else {
            let Some(Value::Array(parts)) = table.value("join") else {
                return Err(table.fault("join", "must be a list of paths"));
            };
            let compile = |(position, part): (usize, &Value)| {
                Fallbacks::compile(&format!("{key}.join[{position}]"), part)
            };
            if parts.is_empty() {
                return Err(table.fault("join", "must not be empty"));
            }
            let with = table.text("with")?.unwrap_or(":");
            if with.is_empty() || with.contains('%') {
                return Err(table.fault("with", "must not be empty, nor hold %, which escapes it"));
            }
            Self::Join {
                parts: parts.iter().enumerate().map(compile).collect::<Result<_, _>>()?,
                with: with.into(),
                plain: table.flag("plain")?,
            }
        };
        table.finish()?;
        Ok(made)
    }

    fn value<'a>(&self, scope: &Scope<'a>) -> Option<Cow<'a, Value>> {
        match self {
            Self::One(selector) => selector.first(scope),
            Self::Constant(text) => Some(Cow::Owned(Value::String(text.to_string()))),
            Self::Join { parts, with, plain } => {
                join(parts, with, *plain, scope).map(|text| Cow::Owned(Value::String(text)))
            }
            Self::Lookup { list, key, equals, take } => {
                let wanted = equals.text(scope)?;
                list.all(scope).into_iter().take(1_000).find_map(|element| {
                    let inner = scope.within(element);
                    let found = key.first(&inner).and_then(text_of)?;
                    (found == wanted).then(|| take.first(&inner))?
                })
            }
        }
    }
}
