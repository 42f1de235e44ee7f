//! Tickets for sockets: short-lived, good once, kept as hashes only.

use std::sync::{Mutex, PoisonError};

use indexmap::IndexMap;
use sha2::{Digest, Sha256};

use super::super::guard::Tenant;
use crate::auth::Principal;
use crate::base::secret::Secret;
use crate::base::{Moment, limits};

type Hash = [u8; 32];

struct Open {
    tenant: Tenant,
    who: Principal,
    until: Moment,
}

#[derive(Default)]
pub(super) struct Tickets(Mutex<IndexMap<Hash, Open>>);

fn hash(ticket: &str) -> Hash {
    Sha256::digest(ticket.as_bytes()).into()
}

impl Tickets {
    pub(super) fn issue(&self, tenant: Tenant, who: Principal, now: Moment) -> std::io::Result<Secret> {
        let ticket = Secret::random()?;
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|_, ticket| ticket.until > now);
        while open.len() >= limits::LIVE_TICKETS_MAX {
            open.shift_remove_index(0);
        }
        open.insert(hash(ticket.expose()), Open { tenant, who, until: now + limits::LIVE_TICKET_TTL });
        Ok(ticket)
    }

    pub(super) fn take(&self, ticket: &str, now: Moment) -> Option<(Tenant, Principal)> {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let found = open.shift_remove(&hash(ticket))?;
        (found.until > now).then_some((found.tenant, found.who))
    }
}
