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

/// Sends this process's logs to standard error. The first call wins; later ones (tests) change nothing.
///
/// # Errors
/// [`ParseError`] if the filter is none.
pub fn start_logs(settings: &Log) -> Result<(), ParseError> {
    let filter = EnvFilter::builder().parse(&settings.filter)?;
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

/// Records this process's metrics; the handle renders them for Prometheus. Once a process.
///
/// # Errors
/// [`BuildError`] if another recorder is installed.
pub fn start_metrics() -> Result<PrometheusHandle, BuildError> {
    PrometheusBuilder::new().set_buckets(&SECONDS_BUCKETS)?.install_recorder()
}
