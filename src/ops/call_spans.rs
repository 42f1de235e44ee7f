//! Makes spans of the facts of calls. Pure but for a lock around the calls it knows.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, UNIX_EPOCH};

use indexmap::IndexMap;
use opentelemetry::KeyValue;
use opentelemetry::trace::{Event as SpanEvent, SpanId, SpanKind, Status, TraceId};
use opentelemetry_sdk::trace::{SpanData, SpanEvents};

use super::traces::span;
use crate::base::event::{CallState, Event, Record, Routed, Waterfall};
use crate::base::event_types::{EventType, is_our_fault};
use crate::base::{CallId, limits};

/// What came of a fact.
#[derive(Default)]
pub(super) struct Spans {
    pub(super) made: Vec<SpanData>,
    pub(super) dropped: u64,
}

/// A call whose end has not come.
struct Open {
    began_ms: u64,
    attributes: Vec<KeyValue>,
    events: Vec<SpanEvent>,
    lost_events: u32,
    /// Turns with spans below them: the first and last moment known of those that have no span of
    /// their own yet.
    turns: BTreeMap<u32, Option<(u64, u64)>>,
    /// Spans made so far.
    spans: usize,
}

pub(super) struct CallSpans {
    calls: Mutex<IndexMap<CallId, Open>>,
    sample_percent: u32,
}

/// Numbers of spans: unique within a trace and the same whoever makes them.
#[derive(Clone, Copy)]
enum Number {
    Call,
    Turn(u32),
    Stage(u32, u8),
    Attempt(usize),
}

impl Number {
    fn id(self) -> SpanId {
        let (kind, a, b) = match self {
            Self::Call => (1_u64, 0, 0),
            Self::Turn(turn) => (2, u64::from(turn), 0),
            Self::Stage(turn, stage) => (3, u64::from(turn), u64::from(stage)),
            Self::Attempt(count) => (4, count as u64, 0),
        };
        SpanId::from(kind << 56 | (a & 0xffff_ffff) << 16 | (b & 0xffff))
    }
}

/// The call's own id, so that whoever has the one finds the other.
fn trace_of(call: CallId) -> TraceId {
    TraceId::from_hex(&call.to_string().replace('-', "")).unwrap_or(TraceId::INVALID)
}

impl CallSpans {
    pub(super) fn new(sample_percent: u32) -> Self {
        Self { calls: Mutex::default(), sample_percent }
    }

    pub(super) fn observe(&self, record: &Record) -> Spans {
        // The low bits of an id are random; whether a call is traced never changes.
        if record.call.low_bits() % 100 >= u64::from(self.sample_percent) {
            return Spans::default();
        }
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        let mut spans = Spans::default();
        if let Event::CallInitiated { transport, direction, agent, concerns, .. } = &record.event {
            if calls.len() >= limits::TRACE_CALLS_MAX {
                calls.shift_remove_index(0);
                spans.dropped += 1;
            }
            let attributes = vec![
                KeyValue::new("vaani.transport", transport.clone()),
                KeyValue::new("vaani.direction", format!("{direction:?}").to_lowercase()),
                KeyValue::new("vaani.agent", agent.clone()),
                KeyValue::new("vaani.tenant", concerns.tenant.clone()),
            ];
            let open = Open {
                began_ms: record.unix_ms.saturating_sub(record.call_ms),
                attributes,
                events: Vec::new(),
                lost_events: 0,
                turns: BTreeMap::new(),
                spans: 0,
            };
            calls.insert(record.call, open);
            return spans;
        }
        if matches!(record.event, Event::CallEnded { .. }) {
            if let Some(open) = calls.shift_remove(&record.call) {
                open.end(record, &mut spans);
            }
            return spans;
        }
        let Some(open) = calls.get_mut(&record.call) else { return spans };
        open.observe(record, &mut spans);
        if open.spans + spans.made.len() > limits::TRACE_CALL_SPANS_MAX {
            spans.dropped += spans.made.len() as u64;
            spans.made.clear();
        }
        open.spans += spans.made.len();
        spans
    }
}

impl Open {
    fn observe(&mut self, record: &Record, spans: &mut Spans) {
        match &record.event {
            Event::TurnAnswered { turn, language, way, waterfall, .. } => {
                let about = [
                    KeyValue::new("vaani.language", language.tag()),
                    KeyValue::new("vaani.way", format!("{way:?}").to_lowercase()),
                ];
                self.turn(record.call, *turn, &about, waterfall, spans);
            }
            Event::Routed(routed) => self.routed(record, routed, spans),
            other => {
                let kind = EventType::of(other);
                if kind.is_milestone() || matches!(other, Event::BargeIn { .. } | Event::Repair { .. }) {
                    self.note(record, kind);
                }
            }
        }
    }

    /// An event on the call's own span.
    fn note(&mut self, record: &Record, kind: EventType) {
        if self.events.len() >= limits::VIEW_EVENTS_MAX {
            self.lost_events += 1;
            return;
        }
        let mut attributes = Vec::new();
        match &record.event {
            Event::LanguageDetected { language, .. } | Event::LanguageSwitched { to: language, .. } => {
                attributes.push(KeyValue::new("vaani.language", language.tag()));
            }
            Event::EngineFault { stage, .. } => attributes.push(KeyValue::new("vaani.stage", stage.as_str())),
            Event::BargeIn { turn, .. } | Event::PolicyRefused { turn, .. } => {
                attributes.push(KeyValue::new("vaani.turn", i64::from(*turn)));
            }
            _ => {}
        }
        let at = UNIX_EPOCH + Duration::from_millis(record.unix_ms);
        self.events.push(SpanEvent::new(kind.name(), at, attributes, 0));
    }

    fn turn(&mut self, call: CallId, turn: u32, about: &[KeyValue], w: &Waterfall, spans: &mut Spans) {
        let trace = trace_of(call);
        let spoke_ms = self.began_ms + w.speech_end;
        let at = |ms: u32| Duration::from_millis(spoke_ms + u64::from(ms));
        let id = Number::Turn(turn).id();
        // The engines began before the end of speech was certain: from the end of speech on it is
        // the caller who waits.
        let mut before = Duration::from_millis(spoke_ms);
        let stages = [
            ("endpoint", w.endpoint, None),
            ("stt", w.stt_final, w.stt_provider.as_ref()),
            ("llm", w.llm_first_token, w.llm_provider.as_ref()),
            ("clause", w.first_clause, None),
            ("tts", w.tts_first_audio, w.tts_provider.as_ref()),
            ("frame", w.first_frame_out, None),
        ];
        let mut last = before;
        for (number, (name, reached, provider)) in (0_u8..).zip(stages) {
            let Some(reached) = reached.map(at) else { continue };
            let mut attributes = vec![KeyValue::new("vaani.turn", i64::from(turn))];
            attributes.extend(provider.map(|name| KeyValue::new("vaani.provider", name.clone())));
            spans.made.push(SpanData {
                parent_span_id: id,
                attributes,
                ..span(name.to_owned(), trace, Number::Stage(turn, number).id(), before.min(reached), reached)
            });
            before = before.max(reached);
            last = last.max(reached);
        }
        let mut attributes = vec![KeyValue::new("vaani.turn", i64::from(turn))];
        attributes.extend_from_slice(about);
        spans.made.push(SpanData {
            parent_span_id: Number::Call.id(),
            attributes,
            ..span("turn".to_owned(), trace, id, Duration::from_millis(spoke_ms), last)
        });
        // What is below it has its parent now.
        self.turns.insert(turn, None);
    }

    /// A span for each engine that was asked. The record is made when the last has answered.
    fn routed(&mut self, record: &Record, routed: &Routed, spans: &mut Spans) {
        let mut first = record.unix_ms;
        for tried in &routed.tried {
            let began = record.unix_ms.saturating_sub(u64::from(tried.took_ms)).max(self.began_ms);
            first = first.min(began);
            let answered = routed.answered_by.as_deref() == Some(tried.candidate.as_str());
            let parent = if routed.turn == 0 { Number::Call } else { Number::Turn(routed.turn) };
            spans.made.push(SpanData {
                parent_span_id: parent.id(),
                span_kind: SpanKind::Client,
                status: if answered { Status::Unset } else { Status::error(tried.outcome.clone()) },
                attributes: vec![
                    KeyValue::new("vaani.stage", routed.stage.as_str()),
                    KeyValue::new("vaani.provider", tried.candidate.clone()),
                    KeyValue::new("vaani.language", routed.language.tag()),
                    KeyValue::new("vaani.outcome", tried.outcome.clone()),
                    KeyValue::new("vaani.offline", routed.offline),
                ],
                ..span(
                    format!("ask {}", routed.stage.as_str()),
                    trace_of(record.call),
                    Number::Attempt(self.spans + spans.made.len()).id(),
                    Duration::from_millis(began),
                    Duration::from_millis(record.unix_ms),
                )
            });
        }
        if routed.turn > 0
            && !routed.tried.is_empty()
            && let Some(known) = self.turns.entry(routed.turn).or_insert(Some((first, record.unix_ms)))
        {
            *known = (known.0.min(first), known.1.max(record.unix_ms));
        }
    }

    fn end(mut self, record: &Record, spans: &mut Spans) {
        let Event::CallEnded { outcome, cause, turns, .. } = &record.event else { return };
        let trace = trace_of(record.call);
        // Turns that were thrown away, and what was said before an answer was recorded.
        for (turn, times) in &self.turns {
            let Some((began, ended)) = times else { continue };
            spans.made.push(SpanData {
                parent_span_id: Number::Call.id(),
                attributes: vec![KeyValue::new("vaani.turn", i64::from(*turn)), KeyValue::new("vaani.answered", false)],
                ..span(
                    "turn".to_owned(),
                    trace,
                    Number::Turn(*turn).id(),
                    Duration::from_millis(*began),
                    Duration::from_millis(*ended),
                )
            });
        }
        self.attributes.extend([
            KeyValue::new("vaani.outcome", format!("{outcome:?}")),
            KeyValue::new("vaani.cause", format!("{cause:?}")),
            KeyValue::new("vaani.turns", i64::from(*turns)),
        ]);
        let failed = *outcome == CallState::Failed || is_our_fault(*cause);
        let mut events = SpanEvents::default();
        events.events = self.events;
        events.dropped_count = self.lost_events;
        spans.made.push(SpanData {
            span_kind: SpanKind::Server,
            attributes: self.attributes,
            events,
            status: if failed { Status::error(format!("{cause:?}")) } else { Status::Ok },
            ..span(
                "call".to_owned(),
                trace,
                Number::Call.id(),
                Duration::from_millis(self.began_ms),
                Duration::from_millis(record.unix_ms),
            )
        });
    }
}
