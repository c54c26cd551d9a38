//! What mail programs and people write around a message, by kind and in many languages. Data only, each entry once.
//!
//! Every entry is written the way [`super::line::fold`] leaves text: lower case, `'` for any apostrophe, ASCII digits.

pub(super) mod attribution;
pub(super) mod banners;
pub(super) mod closings;
pub(super) mod dividers;
pub(super) mod footers;
pub(super) mod headers;
pub(super) mod markup;
pub(super) mod mobile;
pub(super) mod subjects;
pub(super) mod titles;

/// Whether `text` holds `word` and no letter touches it; scripts written without blanks need no border.
pub(super) fn has_word(text: &str, word: &str) -> bool {
    let unspaced = word.chars().next().is_some_and(is_unspaced);
    text.match_indices(word).any(|(at, _)| {
        let before = text.get(..at).and_then(|head| head.chars().next_back());
        let after = text.get(at + word.len()..).and_then(|tail| tail.chars().next());
        unspaced || (!before.is_some_and(char::is_alphanumeric) && !after.is_some_and(char::is_alphanumeric))
    })
}

/// Han, kana, hangul and Thai.
pub(super) fn is_unspaced(c: char) -> bool {
    matches!(u32::from(c), 0xe00..=0xe7f | 0x3040..=0x30ff | 0x3400..=0x9fff | 0xac00..=0xd7af)
}
