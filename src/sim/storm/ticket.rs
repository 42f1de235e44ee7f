//! One request at a simulated member, from its beginning to however it ends.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::whole::World;
use crate::ai::{Fault, FaultKind};
use crate::base::event::Stage;
use crate::base::{CallId, Moment};

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A storm runs on one thread; what panicked there ends the storm.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The router's own patience is no shorter.
const PATIENCE_MIN: Duration = Duration::from_millis(200);

/// Tells the watch what whoever asked has seen of the request, also when it is just dropped.
pub(super) struct Ticket {
    world: Arc<World>,
    place: usize,
    number: u64,
    since: Moment,
    first_within: Duration,
    piece_within: Duration,
    last_piece: Option<Moment>,
    told: bool,
    /// Its pieces come slowly.
    pub(super) drips: bool,
}

impl Ticket {
    pub(super) fn new(world: &Arc<World>, place: usize, stage: Stage, call: Option<CallId>) -> Self {
        let now = world.clock.now();
        let number = lock(&world.watch).asked(now, place, stage, call, &world.names[place]);
        let [stt, llm, tts, piece] = world.drawn.providers[world.of_candidate[place]].deadlines;
        let first = match stage {
            Stage::Stt => stt,
            Stage::Llm => llm,
            Stage::Tts => tts,
        };
        Self {
            world: Arc::clone(world),
            place,
            number,
            since: now,
            first_within: Duration::from_millis(first),
            piece_within: Duration::from_millis(piece),
            last_piece: None,
            told: false,
            drips: false,
        }
    }

    pub(super) fn piece(&mut self) {
        self.last_piece = Some(self.world.clock.now());
    }

    /// The whole answer was delivered; `cost` in thousandths of a paisa.
    pub(super) fn answered(&mut self, tenant: &str, cost: u64) {
        self.told = true;
        let now = self.world.clock.now();
        let mut watch = lock(&self.world.watch);
        watch.answered(self.place);
        watch.charge(now, tenant, cost);
    }

    pub(super) fn failed(&mut self, fault: &Fault) {
        self.told = true;
        let now = self.world.clock.now();
        lock(&self.world.watch).failed(now, self.place, self.number, fault.kind, fault.retry_after);
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let now = self.world.clock.now();
        let mut watch = lock(&self.world.watch);
        let silent = now.since(self.last_piece.unwrap_or(self.since));
        let late = silent >= if self.last_piece.is_none() { self.first_within } else { self.piece_within };
        // Overtaken after a silence that the router may have counted as a failure: not for us to say.
        let tiresome = !late && silent >= PATIENCE_MIN;
        if !self.told && (self.drips || tiresome) {
            watch.dripped(self.place);
        } else if !self.told && late {
            watch.failed(now, self.place, self.number, FaultKind::Deadline, None);
        }
        watch.left(self.place, self.number);
    }
}
