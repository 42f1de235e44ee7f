//! A small classifier learnt from a catalogue's phrases when it is loaded. Promise: the same
//! catalogue gives the same weights. Absent on purpose: files, randomness from outside, languages.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use super::features::{Feature, KINDS, features};

/// Keys are hashes already.
#[derive(Clone, Copy, Default)]
pub(crate) struct AsIs(u64);

impl Hasher for AsIs {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        for b in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*b);
        }
    }
    fn write_u64(&mut self, key: u64) {
        self.0 = key;
    }
}

type Index = HashMap<u64, u32, BuildHasherDefault<AsIs>>;

/// One phrase of the training set: its words and the class it belongs to.
pub(crate) struct Example {
    pub(crate) words: Vec<String>,
    pub(crate) class: usize,
    pub(crate) weight: f32,
}

/// Linear scores per class over the features of a text, as probabilities.
pub(crate) struct Classifier {
    classes: usize,
    index: Index,
    rarity: Vec<f32>,
    weights: Vec<f32>,
    bias: Vec<f32>,
}

/// Share of a text's length that each kind of feature gets: words, pairs, pieces, joined pieces.
const SHARES: [f32; KINDS] = [1.0, 0.6, 1.0, 0.4];
const ROUNDS: usize = 10;
const STEP: f32 = 0.5;
const DECAY: f32 = 2e-6;

impl Classifier {
    pub(crate) fn train(examples: &[Example], classes: usize) -> Self {
        let read: Vec<Vec<Feature>> = examples.iter().map(|e| features(&e.words)).collect();
        let mut seen: HashMap<u64, (u32, u32), BuildHasherDefault<AsIs>> = HashMap::default();
        for (i, row) in read.iter().enumerate() {
            let i = u32::try_from(i + 1).unwrap_or(u32::MAX);
            for f in row {
                let entry = seen.entry(f.key).or_insert((0, 0));
                if entry.1 != i {
                    *entry = (entry.0 + 1, i);
                }
            }
        }
        // What occurs once teaches little and costs most of the memory.
        let mut keys: Vec<(u64, u32)> = seen.iter().filter(|(_, (n, _))| *n > 1).map(|(k, (n, _))| (*k, *n)).collect();
        // In a fixed order, so that sums of floats come out the same everywhere.
        keys.sort_unstable();
        let total = examples.len().max(1) as f32;
        let mut index = Index::default();
        let mut rarity = Vec::with_capacity(keys.len());
        for (key, count) in keys {
            index.insert(key, u32::try_from(rarity.len()).unwrap_or(u32::MAX));
            rarity.push((1.0 + total / count as f32).ln());
        }
        let mut model =
            Self { classes, weights: vec![0.0; rarity.len() * classes], bias: vec![0.0; classes], index, rarity };
        let rows: Vec<Vec<(u32, f32)>> = read.iter().map(|r| model.vector(r)).collect();
        model.descend(examples, &rows);
        model
    }

    /// Features as (place, value); each kind has its fixed share whatever the text's length.
    fn vector(&self, read: &[Feature]) -> Vec<(u32, f32)> {
        let mut found: Vec<(u32, usize, f32)> = Vec::with_capacity(read.len());
        let mut length = [0.0f32; KINDS];
        for f in read {
            match self.index.get(&f.key) {
                Some(&place) => found.push((place, f.kind, self.rarity.get(place as usize).copied().unwrap_or(0.0))),
                // An unknown word or piece takes its part of the length: strange text scores low.
                None => {
                    if let Some(l) = length.get_mut(f.kind) {
                        *l += 8.0;
                    }
                }
            }
        }
        found.sort_unstable_by_key(|f| f.0);
        found.dedup_by(|b, a| a.0 == b.0);
        for (_, kind, value) in &found {
            if let Some(l) = length.get_mut(*kind) {
                *l += value * value;
            }
        }
        for (l, share) in length.iter_mut().zip(SHARES) {
            *l = if *l > 0.0 { share / l.sqrt() } else { 0.0 };
        }
        found
            .into_iter()
            .map(|(place, kind, value)| (place, value * length.get(kind).copied().unwrap_or(0.0)))
            .collect()
    }

    fn descend(&mut self, examples: &[Example], rows: &[Vec<(u32, f32)>]) {
        let classes = self.classes;
        let mut order: Vec<usize> = (0..rows.len()).collect();
        let mut squares = vec![1e-3f32; self.rarity.len()];
        let mut dice = 0x9E37_79B9_7F4A_7C15u64;
        let mut p = vec![0.0f32; classes];
        for _ in 0..ROUNDS {
            for i in (1..order.len()).rev() {
                dice ^= dice << 13;
                dice ^= dice >> 7;
                dice ^= dice << 17;
                order.swap(i, (dice % (i as u64 + 1)) as usize);
            }
            for &i in &order {
                let (Some(row), Some(example)) = (rows.get(i), examples.get(i)) else { continue };
                self.scores(row, &mut p);
                if let Some(own) = p.get_mut(example.class) {
                    *own -= 1.0;
                }
                let mut pull = 0.0;
                for v in &mut p {
                    *v *= example.weight;
                    pull += *v * *v;
                }
                for (b, g) in self.bias.iter_mut().zip(&p) {
                    *b -= 0.05 * g;
                }
                for (place, value) in row {
                    let place = *place as usize;
                    let Some(square) = squares.get_mut(place) else { continue };
                    *square += pull * value * value;
                    let step = STEP * value / square.sqrt();
                    let Some(weights) = self.weights.get_mut(place * classes..(place + 1) * classes) else { continue };
                    for (w, g) in weights.iter_mut().zip(&p) {
                        *w -= step * g + DECAY * *w;
                    }
                }
            }
        }
    }

    fn scores(&self, row: &[(u32, f32)], p: &mut [f32]) {
        for (v, b) in p.iter_mut().zip(&self.bias) {
            *v = *b;
        }
        for (place, value) in row {
            let from = *place as usize * self.classes;
            let Some(weights) = self.weights.get(from..from + self.classes) else { continue };
            for (v, w) in p.iter_mut().zip(weights) {
                *v += w * value;
            }
        }
        let top = p.iter().copied().fold(f32::MIN, f32::max);
        let mut sum = 0.0;
        for v in p.iter_mut() {
            *v = (*v - top).exp();
            sum += *v;
        }
        for v in p.iter_mut() {
            *v /= sum;
        }
    }

    /// Probability of every class; `None` when nothing of the text is known.
    pub(crate) fn classify(&self, words: &[String]) -> Option<Vec<f32>> {
        let row = self.vector(&features(words));
        if row.is_empty() {
            return None;
        }
        let mut p = vec![0.0; self.classes];
        self.scores(&row, &mut p);
        Some(p)
    }
}
