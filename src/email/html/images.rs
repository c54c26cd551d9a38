//! The images of sanitized HTML: those of the mail itself are pointed at where they are kept, those of others are
//! held back, because showing them would tell a stranger when and where the mail is read.
//!
//! Knows only what [`super::sanitize`] writes: lower-case names, values in double quotes, `<` nowhere but before a
//! tag. Linear; what it does not know stays as it is.

use crate::email::parameter::percent_decode;
use std::borrow::Cow;

/// The attribute that the source of a remote image is moved to.
const REMOTE: &str = "data-remote-src";

/// Replaces the `cid:` sources of images in sanitized HTML: `target` gets the Content-ID and gives the new
/// URL, or `None` to leave the source as it is.
#[must_use]
pub fn map_cids(html: &str, target: impl Fn(&str) -> Option<String>) -> String {
    rewrite(html, |source| {
        let url = target(&decode_cid(source.strip_prefix("cid:")?))?;
        let mut escaped = String::with_capacity(url.len());
        escape_attribute(&url, &mut escaped);
        Some(("src", escaped.into()))
    })
}

/// Moves the source of every remote image to `data-remote-src`, where no reader loads it by itself; and says how many
/// there are.
pub(crate) fn hold_back_remote(html: &str) -> (String, usize) {
    let mut held = 0;
    let html = rewrite(html, |source| {
        let is_own = ["cid:", "data:"].iter().any(|scheme| source.starts_with(scheme));
        (!is_own).then(|| {
            held += 1;
            (REMOTE, source.into())
        })
    });
    (html, held)
}

/// Gives `change` the source of every image, as it is written; what it gives back is written instead: the name of the
/// attribute and its value, escaped.
fn rewrite<'h>(
    html: &'h str,
    mut change: impl FnMut(&'h str) -> Option<(&'static str, Cow<'h, str>)>,
) -> String {
    let mut out = String::with_capacity(html.len());
    let mut rest = html;
    while let Some((before, tag)) = rest.split_once("<img ") {
        out.push_str(before);
        out.push_str("<img ");
        rest = tag;
        // `name="value"`, again and again.
        while let Some((name, value, after)) = attribute(rest) {
            let (name, value) = match name {
                "src" => change(value).unwrap_or((name, value.into())),
                _ => (name, value.into()),
            };
            out.extend([name, "=\"", &value, "\""]);
            rest = after;
            if let Some(after) = rest.strip_prefix(' ') {
                out.push(' ');
                rest = after;
            }
        }
    }
    out.push_str(rest);
    out
}

/// The attribute that `text` begins with, and what follows it.
fn attribute(text: &str) -> Option<(&str, &str, &str)> {
    let end = text.bytes().position(|b| !b.is_ascii_alphanumeric() && b != b'-').filter(|end| *end > 0)?;
    let (name, rest) = text.split_at_checked(end)?;
    let (value, after) = rest.strip_prefix("=\"")?.split_once('"')?;
    Some((name, value, after))
}

fn escape_attribute(url: &str, out: &mut String) {
    for c in url.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            c => out.push(c),
        }
    }
}

/// RFC 2392: the Content-ID with `%hh` codes; inside an attribute also with entities.
fn decode_cid(id: &str) -> String {
    let id = id.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&amp;", "&");
    let mut bytes = Vec::with_capacity(id.len());
    percent_decode(id.as_bytes(), &mut bytes);
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::super::sanitize;
    use super::*;

    #[test]
    fn remote_images_are_held_back_and_counted_and_own_ones_stay() {
        let source = "<p title='src=\"https://x/\"'>&lt;img src=\"https://a/\"&gt; <img alt='a > b' \
            src='https://t.example/p?a=1&b=\"2\"' width=1><img src=cid:leaf><img src='data:image/png;base64,AA=='>\
            <a href='https://t.example/'>x</a><IMG SRC=HTTP://T.example/2></p>";
        let clean = sanitize(source).sanitized.unwrap();
        let (held, count) = hold_back_remote(&clean);
        assert_eq!(count, 2, "{held}");
        assert!(held.contains("data-remote-src=\"https://t.example/p?a=1&amp;b=&quot;2&quot;\""), "{held}");
        assert!(held.contains("<img src=\"cid:leaf\">") && held.contains("src=\"data:image/png"), "{held}");
        assert!(held.contains("img src=\"https://a/\""), "text is no tag: {held}");
        assert!(held.contains("href=\"https://t.example/\""), "a link is followed by hand only");
        assert_eq!(hold_back_remote(&held), (held.clone(), 0));
        let plain = clean.replace(" data-remote-src=", " src=");
        assert_eq!(held.replace(" data-remote-src=", " src="), plain, "nothing else is touched");
    }

    #[test]
    fn tags_that_are_not_as_we_write_them_stay_as_they_are() {
        for odd in
            ["<img ", "<img src", "<img src=\"", "<img src=\"a", "<img a='b' src=\"x\">", "<img  src=\"x\">"]
        {
            assert_eq!(hold_back_remote(odd), (odd.to_owned(), 0));
        }
        let flood = "<img ".repeat(100_000);
        assert_eq!(hold_back_remote(&flood).0, flood);
    }
}
