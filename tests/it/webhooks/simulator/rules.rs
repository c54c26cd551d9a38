//! What a provider does with an answer, and with none. Times are the providers' own, shrunk: a pause is
//! a sixtieth, at least as long as a restart takes and at most a few seconds. What is not known of a
//! provider is taken as the least it may do.

use std::time::Duration;

/// What a provider heard.
#[derive(Debug, Clone)]
pub enum Heard {
    /// No answer, or not in time.
    Nothing,
    Answer {
        status: u16,
        no_retry: bool,
        asks_for_basic: bool,
        body: String,
    },
}

impl Heard {
    pub fn status(status: u16) -> Self {
        Self::Answer { status, no_retry: false, asks_for_basic: false, body: String::new() }
    }

    pub fn asks_for_basic(&self) -> bool {
        matches!(self, Self::Answer { status: 401, asks_for_basic: true, .. })
    }
}

/// What comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum After {
    Delivered,
    Retry(Duration),
    Lost,
    Bounced,
    Disabled,
}

/// How a provider behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rules {
    /// Slack: three retries, at once, after 1 and after 5 minutes; `X-Slack-No-Retry` ends them.
    Slack,
    /// Telegram: a queue a chat, its head tried again for a day with a growing pause; 410 closes it. A
    /// 2xx whose body has a `method` is executed.
    Telegram,
    /// Mailgun: only 200 is done, 406 drops; else six more times in 8 hours.
    Mailgun,
    /// Postmark: 403 ends the retries; else ten in about 10 hours.
    Postmark,
    /// Amazon SNS: three retries, 20 s apart, then dropped.
    Sns,
    /// CloudMailin: the status is a verdict on the mail: 4xx bounces it to the person who wrote it.
    CloudMailin,
    /// Chatwoot: never again, whatever came. Its address is a proxy's.
    Never,
    /// Twilio with `#rc=5&rp=all` behind its address: five more times at once, whatever came, and then as often at its
    /// fallback address, which is a proxy's.
    Twilio,
    /// Telnyx: three tries at the webhook URL and as many at the failover URL, which is a proxy's; it waits two seconds for a
    /// 2xx (developers.telnyx.com, "Receiving webhooks for messaging"). Pauses are not told: none.
    Telnyx,
    /// Standard Webhooks: only 2xx is done, 410 disables, eight tries in three days.
    Standard,
    /// SendGrid: 5xx is tried again for three days, anything but 2xx else is dropped.
    SendGrid,
    /// Rocket.Chat: anything but 200 is tried again ten times.
    RocketChat,
    /// Meta: seven days.
    Meta,
    /// Others that try a few times: five.
    AFewTimes,
    /// A mail relay of one's own: 4xx bounces, 5xx waits.
    Relay,
}

/// The most retries that Twilio's connection overrides allow (`rc`).
const TWILIO_RETRIES: usize = 5;

/// The tries of Telnyx at each of its two URLs.
const TELNYX_TRIES: usize = 3;
/// How long a provider waits for an answer that does not say.
const PATIENCE: Duration = Duration::from_secs(10);

/// A provider's pause, in seconds, as the simulation waits it.
fn shrunk(seconds: u64) -> Duration {
    Duration::from_millis((seconds * 1_000 / 60).clamp(2_500, 4_000))
}

impl Rules {
    /// Whether a refusal or a broken connection is not the end.
    pub fn tries_again(self) -> bool {
        self != Self::Never
    }

    /// Whether its attempt of that number goes by a proxy before the workers.
    pub fn goes_by_front(self, attempt: usize) -> bool {
        match self {
            Self::Never => true,
            Self::Twilio => attempt > TWILIO_RETRIES,
            Self::Telnyx => attempt >= TELNYX_TRIES,
            _ => false,
        }
    }

    /// How long it waits for an answer.
    pub fn patience(self) -> Duration {
        match self {
            Self::Telnyx => Duration::from_secs(2),
            Self::Never => Duration::from_secs(5),
            _ => PATIENCE,
        }
    }

    /// Whether the messages of a chat wait for the one before them.
    pub fn holds_chats_back(self) -> bool {
        self == Self::Telegram
    }

    /// What the provider does after its `attempts`-th attempt.
    pub fn after(self, heard: &Heard, attempts: usize) -> After {
        let again = |pauses: &[u64]| {
            pauses.get(attempts - 1).map_or(After::Lost, |seconds| match seconds {
                0 => After::Retry(Duration::ZERO),
                seconds => After::Retry(shrunk(*seconds)),
            })
        };
        let (status, body, no_retry) = match heard {
            Heard::Nothing => (0, "", false),
            Heard::Answer { status, body, no_retry, .. } => (*status, body.as_str(), *no_retry),
        };
        let is_success = (200..300).contains(&status);
        match self {
            Self::Slack if no_retry && !is_success => After::Lost,
            Self::Slack if !is_success => again(&[0, 60, 300]),
            Self::Telegram if status == 410 => After::Disabled,
            Self::Telegram if !is_success => again(&[1, 2, 4, 8, 16, 32, 60, 60, 60, 60, 60, 60]),
            // It would be done as a call of the bot.
            Self::Telegram if body.contains("method") => After::Disabled,
            Self::Mailgun if status == 406 => After::Lost,
            Self::Mailgun if status != 200 => again(&[600, 900, 1_800, 3_600, 7_200, 14_400]),
            Self::Postmark if status == 403 => After::Lost,
            Self::Postmark if status != 200 => {
                again(&[60, 300, 600, 600, 600, 900, 1_800, 3_600, 7_200, 21_600])
            }
            Self::Sns if !is_success => again(&[20, 20, 20]),
            Self::CloudMailin | Self::Relay if (400..500).contains(&status) => After::Bounced,
            Self::CloudMailin | Self::Relay if !is_success => {
                again(&[300, 600, 1_200, 3_600, 3_600, 3_600, 3_600])
            }
            Self::Never if !is_success => After::Lost,
            Self::Twilio if !is_success => again(&[0; 2 * TWILIO_RETRIES + 1]),
            // What is in the answer would be a message to the person.
            Self::Twilio if !body.is_empty() => After::Disabled,
            Self::Telnyx if !is_success => again(&[0; 2 * TELNYX_TRIES - 1]),
            Self::Standard if status == 410 => After::Disabled,
            Self::Standard if !is_success => again(&[5, 300, 1_800, 7_200, 18_000, 36_000, 36_000]),
            Self::SendGrid if status == 0 || status >= 500 => again(&[60, 300, 600, 3_600, 3_600, 3_600]),
            Self::SendGrid if !is_success => After::Lost,
            Self::RocketChat if status != 200 => again(&[10; 10]),
            Self::Meta if status != 200 => again(&[30, 60, 300, 600, 3_600, 3_600, 3_600, 3_600]),
            Self::AFewTimes if !is_success => again(&[60, 60, 300, 300, 600]),
            _ => After::Delivered,
        }
    }
}

#[test]
fn the_simulator_keeps_the_rules_of_the_providers() {
    let answer = |status| Heard::status(status);
    let no_retry = Heard::Answer { status: 500, no_retry: true, asks_for_basic: false, body: String::new() };
    assert_eq!(Rules::Slack.after(&answer(503), 1), After::Retry(Duration::ZERO));
    assert_eq!(Rules::Slack.after(&Heard::Nothing, 4), After::Lost);
    assert_eq!(Rules::Slack.after(&no_retry, 1), After::Lost);
    assert_eq!(Rules::Mailgun.after(&answer(406), 1), After::Lost);
    assert!(matches!(Rules::Mailgun.after(&answer(204), 1), After::Retry(_)));
    assert_eq!(Rules::Postmark.after(&answer(403), 1), After::Lost);
    assert_eq!(Rules::CloudMailin.after(&answer(422), 1), After::Bounced);
    assert!(matches!(Rules::CloudMailin.after(&answer(503), 1), After::Retry(_)));
    assert_eq!(Rules::Never.after(&answer(503), 1), After::Lost);
    assert_eq!(Rules::Twilio.after(&answer(503), 11), After::Retry(Duration::ZERO));
    assert_eq!(Rules::Twilio.after(&answer(503), 12), After::Lost);
    assert!(!Rules::Twilio.goes_by_front(5) && Rules::Twilio.goes_by_front(6));
    assert_eq!(Rules::Telnyx.after(&Heard::Nothing, 5), After::Retry(Duration::ZERO));
    assert_eq!(Rules::Telnyx.after(&answer(503), 6), After::Lost);
    assert!(!Rules::Telnyx.goes_by_front(2) && Rules::Telnyx.goes_by_front(3));
    assert_eq!(Rules::Standard.after(&answer(410), 1), After::Disabled);
    assert_eq!(Rules::Sns.after(&Heard::Nothing, 4), After::Lost);
    assert!(matches!(Rules::RocketChat.after(&answer(204), 1), After::Retry(_)));
    let executed = Heard::Answer {
        status: 200,
        no_retry: false,
        asks_for_basic: false,
        body: "{\"method\":\"x\"}".to_owned(),
    };
    assert_eq!(Rules::Telegram.after(&executed, 1), After::Disabled);
}
