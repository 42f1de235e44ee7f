//! What waits for a connection that will name it: a call handed over before its sound comes, a one-time
//! token for a stream that we have asked for.
//! Promise: taken once, within [`limits::STREAM_TOKEN_TTL`]; bounded, the oldest makes room.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::base::{Moment, limits};

#[derive(Debug)]
pub struct Waiting<T>(Mutex<Book<T>>);

#[derive(Debug)]
struct Book<T> {
    entries: HashMap<String, T>,
    /// Names by age, oldest first; taken ones stay until their turn comes.
    by_age: VecDeque<(Moment, String)>,
}

impl<T> Default for Waiting<T> {
    fn default() -> Self {
        Self(Mutex::new(Book { entries: HashMap::new(), by_age: VecDeque::new() }))
    }
}

impl<T> Waiting<T> {
    fn book(&self, now: Moment) -> MutexGuard<'_, Book<T>> {
        let mut book = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while book.by_age.front().is_some_and(|(put, _)| now.since(*put) >= limits::STREAM_TOKEN_TTL) {
            book.forget_oldest();
        }
        book
    }

    /// False if the name waits already; then nothing changes.
    pub fn put(&self, now: Moment, name: &str, entry: T) -> bool {
        let mut book = self.book(now);
        if book.entries.contains_key(name) {
            return false;
        }
        // A name that was taken and comes again must not be forgotten with its first time.
        book.by_age.retain(|(_, known)| known != name);
        while book.by_age.len() >= limits::STREAM_TOKENS_MAX {
            book.forget_oldest();
        }
        book.by_age.push_back((now, name.to_owned()));
        book.entries.insert(name.to_owned(), entry);
        true
    }

    pub fn take(&self, now: Moment, name: &str) -> Option<T> {
        self.book(now).entries.remove(name)
    }
}

impl<T> Book<T> {
    fn forget_oldest(&mut self) {
        if let Some((_, name)) = self.by_age.pop_front() {
            self.entries.remove(&name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_taken_once_in_time_and_there_is_a_bound() {
        let waiting = Waiting::default();
        let now = Moment::ZERO;
        assert!(waiting.put(now, "a", 1) && !waiting.put(now, "a", 2));
        assert_eq!((waiting.take(now, "a"), waiting.take(now, "a")), (Some(1), None));
        assert!(waiting.put(Moment::from_millis(5), "a", 3), "it may come again");
        let end = Moment::ZERO + limits::STREAM_TOKEN_TTL;
        assert_eq!(waiting.take(end, "a"), Some(3), "and has its own time");
        let waiting = Waiting::default();
        assert!(waiting.put(now, "b", 4));
        assert_eq!(waiting.take(end, "b"), None, "too late");
        for number in 0..limits::STREAM_TOKENS_MAX + 5 {
            waiting.put(now, &number.to_string(), 0);
        }
        assert_eq!((waiting.take(now, "4"), waiting.take(now, "5")), (None, Some(0)));
    }
}
