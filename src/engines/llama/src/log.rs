//! What llama.cpp has to say, on standard error. The daemon reads it line by line.

use std::fmt::{self, Write};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

/// Prints warnings and errors of llama.cpp; its thousand lines of progress are dropped.
struct Complaints;

pub(crate) fn start() {
    // Fails only when called twice.
    let _ = tracing::subscriber::set_global_default(Complaints);
    llama_cpp_2::send_logs_to_tracing(llama_cpp_2::LogOptions::default());
}

impl Subscriber for Complaints {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= Level::WARN
    }

    fn event(&self, event: &Event<'_>) {
        if !self.enabled(event.metadata()) {
            return;
        }
        let mut line = Line(String::new());
        event.record(&mut line);
        // All conversations share one cache, each within the trained window.
        if !line.0.contains("n_ctx_train") {
            eprintln!("llama.cpp: {}", line.0.trim_end());
        }
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

struct Line(String);

impl Visit for Line {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            self.0.push_str(value);
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            // Writing into a String cannot fail.
            let _ = write!(self.0, "{value:?}");
        }
    }
}
