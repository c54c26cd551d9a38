//! The scanner of the guard: follows a server's bytes closely enough to know, before any parser sees them, how much
//! memory, time and stack they would cost. Pure.
//!
//! It must agree with imap-proto on where a response and a literal end: if it took for a literal what the parser reads
//! as syntax, a deep nesting could hide there. imap-proto reads unknown FETCH attributes loosely (any bytes up to a space
//! or a parenthesis, line ends included), so the scanner is stricter than RFC 3501 wherever the two could part: a literal
//! and a quoted string stand only where a value can, never deeper than one parenthesis in FETCH, and a line does not end
//! inside parentheses. Only rows that were never asked for (ENVELOPE, BODYSTRUCTURE) need more.

use std::fmt;

/// Bounds of one response.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Bytes of one literal, and of all literals of a response together.
    pub max_literal_bytes: u64,
    /// Bytes of a response outside its literals.
    pub max_line_bytes: usize,
    /// Parentheses open at once.
    pub max_paren_depth: u32,
}

/// Why the guard ended the stream.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// More literal bytes announced than accepted.
    Literal {
        /// As announced; `u64::MAX` where the number does not fit.
        announced: u64,
        /// The bound.
        limit: u64,
    },
    /// A response longer than accepted.
    Line {
        /// The bound in bytes.
        limit: usize,
    },
    /// Parentheses nested deeper than accepted.
    Depth {
        /// The bound.
        limit: u32,
    },
    /// Not IMAP, or IMAP that was not asked for and that the parser might read differently.
    Malformed(&'static str),
    /// The server was silent for too long.
    Silence,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Literal { announced, limit } => {
                write!(f, "{announced} bytes announced where {limit} are accepted")
            }
            Self::Line { limit } => write!(f, "an answer of more than {limit} bytes without a message in it"),
            Self::Depth { limit } => write!(f, "more than {limit} nested parentheses"),
            Self::Malformed(what) => f.write_str(what),
            Self::Silence => f.write_str("silence"),
        }
    }
}

impl std::error::Error for Refusal {}

/// What kind of response the line began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Not known yet.
    Open,
    /// Tagged, `+`, or untagged OK, NO, BAD, BYE, PREAUTH: free text, no literals.
    Text,
    /// `* 12 FETCH` and the other numbered ones.
    Numbered,
    /// LIST, SEARCH and the like.
    Data,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Line,
    Quoted,
    Escaped,
    /// Behind the closing quote.
    Unquoted,
    /// Inside `{123`.
    Brace {
        value: u64,
        digits: u32,
        /// A literal may stand here.
        fits: bool,
    },
    /// Behind `{123}`, or behind its CR.
    Braced {
        value: u64,
        fits: bool,
        cr: bool,
    },
    Literal {
        left: u64,
    },
}

const HEAD_BYTES: usize = 12;

/// See the module.
#[derive(Debug)]
pub struct Scanner {
    bounds: Bounds,
    state: State,
    kind: Kind,
    /// The first bytes of the response, until its kind is known.
    head: [u8; HEAD_BYTES],
    head_length: usize,
    line_bytes: usize,
    literal_bytes: u64,
    depth: u32,
    previous: u8,
}

type Verdict = Result<(), Refusal>;

impl Scanner {
    pub const fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            state: State::Line,
            kind: Kind::Open,
            head: [0; HEAD_BYTES],
            head_length: 0,
            line_bytes: 0,
            literal_bytes: 0,
            depth: 0,
            previous: 0,
        }
    }

    /// Takes the next bytes of the stream, however they are cut.
    ///
    /// # Errors
    /// The first bound that is passed. The scanner must not be used after that.
    pub fn feed(&mut self, mut bytes: &[u8]) -> Verdict {
        loop {
            if let State::Literal { left } = self.state {
                let available = bytes.len() as u64;
                if left > available {
                    self.state = State::Literal { left: left - available };
                    return Ok(());
                }
                bytes = usize::try_from(left).ok().and_then(|left| bytes.get(left..)).unwrap_or_default();
                self.state = State::Line;
                self.previous = b'"'; // a value has ended, so that no other begins without a space
            }
            let Some((&byte, rest)) = bytes.split_first() else { return Ok(()) };
            bytes = rest;
            self.line_bytes += 1;
            if self.line_bytes > self.bounds.max_line_bytes {
                return Err(Refusal::Line { limit: self.bounds.max_line_bytes });
            }
            self.step(byte)?;
            self.previous = byte;
        }
    }

    /// Whether a response has just ended (or none begun).
    #[cfg(test)]
    pub fn is_between_responses(&self) -> bool {
        self.line_bytes == 0 && self.state == State::Line
    }

    fn step(&mut self, byte: u8) -> Verdict {
        match self.state {
            State::Line | State::Literal { .. } => self.line(byte),
            State::Quoted => match byte {
                b'"' => self.go(State::Unquoted),
                b'\\' => self.go(State::Escaped),
                b'\r' | b'\n' | 0 => Err(Refusal::Malformed("a line that ends inside a quoted string")),
                _ => Ok(()),
            },
            State::Escaped if matches!(byte, b'"' | b'\\') => self.go(State::Quoted),
            State::Escaped => Err(Refusal::Malformed("a quoted string with a wrong escape")),
            State::Unquoted if matches!(byte, b' ' | b')' | b'\r') => {
                self.state = State::Line;
                self.line(byte)
            }
            State::Unquoted => Err(Refusal::Malformed("a quoted string that runs into something else")),
            State::Brace { value, digits, fits } => match byte {
                b'0'..=b'9' => {
                    let value = value.saturating_mul(10).saturating_add(u64::from(byte - b'0'));
                    self.go(State::Brace { value, digits: digits.saturating_add(1), fits })
                }
                // LITERAL+ (RFC 7888) is for clients; no server was asked for it.
                b'+' if digits > 0 => self.go(State::Brace { value, digits, fits: false }),
                b'}' if digits > 0 => self.go(State::Braced { value, fits, cr: false }),
                _ => self.resume(byte),
            },
            State::Braced { value, fits, cr: false } if byte == b'\r' => {
                self.go(State::Braced { value, fits, cr: true })
            }
            State::Braced { value, fits, cr: true } if byte == b'\n' => self.begin_literal(value, fits),
            State::Braced { .. } => self.resume(byte),
        }
    }

    const fn go(&mut self, state: State) -> Verdict {
        self.state = state;
        Ok(())
    }

    /// What looked like a literal was none.
    fn resume(&mut self, byte: u8) -> Verdict {
        self.state = State::Line;
        self.line(byte)
    }

    fn begin_literal(&mut self, announced: u64, fits: bool) -> Verdict {
        let limit = self.bounds.max_literal_bytes;
        let sum = self.literal_bytes.saturating_add(announced);
        if sum > limit {
            return Err(Refusal::Literal { announced, limit });
        }
        if !fits {
            return Err(Refusal::Malformed("a literal where none can stand"));
        }
        self.literal_bytes = sum;
        self.go(State::Literal { left: announced })
    }

    /// A byte outside quoted strings and literals.
    fn line(&mut self, byte: u8) -> Verdict {
        if self.kind == Kind::Open {
            self.sort(byte)?;
        }
        match (byte, self.kind) {
            (b'\n', _) => return self.end_line(),
            (b'{', kind) => {
                let stands = match kind {
                    Kind::Numbered => self.depth == 1 && self.previous == b' ',
                    Kind::Data => matches!(self.previous, b' ' | b'('),
                    Kind::Open | Kind::Text => false,
                };
                self.state = State::Brace { value: 0, digits: 0, fits: stands };
            }
            // imap-proto cuts one byte behind a response code, in the middle of a character if there is one.
            (0x80.., Kind::Text) if self.previous == b']' => {
                return Err(Refusal::Malformed("a response code without a space behind it"));
            }
            (0, _) => return Err(Refusal::Malformed("a NUL outside a message")),
            (_, Kind::Open | Kind::Text) => {}
            (b'"', kind) => {
                let deep = kind == Kind::Numbered && self.depth != 1;
                if deep || !matches!(self.previous, b' ' | b'(') {
                    return Err(Refusal::Malformed("a quoted string where none can stand"));
                }
                self.state = State::Quoted;
            }
            (b'(', kind) => {
                self.depth += 1;
                // FLAGS, MODSEQ and header lists are one deep; what nests deeper was not asked for.
                let limit = if kind == Kind::Numbered {
                    2.min(self.bounds.max_paren_depth)
                } else {
                    self.bounds.max_paren_depth
                };
                if self.depth > limit {
                    return Err(Refusal::Depth { limit });
                }
            }
            (b')', _) => self.depth = self.depth.saturating_sub(1),
            _ => {}
        }
        Ok(())
    }

    fn end_line(&mut self) -> Verdict {
        if self.depth > 0 {
            return Err(Refusal::Malformed("a line that ends inside parentheses"));
        }
        // `previous` is the byte before the next response's first.
        *self = Self::new(self.bounds);
        Ok(())
    }

    /// Finds out what kind of response begins, as far as `byte` tells.
    fn sort(&mut self, byte: u8) -> Verdict {
        let place = self.head_length;
        self.head_length += 1;
        match place {
            0 if byte != b'*' => self.kind = Kind::Text,
            0 => {}
            1 if byte != b' ' => self.kind = Kind::Text,
            1 => {}
            2 if byte.is_ascii_digit() => self.kind = Kind::Numbered,
            _ => return self.sort_word(byte, place - 2),
        }
        Ok(())
    }

    /// `* word`: `byte` is the one at `place` of the word or the one behind it.
    fn sort_word(&mut self, byte: u8, place: usize) -> Verdict {
        const STATUS: [&[u8]; 5] = [b"OK", b"NO", b"BAD", b"BYE", b"PREAUTH"];
        let letter = byte.is_ascii_alphabetic();
        if letter && let Some(slot) = self.head.get_mut(place) {
            *slot = byte.to_ascii_uppercase();
        }
        let length = if letter { place + 1 } else { place };
        let word = self.head.get(..length).unwrap_or(&self.head);
        if STATUS.iter().any(|status| word.starts_with(status)) {
            self.kind = Kind::Text;
        } else if word.starts_with(b"METADATA") {
            // imap-proto panics where it is not UTF-8.
            return Err(Refusal::Malformed("METADATA, which was not asked for"));
        } else if !letter || length >= HEAD_BYTES {
            self.kind = Kind::Data;
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "scan_tests.rs"]
mod tests;
