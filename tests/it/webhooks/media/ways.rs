//! Each provider is asked in its own way.

use super::*;

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
