//! What the mails in `fixtures/email` say; each is named by the trait it shows.

use crate::email::{Mail, html, read, read_identity};
use crate::model::Address;
use std::path::PathBuf;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/email")
}

fn source(trait_name: &str) -> Vec<u8> {
    std::fs::read(folder().join(format!("{trait_name}.eml"))).unwrap()
}

fn mail(trait_name: &str) -> Mail {
    read(&source(trait_name))
}

fn crlf(raw: &[u8]) -> Vec<u8> {
    raw.split(|b| *b == b'\n').collect::<Vec<_>>().join(&b"\r\n"[..])
}

fn person(name: &str, email: &str) -> Address {
    Address { name: (!name.is_empty()).then(|| name.to_owned()), email: email.to_owned() }
}

#[test]
fn line_ends_change_nothing() {
    let entries = std::fs::read_dir(folder()).unwrap().flatten();
    for entry in entries.filter(|entry| entry.path().extension().is_some_and(|kind| kind == "eml")) {
        let raw = std::fs::read(entry.path()).unwrap();
        let (unix, wire) = (read(&raw), read(&crlf(&raw)));
        let without_files = |mut mail: Mail| {
            // Text files keep the line ends they came with.
            mail.attachments.iter_mut().for_each(|a| a.data.retain(|b| *b != b'\r'));
            mail
        };
        assert_eq!(without_files(unix.clone()), without_files(wire), "{}", entry.path().display());
        let macintosh: Vec<u8> = raw.iter().map(|b| if *b == b'\n' { b'\r' } else { *b }).collect();
        if !raw.contains(&b'\r') {
            let read = read(&macintosh);
            assert_eq!((read.message_id, read.subject), (unix.message_id, unix.subject));
            assert_eq!(read.content, unix.content, "{}", entry.path().display());
        }
    }
}

#[test]
fn a_second_author_makes_the_first_untrusted() {
    for name in ["two-from-fields", "disguised-from"] {
        let mail = mail(name);
        assert_eq!(mail.from, Some(person("Ann Ash", "ann@maple.example")), "{name}");
        assert!(mail.flags.from_ambiguous, "{name}");
    }
    assert!(!mail("html-alone").flags.from_ambiguous);
    for ambiguous in [
        "From: ann@maple.example, root@oak.example",
        "From: root@oak.example <ann@maple.example>",
        "From: <ann@maple.example> <root@oak.example>",
        ":From: root@oak.example\nFrom: ann@maple.example",
        "From\n : root@oak.example\nFrom: ann@maple.example",
        "From : root@oak.example",
        "From: ann@maple.example (unclosed, root@oak.example",
        "From: \"unclosed <ann@maple.example>",
        "From: =?utf-8?Q?root_<root=40oak.example>?=",
        "From: =?utf-8?B?cm9vdCA8cm9vdEBvYWsuZXhhbXBsZT4=?=",
    ] {
        let mail = read(format!("Subject: s\n{ambiguous}\n\nx").as_bytes());
        assert!(mail.flags.from_ambiguous, "{ambiguous}");
    }
    for plain in [
        "From: ann@maple.example",
        "From: \"root@oak.example\" <ann@maple.example>",
        "From: ann@maple.example <ann@maple.example>",
        "From: Ann (root) <ann@maple.example>",
        "FROM: ann@maple.example (Ann)",
    ] {
        let mail = read(format!("Subject: s\n{plain}\n\nx").as_bytes());
        assert!(!mail.flags.from_ambiguous, "{plain}");
        assert_eq!(mail.from.unwrap().email, "ann@maple.example", "{plain}");
    }
}

#[test]
fn ids_are_found_through_folds_and_stray_lines() {
    assert_eq!(
        mail("folded-message-id").message_id.as_deref(),
        Some("folded-id-of-a-long-kind.0123456789@maple.example")
    );
    assert_eq!(mail("mbox-line-first").message_id.as_deref(), Some("mbox@maple.example"));
    assert_eq!(mail("blank-line-first").message_id.as_deref(), Some("blank@maple.example"));
    for broken in ["", "<>", "< >", "<a b>", "yes", "<a@b"] {
        let mail = read(format!("Message-ID: {broken}\nSubject: s\n\nx").as_bytes());
        assert_eq!(mail.message_id.as_deref(), (broken == "<a@b").then_some("a@b"), "{broken}");
    }
}

#[test]
fn only_real_ids_count_as_references() {
    let mail = mail("free-text-in-reply-to");
    assert_eq!(mail.in_reply_to, ["help@oak.example", "tea-1@oak.example"], "as RFC 5256 reads it");
    assert_eq!(mail.references, ["root@oak.example", "tea-1@oak.example"]);
    let alone = read(b"To: help@oak.example\nIn-Reply-To: mail of <help@oak.example>\n\nx");
    assert!(alone.in_reply_to.is_empty(), "an address alone in free text is no id");
    for nothing in
        ["<>", "<yes>", "<1>", "help@oak.example", "your mail from Monday", "< @ >", "<@b>", "<a@>"]
    {
        let mail = read(
            format!("To: help@oak.example\nIn-Reply-To: {nothing}\nReferences: {nothing}\n\nx").as_bytes(),
        );
        assert_eq!((mail.in_reply_to.len(), mail.references.len()), (0, 0), "{nothing}");
    }
}

#[test]
fn names_and_subjects_are_decoded() {
    let mail = mail("encoded-words");
    assert_eq!(mail.from, Some(person("Jürgen \"J\" Blätter", "juergen@maple.example")));
    assert_eq!(
        mail.to,
        [person("Érik", "erik@oak.example"), person("", "a@elm.example"), person("B", "b@elm.example"),]
    );
    assert_eq!(
        mail.cc,
        [person("Birch, Bo", "bo@birch.example"), person("only a comment", "cy@cedar.example")]
    );
    assert_eq!(mail.subject.as_deref(), Some("✓ done 😀 and café"));
    assert_eq!(mail.date.unwrap().to_string(), "2026-03-03T15:15:00Z");
    let japanese = super::fixtures::mail("japanese");
    assert_eq!(japanese.from.unwrap().name.as_deref(), Some("山田"));
    assert_eq!(japanese.subject.as_deref(), Some("おちゃ"));
    assert_eq!(japanese.content, "お茶");
}

#[test]
fn charsets_are_guessed_where_nobody_says() {
    assert_eq!(mail("unknown-charset").content, "naïve café");
    assert_eq!(mail("latin-bytes-without-charset").content, "naïve café");
}

#[test]
fn prose_that_calls_itself_base64_is_prose() {
    let mail = |body: &str| read(format!("Content-Transfer-Encoding: base64\n\n{body}\n").as_bytes()).content;
    assert_eq!(
        mail("The kettle sings,\nand nobody listens.\n\nAnn"),
        "The kettle sings,\nand nobody listens.\n\nAnn"
    );
    assert_eq!(mail("VGVhIGlz IHJlYWR5\nLg=="), "Tea is ready.", "a blank inside a coded line");
    assert_eq!(mail("VGVhIGlz\nIHJlYWR5\nLg=="), "Tea is ready.");
}

#[test]
fn html_names_its_charset_where_the_mail_does_not() {
    for (named, field) in [
        ("<meta charset=windows-1251>", ""),
        ("<META http-equiv='Content-Type' content='text/html; charset=windows-1251'>", "; charset=us-ascii"),
        ("", "; charset=windows-1251"),
        ("<meta charset=\"utf-8\">", "; charset=windows-1251"),
    ] {
        let head = format!("Content-Type: text/html{field}\n\n<html><head>{named}</head><body>");
        let raw = [head.as_bytes(), b"\xD7\xE0\xE9</body></html>"].concat();
        assert_eq!(read(&raw).content, "Чай", "{named}{field}");
    }
    let utf8 = read("Content-Type: text/html\n\n<meta charset=windows-1251>Чай".as_bytes());
    assert_eq!(utf8.content, "Чай", "what is UTF-8 is UTF-8");
}

#[test]
fn dates_are_read_if_they_make_sense() {
    let date = |value: &str| read(format!("Date: {value}\n\nx").as_bytes()).date.map(|d| d.to_string());
    for (value, expected) in [
        ("Tue, 3 Mar 2026 10:15:00 +0100", "2026-03-03T09:15:00Z"),
        ("3 mar 26 10:15 PST", "2026-03-03T18:15:00Z"),
        ("Tue Mar  3 10:15:00 2026", "2026-03-03T10:15:00Z"),
        ("Tue, 03 Mar 2026 10:15:00 (CET) +0100", "2026-03-03T09:15:00Z"),
        ("Tuesday, 03-Mar-26 10:15:00 GMT", "2026-03-03T10:15:00Z"),
        ("2026-03-03T10:15:00Z", "2026-03-03T10:15:00Z"),
        ("2026-03-03 10:15:00 +0530", "2026-03-03T04:45:00Z"),
        ("3 Mar 2026 1:15:60 PM -0000", "2026-03-03T13:15:59Z"),
        ("Tue, 3 Mar 2026 10:15:00 GMT+7", "2026-03-03T03:15:00Z"),
    ] {
        assert_eq!(date(value).as_deref(), Some(expected), "{value}");
    }
    for senseless in [
        "",
        "Whenever",
        "1 Jan 2999 00:00:00 +0000",
        "1 Jan 1970 00:00:00 +0000",
        "31 Feb 2026 00:00:00",
        "3 Mar 2026 25:61:61 +9999",
    ] {
        assert_eq!(date(senseless), None, "{senseless}");
    }
}

#[test]
fn html_is_made_harmless_and_its_pictures_can_be_pointed_elsewhere() {
    let mail = mail("picture-in-html");
    assert_eq!(mail.content, "See the leaf: [leaf]");
    let source = mail.content_html.unwrap();
    for gone in ["script", "alert", "onclick", "javascript", "form", "input", "svg", "<title"] {
        assert!(!source.contains(gone), "{gone} in {source}");
    }
    assert!(source.contains("https://maple.example/?a=1&amp;b=2"));
    assert!(source.contains("src=\"cid:leaf%25@maple.example\""), "{source}");
    let mapped =
        html::map_cids(&source, |id| (id == "leaf%@maple.example").then(|| "/files/1?a=\"&b".to_owned()));
    assert!(mapped.contains("src=\"/files/1?a=&quot;&amp;b\""), "{mapped}");
    assert_eq!(html::map_cids(&source, |_| None), source);
    let picture = &mail.attachments[0];
    assert_eq!(mail.attachments.len(), 1);
    assert!(picture.inline);
    assert_eq!(picture.filename.as_deref(), Some("leaf.png"));
    assert_eq!(picture.data, b"\x89PNG\r\n\x1a\nnot really");
}

#[test]
fn no_spelling_of_an_address_runs_code() {
    let sanitize = |html: &str| html::sanitize(html).sanitized.unwrap_or_default();
    for hostile in [
        "<a href=\"da&#9;ta:text/html,x\">x</a>",
        "<a href=\" DATA:text/html,x\">x</a>",
        "<a href=\"java&#10;script:x\">x</a>",
        "<a href=\"&#1;javascript:x\">x</a>",
        "<a href=\"cid:x\">x</a>",
        "<img src=\"data:text/html,x\">x",
        "<blockquote cite=\"data:text/html,x\">x</blockquote>",
        "<q cite=\"javascript:x\">x</q><ins cite=\" Java&#9;Script:x\">x</ins>",
    ] {
        let clean = sanitize(hostile);
        assert!(!clean.contains("href=") && !clean.contains("src=") && !clean.contains("cite="), "{clean}");
    }
    assert_eq!(sanitize("<img src=\"CID:x@y\">"), "<img src=\"cid:x@y\">");
    assert_eq!(
        sanitize("<img src=\"data:image/png;base64,AA==\">"),
        "<img src=\"data:image/png;base64,AA==\">"
    );
}

#[test]
fn html_alone_is_rendered() {
    let mail = mail("html-alone");
    assert_eq!(mail.content, "Grüße,\none & two\n* tea\n* milk\n\na\nb");
    assert_eq!(mail.quoted.as_deref(), Some("> earlier\n> words"));
    assert!(mail.content_html.unwrap().contains("<blockquote>"));
    assert!(
        super::fixtures::mail("plain-part-only-points-to-html")
            .content
            .starts_with("The order of twelve chairs")
    );
}

#[test]
fn text_encodings_are_undone_as_far_as_they_make_sense() {
    let flowed = mail("flowed-text");
    assert_eq!(flowed.content, "This line flows into the next.\nFrom stuffing is undone.");
    assert_eq!(flowed.quoted.as_deref(), Some("> a quoted line that goes on"));
    assert_eq!(flowed.signature.as_deref(), Some("--\nAnn"));
    assert_eq!(mail("broken-quoted-printable").content, "100 =% sure é soft= =zz end");
    assert_eq!(mail("base64-with-footer").content, "The leaves are falling on the grass, and nobody sweeps.");
    assert_eq!(mail("boundary-inside-a-line").content, "not a delimiter: --b\n--bb\nneither is this --b--");
    assert_eq!(mail("boundary-never-comes").content, "The sender forgot the parts.");
}

#[test]
fn file_names_are_whole_and_without_path() {
    let mail = mail("name-split-over-parameters");
    let names: Vec<_> = mail.attachments.iter().map(|a| a.filename.as_deref().unwrap()).collect();
    assert_eq!(names, ["Résumé.pdf", "passwd"]);
    assert_eq!(mail.attachments[1].content_type, "application/pdf", "found by its content");
    for (given, expected) in [("CON:\\\\a\\\\b.txt", "b.txt"), ("..", ""), ("a\u{0}b", "ab"), ("/", "")] {
        let raw = format!("Content-Type: image/png; name=\"{given}\"\n\nx");
        let name = read(raw.as_bytes()).attachments[0].filename.clone();
        assert_eq!(name.unwrap_or_default(), expected, "{given}");
    }
    let long = read(format!("Content-Type: image/png; name=\"{}.png\"\n\nx", "é".repeat(4_000)).as_bytes());
    let long = long.attachments[0].filename.clone().unwrap();
    assert!(long.len() <= 255 && long.ends_with("é.png"), "{long}");
}

#[test]
fn reports_name_the_mail_they_are_about() {
    let bounce = mail("bounce-with-original");
    assert!(bounce.flags.bounce && bounce.flags.auto_reply && !bounce.flags.read_receipt);
    assert_eq!(bounce.reported.as_deref(), Some("lost-1@maple.example"));
    assert_eq!(bounce.attachments.len(), 2, "the parts of the report are kept");
    let old = mail("bounce-without-mime");
    assert!(old.flags.bounce);
    assert_eq!(old.reported.as_deref(), Some("lost-2@maple.example"));
    let receipt = mail("read-receipt");
    assert!(receipt.flags.read_receipt && !receipt.flags.bounce);
    assert_eq!(receipt.reported.as_deref(), Some("tea-9@maple.example"));
    let forwarded = mail("forwarded-as-attachment");
    assert_eq!((forwarded.flags.bounce, forwarded.reported), (false, None));
}

#[test]
fn kinds_of_mail_are_told_apart() {
    let away = mail("out-of-office");
    assert!(away.flags.auto_reply && !away.flags.bounce && !away.flags.list);
    let listed = mail("list-copy");
    assert!(listed.flags.list && !listed.flags.auto_reply);
    assert_eq!(listed.list_id.as_deref(), Some("garden.lists.example"));
    assert_eq!(listed.original_from, Some(person("Bo Birch", "bo@birch.example")));
    assert_eq!(listed.delivered_to, ["help@oak.example", "garden@lists.example"]);
    assert_eq!(listed.trace.stamps.len(), 2);
    assert_eq!(listed.thread_index.as_deref(), Some("AdrK0w=="));
    let secret = mail("encrypted");
    assert!(secret.flags.encrypted);
    assert_eq!(secret.attachments.len(), 2);
    let plain = mail("html-alone").flags;
    assert_eq!(plain, Default::default());
}

#[test]
fn parts_that_are_no_text_are_files() {
    let types = |mail: &Mail| mail.attachments.iter().map(|a| a.content_type.clone()).collect::<Vec<_>>();
    let invitation = mail("invitation");
    assert_eq!(
        (invitation.content.as_str(), types(&invitation)),
        ("Tea at four.", vec!["text/calendar".to_owned()])
    );
    let forwarded = mail("forwarded-as-attachment");
    assert_eq!(
        (forwarded.content.as_str(), types(&forwarded)),
        ("see below", vec!["message/rfc822".to_owned()])
    );
    assert_eq!(forwarded.message_id.as_deref(), Some("fwd@maple.example"));
    assert!(forwarded.attachments[0].data.ends_with(b"--inner--"));
    let alone = mail("attachment-alone");
    assert_eq!((alone.content.as_str(), types(&alone)), ("", vec!["application/pdf".to_owned()]));
}

#[test]
fn files_are_taken_out_of_a_winmail_dat() {
    let mail = mail("winmail");
    assert_eq!(mail.content, "see inside");
    let packed = &mail.attachments[1];
    assert_eq!(mail.attachments[0].filename.as_deref(), Some("winmail.dat"));
    assert_eq!(packed.filename.as_deref(), Some("Grüße aus Eiche.txt"));
    assert_eq!((packed.content_type.as_str(), packed.data.as_slice()), ("text/plain", &b"packed text"[..]));
    // Cut anywhere it gives what is there, or nothing.
    let whole = &mail.attachments[0].data;
    for end in 0..whole.len() {
        let _ = crate::email::tnef::attachments(&whole[..end]);
    }
}

#[test]
fn a_mail_without_id_is_known_by_its_digest_through_transport() {
    let raw = source("without-message-id");
    let text = String::from_utf8(raw.clone()).unwrap();
    let digest = read(&raw).digest.unwrap();
    let refetched = format!(
        "Received: from x\r\nX-Spam: no\r\n{}\r\n\r\n",
        text.replace("No\n  id", "No id").replace('\n', "\r\n")
    );
    assert_eq!(read(refetched.as_bytes()).digest.unwrap(), digest);
    for (from, to) in
        [("Bye", "Hi"), ("ann@", "eve@"), ("10:15", "10:16"), ("No\n", "Yes\n"), ("help@", "sales@")]
    {
        assert_ne!(read(text.replace(from, to).as_bytes()).digest.unwrap(), digest, "{from}");
    }
    assert_eq!(mail("html-alone").digest, None);
}

#[test]
fn the_fingerprint_tells_reused_ids_from_copies() {
    let raw = String::from_utf8(source("list-copy")).unwrap();
    let original = read(raw.as_bytes());
    let copy = format!("Received: from list\n{raw}_____\nfooter of the list\n");
    assert_eq!(read(copy.as_bytes()).fingerprint, original.fingerprint);
    for (from, to) in [("ann@maple", "eve@maple"), ("10:15", "10:16"), ("Seeds\n", "Weeds\n")] {
        assert_ne!(read(raw.replace(from, to).as_bytes()).fingerprint, original.fingerprint, "{from}");
    }
    let header = raw.split("\n\n").next().unwrap();
    let identity = read_identity(header.as_bytes());
    assert_eq!((identity.message_id, identity.fingerprint), (original.message_id, original.fingerprint));
}
