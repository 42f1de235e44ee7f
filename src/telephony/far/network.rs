//! A bad network between caller and box: frames get lost, come late, overtake each other, and at
//! last the line is cut. Seeded, so that a run can be repeated.

use std::time::Duration;

use crate::base::Moment;

/// What becomes of a call whose connection was cut.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AfterCut {
    /// The carrier goes on with it, as with every call whose stream is over.
    #[default]
    GoesOn,
    /// The caller is gone as well, and the carrier says so.
    HangsUp,
    /// Nothing more is heard of it.
    Vanishes,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Network {
    /// Share of the caller's frames that never arrive, 0 to 1.
    pub loss: f32,
    /// Each frame is late by up to this much.
    pub jitter: Duration,
    /// Share of the frames that come after their successor, 0 to 1.
    pub reorder: f32,
    /// The connection is dropped without a word after this long, each of a call that has several.
    pub cut_after: Option<Duration>,
    pub after_cut: AfterCut,
    pub seed: u64,
}

impl Default for Network {
    fn default() -> Self {
        Self {
            loss: 0.0,
            jitter: Duration::ZERO,
            reorder: 0.0,
            cut_after: None,
            after_cut: AfterCut::default(),
            seed: 1,
        }
    }
}

/// Frames under way.
pub(super) struct Uplink<T> {
    network: Network,
    random: fastrand::Rng,
    /// In the order of leaving.
    under_way: Vec<(Moment, T)>,
    last_out: Moment,
    held: Option<T>,
}

impl<T> Uplink<T> {
    pub(super) fn new(network: Network) -> Self {
        let random = fastrand::Rng::with_seed(network.seed);
        Self { network, random, under_way: Vec::new(), last_out: Moment::ZERO, held: None }
    }

    /// Sends a frame of sound into the network.
    pub(super) fn push(&mut self, now: Moment, frame: T) {
        if self.random.f32() < self.network.loss {
            return;
        }
        if self.held.is_none() && self.random.f32() < self.network.reorder {
            self.held = Some(frame);
            return;
        }
        self.enqueue(now, frame);
        if let Some(held) = self.held.take() {
            self.enqueue(now, held);
        }
    }

    /// The connection is gone, and what was on its way with it.
    pub(super) fn lose(&mut self) {
        self.under_way.clear();
        self.held = None;
    }

    /// Frames that arrive by now.
    pub(super) fn arrived(&mut self, now: Moment) -> impl Iterator<Item = T> {
        let count = self.under_way.iter().take_while(|(at, _)| *at <= now).count();
        self.under_way.drain(..count).map(|(_, frame)| frame)
    }

    pub(super) fn next_arrival(&self) -> Option<Moment> {
        self.under_way.first().map(|(at, _)| *at)
    }

    fn enqueue(&mut self, now: Moment, frame: T) {
        // One connection: what is late delays what follows.
        let at = (now + self.network.jitter.mul_f32(self.random.f32())).max(self.last_out);
        self.last_out = at;
        self.under_way.push((at, frame));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_network_loses_and_swaps_but_invents_nothing() {
        let network = Network { loss: 0.1, jitter: Duration::from_millis(50), reorder: 0.1, ..Network::default() };
        let mut uplink = Uplink::new(network);
        let mut out: Vec<u64> = Vec::new();
        for n in 0..1_000 {
            uplink.push(Moment::from_millis(n * 20), n.to_string());
            out.extend(uplink.arrived(Moment::from_millis(n * 20)).map(|text| text.parse::<u64>().unwrap()));
        }
        assert!((800..980).contains(&out.len()), "{}", out.len());
        assert!(out.windows(2).any(|w| w[0] > w[1]), "some are out of order");
        let mut sorted = out.clone();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(sorted.len(), out.len(), "none comes twice");
    }

    #[test]
    fn a_good_network_changes_nothing() {
        let mut uplink = Uplink::new(Network::default());
        for n in 0..100_u64 {
            let now = Moment::from_millis(n * 20);
            uplink.push(now, n.to_string());
            assert_eq!(uplink.arrived(now).collect::<Vec<_>>(), [n.to_string()]);
            assert_eq!(uplink.next_arrival(), None);
        }
    }
}
