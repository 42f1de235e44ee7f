//! What a call cost, request by request, and what the same would have cost elsewhere. Pure.
//! Absent on purpose: budgets (`till.rs`), what one request is charged for (`account.rs`).

use std::collections::BTreeMap;
use std::time::Duration;

use super::candidates::{Candidate, Kind, LOCAL, Stage, Used};
use super::residency::Policy;
use super::table::Table;
use crate::base::Lang;
use crate::base::event::{CallCost, Charged, Elsewhere, Routed, Stack, StageUsage, TurnCost, Usage};
use crate::base::limits;
use crate::base::money::Money;

/// Everything a call was charged for so far.
#[derive(Clone, Debug, Default)]
pub struct Bill {
    turns: BTreeMap<u32, TurnCost>,
    charged: BTreeMap<(Stage, String), Charged>,
    usage: BTreeMap<(Stage, Lang), StageUsage>,
}

impl Bill {
    pub fn is_empty(&self) -> bool {
        self.usage.is_empty()
    }

    pub fn add(&mut self, routed: &Routed) {
        let stage = routed.stage;
        let whole = self.turns.len() >= limits::COST_TURNS_MAX && !self.turns.contains_key(&routed.turn);
        let turn = if whole { self.turns.keys().last().copied().unwrap_or_default() } else { routed.turn };
        let turn = self.turns.entry(turn).or_insert(TurnCost { turn, ..TurnCost::default() });
        for charge in &routed.charges {
            turn.paise += charge.paise;
            *match stage {
                Stage::Stt => &mut turn.stt,
                Stage::Llm => &mut turn.llm,
                Stage::Tts => &mut turn.tts,
            } += charge.paise;
            let row = self.charged.entry((stage, charge.candidate.clone())).or_insert_with(|| Charged {
                stage,
                candidate: charge.candidate.clone(),
                requests: 0,
                paise: Money::ZERO,
                estimated_paise: Money::ZERO,
            });
            row.requests += 1;
            row.paise += charge.paise;
            if charge.estimated {
                row.estimated_paise += charge.paise;
            }
        }
        let row = self.usage.entry((stage, routed.language)).or_insert_with(|| StageUsage {
            stage,
            language: routed.language,
            requests: 0,
            usage: Usage::default(),
        });
        row.requests += 1;
        add(&mut row.usage, &routed.usage);
    }

    /// With what it would have cost elsewhere. `missing` are candidates that cannot be asked at all.
    pub fn cost(&self, table: &Table, policy: Policy, missing: impl Fn(&str) -> bool) -> CallCost {
        let priced = self.priced(table, policy, missing);
        let mut stacks = vec![
            self.stack("all_local", &priced, |p| &*p.candidate.provider.name == LOCAL),
            self.stack("cheapest_allowed", &priced, |p| p.allowed),
        ];
        let mut names: Vec<&str> =
            table.candidates().iter().map(|c| &*c.provider.name).filter(|n| *n != LOCAL).collect();
        names.dedup();
        let of_provider = |name: &str| self.stack(name, &priced, |p| &*p.candidate.provider.name == name);
        let able = |stack: &Stack| !stack.candidates.is_empty();
        stacks.extend(names.into_iter().map(of_provider).filter(able).take(limits::ELSEWHERE_ROWS_MAX));
        let mut elsewhere = Vec::new();
        for (_, stage) in Stage::ALL {
            let mut rows: Vec<_> = priced.iter().filter(|p| p.stage == stage).map(Priced::told).collect();
            rows.sort_by_key(|row| (row.paise.is_none(), row.paise));
            elsewhere.extend(rows.into_iter().take(limits::ELSEWHERE_ROWS_MAX));
        }
        CallCost {
            paise: self.charged.values().map(|row| row.paise).sum(),
            estimated_paise: self.charged.values().map(|row| row.estimated_paise).sum(),
            turns: self.turns.values().copied().collect(),
            charged: self.charged.values().cloned().collect(),
            usage: self.usage.values().cloned().collect(),
            elsewhere,
            stacks,
        }
    }

    /// The call's usage at everybody's prices.
    fn priced<'a>(&self, table: &'a Table, policy: Policy, missing: impl Fn(&str) -> bool) -> Vec<Priced<'a>> {
        let mut priced = Vec::new();
        for (_, stage) in Stage::ALL {
            let used: Vec<_> = self.usage.values().filter(|row| row.stage == stage).collect();
            if used.is_empty() {
                continue;
            }
            for candidate in table.candidates().iter().filter(|c| c.serves(stage)) {
                let money = used.iter().map(|row| price(candidate, &row.usage)).sum();
                priced.push(Priced {
                    candidate,
                    stage,
                    money: is_price_known(candidate).then_some(money),
                    allowed: policy.admits(candidate.provider.residency)
                        && candidate.is_reachable()
                        && !missing(&candidate.name),
                    speaks: used.iter().all(|row| candidate.speaks(row.language)),
                });
            }
        }
        priced
    }

    /// The cheapest of those who may, for each stage that the call used.
    fn stack(&self, name: &str, priced: &[Priced<'_>], may: impl Fn(&Priced<'_>) -> bool) -> Stack {
        let mut stack = Stack { name: name.to_owned(), paise: Money::ZERO, candidates: Vec::new(), lacks: Vec::new() };
        for (_, stage) in Stage::ALL {
            if !self.usage.keys().any(|(used, _)| *used == stage) {
                continue;
            }
            let able = priced.iter().filter(|p| p.stage == stage && p.speaks && may(p));
            match able.filter_map(|p| Some((p.money?, p.candidate))).min_by_key(|(money, _)| *money) {
                Some((money, candidate)) => {
                    stack.paise += money;
                    stack.candidates.push(candidate.name.to_string());
                }
                None => stack.lacks.push(stage),
            }
        }
        stack
    }
}

struct Priced<'a> {
    candidate: &'a Candidate,
    stage: Stage,
    money: Option<Money>,
    allowed: bool,
    speaks: bool,
}

impl Priced<'_> {
    fn told(&self) -> Elsewhere {
        Elsewhere {
            stage: self.stage,
            candidate: self.candidate.name.to_string(),
            paise: self.money,
            allowed: self.allowed,
            speaks: self.speaks,
        }
    }
}

fn is_price_known(candidate: &Candidate) -> bool {
    candidate.provider.kind == Kind::Local || candidate.is_priced
}

fn price(candidate: &Candidate, usage: &Usage) -> Money {
    let used = Used {
        audio: Duration::from_millis(usage.audio_ms),
        chars: usage.chars,
        tokens_in: usage.tokens_in,
        tokens_out: usage.tokens_out,
    };
    Money::from_millipaise(candidate.price.millipaise(&used))
}

fn add(to: &mut Usage, more: &Usage) {
    to.audio_ms = to.audio_ms.saturating_add(more.audio_ms);
    to.chars = to.chars.saturating_add(more.chars);
    to.tokens_in = to.tokens_in.saturating_add(more.tokens_in);
    to.tokens_out = to.tokens_out.saturating_add(more.tokens_out);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::base::event::Charge;

    const FILE: &str = "residency: {default: india_only}\nproviders:\n  here:\n    kind: openai\n    base_url: https://here.in/v1\n    \
        residency: india\n    secret: K\n    models:\n      ear: {capabilities: [stt], languages: [hi], cost_per_minute: 0.6}\n      \
        pen: {capabilities: [llm], price: {paise_per_1m_tokens_in: 3000, paise_per_1m_tokens_out: 6000}}\n  \
        far:\n    kind: openai\n    base_url: https://far.example/v1\n    residency: abroad\n    secret: K\n    models:\n      \
        pen: {capabilities: [llm], price: {paise_per_1m_tokens_in: 1000, paise_per_1m_tokens_out: 2000}}\n      \
        unknown: {capabilities: [llm]}\n";

    fn routed(stage: Stage, turn: u32, language: Lang, usage: Usage, charges: &[(&str, u64, bool)]) -> Routed {
        let charge = |(candidate, millipaise, estimated): &(&str, u64, bool)| Charge {
            candidate: (*candidate).to_owned(),
            paise: Money::from_millipaise(*millipaise),
            usage,
            estimated: *estimated,
        };
        Routed {
            stage,
            language,
            answered_by: None,
            tried: Vec::new(),
            passed_over: Vec::new(),
            rule: None,
            offline: false,
            cost_paise: charges.iter().map(|c| Money::from_millipaise(c.1)).sum(),
            turn,
            usage,
            charges: charges.iter().map(charge).collect(),
        }
    }

    #[test]
    fn a_call_is_priced_at_everybodys_prices() {
        let (table, _) = Table::from_text(FILE).unwrap_or_else(|error| panic!("{error}"));
        let mut bill = Bill::default();
        let sound = Usage { audio_ms: 10_000, ..Usage::default() };
        let text = Usage { tokens_in: 1_000, tokens_out: 100, ..Usage::default() };
        bill.add(&routed(Stage::Stt, 1, Lang::Hi, sound, &[("here/ear", 10_000, false)]));
        bill.add(&routed(Stage::Llm, 1, Lang::Hi, text, &[("here/pen", 3_600, true), ("far/pen", 0, false)]));
        bill.add(&routed(Stage::Llm, 2, Lang::Hi, text, &[("here/pen", 3_600, false)]));
        let cost = bill.cost(&table, Policy::IndiaOnly, |_| false);
        assert_eq!((cost.paise.millipaise(), cost.estimated_paise.millipaise()), (17_200, 3_600));
        assert_eq!(cost.turns[0].llm.millipaise() + cost.turns[0].stt.millipaise(), 13_600);
        assert_eq!(cost.charged.len(), 3);
        let row = |stage, name: &str| cost.elsewhere.iter().find(|r| r.stage == stage && r.candidate == name).unwrap();
        assert_eq!(row(Stage::Llm, "here/pen").paise, Some(Money::from_millipaise(7_200)));
        assert_eq!(row(Stage::Llm, "far/pen").paise, Some(Money::from_millipaise(2_400)));
        assert!(!row(Stage::Llm, "far/pen").allowed && row(Stage::Llm, "here/pen").allowed);
        assert_eq!(row(Stage::Llm, "far/unknown").paise, None);
        let stack = |name: &str| cost.stacks.iter().find(|s| s.name == name).unwrap();
        assert_eq!((stack("all_local").paise, &stack("all_local").lacks), (Money::ZERO, &vec![]));
        assert_eq!(stack("cheapest_allowed").candidates, ["local/whisper", "local/llama"]);
        assert_eq!((stack("here").paise.millipaise(), &stack("here").lacks), (17_200, &vec![]));
        assert_eq!((stack("far").paise.millipaise(), &stack("far").lacks), (2_400, &vec![Stage::Stt]));
        // In Tamil its recogniser is of no use.
        bill.add(&routed(Stage::Stt, 3, Lang::Ta, sound, &[]));
        let cost = bill.cost(&table, Policy::IndiaOnly, |name| name == "local/llama");
        assert!(!cost.elsewhere.iter().any(|row| row.candidate == "here/ear" && row.speaks));
        let cheapest = cost.stacks.iter().find(|s| s.name == "cheapest_allowed").unwrap();
        assert_eq!(cheapest.candidates, ["local/whisper", "here/pen"]);
    }

    proptest! {
        #[test]
        fn costs_add_up_to_the_last_thousandth(
            requests in proptest::collection::vec(
                (0_usize..3, 0_u32..600, proptest::collection::vec((0_usize..4, 0_u64..100_000, proptest::bool::ANY), 0..4)),
                0..400,
            ),
        ) {
            let table = Table::local_only();
            let names = ["a/m", "b/m", "c/m", "d/m"];
            let mut bill = Bill::default();
            let mut all = 0;
            for (stage, turn, charges) in &requests {
                let charges: Vec<_> = charges.iter().map(|(name, amount, est)| (names[*name], *amount, *est)).collect();
                all += charges.iter().map(|c| c.1).sum::<u64>();
                bill.add(&routed(Stage::ALL[*stage].1, *turn, Lang::Hi, Usage::default(), &charges));
            }
            let cost = bill.cost(&table, Policy::Any, |_| false);
            let sum = |part: Vec<Money>| part.into_iter().sum::<Money>().millipaise();
            prop_assert_eq!(cost.paise.millipaise(), all);
            prop_assert_eq!(sum(cost.turns.iter().map(|t| t.paise).collect()), all);
            prop_assert_eq!(sum(cost.turns.iter().flat_map(|t| [t.stt, t.llm, t.tts]).collect()), all);
            prop_assert_eq!(sum(cost.charged.iter().map(|c| c.paise).collect()), all);
            prop_assert!(cost.estimated_paise <= cost.paise);
            prop_assert!(cost.turns.len() <= limits::COST_TURNS_MAX);
        }
    }
}
