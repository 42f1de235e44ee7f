//! Traces for an OpenTelemetry collector: a span a call, below it a span a turn, below that its
//! stages and the engines that were asked; a span an HTTP request.
//!
//! Promise: a call never waits for a collector; spans that do not fit, or that it does not take, are
//! dropped and counted, and nothing else happens. Nobody's words or numbers are in a span. A call's
//! trace has the call's own id.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use opentelemetry::trace::{SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_otlp::{SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanExporter as _, SpanLinks};
use tokio::sync::mpsc;

use super::call_spans::CallSpans;
use crate::base::event::Record;
use crate::base::limits;
use crate::base::tasks::Scope;
use crate::config::Telemetry;

#[derive(Debug, thiserror::Error)]
pub enum TraceError {
    #[error("prepare the traces: {0}; is telemetry.otlp_endpoint an address such as http://127.0.0.1:4318/v1/traces?")]
    Exporter(#[from] opentelemetry_otlp::ExporterBuildError),
    #[error("prepare the traces: {0}")]
    Client(#[from] reqwest::Error),
}

/// What became of the spans.
#[derive(Debug, Default)]
pub struct Counts {
    pub sent: AtomicU64,
    /// The queue or the list of live calls was full.
    pub dropped: AtomicU64,
    /// The collector did not take them.
    pub failed: AtomicU64,
}

struct Inner {
    queue: mpsc::Sender<SpanData>,
    calls: CallSpans,
    counts: Arc<Counts>,
}

/// Cheap to clone.
#[derive(Clone)]
pub struct Traces(Arc<Inner>);

impl std::fmt::Debug for Traces {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Traces")
    }
}

/// An HTTP request that was answered.
#[derive(Clone, Debug)]
pub struct Answered<'a> {
    pub method: &'static str,
    /// The route's template, never the path.
    pub route: &'a str,
    pub status: u16,
    /// Since 1970 UTC.
    pub began: Duration,
    pub took: Duration,
}

impl Traces {
    /// `None` where no collector is configured. `instance` names this box among others.
    pub fn start(settings: &Telemetry, scope: &Scope, instance: &str) -> Result<Option<Self>, TraceError> {
        let Some(endpoint) = &settings.otlp_endpoint else { return Ok(None) };
        let client = reqwest::Client::builder().timeout(limits::TRACE_EXPORT_MAX).no_proxy().build()?;
        let mut builder = SpanExporter::builder().with_http().with_http_client(client).with_endpoint(endpoint.as_str());
        if let Some(value) = &settings.otlp_authorization {
            let header = [("authorization".to_owned(), value.expose().to_owned())];
            builder = builder.with_headers(header.into());
        }
        let mut exporter = builder.build()?;
        let about = [
            KeyValue::new("service.name", "vaani"),
            KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
            KeyValue::new("service.instance.id", instance.to_owned()),
            KeyValue::new("host.arch", std::env::consts::ARCH),
            KeyValue::new("process.pid", i64::from(std::process::id())),
        ];
        exporter.set_resource(&Resource::builder_empty().with_attributes(about).build());
        let (queue, spans) = mpsc::channel(limits::TRACE_QUEUE);
        let counts = Arc::new(Counts::default());
        let stopping = scope.clone();
        let counting = Arc::clone(&counts);
        scope.spawn("traces", Box::pin(async move { export_all(exporter, spans, &counting, stopping).await }));
        Ok(Some(Self(Arc::new(Inner { queue, calls: CallSpans::new(settings.sample_percent), counts }))))
    }

    /// A fact of a call.
    pub fn observe(&self, record: &Record) {
        let spans = self.0.calls.observe(record);
        self.0.counts.dropped.fetch_add(spans.dropped, Ordering::Relaxed);
        spans.made.into_iter().for_each(|span| self.send(span));
    }

    /// An HTTP request.
    pub fn answered(&self, request: &Answered<'_>) {
        let status = if request.status >= 500 { Status::error("") } else { Status::Unset };
        let id = |n: u64| if n == 0 { 1 } else { n };
        let random = u128::from(id(fastrand::u64(..))) << 64 | u128::from(fastrand::u64(..));
        self.send(SpanData {
            span_kind: SpanKind::Server,
            status,
            attributes: vec![
                KeyValue::new("http.request.method", request.method),
                KeyValue::new("http.route", request.route.to_owned()),
                KeyValue::new("http.response.status_code", i64::from(request.status)),
            ],
            ..span(
                format!("{} {}", request.method, request.route),
                TraceId::from(random),
                SpanId::from(id(fastrand::u64(..))),
                request.began,
                request.began + request.took,
            )
        });
    }

    fn send(&self, span: SpanData) {
        if self.0.queue.try_send(span).is_err() {
            self.0.counts.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub fn counts(&self) -> &Counts {
        &self.0.counts
    }
}

/// A span with its times and names; the rest is for the caller.
pub(super) fn span(name: String, trace: TraceId, id: SpanId, began: Duration, ended: Duration) -> SpanData {
    let at = |time: Duration| -> SystemTime { UNIX_EPOCH + time };
    SpanData {
        span_context: SpanContext::new(trace, id, TraceFlags::SAMPLED, false, TraceState::NONE),
        parent_span_id: SpanId::INVALID,
        parent_span_is_remote: false,
        span_kind: SpanKind::Internal,
        name: name.into(),
        start_time: at(began),
        end_time: at(ended.max(began)),
        attributes: Vec::new(),
        dropped_attributes_count: 0,
        events: SpanEvents::default(),
        links: SpanLinks::default(),
        status: Status::Unset,
        instrumentation_scope: InstrumentationScope::builder("vaani").build(),
    }
}

async fn export_all(mut exporter: SpanExporter, mut spans: mpsc::Receiver<SpanData>, counts: &Counts, scope: Scope) {
    let mut well = true;
    loop {
        let mut batch = Vec::with_capacity(limits::TRACE_BATCH);
        let stopping = tokio::select! {
            biased;
            () = scope.stopped() => true,
            _ = spans.recv_many(&mut batch, limits::TRACE_BATCH) => false,
        };
        if stopping {
            spans.close();
        } else if batch.len() < limits::TRACE_BATCH {
            // Others are likely to come soon and can go with it.
            tokio::select! {
                () = scope.stopped() => {}
                () = tokio::time::sleep(limits::TRACE_GATHER) => {}
            }
        }
        while batch.len() < limits::TRACE_BATCH
            && let Ok(span) = spans.try_recv()
        {
            batch.push(span);
        }
        if !batch.is_empty() {
            well = export(&exporter, batch, counts, well).await;
        } else if stopping {
            break;
        }
        if stopping && !well {
            // Nobody takes them; the end is not delayed for each batch.
            while spans.try_recv().is_ok() {
                counts.failed.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
    drop(exporter.shutdown());
}

/// Gives back whether the collector is well.
async fn export(exporter: &SpanExporter, batch: Vec<SpanData>, counts: &Counts, was_well: bool) -> bool {
    let count = batch.len() as u64;
    let sent = tokio::time::timeout(limits::TRACE_EXPORT_MAX, exporter.export(batch)).await;
    let well = matches!(sent, Ok(Ok(())));
    let counter = if well { &counts.sent } else { &counts.failed };
    counter.fetch_add(count, Ordering::Relaxed);
    match (was_well, well) {
        (true, false) => {
            tracing::warn!(spans = count, "the collector of traces takes nothing; spans are dropped until it does")
        }
        (false, true) => tracing::info!("the collector of traces is back"),
        _ => {}
    }
    well
}

#[cfg(test)]
#[path = "traces_tests.rs"]
mod tests;
