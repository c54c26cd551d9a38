//! `inlet doctor`: whether what the daemon stands on is in order. It looks and changes nothing but the
//! schema (which it brings up to date) and a file it removes again.

use super::client::worker_url;
use super::output::{say, say_json, table};
use crate::config::Config;
use crate::limits::LEASE_BUCKETS;
use crate::site::{KEY_FILE, Site};
use clap::Args as ClapArgs;
use serde_json::json;
use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Less free space than this is a failure, in bytes.
const FREE_BYTES: u64 = 512 * 1024 * 1024;
/// A clock before this is wrong: this program did not exist yet. 2026-01-01T00:00:00Z.
const EARLIEST_SECOND: i64 = 1_767_225_600;
const HEALTH_TIMEOUT: Duration = Duration::from_secs(3);

/// Arguments of `inlet doctor`.
#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Example:\n  inlet doctor --json\n  inlet doctor --health   (for a container's health check)"
)]
pub struct Arguments {
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// Only ask the running worker whether it is ready; no store is opened.
    #[arg(long)]
    health: bool,
    /// The worker's address for --health; by default the configured `server.listen`.
    #[arg(long, env = "INLET_URL", value_name = "URL")]
    url: Option<String>,
}

/// What one look found.
struct Check {
    name: String,
    /// What was found; `Err` is a failing check.
    found: Result<String, String>,
}

pub(super) async fn run(arguments: Arguments, config: Config) -> anyhow::Result<ExitCode> {
    let checks = if arguments.health {
        vec![health(&worker_url(arguments.url.as_deref(), &config)).await]
    } else {
        examine(config).await
    };
    report(&checks, arguments.json);
    let all_well = checks.iter().all(|check| check.found.is_ok());
    Ok(if all_well { ExitCode::SUCCESS } else { ExitCode::from(super::EXIT_FAILED) })
}

fn report(checks: &[Check], as_json: bool) {
    if as_json {
        let all: Vec<_> = checks
            .iter()
            .map(|check| {
                let (Ok(words) | Err(words)) = &check.found;
                json!({"check": check.name, "ok": check.found.is_ok(), "found": words})
            })
            .collect();
        return say_json(&json!({"ok": checks.iter().all(|check| check.found.is_ok()), "checks": all}));
    }
    let rows: Vec<Vec<String>> = checks
        .iter()
        .map(|check| match &check.found {
            Ok(words) => vec!["ok".to_owned(), check.name.clone(), words.clone()],
            Err(words) => vec!["FAIL".to_owned(), check.name.clone(), words.clone()],
        })
        .collect();
    say(&table(&rows));
}

fn check(name: &str, found: Result<String, String>) -> Check {
    Check { name: name.to_owned(), found }
}

async fn examine(config: Config) -> Vec<Check> {
    let directory = config.data.dir.clone();
    let mut checks = vec![check("configuration", Ok("every key is known and allowed".to_owned()))];
    match Site::open(config).await {
        Ok(site) => {
            checks.push(store_check(&site).await);
            checks.push(key_check(&site, &directory));
            checks.push(clock_check(&site));
            checks.extend(mailbox_checks(&site).await);
            site.store.close().await;
        }
        Err(error) => checks.push(check("store", Err(error.to_string()))),
    }
    checks.push(check("disk", disk_state(&directory)));
    checks
}

async fn store_check(site: &Site) -> Check {
    let began = Instant::now();
    let found = site.store.ping().await.map_err(|error| error.to_string());
    let words = || {
        format!("{}, schema up to date, answers in {:.1} ms", site.store.engine(), millis(began.elapsed()))
    };
    check("store", found.map(|()| words()))
}

/// Whether the key is one that what is stored was sealed with is seen mailbox by mailbox.
fn key_check(site: &Site, directory: &Path) -> Check {
    let id = site.sealer.key_id();
    if site.config.encryption.key.is_some() {
        return check("encryption key", Ok(format!("{id}, from the configuration")));
    }
    let path = directory.join(KEY_FILE);
    let found = match is_private(&path) {
        Ok(true) => Ok(format!("{id}, from {}", path.display())),
        Ok(false) => Err(format!("{} can be read by others: chmod 600 it", path.display())),
        Err(error) => Err(format!("{}: {error}", path.display())),
    };
    check("encryption key", found)
}

#[cfg(unix)]
fn is_private(path: &Path) -> std::io::Result<bool> {
    use std::os::unix::fs::PermissionsExt as _;
    Ok(std::fs::metadata(path)?.permissions().mode() & 0o077 == 0)
}

fn clock_check(site: &Site) -> Check {
    let now = site.clock.now();
    let found = if now.as_second() >= EARLIEST_SECOND {
        Ok(now.to_string())
    } else {
        Err(format!("{now} is before this program was written: set the machine's clock"))
    };
    check("clock", found)
}

async fn mailbox_checks(site: &Site) -> Vec<Check> {
    let buckets: Vec<u16> = (0..LEASE_BUCKETS).collect();
    let mailboxes = match site.store.list_enabled_mailboxes(&buckets).await {
        Ok(mailboxes) => mailboxes,
        Err(error) => return vec![check("mailboxes", Err(error.to_string()))],
    };
    let mut checks = Vec::with_capacity(mailboxes.len());
    for mailbox in mailboxes {
        let (tenant, surface) = (mailbox.tenant_id, mailbox.surface_id);
        let found = match site.sealer.open_map(&mailbox.settings, tenant, surface) {
            Err(error) => Err(error.to_string()),
            Ok(_) => match site.store.get_mailbox_health(tenant, surface).await {
                Err(error) => Err(error.to_string()),
                Ok(health) => match health.last_error {
                    Some(error) => Err(error),
                    None => Ok(health.last_poll_at.map_or_else(
                        || "not polled yet".to_owned(),
                        |at| format!("last poll {at}, {} messages so far", health.messages_processed),
                    )),
                },
            },
        };
        checks.push(check(&format!("mailbox {surface}"), found));
    }
    checks
}

fn disk_state(directory: &Path) -> Result<String, String> {
    let words = |error: std::io::Error| format!("{}: {error}", directory.display());
    let space = rustix::fs::statvfs(directory).map_err(|error| words(error.into()))?;
    let free = space.f_bavail.saturating_mul(space.f_frsize);
    let synced = time_of_a_sync(directory).map_err(words)?;
    let found = format!(
        "{} MiB free in {}, a durable write takes {:.1} ms",
        free / (1024 * 1024),
        directory.display(),
        millis(synced)
    );
    if free < FREE_BYTES { Err(found) } else { Ok(found) }
}

fn time_of_a_sync(directory: &Path) -> std::io::Result<Duration> {
    let path = directory.join(format!("doctor-{}", std::process::id()));
    let began = Instant::now();
    let written = std::fs::File::create(&path).and_then(|mut file| {
        file.write_all(&[0; 4096])?;
        file.sync_all()
    });
    let took = began.elapsed();
    std::fs::remove_file(&path)?;
    written.map(|()| took)
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}

async fn health(url: &str) -> Check {
    let asked = async {
        let http = reqwest::Client::builder().timeout(HEALTH_TIMEOUT).build()?;
        http.get(format!("{url}/readyz")).send().await
    };
    let found = match asked.await {
        Ok(response) if response.status().is_success() => Ok(format!("{url} is ready")),
        Ok(response) => Err(format!("{url} answers {}", response.status())),
        Err(error) => Err(format!("{url} does not answer: {:#}", anyhow::Error::from(error.without_url()))),
    };
    check("worker", found)
}
