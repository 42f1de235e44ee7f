use proptest::prelude::*;

use super::*;

/// What llama.cpp does with the steps, from its own source: cells with sets of holders.
#[derive(Debug)]
struct Engine {
    /// Sequence and position of every held cell.
    held: Vec<Vec<(Seq, usize)>>,
}

impl Engine {
    fn run(&mut self, steps: &[Step]) {
        for step in steps {
            match *step {
                Step::Clear(seq) => self.held.iter_mut().for_each(|c| c.retain(|(s, _)| *s != seq)),
                Step::Cut(seq, from) => self.held.iter_mut().for_each(|c| c.retain(|(s, p)| *s != seq || *p < from)),
                Step::Copy { from, to, upto } => {
                    assert!(self.length(to) == 0, "copied onto a sequence that is not empty");
                    for cell in &mut self.held {
                        if let Some((_, p)) = cell.iter().copied().find(|(s, p)| *s == from && *p < upto) {
                            cell.push((to, p));
                        }
                    }
                }
            }
        }
    }

    fn push(&mut self, seq: Seq) {
        let position = self.length(seq);
        self.held.iter_mut().find(|c| c.is_empty()).expect("a free cell").push((seq, position));
    }

    fn length(&self, seq: Seq) -> usize {
        self.held.iter().filter(|c| c.iter().any(|(s, _)| *s == seq)).count()
    }

    fn free(&self) -> usize {
        self.held.iter().filter(|c| c.is_empty()).count()
    }
}

fn evaluate(cells: &mut Cells, prompt: &[i32], conversation: u64) -> Place {
    let place = cells.place(prompt, conversation, false).unwrap();
    for token in &prompt[place.kept..] {
        assert!(cells.push(place.sequence, *token));
    }
    place
}

#[test]
fn a_conversation_keeps_its_beginning_and_another_shares_it() {
    let mut cells = Cells::new(64, 4, Reuse::Beginning);
    let first = evaluate(&mut cells, &[1, 2, 3, 4, 5], 7);
    assert_eq!((first.kept, first.steps.len()), (0, 0));
    // Another conversation copies the common brief while the first still runs.
    let other = evaluate(&mut cells, &[1, 2, 3, 9], 8);
    assert_eq!(other.steps, [Step::Copy { from: first.sequence, to: other.sequence, upto: 3 }]);
    assert_eq!(cells.available(), 64 - 6);
    cells.release(first.sequence, true);
    let again = cells.place(&[1, 2, 3, 4, 6, 7], 7, false).unwrap();
    assert_eq!((again.sequence, again.kept), (first.sequence, 4));
    assert_eq!(again.steps, [Step::Cut(first.sequence, 4)]);
}

#[test]
fn the_same_prompt_again_leaves_one_token_to_evaluate() {
    let mut cells = Cells::new(64, 4, Reuse::Beginning);
    let place = evaluate(&mut cells, &[1, 2, 3], 7);
    cells.release(place.sequence, true);
    assert_eq!(evaluate(&mut cells, &[1, 2, 3], 7).kept, 2);
}

#[test]
fn states_that_cannot_be_taken_back_are_used_whole_or_not_at_all() {
    for (reuse, kept) in [(Reuse::Whole, 0), (Reuse::Window(2), 0), (Reuse::Window(3), 2), (Reuse::Beginning, 2)] {
        let mut cells = Cells::new(64, 4, reuse);
        let place = evaluate(&mut cells, &[1, 2, 3], 7);
        cells.release(place.sequence, true);
        assert_eq!(cells.place(&[1, 2, 9, 9], 7, false).unwrap().kept, kept, "{reuse:?}");
    }
    let mut cells = Cells::new(64, 4, Reuse::Whole);
    let place = evaluate(&mut cells, &[1, 2, 3], 7);
    cells.release(place.sequence, true);
    assert_eq!(cells.place(&[1, 2, 3, 4], 7, false).unwrap().kept, 3);
}

#[test]
fn cold_shares_nothing_and_forgotten_is_gone() {
    let mut cells = Cells::new(64, 4, Reuse::Beginning);
    let place = evaluate(&mut cells, &[1, 2, 3], 7);
    cells.release(place.sequence, true);
    let cold = cells.place(&[1, 2, 3, 4], 7, true).unwrap();
    assert_eq!((cold.kept, cold.sequence == place.sequence), (0, false));
    cells.release(cold.sequence, false);
    assert_eq!(cells.forget(7), [Step::Clear(place.sequence)]);
    assert_eq!(cells.available(), 64);
    assert_eq!(cells.place(&[1, 2, 3, 4], 7, false).unwrap().kept, 0);
}

#[test]
fn the_longest_unused_conversation_goes_first_and_busy_ones_stay() {
    let mut cells = Cells::new(12, 8, Reuse::Beginning);
    let places: Vec<_> = (1..=3).map(|c| evaluate(&mut cells, &[c, c, c], c as u64)).collect();
    cells.release(places[0].sequence, true);
    cells.release(places[1].sequence, true);
    assert_eq!(cells.make_room(6), [Step::Clear(places[0].sequence)]);
    assert_eq!(cells.make_room(12).len(), 1);
    assert_eq!(cells.available(), 9, "the busy one stays");
}

#[test]
fn with_all_sequences_busy_there_is_no_place() {
    let mut cells = Cells::new(64, 2, Reuse::Beginning);
    evaluate(&mut cells, &[1, 2], 1);
    evaluate(&mut cells, &[1, 2], 2);
    assert!(cells.place(&[1, 2], 3, false).is_none());
}

#[derive(Clone, Debug)]
enum Act {
    Ask { prompt: Vec<i32>, conversation: u64, cold: bool, answer: usize },
    End { which: usize, keep: bool },
    Forget(u64),
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => (prop::collection::vec(0..3_i32, 1..12), 0..4_u64, prop::bool::weighted(0.1), 0..4_usize)
            .prop_map(|(prompt, conversation, cold, answer)| Act::Ask { prompt, conversation, cold, answer }),
        3 => (any::<usize>(), prop::bool::weighted(0.9)).prop_map(|(which, keep)| Act::End { which, keep }),
        1 => (0..4_u64).prop_map(Act::Forget),
    ]
}

proptest! {
    /// The book and an engine that follows its steps never disagree, and a request that was let in
    /// always finds its cells.
    #[test]
    fn the_book_mirrors_the_engine(acts in prop::collection::vec(act(), 1..60), whole in any::<bool>()) {
        const CELLS: usize = 40;
        let reuse = if whole { Reuse::Whole } else { Reuse::Beginning };
        let mut cells = Cells::new(CELLS as u32, 5, reuse);
        let mut engine = Engine { held: vec![Vec::new(); CELLS] };
        let mut running: Vec<Seq> = Vec::new();
        for act in acts {
            match act {
                Act::Ask { prompt, conversation, cold, answer } => {
                    let Some(place) = cells.place(&prompt, conversation, cold) else { continue };
                    engine.run(&place.steps);
                    prop_assert!(place.kept < prompt.len());
                    prop_assert!(!running.contains(&place.sequence));
                    prop_assert_eq!(engine.length(place.sequence), place.kept);
                    let need = prompt.len() - place.kept + answer;
                    engine.run(&cells.make_room(need));
                    prop_assert_eq!(engine.length(place.sequence), place.kept);
                    if cells.available() < need {
                        engine.run(&cells.release(place.sequence, true));
                        continue;
                    }
                    for i in 0..need {
                        let token = prompt.get(place.kept + i).copied().unwrap_or(99);
                        prop_assert!(cells.push(place.sequence, token));
                        engine.push(place.sequence);
                    }
                    running.push(place.sequence);
                }
                Act::End { which, keep } if !running.is_empty() => {
                    let sequence = running.swap_remove(which % running.len());
                    engine.run(&cells.release(sequence, keep));
                }
                Act::End { .. } => {}
                Act::Forget(conversation) => engine.run(&cells.forget(conversation)),
            }
            prop_assert_eq!(cells.available(), engine.free());
        }
    }
}
