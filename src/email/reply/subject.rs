//! A subject without what mailers put before it. Says nothing of what a mail is about: subjects alone prove nothing.

use super::line::fold;
use super::words::subjects::{self, Prefix};

/// A subject without its prefixes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseSubject {
    /// In lower case, blanks collapsed.
    pub text: String,
    /// Whether a mailer marked it as an answer (`Re:` and its kin).
    pub is_answer: bool,
}

impl BaseSubject {
    /// Takes the prefixes away, however many.
    #[must_use]
    pub fn of(subject: &str) -> Self {
        let folded = fold(subject);
        let mut rest = folded.trim();
        let mut is_answer = false;
        while let Some((prefix, length)) = subjects::prefix(rest) {
            is_answer |= prefix == Prefix::Reply;
            rest = rest.get(length..).unwrap_or_default().trim_start();
        }
        Self { text: rest.split_whitespace().collect::<Vec<_>>().join(" "), is_answer }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subjects_lose_what_mailers_put_before_them() {
        let of = |text: &str| {
            let subject = BaseSubject::of(text);
            (subject.text, subject.is_answer)
        };
        assert_eq!(of("Re: AW: Re[2]:  Your  Parcel "), ("your parcel".into(), true));
        assert_eq!(of("WG: Parcel"), ("parcel".into(), false));
        assert_eq!(of("回复: Parcel: late"), ("parcel: late".into(), true));
        assert_eq!(of("Note: Re: x"), ("note: re: x".into(), false));
        assert_eq!(of(":::"), (":::".into(), false));
    }
}
