//! Mail reading: the bytes of one RFC 5322 message in, a plain [`Mail`] out.
//!
//! Total: any bytes give a mail, in time and memory linear in their length, without recursion and without panic.
//! Where a bound is hit something is left out and `flags.parse_limited` says so; the raw source holds the rest.
//! Knows nothing of conversations, and decides nothing: who is to be believed is the business of matching.
//!
//! Which ids of References and In-Reply-To count is laid down in [`message_id`].

mod absence;
mod address;
mod attachments;
pub mod authentication;
mod automatic;
mod body;
mod bounce;
mod charset;
mod clean;
mod date;
mod digest;
mod header;
pub mod html;
mod mail;
pub mod message_id;
mod mime;
mod parameter;
mod phrases;
pub mod reply;
mod report;
mod rtf;
mod smime;
mod tnef;
mod transfer;
mod utf7;
mod words;

#[cfg(test)]
pub(crate) mod tests;

pub use mail::{Identity, Mail, MailFlags, MailPart};

use crate::model::Address;
use address::AddressList;
use header::Headers;
use std::borrow::Cow;

/// Reads one mail.
#[must_use]
pub fn read(raw: &[u8]) -> Mail {
    let raw = &*with_line_ends(raw);
    let headers = Headers::of_message(raw);
    let mut mail = read_headers(&headers);
    if mail.digest.is_some() && digest::tells_nothing(&headers) {
        mail.digest = Some(digest::of_bytes(raw));
    }
    let structure = mime::parts(&headers);
    let mut body = body::read(&structure);
    mail.attachments = attachments::read(&structure, &body);
    let signed = signed_content(&structure);
    if let Some((inner, files)) = signed.as_deref().filter(|_| body.text.trim().is_empty()).map(read_entity) {
        mail.attachments.extend(files);
        body = inner;
    }
    mail.flags.parse_limited |= headers.limited || structure.limited || body.limited;
    let report = report::read(&headers, &structure, &mail, &body.text);
    mail.flags.bounce = report.bounce;
    mail.flags.read_receipt = report.read_receipt;
    mail.reported = report.reported;
    mail.flags.out_of_office = mail.flags.auto_reply
        && !report.bounce
        && !report.read_receipt
        && absence::tells_absence(mail.subject.as_deref(), &body.text);
    let protection = protection(&structure, &body.text, signed.is_some());
    mail.flags.encrypted = protection.encrypted;
    mail.flags.signed = protection.signed;
    let cut = reply::cut_mail(&body.text, mail.subject.as_deref());
    mail.content = cut.content;
    mail.quoted = joined(cut.quoted, body.quoted);
    mail.signature = joined(cut.signature, body.signature);
    mail.forward = cut.forward;
    mail.content_html = body.html;
    mail.remote_images = body.remote_images;
    mail
}

/// A mail whose lines end with CR alone, as old Macintosh files do, with LF instead. It has no other line end, or it has
/// parts of that kind, which are left as they are.
fn with_line_ends(raw: &[u8]) -> Cow<'_, [u8]> {
    if raw.contains(&b'\n') || !raw.contains(&b'\r') {
        return Cow::Borrowed(raw);
    }
    Cow::Owned(raw.iter().map(|byte| if *byte == b'\r' { b'\n' } else { *byte }).collect())
}

/// What the first opaque S/MIME signature of a mail signs.
fn signed_content(structure: &mime::Structure<'_>) -> Option<Vec<u8>> {
    structure.parts.iter().find(|part| is_smime(part)).and_then(|part| smime::content(&part.bytes()))
}

/// The text and the files of a MIME entity that stood inside another.
fn read_entity(entity: &[u8]) -> (body::Body, Vec<MailPart>) {
    let headers = Headers::of_part(entity);
    let structure = mime::parts(&headers);
    let mut body = body::read(&structure);
    body.limited |= headers.limited || structure.limited;
    let files = attachments::read(&structure, &body);
    (body, files)
}

fn is_smime(part: &mime::Part<'_>) -> bool {
    matches!(part.content_type.as_str(), "application/pkcs7-mime" | "application/x-pkcs7-mime")
}

/// What was cut out of the text, and what was cut out of HTML before it was rendered.
fn joined(text: Option<String>, html: String) -> Option<String> {
    match text {
        None => (!html.is_empty()).then_some(html),
        Some(text) if html.is_empty() => Some(text),
        Some(text) => Some(format!("{text}\n{html}")),
    }
}

/// Reads what identifies a mail from its header block alone (or from some of its fields).
#[must_use]
pub fn read_identity(header: &[u8]) -> Identity {
    let header = &*with_line_ends(header);
    let headers = Headers::of_message(header);
    let from = headers.first("from").map(address::parse).and_then(|list| list.addresses.into_iter().next());
    Identity {
        message_id: headers.first("message-id").and_then(message_id::own),
        fingerprint: digest::fingerprint(&headers, from.as_ref()),
    }
}

fn read_headers(headers: &Headers<'_>) -> Mail {
    let author = headers.first("from").map(address::parse).unwrap_or_default();
    let to = addresses(headers, "to");
    let cc = addresses(headers, "cc");
    let limited = author.limited || to.limited || cc.limited;
    let mut mail = Mail {
        message_id: headers.first("message-id").and_then(message_id::own),
        sender: first_address(headers, "sender"),
        reply_to: addresses(headers, "reply-to").addresses,
        bcc: addresses(headers, "bcc").addresses,
        original_from: first_address(headers, "x-original-from")
            .or_else(|| first_address(headers, "x-original-sender")),
        subject: headers.first("subject").map(words::text).filter(|s| !s.is_empty()),
        date: headers.first("date").and_then(date::parse),
        references: headers.first("references").map(message_id::references).unwrap_or_default(),
        delivered_to: delivered_to(headers),
        list_id: automatic::list_id(headers),
        trace: authentication::trace(headers),
        thread_index: headers.first("thread-index").map(words::text).filter(|t| !t.is_empty()),
        to: to.addresses,
        cc: cc.addresses,
        ..Mail::default()
    };
    mail.flags.from_ambiguous =
        author.ambiguous || author.addresses.len() > 1 || headers.has_ambiguous_from();
    mail.from = author.addresses.into_iter().next();
    mail.fingerprint = digest::fingerprint(headers, mail.from.as_ref());
    mail.digest = mail.message_id.is_none().then(|| digest::digest(headers));
    mail.in_reply_to = in_reply_to(headers, &mail);
    mail.flags.list = automatic::is_list(headers);
    mail.flags.auto_reply = automatic::is_auto_reply(headers, mail.subject.as_deref());
    mail.flags.looped = automatic::has_looped(headers);
    mail.flags.spam = automatic::is_spam(headers);
    mail.flags.parse_limited = limited;
    mail
}

fn in_reply_to(headers: &Headers<'_>, mail: &Mail) -> Vec<String> {
    let Some(value) = headers.first("in-reply-to") else { return Vec::new() };
    let known = [&mail.to, &mail.cc, &mail.reply_to].into_iter().flatten().chain(&mail.from);
    let known: Vec<&str> = known.map(|a| a.email.as_str()).collect();
    message_id::in_reply_to(value, |id| known.iter().any(|email| email.eq_ignore_ascii_case(id)))
}

fn first_address(headers: &Headers<'_>, name: &'static str) -> Option<Address> {
    address::parse(headers.first(name)?).addresses.into_iter().next()
}

/// All fields of one name together: mailers that repeat To or Cc mean all of them.
fn addresses(headers: &Headers<'_>, name: &'static str) -> AddressList {
    let mut all = AddressList::default();
    for list in headers.all(name).map(address::parse) {
        all.limited |= list.limited;
        all.addresses.extend(list.addresses);
        if all.addresses.len() > address::ADDRESS_LIMIT {
            all.addresses.truncate(address::ADDRESS_LIMIT);
            all.limited = true;
            break;
        }
    }
    all
}

/// Where the mail was put, in the order in which a reply token is looked for.
fn delivered_to(headers: &Headers<'_>) -> Vec<String> {
    const NAMES: [&str; 7] = [
        "delivered-to",
        "x-original-to",
        "envelope-to",
        "x-envelope-to",
        "x-delivered-to",
        "x-forwarded-to",
        "apparently-to",
    ];
    let mut found: Vec<String> = Vec::new();
    for name in NAMES {
        for address in addresses(headers, name).addresses {
            if !found.contains(&address.email) && found.len() < 50 {
                found.push(address.email);
            }
        }
    }
    found
}

/// Encrypted and signed content.
struct Protection {
    encrypted: bool,
    signed: bool,
}

/// `opened`: the first S/MIME part turned out to be a signature, whatever it is called.
fn protection(structure: &mime::Structure<'_>, text: &str, opened: bool) -> Protection {
    let signs = |p: &mime::Part<'_>| {
        p.smime_type.as_deref().is_some_and(|t| t.starts_with("signed") || t.starts_with("certs"))
    };
    let smime = structure.parts.iter().filter(|part| is_smime(part)).enumerate();
    let mut smime = smime.map(|(at, part)| signs(part) || (at == 0 && opened));
    let pgp_encrypted = structure.parts.iter().any(|p| p.content_type == "application/pgp-encrypted");
    let encrypted = structure.content_type == "multipart/encrypted"
        || pgp_encrypted
        || smime.clone().any(|signed| !signed)
        || text.contains("-----BEGIN PGP MESSAGE-----");
    let has_signature = structure.parts.iter().any(|p| {
        matches!(
            p.content_type.as_str(),
            "application/pgp-signature" | "application/pkcs7-signature" | "application/x-pkcs7-signature"
        )
    });
    let signed = structure.content_type == "multipart/signed"
        || has_signature
        || smime.any(|signed| signed)
        || text.contains("-----BEGIN PGP SIGNED MESSAGE-----");
    Protection { encrypted, signed }
}
