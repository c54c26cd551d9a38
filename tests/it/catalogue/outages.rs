//! The store fails while mail comes: another process holds SQLite's write lock, PostgreSQL's disk is full.

use super::office::{Office, mail};
use crate::servers::postgres::Server;
use crate::servers::worker::{Engine, on_both_stores};
use inlet::ids::{ConversationId, TenantId};
use inlet::store::{Store, StoreOptions, Tx};
use serde_json::json;

on_both_stores! { d15_a_real_store_that_fails_moves_no_cursor_and_reading_goes_on_by_itself }

/// A store that takes no messages. It does again when this is ended.
enum Outage {
    Locked(Box<Tx>),
    Full { database: String },
}

impl Outage {
    async fn of(office: &Office) -> Self {
        if let Some(url) = &office.place.database {
            let database = url.split('?').next().unwrap().rsplit('/').next().unwrap().to_owned();
            // 53100 is disk_full (PostgreSQL, appendix A).
            let refuse = "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS \
                $$ BEGIN RAISE EXCEPTION 'no space left' USING ERRCODE = '53100'; END $$; \
                CREATE TRIGGER refuse BEFORE INSERT ON messages FOR EACH STATEMENT EXECUTE FUNCTION refuse()";
            Server::shared().unwrap().sql(&database, refuse);
            return Self::Full { database };
        }
        let file = office.place.directory.path().join("data/inlet.db");
        let store = Store::open(&StoreOptions::new(format!("sqlite://{}", file.display()))).await.unwrap();
        let surface = ConversationId::parse(&office.surface).unwrap();
        let tenant = TenantId(surface.0);
        let mut tx = store.begin().await.unwrap();
        tx.lock_conversations(tenant, &[surface]).await.unwrap();
        Self::Locked(Box::new(tx))
    }

    async fn end(self) {
        match self {
            Self::Locked(tx) => tx.commit().await.unwrap(),
            Self::Full { database } => {
                Server::shared().unwrap().sql(&database, "DROP TRIGGER refuse ON messages");
            }
        }
    }
}

async fn d15_a_real_store_that_fails_moves_no_cursor_and_reading_goes_on_by_itself(engine: Engine) {
    let Some(office) = Office::open_with_patience(engine, Some(200)).await else { return };
    office.server.put("INBOX", mail(1));
    office.start(json!({})).await;
    office.wait_for(1).await;
    office.wait_until("IDLE", |status| status["connection"] == "idle").await;

    let outage = Outage::of(&office).await;
    for number in 2..=4 {
        office.server.deliver("INBOX", mail(number));
    }
    let failed = |status: &serde_json::Value| status["errorClass"] == "store";
    let status = office.wait_until("a failure of the store", failed).await;
    assert_eq!((&status["lastUid"], &status["consecutiveErrors"]), (&json!(1), &json!(1)), "{status}");
    assert!(status["lastError"].is_string() && status["nextPollAt"].is_string(), "{status}");
    assert_eq!(office.conversations().await.1, 1, "nothing of a batch that failed is there");
    outage.end().await;

    office.wait_for(4).await;
    let healed = |status: &serde_json::Value| status["lastUid"] == 4 && status["errorClass"].is_null();
    office.wait_until("the end of the failure", healed).await;
    let audit = office.audit().await;
    assert_eq!((&audit["clean"], &audit["mailboxes"][0]["accounted"]), (&json!(true), &json!(4)), "{audit}");
    assert!(office.dead_letters().await.is_empty(), "the mails were not at fault");
}
