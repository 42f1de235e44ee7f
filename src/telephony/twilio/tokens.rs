//! One-time tokens: minted in the answer to a signed webhook, shown again in the stream's `start`.
//! Promise: a token opens one stream, of the call and account it was minted for, within
//! [`crate::base::limits::STREAM_TOKEN_TTL`]; whoever shows it wrongly has spent it.

use std::io;

use super::machine::Credentials;
use crate::base::{CallId, Lang, Moment};
use crate::telephony::stream::tokens;

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
    tokens: tokens::Tokens<Ticket>,
}

impl Tokens {
    /// Fails only if the system has no random numbers.
    pub fn mint(&self, now: Moment, ticket: Ticket) -> io::Result<String> {
        self.tokens.mint(now, ticket)
    }

    pub fn redeem(&self, now: Moment, shown: &Credentials) -> Result<Ticket, TokenFault> {
        let ticket = self.tokens.take(now, &shown.token).ok_or(TokenFault::Unknown)?;
        if ticket.carrier_call == shown.call && ticket.account == shown.account {
            Ok(ticket)
        } else {
            Err(TokenFault::OtherCall)
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
}
