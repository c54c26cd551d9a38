//! Mail in files: mbox, maildir, single mails, and folders of these. Reads them one mail at a time within
//! a bound, in an order that does not change; keeps nothing and decides nothing. Blocking.

mod mbox;

use bytes::Bytes;
use mbox::Mbox;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};

/// Folders within folders.
const FOLDER_DEPTH: usize = 32;
/// Header block of a mail that is too large to take whole, in bytes.
const HEADER_BYTES: usize = 256 * 1024;

/// A file or folder that cannot be read. The mails of the others can.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {source}", path = .path.display())]
pub struct ImportError {
    /// Which.
    pub path: PathBuf,
    /// Why.
    #[source]
    pub source: std::io::Error,
}

/// One mail as it lies in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mail {
    /// All of it.
    Whole(Bytes),
    /// It is larger than what is taken: its header block, and its size.
    Oversized {
        /// The header block, at most 256 KiB of it.
        header: Bytes,
        /// The size of the whole, in bytes.
        size_bytes: u64,
    },
}

/// Reads every mail of some files and folders.
#[derive(Debug)]
pub struct Mails {
    max_message_bytes: usize,
    /// What is still to be read, the next one last, with its depth.
    waiting: Vec<(PathBuf, usize)>,
    mbox: Option<(PathBuf, Mbox<BufReader<File>>)>,
    skipped_files: u64,
}

impl Mails {
    /// The mails of `paths`, in that order; within a folder by name. Of a mail above
    /// `max_message_bytes` only the header block is given.
    #[must_use]
    pub fn of(paths: Vec<PathBuf>, max_message_bytes: usize) -> Self {
        let waiting = paths.into_iter().rev().map(|path| (path, 0)).collect();
        Self { max_message_bytes, waiting, mbox: None, skipped_files: 0 }
    }

    /// Files that hold no mail, so far.
    #[must_use]
    pub fn skipped_files(&self) -> u64 {
        self.skipped_files
    }

    fn open(&mut self, path: &Path, depth: usize) -> std::io::Result<Option<Mail>> {
        if path.is_dir() {
            if depth < FOLDER_DEPTH {
                let below = entries(path)?.into_iter().rev().map(|entry| (entry, depth + 1));
                self.waiting.extend(below);
            }
            return Ok(None);
        }
        let mut reader = BufReader::with_capacity(64 * 1024, File::open(path)?);
        let start = reader.fill_buf()?;
        if start.starts_with(b"From ") {
            self.mbox = Some((path.to_owned(), Mbox::new(reader, self.max_message_bytes)));
            return Ok(None);
        }
        // A file that was named is a mail whatever it looks like; in a folder it has to look like one.
        if depth > 0 && !(is_named_like_a_mail(path) && begins_like_a_mail(start)) {
            self.skipped_files += 1;
            return Ok(None);
        }
        read_mail(reader, self.max_message_bytes).map(Some)
    }
}

impl Iterator for Mails {
    type Item = Result<Mail, ImportError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some((path, mbox)) = &mut self.mbox {
                match mbox.next_mail() {
                    Ok(Some(mail)) => return Some(Ok(mail)),
                    Ok(None) => self.mbox = None,
                    Err(source) => {
                        let path = path.clone();
                        self.mbox = None;
                        return Some(Err(ImportError { path, source }));
                    }
                }
            }
            let (path, depth) = self.waiting.pop()?;
            match self.open(&path, depth) {
                Ok(Some(mail)) => return Some(Ok(mail)),
                Ok(None) => {}
                Err(source) => return Some(Err(ImportError { path, source })),
            }
        }
    }
}

/// What lies in a folder, by name; of a maildir only what was delivered. Links are not followed.
fn entries(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut entries = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if !entry.file_type()?.is_symlink() {
            entries.push(entry.path());
        }
    }
    let is_maildir = ["cur", "new", "tmp"].iter().all(|name| folder.join(name).is_dir());
    if is_maildir {
        entries.retain(|path| path.is_dir() && path.file_name().is_some_and(|name| name != "tmp"));
    }
    entries.sort();
    Ok(entries)
}

/// `.eml`, or a file of a maildir.
fn is_named_like_a_mail(path: &Path) -> bool {
    let folder = path.parent().and_then(Path::file_name);
    let ending = path.extension();
    folder.is_some_and(|name| name == "cur" || name == "new")
        || ending.is_some_and(|ending| ending.eq_ignore_ascii_case("eml"))
}

/// Whether the first line is a header field (RFC 5322 section 2.2).
fn begins_like_a_mail(start: &[u8]) -> bool {
    let name = start.split(|byte| *byte == b':').next().unwrap_or_default();
    let is_name = |byte: &u8| byte.is_ascii_graphic() || *byte == b' ';
    name.len() < start.len() && !name.is_empty() && name.len() < 128 && name.iter().all(is_name)
}

fn read_mail(mut reader: BufReader<File>, max_message_bytes: usize) -> std::io::Result<Mail> {
    let size_bytes = reader.get_ref().metadata()?.len();
    let bound = u64::try_from(max_message_bytes).unwrap_or(u64::MAX);
    let mut bytes = Vec::new();
    if size_bytes > bound {
        reader.take(HEADER_BYTES as u64).read_to_end(&mut bytes)?;
        return Ok(Mail::Oversized { header: header_of(bytes), size_bytes });
    }
    reader.by_ref().take(bound).read_to_end(&mut bytes)?;
    Ok(Mail::Whole(bytes.into()))
}

/// The header block: up to and with the first empty line, at most [`HEADER_BYTES`].
fn header_of(mut bytes: Vec<u8>) -> Bytes {
    let end_of = |gap: &[u8]| bytes.windows(gap.len()).position(|at| at == gap).map(|at| at + gap.len());
    let end = [end_of(b"\n\n"), end_of(b"\r\n\r\n")].into_iter().flatten().min();
    bytes.truncate(end.unwrap_or(bytes.len()).min(HEADER_BYTES));
    bytes.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn text(mail: &Mail) -> String {
        match mail {
            Mail::Whole(bytes) => String::from_utf8(bytes.to_vec()).unwrap(),
            Mail::Oversized { size_bytes, .. } => format!("oversized {size_bytes}"),
        }
    }

    fn read(paths: &[&Path]) -> Vec<String> {
        let paths = paths.iter().map(|path| path.to_path_buf()).collect();
        Mails::of(paths, 1_000).map(|mail| text(&mail.unwrap())).collect()
    }

    #[test]
    fn a_folder_of_everything_is_read_in_order_and_strangers_are_skipped() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write("a.eml", "Subject: a\n\nA\n");
        write("b.mbox", "From x\nSubject: b1\n\nB1\n\nFrom x\nSubject: b2\n\nB2\n");
        write("c/cur/1:2,S", "Subject: c1\n\nC1\n");
        write("c/new/2", "Subject: c2\n\nC2\n");
        write("c/tmp/3", "Subject: half\n\n");
        write("c/dovecot.index", "Subject: no\n\n");
        write("notes.txt", "Subject: no\n\n");
        let mut mails = Mails::of(vec![folder.path().to_owned()], 1_000);
        let read: Vec<String> = mails.by_ref().map(|mail| text(&mail.unwrap())).collect();
        let subjects: Vec<&str> = read.iter().filter_map(|mail| mail.lines().next()).collect();
        assert_eq!(subjects, ["Subject: a", "Subject: b1", "Subject: b2", "Subject: c1", "Subject: c2"]);
        assert_eq!(mails.skipped_files(), 1);
    }

    #[test]
    fn a_file_that_is_named_is_read_whatever_its_ending() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mail");
        fs::write(&path, "Subject: a\n\nA\n").unwrap();
        assert_eq!(read(&[&path]), ["Subject: a\n\nA\n"]);
    }

    #[test]
    fn a_large_mail_is_its_header() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("large.eml");
        fs::write(&path, format!("Subject: a\r\n\r\n{}", "x".repeat(5_000))).unwrap();
        let mails: Vec<_> = Mails::of(vec![path], 1_000).map(Result::unwrap).collect();
        let header = Bytes::from_static(b"Subject: a\r\n\r\n");
        assert_eq!(mails, [Mail::Oversized { header, size_bytes: 5_014 }]);
    }

    #[test]
    fn a_file_that_is_not_there_does_not_hide_the_next() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.eml");
        fs::write(&path, "Subject: a\n\n").unwrap();
        let results: Vec<_> = Mails::of(vec!["/nonexistent".into(), path], 1_000).collect();
        assert_eq!(results.len(), 2);
        assert!(results[0].as_ref().unwrap_err().to_string().starts_with("/nonexistent: "));
        assert!(results[1].is_ok());
    }
}
