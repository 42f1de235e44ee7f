//! What was spent, by day, tenant, provider and stage, and whose budget is used up. What is paid goes
//! on to the store. Absent on purpose: prices (a candidate's), what one request used (`account.rs`).

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::candidates::Stage;
use crate::base::limits;
use crate::base::money::Money;
use crate::store::ledger::Purse;
use crate::store::spending::{Row, Spending, Sum};

#[derive(Debug, Default)]
pub(super) struct Till {
    spent: Mutex<Spent>,
    purse: Purse,
}

#[derive(Debug, Default)]
struct Spent {
    all: Spending,
    /// The day that `today` is about.
    day: u64,
    today: HashMap<String, Money>,
}

impl Spent {
    fn turn_to(&mut self, day: u64) {
        if self.day == day {
            return;
        }
        self.day = day;
        self.today.clear();
        for (row, sum) in self.all.rows_of(day) {
            *self.today.entry(row.tenant.clone()).or_default() += sum.paise;
        }
        self.all.forget_before(day.saturating_sub(limits::SPENDING_DAYS));
    }
}

impl Till {
    pub(super) fn new(spent: Spending, purse: Purse) -> Self {
        Self { spent: Mutex::new(Spent { all: spent, ..Spent::default() }), purse }
    }

    fn spent(&self) -> MutexGuard<'_, Spent> {
        // Nothing that can panic runs under this lock.
        self.spent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn pay(&self, day: u64, tenant: &str, provider: &str, stage: Stage, sum: Sum) {
        let row = Row { day, tenant: tenant.to_owned(), provider: provider.to_owned(), stage };
        let mut spent = self.spent();
        spent.turn_to(day);
        *spent.today.entry(tenant.to_owned()).or_default() += sum.paise;
        spent.all.add(row.clone(), sum);
        drop(spent);
        self.purse.spend(row, sum);
    }

    pub(super) fn today(&self, day: u64, tenant: &str) -> Money {
        let mut spent = self.spent();
        spent.turn_to(day);
        spent.today.get(tenant).copied().unwrap_or_default()
    }

    /// From `first` on, in the order of days.
    pub(super) fn since(&self, first: u64) -> Vec<(Row, Sum)> {
        let spent = self.spent();
        spent.all.rows().filter(|(row, _)| row.day >= first).map(|(row, sum)| (row.clone(), *sum)).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sum(millipaise: u64) -> Sum {
        Sum { requests: 1, paise: Money::from_millipaise(millipaise), estimated_paise: Money::ZERO }
    }

    #[test]
    fn a_day_and_a_tenant_have_their_own_sum_and_midnight_begins_a_new_one() {
        let till = Till::default();
        till.pay(9, "a", "p", Stage::Stt, sum(700));
        till.pay(9, "a", "q", Stage::Tts, sum(800));
        till.pay(9, "b", "p", Stage::Stt, sum(5));
        assert_eq!((till.today(9, "a").millipaise(), till.today(9, "b").millipaise()), (1_500, 5));
        assert_eq!(till.today(10, "a"), Money::ZERO);
        till.pay(10, "a", "p", Stage::Stt, sum(3));
        assert_eq!(till.today(10, "a").millipaise(), 3);
        assert_eq!(till.today(9, "a").millipaise(), 1_500, "the clock was set back: yesterday's sum holds again");
        assert_eq!(till.since(10).len(), 1);
    }

    proptest! {
        #[test]
        fn nothing_is_lost_or_made_up(paid in proptest::collection::vec((0_u64..4, 0_u8..3, 0_u8..2, 0_u64..9_999), 0..200)) {
            let till = Till::default();
            for (day, tenant, provider, amount) in &paid {
                till.pay(*day, &tenant.to_string(), &provider.to_string(), Stage::Llm, sum(*amount));
            }
            for day in 0..4 {
                for tenant in 0..3_u8 {
                    let expected: u64 = paid.iter().filter(|p| (p.0, p.1) == (day, tenant)).map(|p| p.3).sum();
                    prop_assert_eq!(till.today(day, &tenant.to_string()).millipaise(), expected);
                }
            }
            let all: Money = till.since(0).iter().map(|(_, sum)| sum.paise).sum();
            prop_assert_eq!(all.millipaise(), paid.iter().map(|p| p.3).sum::<u64>());
        }
    }
}
