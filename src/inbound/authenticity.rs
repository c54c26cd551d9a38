//! How far a mail's author can be believed: what the surface's own receiving server found out, and what
//! signatures prove by themselves. Decides nothing but the verdict; what follows from it is in `mail` and `matching`.
//!
//! Anybody can write an Authentication-Results field, so one counts only under a name of `trustedAuthserv`, only the
//! topmost of them (RFC 8601 section 5), and a *good* result only where it stands above the line with which that server
//! received the mail: below it, everything is the sender's. A bad result nobody forges against himself.

use super::SurfaceSettings;
use crate::email::Mail;
use crate::email::authentication::{self, MethodResult, Results, Signatures, Stamp, Trace};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Methods whose results are shown.
const METHODS: [&str; 4] = ["spf", "dkim", "dmarc", "arc"];

/// Whether From is who it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Verdict {
    /// The domain of From vouches for it.
    Pass,
    /// The domain of From disowns it.
    Fail,
    /// Nobody who is believed says anything.
    #[default]
    Unknown,
}

impl Verdict {
    fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::Unknown => "unknown",
        }
    }
}

/// What is known of a mail's authenticity.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Authenticity {
    pub verdict: Verdict,
    /// The server that is believed.
    server: Option<String>,
    /// What it found: method and result.
    results: BTreeMap<&'static str, String>,
    /// A forwarder that is believed and saw the mail pass before it changed it.
    sealer: Option<String>,
    signatures: Signatures,
}

impl Authenticity {
    pub(super) fn of(mail: &Mail, raw: &[u8], settings: &SurfaceSettings) -> Self {
        let mut found = Self::default();
        let domain =
            mail.from.as_ref().and_then(|from| from.email.rsplit_once('@')).map(|(_, domain)| domain);
        let aligned = |other: &str| domain.is_some_and(|domain| is_aligned(domain, other));
        let believed = Believed::find(&mail.trace, &settings.trusted_authserv);
        let mut passes = false;
        if let Some(believed) = &believed {
            found.server = Some(believed.server.clone());
            for method in METHODS {
                if let Some(result) = believed.result(method) {
                    found.results.insert(method, result.result.clone());
                }
            }
            passes = believed.passes(aligned);
        }
        if !settings.dkim_keys.is_empty() {
            found.signatures = authentication::check(raw, &settings.dkim_keys);
            passes |= found.signatures.dkim.iter().any(|it| it.result == "pass" && aligned(&it.domain));
        }
        let fails = found.results.get("dmarc").is_some_and(|result| result == "fail");
        found.sealer = fails.then(|| trusted_sealer(&found, mail, settings)).flatten();
        found.verdict = match (fails && found.sealer.is_none(), passes) {
            (true, _) => Verdict::Fail,
            // Readers disagree on who the author is: whom would it vouch for?
            (false, true) if !mail.flags.from_ambiguous => Verdict::Pass,
            (false, _) => Verdict::Unknown,
        };
        found
    }

    /// As `metadata.authenticity` shows it.
    pub(super) fn to_json(&self) -> Value {
        let mut shown = serde_json::Map::new();
        shown.insert("verdict".to_owned(), json!(self.verdict.as_str()));
        shown.extend(self.server.iter().map(|server| ("server".to_owned(), json!(server))));
        shown.extend(self.results.iter().map(|(method, result)| ((*method).to_owned(), json!(result))));
        shown.extend(self.sealer.iter().map(|sealer| ("sealer".to_owned(), json!(sealer))));
        let signatures = self.signatures.dkim.iter().map(|signature| {
            json!({
                "domain": signature.domain, "selector": signature.selector, "result": signature.result,
            })
        });
        let signatures: Vec<Value> = signatures.collect();
        if !signatures.is_empty() {
            shown.insert("signatures".to_owned(), Value::Array(signatures));
        }
        shown.extend(self.signatures.arc.map(|result| ("arcSeals".to_owned(), json!(result))));
        Value::Object(shown)
    }
}

/// What the surface's own server says.
struct Believed<'t> {
    server: String,
    /// Its topmost fields, topmost first.
    fields: Vec<&'t Results>,
    /// Whether they stand where only that server writes.
    above_the_border: bool,
}

impl<'t> Believed<'t> {
    fn find(trace: &'t Trace, trusted: &[String]) -> Option<Self> {
        let mut border_passed: Vec<&str> = Vec::new();
        let mut believed: Option<Self> = None;
        for stamp in &trace.stamps {
            match stamp {
                Stamp::Results(results) if trusted.contains(&results.server) => {
                    let found = believed.get_or_insert_with(|| Self {
                        server: results.server.clone(),
                        fields: Vec::new(),
                        above_the_border: !border_passed.contains(&results.server.as_str()),
                    });
                    if found.server == results.server {
                        found.fields.push(results);
                    }
                }
                Stamp::Received { .. } if believed.is_some() => break,
                Stamp::Received { by, from_itself: false } => border_passed.push(by),
                _ => {}
            }
        }
        believed
    }

    /// What it says of one method: the topmost result; of several signatures the best.
    fn result(&self, method: &str) -> Option<&'t MethodResult> {
        let results = || {
            self.fields.iter().flat_map(|field| &field.methods).filter(|result| {
                result.method == method && (self.above_the_border || result.result != "pass")
            })
        };
        let best = results().find(|result| method == "dkim" && result.result == "pass");
        best.or_else(|| results().next())
    }

    /// DMARC says so; where the server does not check DMARC, SPF or DKIM for the domain of From (RFC 7489
    /// section 3.1).
    fn passes(&self, aligned: impl Fn(&str) -> bool) -> bool {
        if let Some(dmarc) = self.result("dmarc").filter(|dmarc| dmarc.result != "none") {
            return dmarc.result == "pass";
        }
        let vouches = |result: &MethodResult| {
            let names: &[&str] = match result.method.as_str() {
                "dkim" => &["header.d", "header.i"],
                "spf" => &["smtp.mailfrom", "smtp.mail"],
                _ => return false,
            };
            let domain = |name: &&str| {
                let value = result.property(name)?;
                Some(value.rsplit_once('@').map_or(value, |(_, domain)| domain))
            };
            result.result == "pass" && names.iter().find_map(domain).is_some_and(&aligned)
        };
        self.above_the_border && self.fields.iter().flat_map(|field| &field.methods).any(vouches)
    }
}

/// A forwarder of `trustedSealers` that saw DMARC pass before it changed the mail, where our own server (or we, with its
/// key) found the chain of seals whole (RFC 8617 section 5.2). Only its newest seal counts: it vouches for all below.
fn trusted_sealer(found: &Authenticity, mail: &Mail, settings: &SurfaceSettings) -> Option<String> {
    let whole = found.results.get("arc").is_some_and(|result| result == "pass")
        || found.signatures.arc == Some("pass");
    if !whole || settings.trusted_sealers.is_empty() {
        return None;
    }
    let seals = mail.trace.stamps.iter().filter_map(|stamp| match stamp {
        Stamp::Seal { instance, domain } => Some((*instance, domain)),
        _ => None,
    });
    let (newest, domain) = seals.max_by_key(|(instance, _)| *instance)?;
    let saw_it_pass = mail.trace.stamps.iter().any(|stamp| {
        matches!(stamp, Stamp::Forwarded { instance, results } if *instance == newest
            && results.methods.iter().any(|it| it.method == "dmarc" && it.result == "pass"))
    });
    (saw_it_pass && settings.trusted_sealers.contains(domain)).then(|| domain.clone())
}

/// Relaxed alignment without a list of public suffixes: one is the other or lies below it. A signature is made with
/// a key that the signing domain publishes, and nobody publishes one under `co.uk`.
fn is_aligned(from: &str, other: &str) -> bool {
    let (from, other) = (from.to_ascii_lowercase(), other.trim_end_matches('.').to_ascii_lowercase());
    let below = |lower: &str, upper: &str| {
        upper.contains('.')
            && lower.strip_suffix(upper).is_some_and(|head| head.is_empty() || head.ends_with('.'))
    };
    below(&from, &other) || below(&other, &from)
}
