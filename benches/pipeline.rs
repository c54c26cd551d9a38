//! The pipeline without a mail server: mails of a Maildir, read and kept in batches.
//!
//! `cargo bench --bench pipeline -- --maildir DIR [--url postgres://...] [--batch N]`
//! prints messages a second for reading alone, preparing (two threads) and keeping.
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark prints, and stops at the first surprise"
)]

use bytes::Bytes;
use inlet::blobs::Blobs;
use inlet::clock::{Clock, SystemClock};
use inlet::envelope::{Envelope, Origin, Payload};
use inlet::ids::{Ids, SystemEntropy};
use inlet::ingest::{Item, Pipeline};
use inlet::model::JsonMap;
use inlet::model::surface::{Surface, SurfaceStatus};
use inlet::notify::Wake;
use inlet::store::{Store, StoreOptions};
use std::sync::Arc;
use std::time::{Duration, Instant};

fn argument(name: &str) -> Option<String> {
    let mut arguments = std::env::args().skip_while(|argument| argument != name);
    arguments.nth(1)
}

fn report(what: &str, mails: usize, time: Duration) {
    println!(
        "{what:24} {:>8.0} messages/s  {:>8.1} us each",
        mails as f64 / time.as_secs_f64(),
        time.as_secs_f64() * 1e6 / mails as f64
    );
}

#[tokio::main]
async fn main() {
    let Some(folder) = argument("--maildir") else {
        println!("pipeline: nothing to do without --maildir DIR");
        return;
    };
    let batch: usize = argument("--batch").and_then(|n| n.parse().ok()).unwrap_or(200);
    let mut paths: Vec<_> =
        std::fs::read_dir(format!("{folder}/cur")).unwrap().map(|it| it.unwrap().path()).collect();
    paths.sort();
    let mails: Vec<Bytes> = paths.iter().map(|path| Bytes::from(std::fs::read(path).unwrap())).collect();
    println!("{} mails, {} MB", mails.len(), mails.iter().map(Bytes::len).sum::<usize>() / 1_000_000);

    let started = Instant::now();
    let attachments: usize = mails.iter().map(|mail| inlet::email::read(mail).attachments.len()).sum();
    report("reading, one thread", mails.len(), started.elapsed());
    println!("{attachments} attachments");

    let scratch = tempfile::tempdir().unwrap();
    let url = argument("--url").unwrap_or_else(|| format!("sqlite://{}/inlet.db", scratch.path().display()));
    let clock = Arc::new(SystemClock);
    let ids = Ids::new(clock.clone(), Arc::new(SystemEntropy::new()));
    let store = Store::open(&StoreOptions::new(url)).await.unwrap();
    store.migrate().await.unwrap();
    let blobs = Blobs::open(scratch.path()).unwrap();
    let now = clock.now();
    let mut tx = store.begin().await.unwrap();
    let tenant = tx.ensure_tenant(&format!("bench {now}"), ids.next(), now).await.unwrap();
    let surface = Surface {
        id: ids.next(),
        name: "bench".into(),
        kind: "email".into(),
        status: SurfaceStatus::Active,
        environment: "bench".into(),
        workspace_id: None,
        config: JsonMap::new(),
        inbound: JsonMap::new(),
        outbound: JsonMap::new(),
        created_at: now,
        updated_at: now,
    };
    tx.insert_surface(tenant, &surface).await.unwrap();
    tx.commit().await.unwrap();
    let pipeline = Pipeline::new(store, blobs, ids, clock.clone(), Wake::default());
    let (mut preparing, mut keeping) = (Duration::ZERO, Duration::ZERO);
    for part in mails.chunks(batch) {
        let item = |mail: &Bytes| {
            let payload = Payload::Mail(mail.clone());
            let envelope = Envelope {
                tenant_id: tenant,
                surface_id: surface.id,
                origin: Origin::Import,
                received_at: clock.now(),
                payload,
            };
            Item { envelopes: vec![envelope], ..Item::default() }
        };
        let items = part.iter().map(item).collect();
        let started = Instant::now();
        let prepared = pipeline.prepare(tenant, items).await.unwrap();
        preparing += started.elapsed();
        let started = Instant::now();
        pipeline.commit(tenant, prepared).await.unwrap();
        keeping += started.elapsed();
    }
    report("preparing, two threads", mails.len(), preparing);
    report("keeping", mails.len(), keeping);
    report("one after the other", mails.len(), preparing + keeping);
}
