//! Mail made to hurt: each must give a mail, in linear time, with the stack of a worker thread.

use crate::email::{Mail, read, read_identity};
use proptest::prelude::*;

const HEADER: &str = "From: Ann <ann@example.org>\r\nMessage-ID: <one@example.org>\r\nSubject: hello\r\n";

/// Reads on a thread with the stack that tokio gives its workers, so that recursion shows.
fn read_on_small_stack(raw: Vec<u8>) -> Mail {
    let reader = std::thread::Builder::new().stack_size(2 * 1024 * 1024).spawn(move || read(&raw)).unwrap();
    reader.join().unwrap()
}

fn mail_with(rest: &str) -> Mail {
    let mail = read_on_small_stack(format!("{HEADER}{rest}").into_bytes());
    assert_eq!(mail.message_id.as_deref(), Some("one@example.org"), "headers are kept whatever follows");
    assert_eq!(mail.from.as_ref().unwrap().email, "ann@example.org");
    mail
}

#[test]
fn no_bytes_at_all_are_an_empty_mail() {
    for raw in [&b""[..], b"\n", b"\r\n\r\n", b"\0", b":", b"<", b"From ", b"\xEF\xBB\xBF", b"=?", b"--\n--"]
    {
        let mail = read(raw);
        assert_eq!((mail.message_id, mail.from, mail.attachments.len()), (None, None, 0));
    }
}

#[test]
fn a_hundred_thousand_nested_messages_are_one_attachment() {
    let bomb = "Content-Type: message/rfc822\r\n\r\n".repeat(100_000);
    let mail = mail_with(&bomb);
    assert_eq!(mail.attachments.len(), 1);
    assert_eq!(mail.attachments[0].content_type, "message/rfc822");
}

#[test]
fn a_hundred_thousand_nested_multiparts_are_cut_at_the_limit() {
    let mut bomb = String::new();
    for level in 0..100_000 {
        bomb.push_str(&format!("Content-Type: multipart/mixed; boundary=b{level}\r\n\r\n--b{level}\r\n"));
    }
    let mail = mail_with(&bomb);
    assert!(mail.flags.parse_limited);
}

#[test]
fn a_hundred_thousand_parts_are_cut_at_the_limit() {
    let parts = "--b\r\nContent-Type: image/png\r\n\r\nx\r\n".repeat(100_000);
    let mail = mail_with(&format!("Content-Type: multipart/mixed; boundary=b\r\n\r\n{parts}--b--\r\n"));
    assert!(mail.flags.parse_limited);
    assert_eq!(mail.attachments.len(), 1_000);
}

#[test]
fn a_subject_of_fifty_megabytes_is_cut() {
    let raw = format!("{HEADER}\r\nbody").replace("hello", &"s".repeat(50_000_000)).into_bytes();
    let mail = read_on_small_stack(raw);
    assert_eq!(mail.subject.unwrap().len(), 4096);
    assert_eq!(mail.content, "body");
}

#[test]
fn a_million_fields_are_cut_and_the_body_is_still_found() {
    let mail = mail_with(&format!("{}\r\nbody", "X-A: b\r\n".repeat(1_000_000)));
    assert!(mail.flags.parse_limited);
    assert_eq!(mail.content, "body");
}

#[test]
fn a_hundred_thousand_references_keep_the_root_and_the_nearest() {
    let ids: String = (0..20_000).map(|n| format!("<{n}@x>\r\n ")).collect();
    let mail = mail_with(&format!("References: {ids}\r\n\r\n"));
    assert_eq!(mail.references.len(), 51);
    assert_eq!(mail.references.first().unwrap(), "0@x");
    assert_eq!(mail.references.last().unwrap(), "19999@x");
}

#[test]
fn a_hundred_thousand_recipients_are_capped() {
    let mail = mail_with(&format!("To: {}\r\n\r\n", "a@b.example, ".repeat(19_000)));
    assert_eq!(mail.to.len(), 500);
    assert!(mail.flags.parse_limited);
}

#[test]
fn floods_of_punctuation_end() {
    for flood in [
        "(",
        "\"",
        "<",
        "=?",
        "=?a?q?",
        "=?utf-8?q?=41?=",
        "<a@b",
        "\\",
        ";a*1=x",
        "a*1*=%41;",
        "[",
        ",",
        ":",
    ] {
        let value = flood.repeat(200_000 / flood.len());
        for field in ["To", "Cc", "Subject", "References", "In-Reply-To", "Date", "Content-Type", "List-Id"] {
            mail_with(&format!("{field}: {value}\r\n\r\nbody"));
        }
        let part = format!(
            "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Disposition: attachment; {value}\r\n\r\n"
        );
        mail_with(&part);
    }
}

#[test]
fn html_too_deep_or_too_large_keeps_its_text_alone() {
    let bombs = [
        "<div>".repeat(50_000),
        "<b>".repeat(1_000),
        "<div></x>".repeat(20_000),
        "<div><script></div></script>".repeat(9_000),
        "<table><tr><td></div>".repeat(10_000),
        format!("<svg>{}", "<p>".repeat(10_000)),
        format!("<p {}>", "a=b ".repeat(10_000)),
        (0..10_000).map(|n| format!("<b id={n}><i></div><p>")).collect(),
        // Formatting that every further paragraph opens again.
        (0..200).map(|n| format!("<p><b id={n}></p>")).chain(["<p>x</p>".repeat(20_000)]).collect(),
        "x".repeat(300_000),
    ];
    for bomb in bombs {
        let mail = mail_with(&format!("Content-Type: text/html\r\n\r\n<p>seen</p>{bomb}"));
        assert!(mail.flags.parse_limited, "{:?}", bomb.get(..40));
        assert_eq!(mail.content_html, None);
        assert!(mail.content.starts_with("seen"), "{:?}", mail.content.get(..40));
    }
}

#[test]
fn html_that_is_merely_sloppy_is_sanitized() {
    let sloppy = format!("<font><center>{}", "<p>one<br><li>two<td>three".repeat(2_000));
    let mail = mail_with(&format!("Content-Type: text/html\r\n\r\n{sloppy}"));
    assert!(mail.content_html.is_some());
    assert!(!mail.flags.parse_limited);
}

#[test]
fn thousands_of_rules_do_not_fill_the_memory() {
    let mail = mail_with(&format!("Content-Type: text/html\r\n\r\n<p>a{}", "<hr>".repeat(50_000)));
    assert!(mail.content.len() < 1_000);
}

#[test]
fn indentation_does_not_multiply_the_text() {
    for (open, line) in [("<blockquote>", "<br>x"), ("<ul><li>", "<li>x"), ("<ol><li>", "<li>x")] {
        let html = format!("{}{}", open.repeat(200), line.repeat(10_000));
        let mail = mail_with(&format!("Content-Type: text/html\r\n\r\n{html}"));
        assert!(mail.content_html.is_some());
        assert!(mail.content.len() < 1_000_000 && !mail.flags.parse_limited, "{}", mail.content.len());
    }
}

#[test]
fn text_without_end_is_cut() {
    let mail = mail_with(&format!("\r\n{}", "line of text\r\n".repeat(400_000)));
    assert!(mail.content.len() <= 2 * 1024 * 1024);
    assert!(mail.flags.parse_limited);
}

#[test]
fn nul_controls_and_broken_bytes_do_not_reach_the_store() {
    let raw = b"From: \"A\0nn\x1b[31m\" <ann\0@example.org>\r\nSubject: a\0b\r\n\tc\xff\r\nMessage-ID: <a\0b@x>\r\n\
        Content-Type: text/plain; charset=utf-8\r\n\r\na\0b\x07c\xff\r\nd\re";
    let mail = read(raw);
    let name = mail.from.as_ref().unwrap().name.clone().unwrap();
    let texts = [mail.content.clone(), mail.subject.clone().unwrap(), name, mail.from.unwrap().email];
    for text in &texts {
        assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "{text:?}");
    }
    assert_eq!(mail.content, "abc\u{fffd}\nd\ne");
    assert_eq!(mail.subject.unwrap(), "ab c\u{ff}");
    assert_eq!(mail.message_id, None);
}

proptest! {
    #[test]
    fn any_bytes_are_a_mail(raw in proptest::collection::vec(any::<u8>(), 0..2_000)) {
        let _ = read(&raw);
        let _ = read_identity(&raw);
    }

    #[test]
    fn any_heap_of_mail_shards_is_a_mail(
        shards in proptest::collection::vec(proptest::sample::select(SHARDS), 0..60)
    ) {
        let mail = read(shards.concat().as_bytes());
        prop_assert!(!mail.content.contains('\0'));
    }
}

const SHARDS: &[&str] = &[
    "From: a@b\r\n",
    "From: \"x\" <y@z>, ",
    "Subject: =?utf-8?B?4pyT?=",
    " =?iso-2022-jp?B?GyRC?=",
    "\r\n",
    "\n",
    "\r\n\r\n",
    "\t",
    "Content-Type: multipart/mixed; boundary=\"b\"\r\n",
    "Content-Type: multipart/alternative; boundary=c\r\n",
    "--b\r\n",
    "--b--\r\n",
    "--c\r\n",
    "--c--",
    "Content-Type: text/html; charset=utf-7\r\n",
    "Content-Type: message/rfc822\r\n",
    "Content-Type: application/ms-tnef\r\n",
    "Content-Transfer-Encoding: base64\r\n",
    "Content-Transfer-Encoding: x-uuencode\r\n",
    "Content-Transfer-Encoding: quoted-printable\r\n",
    "begin 644 f\r\nM",
    "=3D=\r\n=E2=9C=93=",
    "eJ8+IgAA",
    "\u{22}",
    "<",
    ">",
    "(",
    ")",
    "\\",
    "é",
    "😀",
    "Date: Mon, 31 Feb 2024 25:61:61 +9999\r\n",
    "Date: 1 Jan ",
    "99:99",
    "Message-ID: <",
    "References: <a@b> <c@",
    "In-Reply-To: your mail of <x@y> ",
    "Content-Disposition: attachment; filename*0*=utf-8''a%e2; filename*1*=%9c%93\r\n",
    "<div><p>",
    "</div>",
    "<img src=cid:x>",
    "<!--",
    "-->",
    "&amp;",
    "&#x41;",
    "Content-Type: message/delivery-status\r\n",
    "Original-Message-ID: <q@r>\r\n",
    "x",
    " ",
    ";",
    ":",
    "=",
    "a=b;",
];

/// An eighth of what a mail may have by default (`imap.max_message_bytes`), in bytes.
const LARGE: usize = 50 * 1024 * 1024 / 8;

#[test]
fn d06_the_worst_large_mails_are_read_within_seconds() {
    let fill = |text: &str| text.repeat(LARGE / text.len());
    let plain = |body: String| format!("{HEADER}Content-Type: text/plain; charset=utf-8\r\n\r\n{body}");
    let html = |body: String| format!("{HEADER}Content-Type: text/html; charset=utf-8\r\n\r\n{body}");
    let coded = |kind: &str, body: String| {
        format!("{HEADER}Content-Type: text/plain\r\nContent-Transfer-Encoding: {kind}\r\n\r\n{body}")
    };
    let parts = |head: &str| {
        let parts = fill(&format!("--b\r\n{head}\r\n\r\nx\r\n"));
        format!("{HEADER}Content-Type: multipart/mixed; boundary=b\r\n\r\n{parts}--b--\r\n")
    };
    let shapes = [
        ("quotes in quotes", plain(fill("> "))),
        (
            "lines of attributions",
            plain(fill("On Mon, 2 Mar 2026 at 10:00, Ann <ann@example.org> wrote:\r\n> hello\r\n")),
        ),
        ("empty lines", plain(fill("\r\n"))),
        ("signatures", plain(fill("-- \r\nAnn\r\n"))),
        ("one line", plain(fill("word "))),
        ("html of tables", html(fill("<table><tr><td>cell</td></tr></table>"))),
        ("html that is never closed", html(fill("<div><b>"))),
        ("html of entities", html(fill("&amp;&#x41;&nbsp;"))),
        ("html of styles", html(fill("<p style=\"color:red;background:url(x)\">x</p>"))),
        ("quoted-printable", coded("quoted-printable", fill("=41=\r\n"))),
        ("base64", coded("base64", fill("QUJD\r\n"))),
        ("parts of text", parts("Content-Type: text/plain")),
        ("parts with long names", parts("Content-Disposition: attachment; filename*0=a; filename*1=b")),
        ("mails in mails", format!("{HEADER}{}", fill("Content-Type: message/rfc822\r\n\r\n"))),
        ("fields", format!("{HEADER}{}\r\nbody", fill("X-A: b\r\n"))),
        ("encoded words", format!("{HEADER}Comments: {}\r\n\r\nbody", fill("=?utf-8?q?=41?= "))),
    ];
    for (name, raw) in shapes {
        let begun = std::time::Instant::now();
        read_on_small_stack(raw.into_bytes());
        let took = begun.elapsed();
        println!("{name}: {took:?}");
        // A quarter of the minute that the pipeline gives a mail, in a build without optimization: time grows with size.
        assert!(took.as_secs() < 15, "{name} took {took:?}");
    }
}
