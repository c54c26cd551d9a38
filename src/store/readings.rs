//! What is being read at this moment, and what the ledger says of single messages and whole mailboxes.

use super::dialect::Statement;
use super::imap::mailbox_key;
use super::{Result, Store, Tx};
use crate::ids::{MessageId, SurfaceId, TenantId};
use crate::model::imap::{LedgerPlace, Outcome, Reading};

impl Store {
    /// The mark that a process left which died while it read this mailbox.
    ///
    /// # Errors
    /// Any [`super::StoreError`].
    pub async fn get_reading(
        &self,
        tenant: TenantId,
        surface: SurfaceId,
        mailbox: &str,
    ) -> Result<Option<Reading>> {
        let select = Statement::new(
            "SELECT uid_validity, uid, alone, deaths FROM readings
             WHERE tenant_id = $1 AND surface_id = $2 AND mailbox_key = $3",
        );
        let select = select.bind(tenant).bind(surface).bind(mailbox_key(mailbox));
        let rows = self.pools.fetch(select).await?;
        let read = rows.first().map(|row| {
            let mut fields = row.fields();
            Ok(Reading {
                uid_validity: fields.small()?,
                uid: fields.small()?,
                is_alone: fields.flag()?,
                deaths: fields.int()?,
            })
        });
        read.transpose()
    }

    /// How many UIDs of a mailbox had which outcome.
    ///
    /// # Errors
    /// Any [`super::StoreError`].
    pub async fn count_ledger(
        &self,
        tenant: TenantId,
        surface: SurfaceId,
        mailbox: &str,
        uid_validity: u32,
    ) -> Result<Vec<(Outcome, i64)>> {
        let select = Statement::new(
            "SELECT outcome, count(*) FROM ledger
             WHERE tenant_id = $1 AND surface_id = $2 AND mailbox_key = $3 AND uid_validity = $4
             GROUP BY outcome ORDER BY outcome",
        );
        let select = select.bind(tenant).bind(surface).bind(mailbox_key(mailbox));
        let rows = self.pools.fetch(select.bind(i64::from(uid_validity))).await?;
        let read = |row: &super::dialect::Record| {
            let mut fields = row.fields();
            Ok((fields.word(Outcome::parse)?, fields.int()?))
        };
        rows.iter().map(read).collect()
    }

    /// Where a message lies on its server, in mailboxes whose UIDs are still valid.
    ///
    /// # Errors
    /// Any [`super::StoreError`].
    pub async fn find_in_ledger(
        &self,
        tenant: TenantId,
        surface: SurfaceId,
        message: MessageId,
    ) -> Result<Vec<LedgerPlace>> {
        let select = Statement::new(
            "SELECT c.mailbox, l.uid_validity, l.uid, l.outcome FROM cursors c
             CROSS JOIN ledger l WHERE c.tenant_id = $1 AND c.surface_id = $2 AND l.tenant_id = c.tenant_id
                AND l.surface_id = c.surface_id AND l.mailbox_key = c.mailbox_key
                AND l.uid_validity = c.uid_validity AND l.message_id = $3
             ORDER BY l.uid DESC LIMIT 20",
        );
        let rows = self.pools.fetch(select.bind(tenant).bind(surface).bind(message)).await?;
        let read = |row: &super::dialect::Record| {
            let mut fields = row.fields();
            Ok(LedgerPlace {
                mailbox: fields.text()?,
                uid_validity: fields.small()?,
                uid: fields.small()?,
                outcome: fields.word(Outcome::parse)?,
            })
        };
        rows.iter().map(read).collect()
    }
}

impl Tx {
    /// Marks what is about to be read, in place of the mark before.
    ///
    /// # Errors
    /// Any [`super::StoreError`].
    pub async fn save_reading(
        &mut self,
        tenant: TenantId,
        surface: SurfaceId,
        mailbox: &str,
        reading: &Reading,
    ) -> Result<()> {
        let upsert = Statement::new(
            "INSERT INTO readings (tenant_id, surface_id, mailbox_key, uid_validity, uid, alone, deaths)
             VALUES ($1, $2, $3, $4, $5, $6, $7)
             ON CONFLICT (tenant_id, surface_id, mailbox_key) DO UPDATE SET uid_validity = excluded.uid_validity,
                uid = excluded.uid, alone = excluded.alone, deaths = excluded.deaths",
        );
        let upsert = upsert
            .bind(tenant)
            .bind(surface)
            .bind(mailbox_key(mailbox))
            .bind(i64::from(reading.uid_validity))
            .bind(i64::from(reading.uid))
            .bind(reading.is_alone)
            .bind(reading.deaths);
        self.work.execute(upsert).await.map(drop)
    }

    /// What was marked up to `through_uid` has its outcome.
    ///
    /// # Errors
    /// Any [`super::StoreError`].
    pub async fn pass_reading(
        &mut self,
        tenant: TenantId,
        surface: SurfaceId,
        mailbox: &str,
        through_uid: u32,
    ) -> Result<()> {
        let delete = Statement::new(
            "DELETE FROM readings WHERE tenant_id = $1 AND surface_id = $2 AND mailbox_key = $3 AND uid <= $4",
        );
        let delete = delete.bind(tenant).bind(surface).bind(mailbox_key(mailbox));
        self.work.execute(delete.bind(i64::from(through_uid))).await.map(drop)
    }

    /// Nothing of this mailbox is being read any more.
    ///
    /// # Errors
    /// Any [`super::StoreError`].
    pub async fn delete_reading(
        &mut self,
        tenant: TenantId,
        surface: SurfaceId,
        mailbox: &str,
    ) -> Result<()> {
        let delete = Statement::new(
            "DELETE FROM readings WHERE tenant_id = $1 AND surface_id = $2 AND mailbox_key = $3",
        );
        let delete = delete.bind(tenant).bind(surface).bind(mailbox_key(mailbox));
        self.work.execute(delete).await.map(drop)
    }

    /// Every UID up to `uid` has had the action that follows storing.
    ///
    /// # Errors
    /// Any [`super::StoreError`].
    pub async fn save_acted(
        &mut self,
        tenant: TenantId,
        surface: SurfaceId,
        mailbox: &str,
        uid_validity: u32,
        uid: u32,
    ) -> Result<()> {
        let update = Statement::new(
            "UPDATE cursors SET acted_through_uid = $5
             WHERE tenant_id = $1 AND surface_id = $2 AND mailbox_key = $3 AND uid_validity = $4
                AND acted_through_uid < $5",
        );
        let update = update
            .bind(tenant)
            .bind(surface)
            .bind(mailbox_key(mailbox))
            .bind(i64::from(uid_validity))
            .bind(i64::from(uid));
        self.work.execute(update).await.map(drop)
    }
}
