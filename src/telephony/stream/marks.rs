//! Marks sent to a carrier and not yet given back.
//! Promise: each has one fate. A carrier may give back what a clear threw away, late or never: a mark's
//! name tells how many clears came before it, so that it is not taken for a later one.

use std::collections::VecDeque;

use crate::base::limits;

#[derive(Debug, Default)]
pub struct Marks {
    /// Raised by every clear; part of each mark's name on the wire.
    generation: u32,
    /// Each with the generation in its name.
    waiting: VecDeque<(u64, u32)>,
}

/// What a mark that came back means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Returned {
    Played(u64),
    /// Of before a clear: told already.
    Stale,
    Unknown,
}

impl Marks {
    /// What it is called on the wire.
    pub fn name(&self, mark: u64) -> String {
        format!("g{}.m{mark}", self.generation)
    }

    /// It was sent. A carrier that gives nothing back has one given up for it: the oldest.
    pub fn sent(&mut self, mark: u64) -> Option<u64> {
        self.waiting.push_back((mark, self.generation));
        let full = self.waiting.len() > limits::LEG_MARKS_MAX;
        if full { self.waiting.pop_front().map(|(oldest, _)| oldest) } else { None }
    }

    /// A clear was sent, and what it threw away will be sent again, these marks among it. Those before it are
    /// still to come.
    pub fn taken_back(&mut self, again: impl Iterator<Item = u64>) {
        self.generation += 1;
        for mark in again {
            self.waiting.retain(|(waiting, _)| *waiting != mark);
        }
    }

    /// A clear was sent; the marks it threw away. Whether one was played in the instant before the clear
    /// arrived cannot be known; it counts as not heard.
    pub fn clear(&mut self) -> impl Iterator<Item = u64> {
        self.generation += 1;
        self.waiting.drain(..).map(|(mark, _)| mark)
    }

    pub fn returned(&mut self, name: &str) -> Returned {
        let Some((generation, mark)) = read(name) else { return Returned::Unknown };
        match self.waiting.iter().position(|waiting| *waiting == (mark, generation)) {
            Some(at) => {
                self.waiting.remove(at);
                Returned::Played(mark)
            }
            None if generation < self.generation => Returned::Stale,
            None => Returned::Unknown,
        }
    }
}

fn read(name: &str) -> Option<(u32, u64)> {
    let (generation, mark) = name.strip_prefix('g')?.split_once(".m")?;
    Some((generation.parse().ok()?, mark.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_of_before_a_clear_is_no_later_one() {
        let mut marks = Marks::default();
        assert_eq!((marks.name(7), marks.sent(7)), ("g0.m7".to_owned(), None));
        marks.sent(8);
        assert_eq!(marks.returned("g0.m7"), Returned::Played(7));
        assert_eq!(marks.returned("g0.m7"), Returned::Unknown);
        assert_eq!(marks.clear().collect::<Vec<_>>(), [8]);
        marks.sent(8);
        assert_eq!(marks.returned("g0.m8"), Returned::Stale);
        for odd in ["", "x", "g1.m77", "g2.m8", "g.m", "g1.m-1"] {
            assert_eq!(marks.returned(odd), Returned::Unknown, "{odd}");
        }
        assert_eq!(marks.returned("g1.m8"), Returned::Played(8));
    }

    #[test]
    fn a_mark_that_is_sent_again_is_played_when_it_comes_under_its_new_name() {
        let mut marks = Marks::default();
        marks.sent(1);
        marks.sent(2);
        marks.taken_back([2].into_iter());
        assert_eq!((marks.name(2), marks.sent(2)), ("g1.m2".to_owned(), None));
        assert_eq!(marks.returned("g0.m2"), Returned::Stale, "given back by the clear");
        assert_eq!(marks.returned("g0.m1"), Returned::Played(1), "it was not cleared");
        assert_eq!(marks.returned("g1.m2"), Returned::Played(2));
        assert_eq!(marks.clear().count(), 0);
    }

    #[test]
    fn a_carrier_that_gives_nothing_back_does_not_fill_the_book() {
        let mut marks = Marks::default();
        for mark in 0..limits::LEG_MARKS_MAX as u64 {
            assert_eq!(marks.sent(mark), None);
        }
        assert_eq!(marks.sent(5_000), Some(0));
    }
}
