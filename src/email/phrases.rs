//! Many phrases looked for at once: a mail's lines are held against hundreds of them, and one pass over
//! the text finds what as many searches would.

use aho_corasick::{AhoCorasick, AhoCorasickKind};
use std::sync::OnceLock;

/// A table of phrases, made ready when it is first asked.
#[derive(Debug)]
pub(super) struct Phrases {
    list: &'static [&'static str],
    automaton: OnceLock<Option<AhoCorasick>>,
}

impl Phrases {
    pub(super) const fn of(list: &'static [&'static str]) -> Self {
        Self { list, automaton: OnceLock::new() }
    }

    /// Whether one of the phrases stands in `text`.
    pub(super) fn is_in(&self, text: &str) -> bool {
        match self.automaton() {
            Some(automaton) => automaton.is_match(text),
            None => self.list.iter().any(|phrase| text.contains(phrase)),
        }
    }

    /// Whether one of the phrases stands in `text` at a place, given in bytes, that `fits`.
    pub(super) fn is_where(&self, text: &str, fits: impl Fn(Place<'_>) -> bool) -> bool {
        let place = |start: usize, phrase: &'static str| {
            let (before, rest) = text.split_at_checked(start)?;
            Some(Place { before, phrase, after: rest.get(phrase.len()..)? })
        };
        match self.automaton() {
            Some(automaton) => automaton.find_overlapping_iter(text).any(|found| {
                let phrase = self.list.get(found.pattern().as_usize());
                phrase.and_then(|phrase| place(found.start(), phrase)).is_some_and(&fits)
            }),
            None => self
                .list
                .iter()
                .any(|phrase| text.match_indices(phrase).any(|(at, _)| place(at, phrase).is_some_and(&fits))),
        }
    }

    /// `None` where the table is too large for one: it is not. A table with a row for each state and byte (the kind
    /// `DFA`, which small lists would get) takes 3 MiB for all lists together, this kind a tenth of that.
    fn automaton(&self) -> Option<&AhoCorasick> {
        let build =
            || AhoCorasick::builder().kind(Some(AhoCorasickKind::ContiguousNFA)).build(self.list).ok();
        self.automaton.get_or_init(build).as_ref()
    }
}

/// A phrase in a text, and the text on both sides of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'t> {
    pub before: &'t str,
    pub phrase: &'static str,
    pub after: &'t str,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phrase_is_found_wherever_it_stands_also_inside_another() {
        static WORDS: Phrases = Phrases::of(&["sent from", "from my phone", "é"]);
        assert!(WORDS.is_in("it was sent from afar") && WORDS.is_in("café"));
        assert!(!WORDS.is_in("sent by") && !WORDS.is_in(""));
        let last = |place: Place<'_>| place.after.is_empty() && place.before.ends_with("sent ");
        assert!(WORDS.is_where("sent from my phone", last));
        assert!(!WORDS.is_where("sent from my phones", last));
        assert!(WORDS.is_where("é", |place| place.phrase == "é" && place.before.is_empty()));
    }
}
