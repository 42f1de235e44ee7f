//! The rules.

use std::ops::Range;
use std::sync::LazyLock;

use super::pattern::{Clause, Pattern, Patterns, Sentence, sentences};
use super::words;
use crate::base::Lang;
use crate::dialogue::agent::Agent;

/// May this be spoken?
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    pub allowed: bool,
    /// Why not; never holds what was about to be said, except the agent's own forbidden words.
    pub reason: Option<String>,
}

impl Verdict {
    fn refused(reason: impl Into<String>) -> Self {
        Self { allowed: false, reason: Some(reason.into()) }
    }
}

/// The rules every agent of the box keeps. All languages' words are looked for whatever `_lang`
/// says: a reply may be in another language than planned, and callers' English is everywhere.
pub fn check(_lang: Lang, text: &str) -> Verdict {
    verdict(&sentences(text))
}

/// The same with one agent's own forbidden words.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    never: Vec<(String, Pattern)>,
}

impl Policy {
    pub fn new(agent: &Agent) -> Self {
        let never =
            agent.never_say.iter().filter_map(|phrase| Some((phrase.clone(), Pattern::literal(phrase)?))).collect();
        Self { never }
    }

    pub fn check(&self, lang: Lang, text: &str) -> Verdict {
        let common = check(lang, text);
        if !common.allowed {
            return common;
        }
        // Forbidden words count across commas: nobody writes them with the model's commas in mind.
        let words: Vec<String> = sentences(text).into_iter().flatten().flatten().collect();
        match self.never.iter().find(|(_, pattern)| pattern.find(&words).next().is_some()) {
            Some((phrase, _)) => Verdict::refused(format!("says {phrase:?}, which this agent must never say")),
            None => common,
        }
    }
}

struct Rules {
    english_negations: Patterns,
    calming: Patterns,
    negations: Patterns,
    secrets: Patterns,
    no_secrets: Patterns,
    asks: Patterns,
    secret_asked: Patterns,
    waivers: Patterns,
    nothing_to_pay: Patterns,
    forgive: Patterns,
    forgiven: Patterns,
    debts: Patterns,
    apologies: Patterns,
    threats: Patterns,
    places: Patterns,
    conditions: Patterns,
    abuse: Patterns,
    human: Patterns,
    no_machine: Patterns,
}

static RULES: LazyLock<Rules> = LazyLock::new(|| Rules {
    english_negations: Patterns::parse(words::ENGLISH_NEGATIONS),
    negations: Patterns::parse(words::NEGATIONS),
    calming: Patterns::parse(words::CALMING),
    secrets: Patterns::parse(words::SECRETS),
    no_secrets: Patterns::parse(words::NO_SECRETS),
    asks: Patterns::parse(words::ASKS),
    secret_asked: Patterns::parse(words::SECRET_ASKED),
    waivers: Patterns::parse(words::WAIVERS),
    nothing_to_pay: Patterns::parse(words::NOTHING_TO_PAY),
    forgive: Patterns::parse(words::FORGIVE),
    forgiven: Patterns::parse(words::FORGIVEN),
    debts: Patterns::parse(words::DEBTS),
    apologies: Patterns::parse(words::APOLOGIES),
    threats: Patterns::parse(words::THREATS),
    places: Patterns::parse(words::PLACES),
    conditions: Patterns::parse(words::CONDITIONS),
    abuse: Patterns::parse(words::ABUSE),
    human: Patterns::parse(words::HUMAN),
    no_machine: Patterns::parse(words::NO_MACHINE),
});

fn verdict(text: &[Sentence]) -> Verdict {
    type Rule = fn(&Rules, &Sentence) -> bool;
    let rules: [(Rule, &str); 5] = [
        (asks_secret, "asks for an OTP, a PIN, a CVV or a password"),
        (threatens, "threatens"),
        (promises, "promises a waiver or guarantees something"),
        (abuses, "abuses the caller"),
        (claims_human, "claims to be a person"),
    ];
    for (broken, reason) in rules {
        if text.iter().any(|sentence| broken(&RULES, sentence)) {
            return Verdict::refused(reason);
        }
    }
    Verdict { allowed: true, reason: None }
}

/// Is there a negation among the words up to `before` ahead of the match, in it, or up to `after`
/// behind it?
fn negated(rules: &Rules, clause: &Clause, hit: &Range<usize>, before: usize, after: usize) -> bool {
    let from = hit.start.saturating_sub(before);
    let to = (hit.end + after).min(clause.len());
    // English negates what follows: `guarantee that there will be no fee` negates no guarantee.
    let english_to = to.min(hit.end + 2);
    rules
        .english_negations
        .find(clause)
        .filter(|found| found.end <= english_to)
        .chain(rules.negations.find(clause))
        .filter(|found| found.start >= from && found.end <= to)
        .any(|found| !rules.calming.find(clause).any(|calm| calm.start <= found.start && found.end <= calm.end))
}

fn asks_secret(rules: &Rules, sentence: &Sentence) -> bool {
    let holds_secret = |clause: &Clause| {
        rules
            .secrets
            .find(clause)
            .any(|hit| !rules.no_secrets.find(clause).any(|other| other.start <= hit.start && hit.end <= other.end))
    };
    let asked = |clause: &Clause| rules.asks.find(clause).any(|hit| !negated(rules, clause, &hit, 3, 2));
    if sentence.iter().any(|clause| rules.secret_asked.find(clause).any(|hit| !negated(rules, clause, &hit, 4, 3))) {
        return true;
    }
    sentence.iter().filter(|clause| holds_secret(clause)).any(|clause| {
        // `Your OTP, please tell me`: the verb may stand in another clause if this one has none.
        if rules.asks.any(clause) { asked(clause) } else { sentence.iter().any(asked) }
    })
}

fn threatens(rules: &Rules, sentence: &Sentence) -> bool {
    let conditional = sentence.iter().any(|clause| rules.conditions.any(clause));
    sentence.iter().any(|clause| {
        rules.threats.find(clause).any(|hit| {
            if !conditional && rules.places.find(clause).any(|place| place.start <= hit.start && hit.start < place.end)
            {
                return false;
            }
            // `If you do not pay, police…` and `पैसे नहीं दिए तो पुलिस…` negate something else.
            let before = &clause[hit.start.saturating_sub(3)..hit.start];
            let after = &clause[hit.start..(hit.end + 3).min(clause.len())];
            conditional || !(rules.english_negations.any(before) || rules.negations.any(after))
        })
    })
}

fn promises(rules: &Rules, sentence: &Sentence) -> bool {
    let debt = sentence.iter().any(|clause| rules.debts.any(clause));
    sentence.iter().any(|clause| {
        rules.nothing_to_pay.any(clause)
            || rules.waivers.find(clause).any(|hit| !negated(rules, clause, &hit, 5, 7))
            || rules.forgiven.find(clause).any(|hit| !negated(rules, clause, &hit, 2, 4))
            || debt
                && rules.forgive.find(clause).any(|hit| {
                    let apology =
                        rules.apologies.find(clause).any(|other| other.start <= hit.start && hit.start < other.end);
                    !apology && !negated(rules, clause, &hit, 5, 7)
                })
    })
}

fn abuses(rules: &Rules, sentence: &Sentence) -> bool {
    sentence.iter().any(|clause| rules.abuse.any(clause))
}

fn claims_human(rules: &Rules, sentence: &Sentence) -> bool {
    sentence.iter().any(|clause| {
        rules.no_machine.any(clause) || rules.human.find(clause).any(|hit| !negated(rules, clause, &hit, 0, 2))
    })
}

#[cfg(test)]
mod tests;
