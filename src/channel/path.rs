//! RFC 9535 JSONPath, compiled. What could make a path slow (several `..`, absolute queries inside filters) is refused
//! when it is loaded.

use serde_json::Value;
use serde_json_path::JsonPath;

/// A path's length in bytes.
const PATH_LIMIT: usize = 500;

/// A path; the common ones (names and indices only) are walked without an interpreter.
#[derive(Debug)]
pub(super) enum Path {
    Plain(Vec<Step>),
    Full(Box<JsonPath>),
}

/// One step of a plain path.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    Name(Box<str>),
    Index(usize),
}

impl Path {
    /// The error is a sentence.
    pub fn compile(text: &str) -> Result<Self, String> {
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

    /// The first value that is not `null`.
    pub fn first<'a>(&self, start: &'a Value) -> Option<&'a Value> {
        match self {
            Self::Plain(steps) => Self::walk(steps, start).filter(|value| !value.is_null()),
            Self::Full(path) => path.query(start).into_iter().find(|value| !value.is_null()),
        }
    }

    /// Every value, `null` included.
    pub fn all<'a>(&self, start: &'a Value) -> Vec<&'a Value> {
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
