//! How a batch gets into the store, three ways, each durable: (a) `sqlx::Any` and JSON rowsets,
//! (b) native drivers with bound `VALUES` rows / `UNNEST`, (c) native drivers and JSON rowsets.
//! A batch = look up N hashed keys, insert N keys, insert N messages of about 2 KB. The figures that
//! decided are in docs/adr/0001-sql-approach.md. Run: `cargo bench --bench store_batch`.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "a benchmark prints, and stops at the first surprise"
)]

#[path = "../tests/it/servers/postgres.rs"]
#[expect(dead_code, reason = "the benchmark uses a part of the test harness")]
mod postgres;

use sqlx::{AssertSqlSafe, Connection, Executor, Row};
use std::fmt::Write;
use std::time::Instant;

const ROWS: usize = 20_000;
const REPEATS: usize = 3;
const TENANT: [u8; 16] = [7; 16];

struct Message {
    id: [u8; 16],
    conversation: [u8; 16],
    key: [u8; 16],
    external_id: String,
    subject: String,
    sent_at: i64,
    content: String,
    metadata: String,
}

fn random(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

fn messages() -> Vec<Message> {
    let mut state = 0x9E37_79B9_7F4A_7C15;
    let words = ["order", "invoice", "\"thanks\"", "größe", "delivery\n", "the", "and", "réponse"];
    (0..ROWS as u64)
        .map(|number| {
            let mut content = String::new();
            let length = 800 + random(&mut state) % 2400;
            while (content.len() as u64) < length {
                content.push_str(words[(random(&mut state) % 8) as usize]);
                content.push(' ');
            }
            let half = |high: u64, low: u64| (u128::from(high) << 64 | u128::from(low)).to_be_bytes();
            Message {
                id: half(0x0190_0000_0000_7000 + (number << 16), random(&mut state)),
                conversation: half(0x0190_0000_0000_7000 + ((number / 3) << 16), 1),
                key: half(random(&mut state), random(&mut state)),
                external_id: format!("{:016x}@mail.example.com", random(&mut state)),
                subject: "Re: order account delivery problem".to_owned(),
                sent_at: 1_735_689_600_000_000 + (random(&mut state) % 25_920_000_000_000) as i64,
                content,
                metadata: r#"{"flags":{"list":true},"from":"somebody@example.com","matchedBy":"thread"}"#
                    .to_owned(),
            }
        })
        .collect()
}

fn schema(bytes: &str, key_table: &str) -> String {
    format!(
        "DROP TABLE IF EXISTS keys; DROP TABLE IF EXISTS messages;
         CREATE TABLE keys (tenant {bytes} NOT NULL, key {bytes} NOT NULL, message {bytes} NOT NULL,
           PRIMARY KEY (tenant, key)) {key_table};
         CREATE TABLE messages (tenant {bytes} NOT NULL, id {bytes} NOT NULL, conversation {bytes} NOT NULL,
           external_id text, subject text, sent_at bigint NOT NULL, content text NOT NULL, metadata text NOT NULL,
           PRIMARY KEY (tenant, id));
         CREATE INDEX by_conversation ON messages (tenant, conversation, sent_at, id);"
    )
}

const LITE_JSON: [&str; 3] = [
    "SELECT k.key FROM json_each($1) r CROSS JOIN keys k WHERE k.tenant = unhex($2) AND k.key = unhex(r.value)",
    "INSERT INTO keys SELECT unhex($2), unhex(value->>0), unhex(value->>1) FROM json_each($1) WHERE true ON CONFLICT DO NOTHING",
    "INSERT INTO messages SELECT unhex($2), unhex(value->>0), unhex(value->>1), value->>2, value->>3, value->>4, value->>5, value->>6 FROM json_each($1)",
];
const PG_JSON: [&str; 3] = [
    "SELECT k.key FROM json_array_elements_text($1::json) r(v) JOIN keys k ON k.tenant = decode($2, 'hex') AND k.key = decode(r.v, 'hex')",
    "INSERT INTO keys SELECT decode($2, 'hex'), decode(r->>0, 'hex'), decode(r->>1, 'hex') FROM json_array_elements($1::json) t(r) ON CONFLICT DO NOTHING",
    "INSERT INTO messages SELECT decode($2, 'hex'), decode(r->>0, 'hex'), decode(r->>1, 'hex'), r->>2, r->>3, (r->>4)::bigint, r->>5, r->>6 FROM json_array_elements($1::json) t(r)",
];
const PG_UNNEST: [&str; 3] = [
    "SELECT k.key FROM unnest($1::bytea[]) r(v) JOIN keys k ON k.tenant = $2 AND k.key = r.v",
    "INSERT INTO keys SELECT $1, * FROM unnest($2::bytea[], $3::bytea[]) ON CONFLICT DO NOTHING",
    "INSERT INTO messages SELECT $1, * FROM unnest($2::bytea[], $3::bytea[], $4::text[], $5::text[], $6::bigint[], $7::text[], $8::text[])",
];

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn json_rowsets(batch: &[Message]) -> [String; 3] {
    let keys: Vec<_> = batch.iter().map(|m| hex(&m.key)).collect();
    let rows: Vec<_> = batch.iter().map(|m| (hex(&m.key), hex(&m.id))).collect();
    let full: Vec<_> = batch
        .iter()
        .map(|m| {
            (hex(&m.id), hex(&m.conversation), &m.external_id, &m.subject, m.sent_at, &m.content, &m.metadata)
        })
        .collect();
    [serde_json::to_string(&keys), serde_json::to_string(&rows), serde_json::to_string(&full)]
        .map(|json| json.expect("plain values"))
}

/// The JSON way is the same code for `Any` and for both native drivers.
macro_rules! json_batch {
    ($transaction:expr, $sql:expr, $batch:expr) => {{
        let mut tx = $transaction;
        let tenant = hex(&TENANT);
        let [keys, rows, full] = json_rowsets($batch);
        let found = sqlx::query($sql[0]).bind(keys).bind(&tenant).fetch_all(&mut *tx).await.expect("look up");
        assert!(found.is_empty());
        sqlx::query($sql[1]).bind(rows).bind(&tenant).execute(&mut *tx).await.expect("keys");
        sqlx::query($sql[2]).bind(full).bind(&tenant).execute(&mut *tx).await.expect("messages");
        tx.commit().await.expect("commit");
    }};
}

async fn lite_values(connection: &mut sqlx::SqliteConnection, batch: &[Message], chunk_rows: usize) {
    let values = |columns: usize, rows: usize| {
        let row = format!("({})", vec!["?"; columns].join(","));
        vec![row; rows].join(",")
    };
    let mut tx = connection.begin_with("BEGIN IMMEDIATE").await.expect("begin");
    for chunk in batch.chunks(chunk_rows) {
        let sql = format!(
            "WITH r(v) AS (VALUES {}) SELECT k.key FROM r CROSS JOIN keys k WHERE k.tenant = $999 AND k.key = r.v",
            values(1, chunk.len())
        )
        .replace("$999", &format!("${}", chunk.len() + 1));
        let mut query = sqlx::query(AssertSqlSafe(sql));
        for m in chunk {
            query = query.bind(&m.key[..]);
        }
        assert!(query.bind(&TENANT[..]).fetch_all(&mut *tx).await.expect("look up").is_empty());
    }
    for chunk in batch.chunks(chunk_rows) {
        let sql = format!(
            "WITH r(k, m) AS (VALUES {}) INSERT INTO keys SELECT ${}, k, m FROM r WHERE true ON CONFLICT DO NOTHING",
            values(2, chunk.len()),
            chunk.len() * 2 + 1
        );
        let mut query = sqlx::query(AssertSqlSafe(sql));
        for m in chunk {
            query = query.bind(&m.key[..]).bind(&m.id[..]);
        }
        query.bind(&TENANT[..]).execute(&mut *tx).await.expect("keys");
    }
    for chunk in batch.chunks(chunk_rows) {
        let sql = format!(
            "WITH r(a, b, c, d, e, f, g) AS (VALUES {}) INSERT INTO messages SELECT ${}, a, b, c, d, e, f, g FROM r",
            values(7, chunk.len()),
            chunk.len() * 7 + 1
        );
        let mut query = sqlx::query(AssertSqlSafe(sql));
        for m in chunk {
            query = query.bind(&m.id[..]).bind(&m.conversation[..]).bind(&m.external_id).bind(&m.subject);
            query = query.bind(m.sent_at).bind(&m.content).bind(&m.metadata);
        }
        query.bind(&TENANT[..]).execute(&mut *tx).await.expect("messages");
    }
    tx.commit().await.expect("commit");
}

async fn pg_unnest(connection: &mut sqlx::PgConnection, batch: &[Message]) {
    let keys: Vec<&[u8]> = batch.iter().map(|m| &m.key[..]).collect();
    let ids: Vec<&[u8]> = batch.iter().map(|m| &m.id[..]).collect();
    let text = |field: fn(&Message) -> &str| batch.iter().map(field).collect::<Vec<_>>();
    let mut tx = connection.begin().await.expect("begin");
    let found = sqlx::query(PG_UNNEST[0]).bind(&keys).bind(&TENANT[..]).fetch_all(&mut *tx).await;
    assert!(found.expect("look up").is_empty());
    let insert = sqlx::query(PG_UNNEST[1]).bind(&TENANT[..]).bind(&keys).bind(&ids);
    insert.execute(&mut *tx).await.expect("keys");
    sqlx::query(PG_UNNEST[2])
        .bind(&TENANT[..])
        .bind(&ids)
        .bind(batch.iter().map(|m| &m.conversation[..]).collect::<Vec<_>>())
        .bind(text(|m| &m.external_id))
        .bind(text(|m| &m.subject))
        .bind(batch.iter().map(|m| m.sent_at).collect::<Vec<_>>())
        .bind(text(|m| &m.content))
        .bind(text(|m| &m.metadata))
        .execute(&mut *tx)
        .await
        .expect("messages");
    tx.commit().await.expect("commit");
}

/// Runs `$body` for every batch and prints the median rate of several runs, each on empty tables.
macro_rules! measure {
    ($name:expr, $size:expr, $rows:expr, $connection:expr, $schema:expr, |$batch:ident| $body:expr) => {{
        let mut rates = Vec::new();
        for _ in 0..REPEATS {
            (&mut $connection).execute(AssertSqlSafe($schema)).await.expect("schema");
            let start = Instant::now();
            for $batch in $rows.chunks($size) {
                $body;
            }
            rates.push(ROWS as f64 / start.elapsed().as_secs_f64());
            let count = sqlx::query("SELECT count(*) FROM messages").fetch_one(&mut $connection).await;
            assert_eq!(count.expect("count").get::<i64, _>(0), ROWS as i64);
        }
        rates.sort_by(f64::total_cmp);
        println!("{:<44} batch {:>4} {:>8.0} messages/s", $name, $size, rates[REPEATS / 2]);
    }};
}

async fn lite(rows: &[Message], page_bytes: u32) {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("bench.db");
    let setup = format!(
        "PRAGMA page_size={page_bytes}; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA cache_size=-65536; PRAGMA mmap_size=268435456;"
    );
    let schema = || schema("blob", "WITHOUT ROWID");
    let url = format!("sqlite://{}?mode=rwc", path.display());
    let mut native = sqlx::SqliteConnection::connect(&url).await.expect("connect");
    native.execute(AssertSqlSafe(setup.clone())).await.expect("pragmas");
    let mut any = sqlx::AnyConnection::connect(&url).await.expect("connect");
    any.execute(AssertSqlSafe(setup.clone())).await.expect("pragmas");
    for size in [100, 500] {
        let p = page_bytes;
        measure!(format!("sqlite {p} (a) Any, json_each"), size, rows, any, schema(), |batch| json_batch!(
            any.begin_with("BEGIN IMMEDIATE").await.expect("begin"),
            LITE_JSON,
            batch
        ));
        for chunk in [1, 8, 16, 64, 256] {
            let name = format!("sqlite {p} (b) native, VALUES of {chunk}");
            measure!(name, size, rows, native, schema(), |batch| lite_values(&mut native, batch, chunk)
                .await);
        }
        measure!(
            format!("sqlite {p} (c) native, json_each"),
            size,
            rows,
            native,
            schema(),
            |batch| json_batch!(native.begin_with("BEGIN IMMEDIATE").await.expect("begin"), LITE_JSON, batch)
        );
    }
}

async fn pg(rows: &[Message]) {
    let Some(server) = postgres::Server::start(postgres::Durability::Full) else { return };
    let url = server.fresh_database();
    let schema = || {
        schema("bytea", "")
            + "ALTER TABLE messages ALTER COLUMN content SET COMPRESSION lz4; ALTER TABLE messages ALTER COLUMN metadata SET COMPRESSION lz4;"
    };
    let mut native = sqlx::PgConnection::connect(&url).await.expect("connect");
    let mut any = sqlx::AnyConnection::connect(&url).await.expect("connect");
    for size in [100, 500] {
        measure!("postgres (a) Any, json", size, rows, any, schema(), |batch| json_batch!(
            any.begin().await.expect("begin"),
            PG_JSON,
            batch
        ));
        measure!("postgres (b) native, UNNEST", size, rows, native, schema(), |batch| pg_unnest(
            &mut native,
            batch
        )
        .await);
        measure!("postgres (c) native, json", size, rows, native, schema(), |batch| json_batch!(
            native.begin().await.expect("begin"),
            PG_JSON,
            batch
        ));
    }
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    sqlx::any::install_default_drivers();
    let rows = messages();
    for page_bytes in [4096, 8192, 16384] {
        lite(&rows, page_bytes).await;
    }
    pg(&rows).await;
}
