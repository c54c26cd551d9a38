//! Selectors: where in a request a value is. RFC 9535 JSONPath on the item at hand (`$.a.b`), on an
//! item around it (`up:$.a`, `up2:$.a`) or on the whole body (`root:$.a`), a header (`header:NAME`) or
//! a query parameter (`query:NAME`). Selection only: they cannot loop, and what could make them slow
//! (several `..`, absolute queries inside filters) is refused when they are loaded.

use super::body::FilePart;
use super::error::Fault;
use super::request::Received;
use super::settings::Table;
use serde_json::Value;
use serde_json_path::JsonPath;
use std::borrow::Cow;

/// A path's length in bytes.
const PATH_LIMIT: usize = 500;

/// What a selector looks at.
#[derive(Clone)]
pub(super) struct Scope<'a> {
    /// From the whole body to the item at hand.
    items: Vec<&'a Value>,
    request: &'a Received<'a>,
    files: &'a [FilePart],
}

impl<'a> Scope<'a> {
    pub fn new(root: &'a Value, request: &'a Received<'a>, files: &'a [FilePart]) -> Self {
        Self { items: vec![root], request, files }
    }

    /// The same with `item` at hand.
    pub fn within(&self, item: &'a Value) -> Self {
        let mut items = self.items.clone();
        items.push(item);
        Self { items, ..self.clone() }
    }

    /// The item at hand.
    pub fn item(&self) -> &'a Value {
        self.items.last().copied().unwrap_or(&Value::Null)
    }

    /// From the whole body to the item at hand.
    pub fn items(&self) -> impl Iterator<Item = &'a Value> {
        self.items.iter().copied()
    }

    pub fn received_at(&self) -> jiff::Timestamp {
        self.request.received_at
    }

    pub fn files(&self) -> &'a [FilePart] {
        self.files
    }

    /// `levels` items outwards; the whole body where there are not so many.
    fn outwards(&self, levels: usize) -> &'a Value {
        let at = self.items.len().saturating_sub(levels + 1);
        self.items.get(at).copied().unwrap_or(&Value::Null)
    }

    fn root(&self) -> &'a Value {
        self.items.first().copied().unwrap_or(&Value::Null)
    }
}

/// One compiled selector.
#[derive(Debug)]
pub(super) enum Selector {
    Path { from: From, path: Path },
    Header(Box<str>),
    Query(Box<str>),
}

/// The value that a path begins at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum From {
    Up(usize),
    Root,
}

/// A path; the common ones (names and indices only) are walked without an interpreter.
#[derive(Debug)]
pub(super) enum Path {
    Plain(Vec<Step>),
    Full(Box<JsonPath>),
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    Name(Box<str>),
    Index(usize),
}

impl Selector {
    /// Compiles one selector; `key` is where it stands in the settings.
    pub fn compile(key: &str, text: &str) -> Result<Self, Fault> {
        match text.split_once(':') {
            Some(("header", name)) if !name.is_empty() => return Ok(Self::Header(name.into())),
            Some(("query", name)) if !name.is_empty() => return Ok(Self::Query(name.into())),
            _ => {}
        }
        let (from, path) = match text.split_once(':') {
            Some(("root", path)) => (From::Root, path),
            Some(("up", path)) => (From::Up(1), path),
            Some(("up2", path)) => (From::Up(2), path),
            Some(("up3", path)) => (From::Up(3), path),
            _ => (From::Up(0), text),
        };
        Ok(Self::Path { from, path: Path::compile(path).map_err(|problem| Fault::new(key, problem))? })
    }

    /// Every value it selects, `null` included.
    pub fn all<'a>(&self, scope: &Scope<'a>) -> Vec<&'a Value> {
        match self {
            Self::Path { from, path } => path.all(Self::start(*from, scope)),
            Self::Header(_) | Self::Query(_) => Vec::new(),
        }
    }

    /// The first value that is not `null`.
    pub fn first<'a>(&self, scope: &Scope<'a>) -> Option<Cow<'a, Value>> {
        let text = |text: Cow<'a, str>| Cow::Owned(Value::String(text.into_owned()));
        match self {
            Self::Path { from, path } => path.first(Self::start(*from, scope)).map(Cow::Borrowed),
            Self::Header(name) => scope.request.headers.get(name).map(|value| text(value.into())),
            Self::Query(name) => scope.request.query_value(name).map(text),
        }
    }

    fn start<'a>(from: From, scope: &Scope<'a>) -> &'a Value {
        match from {
            From::Root => scope.root(),
            From::Up(levels) => scope.outwards(levels),
        }
    }
}

impl Path {
    fn compile(text: &str) -> Result<Self, String> {
        if text.len() > PATH_LIMIT {
            return Err(format!("is longer than {PATH_LIMIT} bytes"));
        }
        let parsed = JsonPath::parse(text).map_err(|error| {
            format!("is not an RFC 9535 path (column {}): {}", error.position() + 1, error.message())
        })?;
        let bare = without_strings(text);
        if bare.matches("..").count() > 1 {
            return Err("may descend with .. once only".to_owned());
        }
        if bare.get(1..).unwrap_or_default().contains('$') {
            return Err("may not look at the whole body from inside a filter".to_owned());
        }
        Ok(plain_steps(text).map_or_else(|| Self::Full(Box::new(parsed)), Self::Plain))
    }

    fn walk<'a>(steps: &[Step], start: &'a Value) -> Option<&'a Value> {
        steps.iter().try_fold(start, |value, step| match step {
            Step::Name(name) => value.get(&**name),
            Step::Index(index) => value.get(*index),
        })
    }

    fn first<'a>(&self, start: &'a Value) -> Option<&'a Value> {
        match self {
            Self::Plain(steps) => Self::walk(steps, start).filter(|value| !value.is_null()),
            Self::Full(path) => path.query(start).into_iter().find(|value| !value.is_null()),
        }
    }

    fn all<'a>(&self, start: &'a Value) -> Vec<&'a Value> {
        match self {
            Self::Plain(steps) => Self::walk(steps, start).into_iter().collect(),
            Self::Full(path) => path.query(start).all(),
        }
    }
}

/// The path with its string literals emptied, to look at its structure.
fn without_strings(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let (mut quote, mut escaped) = (None, false);
    for letter in text.chars() {
        match quote {
            None => {
                if matches!(letter, '\'' | '"') {
                    quote = Some(letter);
                }
                out.push(letter);
            }
            Some(_) if escaped => escaped = false,
            Some(_) if letter == '\\' => escaped = true,
            Some(open) if letter == open => {
                quote = None;
                out.push(letter);
            }
            Some(_) => {}
        }
    }
    out
}

/// The steps of a path made of `.name`, `['name']` and `[0]` alone.
fn plain_steps(text: &str) -> Option<Vec<Step>> {
    let mut rest = text.strip_prefix('$')?;
    let mut steps = Vec::new();
    while !rest.is_empty() {
        if let Some(tail) = rest.strip_prefix('.') {
            let end = tail.find(['.', '[']).unwrap_or(tail.len());
            let (name, after) = tail.split_at_checked(end)?;
            if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
                return None;
            }
            steps.push(Step::Name(name.into()));
            rest = after;
        } else {
            let (inner, after) = rest.strip_prefix('[')?.split_once(']')?;
            let quoted =
                ['\'', '"'].iter().find_map(|quote| inner.strip_prefix(*quote)?.strip_suffix(*quote));
            steps.push(match quoted {
                Some(name) if !name.contains(['\\', '\'', '"']) => Step::Name(name.into()),
                Some(_) => return None,
                None => Step::Index(inner.parse().ok()?),
            });
            rest = after;
        }
    }
    Some(steps)
}

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
            Self::Join {
                parts: parts.iter().enumerate().map(compile).collect::<Result<_, _>>()?,
                with: table
                    .text("with")?
                    .filter(|with| !with.is_empty() && !with.contains('%'))
                    .unwrap_or(":")
                    .into(),
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
