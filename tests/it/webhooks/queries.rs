//! Messages that come by GET, in the query (Vonage, the SMS API of before).

use super::*;

const SIGNING_SECRET: &str = "fixture-secret-0123";

/// The query of a message, signed as Vonage does: `&name=value` of all fields in the order of their names.
fn query(fields: &[(&str, &str)], timestamp: i64) -> String {
    let stamp = timestamp.to_string();
    let mut all: Vec<(&str, &str)> = fields.to_vec();
    all.push(("timestamp", &stamp));
    all.sort_unstable();
    let signed: String =
        all.iter().map(|(name, value)| format!("&{name}={}", value.replace(['&', '='], "_"))).collect();
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, SIGNING_SECRET.as_bytes()), signed.as_bytes());
    let sig: String = tag.as_ref().iter().map(|byte| format!("{byte:02X}")).collect();
    let coded = |text: &str| text.replace('&', "%26").replace('=', "%3D").replace(' ', "+");
    let pairs: Vec<String> = all.iter().map(|(name, value)| format!("{name}={}", coded(value))).collect();
    format!("{}&sig={sig}", pairs.join("&"))
}

#[tokio::test]
async fn a_message_in_a_query_is_taken_like_a_form() {
    // Expectation 31: an empty request asks whether somebody is here.
    for world in World::each().await {
        let id = surface(&world, "sms", json!({"provider": "vonage", "secret": SIGNING_SECRET})).await;
        let now = inlet::clock::Clock::now(&*world.clock).as_second();
        let get = async |query: &str| {
            world.send(Method::GET, &format!("/v1/webhooks/{id}{query}"), HeaderMap::new(), None).await
        };
        assert_eq!(get("").await.status, 200);
        let fields = [
            ("msisdn", "15552223333"),
            ("to", "15550001111"),
            ("messageId", "0A1"),
            ("text", "one & two = 3"),
        ];
        let good = query(&fields, now);
        for _ in 0..2 {
            assert_eq!(get(&format!("?{good}")).await.status, 200);
        }
        assert_eq!(totals(&world, &id).await, (1, 1));
        let list = world.get(&format!("/v1/messaging/conversations?surfaceId={id}")).await.expect(200);
        let path =
            format!("/v1/messaging/conversations/{}/messages", list["data"][0]["id"].as_str().unwrap());
        let message = world.get(&path).await.expect(200)["data"][0].clone();
        assert_eq!(
            (&message["content"], &message["externalMessageId"]),
            (&json!("one & two = 3"), &json!("0A1"))
        );
        // Another text, an old one, and none of its proofs.
        let forged = good.replace("one", "two");
        let old = query(&fields, now - 301);
        for (query, status) in
            [(forged, 401), (old, 401), ("msisdn=1&to=2&messageId=3&text=x".to_owned(), 503)]
        {
            assert_eq!(get(&format!("?{query}")).await.status, status, "{query}");
        }
        // Without a signature the secret may stand in the address; the same by POST.
        let bare = format!("?token={SIGNING_SECRET}&msisdn=15552223333&to=15550001111&messageId=0A2&text=x");
        assert_eq!(get(&bare).await.status, 200);
        let form = [("content-type", "application/x-www-form-urlencoded")];
        let third = query(
            &[("msisdn", "15552223333"), ("to", "15550001111"), ("messageId", "0A3"), ("text", "x")],
            now,
        );
        assert_eq!(send(&world, &id, &form, third).await.status, 200);
        assert_eq!(totals(&world, &id).await, (1, 3));
        // Nobody else is spoken to in this way.
        let other = inlet(&world).await;
        assert_eq!(
            world
                .send(Method::GET, &format!("/v1/webhooks/{other}?a=b"), HeaderMap::new(), None)
                .await
                .status,
            405
        );
    }
}
