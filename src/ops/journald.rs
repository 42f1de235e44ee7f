//! Log entries as fields of systemd's journal: `journalctl CALL_ID=… EVENT_TYPE=CALL_FAILED`.
//! Promise: whoever logs hands the entry over and goes on; a thread writes it. Fields and their
//! number are bounded; names that the journal keeps for itself get `VAANI_` before them.

use std::fmt;
use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use log::kv::{Error, Key, Source, Value, VisitSource};
use systemd_journal_logger::JournalLog;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use crate::base::limits;

/// Names with a meaning of their own in the journal, and beginnings of such.
const TAKEN: [&str; 14] = [
    "MESSAGE",
    "MESSAGE_ID",
    "PRIORITY",
    "TARGET",
    "CODE_FILE",
    "CODE_LINE",
    "CODE_FUNC",
    "CODE_MODULE",
    "ERRNO",
    "INVOCATION_ID",
    "DOCUMENTATION",
    "TID",
    "UNIT",
    "USER_UNIT",
];
const TAKEN_BEGINNINGS: [&str; 4] = ["_", "SYSLOG_", "OBJECT_", "COREDUMP"];
/// The journal takes no longer names, bytes.
const NAME_MAX: usize = 64;

/// Where entries go in the end.
pub trait Sink: Send + 'static {
    fn send(&self, record: &log::Record<'_>) -> io::Result<()>;
}

impl Sink for JournalLog {
    fn send(&self, record: &log::Record<'_>) -> io::Result<()> {
        self.journal_send(record)
    }
}

/// One entry on its way.
#[derive(Debug)]
struct Entry {
    level: log::Level,
    target: &'static str,
    module: Option<&'static str>,
    file: Option<&'static str>,
    line: Option<u32>,
    message: String,
    fields: Fields,
}

/// The layer that makes entries of events.
#[derive(Debug)]
pub struct Journald {
    queue: SyncSender<Entry>,
}

/// Writes what is queued when it is dropped, for a moment at most.
#[derive(Debug)]
pub struct Flush {
    stop: SyncSender<()>,
    done: Receiver<()>,
}

impl Drop for Flush {
    fn drop(&mut self) {
        if self.stop.try_send(()).is_ok() {
            // A journal that is stuck keeps nobody from ending.
            let _ = self.done.recv_timeout(limits::LOG_FLUSH_MAX);
        }
    }
}

impl Journald {
    pub fn start(sink: impl Sink) -> io::Result<(Self, Flush)> {
        let (queue, entries) = sync_channel(limits::LOG_QUEUE);
        let (stop, stopping) = sync_channel(1);
        let (done, ended) = sync_channel(1);
        std::thread::Builder::new().name("log".into()).spawn(move || {
            write_all(&sink, &entries, &stopping);
            // Whoever waited may have gone.
            let _ = done.try_send(());
        })?;
        Ok((Self { queue }, Flush { stop, done: ended }))
    }
}

fn write_all(sink: &impl Sink, entries: &Receiver<Entry>, stopping: &Receiver<()>) {
    loop {
        match entries.recv_timeout(Duration::from_millis(100)) {
            Ok(entry) => write(sink, &entry),
            Err(RecvTimeoutError::Disconnected) => return,
            Err(RecvTimeoutError::Timeout) => {}
        }
        if stopping.try_recv().is_ok() {
            entries.try_iter().for_each(|entry| write(sink, &entry));
            return;
        }
    }
}

fn write(sink: &impl Sink, entry: &Entry) {
    let sent = sink.send(
        &log::Record::builder()
            .level(entry.level)
            .target(entry.target)
            .module_path_static(entry.module)
            .file_static(entry.file)
            .line(entry.line)
            .key_values(&entry.fields)
            .args(format_args!("{}", entry.message))
            .build(),
    );
    if sent.is_err() {
        super::log::drop_one();
    }
}

/// Fields under their names in the journal; a name that comes again replaces the first.
#[derive(Clone, Debug, Default)]
struct Fields {
    message: String,
    rows: Vec<(String, String)>,
}

impl Fields {
    fn put(&mut self, field: &Field, value: String) {
        let value = cut(value);
        if field.name() == "message" {
            self.message = value;
            return;
        }
        self.put_named(name_of(field.name()), value);
    }

    fn put_named(&mut self, name: String, value: String) {
        if let Some((_, known)) = self.rows.iter_mut().find(|(known, _)| *known == name) {
            *known = value;
        } else if self.rows.len() < limits::LOG_FIELDS_MAX {
            self.rows.push((name, value));
        }
    }
}

impl Source for Fields {
    fn visit<'kvs>(&'kvs self, visitor: &mut dyn VisitSource<'kvs>) -> Result<(), Error> {
        for (name, value) in &self.rows {
            visitor.visit_pair(Key::from_str(name), Value::from(value.as_str()))?;
        }
        Ok(())
    }
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, cut(value.to_owned()));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, format!("{value:?}"));
    }
}

/// How a field is called in the journal.
fn name_of(field: &str) -> String {
    let mut name: String =
        field.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' }).collect();
    if name == "CALL" {
        name = "CALL_ID".to_owned();
    }
    let taken = TAKEN.contains(&name.as_str())
        || TAKEN_BEGINNINGS.iter().any(|beginning| name.starts_with(beginning))
        || name.starts_with(|c: char| c.is_ascii_digit())
        || name.is_empty();
    if taken {
        name.insert_str(0, "VAANI_");
    }
    name.truncate(NAME_MAX);
    name
}

fn cut(mut text: String) -> String {
    if text.len() > limits::LOG_FIELD_MAX {
        let mut end = limits::LOG_FIELD_MAX;
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
    }
    text
}

impl<S> Layer<S> for Journald
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        span.extensions_mut().insert(fields);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        if let Some(fields) = span.extensions_mut().get_mut::<Fields>() {
            values.record(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut fields = Fields::default();
        // From the outside in: what is said nearer to the event counts.
        for span in context.event_scope(event).into_iter().flat_map(|scope| scope.from_root()) {
            if let Some(outer) = span.extensions().get::<Fields>() {
                outer.rows.iter().for_each(|(name, value)| fields.put_named(name.clone(), value.clone()));
            }
        }
        event.record(&mut fields);
        let about = event.metadata();
        let entry = Entry {
            level: level_of(*about.level()),
            target: about.target(),
            module: about.module_path(),
            file: about.file(),
            line: about.line(),
            message: std::mem::take(&mut fields.message),
            fields,
        };
        if self.queue.try_send(entry).is_err() {
            super::log::drop_one();
        }
    }
}

const fn level_of(level: Level) -> log::Level {
    match level {
        Level::ERROR => log::Level::Error,
        Level::WARN => log::Level::Warn,
        Level::INFO => log::Level::Info,
        Level::DEBUG => log::Level::Debug,
        Level::TRACE => log::Level::Trace,
    }
}

#[cfg(test)]
#[path = "journald_tests.rs"]
mod tests;
