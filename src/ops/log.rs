//! Where logs go: fields of the journal under systemd, text for people on a terminal, JSON lines
//! elsewhere. Promise: whoever logs never waits for the journal; what does not fit is counted.

use std::io::IsTerminal as _;
use std::sync::atomic::{AtomicU64, Ordering};

use systemd_journal_logger::{JournalLog, connected_to_journal};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt};

use super::journald::{self, Journald};
use crate::config::{Log, LogFormat};

/// Entries that the journal did not take since the start.
static DROPPED: AtomicU64 = AtomicU64::new(0);

pub fn dropped() -> u64 {
    DROPPED.load(Ordering::Relaxed)
}

pub(super) fn drop_one() {
    DROPPED.fetch_add(1, Ordering::Relaxed);
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Destination {
    Journal,
    Text,
    Json,
}

/// A command is for a person, wherever its output goes; what the daemon says is read by machines
/// unless somebody sits before it.
const fn choose(format: LogFormat, is_daemon: bool, terminal: bool, journal: bool) -> Destination {
    match format {
        LogFormat::Text => Destination::Text,
        LogFormat::Json => Destination::Json,
        LogFormat::Auto if journal => Destination::Journal,
        LogFormat::Auto if terminal || !is_daemon => Destination::Text,
        LogFormat::Auto => Destination::Json,
    }
}

/// Keeps the log going; what is queued is written when it goes.
#[derive(Debug)]
#[must_use = "logs end with it"]
pub struct Guard(#[expect(dead_code, reason = "it works by being dropped")] Option<journald::Flush>);

/// Sets the process's log up. `settings`: none where there are none yet.
pub fn start(settings: Option<&Log>, is_daemon: bool) -> Guard {
    let format = settings.map_or(LogFormat::Auto, |log| log.format);
    let level = settings.map_or("warn", |log| log.level.as_str());
    let filter = EnvFilter::try_from_env("RUST_LOG").or_else(|_| EnvFilter::try_new(level));
    let filter = filter.unwrap_or_else(|_| EnvFilter::new("info"));
    let terminal = std::io::stderr().is_terminal();
    let (layer, flush): (Box<dyn Layer<Registry> + Send + Sync>, _) =
        match choose(format, is_daemon, terminal, connected_to_journal()) {
            Destination::Journal => match JournalLog::new().and_then(Journald::start) {
                Ok((layer, flush)) => (layer.boxed(), Some(flush)),
                // systemd is there and its journal is not: standard error leads there as well.
                Err(_) => (text(false), None),
            },
            Destination::Text => (text(terminal), None),
            Destination::Json => (fmt::layer().json().flatten_event(true).with_writer(std::io::stderr).boxed(), None),
        };
    // Somebody else's subscriber (a test's) stays.
    drop(tracing_subscriber::registry().with(layer.with_filter(filter)).try_init());
    Guard(flush)
}

fn text(colours: bool) -> Box<dyn Layer<Registry> + Send + Sync> {
    fmt::layer().with_writer(std::io::stderr).with_ansi(colours).boxed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_decides_unless_the_owner_does() {
        use Destination::{Journal, Json, Text};
        let cases = [
            (LogFormat::Auto, true, false, true, Journal),
            (LogFormat::Auto, true, true, false, Text),
            (LogFormat::Auto, true, false, false, Json),
            (LogFormat::Auto, false, false, false, Text),
            (LogFormat::Text, true, false, true, Text),
            (LogFormat::Json, false, true, true, Json),
        ];
        for (format, is_daemon, terminal, journal, expected) in cases {
            assert_eq!(choose(format, is_daemon, terminal, journal), expected);
        }
    }
}
