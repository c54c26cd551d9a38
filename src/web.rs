//! HTTP GET at hosts that configuration or a payload names: an address is vetted after it was resolved
//! and the very address that was vetted is connected to; no proxy, no redirect unless it is asked for
//! (each place vetted anew), a bound on what is read, a deadline on all of it. What the bytes mean is the
//! caller's.

use crate::imap::{Network, vet};
use bytes::{Bytes, BytesMut};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, LOCATION, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Client, Response, Url};
use secrecy::{ExposeSecret as _, SecretString};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// Until a connection stands, TLS included.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);
/// All of one answer, redirects included.
const LIMIT: Duration = Duration::from_secs(60);
/// Places that are gone to after the first.
const MOST_REDIRECTS: usize = 3;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum WebError {
    /// The URL leads where nobody may be sent, or is none.
    #[error("the address may not be used: {0}")]
    Refused(String),
    /// It did not answer, or not to the end.
    #[error("the server could not be reached: {0}")]
    Unreachable(String),
    /// It has more than may be read.
    #[error("the answer is larger than {limit_bytes} bytes")]
    TooLarge {
        /// The bound.
        limit_bytes: usize,
    },
}

impl WebError {
    /// Whether the same request may work later.
    #[must_use]
    pub fn may_retry(&self) -> bool {
        matches!(self, Self::Unreachable(_))
    }
}

/// What a server answered.
#[derive(Debug)]
pub struct WebAnswer {
    /// The status.
    pub status: u16,
    /// The media type, without parameters, lower case.
    pub content_type: Option<String>,
    /// How long it asks to be left alone, in seconds.
    pub retry_after_seconds: Option<u32>,
    /// The body; empty where the status is not 2xx.
    pub body: Bytes,
}

/// One request.
#[derive(Debug, Clone, Copy)]
pub struct WebRequest<'a> {
    /// Where to, `https://` or `http://`.
    pub url: &'a str,
    /// The Authorization header. It is shown to the host of `url` alone.
    pub authorization: Option<&'a SecretString>,
    /// Whether redirects are followed.
    pub redirects: bool,
    /// What is read at most.
    pub limit_bytes: usize,
}

/// Makes requests under the rules of one network. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Web {
    client: Client,
    allow_private: bool,
}

/// There is no TLS client to be had.
#[derive(Debug, thiserror::Error)]
#[error("no HTTP client could be made: {0}")]
pub struct WebSetupError(String);

impl Web {
    /// A client under the rules of `network`.
    ///
    /// # Errors
    /// [`WebSetupError`].
    pub fn new(network: &Network) -> Result<Self, WebSetupError> {
        let client = Client::builder()
            .tls_backend_preconfigured(network.tls.as_ref().clone())
            .redirect(Policy::none())
            .no_proxy()
            .connect_timeout(CONNECT_LIMIT)
            .pool_idle_timeout(Duration::from_secs(30))
            .pool_max_idle_per_host(2)
            .dns_resolver(VettedNames { allow_private: network.allow_private_hosts })
            .user_agent(concat!("inlet/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| WebSetupError(reason(&error)))?;
        Ok(Self { client, allow_private: network.allow_private_hosts })
    }

    /// Gets what is there.
    ///
    /// # Errors
    /// [`WebError`]. An answer of any status is no error.
    pub async fn get(&self, request: WebRequest<'_>) -> Result<WebAnswer, WebError> {
        let words = || WebError::Unreachable(format!("no whole answer within {} seconds", LIMIT.as_secs()));
        tokio::time::timeout(LIMIT, self.follow(request)).await.map_err(|_| words())?
    }

    async fn follow(&self, request: WebRequest<'_>) -> Result<WebAnswer, WebError> {
        let first =
            self.vetted(Url::parse(request.url).map_err(|error| WebError::Refused(error.to_string()))?)?;
        let mut url = first.clone();
        for _ in 0..=MOST_REDIRECTS {
            let mut sending = self.client.get(url.clone());
            if let Some(secret) = request.authorization.filter(|_| url.origin() == first.origin()) {
                let mut value = HeaderValue::from_str(secret.expose_secret())
                    .map_err(|_| WebError::Refused("its token cannot stand in a header".to_owned()))?;
                value.set_sensitive(true);
                sending = sending.header(AUTHORIZATION, value);
            }
            let response = sending.send().await.map_err(|error| explain(&error))?;
            match response
                .headers()
                .get(LOCATION)
                .filter(|_| request.redirects && response.status().is_redirection())
            {
                None => return read(response, request.limit_bytes).await,
                Some(place) => {
                    let place = place.to_str().ok().and_then(|place| url.join(place).ok());
                    let place =
                        place.ok_or_else(|| WebError::Refused("its redirect is no URL".to_owned()))?;
                    if url.scheme() == "https" && place.scheme() != "https" {
                        return Err(WebError::Refused("its redirect leaves TLS".to_owned()));
                    }
                    url = self.vetted(place)?;
                }
            }
        }
        Err(WebError::Refused("it redirects too often".to_owned()))
    }

    /// An address in the URL itself never comes by the resolver.
    fn vetted(&self, url: Url) -> Result<Url, WebError> {
        if !matches!(url.scheme(), "https" | "http") {
            return Err(WebError::Refused("it begins neither with https:// nor with http://".to_owned()));
        }
        let host = url.host_str().unwrap_or_default();
        let host = host.trim_start_matches('[').trim_end_matches(']');
        if let Ok(address) = host.parse::<IpAddr>() {
            vet(address, self.allow_private).map_err(|why| WebError::Refused(why.to_string()))?;
        }
        Ok(url)
    }
}

async fn read(mut response: Response, limit_bytes: usize) -> Result<WebAnswer, WebError> {
    let headers = response.headers();
    let mut answer = WebAnswer {
        status: response.status().as_u16(),
        content_type: media_type(headers),
        retry_after_seconds: text(headers.get(RETRY_AFTER)).and_then(|text| text.trim().parse().ok()),
        body: Bytes::new(),
    };
    if !response.status().is_success() {
        return Ok(answer);
    }
    let announced = response.content_length().and_then(|bytes| usize::try_from(bytes).ok()).unwrap_or(0);
    if announced > limit_bytes {
        return Err(WebError::TooLarge { limit_bytes });
    }
    // What is announced is not believed: memory is taken for what has come.
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| explain(&error))? {
        if body.len() + chunk.len() > limit_bytes {
            return Err(WebError::TooLarge { limit_bytes });
        }
        body.extend_from_slice(&chunk);
    }
    answer.body = body.freeze();
    Ok(answer)
}

fn text(value: Option<&HeaderValue>) -> Option<&str> {
    value.and_then(|value| value.to_str().ok())
}

fn media_type(headers: &HeaderMap) -> Option<String> {
    let essence = text(headers.get(CONTENT_TYPE))?.split(';').next()?.trim().to_ascii_lowercase();
    (essence.contains('/') && essence.len() <= 100).then_some(essence)
}

/// What went wrong, without the URL, which may hold a token.
fn explain(error: &reqwest::Error) -> WebError {
    let mut source: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(inner) = source {
        if inner.is::<NoAddress>() {
            return WebError::Refused(NoAddress.to_string());
        }
        source = inner.source();
    }
    WebError::Unreachable(reason(error))
}

/// What went wrong, without the URL.
pub(crate) fn reason(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "it did not answer in time".to_owned();
    }
    let mut source: &dyn std::error::Error = error;
    while let Some(inner) = source.source() {
        source = inner;
    }
    source.to_string().chars().filter(|c| !c.is_control()).take(200).collect()
}

/// The name is known, and nowhere that it leads may be gone.
#[derive(Debug, thiserror::Error)]
#[error("its host has no address that may be connected to")]
struct NoAddress;

/// Gives only addresses that may be connected to, so that a name cannot lead where its address may not.
pub(crate) struct VettedNames {
    pub(crate) allow_private: bool,
}

impl Resolve for VettedNames {
    fn resolve(&self, name: Name) -> Resolving {
        let allow_private = self.allow_private;
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let good: Vec<SocketAddr> =
                found.filter(|address| vet(address.ip(), allow_private).is_ok()).collect();
            if good.is_empty() {
                return Err(NoAddress.into());
            }
            let addresses: Addrs = Box::new(good.into_iter());
            Ok(addresses)
        })
    }
}
