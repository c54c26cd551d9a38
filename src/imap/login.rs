//! Proving who we are: LOGIN, and AUTHENTICATE with PLAIN, XOAUTH2 and OAUTHBEARER. Secrets are written to the
//! connection and nowhere else; a server's words that repeat one are not shown.

use super::driver::within;
use super::error::{Error, Phase};
use super::handshake::{Handshake, Reply, refused};
use super::names::quoted;
use super::target::{Auth, Limits, Mechanism, Target};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

const PHASE: Phase = Phase::Login;

/// How to log in, decided from settings and capabilities before anything is sent.
enum Plan {
    /// One command.
    Login(Zeroizing<String>),
    /// A SASL exchange: mechanism, first answer in base64, and the answer to an error challenge.
    Sasl { mechanism: &'static str, initial: Zeroizing<String>, on_error: &'static str },
}

/// Logs in, then asks what the account may use and says who we are (`ID`).
///
/// # Errors
/// The settings cannot work (nothing was sent), or the server refused.
pub async fn login(handshake: &mut Handshake, target: &Target, limits: &Limits) -> Result<(), Error> {
    let plan = plan(handshake, target)?;
    let sasl_ir = handshake.capabilities().sasl_ir;
    handshake.forget_capabilities();
    let bearer = matches!(target.auth, Auth::Bearer { .. });
    let exchange = run(handshake, &plan, sasl_ir);
    if let Reply::Refused { bad, text } = within(PHASE, limits.login, exchange).await? {
        return Err(refused(PHASE, bad, bearer, without_secret(&text, &plan, &target.auth)));
    }
    handshake.ask_capabilities(limits).await?;
    if handshake.capabilities().id {
        introduce(handshake, limits).await?;
    }
    Ok(())
}

/// Says who we are (RFC 2971): some providers (163.com, 126.com) refuse mailboxes to those who do not.
async fn introduce(handshake: &mut Handshake, limits: &Limits) -> Result<(), Error> {
    let phase = Phase::Id;
    let command = concat!("ID (\"name\" \"inlet\" \"version\" \"", env!("CARGO_PKG_VERSION"), "\")");
    let asking = async {
        let tag = handshake.send(phase, command).await?;
        handshake.read_reply(phase, &tag).await
    };
    // NO or BAD is the server's right and harms nothing.
    within(phase, limits.command, asking).await.map(drop)
}

fn plan(handshake: &Handshake, target: &Target) -> Result<Plan, Error> {
    let offered = handshake.capabilities();
    let user = &target.username;
    if user.is_empty() || user.contains(['\r', '\n', '\0', '\u{1}']) {
        return Err(Error::Setting(
            "The user name is empty or holds a line break or control character.".to_owned(),
        ));
    }
    match &target.auth {
        Auth::Password(password) => plan_password(user, password, offered.login_disabled, offered.auth_plain),
        Auth::Bearer { token, mechanism } => {
            let wanted = [Mechanism::XOAuth2, Mechanism::OAuthBearer];
            let is_offered = |mechanism: &Mechanism| match mechanism {
                Mechanism::XOAuth2 => offered.auth_xoauth2,
                Mechanism::OAuthBearer => offered.auth_oauthbearer,
            };
            match wanted.into_iter().filter(|it| mechanism.is_none_or(|only| only == *it)).find(is_offered) {
                Some(mechanism) => plan_bearer(target, token, mechanism),
                None => Err(Error::Setting(format!(
                    "The server takes no OAuth token: it does not offer {}.",
                    mechanism.map_or("XOAUTH2 or OAUTHBEARER", Mechanism::name)
                ))),
            }
        }
    }
}

fn plan_password(
    user: &str,
    password: &SecretString,
    no_login: bool,
    auth_plain: bool,
) -> Result<Plan, Error> {
    let secret = password.expose_secret();
    let unusable = || Error::Setting("The password is empty or holds a line break.".to_owned());
    if secret.is_empty() {
        return Err(unusable());
    }
    let (Some(quoted_user), Some(quoted_secret)) = (quoted(user), quoted(secret).map(Zeroizing::new)) else {
        return Err(unusable());
    };
    // LOGIN knows only ASCII (RFC 3501 section 9, `string`); PLAIN is UTF-8 (RFC 4616).
    let ascii = user.is_ascii() && secret.is_ascii();
    if auth_plain && (no_login || !ascii) {
        let message = Zeroizing::new(format!("\0{user}\0{secret}"));
        return Ok(sasl("PLAIN", &message, ""));
    }
    if no_login {
        return Err(Error::Setting(
            "The server accepts no password on this connection (LOGINDISABLED); use TLS or OAuth.".to_owned(),
        ));
    }
    Ok(Plan::Login(Zeroizing::new(format!("LOGIN {quoted_user} {}", quoted_secret.as_str()))))
}

fn plan_bearer(target: &Target, token: &SecretString, mechanism: Mechanism) -> Result<Plan, Error> {
    let (user, secret) = (&target.username, token.expose_secret());
    if secret.is_empty() || secret.contains(|c: char| c.is_control()) {
        return Err(Error::Setting("The access token is empty or holds a control character.".to_owned()));
    }
    Ok(match mechanism {
        // After an error challenge an empty answer makes the server send its tagged NO.
        Mechanism::XOAuth2 => {
            let message = Zeroizing::new(format!("user={user}\u{1}auth=Bearer {secret}\u{1}\u{1}"));
            sasl(mechanism.name(), &message, "")
        }
        // RFC 7628 sections 3.1 and 3.2.3; a GS2 header escapes `=` and `,` (RFC 5801).
        Mechanism::OAuthBearer => {
            let name = user.replace('=', "=3D").replace(',', "=2C");
            let (host, port) = (&target.host, target.port);
            let message = Zeroizing::new(format!(
                "n,a={name},\u{1}host={host}\u{1}port={port}\u{1}auth=Bearer {secret}\u{1}\u{1}"
            ));
            sasl(mechanism.name(), &message, "AQ==")
        }
    })
}

fn sasl(mechanism: &'static str, message: &Zeroizing<String>, on_error: &'static str) -> Plan {
    Plan::Sasl { mechanism, initial: Zeroizing::new(BASE64.encode(message.as_bytes())), on_error }
}

async fn run(handshake: &mut Handshake, plan: &Plan, sasl_ir: bool) -> Result<Reply, Error> {
    let (mechanism, initial, on_error) = match plan {
        Plan::Login(command) => {
            let tag = handshake.send(PHASE, command).await?;
            return match handshake.read_reply(PHASE, &tag).await? {
                Reply::Continue(_) => Err(Error::protocol(PHASE, "it waits for data that was not announced")),
                reply => Ok(reply),
            };
        }
        Plan::Sasl { mechanism, initial, on_error } => (mechanism, initial, on_error),
    };
    // SASL-IR (RFC 4959): the first answer goes with the command.
    let command = if sasl_ir {
        Zeroizing::new(format!("AUTHENTICATE {mechanism} {}", initial.as_str()))
    } else {
        Zeroizing::new(format!("AUTHENTICATE {mechanism}"))
    };
    let tag = handshake.send(PHASE, &command).await?;
    let mut shown = sasl_ir;
    let mut challenge = None;
    for _ in 0..4 {
        match handshake.read_reply(PHASE, &tag).await? {
            Reply::Continue(_) if !shown => {
                shown = true;
                let line = Zeroizing::new(format!("{}\r\n", initial.as_str()));
                handshake.write(PHASE, &line).await?;
            }
            Reply::Continue(text) => {
                challenge = status_in(&text);
                handshake.write(PHASE, &format!("{on_error}\r\n")).await?;
            }
            Reply::Refused { bad, text } => {
                let text = challenge.map_or(text.clone(), |status| format!("{text} (status {status})"));
                return Ok(Reply::Refused { bad, text });
            }
            Reply::Ok => return Ok(Reply::Ok),
        }
    }
    Err(Error::protocol(PHASE, "it asks without end"))
}

/// The `status` of an error challenge: base64 of JSON like `{"status":"401",...}`. Of any other form: nothing.
fn status_in(challenge: &str) -> Option<String> {
    let json = BASE64.decode(challenge.trim()).ok()?;
    let value: serde_json::Value = serde_json::from_slice(&json).ok()?;
    let status = value.get("status")?.as_str()?;
    (status.len() <= 40 && status.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'))
        .then(|| status.to_owned())
}

/// `text`, unless it repeats what must not be shown.
fn without_secret<'a>(text: &'a str, plan: &Plan, auth: &Auth) -> &'a str {
    let secret = match auth {
        Auth::Password(secret) | Auth::Bearer { token: secret, .. } => secret.expose_secret(),
    };
    let encoded = match plan {
        Plan::Login(_) => None,
        Plan::Sasl { initial, .. } => Some(initial.as_str()),
    };
    if text.contains(secret) || encoded.is_some_and(|encoded| text.contains(encoded)) { "" } else { text }
}
