//! Quotes and signatures marked in HTML.

use crate::email::reply::cut_html;

const ANSWER: &str = "<div>The net is mended.</div>";

/// The text of HTML, tags taken off.
fn text(html: &str) -> String {
    let mut out = String::new();
    let mut inside = false;
    for c in html.chars() {
        match c {
            '<' => inside = true,
            '>' => inside = false,
            c if !inside && !c.is_whitespace() => out.push(c),
            _ => {}
        }
    }
    out
}

fn assert_cut(html: &str, visible: &str) {
    let cut = cut_html(html).unwrap_or_else(|| panic!("nothing found in {html}"));
    assert_eq!(text(&cut.visible), text(visible), "{html}");
    assert!(cut.quoted.is_some_and(|quoted| quoted.contains("old words")), "{html}");
}

#[test]
fn quotes_of_mail_programs_are_found() {
    for quote in [
        r#"<div class="gmail_quote"><div class="gmail_attr">On 3 May 2021, Ann wrote:</div><blockquote class="gmail_quote">old words</blockquote></div>"#,
        r#"<div class="gmail_quote gmail_quote_container">old words</div>"#,
        r#"<div class="x_gmail_quote">old words</div>"#,
        r#"<blockquote type="cite"><div>On 3 May 2021, Ann wrote:</div>old words</blockquote>"#,
        r#"<div class="moz-cite-prefix">Am 3.5.2021 um 10:00 schrieb Ann:<br></div><blockquote type='cite' cite="mid:1">old words</blockquote>"#,
        r#"<div id="appendonsend"></div><hr style="width:98%"><div id="divRplyFwdMsg"><b>From:</b> Ann</div><div>old words</div>"#,
        r#"<hr><div id=divRplyFwdMsg dir=ltr><b>From:</b> Ann</div><div>old words</div></body></html>"#,
        r#"<div style="border:none;border-top:solid #E1E1E1 1.0pt;padding:3.0pt 0cm 0cm 0cm"><p><b>From:</b> Ann</p></div><p>old words</p>"#,
        r#"<div style='border:none; border-top: solid #B5C4DF 1.0pt; padding:3.0pt 0in 0in 0in'>From: Ann</div>old words"#,
        r#"<div class="yahoo_quoted" id="yahoo_quoted_1234567">On Monday Ann wrote: old words</div>"#,
        r#"<div class="protonmail_quote">On Monday Ann wrote:<br><blockquote>old words</blockquote></div>"#,
        r#"<hr id="zwchr" data-marker="__DIVIDER__"><div data-marker="__HEADERS__">From: Ann</div><div data-marker="__QUOTED_TEXT__">old words</div>"#,
        r#"<div class="zmail_extra">---- On Mon Ann wrote ----<blockquote>old words</blockquote></div>"#,
        r#"<div name="messageReplySection">On 3 May 2021, Ann wrote:<br><blockquote>old words</blockquote></div>"#,
        r#"<p id="reply-intro">On 2021-05-03 10:00, Ann wrote:</p><blockquote type="cite">old words</blockquote>"#,
        r#"<div>On Mon, 3 May 2021 at 10:00, Ann &lt;<a href="mailto:a@b.example">a@b.example</a>&gt; wrote:<br></div><blockquote style="margin:0"><p>old words</p></blockquote>"#,
        r#"<p>Le lun. 3 mai 2021 à 10:00, Ann a écrit&nbsp;:</p><blockquote>old words</blockquote>"#,
    ] {
        assert_cut(&format!("<html><body>{ANSWER}<br>{quote}</body></html>").replace(">-<", "><"), ANSWER);
    }
}

#[test]
fn words_below_a_quote_stay() {
    assert_cut(
        r#"<blockquote type="cite">old words <blockquote type="cite">older</blockquote> more</blockquote><p>Below.</p>"#,
        "Below.",
    );
    assert_cut(
        &format!(r#"{ANSWER}<div class="gmail_quote">old words<p>one<p>two</div><p>Below.</p>"#),
        "The net is mended. Below.",
    );
}

#[test]
fn a_border_that_decorates_is_no_history() {
    assert_eq!(cut_html(r#"<p>Hi</p><div style="border-top:solid red 1px">Offer</div>"#), None);
    assert_eq!(cut_html("<p>He said:</p><blockquote>Be here now.</blockquote>"), None);
    assert_eq!(cut_html("<p>no marks at all</p>"), None);
}

#[test]
fn a_forward_stays_visible() {
    for html in [
        r#"<div>See below.</div><div class="gmail_quote"><div class="gmail_attr">---------- Forwarded message ---------<br>From: Ann</div>old words</div>"#,
        r#"<div>See below.</div><blockquote type="cite"><div>Begin forwarded message:</div><br>From: Ann<br>old words</blockquote>"#,
    ] {
        assert_eq!(cut_html(html), None, "{html}");
    }
}

#[test]
fn where_nothing_would_be_left_nothing_is_cut() {
    assert_eq!(cut_html(r#"<div> &nbsp;<br></div><div class="gmail_quote">old words</div>"#), None);
    assert_eq!(cut_html(r#"<style>p{}</style><div id="divRplyFwdMsg">From: Ann</div>old words"#), None);
    let picture = r#"<img src="cid:1"><div class="gmail_quote">old words</div>"#;
    assert!(cut_html(picture).is_some_and(|cut| cut.visible.contains("cid:1")));
}

#[test]
fn marked_signatures_are_set_apart() {
    for sign in [
        r#"<div class="gmail_signature" data-smartmail="gmail_signature">Ann, Harbour</div>"#,
        r#"<pre class="moz-signature">-- <br>Ann, Harbour</pre>"#,
        r#"<div id="ms-outlook-mobile-signature">Ann, Harbour</div>"#,
    ] {
        let cut = cut_html(&format!("{ANSWER}{sign}<div class=gmail_quote>old words</div>")).unwrap();
        assert_eq!(text(&cut.visible), text(ANSWER));
        assert!(cut.signature.is_some_and(|signature| signature.contains("Harbour")));
    }
    assert_eq!(cut_html(r#"<div class="gmail_signature">Ann</div>"#), None);
}

#[test]
fn markup_inside_scripts_and_comments_marks_nothing() {
    assert_eq!(
        cut_html(
            r#"<p>Hi</p><!-- <div class="gmail_quote">x</div> --><script>"<div class='gmail_quote'>x</div>"</script>"#
        ),
        None
    );
}

#[test]
fn what_a_cut_leaves_open_is_closed() {
    let cut = cut_html(r#"<div><b>The net</b><div id="appendonsend"></div>old words</div>"#).unwrap();
    assert_eq!(cut.visible, "<div><b>The net</b></div>");
}
