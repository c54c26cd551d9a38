//! Attachments that providers only point at: fetched after the commit, with the provider's token, never
//! from where nobody may be sent, tried again, and marked where they cannot be had.

use super::daemon::Daemon;
use super::{send, surface};
use crate::api::world::World;
use crate::servers::worker::{Engine, on_both_stores};
use inlet::imap;
use inlet::media::{Media, Parts};
use inlet::secret::{EncryptionKey, Sealer};
use inlet::web::Web;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// What a provider answers at a path: status line and headers, and the body.
type Answers = HashMap<String, Vec<(String, Vec<u8>)>>;

/// A path, and the Authorization header that came with it.
type Asked = (String, Option<String>);

/// An HTTP server that answers from a table (the last answer of a path stays) and writes down who asked.
#[derive(Clone)]
struct Provider {
    url: String,
    answers: Arc<Mutex<Answers>>,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Provider {
    async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let provider = Self { url, answers: Arc::default(), asked: Arc::default() };
        let serving = provider.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serving.clone().serve(stream));
            }
        });
        provider
    }

    async fn serve(self, mut stream: tokio::net::TcpStream) {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let Ok(byte) = stream.read_u8().await else { return };
            head.push(byte);
        }
        let head = String::from_utf8(head).unwrap();
        let path = head.split(' ').nth(1).unwrap().to_owned();
        let header = |line: &str| {
            line.split_once(": ")
                .filter(|(name, _)| name.eq_ignore_ascii_case("authorization"))
                .map(|(_, it)| it.to_owned())
        };
        self.asked.lock().unwrap().push((path.clone(), head.lines().find_map(header)));
        let answer = {
            let mut answers = self.answers.lock().unwrap();
            match answers.get_mut(&path) {
                Some(list) if list.len() > 1 => list.remove(0),
                Some(list) => list[0].clone(),
                None => ("404 Not Found".to_owned(), Vec::new()),
            }
        };
        let (first, body) = answer;
        let length = if first.contains("Transfer-Encoding") {
            String::new()
        } else {
            format!("Content-Length: {}\r\n", body.len())
        };
        let _ = stream
            .write_all(format!("HTTP/1.1 {first}\r\n{length}Connection: close\r\n\r\n").as_bytes())
            .await;
        let _ = stream.write_all(&body).await;
    }

    /// One more answer at a path.
    fn answers(&self, path: &str, first: &str, body: impl Into<Vec<u8>>) {
        self.answers
            .lock()
            .unwrap()
            .entry(path.to_owned())
            .or_default()
            .push((first.to_owned(), body.into()));
    }

    fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

/// A fetcher on a world's store.
fn media(world: &World, allow_private_hosts: bool, max_bytes: usize) -> Media {
    let key = EncryptionKey::parse("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", "the test").unwrap();
    let network = imap::Network {
        allow_private_hosts,
        allow_plaintext: false,
        tls: imap::tls_config(&[]).unwrap(),
        limits: imap::Limits::default(),
    };
    Media::new(Parts {
        store: world.store.clone(),
        blobs: world.blobs.clone(),
        sealer: Sealer::new(&key, &[], Arc::new(inlet::ids::SystemEntropy::new())),
        clock: world.clock.clone(),
        ids: world.ids.clone(),
        wake: inlet::notify::Wake::default(),
        pipeline: world.services.pipeline.clone(),
        web: Web::new(&network).unwrap(),
        max_bytes,
    })
}

/// Sends an unsigned body; the attachments of the one message it made.
async fn attachments(world: &World, surface: &str, content_type: &str, body: String) -> Vec<Value> {
    let answer = send(world, surface, &[("content-type", content_type)], body).await;
    assert!((200..300).contains(&answer.status), "{}", String::from_utf8_lossy(&answer.body));
    stored(world, surface).await
}

async fn stored(world: &World, surface: &str) -> Vec<Value> {
    let page = world.get(&format!("/v1/messaging/conversations?surfaceId={surface}")).await.expect(200);
    let mut all = Vec::new();
    for row in page["data"].as_array().unwrap() {
        let path = format!("/v1/messaging/conversations/{}/messages", row["id"].as_str().unwrap());
        for message in world.get(&path).await.expect(200)["data"].as_array().unwrap() {
            all.extend(message["attachments"].as_array().unwrap().iter().cloned());
        }
    }
    all
}

/// A generic message with these attachment URLs.
fn pointing_at(id: &str, urls: &[&str]) -> String {
    let attachments: Vec<Value> =
        urls.iter().map(|url| json!({"filename": "a.png", "contentType": "image/png", "url": url})).collect();
    json!({"externalThreadId": "t", "externalMessageId": id, "content": "look", "attachments": attachments})
        .to_string()
}

const ANYBODY: &str = "application/json";

#[tokio::test(flavor = "multi_thread")]
async fn each_provider_is_asked_in_its_way_and_shown_its_token() {
    // Expectation 78.
    for world in World::each().await {
        let provider = Provider::start().await;
        let api = provider.url.clone();
        let inbound = |name: &str| json!({"provider": name, "allowUnsigned": true, "verifyToken": "v", "mediaToken": "tok", "mediaApi": api, "publicUrl": "https://x.example/"});
        let json_type = "200 OK\r\nContent-Type: application/json";
        let image = "200 OK\r\nContent-Type: image/jpeg";
        provider.answers("/v23.0/M1", json_type, json!({"url": format!("{api}/lookaside/1")}).to_string());
        provider.answers("/lookaside/1", image, "whatsapp bytes");
        provider.answers(
            "/bottok/getFile?file_id=F1",
            json_type,
            json!({"ok": true, "result": {"file_path": "docs/f.bin"}}).to_string(),
        );
        provider.answers("/file/bottok/docs/f.bin", image, "telegram bytes");
        provider.answers("/v2/bot/message/L1/content", image, "line bytes");
        provider.answers("/files-pri/S1", image, "slack bytes");
        provider.answers(
            "/2010-04-01/Accounts/AC1/Media/ME1",
            "307 Temporary Redirect\r\nLocation: /cdn/1",
            "",
        );
        provider.answers("/cdn/1", image, "twilio bytes");
        let whatsapp = json!({"object": "whatsapp_business_account", "entry": [{"id": "W", "changes": [{"field": "messages", "value": {
            "metadata": {"phone_number_id": "PN1"}, "messages": [{"from": "1555", "id": "wamid.A", "timestamp": "1760000000", "type": "image",
            "image": {"id": "M1", "mime_type": "image/jpeg", "caption": "look"}}]}}]}]});
        let telegram = json!({"update_id": 1, "message": {"message_id": 4, "date": 1760000000, "chat": {"id": 5}, "from": {"id": 7, "is_bot": false},
            "document": {"file_id": "F1", "file_name": "f.bin"}}});
        let line = json!({"destination": "U0", "events": [{"type": "message", "timestamp": 1760000000123_i64, "source": {"type": "user", "userId": "U1"},
            "message": {"id": "L1", "type": "file", "fileName": "x.bin", "fileSize": 9}}]});
        let slack = json!({"type": "event_callback", "team_id": "T1", "event": {"type": "message", "subtype": "file_share", "channel": "C1", "channel_type": "channel",
            "user": "U1", "text": "hi", "ts": "1760000000.000100", "files": [{"url_private": format!("{api}/files-pri/S1"), "name": "s.jpg", "mimetype": "image/jpeg"}]}});
        let form = "application/x-www-form-urlencoded";
        let twilio = format!(
            "MessageSid=MM1&AccountSid=AC1&From=%2B1&To=%2B2&Body=hi&NumMedia=1&MediaContentType0=image%2Fjpeg&MediaUrl0={api}/2010-04-01/Accounts/AC1/Media/ME1"
        );
        for (name, content_type, body, bytes) in [
            ("whatsapp", ANYBODY, whatsapp.to_string(), "whatsapp bytes"),
            ("telegram", ANYBODY, telegram.to_string(), "telegram bytes"),
            ("line", ANYBODY, line.to_string(), "line bytes"),
            ("slack", ANYBODY, slack.to_string(), "slack bytes"),
            ("twilio", form, twilio, "twilio bytes"),
        ] {
            let id = surface(&world, name, inbound(name)).await;
            let before = attachments(&world, &id, content_type, body).await;
            assert_eq!((before.len(), &before[0]["state"]), (1, &json!("pending")), "{name}");
            assert_eq!(media(&world, true, 1_000).run_due().await.unwrap(), 1);
            let after = &stored(&world, &id).await[0];
            assert_eq!((&after["state"], &after["size"]), (&json!("stored"), &json!(bytes.len())), "{name}");
            let answer = world.get(after["url"].as_str().unwrap()).await;
            assert_eq!(answer.body, bytes.as_bytes(), "{name}");
            assert_eq!(answer.header("content-type"), Some("image/jpeg"), "{name}");
        }
        let shown: HashMap<String, Option<String>> = provider.asked().into_iter().collect();
        for path in ["/v23.0/M1", "/lookaside/1", "/v2/bot/message/L1/content", "/files-pri/S1"] {
            assert_eq!(shown[path].as_deref(), Some("Bearer tok"), "{path}");
        }
        assert_eq!(shown["/2010-04-01/Accounts/AC1/Media/ME1"].as_deref(), Some("Basic QUMxOnRvaw=="));
        assert_eq!(shown["/file/bottok/docs/f.bin"], None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_that_was_only_announced_is_fetched_and_its_message_is_read_from_it() {
    for world in World::each().await {
        let provider = Provider::start().await;
        let (api, json_type) = (provider.url.clone(), "200 OK\r\nContent-Type: application/json");
        let place = json!({"object": "email", "text": "hi", "raw": {"download_url": format!("{api}/raw/1")}});
        provider.answers("/emails/receiving/E1?html_format=cid", json_type, place.to_string());
        provider.answers("/raw/1", "503 Busy", "");
        let mail = "From: Ana <ana@example.org>\r\nTo: in@example.net\r\nSubject: Hi\r\nMessage-ID: <m1@example.org>\r\n\
            MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\n\
            The whole text.\r\n--b\r\nContent-Type: application/pdf; name=a.pdf\r\nContent-Disposition: attachment; \
            filename=a.pdf\r\n\r\nPDF bytes\r\n--b--\r\n";
        provider.answers("/raw/1", "200 OK", mail);
        let inbound =
            json!({"provider": "resend", "allowUnsigned": true, "mediaToken": "re_1", "mediaApi": api});
        let id = surface(&world, "email", inbound).await;
        let announced = json!({"type": "email.received", "created_at": "2026-11-02T09:59:00.000Z", "data": {"email_id": "E1",
            "from": "Ana <ana@example.org>", "to": ["in@example.net"], "subject": "Hi", "message_id": "<m1@example.org>",
            "attachments": [{"id": "a1", "filename": "a.pdf", "content_type": "application/pdf"}]}});
        let before = attachments(&world, &id, ANYBODY, announced.to_string()).await;
        assert_eq!((before.len(), &before[0]["state"]), (1, &json!("pending")));
        assert_eq!(media(&world, true, 10_000).run_due().await.unwrap(), 1);
        world.clock.advance(Duration::from_secs(10));
        assert_eq!(media(&world, true, 10_000).run_due().await.unwrap(), 1);
        let page = world.get(&format!("/v1/messaging/conversations?surfaceId={id}")).await.expect(200);
        assert_eq!(
            (&page["pagination"]["totalCount"], &page["data"][0]["messageCount"]),
            (&json!(1), &json!(1))
        );
        let path =
            format!("/v1/messaging/conversations/{}/messages", page["data"][0]["id"].as_str().unwrap());
        let message = world.get(&path).await.expect(200)["data"][0].clone();
        assert_eq!(
            (&message["content"], &message["externalMessageId"]),
            (&json!("The whole text."), &json!("m1@example.org"))
        );
        let attached = message["attachments"].as_array().unwrap();
        assert_eq!(
            (attached.len(), &attached[0]["filename"], &attached[0]["state"]),
            (1, &json!("a.pdf"), &json!("stored"))
        );
        assert_eq!(world.get(attached[0]["url"].as_str().unwrap()).await.body, b"PDF bytes");
        assert_eq!(provider.asked()[0].1.as_deref(), Some("Bearer re_1"));
        // Announced again, and looked for again: nothing is done twice.
        attachments(&world, &id, ANYBODY, announced.to_string()).await;
        world.clock.advance(Duration::from_secs(3_600));
        assert_eq!(media(&world, true, 10_000).run_due().await.unwrap(), 0);
        assert_eq!(stored(&world, &id).await.len(), 1);
    }
}

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
async fn nobody_is_sent_into_our_network_or_held_up_by_too_many_bytes() {
    // Expectation 77.
    let world = World::new().await;
    let provider = Provider::start().await;
    let port = provider.url.rsplit(':').next().unwrap().to_owned();
    provider.answers("/redirect", "302 Found\r\nLocation: http://169.254.169.254/latest/meta-data/", "");
    provider.answers(
        "/2010/Accounts/AC1/inside",
        "302 Found\r\nLocation: http://169.254.169.254/latest/meta-data/",
        "",
    );
    provider.answers("/2010/Accounts/AC1/round", "302 Found\r\nLocation: /2010/Accounts/AC1/round", "");
    provider.answers("/large", "200 OK", vec![b'x'; 2_000]);
    provider.answers(
        "/endless",
        "200 OK\r\nTransfer-Encoding: chunked",
        [b"7d0\r\n".to_vec(), vec![b'x'; 2_000], b"\r\n0\r\n\r\n".to_vec()].concat(),
    );
    let id = surface(&world, "webhook", json!({"provider": "inlet", "allowUnsigned": true})).await;
    // Where private hosts are not allowed no connection is made at all, whatever form the address has.
    let forms = [
        format!("http://127.0.0.1:{port}/x"),
        format!("http://localhost:{port}/x"),
        format!("http://[::ffff:127.0.0.1]:{port}/x"),
        format!("http://2130706433:{port}/x"),
        format!("http://0x7f.1:{port}/x"),
        format!("http://127.0.0.1.:{port}/x"),
        "http://169.254.169.254/latest/meta-data/".to_owned(),
        "http://[fd00:ec2::254]/".to_owned(),
        "http://10.0.0.1/".to_owned(),
    ];
    for (number, form) in forms.iter().enumerate() {
        attachments(&world, &id, ANYBODY, pointing_at(&format!("form-{number}"), &[form])).await;
    }
    assert_eq!(media(&world, false, 1_000).run_due().await.unwrap(), forms.len());
    assert!(
        stored(&world, &id).await.iter().all(|it| it["state"] == "unavailable"),
        "{:?}",
        stored(&world, &id).await
    );
    assert_eq!(provider.asked(), []);
    // Where they are, the metadata service is closed all the same, behind a redirect as well.
    let twilio = json!({"provider": "twilio", "allowUnsigned": true, "mediaToken": "tok", "mediaApi": provider.url, "publicUrl": "https://x.example/"});
    let twilio = surface(&world, "twilio", twilio).await;
    for (number, path) in ["inside", "round"].iter().enumerate() {
        let form = format!(
            "MessageSid=MM{number}&AccountSid=AC1&From=%2B1&To=%2B2&Body=hi&MediaUrl0={}/2010/Accounts/AC1/{path}",
            provider.url
        );
        attachments(&world, &twilio, "application/x-www-form-urlencoded", form).await;
    }
    let here = surface(&world, "webhook", json!({"provider": "inlet", "allowUnsigned": true})).await;
    for path in ["redirect", "large", "endless"] {
        attachments(&world, &here, ANYBODY, pointing_at(path, &[&format!("{}/{path}", provider.url)])).await;
    }
    assert_eq!(media(&world, true, 1_000).run_due().await.unwrap(), 5);
    for surface in [&twilio, &here] {
        let all = stored(&world, surface).await;
        assert!(all.iter().all(|it| it["state"] == "unavailable"), "{all:?}");
    }
    let round = provider.asked().iter().filter(|(path, _)| path.ends_with("/round")).count();
    assert_eq!(round, 4, "a few redirects and no more");
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
