//! What `docs/threading.md` lays down, one test a line: mails by their fields, and who ends up with whom, in every order.

use super::{conversations, read, settings, settings_with};
use crate::inbound::{InboundMessage, SurfaceSettings};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// A mail of these fields (one a line, `Name: value`), with what every mail has.
fn mail(fields: &str, settings: &SurfaceSettings) -> InboundMessage {
    let has = |name: &str| fields.lines().any(|line| line.starts_with(name));
    let mut text = format!("{}\n", fields.trim_end());
    for (name, value) in [
        ("From:", "Ann <ann@customer.example>"),
        ("To:", "help@us.example"),
        ("Subject:", "Parcel"),
        ("Date:", "Mon, 2 Nov 2026 09:41:00 +0000"),
    ] {
        if !has(name) {
            text.push_str(&format!("{name} {value}\n"));
        }
    }
    read(format!("{text}\nHello\n").replace('\n', "\r\n").as_bytes(), settings)
}

/// Checks that exactly the mails of each inner list are together, whichever comes first.
#[track_caller]
fn together(mails: &[&str], expected: &[&[usize]]) {
    let mut order: Vec<usize> = (0..mails.len()).collect();
    for _ in 0..mails.len() {
        order.rotate_left(1);
        let messages: Vec<InboundMessage> = order.iter().map(|at| mail(mails[*at], &settings())).collect();
        let labels = conversations(&messages);
        let mut groups: Vec<Vec<usize>> = Vec::new();
        for at in 0..mails.len() {
            let label = |number: usize| labels[order.iter().position(|it| *it == number).unwrap()];
            match groups.iter_mut().find(|group| label(group[0]) == label(at)) {
                Some(group) => group.push(at),
                None => groups.push(vec![at]),
            }
        }
        assert_eq!(groups, expected, "in the order {order:?}");
    }
}

#[test]
fn free_text_and_broken_ids_match_nothing() {
    for nothing in ["Your mail of Monday", "<>", "<yes>", "<1>", "< @ >", "<a@>"] {
        let answer =
            |id: &str| format!("Message-ID: <{id}@x>\nIn-Reply-To: {nothing}\nReferences: {nothing}");
        together(
            &[&answer("a"), &answer("b"), "Message-ID: <1>", "Message-ID: <yes>"],
            &[&[0], &[1], &[2], &[3]],
        );
    }
    let about =
        |id: &str| format!("Message-ID: <{id}@x>\nIn-Reply-To: Message from Ann <ann@customer.example>");
    together(&[&about("a"), &about("b")], &[&[0], &[1]]);
}

#[test]
fn every_id_of_in_reply_to_links_and_so_does_a_disagreeing_reference() {
    let answer = "Message-ID: <c@x>\nIn-Reply-To: <a@x> <b@x>";
    together(&["Message-ID: <a@x>", "Message-ID: <b@x>", answer], &[&[0, 1, 2]]);
    let answer = "Message-ID: <c@x>\nIn-Reply-To: <a@x>\nReferences: <b@x>";
    together(&["Message-ID: <a@x>", "Message-ID: <b@x>", answer], &[&[0, 1, 2]]);
}

#[test]
fn an_id_behind_free_text_links() {
    let answer = "Message-ID: <b@x>\nIn-Reply-To: Message from Ann <ann@customer.example> of \"Mon\" <a@x>";
    together(&["Message-ID: <a@x>", answer], &[&[0, 1]]);
}

#[test]
fn references_that_were_cut_at_either_end_find_the_thread() {
    let last = "Message-ID: <z@x>\nReferences: <root@x> <a@x> <b@x>";
    let without_root = "Message-ID: <y@x>\nReferences: <b@x>";
    let root_alone = "Message-ID: <w@x>\nReferences: <root@x>";
    together(&[last, without_root, root_alone], &[&[0, 1, 2]]);
}

#[test]
fn of_a_thousand_references_the_root_and_the_nearest_link() {
    let ids: Vec<String> = (0..1_000).map(|n| format!("<{n}@x>")).collect();
    let long = format!("Message-ID: <long@x>\nReferences: {}", ids.join("\n "));
    together(
        &[&long, "Message-ID: <0@x>", "Message-ID: <999@x>", "Message-ID: <500@x>"],
        &[&[0, 1, 2], &[3]],
    );
}

#[test]
fn children_of_a_parent_that_never_came_meet() {
    let child = |id: &str| format!("Message-ID: <{id}@x>\nIn-Reply-To: <never@x>");
    together(&[&child("a"), &child("b")], &[&[0, 1]]);
}

#[test]
fn circles_are_one_conversation_and_a_mail_that_answers_itself_is_too() {
    let a = "Message-ID: <a@x>\nIn-Reply-To: <c@x>";
    let b = "Message-ID: <b@x>\nIn-Reply-To: <a@x>";
    let c = "Message-ID: <c@x>\nIn-Reply-To: <b@x>";
    together(&[a, b, c, "Message-ID: <d@x>\nReferences: <d@x>"], &[&[0, 1, 2], &[3]]);
}

#[test]
fn one_id_twice_is_one_conversation_whether_the_mails_are_the_same_or_not() {
    let a = "Message-ID: <a@x>";
    together(&[a, a, "Message-ID: <a@x>\nSubject: Another"], &[&[0, 1, 2]]);
}

#[test]
fn a_subject_alone_joins_nobody() {
    together(&["Message-ID: <a@x>", "Message-ID: <b@x>\nSubject: Re: Parcel"], &[&[0], &[1]]);
}

/// Thread-Index of a conversation that began at `began` (seconds since 1970), with so many answers.
fn thread_index(began: u64, guid: u8, answers: usize) -> String {
    let file_time = (began + 11_644_473_600) * 10_000_000;
    let mut bytes = file_time.to_be_bytes()[..6].to_vec();
    bytes.extend([guid; 16]);
    bytes.extend(vec![7; 5 * answers]);
    format!("Thread-Index: {}", STANDARD.encode(bytes))
}

/// Mon, 2 Nov 2026 09:41:00 +0000
const BEGAN: u64 = 1_793_612_460;

#[test]
fn outlooks_thread_index_links_what_lost_its_ids() {
    let root = format!("Message-ID: <a@x>\n{}", thread_index(BEGAN, 1, 0));
    let answer = format!("Message-ID: <b@x>\nSubject: AW: Parcel\n{}", thread_index(BEGAN, 1, 1));
    let other = format!("Message-ID: <c@x>\nSubject: AW: Parcel\n{}", thread_index(BEGAN, 2, 1));
    together(&[&root, &answer, &other], &[&[0, 1], &[2]]);
    let topic = answer.replace("AW: Parcel", "AW: Invoice");
    together(&[&root, &topic], &[&[0], &[1]]);
    let listed = format!("{answer}\nList-Id: <talk.lists.example>");
    together(&[&root, &listed], &[&[0], &[1]]);
}

#[test]
fn a_constant_or_broken_thread_index_links_nobody() {
    let constant = |id: &str| format!("Message-ID: <{id}@x>\n{}", thread_index(BEGAN - 90 * 86_400, 1, 0));
    together(&[&constant("a"), &constant("b")], &[&[0], &[1]]);
    let broken = |id: &str| format!("Message-ID: <{id}@x>\nThread-Index: AdrK0w==");
    together(&[&broken("a"), &broken("b")], &[&[0], &[1]]);
}

/// A question and an answer without references that quotes it.
fn quoting(introduction: &str, quoted: &str, fields: &str) -> Vec<u64> {
    let settings = settings_with(serde_json::json!({"match": {"repairReferences": true}}));
    let words = "Could you please tell me where my parcel is? I have waited for three weeks now.";
    let question = format!(
        "From: Ann <ann@customer.example>\r\nTo: help@us.example\r\nSubject: Parcel\r\nMessage-ID: <q@x>\r\n\
         Date: Mon, 2 Nov 2026 09:41:00 +0000\r\n\r\n{words}\r\n"
    );
    let quote = quoted.replace("WORDS", words);
    let answer = format!(
        "{fields}Message-ID: <r@x>\r\nDate: Tue, 3 Nov 2026 10:00:00 +0000\r\n\r\nIt left today.\r\n\r\n\
         {introduction}\r\n{quote}\r\n"
    );
    conversations(&[read(question.as_bytes(), &settings), read(answer.as_bytes(), &settings)])
}

#[test]
fn an_answer_without_references_is_led_to_what_it_quotes_only_if_everything_fits() {
    const FIELDS: &str = "From: help@us.example\r\nTo: ann@customer.example\r\nSubject: Re: Parcel\r\n";
    const LINE: &str = "On Mon, Nov 2, 2026 at 10:41, Ann <ann@customer.example> wrote:";
    let linked = |line: &str, quote: &str, fields: &str| {
        let labels = quoting(line, quote, fields);
        labels[0] == labels[1]
    };
    assert!(linked(LINE, "> WORDS", FIELDS));
    assert!(
        linked("Am 02.11.2026 um 15:11 schrieb Ann <ann@customer.example>:", "> WORDS", FIELDS),
        "a half-hour zone"
    );
    assert!(
        !linked(LINE, "> Something else that has at least twelve words in it, to be sure.", FIELDS),
        "other words"
    );
    assert!(!linked(LINE, "> Could you please", FIELDS), "too few words");
    assert!(!linked(LINE, "> WORDS", &FIELDS.replace("Re: Parcel", "Re: Invoice")), "another subject");
    assert!(!linked(LINE, "> WORDS", &FIELDS.replace("Re: ", "")), "no answer");
    assert!(!linked(LINE, "> WORDS", &FIELDS.replace("ann@", "bob@")), "to somebody else");
    assert!(!linked(LINE, "> WORDS", &FIELDS.replace("help@", "mallory@")), "from somebody else");
    assert!(!linked(&LINE.replace("10:41", "10:44"), "> WORDS", FIELDS), "another time");
    assert!(!linked(LINE, "> WORDS", &format!("{FIELDS}List-Id: <talk.lists.example>\r\n")), "a list");
}
