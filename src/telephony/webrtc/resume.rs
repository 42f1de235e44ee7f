//! A browser whose connection broke carries its call on: it posts a new offer to the address of its session.
//!
//! A restart of ICE would keep what else may be gone, the keys and the channel of a page that was asleep; a
//! new connection needs none of it. Proof is the session's own address, a secret that whoever began the call
//! was told, together with who they are. It stays good as long as the call, so that an answer lost on its way
//! costs nothing.
//! Promise: a connection over which somebody is heard is taken from nobody; one attempt at a time, and
//! `WEBRTC_RESUMES_MAX` a call; an attempt that comes to nothing leaves the call as it was.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use tracing::{info, warn};

use super::server::{Caller, Handle, NewLine, Refused, Shared};
use super::session::{Control, Ended};
use crate::base::limits;

pub(super) async fn carry_on(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    request: Request,
) -> Response {
    shared.deps.metrics.offers.inc();
    match shared.carry_on(&caller, id, request).await {
        Ok(response) => {
            shared.deps.metrics.carried_on.inc();
            response
        }
        Err(refused) => {
            shared.deps.metrics.refused_offers.inc();
            info!(transport = "webrtc", status = refused.status(), "a call was not carried on");
            refused.into_response()
        }
    }
}

/// Nobody else carries the call on while this is there.
struct Claim<'s> {
    shared: &'s Shared,
    id: &'s str,
    etag: String,
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        if let Some(handle) = self.shared.sessions().get_mut(self.id)
            && handle.etag == self.etag
        {
            handle.claimed = false;
        }
    }
}

fn gone() -> Refused {
    let what = "this call is over, or there was none of that name; call anew";
    Refused::new(StatusCode::NOT_FOUND, "no such call", what)
}

impl Shared {
    async fn carry_on(self: &Arc<Self>, caller: &Caller, id: String, request: Request) -> Result<Response, Refused> {
        let (parts, body) = request.into_parts();
        let who = self.admit(caller, &parts.headers)?;
        if self.session(&id, &who)?.is_none() {
            return Err(gone());
        }
        let taken = self.take(&parts.headers, body).await?;
        let (handle, claim) = self.claim(&id)?;
        // The old connection may not know yet that it is broken.
        let _ = handle.controls.try_send(Control::Broken);
        if !self.deps.exchange.media_over(&handle.carrier_call).await {
            drop(claim);
            self.forget(&id, &handle.etag);
            return Err(gone());
        }
        let (call, resumes) = (handle.call, handle.resumes + 1);
        info!(transport = "webrtc", %call, resumes, "a browser carries its call on");
        let Handle { carrier_call, .. } = handle;
        let line = NewLine { owner: who.actor, call, carrier_call, language: None, resumes: Some(resumes) };
        self.open(id.clone(), line, taken).await
    }

    /// The session of that id, if its call may be carried on now.
    fn claim<'s>(&'s self, id: &'s str) -> Result<(Handle, Claim<'s>), Refused> {
        let now = self.deps.clock.now();
        let mut sessions = self.sessions();
        let handle = sessions.get_mut(id).ok_or_else(gone)?;
        let busy = |what| Err(Refused::new(StatusCode::CONFLICT, "not now", what).again_after(1));
        if handle.claimed {
            return busy("somebody carries this call on just now");
        }
        let lives = !handle.controls.is_closed();
        match handle.heard.get() {
            Some(at) if lives && now.since(at) < limits::WEBRTC_THERE => {
                return busy("somebody is heard on this call; its line is not broken");
            }
            None if lives && (handle.resumes == 0 || now.since(handle.since) < limits::WEBRTC_ATTEMPT) => {
                return busy("the line of this call is about to open");
            }
            _ => {}
        }
        if handle.resumes >= limits::WEBRTC_RESUMES_MAX {
            warn!(transport = "webrtc", call = %handle.call, "a call was carried on as often as may be");
            let what = "the line of this call broke too often; call anew";
            return Err(Refused::new(StatusCode::FORBIDDEN, "too often", what));
        }
        handle.claimed = true;
        let claimed = handle.clone();
        drop(sessions);
        let etag = claimed.etag.clone();
        Ok((claimed, Claim { shared: self, id, etag }))
    }

    /// A connection is over: its session is forgotten, at once or when its call has waited for long enough.
    pub(super) async fn ended(&self, id: &str, etag: &str, how: Ended) {
        if how == Ended::Broken {
            tokio::select! {
                () = tokio::time::sleep(limits::RESUME_WITHIN) => {}
                () = self.deps.tasks.stopped() => {}
            }
        }
        self.forget(id, etag);
    }

    /// Not if another connection carries the call by now.
    fn forget(&self, id: &str, etag: &str) {
        let mut sessions = self.sessions();
        if sessions.get(id).is_some_and(|handle| handle.etag == etag) {
            sessions.remove(id);
        }
    }
}
