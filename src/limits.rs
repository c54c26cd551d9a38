//! Every bound of the program in one place, units in the names. What operators may change is in
//! `config`; these are the defaults and the ceilings nobody may pass.

/// Body of an API request.
pub const API_BODY_BYTES: usize = 10 * 1024 * 1024;
/// An attachment that is fetched.
pub const MEDIA_BYTES: usize = 25 * 1024 * 1024;
/// Body of a webhook request.
pub const WEBHOOK_BODY_BYTES: usize = 30 * 1024 * 1024;
/// Rows of one page.
pub const PAGE_ROWS: usize = 100;
/// Messages of one store transaction.
pub const BATCH_MESSAGES: usize = 500;
/// Source bytes of one store transaction.
pub const BATCH_BYTES: usize = 16 * 1024 * 1024;
/// Source bytes in flight in the whole process (fetched, not yet committed).
pub const IN_FLIGHT_BYTES: usize = 48 * 1024 * 1024;
/// What may lie in the spool.
pub const SPOOL_BYTES: u64 = 1024 * 1024 * 1024;
/// Length from which a file of the spool is followed by the next one.
pub const SPOOL_SEGMENT_BYTES: u64 = 4 * 1024 * 1024;
/// The same of one surface, so that a flood at one leaves room for the others; above it the same answer.
pub const WEBHOOK_QUEUE_REQUESTS_OF_SURFACE: usize = 2_048;
/// Webhook requests waiting for a commit; above it 503 with Retry-After.
pub const WEBHOOK_QUEUE_REQUESTS: usize = 8_192;
/// Ids of References that are looked for and remembered: the nearest ones, and the root.
pub const REFERENCES_NEAREST: usize = 32;
/// Stored text of one message, in characters; longer text is cut and the source kept.
pub const CONTENT_CHARS: usize = 2_000_000;
/// `externalThreadId`, `externalParticipantId`, `externalMessageId` of API clients, in characters.
pub const EXTERNAL_ID_CHARS: usize = 500;
/// `subject` in characters.
pub const SUBJECT_CHARS: usize = 1_000;
/// A person's or surface's name in characters.
pub const NAME_CHARS: usize = 255;
/// `type` and `environment` of a surface, in characters.
pub const WORD_CHARS: usize = 50;
/// How far apart a webhook's timestamp and our clock may be, both ways, in seconds.
pub const WEBHOOK_TOLERANCE_SECONDS: i64 = 300;
/// How long a deletion waits for a message that has not come, in days: longer than any provider tries (Meta, seven).
pub const TAKEN_BACK_DAYS: u32 = 30;
/// How often a store transaction is tried again after a conflict.
pub const STORE_ATTEMPTS: u32 = 8;
/// Buckets that mailboxes are leased in.
pub const LEASE_BUCKETS: u16 = 64;
/// How long a lease lasts without renewal, in seconds.
pub const LEASE_SECONDS: u64 = 40;
/// Logins at one IMAP host a second, all mailboxes of a worker together.
pub const LOGINS_PER_SECOND: u32 = 25;
/// Messages of one webhook request.
pub const WEBHOOK_MESSAGES: usize = 5_000;
/// Fields of one form body.
pub const WEBHOOK_FORM_FIELDS: usize = 5_000;
/// Attachments of one webhook message.
pub const WEBHOOK_ATTACHMENTS: usize = 100;
/// Bytes of webhook bodies in memory at once, all requests together; above it 503 with Retry-After.
pub const WEBHOOK_BODIES_BYTES: usize = 256 * 1024 * 1024;
/// A mail that is fetched because somebody asks for it, one at a time.
pub const ON_DEMAND_MESSAGE_BYTES: u64 = 100 * 1024 * 1024;
