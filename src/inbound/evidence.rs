//! Links between mails beyond Message-ID, In-Reply-To and References: Outlook's Thread-Index, Gmail's thread, and the text
//! that an answer without references quotes. Each becomes a key like those of the ids, so that it can only ever add a
//! link, inside one surface.
//!
//! Off for list mail: there many answer many, every reader sees what engines make of the ids, and hidden marks would only
//! part from that. Never the subject alone.

use super::SurfaceSettings;
use crate::email::Mail;
use crate::email::reply::BaseSubject;
use crate::envelope::GmailIds;
use crate::matching::decide::Hint;
use crate::matching::keys;
use crate::model::Address;
use crate::model::key::KeyHash;
use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use jiff::Timestamp;

/// The first words of a text that name it, exactly as many.
const WORDS: usize = 12;
/// How long an answer without references is waited for: between one and two of these, in seconds.
const PERIOD_SECONDS: i64 = 30 * 24 * 60 * 60;
/// Bytes of Thread-Index that name a conversation: when it began, and a GUID.
const THREAD_INDEX_BYTES: usize = 22;
/// How far the beginning that a Thread-Index names may be from the mail that begins it, in seconds.
const BEGINNING_SECONDS: i64 = 2 * 24 * 60 * 60;

/// The keys that this mail gives and is found by.
pub(super) fn keys(mail: &Mail, sent_at: Timestamp, settings: &SurfaceSettings) -> Vec<KeyHash> {
    if mail.flags.list || mail.flags.bounce {
        return Vec::new();
    }
    if mail.thread_index.is_none() && !settings.repairs_references {
        return Vec::new();
    }
    let subject = BaseSubject::of(mail.subject.as_deref().unwrap_or_default());
    let mut found: Vec<KeyHash> = Vec::new();
    found.extend(thread_index(mail, &subject, sent_at));
    if settings.repairs_references && !mail.flags.auto_reply {
        found.extend(quoted(mail, &subject, sent_at));
    }
    found
}

/// What Gmail says belongs together (X-GM-THRID). It joins by the subject too, so its word counts only between the same
/// two people, for the mail that begins the thread and for answers to it; and only where no id of theirs leads anywhere.
pub(super) fn gmail(mail: &Mail, ids: Option<GmailIds>) -> Option<Hint> {
    let (ids, from, to) = (ids?, mail.from.as_ref()?, mail.to.first()?);
    if mail.flags.list || mail.flags.bounce || mail.flags.from_ambiguous {
        return None;
    }
    let begins = ids.message_id == ids.thread_id;
    let names_a_parent = !mail.in_reply_to.is_empty() || !mail.references.is_empty();
    let lost_it =
        || mail.quoted.is_some() && BaseSubject::of(mail.subject.as_deref().unwrap_or_default()).is_answer;
    let key = keys::gmail_thread(ids.thread_id, &from.email, &to.email);
    (begins || names_a_parent || lost_it()).then_some(Hint { key, begins })
}

/// MS-OXOMSG section 2.2.1.3: a reserved byte and the time at which the conversation began, a GUID, five bytes for each
/// answer. The time keeps out programs that send one constant value in all their mail; the topic those that go on under it.
fn thread_index(mail: &Mail, subject: &BaseSubject, sent_at: Timestamp) -> Option<KeyHash> {
    let text: String =
        mail.thread_index.as_ref()?.chars().filter(|c| !c.is_whitespace()).take(4_096).collect();
    let config = GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true);
    let bytes = GeneralPurpose::new(&STANDARD, config).decode(text).ok()?;
    let (name, answers) = bytes.split_at_checked(THREAD_INDEX_BYTES)?;
    let [a, b, c, d, e, f, ..] = *name else { return None };
    let began = began_at(u64::from_be_bytes([a, b, c, d, e, f, 0, 0]))?;
    let seconds_before = sent_at.as_second() - began;
    let is_plausible = if answers.is_empty() {
        seconds_before.abs() <= BEGINNING_SECONDS
    } else {
        seconds_before >= -BEGINNING_SECONDS
    };
    (is_plausible && !subject.text.is_empty())
        .then(|| KeyHash::of(&[b"thread-index", name, subject.text.as_bytes()]))
}

/// Tenths of microseconds since 1601 as seconds since 1970.
fn began_at(file_time: u64) -> Option<i64> {
    i64::try_from(file_time / 10_000_000).ok()?.checked_sub(11_644_473_600)
}

/// What an answer that lost its references can still be known by: it quotes the beginning of a mail that its recipient
/// wrote to its sender, under the same subject, not long ago, and names the minute in which that was sent; all of these
/// together. A mail gives the key under which it would be quoted. (The minute is the same in all time zones but those of
/// a half hour, and stands in a line of any language. Without it one text that was sent twice would be one conversation.)
fn quoted(mail: &Mail, subject: &BaseSubject, sent_at: Timestamp) -> Vec<KeyHash> {
    let (Some(from), Some(to)) = (&mail.from, mail.to.first()) else { return Vec::new() };
    if mail.flags.from_ambiguous || subject.text.is_empty() {
        return Vec::new();
    }
    let period = sent_at.as_second().div_euclid(PERIOD_SECONDS);
    let key = |words: &str, author: &Address, reader: &Address, period: i64, minute: i64| {
        KeyHash::of(&[
            b"quoted",
            subject.text.as_bytes(),
            author.email.as_bytes(),
            reader.email.as_bytes(),
            words.as_bytes(),
            &period.to_be_bytes(),
            &minute.rem_euclid(60).to_be_bytes(),
        ])
    };
    let mut found = Vec::new();
    if let (Some(words), Some(date)) = (first_words(&mail.content), mail.date) {
        found.push(key(&words, from, to, period, date.as_second().div_euclid(60)));
    }
    let lost = subject.is_answer && mail.in_reply_to.is_empty() && mail.references.is_empty();
    let Some(quote) = mail.quoted.as_deref().filter(|_| lost).map(Quote::of) else { return found };
    if let (Some(words), Some(minute)) = (first_words(&quote.own), minute_named_in(&quote.head)) {
        for (period, minute) in
            [(period, minute), (period - 1, minute), (period, minute + 30), (period - 1, minute + 30)]
        {
            found.push(key(&words, to, from, period, minute));
        }
    }
    found
}

/// The first words of a text, letters and digits alone, in lower case.
fn first_words(text: &str) -> Option<String> {
    let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).take(WORDS);
    let words: Vec<String> = words.map(str::to_lowercase).collect();
    (words.len() == WORDS).then(|| words.join(" "))
}

/// The minute of the first time of day (`10:05`, `10.05`, `10h05`) in a line that introduces a quote.
fn minute_named_in(head: &str) -> Option<i64> {
    let digits = |text: &[u8]| {
        text.iter().all(u8::is_ascii_digit).then(|| text.iter().fold(0, |n, b| n * 10 + i64::from(b - b'0')))
    };
    head.as_bytes().windows(5).find_map(|five| {
        let [_, hour, mark, tens, ones] = five else { return None };
        let minute = digits(&[*tens, *ones]).filter(|minute| *minute < 60)?;
        (hour.is_ascii_digit() && matches!(mark, b':' | b'h')).then_some(minute)
    })
}

/// A quoted text, in what introduces it and what its author wrote first.
#[derive(Debug, Default)]
struct Quote {
    head: String,
    own: String,
}

impl Quote {
    /// The words behind one `>`, or those below the header block.
    fn of(quoted: &str) -> Self {
        let is_marked = quoted.lines().any(|line| line.starts_with('>'));
        let mut quote = Self::default();
        let mut in_own_words = false;
        for line in quoted.lines().take(200) {
            let inner = line.strip_prefix('>');
            let ends = match inner {
                Some(inner) => inner.trim_start().starts_with('>'),
                None => is_marked && in_own_words,
            };
            if ends && in_own_words {
                break;
            }
            in_own_words |= if is_marked { inner.is_some() } else { line.trim().is_empty() };
            let part = if in_own_words { &mut quote.own } else { &mut quote.head };
            part.push_str(inner.unwrap_or(line));
            part.push('\n');
        }
        quote
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quote_is_taken_apart_in_both_forms() {
        let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        let marked =
            Quote::of("On Monday at 9:41, Ann wrote:\n> Dear all,\n>\n> it is late.\n>> older\n> newer");
        assert_eq!(words(&marked.own), "Dear all, it is late.");
        assert_eq!(minute_named_in(&marked.head), Some(41));
        let block = Quote::of("From: Ann\nSent: Monday, 14:05\nSubject: x\n\nDear all,\nit is late.");
        assert_eq!(words(&block.own), "Dear all, it is late.");
        assert_eq!(minute_named_in(&block.head), Some(5));
        assert_eq!(minute_named_in("Ann schrieb am 3.11.2026:"), None);
        assert_eq!(first_words("one two three"), None, "too few to name a text");
    }
}
