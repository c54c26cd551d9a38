//! Many mailboxes of one worker on one server: all in IDLE, mail stored at once, memory, and the server's restart.

use super::{Fleet, mail, scaled};
use crate::servers::worker::{Engine, on_both_stores};
use std::time::{Duration, Instant};

on_both_stores! { a_crowd_of_mailboxes_idles_hears_of_mail_and_comes_back_after_a_restart_of_the_server }

/// What `imap.logins_per_second` and the burst allow.
const LOGINS_PER_SECOND: f64 = 25.0;
const BURST: f64 = 21.0;
/// The number of the mail that shows that the feed of events has caught up.
const CAUGHT_UP: u32 = 2_000;

/// The release build is measured, a debug build only watched.
fn is_measured() -> bool {
    std::env::var_os("INLET_SOAK").is_some()
}

async fn a_crowd_of_mailboxes_idles_hears_of_mail_and_comes_back_after_a_restart_of_the_server(
    engine: Engine,
) {
    let Some(mut fleet) = Fleet::new(engine, |_| 3).await else { return };
    let worker = fleet.worker("one");
    let (empty, _) = worker.resident_bytes().unwrap_or_default();
    let count = scaled(120, 1_000);
    let names: Vec<String> = (0..count).map(|number| format!("box{number}")).collect();
    let begun = Instant::now();
    fleet.start(&worker, &names).await;
    fleet.all_idle(names.len(), Duration::from_secs(180)).await;
    println!("{engine:?}: {count} mailboxes started and in IDLE after {:?}", begun.elapsed());
    let (idle, peak) = worker.resident_bytes().unwrap_or_default();
    let each = idle.saturating_sub(empty) / u64::from(count);
    println!(
        "{engine:?}: resident {} KiB empty, {} KiB with {count} idle TLS mailboxes ({each} bytes each), peak {} KiB",
        empty / 1024,
        idle / 1024,
        peak / 1024
    );

    let arrivals = fleet.arrivals(&worker).await;
    // The feed begins with what was stored before: only when it has caught up does it tell what is stored now.
    fleet.crowd.deliver("box0", mail(CAUGHT_UP));
    arrivals.all(&[CAUGHT_UP], Instant::now(), Duration::from_secs(30)).await;
    fleet.all_idle(names.len(), Duration::from_secs(10)).await;
    let chosen: Vec<u32> = (0..50).map(|number| number * 7_919 % count).collect();
    let sent = Instant::now();
    for (number, mailbox) in chosen.iter().enumerate() {
        fleet.crowd.deliver(&format!("box{mailbox}"), mail(u32::try_from(number).unwrap()));
    }
    let numbers: Vec<u32> = (0..50).collect();
    let longest = arrivals.all(&numbers, sent, Duration::from_secs(10)).await;
    println!("{engine:?}: 50 mails at once to random mailboxes stored within {longest:?}");
    if is_measured() {
        assert!(longest < Duration::from_secs(2), "the contract is two seconds");
    }

    fleet.all_idle(names.len(), Duration::from_secs(10)).await;
    fleet.crowd.take_logins();
    fleet.crowd.restart().await;
    let back = fleet.all_idle(names.len(), Duration::from_secs(60)).await;
    let logins = fleet.crowd.take_logins();
    println!(
        "{engine:?}: {count} mailboxes back {back:?} after the server's restart, {} logins",
        logins.len()
    );
    for (first, start) in logins.iter().enumerate() {
        for (last, end) in logins.iter().enumerate().skip(first) {
            let allowed = BURST + LOGINS_PER_SECOND * (end.duration_since(*start).as_secs_f64() + 0.3);
            assert!((last - first) as f64 <= allowed, "{} logins in {:?}", last - first, *end - *start);
        }
    }

    let sent = Instant::now();
    fleet.crowd.deliver("box0", mail(1_000));
    arrivals.all(&[1_000], sent, Duration::from_secs(10)).await;
    let (after, peak) = worker.resident_bytes().unwrap_or_default();
    println!("{engine:?}: resident {} KiB at the end, peak {} KiB", after / 1024, peak / 1024);
    if is_measured() {
        assert!(peak < 64 << 20, "the contract is 64 MiB for 1,000 mailboxes");
    }
    assert_eq!(fleet.totals(&worker).await.1, u64::from(count) * 3 + 52);
}
