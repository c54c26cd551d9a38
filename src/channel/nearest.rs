//! Which known word somebody may have meant: for errors of settings.

/// The known word that is at most two letters (a third of what was written) away from it; the first of several.
pub(super) fn nearest<'a>(written: &str, known: &[&'a str]) -> Option<&'a str> {
    let most = (written.chars().count() / 3).min(2);
    let far = known.iter().map(|word| (distance(written, word), *word));
    far.filter(|(steps, _)| *steps <= most).min_by_key(|(steps, _)| *steps).map(|(_, word)| word)
}

/// How many letters have to be put in, taken out, replaced or swapped with their neighbour (optimal string alignment),
/// case aside.
fn distance(from: &str, to: &str) -> usize {
    let letters = |text: &str| text.chars().map(|letter| letter.to_ascii_lowercase()).collect::<Vec<char>>();
    let (from, to) = (letters(from), letters(to));
    let at = |row: &[usize], column: usize| row.get(column).copied().unwrap_or(usize::MAX / 2);
    let mut before: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (line, letter) in from.iter().enumerate() {
        let mut next = vec![line + 1];
        for (column, other) in to.iter().enumerate() {
            let mut least = at(&row, column) + usize::from(letter != other);
            least = least.min(at(&row, column + 1) + 1).min(at(&next, column) + 1);
            let is_swap = line > 0
                && column > 0
                && from.get(line - 1) == Some(other)
                && to.get(column - 1) == Some(letter);
            if is_swap {
                least = least.min(at(&before, column - 1) + 1);
            }
            next.push(least);
        }
        before = std::mem::replace(&mut row, next);
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
        assert_eq!(nearest("slakc", &["slack", "line"]), Some("slack"));
        assert_eq!(nearest("hmac_sha256", &["hmac-sha1", "hmac-sha256"]), Some("hmac-sha256"));
    }
}
