//! `/metrics`: Prometheus, fed by the calls' facts. Counts and times only, nobody's words or numbers.
//! Whoever can reach the port reads the page; what names tenants is on it only for whoever shows a key
//! of the whole box with the permission `metrics_read`.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::AtomicU64;
use std::sync::{Mutex, PoisonError};

use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::{encode_eof, encode_registry};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::ApiDeps;
use super::http_metrics::HttpMeter;
use crate::auth::{Permission, Principal};
use crate::base::event::{Event, Record, Waterfall};
use crate::base::money::Money;
use crate::base::{Clock, limits, meter};
use crate::ops::process::ProcessMetrics;

type Labels = Vec<(&'static str, String)>;

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct StageLabel {
    stage: &'static str,
}

const TURN_BUCKETS: [f64; 14] = [0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0];
const COST_BUCKETS: [f64; 9] = [0.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1_000.0, 5_000.0];
const CALL_BUCKETS: [f64; 9] = [5.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1_800.0, 3_600.0];

#[derive(utoipa::OpenApi)]
#[openapi(paths(show), tags((name = "system", description = "The box itself")))]
pub(super) struct Doc;

/// All counters of the daemon.
pub struct Metrics {
    registry: Registry,
    /// What names tenants.
    by_tenant: Registry,
    started: Family<Labels, Counter>,
    completed: Family<Labels, Counter>,
    duration: Histogram,
    active: Gauge<i64>,
    offline: Gauge<i64>,
    stages: Family<StageLabel, Histogram>,
    turns: Family<Labels, Counter>,
    repairs: Family<Labels, Counter>,
    faults: Family<Labels, Counter>,
    barge_ins: Counter,
    false_barge_ins: Counter,
    fillers: Counter,
    switches: Counter,
    actions: Family<Labels, Counter>,
    refused_words: Counter,
    lost_media_ms: Counter<u64, AtomicU64>,
    attempts: Family<Labels, Counter>,
    cost_paise: Family<Labels, Counter<f64, AtomicU64>>,
    asked: Family<Labels, Histogram>,
    call_cost: Histogram,
    detected: Family<Labels, Counter>,
    http: HttpMeter,
    /// Values seen of labels whose values come from files or from carriers.
    values: Mutex<HashMap<&'static str, HashSet<String>>>,
}

impl Metrics {
    /// `more` registers the counters of rooms below (transports).
    pub fn new(more: impl FnOnce(&mut Registry)) -> Self {
        let mut metrics = Self {
            registry: Registry::default(),
            by_tenant: Registry::default(),
            started: Family::default(),
            completed: Family::default(),
            duration: Histogram::new(CALL_BUCKETS),
            active: Gauge::default(),
            offline: Gauge::default(),
            stages: Family::new_with_constructor(|| Histogram::new(TURN_BUCKETS)),
            turns: Family::default(),
            repairs: Family::default(),
            faults: Family::default(),
            barge_ins: Counter::default(),
            false_barge_ins: Counter::default(),
            fillers: Counter::default(),
            switches: Counter::default(),
            actions: Family::default(),
            refused_words: Counter::default(),
            lost_media_ms: Counter::default(),
            attempts: Family::default(),
            cost_paise: Family::default(),
            asked: Family::new_with_constructor(|| Histogram::new(TURN_BUCKETS)),
            call_cost: Histogram::new(COST_BUCKETS),
            detected: Family::default(),
            http: HttpMeter::default(),
            values: Mutex::default(),
        };
        let r = &mut metrics.registry;
        r.register("calls_started", "Calls announced by a carrier", metrics.started.clone());
        r.register("calls_completed", "Calls that ended, by outcome and cause", metrics.completed.clone());
        r.register("call_duration_seconds", "Length of ended calls", metrics.duration.clone());
        r.register("active_call_sessions", "Calls announced and not ended", metrics.active.clone());
        r.register(
            "turn_stage_seconds",
            "Time after the caller's last word at which a turn reached each stage",
            metrics.stages.clone(),
        );
        r.register("turns_answered", "Turns answered, by language and way", metrics.turns.clone());
        r.register("turn_repairs", "Reprompts, by kind", metrics.repairs.clone());
        r.register("engine_faults", "Failed requests to engines, by stage", metrics.faults.clone());
        r.register("barge_ins", "Times the caller spoke over the agent", metrics.barge_ins.clone());
        r.register("false_barge_ins", "Of those, times the agent went on", metrics.false_barge_ins.clone());
        r.register("fillers", "Fillers said while an answer was late", metrics.fillers.clone());
        r.register("language_switches", "Changes of language within a call", metrics.switches.clone());
        r.register("actions", "Actions carried out, by kind", metrics.actions.clone());
        r.register("policy_refusals", "Lines the agent was not allowed to say", metrics.refused_words.clone());
        r.register(
            "lost_media_milliseconds",
            "Callers' sound that carriers never delivered",
            metrics.lost_media_ms.clone(),
        );
        r.register("router_offline", "1 while nothing outside the box can be reached", metrics.offline.clone());
        r.register("router_attempts", "Requests to engines, by stage, candidate and outcome", metrics.attempts.clone());
        r.register(
            "router_cost_paise",
            "What providers charge for calls by their price lists, by provider and stage",
            metrics.cost_paise.clone(),
        );
        r.register(
            "engine_request_seconds",
            "Requests to engines from asking to the last piece, by stage and candidate",
            metrics.asked.clone(),
        );
        r.register("call_cost_paise", "What a call cost", metrics.call_cost.clone());
        r.register(
            "language_detections",
            "Languages found out, by language and by what told them",
            metrics.detected.clone(),
        );
        metrics.http.register(r);
        meter::store().register(r);
        r.register_collector(Box::new(ProcessMetrics::new(Clock::system())));
        more(r);
        metrics
    }

    /// `more` registers what names tenants; its names must be others than those of the page for all.
    pub fn by_tenant(mut self, more: impl FnOnce(&mut Registry)) -> Self {
        more(&mut self.by_tenant);
        self
    }

    /// Of the HTTP server; for `http_metrics::watch`.
    pub const fn http(&self) -> &HttpMeter {
        &self.http
    }

    /// A value of a label that somebody else chose: beyond so many it is `other`.
    fn bounded(&self, label: &'static str, value: &str) -> String {
        let value = plain(value);
        let mut values = self.values.lock().unwrap_or_else(PoisonError::into_inner);
        let known = values.entry(label).or_default();
        if known.contains(&value) {
            return value;
        }
        if known.len() >= limits::LABEL_VALUES_MAX || value.len() > 100 {
            return "other".to_owned();
        }
        known.insert(value.clone());
        value
    }

    /// The box went offline, or came back.
    pub fn offline(&self, offline: bool) {
        self.offline.set(i64::from(offline));
    }

    /// Counts one fact.
    pub fn observe(&self, record: &Record) {
        match &record.event {
            Event::CallInitiated { transport, .. } => {
                self.started.get_or_create(&vec![("transport", self.bounded("transport", transport))]).inc();
                self.active.inc();
            }
            Event::CallEnded { outcome, cause, duration_ms, .. } => {
                let labels = vec![("outcome", name(outcome)), ("cause", name(cause))];
                self.completed.get_or_create(&labels).inc();
                self.duration.observe(*duration_ms as f64 / 1_000.0);
                self.active.dec();
            }
            Event::TurnAnswered { language, way, waterfall, .. } => {
                self.turns.get_or_create(&vec![("language", language.tag().to_owned()), ("way", name(way))]).inc();
                self.waterfall(waterfall);
            }
            Event::Repair { kind, .. } => {
                self.repairs.get_or_create(&vec![("kind", name(kind))]).inc();
            }
            Event::EngineFault { stage, .. } => {
                self.faults.get_or_create(&vec![("stage", name(stage))]).inc();
            }
            Event::Routed(routed) => {
                for tried in &routed.tried {
                    let labels = vec![
                        ("stage", name(&routed.stage)),
                        ("candidate", self.bounded("candidate", &tried.candidate)),
                        ("outcome", self.bounded("outcome", &tried.outcome)),
                    ];
                    self.attempts.get_or_create(&labels).inc();
                    if routed.answered_by.as_ref() == Some(&tried.candidate) {
                        let labels = labels[..2].to_vec();
                        self.asked.get_or_create(&labels).observe(f64::from(tried.took_ms) / 1_000.0);
                    }
                }
                for charge in routed.charges.iter().filter(|charge| charge.paise != Money::ZERO) {
                    let provider = charge.candidate.split('/').next().unwrap_or_default();
                    let labels = vec![("provider", self.bounded("provider", provider)), ("stage", name(&routed.stage))];
                    self.cost_paise.get_or_create(&labels).inc_by(charge.paise.paise());
                }
            }
            Event::BargeIn { .. } => {
                self.barge_ins.inc();
            }
            Event::FalseBargeIn { .. } => {
                self.false_barge_ins.inc();
            }
            Event::Filler { .. } => {
                self.fillers.inc();
            }
            Event::LanguageSwitched { .. } => {
                self.switches.inc();
            }
            Event::Action { action, .. } => {
                let kind = action.split([' ', '[', ']']).find(|w| !w.is_empty()).unwrap_or("unknown");
                self.actions.get_or_create(&vec![("kind", self.bounded("action", kind))]).inc();
            }
            Event::LanguageDetected { language, source, .. } => {
                let labels = vec![("language", language.tag().to_owned()), ("source", self.bounded("source", source))];
                self.detected.get_or_create(&labels).inc();
            }
            Event::CallCost(cost) => self.call_cost.observe(cost.paise.paise()),
            Event::PolicyRefused { .. } => {
                self.refused_words.inc();
            }
            Event::AudioGap { missing_ms } => {
                self.lost_media_ms.inc_by(u64::from(*missing_ms));
            }
            _ => {}
        }
    }

    fn waterfall(&self, w: &Waterfall) {
        let stages = [
            ("endpoint", w.endpoint),
            ("stt_final", w.stt_final),
            ("llm_first_token", w.llm_first_token),
            ("first_clause", w.first_clause),
            ("tts_first_audio", w.tts_first_audio),
            ("first_frame_out", w.first_frame_out),
        ];
        for (stage, ms) in stages {
            if let Some(ms) = ms {
                self.stages.get_or_create(&StageLabel { stage }).observe(f64::from(ms) / 1_000.0);
            }
        }
    }

    /// The page for everybody.
    pub fn text(&self) -> String {
        Self::page(&[&self.registry])
    }

    /// With what names tenants.
    pub fn whole_text(&self) -> String {
        Self::page(&[&self.registry, &self.by_tenant])
    }

    fn page(parts: &[&Registry]) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail.
        for part in parts {
            let _ = encode_registry(&mut text, part);
        }
        let _ = encode_eof(&mut text);
        text
    }
}

/// A label's value without what would end it: the encoder writes values as they are.
pub(super) fn plain(value: &str) -> String {
    value.chars().map(|c| if matches!(c, '"' | '\\') || c.is_control() { '_' } else { c }).collect()
}

/// The name serde gives a unit variant.
fn name(value: &impl serde::Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default()
}

/// Everything that is counted, as OpenMetrics text. What is counted by tenant is left out but for the
/// whole box's keys with the permission `metrics_read`.
#[utoipa::path(get, path = "/metrics", tag = "system", responses(
    (status = 200, description = "Counters, gauges and histograms", content_type = "application/openmetrics-text", body = String)
))]
pub(super) async fn show(State(deps): State<ApiDeps>, who: Option<Principal>) -> Response {
    let kind = (header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8");
    if who.is_some_and(|who| who.may(Permission::MetricsRead)) {
        let mut response = ([kind], deps.metrics.whole_text()).into_response();
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        return response;
    }
    ([kind], deps.metrics.text()).into_response()
}

#[cfg(test)]
#[path = "metrics_strict.rs"]
pub(super) mod strict;

#[cfg(test)]
#[path = "metrics_tests.rs"]
mod tests;
