//! Event sockets that FreeSWITCH opens, one a channel (`<action application="socket" data="… async full"/>`).
//! Promise: the door is asked before the channel is; a call that is refused is hung up with a cause that
//! the dial plan and the caller's exchange understand.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::http::HeaderMap;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tracing::{debug, info, warn};

use super::client::{Esl, News, drive};
use super::machine::{Reply, Session, Side};
use super::wire::Event;
use crate::base::event::{CallState, Direction};
use crate::base::limits;
use crate::telephony::freeswitch::hub::Hub;
use crate::telephony::pbx::{Door, Facts};
use crate::telephony::stream::socket::Admitted;

/// Channel variables that say of a call what an address would.
const VARIABLES: [(&str, &str); 5] = [
    ("variable_vaani_agent", "agent"),
    ("variable_vaani_lang", "lang"),
    ("variable_vaani_state", "state"),
    ("variable_vaani_district", "district"),
    ("Caller-Caller-ID-Number", "from"),
];

/// Takes connections until the box stops.
pub async fn serve(listener: TcpListener, hub: Arc<Hub>, door: Door) {
    let pending = Arc::new(Semaphore::new(limits::CALLS_MAX + limits::ESL_PENDING_MAX));
    let tasks = hub.tasks().clone();
    loop {
        let accepted = tokio::select! {
            () = tasks.stopped() => return,
            accepted = listener.accept() => accepted,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                warn!(%error, "an event socket could not be accepted");
                tokio::time::sleep(limits::LEG_CLOSE_WITHIN).await;
                continue;
            }
        };
        if let Err(fault) = door.check_address(peer.ip()) {
            door.note(fault, "event socket");
            continue;
        }
        let Ok(place) = Arc::clone(&pending).try_acquire_owned() else {
            debug!("too many event sockets; closing another");
            continue;
        };
        let (hub, door) = (Arc::clone(&hub), door.clone());
        tasks.spawn("channel's event socket", async move {
            run(stream, peer, hub, door).await;
            drop(place);
        });
    }
}

async fn run(stream: TcpStream, peer: SocketAddr, hub: Arc<Hub>, door: Door) {
    let clock = hub.clock();
    let tasks = hub.tasks().clone();
    let (esl, mut orders) = Esl::new(false);
    let session = Session::new(Side::Theirs, clock.now());
    let (told, asking) = (Arc::clone(&hub), esl);
    let mut known = None;
    let reason = drive(stream, session, clock, &mut orders, &tasks, |news| match news {
        News::Ready(Some(channel)) => {
            known = channel.channel().map(str::to_owned);
            told.tasks()
                .spawn("channel begins", begin(*channel, peer, Arc::clone(&told), door.clone(), asking.clone()));
        }
        News::Ready(None) => {}
        News::Event(event) => told.event(&event),
    })
    .await;
    if let Some(channel) = known {
        hub.unfollow(&channel);
    }
    debug!(%peer, %reason, "a channel's event socket is closed");
}

/// Answers the call and opens its media.
async fn begin(channel: Event, peer: SocketAddr, hub: Arc<Hub>, door: Door, esl: Esl) {
    let Some(id) = channel.channel().map(str::to_owned) else { return };
    if let Err(fault) = door.check(peer.ip(), &HeaderMap::new(), &shown(&channel)) {
        door.note(fault, "event socket");
        drop(esl.execute("hangup", "CALL_REJECTED").await);
        return;
    }
    let named = VARIABLES.iter().filter_map(|(name, fact)| Some((*fact, channel.get(name)?)));
    let number = channel.get("Caller-Destination-Number").map(|number| ("to", number));
    let facts = Facts::of(named.chain(number));
    let call = match hub.exchange().announce(facts.announcement("freeswitch", &id, Direction::Inbound)) {
        Ok(call) => call,
        Err(refusal) => {
            hub.metrics().refused_calls.inc();
            warn!(transport = "freeswitch", %refusal, "call refused");
            drop(esl.execute("hangup", "USER_BUSY").await);
            return;
        }
    };
    hub.follow(&id, Some(esl.clone()));
    info!(%call, "a channel of FreeSWITCH is answered");
    if !matches!(esl.execute("answer", "").await, Reply::Ok(_)) {
        hub.exchange().carrier_state(&id, CallState::Failed);
        return;
    }
    let reply = hub.open_stream(&esl, &id, Admitted { call, language: facts.language }).await;
    if !matches!(reply, Reply::Ok(_)) {
        warn!(%call, ?reply, "FreeSWITCH opened no media stream; is its module loaded?");
        hub.exchange().carrier_state(&id, CallState::Failed);
        drop(esl.execute("hangup", "NORMAL_TEMPORARY_FAILURE").await);
    }
}

/// What a dial plan shows is a variable of its channel.
fn shown(channel: &Event) -> String {
    let token = channel.get("variable_vaani_token").unwrap_or_default();
    url::form_urlencoded::Serializer::new(String::new()).append_pair("token", token).finish()
}
