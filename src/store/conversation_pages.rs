//! Pages of conversations. An index holds them by status and time, so a list of several statuses
//! walks the index once for each and merges; totals come from the kept counts, and only a search
//! has to look at every row.

use super::conversations::{
    COLUMNS, ConversationCursor, ConversationFilter, add_merges, read_all, select_merges,
};
use super::dialect::Statement;
use super::{Result, Store, sort_time};
use crate::ids::{ConversationId, TenantId};
use crate::limits::PAGE_ROWS;
use crate::model::conversation::{Conversation, ConversationStatus};
use crate::model::page::{Page, Walk};

/// `last_message_at` and id of a row.
type Place = (i64, ConversationId);

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
        let walk = cursor.map_or(Walk::Forward, |cursor| cursor.walk);
        let border = cursor.map(|cursor| (sort_time(cursor.last_message_at), cursor.id));
        let mut rows =
            read_all(&self.pools.fetch(select_page(tenant, filter, border, walk, limit + 1)).await?)?;
        let more = rows.len() > limit;
        rows.truncate(limit);
        if walk == Walk::Backward {
            rows.reverse();
        }
        let merges = self.pools.fetch(select_merges(tenant, &rows)).await?;
        add_merges(&mut rows, &merges)?;
        let total = self.count(count_all(tenant, filter)).await?;
        let first = rows.first().map(|row| (sort_time(row.last_message_at), row.id));
        let offset = match (first, border) {
            // Nothing lies before the top of the list.
            (_, None) => 0,
            (Some(first), _) => self.count(count_before(tenant, filter, first)).await?,
            (None, Some(border)) if walk == Walk::Forward => {
                self.count(count_before(tenant, filter, border)).await? + 1
            }
            (None, Some(_)) => 0,
        };
        let total = total.max(offset + i64::try_from(rows.len()).unwrap_or(i64::MAX));
        let behind = total - offset - i64::try_from(rows.len()).unwrap_or(i64::MAX);
        let (has_previous, has_next) = match walk {
            Walk::Forward => (offset > 0, more),
            Walk::Backward => (more, behind > 0),
        };
        Ok(Page { rows, has_previous, has_next, total, offset })
    }

    async fn count(&self, statement: Statement<'_>) -> Result<i64> {
        let rows = self.pools.fetch(statement).await?;
        rows.first().map_or(Ok(0), |row| row.fields().int())
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
    border: Option<Place>,
    walk: Walk,
    limit: usize,
) -> Statement<'static> {
    let condition = Condition::of(filter);
    let number = condition.next_number();
    let (order, beyond) = match walk {
        Walk::Forward => ("DESC", "<"),
        Walk::Backward => ("ASC", ">"),
    };
    let beyond = match border {
        Some(_) => format!("AND (c.last_message_at, c.id) {beyond} (${}, ${})", number + 1, number + 2),
        None => String::new(),
    };
    let one_status = |status: &ConversationStatus| {
        format!(
            "SELECT * FROM (SELECT c.tenant_id, c.last_message_at, c.id FROM conversations c
                WHERE c.tenant_id = $1 AND c.merged_into IS NULL AND c.status = '{status}'
                {} {beyond}
                ORDER BY c.last_message_at {order}, c.id {order} LIMIT ${number}) AS {status}_ones",
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
    match border {
        Some((time, id)) => statement.bind(time).bind(id),
        None => statement,
    }
}

/// How many rows the list has.
fn count_all(tenant: TenantId, filter: &ConversationFilter) -> Statement<'static> {
    if filter.search.is_some() {
        return count_where(tenant, filter, None);
    }
    let condition = Condition::of(filter);
    let text = format!(
        "SELECT CAST(COALESCE(SUM(c.conversations), 0) AS bigint) FROM conversation_counts c
         WHERE c.tenant_id = $1 AND c.status IN ({}) {}",
        statuses(filter).iter().map(|status| format!("'{status}'")).collect::<Vec<_>>().join(", "),
        condition.text
    );
    condition.bind(text, tenant)
}

/// How many rows of the list lie before `place`.
fn count_before(tenant: TenantId, filter: &ConversationFilter, place: Place) -> Statement<'static> {
    count_where(tenant, filter, Some(place))
}

fn count_where(tenant: TenantId, filter: &ConversationFilter, before: Option<Place>) -> Statement<'static> {
    let condition = Condition::of(filter);
    let number = condition.next_number();
    let before_text = match before {
        Some(_) => format!("AND (c.last_message_at, c.id) > (${}, ${})", number, number + 1),
        None => String::new(),
    };
    let one_status = |status: &ConversationStatus| {
        format!(
            "(SELECT count(*) FROM conversations c WHERE c.tenant_id = $1 AND c.merged_into IS NULL
                AND c.status = '{status}' {} {before_text})",
            condition.text
        )
    };
    let sum = statuses(filter).iter().map(one_status).collect::<Vec<_>>().join(" + ");
    let statement = condition.bind(format!("SELECT {sum}"), tenant);
    match before {
        Some((time, id)) => statement.bind(time).bind(id),
        None => statement,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_pattern_takes_percent_and_underscore_as_they_are() {
        assert_eq!(like_pattern("50%_Off!"), "%50!%!_off!!%");
    }
}
