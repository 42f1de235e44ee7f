//! What is heard on the event socket that we keep, and the look through the channels after it was away.

use std::collections::HashSet;
use std::sync::{Arc, PoisonError};

use serde_json::Value;

use super::Hub;
use crate::telephony::freeswitch::esl::client::{Listener, News};
use crate::telephony::freeswitch::esl::{Command, Reply};

/// The hub as the listener of the connection that we keep.
pub struct Ears(pub Arc<Hub>);

impl Listener for Ears {
    fn news(&self, news: News) {
        match news {
            News::Event(event) => self.0.event(&event),
            News::Ready(_) => {
                *self.0.away.lock().unwrap_or_else(PoisonError::into_inner) = None;
                let hub = Arc::clone(&self.0);
                self.0.tasks.spawn("look for channels", async move {
                    let Some(esl) = hub.kept.get() else { return };
                    // Calls that come while we look must not be missed in the list.
                    let before: HashSet<String> = hub.channels().keys().cloned().collect();
                    if let Reply::Ok(list) = esl.ask(&Command::Channels).await
                        && let Some(mut alive) = channels_in(&list)
                    {
                        alive.extend(hub.channels().keys().filter(|channel| !before.contains(*channel)).cloned());
                        hub.look_through(&alive);
                    }
                });
            }
        }
    }

    fn away(&self, why: &str) {
        self.0.metrics.lost_connections.inc();
        *self.0.away.lock().unwrap_or_else(PoisonError::into_inner) = Some(why.to_owned());
    }
}

/// Ids in the answer to `show channels as json`; `None`: it is no such answer.
fn channels_in(list: &str) -> Option<HashSet<String>> {
    let list: Value = serde_json::from_str(list).ok()?;
    let count = list["row_count"].as_u64()?;
    let rows = list["rows"].as_array().map(Vec::as_slice).unwrap_or_default();
    let ids: HashSet<String> = rows.iter().filter_map(|row| Some(row["uuid"].as_str()?.to_owned())).collect();
    (ids.len() as u64 == count).then_some(ids)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_list_is_believed() {
        let whole = r#"{"row_count":2,"rows":[{"uuid":"a"},{"uuid":"b","direction":"inbound"}]}"#;
        assert_eq!(channels_in(whole).map(|ids| ids.len()), Some(2));
        assert_eq!(channels_in(r#"{"row_count":0}"#).map(|ids| ids.len()), Some(0));
        for odd in ["", "+OK", "{}", r#"{"row_count":3,"rows":[{"uuid":"a"}]}"#] {
            assert_eq!(channels_in(odd), None, "{odd}");
        }
    }
}
