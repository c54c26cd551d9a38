//! What cannot be had now, or ever, or by this worker.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_that_passes_is_tried_again_and_one_that_does_not_is_marked() {
    for world in World::each().await {
        let provider = Provider::start().await;
        let id = surface(&world, "webhook", json!({"provider": "inlet", "allowUnsigned": true})).await;
        provider.answers("/later", "503 Busy\r\nRetry-After: 30", "");
        provider.answers("/later", "200 OK", "at last");
        provider.answers("/gone", "410 Gone", "");
        let urls = [format!("{}/later", provider.url), format!("{}/gone", provider.url)];
        attachments(&world, &id, ANYBODY, pointing_at("1", &[&urls[0], &urls[1]])).await;
        let fetcher = media(&world, true, 1_000);
        assert_eq!(fetcher.run_due().await.unwrap(), 2);
        let states = |list: Vec<Value>| {
            list.iter().map(|it| it["state"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(states(stored(&world, &id).await), ["pending", "unavailable"]);
        world.clock.advance(Duration::from_secs(29));
        assert_eq!(fetcher.run_due().await.unwrap(), 0, "the provider asked for 30 seconds");
        world.clock.advance(Duration::from_secs(2));
        assert_eq!(fetcher.run_due().await.unwrap(), 1);
        assert_eq!(states(stored(&world, &id).await), ["stored", "unavailable"]);
        assert_eq!(fetcher.run_due().await.unwrap(), 0);
        assert_eq!(provider.asked().len(), 3);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_always_fails_is_given_up_after_about_a_day() {
    let world = World::new().await;
    let provider = Provider::start().await;
    let id = surface(&world, "webhook", json!({"provider": "inlet", "allowUnsigned": true})).await;
    provider.answers("/x", "500 Oops", "");
    attachments(&world, &id, ANYBODY, pointing_at("1", &[&format!("{}/x", provider.url)])).await;
    let fetcher = media(&world, true, 1_000);
    let mut hours = 0;
    while stored(&world, &id).await[0]["state"] == "pending" {
        fetcher.run_due().await.unwrap();
        world.clock.advance(Duration::from_secs(3_600));
        hours += 1;
        assert!(hours < 100);
    }
    assert!((20..40).contains(&hours), "{hours}");
    assert_eq!(provider.asked().len(), 9);
    assert_eq!(stored(&world, &id).await[0]["state"], "unavailable");
}

#[tokio::test(flavor = "multi_thread")]
async fn several_workers_fetch_each_once_and_a_dead_one_s_are_taken_over() {
    for world in World::each().await {
        let provider = Provider::start().await;
        let id = surface(&world, "webhook", json!({"provider": "inlet", "allowUnsigned": true})).await;
        for number in 0..30 {
            provider.answers(&format!("/{number}"), "200 OK", format!("bytes {number}"));
            let url = format!("{}/{number}", provider.url);
            attachments(&world, &id, ANYBODY, pointing_at(&number.to_string(), &[&url])).await;
        }
        // A worker that took one and died.
        let now = inlet::clock::Clock::now(&*world.clock);
        let mut tx = world.store.begin().await.unwrap();
        let dead = tx.take_due_media(now, now + jiff::SignedDuration::from_mins(4), 1).await.unwrap();
        tx.commit().await.unwrap();
        let workers: Vec<_> = (0..4).map(|_| media(&world, true, 1_000)).collect();
        let taken = workers.iter().map(async |worker| worker.run_due().await.unwrap_or(0));
        let taken: usize = futures_util::future::join_all(taken).await.into_iter().sum();
        assert_eq!(taken, 29);
        world.clock.advance(Duration::from_mins(5));
        assert_eq!(workers[0].run_due().await.unwrap(), 1);
        assert!(stored(&world, &id).await.iter().all(|it| it["state"] == "stored"));
        assert_eq!(provider.asked().len(), 30);
        // The dead one comes back: what it took is no longer its own.
        let mut tx = world.store.begin().await.unwrap();
        assert!(tx.settle_media(&dead[0], None).await.is_err());
    }
}

on_both_stores! { the_daemon_fetches_by_itself_and_after_a_kill }

async fn the_daemon_fetches_by_itself_and_after_a_kill(engine: Engine) {
    let Some(database) = engine.database().await else { return };
    let provider = Provider::start().await;
    provider.answers("/first", "200 OK", "first bytes");
    provider.answers("/second", "503 Busy", "");
    provider.answers("/second", "200 OK", "second bytes");
    let directory = tempfile::tempdir().unwrap();
    let worker = Daemon::start(directory.path(), database.as_deref(), &[]);
    let surface = worker.inlet_surface().await;
    let body = |id: &str, path: &str| {
        serde_json::from_str::<Value>(&pointing_at(id, &[&format!("{}/{path}", provider.url)])).unwrap()
    };
    assert_eq!(worker.post(&surface, &body("1", "first")).await.unwrap().0, 200);
    assert_eq!(worker.post(&surface, &body("2", "second")).await.unwrap().0, 200);
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    for outcome in ["stored", "retried"] {
        while worker.figure(&format!("inlet_media_total{{outcome=\"{outcome}\"}}")).await < 1.0 {
            assert!(tokio::time::Instant::now() < deadline, "{outcome}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    drop(worker);
    let worker = Daemon::start(directory.path(), database.as_deref(), &[]);
    loop {
        let all = worker.conversations(&surface).await;
        let messages = all.iter().flat_map(|(_, messages)| messages);
        let states: Vec<&Value> = messages.map(|it| &it["attachments"][0]["state"]).collect();
        if states == ["stored", "stored"] {
            break;
        }
        assert!(tokio::time::Instant::now() < deadline, "{states:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(provider.asked().len(), 3);
}
