//! Lines that are said again and again are synthesised once and kept as sound, by content.
//!
//! Wraps a [`Tts`]: what was synthesised completely is kept under a hash of text, language, voice,
//! pace and rate, the least recently used thrown out first. Promise: a cached line is the same sound
//! as a fresh one; a broken or cancelled synthesis is never kept.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::stream::{self, Stream, StreamExt};

use super::Fault;
use super::tts::{Tts, TtsEvent, TtsRequest, TtsStream, TtsUsage};
use crate::base::limits;

struct Kept {
    pcm: Arc<[i16]>,
    usage: TtsUsage,
    used: u64,
}

#[derive(Default)]
struct Shelf {
    lines: HashMap<u64, Kept>,
    samples: usize,
    clock: u64,
}

impl Shelf {
    fn get(&mut self, key: u64) -> Option<(Arc<[i16]>, TtsUsage)> {
        self.clock += 1;
        let now = self.clock;
        let kept = self.lines.get_mut(&key)?;
        kept.used = now;
        Some((Arc::clone(&kept.pcm), kept.usage.clone()))
    }

    fn put(&mut self, key: u64, pcm: Vec<i16>, usage: TtsUsage) {
        self.clock += 1;
        self.samples += pcm.len();
        if let Some(old) = self.lines.insert(key, Kept { pcm: pcm.into(), usage, used: self.clock }) {
            self.samples -= old.pcm.len();
        }
        while self.samples > limits::LINE_CACHE_SAMPLES {
            let Some(oldest) = self.lines.iter().min_by_key(|(_, k)| k.used).map(|(key, _)| *key) else { return };
            if let Some(gone) = self.lines.remove(&oldest) {
                self.samples -= gone.pcm.len();
            }
        }
    }
}

/// A voice with a memory.
pub struct LineCache {
    inner: Arc<dyn Tts>,
    shelf: Arc<Mutex<Shelf>>,
}

impl LineCache {
    pub fn new(inner: Arc<dyn Tts>) -> Self {
        Self { inner, shelf: Arc::default() }
    }
}

fn key(request: &TtsRequest) -> u64 {
    let mut hasher = DefaultHasher::new();
    (&request.text, request.language, &request.voice, request.pace.to_bits(), request.rate).hash(&mut hasher);
    hasher.finish()
}

impl Tts for LineCache {
    fn id(&self) -> &str {
        self.inner.id()
    }

    fn speak(&self, request: TtsRequest) -> TtsStream {
        let key = key(&request);
        if let Some((pcm, mut usage)) = self.shelf.lock().unwrap_or_else(PoisonError::into_inner).get(key) {
            usage.first_audio = Duration::ZERO;
            usage.took = Duration::ZERO;
            let events = [Ok(TtsEvent::Audio(pcm.to_vec())), Ok(TtsEvent::Done(usage))];
            return stream::iter(events).boxed();
        }
        if request.text.chars().count() > limits::LINE_CACHE_CHARS {
            return self.inner.speak(request);
        }
        Recording { inner: self.inner.speak(request), shelf: Arc::clone(&self.shelf), key, pcm: Vec::new() }.boxed()
    }
}

/// Passes a synthesis through and keeps it when it is complete.
struct Recording {
    inner: TtsStream,
    shelf: Arc<Mutex<Shelf>>,
    key: u64,
    pcm: Vec<i16>,
}

impl Stream for Recording {
    type Item = Result<TtsEvent, Fault>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let next = self.inner.as_mut().poll_next(context);
        match &next {
            Poll::Ready(Some(Ok(TtsEvent::Audio(pcm)))) => self.pcm.extend_from_slice(pcm),
            Poll::Ready(Some(Ok(TtsEvent::Done(usage)))) if !self.pcm.is_empty() => {
                let pcm = std::mem::take(&mut self.pcm);
                let key = self.key;
                self.shelf.lock().unwrap_or_else(PoisonError::into_inner).put(key, pcm, usage.clone());
            }
            _ => {}
        }
        next
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::ai::FaultKind;
    use crate::base::Lang;

    struct Counting {
        asked: AtomicUsize,
        broken: bool,
    }

    impl Tts for Counting {
        fn id(&self) -> &str {
            "counting"
        }

        fn speak(&self, request: TtsRequest) -> TtsStream {
            self.asked.fetch_add(1, Ordering::Relaxed);
            let last = if self.broken {
                Err(Fault::new(FaultKind::Broken, "counting", "test"))
            } else {
                Ok(TtsEvent::Done(TtsUsage::default()))
            };
            stream::iter([Ok(TtsEvent::Audio(vec![1; request.text.len()])), last]).boxed()
        }
    }

    fn request(text: &str) -> TtsRequest {
        TtsRequest { call: None, text: text.to_owned(), language: Lang::Hi, voice: None, pace: 1.0, rate: 8_000 }
    }

    #[tokio::test]
    async fn a_line_is_synthesised_once_and_a_broken_one_is_never_kept() {
        for (broken, expected) in [(false, 1), (true, 3)] {
            let inner = Arc::new(Counting { asked: AtomicUsize::new(0), broken });
            let cache = LineCache::new(Arc::clone(&inner) as Arc<dyn Tts>);
            let mut sounds = Vec::new();
            for _ in 0..3 {
                let mut stream = cache.speak(request("namaste"));
                while let Some(event) = stream.next().await {
                    if let Ok(TtsEvent::Audio(pcm)) = event {
                        sounds.push(pcm);
                    }
                }
            }
            assert_eq!(inner.asked.load(Ordering::Relaxed), expected);
            assert_eq!(sounds, vec![vec![1; 7]; 3]);
            drop(cache.speak(request("other")));
            assert_eq!(inner.asked.load(Ordering::Relaxed), expected + 1);
        }
    }

    #[test]
    fn the_shelf_stays_within_its_bound() {
        let mut shelf = Shelf::default();
        for key in 0..100 {
            shelf.put(key, vec![0; limits::LINE_CACHE_SAMPLES / 10], TtsUsage::default());
        }
        assert!(shelf.samples <= limits::LINE_CACHE_SAMPLES);
        assert!(shelf.get(99).is_some());
        assert!(shelf.get(0).is_none());
    }
}
