//! Logs to standard error and the recorder behind `GET /metrics`. What is logged where is each
//! module's own business.

use crate::config::{Log, LogFormat};
use metrics_exporter_prometheus::{BuildError, PrometheusBuilder, PrometheusHandle};
use std::io::IsTerminal as _;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;

/// Bounds of the latency histograms, in seconds.
const SECONDS_BUCKETS: [f64; 14] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0];

/// Crates that write what passes through them, which is mail, at their own debug and trace levels.
const LOG_MAIL: [&str; 2] = ["async_imap", "imap_proto"];

/// Sends this process's logs to standard error. The first call wins; later ones (tests) change nothing.
///
/// # Errors
/// [`ParseError`] if the filter is none.
pub fn start_logs(settings: &Log) -> Result<(), ParseError> {
    let filter = EnvFilter::builder().parse(without_mail(&settings.filter))?;
    let logs = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let is_terminal = std::io::stderr().is_terminal();
    let is_text = match settings.format {
        LogFormat::Text => true,
        LogFormat::Json => false,
        LogFormat::Auto => is_terminal,
    };
    // Fails only if a subscriber is there already.
    let _ = if is_text {
        logs.with_ansi(is_terminal).try_init()
    } else {
        logs.json().flatten_event(true).with_current_span(false).try_init()
    };
    Ok(())
}

/// `filter` with every wish for logs of [`LOG_MAIL`] replaced by silence.
fn without_mail(filter: &str) -> String {
    let wishes = filter.split(',').map(str::trim);
    let wishes =
        wishes.filter(|wish| !wish.is_empty() && !LOG_MAIL.iter().any(|name| wish.starts_with(name)));
    let silence = LOG_MAIL.iter().map(|name| format!("{name}=off"));
    wishes.map(str::to_owned).chain(silence).collect::<Vec<_>>().join(",")
}

/// Records this process's metrics; the handle renders them for Prometheus. Once a process.
///
/// # Errors
/// [`BuildError`] if another recorder is installed.
pub fn start_metrics() -> Result<PrometheusHandle, BuildError> {
    PrometheusBuilder::new().set_buckets(&SECONDS_BUCKETS)?.install_recorder()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn d14_no_filter_makes_the_imap_crates_log_mail() {
        for filter in ["trace", "info,async_imap=trace", "async_imap::imap_stream=trace, imap_proto", ""] {
            let quiet = without_mail(filter);
            assert!(quiet.ends_with("async_imap=off,imap_proto=off"), "{quiet}");
            assert!(!quiet.contains("async_imap::") && !quiet.contains("imap_proto,"), "{quiet}");
            assert!(EnvFilter::builder().parse(quiet).is_ok());
        }
        assert!(without_mail("inlet=debug,info").starts_with("inlet=debug,info,"));
    }
}
