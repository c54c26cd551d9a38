//! HTML of mails: made harmless, and rendered to text.
//!
//! What is too large or too deep for the parsers below (see [`bounds`]) is never given to them: then only
//! its text is kept, by a linear scan. `cid:` images keep their reference; [`map_cids`] points them elsewhere.
//! Remote images are held back ([`hold_back_remote`]).

mod bounds;
mod images;
mod render;

pub(crate) use images::hold_back_remote;
pub use images::map_cids;

use ammonia::Builder;
use std::borrow::Cow;
use std::sync::LazyLock;

/// Largest HTML that is sanitized, in bytes.
pub const HTML_LIMIT_BYTES: usize = bounds::SIZE_LIMIT_BYTES;

/// What became of one HTML body.
pub(crate) struct Html {
    /// Sanitized; `None` where the source was out of bounds or nothing is left.
    pub sanitized: Option<String>,
    /// Whether the source was out of bounds.
    pub limited: bool,
}

/// Removes scripts, styles, forms, event handlers and every URL scheme that can run code.
pub(crate) fn sanitize(source: &str) -> Html {
    if !bounds::within(source) {
        return Html { sanitized: None, limited: true };
    }
    let clean = SANITIZER.clean(source).to_string();
    let clean = super::clean::body(clean);
    if clean.len() > 4 * HTML_LIMIT_BYTES {
        return Html { sanitized: None, limited: true };
    }
    Html { sanitized: (!clean.trim().is_empty()).then_some(clean), limited: false }
}

/// The text of an HTML body; `sanitized` is what [`sanitize`] made of it.
pub(crate) fn text(source: &str, sanitized: Option<&str>) -> String {
    let rendered = sanitized.and_then(render::text);
    rendered.unwrap_or_else(|| bounds::strip_tags(source))
}

static SANITIZER: LazyLock<Builder<'static>> = LazyLock::new(|| {
    let mut builder = Builder::default();
    builder
        .add_tags(["font", "big"])
        .add_clean_content_tags(["title", "template", "noscript", "iframe", "object", "applet"])
        .add_tag_attributes("font", ["color", "size", "face"])
        .add_tag_attributes("td", ["bgcolor", "valign", "width", "height"])
        .add_tag_attributes("th", ["bgcolor", "valign", "width", "height"])
        .add_tag_attributes("tr", ["bgcolor", "valign"])
        .add_tag_attributes("table", ["bgcolor", "border", "cellpadding", "cellspacing", "width"])
        .add_generic_attributes(["dir"])
        .add_url_schemes(["cid", "data"])
        .url_relative(ammonia::UrlRelative::Deny)
        .attribute_filter(|element, attribute, value| {
            let is_image = element == "img" && attribute == "src";
            if !attribute_is_url(attribute) {
                return Some(Cow::Borrowed(value));
            }
            // Browsers drop tabs, line ends and leading controls before they look at the scheme.
            let url: String = value.chars().filter(|c| !c.is_control()).collect();
            let url = url.trim();
            match url.split_once(':') {
                Some((scheme, id)) if scheme.eq_ignore_ascii_case("cid") => {
                    is_image.then(|| format!("cid:{id}").into())
                }
                Some((scheme, _)) if scheme.eq_ignore_ascii_case("data") => {
                    (is_image && is_inline_image(url)).then(|| url.to_owned().into())
                }
                // Nobody follows it; the library lets every scheme through there.
                Some((scheme, _)) if attribute == "cite" => {
                    ["http", "https"].iter().any(|web| scheme.eq_ignore_ascii_case(web)).then(|| value.into())
                }
                _ => Some(Cow::Borrowed(value)),
            }
        });
    builder
});

fn attribute_is_url(attribute: &str) -> bool {
    matches!(attribute, "href" | "src" | "cite")
}

/// Raster images only: SVG can run scripts.
fn is_inline_image(value: &str) -> bool {
    let value = value.get(..value.floor_char_boundary(32)).unwrap_or_default().to_ascii_lowercase();
    ["data:image/png;", "data:image/jpeg;", "data:image/gif;", "data:image/webp;"]
        .iter()
        .any(|start| value.starts_with(start))
}
