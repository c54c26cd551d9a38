//! Cutting an mbox into mails. A line that begins with `From ` after an empty one begins a mail; lines of
//! `>From ` lose one `>` (the mboxrd form, of which mboxo is a part). Content-Length is not believed.

use super::{HEADER_BYTES, Mail, header_of};
use std::io::{BufRead, Read as _};

/// Lines longer than this are read in pieces.
const PIECE_BYTES: u64 = 64 * 1024;

/// An mbox being read.
#[derive(Debug)]
pub(super) struct Mbox<R> {
    reader: R,
    max_message_bytes: usize,
    piece: Vec<u8>,
    /// Whether a separator was read, so that a mail follows even if it is empty.
    began: bool,
}

/// A mail being gathered, at most as much of it as is kept.
struct Gathered {
    bytes: Vec<u8>,
    size: usize,
    /// Length of the last line if it is an empty one.
    last_empty_bytes: usize,
}

impl<R: BufRead> Mbox<R> {
    pub(super) fn new(reader: R, max_message_bytes: usize) -> Self {
        Self { reader, max_message_bytes, piece: Vec::new(), began: false }
    }

    /// The next mail; `None` at the end.
    pub(super) fn next_mail(&mut self) -> std::io::Result<Option<Mail>> {
        let mut mail = Gathered { bytes: Vec::new(), size: 0, last_empty_bytes: 0 };
        let mut starts_line = true;
        let mut after_empty = !self.began;
        loop {
            self.piece.clear();
            if self.reader.by_ref().take(PIECE_BYTES).read_until(b'\n', &mut self.piece)? == 0 {
                let last = std::mem::take(&mut self.began);
                return Ok(last.then(|| self.finish(mail)));
            }
            if starts_line && after_empty && self.piece.starts_with(b"From ") {
                self.skip_rest_of_line()?;
                if std::mem::replace(&mut self.began, true) {
                    return Ok(Some(self.finish(mail)));
                }
                after_empty = false;
                continue;
            }
            let quoted = starts_line && is_quoted_separator(&self.piece);
            let line = self.piece.get(usize::from(quoted)..).unwrap_or_default();
            mail.add(line, self.max_message_bytes);
            after_empty = starts_line && matches!(line, b"\n" | b"\r\n");
            mail.last_empty_bytes = if after_empty { line.len() } else { 0 };
            starts_line = self.piece.ends_with(b"\n");
        }
    }

    fn skip_rest_of_line(&mut self) -> std::io::Result<()> {
        while !self.piece.ends_with(b"\n") {
            self.piece.clear();
            if self.reader.by_ref().take(PIECE_BYTES).read_until(b'\n', &mut self.piece)? == 0 {
                break;
            }
        }
        Ok(())
    }

    fn finish(&self, mut mail: Gathered) -> Mail {
        // The empty line before a separator belongs to the separator.
        if mail.bytes.len() == mail.size {
            mail.bytes.truncate(mail.size - mail.last_empty_bytes);
        }
        mail.size -= mail.last_empty_bytes;
        if mail.size > self.max_message_bytes {
            return Mail::Oversized { header: header_of(mail.bytes), size_bytes: mail.size as u64 };
        }
        Mail::Whole(mail.bytes.into())
    }
}

impl Gathered {
    /// Adds a piece; once the mail is too large only its header block is kept.
    fn add(&mut self, piece: &[u8], max_message_bytes: usize) {
        self.size += piece.len();
        if self.size <= max_message_bytes || self.bytes.len() + piece.len() <= HEADER_BYTES {
            self.bytes.extend_from_slice(piece);
        } else {
            self.bytes.truncate(HEADER_BYTES);
            self.bytes.shrink_to_fit();
        }
    }
}

/// `>From `, `>>From `, ...
fn is_quoted_separator(line: &[u8]) -> bool {
    let marks = line.iter().take_while(|byte| **byte == b'>').count();
    marks > 0 && line.get(marks..).is_some_and(|rest| rest.starts_with(b"From "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn split(mbox: &[u8], max_message_bytes: usize) -> Vec<Mail> {
        let mut reader = Mbox::new(mbox, max_message_bytes);
        std::iter::from_fn(|| reader.next_mail().unwrap()).collect()
    }

    fn whole(mbox: &[u8]) -> Vec<String> {
        let text = |mail: Mail| match mail {
            Mail::Whole(bytes) => String::from_utf8(bytes.to_vec()).unwrap(),
            Mail::Oversized { .. } => panic!("oversized"),
        };
        split(mbox, usize::MAX).into_iter().map(text).collect()
    }

    #[test]
    fn a_separator_needs_an_empty_line_before_it() {
        let mbox = b"From a Mon Jan  1 00:00:00 2024\nSubject: 1\n\nFrom here on\nit goes.\n\nFrom b\nSubject: 2\n\nx\n";
        // The line after the empty one of the header looks like a separator: mbox cannot tell, writers quote it.
        assert_eq!(whole(mbox), ["Subject: 1\n", "it goes.\n", "Subject: 2\n\nx\n"]);
        let mbox = b"From a\nSubject: 1\n\nhello\nFrom here on\n";
        assert_eq!(whole(mbox), ["Subject: 1\n\nhello\nFrom here on\n"]);
    }

    #[test]
    fn quoted_separators_lose_one_mark() {
        let mbox = b"From a\nSubject: 1\n\n>From me\n>>From you\n>Fromage\n\n";
        assert_eq!(whole(mbox), ["Subject: 1\n\nFrom me\n>From you\n>Fromage\n"]);
    }

    #[test]
    fn line_ends_of_both_kinds_are_kept() {
        let mbox = b"From a\r\nSubject: 1\r\n\r\nx\r\n\r\nFrom b\r\nSubject: 2\r\n\r\ny";
        assert_eq!(whole(mbox), ["Subject: 1\r\n\r\nx\r\n", "Subject: 2\r\n\r\ny"]);
    }

    #[test]
    fn a_large_mail_keeps_its_header_and_its_neighbours() {
        let mbox = format!("From a\nSubject: 1\n\n{}\n\nFrom b\nSubject: 2\n\ny\n", "x".repeat(1_000_000));
        let mails = split(mbox.as_bytes(), 1_000);
        assert_eq!(mails.len(), 2);
        assert!(
            matches!(&mails[0], Mail::Oversized { header, size_bytes: 1_000_013 } if &header[..] == b"Subject: 1\n\n")
        );
        assert_eq!(mails[1], Mail::Whole("Subject: 2\n\ny\n".into()));
    }

    #[test]
    fn a_line_of_any_length_is_read_in_bounded_pieces() {
        let long = "x".repeat(300_000);
        let mbox = format!("From a\nSubject: {long}\n\nFrom {long}\nSubject: 2\n\n");
        assert_eq!(whole(mbox.as_bytes()), [format!("Subject: {long}\n"), "Subject: 2\n".to_owned()]);
    }

    proptest! {
        #[test]
        fn mails_that_a_writer_quoted_come_back(
            mails in prop::collection::vec("[a-zA-Z >:\n]{1,200}", 1..5)
        ) {
            let mut mbox = String::new();
            let mails: Vec<String> = mails.iter().map(|mail| format!("A: {mail}x\n")).collect();
            for mail in &mails {
                mbox.push_str("From writer\n");
                for line in mail.split_inclusive('\n') {
                    if is_quoted_separator(format!(">{line}").as_bytes()) {
                        mbox.push('>');
                    }
                    mbox.push_str(line);
                }
                mbox.push('\n');
            }
            prop_assert_eq!(whole(mbox.as_bytes()), mails);
        }

        #[test]
        fn any_bytes_are_read_to_their_end(mbox in prop::collection::vec(any::<u8>(), 0..2_000)) {
            let size: usize = split(&mbox, usize::MAX).len();
            prop_assert!(size <= mbox.len());
        }
    }
}
