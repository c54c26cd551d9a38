//! Brings the schema up to date. Migrations are compiled in, run in one transaction under a lock,
//! and are never changed once released: their text is remembered by its hash.

use super::dialect::Statement;
use super::{Result, Store, StoreError, Tx};
use crate::model::key::KeyHash;

struct Migration {
    version: i64,
    script: &'static str,
}

const MIGRATIONS: &[Migration] = &[
    Migration { version: 1, script: include_str!("../../migrations/0001_store.sql") },
    Migration { version: 2, script: include_str!("../../migrations/0002_attention.sql") },
    Migration { version: 3, script: include_str!("../../migrations/0003_taken_back.sql") },
];

const TABLE: &str = "CREATE TABLE IF NOT EXISTS schema_migrations (
    version bigint NOT NULL PRIMARY KEY,
    script_hash bytea NOT NULL
)";

impl Store {
    /// Brings the schema up to date, under a lock. Refuses a schema newer than this program.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] or [`StoreError::Schema`].
    pub async fn migrate(&self) -> Result<()> {
        let mut tx = self.begin().await?;
        tx.work.lock_schema().await?;
        tx.work.run_script(TABLE).await?;
        let applied = tx.applied_migrations().await?;
        check(&applied, MIGRATIONS)?;
        for migration in MIGRATIONS.iter().skip(applied.len()) {
            tx.work.run_script(migration.script).await?;
            let note = Statement::new("INSERT INTO schema_migrations (version, script_hash) VALUES ($1, $2)");
            tx.work.execute(note.bind(migration.version).bind(hash(migration))).await?;
        }
        tx.commit().await
    }
}

impl Tx {
    async fn applied_migrations(&mut self) -> Result<Vec<(i64, KeyHash)>> {
        let rows = Statement::new("SELECT version, script_hash FROM schema_migrations ORDER BY version");
        let rows = self.work.fetch(rows).await?;
        rows.iter()
            .map(|row| {
                let mut fields = row.fields();
                Ok((fields.int()?, fields.hash()?))
            })
            .collect()
    }
}

fn hash(migration: &Migration) -> KeyHash {
    KeyHash::of(&[migration.script.as_bytes()])
}

fn check(applied: &[(i64, KeyHash)], known: &[Migration]) -> Result<()> {
    for (position, (version, script_hash)) in applied.iter().enumerate() {
        let Some(migration) = known.get(position).filter(|migration| migration.version == *version) else {
            let what =
                format!("it is at version {version}, which this program does not know; use a newer one");
            return Err(StoreError::Schema(what));
        };
        if hash(migration) != *script_hash {
            let what = format!("migration {version} is not the one that made this database");
            return Err(StoreError::Schema(what));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn applied() -> Vec<(i64, KeyHash)> {
        MIGRATIONS.iter().map(|migration| (migration.version, hash(migration))).collect()
    }

    #[test]
    fn a_schema_that_is_known_is_taken() {
        assert!(check(&[], MIGRATIONS).is_ok());
        assert!(check(&applied(), MIGRATIONS).is_ok());
    }

    #[test]
    fn a_newer_schema_is_refused() {
        let mut newer = applied();
        newer.push((999, KeyHash([0; 16])));
        assert!(matches!(check(&newer, MIGRATIONS), Err(StoreError::Schema(_))));
    }

    #[test]
    fn a_schema_made_by_an_altered_migration_is_refused() {
        let mut altered = applied();
        altered[0].1 = KeyHash([0; 16]);
        assert!(matches!(check(&altered, MIGRATIONS), Err(StoreError::Schema(_))));
    }
}
