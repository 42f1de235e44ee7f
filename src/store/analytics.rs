//! Sums of calls for dashboards, from the days' sums: they cost the same however many calls there were.

use rusqlite::{Connection, Row, params};
use serde::Serialize;

use super::StoreError;

/// What is added up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Sums {
    pub calls: i64,
    pub connected: i64,
    pub completed: i64,
    pub failed: i64,
    pub not_picked: i64,
    /// Of connected calls.
    pub duration_ms: i64,
    pub turns: i64,
    pub cost_millipaise: i64,
}

/// By what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    Nothing,
    Day,
    Agent,
    Campaign,
    Language,
    Direction,
    Cause,
}

impl By {
    const fn column(self) -> &'static str {
        match self {
            Self::Nothing => "''",
            Self::Day => "CAST(day AS TEXT)",
            Self::Agent => "agent",
            Self::Campaign => "campaign",
            Self::Language => "language",
            Self::Direction => "direction",
            Self::Cause => "cause",
        }
    }
}

/// Of which calls; empty texts are all.
#[derive(Clone, Debug, Default)]
pub struct Which {
    pub first_day: i64,
    pub last_day: i64,
    pub agent: String,
    pub campaign: String,
}

/// The sums of ended calls, by `by`; largest first, days in their order.
pub fn sums(db: &Connection, which: &Which, by: By) -> Result<Vec<(String, Sums)>, StoreError> {
    let order = if by == By::Day { "day" } else { "2 DESC, 1" };
    let sql = format!(
        "SELECT {column}, coalesce(sum(calls), 0), coalesce(sum(connected), 0), \
         coalesce(sum(calls) FILTER (WHERE outcome = 'completed'), 0), \
         coalesce(sum(calls) FILTER (WHERE outcome = 'failed'), 0), \
         coalesce(sum(calls) FILTER (WHERE outcome = 'not_picked'), 0), \
         coalesce(sum(duration_ms) FILTER (WHERE connected > 0), 0), coalesce(sum(turns), 0), \
         coalesce(sum(cost_millipaise), 0) \
         FROM calls_daily WHERE day BETWEEN ?1 AND ?2 AND (?3 = '' OR agent = ?3) AND (?4 = '' OR campaign = ?4) \
         GROUP BY 1 ORDER BY {order} LIMIT 1000",
        column = by.column(),
    );
    let mut list = db.prepare_cached(&sql)?;
    let rows = list.query_map(params![which.first_day, which.last_day, which.agent, which.campaign], read)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn read(row: &Row<'_>) -> rusqlite::Result<(String, Sums)> {
    let sums = Sums {
        calls: row.get(1)?,
        connected: row.get(2)?,
        completed: row.get(3)?,
        failed: row.get(4)?,
        not_picked: row.get(5)?,
        duration_ms: row.get(6)?,
        turns: row.get(7)?,
        cost_millipaise: row.get(8)?,
    };
    Ok((row.get(0)?, sums))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Database;

    #[test]
    fn days_are_added_up_by_whatever_is_asked() {
        let db = Database::scratch_tenant();
        db.write_blocking(|db| {
            for (day, agent, language, outcome, calls) in [
                (1, "emi", "hi-IN", "completed", 3),
                (2, "emi", "ta-IN", "failed", 1),
                (2, "help", "hi-IN", "not_picked", 2),
            ] {
                let connected = if outcome == "not_picked" { 0 } else { calls };
                db.execute(
                    "INSERT INTO calls_daily VALUES (?1, ?2, '', ?3, 'inbound', ?4, 'goodbye', ?5, ?6, 1000, 4, 50)",
                    params![day, agent, language, outcome, calls, connected],
                )?;
            }
            let which = |first_day, last_day, agent: &str| Which {
                first_day,
                last_day,
                agent: agent.into(),
                campaign: String::new(),
            };
            let all = sums(db, &which(1, 2, ""), By::Nothing)?[0].1;
            assert_eq!((all.calls, all.connected, all.completed, all.failed, all.not_picked), (6, 4, 3, 1, 2));
            assert_eq!((all.duration_ms, all.cost_millipaise), (2_000, 150));
            let by_day = sums(db, &which(1, 2, ""), By::Day)?;
            assert_eq!(by_day.iter().map(|(day, s)| (day.as_str(), s.calls)).collect::<Vec<_>>(), [("1", 3), ("2", 3)]);
            let by_language = sums(db, &which(1, 2, ""), By::Language)?;
            assert_eq!(by_language[0], ("hi-IN".into(), Sums { calls: 5, ..by_language[0].1 }));
            assert_eq!(sums(db, &which(2, 2, "emi"), By::Agent)?.len(), 1);
            assert!(sums(db, &which(5, 9, ""), By::Nothing)?.is_empty());
            Ok(())
        })
        .unwrap();
    }
}
