//! Address lists (RFC 5322 section 3.4): mailboxes, groups, comments, quoted names, encoded words.
//!
//! Reads what people send (unquoted dots, bare addresses with a name beside, `mailto:`), and says when the
//! spelling is one that readers may take for two different authors. Linear in the input.

use super::{clean, words};
use crate::model::Address;

/// Addresses kept of one field (fault D08).
pub(super) const ADDRESS_LIMIT: usize = 500;

/// Longest addr-spec kept, in bytes; RFC 5321 section 4.5.3.1 allows 320.
const EMAIL_LIMIT_BYTES: usize = 320;

/// The addresses of one field.
#[derive(Debug, Default)]
pub(super) struct AddressList {
    /// In order; groups are opened.
    pub addresses: Vec<Address>,
    /// Two readers could see different addresses in it.
    pub ambiguous: bool,
    /// More addresses than [`ADDRESS_LIMIT`].
    pub limited: bool,
}

/// Bytes of one field that are read.
const FIELD_LIMIT_BYTES: usize = 256 * 1024;

/// Reads one field.
pub(super) fn parse(value: &[u8]) -> AddressList {
    let mut list = AddressList { limited: value.len() > FIELD_LIMIT_BYTES, ..AddressList::default() };
    let mut item = Item::default();
    let mut rest = value.get(..FIELD_LIMIT_BYTES).unwrap_or(value);
    while let Some((byte, after)) = rest.split_first() {
        rest = match byte {
            b'"' => item.quoted(after, &mut list),
            b'(' => item.comment(after, &mut list),
            b'<' => item.angle(after, &mut list),
            b',' | b';' => {
                item.finish(&mut list);
                after
            }
            // A group's name ends here, unless this is `mailto:` or an IPv6 literal.
            b':' if item.angle.is_none() && !item.bare.contains(&b'@') => {
                item = Item::default();
                after
            }
            b'\r' | b'\n' => {
                item.push(b' ');
                after
            }
            other => {
                item.push(*other);
                after
            }
        };
        if list.addresses.len() > ADDRESS_LIMIT {
            list.addresses.truncate(ADDRESS_LIMIT);
            list.limited = true;
            return list;
        }
    }
    item.finish(&mut list);
    list
}

#[derive(Default)]
struct Item {
    /// The text outside `<>` and comments, quotes opened: the display name.
    phrase: Vec<u8>,
    /// The same with quotes as written: the address where there is no `<>`.
    bare: Vec<u8>,
    comment: Vec<u8>,
    angle: Option<Vec<u8>>,
    has_unquoted_at: bool,
    /// Whether text follows the bracket.
    goes_on: bool,
}

impl Item {
    fn push(&mut self, byte: u8) {
        self.has_unquoted_at |= byte == b'@';
        self.goes_on |= self.angle.is_some() && !byte.is_ascii_whitespace();
        self.phrase.push(byte);
        self.bare.push(byte);
    }

    fn quoted<'a>(&mut self, text: &'a [u8], list: &mut AddressList) -> &'a [u8] {
        let mut rest = text;
        self.bare.push(b'"');
        while let Some((byte, after)) = rest.split_first() {
            rest = after;
            match byte {
                b'"' => {
                    self.bare.push(b'"');
                    return rest;
                }
                b'\\' => {
                    if let Some((escaped, after)) = rest.split_first() {
                        self.phrase.push(*escaped);
                        self.bare.extend_from_slice(&[b'\\', *escaped]);
                        rest = after;
                    }
                }
                b'\r' => {}
                other => {
                    let other = if *other == b'\n' { b' ' } else { *other };
                    self.phrase.push(other);
                    self.bare.push(other);
                }
            }
        }
        // The quote never ends: some readers take it as a letter and see addresses behind it.
        list.ambiguous = true;
        rest
    }

    fn comment<'a>(&mut self, text: &'a [u8], list: &mut AddressList) -> &'a [u8] {
        let mut depth = 1_usize;
        let mut rest = text;
        if !self.comment.is_empty() {
            self.comment.push(b' ');
        }
        while let Some((byte, after)) = rest.split_first() {
            rest = after;
            match byte {
                b'(' => depth += 1,
                b')' => {
                    depth -= 1;
                    if depth == 0 {
                        return rest;
                    }
                }
                b'\\' => {
                    if let Some((escaped, after)) = rest.split_first() {
                        self.comment.push(*escaped);
                        rest = after;
                    }
                    continue;
                }
                _ => {}
            }
            self.comment.push(*byte);
        }
        list.ambiguous = true;
        rest
    }

    fn angle<'a>(&mut self, text: &'a [u8], list: &mut AddressList) -> &'a [u8] {
        let mut in_quotes = false;
        let mut escaped = false;
        let end = text.iter().position(|byte| {
            let ends = *byte == b'>' && !in_quotes;
            if *byte == b'"' && !escaped {
                in_quotes = !in_quotes;
            }
            escaped = *byte == b'\\' && !escaped;
            ends
        });
        // An unclosed bracket ends where the next item begins.
        let end = end.unwrap_or_else(|| {
            list.ambiguous = true;
            text.iter().position(|b| matches!(b, b',' | b';')).unwrap_or(text.len())
        });
        let (inner, tail) = text.split_at(end);
        if self.angle.is_some() {
            list.ambiguous = true;
        } else {
            self.angle = Some(inner.to_vec());
        }
        tail.strip_prefix(b">").unwrap_or(tail)
    }

    fn finish(&mut self, list: &mut AddressList) {
        let item = std::mem::take(self);
        let Some(address) = item.address(list) else { return };
        list.addresses.push(address);
    }

    fn address(self, list: &mut AddressList) -> Option<Address> {
        let phrase = words::text(&self.phrase);
        let comment = || Some(unquote(&words::text(&self.comment))).filter(|c| !c.is_empty());
        if let Some(angle) = &self.angle {
            let email = email(angle);
            let repeats = phrase.eq_ignore_ascii_case(email.as_deref().unwrap_or_default());
            // A second address as name, text behind the bracket, or an encoded word that the bracket tears apart.
            list.ambiguous |= (self.has_unquoted_at && !repeats) || self.goes_on || phrase.contains("=?");
            let name = Some(unquote(&phrase)).filter(|p| !p.is_empty()).or_else(comment);
            return email.map(|email| Address { name, email });
        }
        let text = words::text(&self.bare);
        if text.is_empty() {
            return None;
        }
        if self.has_unquoted_at || text.starts_with('"') && text.contains("\"@") {
            let words: Vec<&str> =
                if text.starts_with('"') { vec![&text] } else { text.split(' ').collect() };
            let mailboxes = words.iter().filter(|w| w.contains('@')).count();
            list.ambiguous |= mailboxes > 1;
            // `joe @ example.org`: blanks around the sign are an old spelling of one address.
            let spaced = words.iter().any(|w| w.starts_with(['@', '.']) || w.ends_with('@'));
            let chosen = if spaced { &text } else { *words.iter().find(|w| w.contains('@'))? };
            let rest =
                words.iter().filter(|w| !spaced && !w.contains('@')).copied().collect::<Vec<_>>().join(" ");
            let name = Some(unquote(&rest)).filter(|r| !r.is_empty()).or_else(comment);
            return email(chosen.as_bytes()).map(|email| Address { name, email });
        }
        if let Some((name, inner)) = text.split_once('<')
            && inner.contains('@')
        {
            // The whole mailbox was put into encoded words, which hides it from strict readers.
            list.ambiguous = true;
            let name = Some(unquote(name)).filter(|n| !n.is_empty());
            let inner = inner.split('>').next().unwrap_or_default();
            return email(inner.as_bytes()).map(|email| Address { name, email });
        }
        let is_local_user = !text.contains(' ') && !text.contains('"');
        if is_local_user {
            email(text.as_bytes()).map(|email| Address { name: comment(), email })
        } else {
            None
        }
    }
}

fn unquote(name: &str) -> String {
    name.trim().trim_matches('"').trim_matches('\'').trim().to_owned()
}

/// An addr-spec: no blanks and comments outside quotes, no source route, no `mailto:`, lower-cased.
fn email(bytes: &[u8]) -> Option<String> {
    let text = words::decode(bytes);
    let text = text.trim().trim_start_matches('<');
    let text = match text.get(..7) {
        Some(start) if start.eq_ignore_ascii_case("mailto:") => text.get(7..).unwrap_or_default(),
        _ => text,
    };
    // RFC 5322 section 4.4: `@relay,@relay:joe@example.org`.
    let text =
        if text.starts_with('@') { text.rsplit_once(':').map_or(text, |(_, after)| after) } else { text };
    let mut out = String::with_capacity(text.len());
    let (mut in_quotes, mut depth) = (false, 0_u32);
    for c in text.chars() {
        match c {
            '"' => in_quotes = !in_quotes,
            '(' if !in_quotes => depth += 1,
            ')' if !in_quotes => {
                depth = depth.saturating_sub(1);
                continue;
            }
            _ => {}
        }
        let blank = c.is_whitespace() && !in_quotes;
        if depth == 0 && !blank && !c.is_control() {
            out.extend(c.to_lowercase());
        }
    }
    clean::truncate(&mut out, EMAIL_LIMIT_BYTES);
    (!out.is_empty()).then_some(out)
}
