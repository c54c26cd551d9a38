//! Words of structured fields (RFC 5322 section 3.2, RFC 8601 section 2.2): comments apart, quotes undone.

/// Bytes of one field that are read.
const FIELD_LIMIT_BYTES: usize = 16 * 1024;

/// A piece of a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    /// A word; a quoted string is one too, without its quotes.
    Word(String),
    /// `(what stands in brackets)`, inner brackets included.
    Comment(String),
    /// `=`
    Equals,
    /// `;`
    Semicolon,
}

impl Token {
    pub(super) fn word(&self) -> Option<&str> {
        match self {
            Self::Word(word) => Some(word),
            _ => None,
        }
    }

    pub(super) fn comment(&self) -> Option<&str> {
        match self {
            Self::Comment(text) => Some(text),
            _ => None,
        }
    }
}

/// Takes a field apart; comments stand behind all words, because they may stand anywhere between them.
pub(super) fn tokens(value: &str) -> Vec<Token> {
    let value = value.get(..value.floor_char_boundary(FIELD_LIMIT_BYTES)).unwrap_or(value);
    let mut reader = Reader::default();
    let mut rest = value.chars();
    while let Some(c) = rest.next() {
        match c {
            '(' => {
                reader.end_word();
                reader.comments.push(Token::Comment(comment(&mut rest)));
            }
            '"' => {
                quoted(&mut rest, reader.word.get_or_insert_default());
            }
            '=' => reader.end_with(Token::Equals),
            ';' => reader.end_with(Token::Semicolon),
            c if c.is_whitespace() => reader.end_word(),
            c => reader.word.get_or_insert_default().push(c),
        }
    }
    reader.end_word();
    reader.tokens.append(&mut reader.comments);
    reader.tokens
}

#[derive(Default)]
struct Reader {
    tokens: Vec<Token>,
    comments: Vec<Token>,
    word: Option<String>,
}

impl Reader {
    fn end_word(&mut self) {
        self.tokens.extend(self.word.take().map(Token::Word));
    }

    fn end_with(&mut self, mark: Token) {
        self.end_word();
        self.tokens.push(mark);
    }
}

/// The rest of a comment that has begun; comments lie inside each other, a backslash takes a bracket its meaning.
fn comment(rest: &mut std::str::Chars<'_>) -> String {
    let mut text = String::new();
    let mut depth = 1_usize;
    while let Some(c) = rest.next() {
        match c {
            '\\' => text.extend(rest.next()),
            '(' => depth += 1,
            ')' if depth == 1 => return text,
            ')' => depth -= 1,
            c => text.push(c),
        }
    }
    text
}

fn quoted(rest: &mut std::str::Chars<'_>, word: &mut String) {
    while let Some(c) = rest.next() {
        match c {
            '"' => return,
            '\\' => word.extend(rest.next()),
            c => word.push(c),
        }
    }
}
