//! A call as lists, pages and the API see it.

use std::collections::VecDeque;

use serde::Serialize;

use crate::ai::router::bill::Bill;
use crate::base::event::{CallState, Direction, EndCause, Record};
use crate::base::{CallId, Lang, TenantId};

/// A call as others see it. Words are in here only while the call lives.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct View {
    pub id: CallId,
    /// Whom it concerns.
    #[schema(value_type = String)]
    pub tenant: TenantId,
    pub transport: String,
    pub carrier_call: String,
    pub direction: Direction,
    pub agent: String,
    /// Masked.
    pub from: Option<String>,
    pub state: CallState,
    pub language: Option<Lang>,
    pub started_unix_ms: u64,
    pub connected_unix_ms: Option<u64>,
    pub ended_unix_ms: Option<u64>,
    pub cause: Option<EndCause>,
    /// The last facts, oldest first.
    #[schema(value_type = Vec<Record>)]
    pub events: VecDeque<Record>,
    /// The router's last decisions for this call; `/api/calls/{id}/decisions` shows them.
    #[serde(skip)]
    pub decisions: VecDeque<Record>,
    /// What the call cost so far; `/api/calls/{id}` shows it.
    #[serde(skip)]
    pub bill: Bill,
}

impl View {
    /// Of a call that begins, nothing known yet.
    pub(super) fn begun(id: CallId, tenant: TenantId, direction: Direction, started_unix_ms: u64) -> Self {
        Self {
            id,
            tenant,
            transport: String::new(),
            carrier_call: String::new(),
            direction,
            agent: String::new(),
            from: None,
            state: CallState::Ready,
            language: None,
            started_unix_ms,
            connected_unix_ms: None,
            ended_unix_ms: None,
            cause: None,
            events: VecDeque::new(),
            decisions: VecDeque::new(),
            bill: Bill::default(),
        }
    }
}
