//! `inlet import`: mail in files through the same pipeline as a poll, straight into the store. Stored
//! quietly, as history. Running it again goes on where it was stopped: what is stored is not stored twice.

use super::output::{complain, say, say_json};
use crate::config::Config;
use crate::envelope::{Envelope, Origin, Payload};
use crate::ids::{SurfaceId, TenantId};
use crate::import::{ImportError, Mail, Mails};
use crate::ingest::{Item, Pipeline, Receipt};
use crate::limits::{BATCH_BYTES, BATCH_MESSAGES};
use crate::model::imap::Outcome;
use crate::notify::Wake;
use crate::site::{DEFAULT_TENANT, Site};
use anyhow::{Context as _, anyhow};
use clap::Args as ClapArgs;
use serde_json::json;
use std::io::{IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// Batches read ahead of the store.
const BATCHES_AHEAD: usize = 1;
const PROGRESS: Duration = Duration::from_millis(500);

/// Arguments of `inlet import`.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Example:\n  inlet import ~/Maildir archive.mbox --surface support-mail")]
pub struct Arguments {
    /// mbox files, maildirs, single mails, or folders of these.
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// The surface that the mail belongs to, by id or name.
    #[arg(long)]
    surface: String,
    /// The tenant whose surface that is.
    #[arg(long, default_value = DEFAULT_TENANT)]
    tenant: String,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// What became of the mail, so far.
#[derive(Debug, Default)]
struct Tally {
    read: u64,
    stored: u64,
    duplicates: u64,
    quarantined: u64,
    unreadable: u64,
    skipped_files: u64,
}

/// What the reader hands over: a batch, or a file that it could not read.
enum Read {
    Batch(Vec<Mail>),
    Unreadable(ImportError),
    End { skipped_files: u64 },
}

pub(super) async fn run(arguments: Arguments, config: Config) -> anyhow::Result<ExitCode> {
    let site = Site::open(config).await?;
    let outcome = import(&site, &arguments).await;
    site.store.close().await;
    let tally = outcome?;
    if arguments.json {
        say_json(&json!({
            "read": tally.read, "stored": tally.stored, "duplicates": tally.duplicates,
            "quarantined": tally.quarantined, "unreadable": tally.unreadable, "skippedFiles": tally.skipped_files,
        }));
    } else {
        say(&tally.words());
    }
    Ok(if tally.unreadable == 0 { ExitCode::SUCCESS } else { ExitCode::from(super::EXIT_FAILED) })
}

async fn import(site: &Site, arguments: &Arguments) -> anyhow::Result<Tally> {
    let (tenant_id, surface_id) = find_surface(site, arguments).await?;
    let pipeline = site.pipeline(Wake::default());
    let limit = usize::try_from(site.config.imap.max_message_bytes).unwrap_or(usize::MAX);
    let mails = Mails::of(arguments.paths.clone(), limit);
    let (sender, mut receiver) = mpsc::channel(BATCHES_AHEAD);
    let reader = tokio::task::spawn_blocking(move || read_all(mails, &sender));
    let mut tally = Tally::default();
    let mut shown_at = Instant::now();
    while let Some(read) = receiver.recv().await {
        match read {
            Read::Batch(mails) => {
                let items = mails.into_iter().map(|mail| item(site, tenant_id, surface_id, mail)).collect();
                tally.count(&take(&pipeline, tenant_id, items).await?);
            }
            Read::Unreadable(error) => {
                tally.unreadable += 1;
                complain(&error.to_string());
            }
            Read::End { skipped_files } => tally.skipped_files = skipped_files,
        }
        if shown_at.elapsed() >= PROGRESS && std::io::stderr().is_terminal() {
            shown_at = Instant::now();
            // Progress that cannot be shown is no reason to stop.
            let _ = write!(std::io::stderr(), "\r{}", tally.words());
        }
    }
    reader.await.context("reading the files")?;
    Ok(tally)
}

async fn find_surface(site: &Site, arguments: &Arguments) -> anyhow::Result<(TenantId, SurfaceId)> {
    let tenant = site.store.find_tenant(&arguments.tenant).await?;
    let tenant = tenant.ok_or_else(|| anyhow!("there is no tenant \"{}\"", arguments.tenant))?;
    let surface = match SurfaceId::parse(&arguments.surface) {
        Some(id) => site.store.get_surface(tenant, id).await?,
        None => site.store.find_surface_by_name(tenant, &arguments.surface).await?,
    };
    let surface = surface.ok_or_else(|| {
        anyhow!("there is no surface \"{}\" (`inlet surfaces add` makes one)", arguments.surface)
    })?;
    Ok((tenant, surface.id))
}

/// Reads on a blocking thread; ends early when nobody takes its batches any more.
fn read_all(mut mails: Mails, sender: &mpsc::Sender<Read>) {
    let mut batch = Vec::new();
    let mut bytes = 0;
    for mail in mails.by_ref() {
        let read = match mail {
            Ok(mail) => {
                bytes += payload_bytes(&mail);
                batch.push(mail);
                if batch.len() < BATCH_MESSAGES && bytes < BATCH_BYTES {
                    continue;
                }
                bytes = 0;
                Read::Batch(std::mem::take(&mut batch))
            }
            Err(error) => Read::Unreadable(error),
        };
        if sender.blocking_send(read).is_err() {
            return;
        }
    }
    let end = Read::End { skipped_files: mails.skipped_files() };
    for read in [Read::Batch(batch), end] {
        if sender.blocking_send(read).is_err() {
            return;
        }
    }
}

fn payload_bytes(mail: &Mail) -> usize {
    let (Mail::Whole(bytes) | Mail::Oversized { header: bytes, .. }) = mail;
    bytes.len()
}

fn item(site: &Site, tenant_id: TenantId, surface_id: SurfaceId, mail: Mail) -> Item {
    let payload = match mail {
        Mail::Whole(bytes) => Payload::Mail(bytes),
        Mail::Oversized { header, size_bytes } => Payload::OversizedMail { header, size_bytes },
    };
    let received_at = site.clock.now();
    let envelope = Envelope { tenant_id, surface_id, origin: Origin::Import, received_at, payload };
    Item { envelopes: vec![envelope], ..Item::default() }
}

async fn take(pipeline: &Pipeline, tenant: TenantId, items: Vec<Item>) -> anyhow::Result<Vec<Receipt>> {
    let receipts = pipeline.take(tenant, items).await.context("storing a batch; run it again to go on")?;
    Ok(receipts.into_iter().flatten().collect())
}

impl Tally {
    fn count(&mut self, receipts: &[Receipt]) {
        for receipt in receipts {
            self.read += 1;
            match receipt.outcome {
                Outcome::Stored | Outcome::Oversized => self.stored += 1,
                Outcome::Duplicate | Outcome::OutboundMatched => self.duplicates += 1,
                Outcome::Quarantined => self.quarantined += 1,
                Outcome::Vanished | Outcome::Skipped => {}
            }
        }
    }

    fn words(&self) -> String {
        format!(
            "{} read: {} stored, {} were there already, {} quarantined; {} files hold no mail, {} cannot be read",
            self.read, self.stored, self.duplicates, self.quarantined, self.skipped_files, self.unreadable
        )
    }
}
