//! Marks on their way to a peer and back. The name on the wire says between which two clears a mark was
//! sent, so that a late echo is never taken for a newer one.
//! Promise: each mark has at most one fate, and what is remembered is bounded.

use std::collections::VecDeque;

use crate::base::limits;

#[derive(Clone, Debug, Default)]
pub struct Marks {
    generation: u32,
    waiting: VecDeque<u64>,
}

/// What an echo means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Echo {
    Played(u64),
    /// Of before a clear; its fate has been told.
    Old,
    Unknown,
}

impl Marks {
    /// The name to send, and the mark that is given up for it if the peer echoes none.
    pub fn send(&mut self, mark: u64) -> (String, Option<u64>) {
        self.waiting.push_back(mark);
        let lost = if self.waiting.len() > limits::LEG_MARKS_MAX { self.waiting.pop_front() } else { None };
        (format!("g{}.m{mark}", self.generation), lost)
    }

    pub fn echo(&mut self, name: &str) -> Echo {
        let parsed = name.strip_prefix('g').and_then(|rest| rest.split_once(".m"));
        let Some((Ok(generation), Ok(mark))) = parsed.map(|(g, m)| (g.parse::<u32>(), m.parse::<u64>())) else {
            return Echo::Unknown;
        };
        if generation < self.generation {
            return Echo::Old;
        }
        match self.waiting.iter().position(|m| *m == mark).filter(|_| generation == self.generation) {
            Some(at) => {
                self.waiting.remove(at);
                Echo::Played(mark)
            }
            None => Echo::Unknown,
        }
    }

    /// Everything that was not played is thrown away; these marks with it.
    pub fn clear(&mut self) -> impl Iterator<Item = u64> + '_ {
        self.generation = self.generation.wrapping_add(1);
        self.waiting.drain(..)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_echo_is_believed_once_and_only_of_its_own_time() {
        let mut marks = Marks::default();
        assert_eq!(marks.send(7), ("g0.m7".to_owned(), None));
        marks.send(8);
        assert_eq!(marks.echo("g0.m7"), Echo::Played(7));
        assert_eq!(marks.echo("g0.m7"), Echo::Unknown);
        assert_eq!(marks.clear().collect::<Vec<_>>(), [8]);
        assert_eq!(marks.echo("g0.m8"), Echo::Old);
        assert_eq!(marks.send(8).0, "g1.m8");
        for odd in ["", "g1", "g1.m", "gx.m8", "g2.m8", "g1.m-8", "m8"] {
            assert_eq!(marks.echo(odd), Echo::Unknown, "{odd}");
        }
        assert_eq!(marks.echo("g1.m8"), Echo::Played(8));
        for mark in 0..limits::LEG_MARKS_MAX as u64 {
            assert_eq!(marks.send(mark).1, None);
        }
        assert_eq!(marks.send(5_000).1, Some(0));
    }
}
