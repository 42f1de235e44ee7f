//! Whether the box takes one more call, decided before anything is promised to the carrier.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::telephony::leg::Refusal;

/// Counts live calls; hands out a [`Place`] for each.
#[derive(Clone, Debug)]
pub struct Admission {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    live: AtomicUsize,
    most: usize,
    draining: AtomicBool,
}

/// One call's place; given back when dropped.
#[derive(Debug)]
pub struct Place(Arc<Inner>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.live.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Admission {
    pub fn new(most: usize) -> Self {
        Self { inner: Arc::new(Inner { live: AtomicUsize::new(0), most, draining: AtomicBool::new(false) }) }
    }

    pub fn enter(&self) -> Result<Place, Refusal> {
        if self.inner.draining.load(Ordering::Acquire) {
            return Err(Refusal::Draining);
        }
        self.inner
            .live
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |live| (live < self.inner.most).then_some(live + 1))
            .map(|_| Place(Arc::clone(&self.inner)))
            .map_err(|_| Refusal::Full)
    }

    pub fn live(&self) -> usize {
        self.inner.live.load(Ordering::Acquire)
    }

    pub fn most(&self) -> usize {
        self.inner.most
    }

    /// From now on nobody enters.
    pub fn drain(&self) {
        self.inner.draining.store(true, Ordering::Release);
    }

    pub fn is_draining(&self) -> bool {
        self.inner.draining.load(Ordering::Acquire)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_bounded_given_back_and_closed_by_draining() {
        let admission = Admission::new(2);
        let first = admission.enter().unwrap();
        let _second = admission.enter().unwrap();
        assert_eq!(admission.enter().unwrap_err(), Refusal::Full);
        drop(first);
        let _third = admission.enter().unwrap();
        assert_eq!(admission.live(), 2);
        admission.drain();
        assert_eq!(admission.enter().unwrap_err(), Refusal::Draining);
    }
}
