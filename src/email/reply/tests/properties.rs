//! What holds for any text: nothing is lost, nothing panics, time grows with the length.

use crate::email::reply::{Cut, cut, cut_html, cut_mail};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

fn counted<'a>(texts: impl IntoIterator<Item = &'a str>) -> BTreeMap<String, usize> {
    let mut lines = BTreeMap::new();
    for line in texts.into_iter().flat_map(|text| text.split(['\n', '\r'])) {
        let line = line.trim().trim_start_matches('\u{feff}').trim();
        if !line.is_empty() {
            *lines.entry(line.to_owned()).or_default() += 1;
        }
    }
    lines
}

fn parts(cut: &Cut) -> Vec<&str> {
    std::iter::once(cut.content.as_str())
        .chain(cut.quoted.as_deref())
        .chain(cut.signature.as_deref())
        .collect()
}

/// Lines that make up mails, and some that do not.
fn line() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "[ a-zA-Z,.!?'>:@0-9-]{0,60}",
        2 => prop::sample::select(vec![
            "", "", "> quoted words", ">> twice quoted", "On Mon, 3 May 2021 at 10:00, Ann <ann@example.org> wrote:", "-- ", "--",
            "-----Original Message-----", "From: Ann <ann@example.org>", "Sent: Monday, 3 May 2021 10:00", "To: Bob <bob@example.org>",
            "Subject: Harbour", "Sent from my iPhone", "---------- Forwarded message ---------", "Begin forwarded message:", "Regards,", "Bob",
            "______________________________", "To unsubscribe, write to list@example.org", "Tel: +44 20 7946 0000", "```", "> Begin forwarded message:",
            "> From: Ann <ann@example.org>", "> To: Bob", "> Subject: x", "Ann> hello", "| cell", "\u{feff}", "> wrote:", "##- Please type your reply above this line -##",
        ]).prop_map(str::to_owned),
        1 => any::<String>(),
    ]
}

proptest! {
    #[test]
    fn every_line_comes_back(lines in prop::collection::vec(line(), 0..40), ends in prop::sample::select(vec!["\n", "\r\n"])) {
        let text = lines.join(ends);
        for subject in [None, Some("Fwd: harbour"), Some("Re: harbour")] {
            let cut = cut_mail(&text, subject);
            prop_assert_eq!(counted([text.as_str()]), counted(parts(&cut)));
            prop_assert_eq!(cut.content.trim().is_empty(), text.trim().trim_start_matches('\u{feff}').trim().is_empty());
        }
    }

    #[test]
    fn any_html_is_survived(html in "(<(div|p|blockquote|br|script|b)( (class|type|id|style)=\"?(gmail_quote|cite|appendonsend|x)\"?)?>|</(div|p|blockquote|b)>|[a-z &<>\"'!-]{0,8}){0,40}") {
        if let Some(cut) = cut_html(&html) {
            prop_assert!(!cut.visible.is_empty());
            prop_assert!(cut.quoted.is_some() || cut.signature.is_some());
        }
    }
}

/// Far above what a debug build needs, far below what a quadratic pass would take.
const PATIENCE: Duration = Duration::from_secs(20);

fn in_time(name: &str, work: impl FnOnce()) {
    let start = Instant::now();
    work();
    let taken = start.elapsed();
    println!("{name}: {taken:?}");
    assert!(taken < PATIENCE, "{name} took {taken:?}");
}

#[test]
fn hostile_texts_take_linear_time() {
    let texts = [
        ("a megabyte of >", ">".repeat(1 << 20)),
        ("a megabyte of > lines", ">\n".repeat(1 << 19)),
        ("attributions without end", "On 3 May 2021 Ann wrote\n".repeat(100_000)),
        ("attributions", "On 3 May 2021, Ann <a@example.org> wrote:\n> x\n".repeat(50_000)),
        ("half attributions", "On 3 May 2021, Ann <a@example.org>\n".repeat(50_000)),
        ("headers", "From: a@example.org\nTo: b\n".repeat(50_000)),
        ("dividers", "---------- Forwarded message ---------\n\n".repeat(50_000)),
        ("marks", "-- \nx\n".repeat(100_000)),
        ("rulers", "__________\n".repeat(100_000)),
        ("devices", "Sent from my iPhone\n\n".repeat(50_000)),
        ("closings", "Regards,\nAnn\n+44 20 7946 0000\n".repeat(40_000)),
        ("names", "Ann> x\n\nBob> y\n\n".repeat(40_000)),
        ("blank lines", "x\n".to_owned() + &"\n".repeat(1 << 20) + "y"),
        ("one line", "On 3 May 2021 Ann wrote: ".repeat(40_000)),
        ("colons", format!("-- Forwarded message -- {}", "To: ".repeat(250_000))),
        ("open addresses", "<a@\n> x\n".repeat(100_000)),
    ];
    for (name, text) in texts {
        in_time(name, || {
            let cut = cut_mail(&text, Some("Fwd: x"));
            assert_eq!(counted([text.as_str()]), counted(parts(&cut)), "{name}");
        });
    }
}

#[test]
fn hostile_html_takes_linear_time() {
    let texts = [
        "<".repeat(1 << 20),
        "<!".repeat(1 << 19),
        "<a ".repeat(1 << 18) + ">",
        "<script>".to_owned() + &"<a".repeat(1 << 19) + ">",
        "<b>".repeat(1 << 18),
        "</b>".repeat(1 << 18),
        "<blockquote>x".repeat(1 << 16),
        "<blockquote type=cite>x</blockquote>".repeat(1 << 15),
        "<div class=gmail_quote>".repeat(1 << 15) + "x",
        "x<div class=gmail_quote>----- Forwarded message -----".repeat(1 << 14),
        "<!--".repeat(1 << 18),
        "<p x='".repeat(1 << 17),
    ];
    for text in texts {
        let name: String = text.chars().take(24).collect();
        in_time(&name, || drop(cut_html(&text)));
    }
}

#[test]
fn too_long_a_text_is_left_whole() {
    let text = "x\n> y\n".repeat(2 << 20);
    assert_eq!(cut(&text).quoted, None);
}
