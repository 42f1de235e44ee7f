use std::sync::Mutex;
use std::time::Duration;

use super::*;

const AT: Moment = Moment::from_millis(10_000);

#[derive(Clone, Debug, PartialEq)]
enum Did {
    Open(RecordingMode),
    Put(u64),
    Silence(u64),
    Confirm,
    Close(Tail),
    Discard,
}

#[derive(Default)]
struct Shelf {
    did: Mutex<Vec<Did>>,
    /// So many pieces are taken, then none.
    room: Mutex<usize>,
    fault: Mutex<Option<Fault>>,
}

struct Paper(Arc<Shelf>);

impl Paper {
    fn did(&self, did: Did) {
        self.0.did.lock().unwrap().push(did);
    }
}

impl Reels for Paper {
    fn open(&self, head: Head) -> Result<Box<dyn Reel>, StoppedBy> {
        self.did(Did::Open(head.mode));
        Ok(Box::new(Self(Arc::clone(&self.0))))
    }
}

impl Reel for Paper {
    fn put(&mut self, piece: Piece) -> bool {
        let mut room = self.0.room.lock().unwrap();
        if *room == 0 {
            return false;
        }
        *room -= 1;
        self.did(match piece {
            Piece::Sound(both) => Did::Put(both.len() as u64 / 2),
            Piece::Silence(samples) => Did::Silence(samples),
        });
        true
    }
    fn confirm(&mut self) {
        self.did(Did::Confirm);
    }
    fn fault(&self) -> Option<Fault> {
        *self.0.fault.lock().unwrap()
    }
    fn close(self: Box<Self>, tail: Tail) {
        self.did(Did::Close(tail));
    }
    fn discard(self: Box<Self>) {
        self.did(Did::Discard);
    }
}

fn tape(room: usize) -> (Tape, Arc<Shelf>) {
    let shelf = Arc::new(Shelf { room: Mutex::new(room), ..Shelf::default() });
    let of =
        Of { call: CallId::from_seed(1, 1), tenant: TenantId::default_tenant(), call_started_ms: 1, mute_keys: true };
    (Tape::new(Some(Arc::new(Paper(Arc::clone(&shelf)))), of), shelf)
}

const START: Order = Order::Start { mode: RecordingMode::Ask, language: Lang::Hi };

/// Both sides for so long; what the tape said meanwhile.
fn talk(tape: &mut Tape, from: Moment, seconds: u32) -> (Moment, Vec<Event>) {
    let (mut now, mut told) = (from, Vec::new());
    for n in 0..seconds * 50 {
        tape.heard(now, &LegEvent::Audio { pcm: vec![9; 160], at_ms: u64::from(n) * 20 });
        tape.sent(now, &LegCommand::Audio(vec![7; 160]));
        told.extend(tape.turn(now));
        now = now + Duration::from_millis(20);
    }
    (now, told)
}

#[test]
fn nothing_is_passed_on_before_it_may_be_and_all_of_it_afterwards() {
    let (mut tape, shelf) = tape(100);
    let (now, told) = talk(&mut tape, AT, 3);
    assert!(told.is_empty() && shelf.did.lock().unwrap().is_empty());
    assert_eq!(tape.end(now), None);
    assert!(matches!(tape.order(now, 5, START), Some(Event::RecordingStarted { .. })));
    let (now, _) = talk(&mut tape, now, 4);
    tape.order(now, 5, Order::Confirm);
    assert_eq!(tape.end(now), Some(Event::RecordingStopped { why: StoppedBy::CallEnded, duration_ms: 4_000 }));
    let tail = Tail { why: Some(StoppedBy::CallEnded), ..Tail::default() };
    let did = shelf.did.lock().unwrap().clone();
    let samples: u64 = did.iter().map(|did| if let Did::Put(samples) = did { *samples } else { 0 }).sum();
    assert_eq!(samples, 32_000);
    assert_eq!(did.last(), Some(&Did::Close(tail)));
}

#[test]
fn who_says_no_leaves_nothing_even_after_somebody_stopped_it() {
    for stopped in [false, true] {
        let (mut tape, shelf) = tape(100);
        tape.order(AT, 5, START);
        let (now, _) = talk(&mut tape, AT, 3);
        if stopped {
            let told = tape.stop(now, StoppedBy::Operator);
            assert_eq!(told, Some(Event::RecordingStopped { why: StoppedBy::Operator, duration_ms: 3_000 }));
        }
        let before = shelf.did.lock().unwrap().len();
        let (now, told) = if stopped { talk(&mut tape, now, 2) } else { (now, Vec::new()) };
        assert!(told.is_empty());
        assert_eq!(shelf.did.lock().unwrap().len(), before, "stopped is stopped");
        tape.order(now, 5, Order::Discard);
        assert_eq!(tape.end(now), None);
        drop(tape);
        let did = shelf.did.lock().unwrap().clone();
        assert_eq!(did.iter().filter(|did| **did == Did::Discard).count(), 1);
        assert!(!did.iter().any(|did| matches!(did, Did::Close(_))));
    }
}

#[test]
fn what_the_writer_was_too_slow_for_is_silence_of_the_same_length() {
    let (mut tape, shelf) = tape(2);
    tape.order(AT, 5, START);
    let (now, _) = talk(&mut tape, AT, 6);
    *shelf.room.lock().unwrap() = 100;
    let (now, _) = talk(&mut tape, now, 2);
    tape.end(now);
    let did = shelf.did.lock().unwrap().clone();
    let samples = did.iter().map(|did| match did {
        Did::Put(samples) | Did::Silence(samples) => *samples,
        _ => 0,
    });
    assert_eq!(samples.sum::<u64>(), 64_000, "{did:?}");
    let lost = did.iter().find_map(|did| if let Did::Close(tail) = did { Some(tail.lost_ms) } else { None });
    assert!(lost.is_some_and(|ms| (2_000..=4_000).contains(&ms)), "{did:?}");
}

#[test]
fn a_disk_that_is_full_ends_the_recording_and_says_so_once() {
    let (mut tape, shelf) = tape(100);
    tape.order(AT, 5, START);
    let (now, _) = talk(&mut tape, AT, 3);
    *shelf.fault.lock().unwrap() = Some(Fault::Stopped(StoppedBy::DiskFull));
    let (now, told) = talk(&mut tape, now, 2);
    assert_eq!(told, [Event::RecordingStopped { why: StoppedBy::DiskFull, duration_ms: 3_000 }]);
    assert_eq!(tape.end(now), None);
    assert!(matches!(shelf.did.lock().unwrap().last(), Some(Did::Close(_))), "what there is of it is kept");
}

#[test]
fn who_said_no_at_another_time_is_not_recorded_now() {
    let (mut tape, shelf) = tape(100);
    tape.order(AT, 5, START);
    *shelf.fault.lock().unwrap() = Some(Fault::Refused);
    let (now, told) = talk(&mut tape, AT, 3);
    assert_eq!(told, [Event::RecordingDeclined { why: DeclinedBy::Ledger }]);
    assert_eq!(tape.end(now), None);
    assert_eq!(shelf.did.lock().unwrap().last(), Some(&Did::Discard));
}

#[test]
fn a_tape_that_is_dropped_ends_its_recording() {
    let (mut tape, shelf) = tape(100);
    tape.order(AT, 5, START);
    talk(&mut tape, AT, 3);
    drop(tape);
    assert!(matches!(shelf.did.lock().unwrap().last(), Some(Did::Close(Tail { why: Some(StoppedBy::Fault), .. }))));
}
