//! One-time tokens: minted where a call is announced, shown again by the socket that is to carry it.
//! Promise: a token is good once, within [`limits::STREAM_TOKEN_TTL`]; taking it spends it, whatever
//! comes of it. Absent on purpose: what a token stands for.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::base::secret::Secret;
use crate::base::{Moment, limits};

pub struct Tokens<T> {
    book: Mutex<Book<T>>,
}

struct Book<T> {
    tickets: HashMap<String, T>,
    /// Tokens by age, oldest first; spent ones stay until their turn comes.
    by_age: VecDeque<(Moment, String)>,
}

impl<T> Default for Tokens<T> {
    fn default() -> Self {
        Self { book: Mutex::new(Book { tickets: HashMap::new(), by_age: VecDeque::new() }) }
    }
}

impl<T> Tokens<T> {
    /// Fails only if the system has no random numbers.
    pub fn mint(&self, now: Moment, ticket: T) -> io::Result<String> {
        let token = Secret::random()?.expose().to_owned();
        self.book().put(now, token.clone(), ticket);
        Ok(token)
    }

    /// Is there such a token? It is not spent by asking.
    pub fn is_good(&self, now: Moment, token: &str) -> bool {
        let mut book = self.book();
        book.forget_old(now);
        book.tickets.contains_key(token)
    }

    pub fn take(&self, now: Moment, token: &str) -> Option<T> {
        let mut book = self.book();
        book.forget_old(now);
        book.tickets.remove(token)
    }

    fn book(&self) -> MutexGuard<'_, Book<T>> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Book<T> {
    fn put(&mut self, now: Moment, token: String, ticket: T) {
        self.forget_old(now);
        while self.by_age.len() >= limits::STREAM_TOKENS_MAX {
            self.forget_oldest();
        }
        self.by_age.push_back((now, token.clone()));
        self.tickets.insert(token, ticket);
    }

    fn forget_old(&mut self, now: Moment) {
        while self.by_age.front().is_some_and(|(minted, _)| now.since(*minted) >= limits::STREAM_TOKEN_TTL) {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        if let Some((_, token)) = self.by_age.pop_front() {
            self.tickets.remove(&token);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_good_once() {
        let tokens = Tokens::default();
        let now = Moment::ZERO;
        let token = tokens.mint(now, 7).unwrap();
        assert_eq!((tokens.take(now, ""), tokens.take(now, "x")), (None, None));
        assert!(tokens.is_good(now, &token) && tokens.is_good(now, &token));
        assert_eq!((tokens.take(now, &token), tokens.take(now, &token)), (Some(7), None));
        assert!(!tokens.is_good(now, &token));
    }

    #[test]
    fn tokens_age_and_are_bounded() {
        let tokens = Tokens::default();
        let early = tokens.mint(Moment::ZERO, 1).unwrap();
        let late = tokens.mint(Moment::from_millis(1), 2).unwrap();
        let end = Moment::ZERO + limits::STREAM_TOKEN_TTL;
        assert!(!tokens.is_good(end, &early));
        assert_eq!((tokens.take(end, &early), tokens.take(end, &late)), (None, Some(2)));

        for number in 0..limits::STREAM_TOKENS_MAX + 5 {
            tokens.book().put(Moment::ZERO, number.to_string(), number);
        }
        let book = tokens.book();
        assert_eq!((book.tickets.len(), book.by_age.len()), (limits::STREAM_TOKENS_MAX, limits::STREAM_TOKENS_MAX));
        drop(book);
        assert_eq!((tokens.take(Moment::ZERO, "4"), tokens.take(Moment::ZERO, "5")), (None, Some(5)));
    }
}
