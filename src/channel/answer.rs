//! What a provider hears when its request is kept. Never a field of the payload: some providers
//! execute what an answer says (Telegram a `method`, Twilio TwiML).

use super::error::Fault;
use super::settings::Table;

/// The answer to an accepted request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// 200 to 299.
    pub status: u16,
    /// A fixed body; none means our own report of what became of the messages.
    pub body: Option<String>,
    /// The media type of `body`.
    pub content_type: String,
    /// What is answered to a request that is not taken now, though it may be later: 429 above the rate limit
    /// and 404 while the surface is paused, or 503 for both, where a provider takes any 4xx for a refusal.
    pub refuses_for_now: bool,
    /// Whether the provider sends each request once, whatever it is answered: where too many requests wait, its own
    /// go to the spool in place of a 503.
    pub is_final: bool,
}

impl Default for Answer {
    fn default() -> Self {
        let content_type = "text/plain".to_owned();
        Self { status: 200, body: None, content_type, refuses_for_now: false, is_final: false }
    }
}

impl Answer {
    /// Compiles `answer` over what the preset says.
    pub(super) fn compile(&mut self, table: &Table<'_>) -> Result<(), Fault> {
        if let Some(status) = table.count("status", 200..=299)? {
            self.status = u16::try_from(status).unwrap_or(200);
        }
        if table.value("busy").is_some() {
            self.refuses_for_now = table.count("busy", 503..=503)?.is_some();
        }
        if table.value("final").is_some() {
            self.is_final = table.flag("final")?;
        }
        if let Some(body) = table.text("body")? {
            if body.len() > 4_096 {
                return Err(table.fault("body", "is longer than 4096 bytes"));
            }
            self.body = Some(body.to_owned());
        }
        if let Some(content_type) = table.text("contentType")? {
            let plain = |byte: u8| byte.is_ascii_graphic() || byte == b' ';
            if content_type.is_empty() || !content_type.bytes().all(plain) {
                return Err(table.fault("contentType", "must be a media type"));
            }
            content_type.clone_into(&mut self.content_type);
        }
        table.finish()
    }
}
