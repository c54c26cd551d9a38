//! UID sets (RFC 3501 section 9, `sequence-set`) short enough for every server. Pure.

use std::fmt::Write;

/// Exchange refuses command lines much over 1,000 characters.
pub const MAX_SET_CHARS: usize = 1_000;

/// `uids` as sets of at most [`MAX_SET_CHARS`] characters, runs compressed, each with the UIDs it asks for. `uids` must
/// be ascending, without repeats and without 0; empty in, empty out: an empty or descending set is never sent.
pub fn split(uids: &[u32]) -> Vec<(String, &[u32])> {
    let mut sets = Vec::new();
    let mut rest = uids;
    while !rest.is_empty() {
        let (text, taken) = one(rest);
        let (asked, after) = rest.split_at(taken);
        sets.push((text, asked));
        rest = after;
    }
    sets
}

/// The longest set that fits from the start of `uids`, and how many of them it covers (at least one).
fn one(uids: &[u32]) -> (String, usize) {
    let mut text = String::new();
    let mut taken = 0;
    for run in uids.chunk_by(|a, b| a.checked_add(1) == Some(*b)) {
        let mut piece = String::new();
        if let [first, .., last] = run {
            let _ = write!(piece, "{first}:{last}");
        } else if let [only] = run {
            let _ = write!(piece, "{only}");
        }
        if !text.is_empty() && text.len() + 1 + piece.len() > MAX_SET_CHARS {
            break;
        }
        if !text.is_empty() {
            text.push(',');
        }
        text.push_str(&piece);
        taken += run.len();
    }
    (text, taken)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn runs_are_compressed() {
        assert_eq!(split(&[1, 2, 3, 7, 9, 10]), [("1:3,7,9:10".to_owned(), &[1, 2, 3, 7, 9, 10][..])]);
        assert!(split(&[]).is_empty());
    }

    proptest! {
        /// A14: never empty, never descending, never UID 0, and every UID is asked for exactly once.
        #[test]
        fn every_uid_is_asked_for_once_in_short_sets(uids in proptest::collection::btree_set(1..u32::MAX, 0..2_000)) {
            let uids: Vec<u32> = uids.into_iter().collect();
            let sets = split(&uids);
            let mut asked = Vec::new();
            for (text, part) in &sets {
                prop_assert!(!text.is_empty() && text.len() <= MAX_SET_CHARS);
                let mut listed = Vec::new();
                for piece in text.split(',') {
                    let (first, last) = piece.split_once(':').unwrap_or((piece, piece));
                    let (first, last): (u32, u32) = (first.parse().unwrap(), last.parse().unwrap());
                    prop_assert!(first >= 1 && first <= last);
                    listed.extend(first..=last);
                }
                prop_assert_eq!(&listed, part);
                asked.extend_from_slice(part);
            }
            prop_assert_eq!(asked, uids);
        }
    }
}
