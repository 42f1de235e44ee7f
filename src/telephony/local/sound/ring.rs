//! Samples between a sound card's thread and ours: one writes, one reads, nobody waits.

use std::sync::atomic::{AtomicI16, AtomicUsize, Ordering};

pub(super) struct Ring {
    samples: Box<[AtomicI16]>,
    /// Samples written and read since the beginning; they wrap around together.
    written: AtomicUsize,
    read: AtomicUsize,
}

impl Ring {
    pub(super) fn new(room: usize) -> Self {
        let samples = (0..room.next_power_of_two()).map(|_| AtomicI16::new(0)).collect();
        Self { samples, written: AtomicUsize::new(0), read: AtomicUsize::new(0) }
    }

    pub(super) fn len(&self) -> usize {
        self.written.load(Ordering::Acquire).wrapping_sub(self.read.load(Ordering::Acquire))
    }

    /// By the one writer. False: there is no room, and the sample is lost.
    pub(super) fn push(&self, sample: i16) -> bool {
        let at = self.written.load(Ordering::Relaxed);
        if at.wrapping_sub(self.read.load(Ordering::Acquire)) >= self.samples.len() {
            return false;
        }
        self.samples[at & (self.samples.len() - 1)].store(sample, Ordering::Relaxed);
        self.written.store(at.wrapping_add(1), Ordering::Release);
        true
    }

    /// By the one reader.
    pub(super) fn pop(&self) -> Option<i16> {
        let at = self.read.load(Ordering::Relaxed);
        if at == self.written.load(Ordering::Acquire) {
            return None;
        }
        let sample = self.samples[at & (self.samples.len() - 1)].load(Ordering::Relaxed);
        self.read.store(at.wrapping_add(1), Ordering::Release);
        Some(sample)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn samples_come_in_order_and_never_more_than_there_is_room_for() {
        let ring = Ring::new(5);
        assert_eq!((0..20).filter(|n| ring.push(*n)).count(), 8);
        assert_eq!(ring.len(), 8);
        assert_eq!(std::iter::from_fn(|| ring.pop()).collect::<Vec<_>>(), (0..8).collect::<Vec<_>>());
        assert!(ring.push(9));
        assert_eq!((ring.pop(), ring.pop(), ring.len()), (Some(9), None, 0));
    }

    #[test]
    fn two_threads_lose_nothing() {
        let ring = Arc::new(Ring::new(64));
        let writer = Arc::clone(&ring);
        let writing = std::thread::spawn(move || {
            for n in 0..20_000_i16 {
                while !writer.push(n) {
                    std::thread::yield_now();
                }
            }
        });
        for expected in 0..20_000_i16 {
            let got = loop {
                match ring.pop() {
                    Some(sample) => break sample,
                    None => std::thread::yield_now(),
                }
            };
            assert_eq!(got, expected);
        }
        writing.join().unwrap();
    }
}
