//! What holds for any text: nothing is lost, nothing panics, time grows with the length.

use crate::email::reply::{Cut, cut, cut_html, cut_mail};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::time::Duration;

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

/// Bytes of the smaller text; the larger one has [`GROWTH`] times as many.
const SMALL_BYTES: usize = 128 << 10;
const GROWTH: u32 = 8;
/// What linear work may take more than its share; quadratic work takes eight times its share.
const SLACK: u32 = 3;
/// Below this the clock says nothing.
const FLOOR: Duration = Duration::from_millis(8);

/// Time that this thread was on a processor, whatever else the machine does; `None` where the system does not say.
fn on_processor() -> Option<Duration> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    text.split(' ').next()?.parse().ok().map(Duration::from_nanos)
}

/// Holds the work on `large` against the work on `small`.
fn grows_linearly(name: &str, small: &str, large: &str, work: impl Fn(&str)) {
    let effort = |text: &str| {
        let before = on_processor();
        work(text);
        Some(on_processor()?.saturating_sub(before?))
    };
    let (Some(first), Some(second)) = (effort(small), effort(small)) else {
        println!("skipped: this system does not count a thread's time");
        return;
    };
    let base = first.min(second).max(FLOOR);
    let grown = effort(large).unwrap_or_default();
    println!("{name}: {base:?} -> {grown:?}");
    assert!(grown <= base * GROWTH * SLACK, "{name}: {base:?} grew to {grown:?}");
}

/// `unit` again and again.
fn filled(unit: &str, bytes: usize) -> String {
    unit.repeat(bytes / unit.len())
}

const HOSTILE_LINES: &[&str] = &[
    ">",
    ">\n",
    "On 3 May 2021 Ann wrote\n",
    "On 3 May 2021, Ann <a@example.org> wrote:\n> x\n",
    "On 3 May 2021, Ann <a@example.org>\n",
    "On Ann wrote:",
    "From: a@example.org\nTo: b\n",
    "Date: 3 May 2021 10:00\nTo: b@example.org\n\n",
    "---------- Forwarded message ---------\n\n",
    "---------------------- A Sponsor ---------------------\nhttp://example.org\n",
    "-- \nx\n",
    "__________\n",
    "Ann updated ABC-1:\n------------------\n",
    "--- Comment #1 from a@example.org ---\n",
    "Sent from my iPhone\n\n",
    "Regards,\nAnn\n+44 20 7946 0000\n",
    "Regards,\nAnn Bee\nHarbour Master\n",
    "Ann> x\n\nBob> y\n\n",
    ">Label: x\n",
    "> x\n[...]\n",
    "> (x\nhttp://example.org)\n",
    "\n",
    "On 3 May 2021 Ann wrote: ",
    "To: ",
    "<a@\n> x\n",
];

#[test]
fn hostile_texts_take_linear_time() {
    for unit in HOSTILE_LINES {
        let text = |bytes: usize| format!("x\n-- Forwarded message -- {}y", filled(unit, bytes));
        let (small, large) = (text(SMALL_BYTES), text(SMALL_BYTES * GROWTH as usize));
        grows_linearly(unit.trim(), &small, &large, |text| drop(cut_mail(text, Some("Fwd: x"))));
        let cut = cut_mail(&small, Some("Fwd: x"));
        assert_eq!(counted([small.as_str()]), counted(parts(&cut)), "{unit}");
    }
}

#[test]
fn hostile_html_takes_linear_time() {
    for unit in [
        "<",
        "<!",
        "<a ",
        "<b>",
        "</b>",
        "<blockquote>x",
        "<blockquote type=cite>x</blockquote>",
        "<div class=gmail_quote>",
        "x<div class=gmail_quote>----- Forwarded message -----",
        "<!--",
        "<p x='",
    ] {
        for head in ["", "<script>"] {
            let text = |bytes: usize| format!("{head}{}>", filled(unit, bytes));
            let (small, large) = (text(SMALL_BYTES), text(SMALL_BYTES * GROWTH as usize));
            grows_linearly(&format!("{head}{unit}"), &small, &large, |html| drop(cut_html(html)));
        }
    }
}

#[test]
fn too_long_a_text_is_left_whole() {
    let text = "x\n> y\n".repeat(2 << 20);
    assert_eq!(cut(&text).quoted, None);
}
