//! One-time tokens: minted in the answer to a signed webhook, shown again in the stream's `start`.
//! Promise: a token opens one stream, of the call and account it was minted for, within
//! [`limits::STREAM_TOKEN_TTL`]; whoever shows it wrongly has spent it.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::sync::{Mutex, PoisonError};

use super::machine::Credentials;
use crate::base::secret::Secret;
use crate::base::{CallId, Lang, Moment, limits};

/// What a token stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ticket {
    pub call: CallId,
    /// The carrier's ids, which `start` must repeat.
    pub carrier_call: String,
    pub account: String,
    pub language: Option<Lang>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenFault {
    #[error("the token is unknown, spent or too old")]
    Unknown,
    #[error("the token was minted for another call or account")]
    OtherCall,
}

#[derive(Default)]
pub struct Tokens {
    book: Mutex<Book>,
}

#[derive(Default)]
struct Book {
    tickets: HashMap<String, Ticket>,
    /// Tokens by age, oldest first; spent ones stay until their turn comes.
    by_age: VecDeque<(Moment, String)>,
}

impl Tokens {
    /// Fails only if the system has no random numbers.
    pub fn mint(&self, now: Moment, ticket: Ticket) -> io::Result<String> {
        let token = Secret::random()?.expose().to_owned();
        self.book.lock().unwrap_or_else(PoisonError::into_inner).put(now, token.clone(), ticket);
        Ok(token)
    }

    pub fn redeem(&self, now: Moment, shown: &Credentials) -> Result<Ticket, TokenFault> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner).take(now, shown)
    }
}

impl Book {
    fn put(&mut self, now: Moment, token: String, ticket: Ticket) {
        self.forget_old(now);
        while self.by_age.len() >= limits::STREAM_TOKENS_MAX {
            self.forget_oldest();
        }
        self.by_age.push_back((now, token.clone()));
        self.tickets.insert(token, ticket);
    }

    fn take(&mut self, now: Moment, shown: &Credentials) -> Result<Ticket, TokenFault> {
        self.forget_old(now);
        let ticket = self.tickets.remove(&shown.token).ok_or(TokenFault::Unknown)?;
        if ticket.carrier_call == shown.call && ticket.account == shown.account {
            Ok(ticket)
        } else {
            Err(TokenFault::OtherCall)
        }
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

    fn ticket() -> Ticket {
        Ticket {
            call: CallId::from_seed(1, 1),
            carrier_call: "CA1".to_owned(),
            account: "AC1".to_owned(),
            language: Some(Lang::Ta),
        }
    }

    fn show(token: &str, call: &str, account: &str) -> Credentials {
        Credentials { token: token.to_owned(), call: call.to_owned(), account: account.to_owned() }
    }

    #[test]
    fn a_token_opens_one_stream_of_its_own_call() {
        let tokens = Tokens::default();
        let now = Moment::ZERO;
        let token = tokens.mint(now, ticket()).unwrap();
        assert_eq!(tokens.redeem(now, &show("", "CA1", "AC1")), Err(TokenFault::Unknown));
        assert_eq!(tokens.redeem(now, &show(&token, "CA1", "AC1")), Ok(ticket()));
        assert_eq!(tokens.redeem(now, &show(&token, "CA1", "AC1")), Err(TokenFault::Unknown));
        for (call, account) in [("CA2", "AC1"), ("CA1", "AC2"), ("CA1", "")] {
            let token = tokens.mint(now, ticket()).unwrap();
            assert_eq!(tokens.redeem(now, &show(&token, call, account)), Err(TokenFault::OtherCall));
            assert_eq!(tokens.redeem(now, &show(&token, "CA1", "AC1")), Err(TokenFault::Unknown), "it is spent");
        }
    }

    #[test]
    fn tokens_age_and_are_bounded() {
        let tokens = Tokens::default();
        let early = tokens.mint(Moment::ZERO, ticket()).unwrap();
        let late = tokens.mint(Moment::from_millis(1), ticket()).unwrap();
        let end = Moment::ZERO + limits::STREAM_TOKEN_TTL;
        assert_eq!(tokens.redeem(end, &show(&early, "CA1", "AC1")), Err(TokenFault::Unknown));
        assert_eq!(tokens.redeem(end, &show(&late, "CA1", "AC1")), Ok(ticket()));

        let mut book = Book::default();
        for number in 0..limits::STREAM_TOKENS_MAX + 5 {
            book.put(Moment::ZERO, number.to_string(), ticket());
        }
        assert_eq!((book.tickets.len(), book.by_age.len()), (limits::STREAM_TOKENS_MAX, limits::STREAM_TOKENS_MAX));
        assert!(book.take(Moment::ZERO, &show("4", "CA1", "AC1")).is_err());
        assert!(book.take(Moment::ZERO, &show("5", "CA1", "AC1")).is_ok());
    }
}
