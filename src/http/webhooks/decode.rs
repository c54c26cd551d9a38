//! Content codings of request bodies. The bound holds for what comes out, while it comes out.

use crate::http::ApiError;
use axum::http::StatusCode;
use bytes::Bytes;
use flate2::read::{MultiGzDecoder, ZlibDecoder};
use std::io::Read;

/// How many bytes one byte of deflate can become at most (the format's own bound is 1,032).
pub(super) const WIDEST_RATIO: usize = 1_032;

/// The body with its coding undone; the same bytes where there is none.
///
/// # Errors
/// 413 above `limit_bytes`, 415 for a coding that is not taken, 400 for a damaged one.
pub(super) async fn decode(
    coding: Option<&str>,
    wire: &Bytes,
    limit_bytes: usize,
) -> Result<Bytes, ApiError> {
    let coding = coding.unwrap_or_default().trim().to_ascii_lowercase();
    if matches!(coding.as_str(), "" | "identity") {
        return Ok(wire.clone());
    }
    if !matches!(coding.as_str(), "gzip" | "x-gzip" | "deflate") {
        return Err(ApiError::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "UNSUPPORTED_CONTENT_ENCODING",
            "This content encoding is not taken here; send the body plain, as gzip or as deflate.",
        ));
    }
    let wire = wire.clone();
    // Unfolding costs processor time that its sender decides on: not on the event loop.
    let work = tokio::task::spawn_blocking(move || match coding.as_str() {
        "deflate" => unfold(ZlibDecoder::new(&*wire), limit_bytes),
        _ => unfold(MultiGzDecoder::new(&*wire), limit_bytes),
    });
    work.await.map_err(ApiError::internal)?
}

fn unfold(decoder: impl Read, limit_bytes: usize) -> Result<Bytes, ApiError> {
    let most = u64::try_from(limit_bytes).unwrap_or(u64::MAX).saturating_add(1);
    let mut out = Vec::new();
    decoder.take(most).read_to_end(&mut out).map_err(|_| {
        ApiError::new(
            StatusCode::BAD_REQUEST,
            "MALFORMED_BODY",
            "The request body is not what its content encoding says.",
        )
    })?;
    if out.len() > limit_bytes { Err(ApiError::too_large(limit_bytes)) } else { Ok(out.into()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use std::io::Write as _;

    fn gzip(bytes: &[u8]) -> Bytes {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap().into()
    }

    #[tokio::test]
    async fn a_bomb_ends_at_the_limit() {
        // Expectation 70.
        let bomb = gzip(&vec![0; 20_000_000]);
        assert!(bomb.len() < 100_000);
        assert_eq!(decode(Some("gzip"), &bomb, 1_000_000).await.unwrap_err().status().as_u16(), 413);
        assert_eq!(decode(Some("GZIP"), &gzip(b"{}"), 2).await.unwrap(), "{}");
        assert_eq!(
            decode(Some("gzip"), &Bytes::from_static(b"{}"), 9).await.unwrap_err().status().as_u16(),
            400
        );
        assert_eq!(
            decode(Some("br"), &Bytes::from_static(b"{}"), 9).await.unwrap_err().status().as_u16(),
            415
        );
        assert_eq!(decode(None, &Bytes::from_static(b"{}"), 9).await.unwrap(), "{}");
    }
}
