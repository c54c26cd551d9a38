//! Selectors: where in a request a value is. RFC 9535 JSONPath on the item at hand (`$.a.b`), on an
//! item around it (`up:$.a`, `up2:$.a`) or on the whole body (`root:$.a`), a header (`header:NAME`) or
//! a query parameter (`query:NAME`). Selection only: they cannot loop.

use super::body::FilePart;
use super::error::Fault;
use super::path::Path;
use super::request::Received;
use serde_json::Value;
use std::borrow::Cow;

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
