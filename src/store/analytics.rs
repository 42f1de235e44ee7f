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
    /// The table of sums that has it, and the column its lines are named by.
    const fn table(self) -> (&'static str, &'static str) {
        match self {
            Self::Nothing => ("all", "''"),
            Self::Day => ("all", "CAST(day AS TEXT)"),
            Self::Agent => ("agent", "name"),
            Self::Campaign => ("campaign", "name"),
            Self::Language => ("language", "name"),
            Self::Direction => ("direction", "name"),
            Self::Cause => ("cause", "name"),
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
    let (table, column) = by.table();
    let sql = format!(
        "SELECT {column}, sum(calls), sum(connected), sum(completed), sum(failed), sum(not_picked), sum(duration_ms), \
         sum(turns), sum(cost_millipaise) FROM call_sums \
         WHERE agent = ?1 AND campaign = ?2 AND by = '{table}' AND day BETWEEN ?3 AND ?4 \
         GROUP BY 1 ORDER BY {order} LIMIT 1000",
    );
    let mut list = db.prepare_cached(&sql)?;
    let rows = list.query_map(params![which.agent, which.campaign, which.first_day, which.last_day], read)?;
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
    use crate::base::event::{CallCost, CallState, Concerns, Direction, EndCause, Event, Record};
    use crate::base::money::Money;
    use crate::base::{CallId, Lang};
    use crate::store::Database;

    #[test]
    fn days_are_added_up_by_whatever_is_asked() {
        let db = Database::scratch_tenant();
        db.write_blocking(|db| {
            let mut seed = 0;
            for (day, agent, campaign, language, outcome, calls) in [
                (1, "emi", "june", Lang::Hi, CallState::Completed, 3),
                (2, "emi", "june", Lang::Ta, CallState::Failed, 1),
                (2, "help", "", Lang::Hi, CallState::NotPicked, 2),
            ] {
                for _ in 0..calls {
                    seed += 1;
                    a_call(db, seed, (day, agent, campaign, language, outcome))?;
                }
            }
            let which = |first_day, last_day, agent: &str, campaign: &str| Which {
                first_day,
                last_day,
                agent: agent.into(),
                campaign: campaign.into(),
            };
            let all = sums(db, &which(1, 2, "", ""), By::Nothing)?[0].1;
            assert_eq!((all.calls, all.connected, all.completed, all.failed, all.not_picked), (6, 4, 3, 1, 2));
            assert_eq!((all.duration_ms, all.turns, all.cost_millipaise), (4_000, 8, 200));
            let lines = |which: &Which, by| -> Result<Vec<(String, i64)>, StoreError> {
                Ok(sums(db, which, by)?.into_iter().map(|(name, sums)| (name, sums.calls)).collect())
            };
            let told =
                |lines: &[(&str, i64)]| lines.iter().map(|(name, n)| ((*name).to_owned(), *n)).collect::<Vec<_>>();
            let both = which(1, 2, "", "");
            assert_eq!(lines(&both, By::Day)?, told(&[("1", 3), ("2", 3)]));
            assert_eq!(lines(&both, By::Language)?, told(&[("hi-IN", 5), ("ta-IN", 1)]));
            assert_eq!(lines(&both, By::Agent)?, told(&[("emi", 4), ("help", 2)]));
            assert_eq!(lines(&both, By::Campaign)?, told(&[("june", 4), ("", 2)]));
            assert_eq!(lines(&both, By::Cause)?, told(&[("goodbye", 6)]));
            assert_eq!(lines(&both, By::Direction)?, told(&[("outbound", 6)]));
            assert_eq!(lines(&which(2, 2, "emi", ""), By::Agent)?, told(&[("emi", 1)]));
            assert_eq!(lines(&which(1, 2, "help", ""), By::Language)?, told(&[("hi-IN", 2)]));
            assert_eq!(lines(&which(1, 2, "", "june"), By::Language)?, told(&[("hi-IN", 3), ("ta-IN", 1)]));
            assert_eq!(lines(&which(1, 1, "emi", "june"), By::Nothing)?, told(&[("", 3)]));
            assert!(lines(&which(1, 2, "help", "june"), By::Nothing)?.is_empty());
            assert!(lines(&which(5, 9, "", ""), By::Nothing)?.is_empty());
            Ok(())
        })
        .unwrap();
    }

    type About<'a> = (u64, &'a str, &'a str, Lang, CallState);

    /// As the journal keeps it; who did not pick up was never connected, but rang for a second.
    fn a_call(
        db: &Connection,
        seed: u64,
        (day, agent, campaign, language, outcome): About<'_>,
    ) -> Result<(), StoreError> {
        let call = CallId::from_seed(7, seed);
        let concerns = Concerns { campaign: campaign.to_owned(), ..Concerns::default() };
        let picked = outcome != CallState::NotPicked;
        let cost = CallCost { paise: Money::from_millipaise(50), ..CallCost::default() };
        let mut events = vec![
            Event::CallInitiated {
                transport: "twilio".to_owned(),
                carrier_call: None,
                direction: Direction::Outbound,
                agent: agent.to_owned(),
                caller_hash: None,
                concerns: Box::new(concerns),
                customer: None,
            },
            Event::LanguageSwitched { from: Lang::En, to: language, reason: String::new() },
        ];
        if picked {
            events.push(Event::StateChanged { from: CallState::Ready, to: CallState::InProgress });
            events.push(Event::CallCost(Box::new(cost)));
        }
        let (duration_ms, turns) = (1_000, if picked { 2 } else { 0 });
        events.push(Event::CallEnded { outcome, cause: EndCause::Goodbye, duration_ms, turns });
        for (seq, event) in (1..).zip(events) {
            let record = Record { call, unix_ms: day * 86_400_000 + 43_200_000, call_ms: 0, event };
            crate::store::calls::derive(db, seq, &record)?;
        }
        Ok(())
    }
}
