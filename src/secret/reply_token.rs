//! Reply tokens: names of conversations that nobody can make up. Inlet hands them out for plus-addresses and Message-IDs;
//! an answer that bears one leads to its conversation, whatever became of its references (matching.md 2).
//!
//! A token is the base32 (RFC 4648 section 6, lower case, no padding) of a conversation's id and the first 64 bits of
//! HMAC-SHA-256 over tenant, surface and id. Case means nothing in it: servers on the way change that of addresses.

use crate::ids::{ConversationId, SurfaceId, TenantId};
use ring::hmac;
use std::sync::Arc;
use subtle::ConstantTimeEq as _;
use uuid::Uuid;

const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
const ID_BYTES: usize = 16;
const MARK_BYTES: usize = 8;
const UNIQUE_BYTES: usize = 8;
/// Characters of a token in an address: 24 bytes.
const ADDRESS_CHARS: usize = 39;
/// Characters of a token in a Message-ID: 32 bytes.
const MESSAGE_ID_CHARS: usize = 52;

/// What a token is for: one of an address is none in a Message-ID.
#[derive(Clone, Copy)]
enum Use {
    Address,
    MessageId,
}

/// Makes and reads the tokens of an installation. Cheap to clone; shows no key.
#[derive(Debug, Clone)]
pub struct ReplyTokens {
    /// The current key, then those that are still believed.
    keys: Arc<[hmac::Key]>,
}

impl ReplyTokens {
    /// Tokens under keys that follow from these, the current one first.
    pub(super) fn of<'k>(keys: impl Iterator<Item = &'k [u8]>) -> Self {
        let derive = |key: &[u8]| {
            let derived =
                hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), b"inlet reply tokens, version 1");
            hmac::Key::new(hmac::HMAC_SHA256, derived.as_ref())
        };
        Self { keys: keys.map(derive).collect() }
    }

    /// The tokens of one surface. Those of another are wrong there.
    #[must_use]
    pub fn on(&self, tenant: TenantId, surface: SurfaceId) -> SurfaceTokens {
        SurfaceTokens { keys: self.keys.clone(), tenant, surface }
    }
}

/// Makes and reads the tokens of one surface.
#[derive(Debug, Clone)]
pub struct SurfaceTokens {
    keys: Arc<[hmac::Key]>,
    tenant: TenantId,
    surface: SurfaceId,
}

impl SurfaceTokens {
    /// `help@us.example` as the address that leads to `conversation`: `help+TOKEN@us.example`, 40 characters longer (RFC
    /// 5321 section 4.5.3.1.1 promises 64 before the `@`). `None` for a text that is no address.
    #[must_use]
    pub fn address(&self, address: &str, conversation: ConversationId) -> Option<String> {
        let (local, domain) = address.rsplit_once('@')?;
        let local = local.split('+').next().filter(|local| !local.is_empty())?;
        let token = self.token(Use::Address, conversation, &[])?;
        Some(format!("{local}+{token}@{domain}"))
    }

    /// A fresh Message-ID, without angle brackets, of a mail in `conversation`; `unique` makes it one of its own.
    #[must_use]
    pub fn message_id(
        &self,
        domain: &str,
        conversation: ConversationId,
        unique: [u8; UNIQUE_BYTES],
    ) -> Option<String> {
        let token = self.token(Use::MessageId, conversation, &unique)?;
        Some(format!("{token}@{domain}"))
    }

    /// The conversation that a plus-address names, if its token is one of ours.
    #[must_use]
    pub fn in_address(&self, address: &str) -> Option<ConversationId> {
        let (local, _) = address.rsplit_once('@')?;
        let (_, token) = local.rsplit_once('+')?;
        self.read(Use::Address, token)
    }

    /// The conversation that a Message-ID names, if its token is one of ours.
    #[must_use]
    pub fn in_message_id(&self, id: &str) -> Option<ConversationId> {
        let (token, _) = id.rsplit_once('@')?;
        self.read(Use::MessageId, token)
    }

    fn token(&self, kind: Use, conversation: ConversationId, unique: &[u8]) -> Option<String> {
        let named = [conversation.0.as_bytes().as_slice(), unique].concat();
        let mark = self.mark(self.keys.first()?, kind, &named);
        Some(encode(&[named.as_slice(), &mark].concat()))
    }

    fn read(&self, kind: Use, token: &str) -> Option<ConversationId> {
        let chars = match kind {
            Use::Address => ADDRESS_CHARS,
            Use::MessageId => MESSAGE_ID_CHARS,
        };
        let bytes = if token.len() == chars { decode(token)? } else { return None };
        let (named, mark) = bytes.split_at_checked(bytes.len().checked_sub(MARK_BYTES)?)?;
        let is_ours = self
            .keys
            .iter()
            .fold(false, |ours, key| ours | bool::from(self.mark(key, kind, named).as_slice().ct_eq(mark)));
        let id = named.first_chunk::<ID_BYTES>()?;
        is_ours.then_some(ConversationId(Uuid::from_bytes(*id)))
    }

    fn mark(&self, key: &hmac::Key, kind: Use, named: &[u8]) -> [u8; MARK_BYTES] {
        let kind: &[u8] = match kind {
            Use::Address => b"a",
            Use::MessageId => b"m",
        };
        let text = [kind, self.tenant.0.as_bytes(), self.surface.0.as_bytes(), named].concat();
        let tag = hmac::sign(key, &text);
        tag.as_ref().first_chunk().copied().unwrap_or_default()
    }
}

fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 8 / 5 + 1);
    let (mut buffer, mut held) = (0_u32, 0_u32);
    let mut put = |value: u32| {
        let letter = usize::try_from(value & 31).ok().and_then(|at| ALPHABET.get(at)).copied();
        text.extend(letter.map(char::from));
    };
    for byte in bytes {
        buffer = buffer << 8 | u32::from(*byte);
        held += 8;
        while held >= 5 {
            held -= 5;
            put(buffer >> held);
            buffer &= (1 << held) - 1;
        }
    }
    if held > 0 {
        put(buffer << (5 - held));
    }
    text
}

/// Bits that are left over at the end have to be zero: each token is written in one way, but for its case.
fn decode(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() * 5 / 8);
    let (mut buffer, mut held) = (0_u32, 0_u32);
    for letter in text.bytes() {
        let value = match letter.to_ascii_lowercase() {
            letter @ b'a'..=b'z' => letter - b'a',
            letter @ b'2'..=b'7' => letter - b'2' + 26,
            _ => return None,
        };
        buffer = buffer << 5 | u32::from(value);
        held += 5;
        if held >= 8 {
            held -= 8;
            bytes.push(u8::try_from(buffer >> held).ok()?);
            buffer &= (1 << held) - 1;
        }
    }
    (buffer == 0).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(key: u8) -> SurfaceTokens {
        let key = [key; 32];
        ReplyTokens::of([key.as_slice()].into_iter()).on(tenant(1), surface(2))
    }

    fn tenant(number: u128) -> TenantId {
        TenantId(Uuid::from_u128(number))
    }

    fn surface(number: u128) -> SurfaceId {
        SurfaceId(Uuid::from_u128(number))
    }

    const CONVERSATION: ConversationId =
        ConversationId(Uuid::from_u128(0x0192_0000_0000_7000_8000_0000_0000_0003));

    #[test]
    fn g08_a_token_comes_back_whatever_case_it_is_written_in() {
        let ours = tokens(1);
        let address = ours.address("Help+desk@us.example", CONVERSATION).unwrap();
        assert!(address.starts_with("Help+") && address.ends_with("@us.example"), "{address}");
        assert_eq!(address.len(), "Help@us.example".len() + 1 + ADDRESS_CHARS);
        let id = ours.message_id("us.example", CONVERSATION, [7; 8]).unwrap();
        for change in [str::to_owned, str::to_lowercase, str::to_uppercase] {
            assert_eq!(ours.in_address(&change(&address)), Some(CONVERSATION));
            assert_eq!(ours.in_message_id(&change(&id)), Some(CONVERSATION));
        }
        assert_ne!(ours.message_id("us.example", CONVERSATION, [8; 8]), Some(id));
        assert_eq!(ours.address("nobody", CONVERSATION), None);
    }

    #[test]
    fn g08_no_other_text_is_a_token() {
        let ours = tokens(1);
        let address = ours.address("help@us.example", CONVERSATION).unwrap();
        let id = ours.message_id("us.example", CONVERSATION, [7; 8]).unwrap();
        for at in 0..ADDRESS_CHARS {
            let mut altered = address.clone().into_bytes();
            altered[5 + at] = if altered[5 + at] == b'a' { b'b' } else { b'a' };
            assert_eq!(ours.in_address(std::str::from_utf8(&altered).unwrap()), None, "{at}");
        }
        for wrong in ["help@us.example", "help+@us.example", "help+é@us.example", "", "+", "@", &id] {
            assert_eq!(ours.in_address(wrong), None, "{wrong}");
        }
        assert_eq!(ours.in_message_id(&address.replace("help+", "")), None, "it is for addresses");
        assert_eq!(ours.in_message_id(&format!("x{id}")), None);
        let elsewhere = ReplyTokens { keys: ours.keys };
        assert_eq!(elsewhere.on(tenant(1), surface(3)).in_address(&address), None, "another surface");
        assert_eq!(elsewhere.on(tenant(2), surface(2)).in_address(&address), None, "another tenant");
        assert_eq!(tokens(2).in_address(&address), None, "another key");
    }

    #[test]
    fn a_previous_key_is_believed_and_makes_nothing() {
        let (new, old) = ([1_u8; 32], [2_u8; 32]);
        let both = ReplyTokens::of([new.as_slice(), old.as_slice()].into_iter()).on(tenant(1), surface(2));
        let of_old = tokens(2).address("help@us.example", CONVERSATION).unwrap();
        assert_eq!(both.in_address(&of_old), Some(CONVERSATION));
        assert_eq!(
            both.address("help@us.example", CONVERSATION),
            tokens(1).address("help@us.example", CONVERSATION)
        );
        let none = ReplyTokens::of(std::iter::empty()).on(tenant(1), surface(2));
        assert_eq!((none.address("help@us.example", CONVERSATION), none.in_address(&of_old)), (None, None));
    }
}
