//! The scanner alone, and against imap-proto: where the two part, a bound could be walked around.

use super::*;
use async_imap::imap_proto::Response;
use proptest::prelude::*;

const BOUNDS: Bounds = Bounds { max_literal_bytes: 1_000, max_line_bytes: 400, max_paren_depth: 100 };

fn feed(bytes: &[u8]) -> Verdict {
    Scanner::new(BOUNDS).feed(bytes)
}

fn literal(announced: u64) -> Verdict {
    Err(Refusal::Literal { announced, limit: 1_000 })
}

#[test]
fn what_servers_send_passes() {
    for text in [
        "* OK [ALERT] it's (fine {5} \"here\r\n",
        "* OK [PERMANENTFLAGS (\\Answered \\*)] Limited\r\n* 3 EXISTS\r\n* 0 RECENT\r\n",
        "* FLAGS (OIB-Seen-[Gmail]/All \\*)\r\n",
        "* LIST (\\HasNoChildren) \"/\" \"a \\\"b\\\\\"\r\n* LIST () NIL {5}\r\nInbox\r\n",
        "* ID (\"name\" \"x\" \"y\" NIL)\r\n",
        "* STATUS \"a\" (MESSAGES 1 UIDNEXT 2 )  \r\n",
        "* SEARCH 1 2 3 \r\n* SEARCH\r\n",
        "* 1 FETCH (UID 7 FLAGS (\\Seen) MODSEQ (12) INTERNALDATE \" 7-Feb-2026 00:00:00 +0000\" BODY[] {3}\r\n((()\r\n",
        "* 1 FETCH (UID 7 BODY[] \"quoted\" RFC822.SIZE 6)\r\n* 2 FETCH (BODY[] NIL)\r\n* 3 FETCH (BODY[] {0}\r\n)\r\n",
        "* 1 FETCH (BODY[] {19}\r\nx {999999999}\r\n\0\"(( UID 7)\r\n",
        "+ idling\r\n+\r\ni1 OK [X (]] done\r\n",
    ] {
        assert_eq!(feed(text.as_bytes()), Ok(()), "{text}");
    }
}

/// D01, D03, reliability 18: the size that counts is the announced one, before a byte of it has come.
#[test]
fn a_literal_over_the_bound_is_refused_when_it_is_announced() {
    assert_eq!(feed(b"* 1 FETCH (BODY[] {1000}\r\n"), Ok(()));
    assert_eq!(feed(b"* 1 FETCH (BODY[] {1001}\r\n"), literal(1_001));
    assert_eq!(feed(b"* 1 FETCH (RFC822.SIZE 3 BODY[] {2000000000}\r\n"), literal(2_000_000_000));
    assert_eq!(feed(b"* 1 FETCH (BODY[] {99999999999999999999999}\r\n"), literal(u64::MAX));
    assert_eq!(feed(b"* LIST () \"/\" {5000}\r\n"), literal(5_000));
    assert_eq!(feed(b"* OK hello {5000}\r\n"), literal(5_000));
    // BINARY (RFC 3516) and LITERAL+ (RFC 7888): the same bound, and never asked for.
    assert_eq!(feed(b"* 1 FETCH (BINARY[1] ~{5000}\r\n"), literal(5_000));
    assert_eq!(feed(b"* 1 FETCH (BODY[] {5000+}\r\n"), literal(5_000));
    assert!(matches!(feed(b"* 1 FETCH (BINARY[1] ~{5}\r\n"), Err(Refusal::Malformed(_))));
    assert!(matches!(feed(b"* 1 FETCH (BODY[] {5+}\r\n"), Err(Refusal::Malformed(_))));
}

#[test]
fn many_literals_of_one_response_count_together() {
    let one = [b" X {400}\r\n".as_slice(), &[b'x'; 400]].concat();
    let rows = |count: usize| [b"* 1 FETCH (UID 7".as_slice(), &one.repeat(count), b")\r\n"].concat();
    assert_eq!(feed(&rows(2)), Ok(()));
    assert_eq!(feed(&rows(3)), literal(400));
    assert_eq!(feed(&rows(2).repeat(5)), Ok(()));
}

/// Reliability 20: the parser's time grows with the square of the line.
#[test]
fn a_line_over_the_bound_is_refused_even_in_small_pieces() {
    let line = [b"* SEARCH".as_slice(), &b" 1".repeat(200)].concat();
    assert_eq!(feed(&line), Err(Refusal::Line { limit: 400 }));
    let pieces = [b"* 1 FETCH (".as_slice(), &b"X {1}\r\na ".repeat(50)].concat();
    assert_eq!(feed(&pieces), Err(Refusal::Line { limit: 400 }));
}

/// Reliability 21: the parser recurses.
#[test]
fn deep_parentheses_are_refused_but_not_inside_literals_and_texts() {
    let nested = [b"* LIST ".as_slice(), &b"(".repeat(101)].concat();
    assert_eq!(feed(&nested), Err(Refusal::Depth { limit: 100 }));
    assert_eq!(feed(b"* 1 FETCH (BODYSTRUCTURE ((("), Err(Refusal::Depth { limit: 2 }));
    assert_eq!(feed(&[b"* OK ".as_slice(), &b"(".repeat(300), b"\r\n"].concat()), Ok(()));
    let body = [b"* 1 FETCH (BODY[] {900}\r\n".as_slice(), &b"(".repeat(900), b")\r\n"].concat();
    assert_eq!(feed(&body), Ok(()));
}

/// Each of these makes imap-proto and a plain reading of RFC 3501 part; a nesting behind it would overflow the stack.
#[test]
fn what_the_parser_reads_loosely_is_refused() {
    for text in [
        "* OK {5}\r\n",
        "* NO [BADCHARSET ({5}\r\n",
        "i1 OK {5}\r\n",
        "+ {5}\r\n",
        "* 1 FETCH (X ({20}\r\n",
        "* 1 FETCH (X a{20}\r\n",
        "* 1 FETCH (X a\r\n",
        "* 1 FETCH (X a\"b\" Y c)\r\n",
        "* 1 FETCH (X (\"b) Y \")) Z \" V \"\r\n",
        "* 1 FETCH (X \"a\\x\" Y 1)\r\n",
        "* 1 FETCH (X \"a\"b Y 1)\r\n",
        "* 1 FETCH (X \"a\r\n",
        "* LIST (\\A\r\n",
    ] {
        assert!(matches!(feed(text.as_bytes()), Err(Refusal::Malformed(_))), "{text}");
    }
}

/// imap-proto cuts a text one byte behind the code, and reads METADATA as UTF-8 without asking.
#[test]
fn what_makes_the_parser_panic_is_refused() {
    assert!(feed("* OK [ALERT]é\r\n".as_bytes()).is_err());
    assert!(feed(b"i1 OK [READ-ONLY]\xff\r\n").is_err());
    assert!(feed(b"* METADATA \"\xff\" (").is_err());
    assert!(feed(b"* metadata \"\" (").is_err());
    assert_eq!(feed("* OK [ALERT] é\r\n".as_bytes()), Ok(()));
}

/// Words a hostile or broken server could put together.
fn tokens() -> impl Strategy<Value = Vec<u8>> {
    let words: &[&[u8]] = &[
        b"* ",
        b"* 1 FETCH (",
        b"* OK ",
        b"* NO [BADCHARSET (",
        b"* LIST (",
        b"* ID (",
        b"* SEARCH 1",
        b"* FLAGS (",
        b"* STATUS x (",
        b"* 2 EXISTS",
        b"* CAPABILITY IMAP4rev1",
        b"+ ",
        b"i1 OK ",
        b"i1 NO [",
        b"] ",
        b"]",
        b"\r\n",
        b"\r\n",
        b"\n",
        b"\r",
        b" ",
        b" ",
        b"(",
        b")",
        b")",
        b"\"",
        b"\"",
        b"\\",
        b"{",
        b"}",
        b"{3}\r\n",
        b"{3}\r\nabc",
        b" {4}\r\n(\"(\"",
        b"~{2}\r\nab",
        b"{2+}\r\nab",
        b"UID 7",
        b"FLAGS (\\Seen)",
        b"BODY[] ",
        b"BODY[TEXT] ",
        b"X-FOO ",
        b"X",
        b"a",
        b"NIL",
        b"\"/\" ",
        b"\"x\"",
        b"INTERNALDATE \"",
        b"MODSEQ (1)",
        b"1",
        b"\0",
        b"\xc3\xa9",
        b"BODYSTRUCTURE ((",
        b"ENVELOPE (",
        b"THREADID (",
        b"\\Noselect",
    ];
    proptest::collection::vec(proptest::sample::select(words), 1..30).prop_map(|words| words.concat())
}

/// FETCH rows put together from what imap-proto reads loosely, with a row behind them.
fn loose_rows() -> impl Strategy<Value = Vec<u8>> {
    let pieces: &[&[u8]] = &[
        b" X a",
        b" X a",
        b" X (",
        b" X (b)",
        b" X \"",
        b" X \"b\"",
        b" X {4}\r\n",
        b" X a{4}\r\n",
        b"{4}\r\n",
        b"\" Y ",
        b"\"",
        b"\\",
        b"\r\n",
        b"\r\n*",
        b")",
        b"))",
        b" ",
        b"(",
        b"c",
        b"abcd",
        b") (\"",
        b"\")",
        b" Y (\"b) Z \"",
    ];
    proptest::collection::vec(proptest::sample::select(pieces), 1..8).prop_map(|pieces| {
        [b"* 1 FETCH (UID 7", &*pieces.concat(), b" V 1)\r\n* 2 FETCH (UID 8)\r\n"].concat()
    })
}

/// Offsets at which the scanner sees a response end, up to where it refuses.
fn scanner_ends(bytes: &[u8]) -> (Vec<usize>, usize) {
    let mut scanner = Scanner::new(BOUNDS);
    let mut ends = Vec::new();
    for (at, byte) in bytes.iter().enumerate() {
        if scanner.feed(std::slice::from_ref(byte)).is_err() {
            return (ends, at);
        }
        if scanner.is_between_responses() {
            ends.push(at + 1);
        }
    }
    (ends, bytes.len())
}

/// Offsets at which imap-proto sees a response end, up to where it stops for good.
fn parser_ends(bytes: &[u8]) -> Vec<usize> {
    let mut ends = Vec::new();
    let mut rest = bytes;
    while let Ok((behind, _)) = Response::parse(rest) {
        rest = behind;
        ends.push(bytes.len() - rest.len());
    }
    ends
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 10_000, ..ProptestConfig::default() })]

    /// However long the parser gets through what the scanner let pass, both see the same ends, and the parser does not panic.
    #[test]
    fn scanner_and_parser_agree_on_every_response(bytes in tokens()) {
        let (ours, passed) = scanner_ends(&bytes);
        let theirs = parser_ends(&bytes[..passed]);
        prop_assert!(ours.starts_with(&theirs), "ours {:?}, theirs {:?}", ours, theirs);
    }

    #[test]
    fn scanner_and_parser_agree_on_loose_rows(bytes in loose_rows()) {
        let (ours, passed) = scanner_ends(&bytes);
        let theirs = parser_ends(&bytes[..passed]);
        prop_assert!(ours.starts_with(&theirs), "ours {:?}, theirs {:?}", ours, theirs);
    }

    /// The same verdict however the stream is cut.
    #[test]
    fn cutting_the_stream_changes_nothing(bytes in tokens(), cut in 0..200_usize) {
        let whole = feed(&bytes);
        let (first, second) = bytes.split_at(cut.min(bytes.len()));
        let mut scanner = Scanner::new(BOUNDS);
        let cut = scanner.feed(first).and_then(|()| scanner.feed(second));
        prop_assert_eq!(whole, cut);
    }

    #[test]
    fn random_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..2_000)) {
        let _ = feed(&bytes);
    }
}
