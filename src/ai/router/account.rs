//! What one request costs, whoever was asked for it.
//!
//! Who is asked is charged as a provider would: one that answered for what it counted, or, where it
//! does not tell, for an estimate that says so. One that broke off, was overtaken, missed its deadline
//! or was given up by us has had the request, so that is charged with as much of the answer as came.
//! Whoever refused, was overloaded or could not be reached charges nothing. Where that is wrong it is
//! on the budget's safe side.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::candidates::Used;
use super::ledger::Outcome;
use super::race::{Place, Tried};
use crate::ai::FaultKind;
use crate::ai::llm::Message;
use crate::base::Moment;

/// Letters of a token: what tokenizers of today make of English, and of the scripts of India.
const ASCII_A_TOKEN: u64 = 4;
const WIDE_A_TOKEN: u64 = 2;
/// What a message costs besides its text.
const MESSAGE_TOKENS: u64 = 4;

/// Text as a language model counts it, nearly: in quarters of a token, so that pieces add up.
pub(super) fn quarters(text: &str) -> u64 {
    let wide = text.chars().filter(|c| !c.is_ascii()).count() as u64;
    let ascii = text.chars().count() as u64 - wide;
    ascii * (4 / ASCII_A_TOKEN) + wide * (4 / WIDE_A_TOKEN)
}

pub(super) fn tokens_of(messages: &[Message]) -> u64 {
    messages.iter().map(|m| quarters(&m.content).div_ceil(4) + MESSAGE_TOKENS).sum()
}

/// One candidate that was asked.
#[derive(Clone, Debug)]
struct Asked {
    place: Place,
    at: Moment,
    input: Used,
    /// Of the answer, so far.
    quarters: u64,
    audio: Duration,
    /// By the provider.
    counted: Option<Used>,
}

/// What one candidate may charge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Owed {
    pub(super) place: Place,
    pub(super) used: Used,
    pub(super) estimated: bool,
}

/// How a request ended, for its record.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Settled {
    pub(super) owed: Vec<Owed>,
    /// As if one candidate had done all of it.
    pub(super) once: Used,
    /// Who was still at work when we gave the request up, and since when.
    pub(super) given_up: Vec<(Place, Moment)>,
}

/// Keeps account of one request. Shared with what asks, hence the lock; nobody ever waits for it.
#[derive(Debug, Default)]
pub(super) struct Account(Mutex<Vec<Asked>>);

impl Account {
    fn asked(&self) -> MutexGuard<'_, Vec<Asked>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `place` is asked now; `input` is what the request itself is.
    pub(super) fn ask(&self, place: Place, at: Moment, input: Used) {
        self.asked().push(Asked { place, at, input, quarters: 0, audio: Duration::ZERO, counted: None });
    }

    /// A piece of the answer of whom was asked last at `place`.
    pub(super) fn came(&self, place: Place, quarters: u64, audio: Duration) {
        if let Some(asked) = self.asked().iter_mut().rfind(|asked| asked.place == place) {
            asked.quarters += quarters;
            asked.audio += audio;
        }
    }

    /// The answer of `place` is whole, and this is what it counted; nothing where it did not say.
    pub(super) fn counted(&self, place: Place, used: Used) {
        if let Some(asked) = self.asked().iter_mut().rfind(|asked| asked.place == place) {
            asked.counted = Some(used);
        }
    }

    pub(super) fn settle(&self, tried: &[Tried]) -> Settled {
        let asked = self.asked();
        let mut settled = Settled::default();
        let mut first_input = None;
        for (nth, ask) in asked.iter().enumerate() {
            let before = asked[..nth].iter().filter(|other| other.place == ask.place).count();
            let end = ends(tried, ask.place).nth(before);
            if end.is_none() && ask.counted.is_none() {
                settled.given_up.push((ask.place, ask.at));
            }
            let began = ask.counted.is_some() || ask.quarters > 0 || !ask.audio.is_zero();
            match end {
                Some(Outcome::Failed(
                    FaultKind::Refused | FaultKind::Denied | FaultKind::Overloaded | FaultKind::Unavailable,
                )) if !began => {
                    continue;
                }
                _ => {}
            }
            let (used, estimated) = ask.used();
            settled.owed.push(Owed { place: ask.place, used, estimated });
            if matches!(end, Some(Outcome::Answered) | None) || began {
                let input = *first_input.get_or_insert(used);
                settled.once.tokens_in = input.tokens_in;
                settled.once.chars = settled.once.chars.max(used.chars);
                settled.once.audio = settled.once.audio.max(used.audio);
                settled.once.tokens_out = settled.once.tokens_out.saturating_add(used.tokens_out);
            }
        }
        settled
    }
}

/// How each ask of one place ended, in their order: a stream that answered and then broke off is one.
fn ends(tried: &[Tried], place: Place) -> impl Iterator<Item = Outcome> {
    let of_place = tried.iter().filter(move |t| t.place == place);
    of_place.map(|t| t.outcome).filter(|outcome| !matches!(outcome, Outcome::BrokeOff(_)))
}

impl Asked {
    /// What it may charge for, and whether that is an estimate.
    fn used(&self) -> (Used, bool) {
        let told = self.counted.unwrap_or_default();
        let mut used = self.input;
        let mut estimated = false;
        let is_text = self.input.tokens_in > 0;
        if is_text {
            used.tokens_in = if told.tokens_in > 0 { told.tokens_in } else { self.input.tokens_in };
            used.tokens_out = if told.tokens_out > 0 { told.tokens_out } else { self.quarters.div_ceil(4) };
            estimated = told.tokens_in == 0 || (told.tokens_out == 0 && self.quarters > 0);
        } else if self.input.chars > 0 {
            used.audio = self.audio;
            estimated = self.counted.is_none();
        } else {
            // Recognition charges for the sound it was given.
            used.audio = if told.audio.is_zero() { self.input.audio } else { told.audio };
            estimated |= self.counted.is_none();
        }
        (used, estimated)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tried(place: Place, outcome: Outcome) -> Tried {
        Tried { place, outcome, took: Duration::ZERO, reached: false }
    }

    fn prompt(tokens_in: u64) -> Used {
        Used { tokens_in, ..Used::default() }
    }

    fn tokens(owed: &Owed) -> (Place, u64, u64, bool) {
        (owed.place, owed.used.tokens_in, owed.used.tokens_out, owed.estimated)
    }

    #[test]
    fn whoever_did_anything_is_paid_for_it() {
        let account = Account::default();
        for place in 0..4 {
            account.ask(place, Moment::from_millis(place as u64), prompt(100));
        }
        account.came(2, quarters("आपकी किस्त is due"), Duration::ZERO);
        account.counted(3, Used { tokens_in: 90, tokens_out: 7, ..Used::default() });
        let settled = account.settle(&[
            tried(0, Outcome::Failed(FaultKind::Unavailable)),
            tried(2, Outcome::Answered),
            tried(1, Outcome::Overtaken),
            tried(2, Outcome::BrokeOff(FaultKind::Unavailable)),
            tried(3, Outcome::Answered),
        ]);
        let owed: Vec<_> = settled.owed.iter().map(tokens).collect();
        assert_eq!(owed, [(1, 100, 0, true), (2, 100, 7, true), (3, 90, 7, false)]);
        assert_eq!((settled.once.tokens_in, settled.once.tokens_out), (100, 14), "one prompt, the whole answer");
        assert_eq!(settled.given_up, []);
    }

    #[test]
    fn what_we_gave_up_is_paid_as_far_as_it_came() {
        let account = Account::default();
        let clause = Used { chars: 40, ..Used::default() };
        account.ask(5, Moment::from_millis(3), clause);
        account.came(5, 0, Duration::from_millis(250));
        let settled = account.settle(&[tried(5, Outcome::Answered)]);
        assert_eq!(settled.owed[0].used, Used { chars: 40, audio: Duration::from_millis(250), ..Used::default() });
        assert!(settled.owed[0].estimated);
        let account = Account::default();
        account.ask(5, Moment::from_millis(3), clause);
        let settled = account.settle(&[]);
        assert_eq!((settled.owed.len(), settled.given_up), (1, vec![(5, Moment::from_millis(3))]));
        assert_eq!(Account::default().settle(&[]), Settled::default());
    }

    #[test]
    fn the_same_engine_asked_twice_is_two_asks() {
        let account = Account::default();
        let sound = Used { audio: Duration::from_secs(2), ..Used::default() };
        account.ask(0, Moment::ZERO, sound);
        account.ask(0, Moment::ZERO, sound);
        account.counted(0, sound);
        let settled = account.settle(&[tried(0, Outcome::Failed(FaultKind::Unavailable)), tried(0, Outcome::Answered)]);
        assert_eq!(settled.owed, [Owed { place: 0, used: sound, estimated: false }]);
        assert_eq!(settled.once, sound);
    }

    proptest! {
        #[test]
        fn pieces_of_a_text_add_up(text in "[a-z अआக,.]{0,60}", at in 0_usize..60) {
            let cut: String = text.chars().take(at).collect();
            let rest: String = text.chars().skip(at).collect();
            prop_assert_eq!(quarters(&cut) + quarters(&rest), quarters(&text));
        }

        #[test]
        fn any_course_of_events_is_settled(
            asks in proptest::collection::vec((0_usize..3, 0_u64..9, 0_u64..50), 0..6),
            ends in proptest::collection::vec((0_usize..3, 0_u8..4), 0..8),
        ) {
            let account = Account::default();
            for (place, tokens_in, quarters) in &asks {
                account.ask(*place, Moment::ZERO, prompt(*tokens_in));
                account.came(*place, *quarters, Duration::ZERO);
            }
            let ends: Vec<_> = ends.iter().map(|(place, end)| tried(*place, match end {
                0 => Outcome::Answered,
                1 => Outcome::Overtaken,
                2 => Outcome::Failed(FaultKind::Unavailable),
                _ => Outcome::BrokeOff(FaultKind::Deadline),
            })).collect();
            let settled = account.settle(&ends);
            prop_assert!(settled.owed.len() <= asks.len());
            let owed: u64 = settled.owed.iter().map(|o| o.used.tokens_out).sum();
            prop_assert!(settled.once.tokens_out <= owed);
        }
    }
}
