//! Pages of conversations. An index holds them by status and minute, so a list of several statuses
//! walks the index once for each, sorts within a minute, and merges; totals come from the kept counts.
//! A search looks at every row, but once.

use super::conversations::{
    COLUMNS, ConversationCursor, ConversationFilter, add_merges, read_all, read_conversation, select_merges,
};
use super::dialect::Statement;
use super::{MINUTE, Result, Store, sort_time};
use crate::ids::{ConversationId, TenantId};
use crate::limits::PAGE_ROWS;
use crate::model::conversation::{Conversation, ConversationStatus};
use crate::model::page::{Page, Walk};

/// Where a page begins: `last_message_at` and id of the border row, and which way it goes from there.
#[derive(Clone, Copy)]
struct Border {
    walk: Walk,
    place: Option<(i64, ConversationId)>,
}

/// The rows of a page in the order walked, one more than asked for if there is one; how many rows
/// the list has; and how many of them lie on the other side of the border.
struct Found {
    rows: Vec<Conversation>,
    total: i64,
    behind_border: i64,
}

impl Store {
    /// One page of conversations; `limit` is at most [`crate::limits::PAGE_ROWS`].
    ///
    /// # Errors
    /// Any [`super::StoreError`].
    pub async fn list_conversations(
        &self,
        tenant: TenantId,
        filter: &ConversationFilter,
        cursor: Option<ConversationCursor>,
        limit: usize,
    ) -> Result<Page<Conversation>> {
        let limit = limit.min(PAGE_ROWS);
        let border = Border {
            walk: cursor.map_or(Walk::Forward, |cursor| cursor.walk),
            place: cursor.map(|cursor| (sort_time(cursor.last_message_at), cursor.id)),
        };
        let found = match filter.search {
            Some(_) => self.search(tenant, filter, border, limit + 1).await?,
            None => self.walk(tenant, filter, border, limit + 1).await?,
        };
        let mut rows = found.rows;
        let more = rows.len() > limit;
        rows.truncate(limit);
        let merges = self.pools.fetch(select_merges(tenant, &rows)).await?;
        add_merges(&mut rows, &merges)?;
        let shown = i64::try_from(rows.len()).unwrap_or(i64::MAX);
        let (offset, has_previous, has_next) = match border.walk {
            Walk::Forward => (found.behind_border, found.behind_border > 0, more),
            Walk::Backward => {
                rows.reverse();
                let offset = (found.total - found.behind_border - shown).max(0);
                (offset, more, found.behind_border > 0)
            }
        };
        Ok(Page { rows, has_previous, has_next, total: found.total.max(offset + shown), offset })
    }

    /// A page along the index.
    async fn walk(
        &self,
        tenant: TenantId,
        filter: &ConversationFilter,
        border: Border,
        limit: usize,
    ) -> Result<Found> {
        let rows = read_all(&self.pools.fetch(select_page(tenant, filter, border, limit)).await?)?;
        let total = self.count(count_all(tenant, filter)).await?;
        let behind_border = match border.place {
            Some(_) => self.count(count_behind(tenant, filter, border)).await?,
            None => 0,
        };
        Ok(Found { rows, total, behind_border })
    }

    /// A page of what a search finds, with both counts, in one look at all rows.
    async fn search(
        &self,
        tenant: TenantId,
        filter: &ConversationFilter,
        border: Border,
        limit: usize,
    ) -> Result<Found> {
        let mut found = Found { rows: Vec::new(), total: 0, behind_border: 0 };
        for record in &self.pools.fetch(select_search(tenant, filter, border, limit)).await? {
            let mut fields = record.fields();
            found.total = fields.int()?;
            found.behind_border = fields.int()?;
            // Without any row on this side of the border there is one, empty, for the counts.
            if fields.flag()? {
                found.rows.push(read_conversation(&mut fields)?);
            }
        }
        Ok(found)
    }

    async fn count(&self, statement: Statement<'_>) -> Result<i64> {
        let rows = self.pools.fetch(statement).await?;
        rows.first().map_or(Ok(0), |row| row.fields().int())
    }
}

impl Border {
    /// `ORDER BY` of the walk.
    fn order(self) -> &'static str {
        match self.walk {
            Walk::Forward => "DESC",
            Walk::Backward => "ASC",
        }
    }

    /// How the minutes of rows of the page compare with the border's.
    fn onward(self) -> &'static str {
        match self.walk {
            Walk::Forward => "<=",
            Walk::Backward => ">=",
        }
    }

    /// How those compare that lie wholly on the other side.
    fn backward(self) -> &'static str {
        match self.walk {
            Walk::Forward => ">",
            Walk::Backward => "<",
        }
    }

    /// What rows of the page fulfil, with the border bound as `$number` and the one after it.
    fn beyond(self, alias: &str, number: usize) -> String {
        let comparison = match self.walk {
            Walk::Forward => "<",
            Walk::Backward => ">",
        };
        self.compare(alias, comparison, number)
    }

    /// What rows on the other side fulfil, and the border row itself.
    fn behind(self, alias: &str, number: usize) -> String {
        let comparison = match self.walk {
            Walk::Forward => ">=",
            Walk::Backward => "<=",
        };
        self.compare(alias, comparison, number)
    }

    /// What the minute of a row fulfils, the border's being bound as `$number`.
    fn minute(self, comparison: &str, number: usize) -> String {
        match self.place {
            Some(_) => format!("AND c.active_minute {comparison} ${number}"),
            None => String::new(),
        }
    }

    fn compare(self, alias: &str, comparison: &str, number: usize) -> String {
        match self.place {
            Some(_) => {
                format!("AND ({alias}.last_message_at, {alias}.id) {comparison} (${number}, ${})", number + 1)
            }
            None => String::new(),
        }
    }

    fn bind(self, statement: Statement<'_>) -> Statement<'_> {
        match self.place {
            Some((time, id)) => statement.bind(time).bind(id),
            None => statement,
        }
    }

    fn bind_minute(self, statement: Statement<'_>) -> Statement<'_> {
        match self.place {
            Some((time, _)) => statement.bind(time.div_euclid(MINUTE)),
            None => statement,
        }
    }
}

/// What the filter asks of a row, with the values it binds behind the tenant's `$1`.
struct Condition {
    text: String,
    values: Vec<ConditionValue>,
}

enum ConditionValue {
    Id(uuid::Uuid),
    Text(String),
}

impl Condition {
    fn of(filter: &ConversationFilter) -> Self {
        let mut condition = Self { text: String::new(), values: Vec::new() };
        if let Some(surface) = filter.surface_id {
            condition.add("AND c.surface_id = ", ConditionValue::Id(surface.0), "");
        }
        if let Some(search) = &filter.search {
            let pattern = ConditionValue::Text(like_pattern(search));
            condition.add("AND c.search_text LIKE ", pattern, " ESCAPE '!'");
        }
        if let Some(workspace) = &filter.workspace_id {
            condition.add(
                "AND EXISTS (SELECT s.id FROM surfaces s WHERE s.tenant_id = c.tenant_id
                    AND s.id = c.surface_id AND s.workspace_id = ",
                ConditionValue::Text(workspace.clone()),
                ")",
            );
        }
        condition
    }

    fn add(&mut self, before: &str, value: ConditionValue, behind: &str) {
        self.values.push(value);
        let number = self.values.len() + 1;
        self.text.push_str(&format!(" {before}${number}{behind}"));
    }

    fn next_number(&self) -> usize {
        self.values.len() + 2
    }

    fn bind(self, text: String, tenant: TenantId) -> Statement<'static> {
        let statement = Statement::new(text).bind(tenant);
        self.values.into_iter().fold(statement, |statement, value| match value {
            ConditionValue::Id(id) => statement.bind(crate::ids::SurfaceId(id)),
            ConditionValue::Text(text) => statement.bind(text),
        })
    }
}

/// A pattern that finds `search` anywhere, `%` and `_` being themselves.
fn like_pattern(search: &str) -> String {
    let mut pattern = String::with_capacity(search.len() + 2);
    pattern.push('%');
    for character in search.to_lowercase().chars() {
        if matches!(character, '%' | '_' | '!') {
            pattern.push('!');
        }
        pattern.push(character);
    }
    pattern.push('%');
    pattern
}

fn statuses(filter: &ConversationFilter) -> &[ConversationStatus] {
    filter.status.as_ref().map_or(ConversationStatus::ALL, std::slice::from_ref)
}

fn select_page(
    tenant: TenantId,
    filter: &ConversationFilter,
    border: Border,
    limit: usize,
) -> Statement<'static> {
    let condition = Condition::of(filter);
    let number = condition.next_number();
    let (order, beyond) = (border.order(), border.beyond("c", number + 1));
    let minutes = border.minute(border.onward(), number + 3);
    let one_status = |status: &ConversationStatus| {
        format!(
            "SELECT * FROM (SELECT c.tenant_id, c.last_message_at, c.id FROM conversations c
                WHERE c.tenant_id = $1 AND c.merged_into IS NULL AND c.status = '{status}'
                {} {minutes} {beyond}
                ORDER BY c.active_minute {order}, c.last_message_at {order}, c.id {order} LIMIT ${number}) AS {status}_ones",
            condition.text
        )
    };
    let union = statuses(filter).iter().map(one_status).collect::<Vec<_>>().join(" UNION ALL ");
    let text = format!(
        "SELECT {COLUMNS} FROM (SELECT u.tenant_id, u.last_message_at, u.id FROM ({union}) AS u
            ORDER BY u.last_message_at {order}, u.id {order} LIMIT ${number}) AS p
         CROSS JOIN conversations c WHERE c.tenant_id = p.tenant_id AND c.id = p.id
         ORDER BY p.last_message_at {order}, p.id {order}"
    );
    let statement = condition.bind(text, tenant).bind(i64::try_from(limit).unwrap_or(i64::MAX));
    border.bind_minute(border.bind(statement))
}

/// Both counts, whether there is a row, and the row. Not "merged_into IS NULL": that would allow the
/// indexes of the lists, in whose order rows lie scattered, while by id they lie as they were made.
fn select_search(
    tenant: TenantId,
    filter: &ConversationFilter,
    border: Border,
    limit: usize,
) -> Statement<'static> {
    let condition = Condition::of(filter);
    let number = condition.next_number();
    let (order, beyond) = (border.order(), border.beyond("m", number + 1));
    let behind = match border.place {
        Some(_) => format!("(SELECT count(*) FROM m WHERE 1 = 1 {})", border.behind("m", number + 1)),
        None => "CAST(0 AS bigint)".to_owned(),
    };
    let status = match filter.status {
        Some(status) => format!("AND c.status = '{status}'"),
        None => String::new(),
    };
    let text = format!(
        "WITH m AS MATERIALIZED (SELECT c.tenant_id, c.last_message_at, c.id FROM conversations c
            WHERE c.tenant_id = $1 AND COALESCE(c.merged_into, c.id) = c.id {status} {})
         SELECT t.total, t.behind, CAST(CASE WHEN c.id IS NULL THEN 0 ELSE 1 END AS bigint), {COLUMNS}
         FROM (SELECT (SELECT count(*) FROM m) AS total, {behind} AS behind) AS t
         LEFT JOIN (SELECT m.tenant_id, m.last_message_at, m.id FROM m WHERE 1 = 1 {beyond}
            ORDER BY m.last_message_at {order}, m.id {order} LIMIT ${number}) AS p ON 1 = 1
         LEFT JOIN conversations c ON c.tenant_id = p.tenant_id AND c.id = p.id
         ORDER BY p.last_message_at {order}, p.id {order}",
        condition.text
    );
    border.bind(condition.bind(text, tenant).bind(i64::try_from(limit).unwrap_or(i64::MAX)))
}

/// How many rows a list has that is no search.
fn count_all(tenant: TenantId, filter: &ConversationFilter) -> Statement<'static> {
    let condition = Condition::of(filter);
    let text = format!(
        "SELECT CAST(COALESCE(SUM(c.conversations), 0) AS bigint) FROM conversation_counts c
         WHERE c.tenant_id = $1 AND c.status IN ({}) {}",
        statuses(filter).iter().map(|status| format!("'{status}'")).collect::<Vec<_>>().join(", "),
        condition.text
    );
    condition.bind(text, tenant)
}

/// How many rows of the list lie on the other side of the border, with the border row: those of other
/// minutes are counted in the index alone.
fn count_behind(tenant: TenantId, filter: &ConversationFilter, border: Border) -> Statement<'static> {
    let condition = Condition::of(filter);
    let number = condition.next_number();
    let other_minutes = border.minute(border.backward(), number + 2);
    let same_minute = format!("{} {}", border.minute("=", number + 2), border.behind("c", number));
    let one_count = |status: &ConversationStatus, part: &str| {
        format!(
            "(SELECT count(*) FROM conversations c WHERE c.tenant_id = $1 AND c.merged_into IS NULL
                AND c.status = '{status}' {} {part})",
            condition.text
        )
    };
    let both = |status| [one_count(status, &other_minutes), one_count(status, &same_minute)];
    let sum = statuses(filter).iter().flat_map(both).collect::<Vec<_>>().join(" + ");
    border.bind_minute(border.bind(condition.bind(format!("SELECT {sum}"), tenant)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_pattern_takes_percent_and_underscore_as_they_are() {
        assert_eq!(like_pattern("50%_Off!"), "%50!%!_off!!%");
    }
}
