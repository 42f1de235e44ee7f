//! What `/health` looks at.

use std::sync::Arc;

use super::exchanges::ExchangeHealth;
use super::{Local, probe};
use crate::ai::router::Planner;
use crate::api::{Component, HealthSource};
use crate::config::ExotelReadiness;
use crate::ops::alerts::Alerts;
use crate::ops::health::Finding;
use crate::store::journal::Journal;

/// The parts of the box.
pub(super) struct Parts {
    pub(super) local: Arc<Local>,
    pub(super) planner: Arc<Planner>,
    pub(super) journal: Journal,
    pub(super) twilio_ready: bool,
    pub(super) exotel: ExotelReadiness,
    pub(super) exchanges: ExchangeHealth,
    pub(super) alerts: Alerts,
}

impl HealthSource for Parts {
    fn components(&self) -> Vec<Component> {
        let mut all: Vec<Component> = [self.local.stt.health(), self.local.llm.health(), self.local.tts.health()]
            .into_iter()
            .map(|pool| {
                let (status, detail) = if pool.healthy >= pool.wanted {
                    ("ok", String::new())
                } else if pool.healthy > 0 {
                    (
                        "degraded",
                        format!("{} of {} workers answer; the others are restarting", pool.healthy, pool.wanted),
                    )
                } else {
                    let why = pool.workers.iter().find_map(|w| w.last_error.clone()).unwrap_or_default();
                    ("down", format!("no worker answers. {why}"))
                };
                let facts = serde_json::to_value(&pool).unwrap_or_default();
                Component { name: format!("engine/{}", pool.engine), status, detail: detail.trim().to_owned(), facts }
            })
            .collect();
        all.push(Component {
            name: "transport/twilio".to_owned(),
            status: if self.twilio_ready { "ok" } else { "degraded" },
            detail: if self.twilio_ready {
                String::new()
            } else {
                "no auth token: Twilio's webhooks are refused; set TWILIO_AUTH_TOKEN or twilio.auth_token".to_owned()
            },
            facts: serde_json::Value::Null,
        });
        // Who does not use it need not read of it.
        if self.exotel != ExotelReadiness::Unused {
            let ready = self.exotel == ExotelReadiness::Ready;
            let detail = "nothing tells Exotel from others: set exotel.user and exotel.password";
            all.push(Component {
                name: "transport/exotel".to_owned(),
                status: if ready { "ok" } else { "degraded" },
                detail: if ready { String::new() } else { detail.to_owned() },
                facts: serde_json::Value::Null,
            });
        }
        all.extend(self.exchanges.components());
        all.extend(probe::component(&self.planner));
        let (lost, waiting) = (self.journal.dropped(), self.journal.waiting());
        all.push(Component {
            name: "journal".to_owned(),
            status: if lost == 0 && waiting == 0 { "ok" } else { "degraded" },
            detail: if lost == 0 && waiting == 0 {
                String::new()
            } else {
                format!(
                    "{lost} records were lost, {waiting} wait to be written; is the disk of the state directory full?"
                )
            },
            facts: serde_json::json!({ "lost": lost, "waiting": waiting }),
        });
        all
    }

    fn findings(&self) -> Vec<Finding> {
        self.alerts.findings()
    }

    fn alerts(&self) -> Option<&Alerts> {
        Some(&self.alerts)
    }
}
