//! What was spent and how everybody did, for people: the API and the command line show the same.

use std::collections::BTreeMap;

use serde::Serialize;

use super::candidates::Stage;
use super::quality::Quality;
use super::table::Table;
use crate::base::Lang;
use crate::base::money::Money;
use crate::store::measures::Measured;
use crate::store::spending::{Row, Sum, day_name};

/// Spending of some days. Requests to the box's own engines cost nothing and are not among them.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Costs {
    pub from: String,
    pub to: String,
    pub paise: Money,
    /// How much of it rests on estimates.
    pub estimated_paise: Money,
    pub rows: Vec<CostRow>,
    /// Of the last of these days.
    pub budgets: Vec<Budget>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CostRow {
    pub day: String,
    /// Empty for requests that belong to no call.
    pub tenant: String,
    pub provider: String,
    pub stage: Stage,
    #[serde(flatten)]
    pub sum: Sum,
    /// Share of all that was spent.
    pub percent: f64,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Budget {
    pub tenant: String,
    pub budget_paise: Money,
    pub spent_paise: Money,
    pub left_paise: Money,
    /// Whatever costs money is closed to the tenant until midnight on the site's clock.
    pub is_used_up: bool,
}

impl Costs {
    /// `rows` from `first` to `today`.
    pub fn of(table: &Table, rows: &[(Row, Sum)], first: u64, today: u64) -> Self {
        let rows: Vec<_> = rows.iter().filter(|(row, _)| (first..=today).contains(&row.day)).collect();
        let paise: Money = rows.iter().map(|(_, sum)| sum.paise).sum();
        let mut spent = BTreeMap::<&str, Money>::new();
        for (row, sum) in rows.iter().filter(|(row, _)| row.day == today) {
            *spent.entry(&row.tenant).or_default() += sum.paise;
        }
        let budget = |(tenant, budget): (&String, &u64)| {
            let (budget, spent) = (Money::from_paise(*budget), spent.get(&**tenant).copied().unwrap_or_default());
            Budget {
                tenant: tenant.clone(),
                budget_paise: budget,
                spent_paise: spent,
                left_paise: budget.less(spent),
                is_used_up: spent.whole_paise() >= budget.whole_paise(),
            }
        };
        let row = |(row, sum): &&(Row, Sum)| CostRow {
            day: day_name(row.day),
            tenant: row.tenant.clone(),
            provider: row.provider.clone(),
            stage: row.stage,
            sum: *sum,
            percent: rounded(sum.paise.percent_of(paise)),
        };
        Self {
            from: day_name(first),
            to: day_name(today),
            paise,
            estimated_paise: rows.iter().map(|(_, sum)| sum.estimated_paise).sum(),
            rows: rows.iter().map(row).collect(),
            budgets: table.budgets.iter().map(budget).collect(),
        }
    }
}

/// How one candidate did lately at one stage in one language.
#[derive(Clone, Debug, PartialEq, Serialize, utoipa::ToSchema)]
pub struct Did {
    pub candidate: String,
    pub stage: Stage,
    pub language: Lang,
    /// Since the first one.
    pub requests: u64,
    pub failures: u64,
    /// Percent of requests answered, as the order of candidates sees it now; nothing once it is too
    /// long ago.
    pub success_percent: Option<f64>,
    /// Until the first useful piece.
    pub median_ms: Option<u64>,
    pub p95_ms: Option<u64>,
    pub last_unix_ms: u64,
}

impl Did {
    pub fn of(measured: &Measured, now_ms: u64) -> Self {
        let quality = Quality::restored(measured, now_ms);
        let millis = |took: std::time::Duration| u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        Self {
            candidate: measured.candidate.clone(),
            stage: measured.stage,
            language: measured.language,
            requests: quality.requests().0,
            failures: quality.requests().1,
            success_percent: quality.success(now_ms).map(|share| rounded(f64::from(share) * 100.0)),
            median_ms: quality.median(now_ms).map(millis),
            p95_ms: quality.p95(now_ms).map(millis),
            last_unix_ms: measured.at_unix_ms,
        }
    }
}

fn rounded(percent: f64) -> f64 {
    (percent * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_is_used_up_by_the_last_paisa_of_its_own_day_and_tenant() {
        let file = "budgets:\n  a: {paise_per_day: 100}\n  b: {paise_per_day: 100}\n";
        let (table, _) = Table::from_text(file).unwrap_or_else(|error| panic!("{error}"));
        let row = |day, tenant: &str, millipaise| {
            let row = Row { day, tenant: tenant.into(), provider: "p".into(), stage: Stage::Tts };
            (row, Sum { requests: 2, paise: Money::from_millipaise(millipaise), estimated_paise: Money::ZERO })
        };
        let rows = [row(8, "a", 7), row(9, "a", 900_000), row(10, "a", 99_999), row(10, "b", 100_000)];
        let costs = Costs::of(&table, &rows, 9, 10);
        assert_eq!((costs.rows.len(), costs.paise.millipaise()), (3, 1_099_999));
        assert_eq!((costs.from.as_str(), costs.to.as_str()), ("1970-01-10", "1970-01-11"));
        let left: Vec<_> = costs.budgets.iter().map(|b| (b.left_paise.millipaise(), b.is_used_up)).collect();
        assert_eq!(left, [(1, false), (0, true)]);
        assert!((costs.rows[0].percent - 81.8).abs() < 1e-9);
    }
}
