//! Calls that are placed through FreeSWITCH.
//! Promise: a failure that comes soon is the verdict; later ones are news of a call that was placed. When
//! it is answered the media stream is opened for that very call.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use tokio::time::timeout;
use tracing::warn;

use super::causes;
use super::esl::{Command, Esl, Reply};
use super::hub::Hub;
use crate::base::event::{CallState, Direction};
use crate::base::phone::Phone;
use crate::base::{CallId, limits};
use crate::telephony::dial::{Destination, Dialer, Order, Refused, Verdict};
use crate::telephony::leg::Announcement;
use crate::telephony::stream::socket::Admitted;
use crate::telephony::transfer::{Transferer, Way};

/// Dials through the connection that we keep.
pub struct FreeswitchDialer {
    hub: Arc<Hub>,
    /// `sofia/gateway/gw/{number}`.
    dial: Option<String>,
    /// `user/{extension}`.
    dial_extension: String,
    caller_id: Option<Phone>,
}

impl FreeswitchDialer {
    /// `dial` holds `{number}` (as in India: ten digits) or `{e164}`; without it telephones of the house are
    /// rung only. `dial_extension` holds `{extension}`.
    pub const fn new(hub: Arc<Hub>, dial: Option<String>, dial_extension: String, caller_id: Option<Phone>) -> Self {
        Self { hub, dial, dial_extension, caller_id }
    }

    /// What FreeSWITCH is to ring; else why it cannot.
    fn endpoint(&self, to: &Destination) -> Result<String, &'static str> {
        match (to, &self.dial) {
            (Destination::Number(to), Some(dial)) => {
                Ok(dial.replace("{number}", to.national()).replace("{e164}", to.reveal()))
            }
            (Destination::Number(_), None) => Err("set freeswitch.dial to ring telephone numbers"),
            (Destination::Extension(name), _) if is_extension(name) => {
                Ok(self.dial_extension.replace("{extension}", name))
            }
            (Destination::Extension(_), _) => {
                Err("the extension has signs that FreeSWITCH could take for more than a name")
            }
        }
    }

    async fn order(&self, order: Order) -> Verdict {
        let Some(esl) = self.hub.kept().cloned() else {
            return Verdict::refused(Refused::Unreachable, "no event socket is configured");
        };
        let dial = match self.endpoint(&order.to) {
            Ok(dial) => dial,
            Err(why) => return Verdict::refused(Refused::BadNumber, why),
        };
        // The box's id is the channel's: whatever comes of it, both name the same call.
        let channel = order.call.to_string();
        let caller_id = order.caller_id.as_ref().or(self.caller_id.as_ref());
        let command = Command::Originate {
            channel: channel.clone(),
            caller_id: caller_id.map(|number| number.national().to_owned()),
            dial,
            ring: order.ring.min(limits::ORIGINATE_RING_MAX),
        };
        if command.print().is_none() {
            return Verdict::refused(Refused::BadNumber, "the number does not fit into freeswitch.dial");
        }
        self.hub.follow(&channel, None);
        let mut answer = Box::pin(esl.ask(&command));
        match timeout(limits::ORIGINATE_SOON, &mut answer).await {
            Ok(Reply::Ok(_)) => {
                // The exchange must know the call by this name before its media comes.
                self.hub.exchange().named(order.call, &channel);
                let (hub, id) = (Arc::clone(&self.hub), channel.clone());
                self.hub.tasks().spawn("answered call", async move { answered(hub, esl, order, id).await });
                Verdict::Placed { carrier_call: channel }
            }
            Ok(reply) => {
                let verdict = judge(&reply);
                if matches!(verdict, Verdict::Refused { .. }) {
                    self.hub.forget(&channel);
                }
                verdict
            }
            Err(_) => {
                let (hub, id) = (Arc::clone(&self.hub), channel.clone());
                self.hub.tasks().spawn("ringing call", async move {
                    match answer.await {
                        Reply::Ok(_) => answered(hub, esl, order, id).await,
                        Reply::Err(cause) => {
                            let state = match causes::refused(&cause) {
                                Refused::Busy | Refused::NoAnswer | Refused::Declined => CallState::NotPicked,
                                _ => CallState::Failed,
                            };
                            hub.forget(&id);
                            hub.exchange().carrier_state(&id, state);
                        }
                        // The next look through the channels finds out.
                        Reply::Lost | Reply::Unsent => {}
                    }
                });
                Verdict::Placed { carrier_call: channel }
            }
        }
    }
}

/// Opens the media of a call that was taken.
async fn answered(hub: Arc<Hub>, esl: Esl, order: Order, channel: String) {
    let announcement = Announcement {
        transport: "freeswitch",
        carrier_call: channel.clone(),
        direction: Direction::Outbound,
        from: None,
        to: order.to.number().cloned(),
        agent: Some(order.agent),
        call: Some(order.call),
        state: None,
        district: None,
    };
    let opened = match hub.exchange().announce(announcement) {
        Ok(call) => hub.open_stream(&esl, &channel, Admitted { call, language: None }).await,
        // Ended meanwhile, by an operator or because the box is stopping.
        Err(_) => Reply::Unsent,
    };
    if matches!(opened, Reply::Ok(_)) {
        // The conversation ends by itself long before; this is for a channel that outlives it.
        let limit = order.limit.saturating_add(limits::PLACED_GRACE);
        hub.tasks().clone().spawn("a placed call's limit", async move {
            tokio::select! {
                () = hub.tasks().stopped() => {}
                () = tokio::time::sleep(limit) => {
                    if hub.follows(&channel) {
                        hub.leave(&channel, "ALLOTTED_TIMEOUT");
                    }
                }
            }
        });
    } else {
        warn!(call = %order.call, ?opened, "a call was taken but has no media; hanging up");
        hub.leave(&channel, "NORMAL_TEMPORARY_FAILURE");
        hub.exchange().carrier_state(&channel, CallState::Failed);
    }
}

/// What an early answer means.
fn judge(reply: &Reply) -> Verdict {
    match reply {
        Reply::Err(cause) => {
            let cause = cause.split_whitespace().next().unwrap_or_default();
            Verdict::refused(causes::refused(cause), cause.chars().take(60).collect::<String>())
        }
        Reply::Unsent => Verdict::refused(Refused::Unreachable, "FreeSWITCH's event socket is not open"),
        Reply::Ok(_) | Reply::Lost => Verdict::Unknown { detail: "FreeSWITCH's event socket was lost".to_owned() },
    }
}

/// A name and nothing else: no second endpoint, no variable, no argument.
fn is_extension(name: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.*#".contains(&b);
    (1..=64).contains(&name.len()) && name.bytes().all(plain)
}

/// Joins two of FreeSWITCH's channels.
pub struct FreeswitchTransferer(pub Arc<Hub>);

impl Transferer for FreeswitchTransferer {
    fn transport(&self) -> &'static str {
        "freeswitch"
    }

    /// Without the event socket that we keep there is nobody to give the order to.
    fn way(&self, _carrier_call: &str) -> Way {
        if self.0.kept().is_some() && self.0.trouble().is_none() { Way::Join } else { Way::InBox }
    }

    fn join<'a>(&'a self, call: CallId, caller: &'a str, person: &'a str) -> BoxFuture<'a, Result<(), String>> {
        Box::pin(async move {
            self.0.join_lines(caller, person).await?;
            tracing::debug!(%call, "caller and person talk within FreeSWITCH");
            Ok(())
        })
    }
}

impl Dialer for FreeswitchDialer {
    fn transport(&self) -> &'static str {
        "freeswitch"
    }

    fn reaches(&self, to: &Destination) -> bool {
        self.dial.is_some() || to.number().is_none()
    }

    fn place(&self, order: Order) -> BoxFuture<'_, Verdict> {
        Box::pin(self.order(order))
    }

    fn hang_up<'a>(&'a self, carrier_call: &'a str) -> BoxFuture<'a, Result<(), String>> {
        Box::pin(async move {
            let Some(esl) = self.hub.kept() else { return Err("no event socket is configured".to_owned()) };
            let command = Command::HangUp { channel: carrier_call.to_owned(), cause: "NORMAL_CLEARING" };
            match esl.ask(&command).await {
                // `-ERR No such channel!` says that it is over.
                Reply::Ok(_) | Reply::Err(_) => Ok(()),
                Reply::Unsent | Reply::Lost => Err("FreeSWITCH's event socket is not open".to_owned()),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn early_answers_are_verdicts() {
        for (reply, expected) in [
            (Reply::Err("USER_BUSY".to_owned()), Some(Refused::Busy)),
            (Reply::Err("GATEWAY_DOWN\n".to_owned()), Some(Refused::Unreachable)),
            (Reply::Err(String::new()), Some(Refused::CarrierFault)),
            (Reply::Unsent, Some(Refused::Unreachable)),
            (Reply::Lost, None),
        ] {
            let why = match judge(&reply) {
                Verdict::Refused { why, .. } => Some(why),
                _ => None,
            };
            assert_eq!(why, expected, "{reply:?}");
        }
        for odd in ["", "1001,user/1002", "1001 &park", "{x=1}1001", "user/1001", "1001|2", "a\nb", "1001@evil"] {
            assert!(!is_extension(odd), "{odd}");
        }
        assert!(is_extension("1001") && is_extension("sales-desk_2") && is_extension("*97"));
        assert_eq!("+919876543210".parse::<Phone>().unwrap().national(), "9876543210");
        assert_eq!("+16154846056".parse::<Phone>().unwrap().national(), "16154846056");
    }
}
