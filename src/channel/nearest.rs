//! Which known word somebody may have meant: for errors of settings.

/// The known word that is at most two letters (a third of what was written) away from it; the first of several.
pub(super) fn nearest<'a>(written: &str, known: &[&'a str]) -> Option<&'a str> {
    let most = (written.chars().count() / 3).min(2);
    let far = known.iter().map(|word| (distance(written, word), *word));
    far.filter(|(steps, _)| *steps <= most).min_by_key(|(steps, _)| *steps).map(|(_, word)| word)
}

/// How many letters have to be put in, taken out or replaced (Levenshtein), case aside.
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().map(|letter| letter.to_ascii_lowercase()).collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (position, letter) in from.chars().map(|letter| letter.to_ascii_lowercase()).enumerate() {
        let mut next = vec![position + 1];
        for ((other, replaced), kept) in to.iter().zip(&row).zip(row.iter().skip(1)) {
            let put_in = next.last().copied().unwrap_or_default() + 1;
            next.push((replaced + usize::from(letter != *other)).min(kept + 1).min(put_in));
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_near_miss_is_told_and_a_far_one_is_not() {
        let keys = ["scheme", "separator", "prefix", "signed", "unit"];
        for (written, meant) in [
            ("seperator", Some("separator")),
            ("prefx", Some("prefix")),
            ("Prefix", Some("prefix")),
            ("units", Some("unit")),
            ("salt", None),
            ("", None),
            ("x", None),
            ("\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}", None),
        ] {
            assert_eq!(nearest(written, &keys), meant, "{written}");
        }
        assert_eq!(nearest("hmac_sha256", &["hmac-sha1", "hmac-sha256"]), Some("hmac-sha256"));
    }
}
