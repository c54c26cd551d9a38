//! Where nobody may be sent, and how much is taken.

use super::*;

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
