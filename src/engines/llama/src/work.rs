//! What comes in: requests, each bound for the lane that holds its conversation. One-offs go to the
//! lane that is free first.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use vaani_engine_protocol::desk::{Desk, Fail, Job, Room, Sorted};
use vaani_engine_protocol::{Ask, Generate};

/// Conversations whose lane is remembered. One that is forgotten by us is just evaluated anew.
const HOMES_MAX: usize = 4_096;
const FORGOTTEN_MAX: usize = 1_024;
/// Bytes of all waiting requests.
const WAITING_BYTES_MAX: usize = 4 << 20;

/// A request on its way to a lane.
#[derive(Debug)]
pub(crate) struct Asked {
    pub ask: Generate,
    /// `None`: any.
    pub lane: Option<usize>,
}

pub(crate) enum Taken {
    Job(Job<Asked>),
    Nothing,
    Closed,
}

#[derive(Debug)]
pub(crate) struct Calls {
    pub(crate) desk: Desk<Asked>,
    homes: Mutex<Homes>,
}

#[derive(Debug)]
struct Homes {
    lanes: Vec<Lane>,
    of: HashMap<u64, usize>,
    oldest: VecDeque<u64>,
    forgotten: VecDeque<u64>,
}

#[derive(Debug, Default)]
struct Lane {
    conversations: usize,
    to_forget: Vec<u64>,
}

impl Calls {
    pub(crate) fn new(lanes: usize, queue: usize) -> Self {
        let homes = Homes {
            lanes: (0..lanes.max(1)).map(|_| Lane::default()).collect(),
            of: HashMap::new(),
            oldest: VecDeque::new(),
            forgotten: VecDeque::new(),
        };
        let room = Room { requests: queue, bytes: WAITING_BYTES_MAX };
        Self { desk: Desk::new(room), homes: Mutex::new(homes) }
    }

    /// For the reading thread.
    pub(crate) fn sort(&self, ask: Ask) -> Result<Sorted<Asked>, Fail> {
        match ask {
            Ask::Generate(ask) => {
                let text: usize = ask.messages.iter().map(|m| m.role.len() + m.content.len() + 64).sum();
                let bytes = text + ask.grammar.as_ref().map_or(0, String::len);
                if bytes > WAITING_BYTES_MAX {
                    // Not even an empty queue would take it, so that another try is useless.
                    return Err(Fail::refused(format!("the request has {bytes} bytes")));
                }
                let lane = self.homes().find(ask.conversation);
                Ok(Sorted::Work(Asked { ask, lane }, bytes))
            }
            Ask::Forget { conversation } => {
                self.homes().forget(conversation);
                Ok(Sorted::Done)
            }
            _ => Err(Fail::refused("this worker only writes text")),
        }
    }

    /// The next request of this lane.
    pub(crate) fn take(&self, lane: usize, wait: bool) -> Taken {
        match self.desk.take_if(wait, |asked| asked.lane.is_none_or(|l| l == lane)) {
            Ok(Some(job)) => Taken::Job(job),
            Ok(None) => Taken::Nothing,
            Err(_) => Taken::Closed,
        }
    }

    pub(crate) fn done(&self, request: u64) {
        self.desk.done(request);
    }

    /// What this lane may drop.
    pub(crate) fn forgotten(&self, lane: usize) -> Vec<u64> {
        std::mem::take(&mut self.homes().lanes[lane].to_forget)
    }

    pub(crate) fn is_forgotten(&self, conversation: u64) -> bool {
        conversation != 0 && self.homes().forgotten.contains(&conversation)
    }

    fn homes(&self) -> MutexGuard<'_, Homes> {
        // No code that can panic runs under this lock.
        self.homes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Homes {
    /// New conversations go where fewest live; among equals it is left to chance, because several
    /// prompts of one call come in the same order every time.
    fn find(&mut self, conversation: u64) -> Option<usize> {
        if conversation == 0 {
            return None;
        }
        self.forgotten.retain(|&f| f != conversation);
        if let Some(&home) = self.of.get(&conversation) {
            return Some(home);
        }
        let chance = |lane: usize| (conversation ^ lane as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(32);
        let rank = |&lane: &usize| (self.lanes[lane].conversations, chance(lane));
        let emptiest = (0..self.lanes.len()).min_by_key(rank)?;
        if self.oldest.len() >= HOMES_MAX
            && let Some(oldest) = self.oldest.pop_front()
            && let Some(home) = self.of.remove(&oldest)
        {
            self.lanes[home].conversations -= 1;
        }
        self.lanes[emptiest].conversations += 1;
        self.of.insert(conversation, emptiest);
        self.oldest.push_back(conversation);
        Some(emptiest)
    }

    fn forget(&mut self, conversation: u64) {
        let Some(home) = self.of.remove(&conversation) else { return };
        self.oldest.retain(|&c| c != conversation);
        self.lanes[home].conversations -= 1;
        self.lanes[home].to_forget.push(conversation);
        if self.forgotten.len() >= FORGOTTEN_MAX {
            self.forgotten.pop_front();
        }
        self.forgotten.push_back(conversation);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conversations_are_spread_and_stay_where_they_are() {
        let calls = Calls::new(2, 8);
        let find = |c| calls.homes().find(c);
        let lanes = [11, 12, 13, 14].map(|c| find(c).unwrap());
        assert_eq!(lanes.iter().filter(|l| **l == 0).count(), 2);
        assert_eq!([11, 12, 13, 14].map(|c| find(c).unwrap()), lanes);
        assert_eq!(find(0), None, "a one-off is not bound to a lane");
        calls.sort(Ask::Forget { conversation: 12 }).unwrap();
        assert!(calls.is_forgotten(12));
        assert_eq!(calls.forgotten(lanes[1]), [12]);
        assert_eq!(find(15), Some(lanes[1]), "the place that became free");
        find(12);
        assert!(!calls.is_forgotten(12), "asked again, it lives again");
    }

    #[test]
    fn two_prompts_of_every_call_do_not_part_into_two_lanes_of_one_kind() {
        let calls = Calls::new(2, 8);
        let replies = (1..=200_u64).filter(|call| {
            let lane = calls.homes().find(call * 2);
            calls.homes().find(call * 2 + 1);
            lane == Some(0)
        });
        assert!((60..140).contains(&replies.count()));
    }

    #[test]
    fn homes_are_bounded() {
        let calls = Calls::new(3, 8);
        for conversation in 1..20_000 {
            calls.homes().find(conversation);
            calls.homes().forget(conversation / 2);
        }
        let homes = calls.homes();
        assert!(homes.of.len() <= HOMES_MAX && homes.forgotten.len() <= FORGOTTEN_MAX);
        assert_eq!(homes.lanes.iter().map(|l| l.conversations).sum::<usize>(), homes.of.len());
    }
}
