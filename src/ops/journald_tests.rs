use std::collections::BTreeMap;
use std::os::unix::net::UnixDatagram;
use std::process::Command;
use std::sync::{Arc, Mutex};

use proptest::prelude::*;
use tracing_subscriber::layer::SubscriberExt as _;

use super::*;

/// Takes the fields of entries apart as the journal does (its native protocol).
fn parse(mut bytes: &[u8]) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    while !bytes.is_empty() {
        let end = bytes.iter().position(|b| matches!(b, b'=' | b'\n')).expect("a name ends");
        let name = String::from_utf8(bytes[..end].to_vec()).expect("names are ASCII");
        assert!(name.len() <= 64 && name.starts_with(|c: char| c.is_ascii_uppercase()), "{name:?}");
        assert!(name.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_'), "{name:?}");
        let value;
        if bytes[end] == b'=' {
            let rest = &bytes[end + 1..];
            let stop = rest.iter().position(|b| *b == b'\n').expect("a line ends");
            value = rest[..stop].to_vec();
            bytes = &rest[stop + 1..];
        } else {
            let rest = &bytes[end + 1..];
            let (length, rest) = rest.split_at(8);
            let length = usize::try_from(u64::from_le_bytes(length.try_into().unwrap())).unwrap();
            value = rest[..length].to_vec();
            assert_eq!(rest[length], b'\n');
            bytes = &rest[length + 1..];
        }
        assert!(found.insert(name.clone(), value).is_none(), "{name} is there twice");
    }
    found
}

/// Keeps what it gets.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<(log::Level, String, Vec<(String, String)>)>>>);

impl Sink for Kept {
    fn send(&self, record: &log::Record<'_>) -> io::Result<()> {
        struct Rows(Vec<(String, String)>);
        impl<'kvs> VisitSource<'kvs> for Rows {
            fn visit_pair(&mut self, key: Key<'kvs>, value: Value<'kvs>) -> Result<(), Error> {
                self.0.push((key.to_string(), value.to_string()));
                Ok(())
            }
        }
        let mut rows = Rows(Vec::new());
        record.key_values().visit(&mut rows).unwrap();
        self.0.lock().unwrap().push((record.level(), record.args().to_string(), rows.0));
        Ok(())
    }
}

fn logged(say: impl FnOnce()) -> Vec<(log::Level, String, Vec<(String, String)>)> {
    let kept = Kept::default();
    let (layer, flush) = Journald::start(kept.clone()).unwrap();
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), say);
    drop(flush);
    std::mem::take(&mut kept.0.lock().unwrap())
}

#[test]
fn every_field_of_an_event_and_of_the_spans_around_it_is_there() {
    let all = logged(|| {
        let span = tracing::info_span!("call", call = "c1", tenant = "acme");
        let _inside = span.enter();
        tracing::warn!(event_type = "CALL_FAILED", turns = 3, priority = "mine", tenant = "other", "a call failed");
    });
    let (level, message, rows) = &all[0];
    assert_eq!((all.len(), *level, message.as_str()), (1, log::Level::Warn, "a call failed"));
    let row = |name: &str| rows.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
    assert_eq!(row("CALL_ID"), Some("c1"));
    assert_eq!(row("TENANT"), Some("other"), "the nearer one counts");
    assert_eq!(row("EVENT_TYPE"), Some("CALL_FAILED"));
    assert_eq!(row("TURNS"), Some("3"));
    assert_eq!(row("VAANI_PRIORITY"), Some("mine"));
    assert_eq!(rows.len(), 5);
}

#[test]
fn a_huge_field_is_cut_between_characters() {
    let huge = "न".repeat(limits::LOG_FIELD_MAX);
    let all = logged(|| tracing::info!(error = %huge, "odd"));
    let value = &all[0].2[0].1;
    assert!(value.len() <= limits::LOG_FIELD_MAX && value.len() > limits::LOG_FIELD_MAX - 4);
    assert!(value.chars().all(|c| c == 'न'));
}

/// Never finishes an entry.
struct Stuck(Mutex<std::sync::mpsc::Receiver<()>>);

impl Sink for Stuck {
    fn send(&self, _: &log::Record<'_>) -> io::Result<()> {
        let _ = self.0.lock().unwrap().recv();
        Ok(())
    }
}

#[test]
fn a_journal_that_is_stuck_stops_nobody_and_what_is_lost_is_counted() {
    let (_keep, never) = std::sync::mpsc::channel();
    let (layer, flush) = Journald::start(Stuck(Mutex::new(never))).unwrap();
    let before = super::super::log::dropped();
    let clock = crate::base::Clock::system();
    let began = clock.now();
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        (0..limits::LOG_QUEUE + 100).for_each(|n| tracing::info!(n, "one of many"));
    });
    assert!(super::super::log::dropped() - before >= 99);
    drop(flush);
    assert!(clock.now().since(began) < Duration::from_secs(5), "the end waits for a moment at most");
}

proptest! {
    #[test]
    fn every_name_becomes_one_that_the_journal_takes(field in ".{0,100}") {
        let name = name_of(&field);
        prop_assert!(!name.is_empty() && name.len() <= NAME_MAX);
        prop_assert!(name.starts_with(|c: char| c.is_ascii_uppercase()));
        prop_assert!(name.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_'));
        prop_assert!(!TAKEN.contains(&name.as_str()) && !name.starts_with("SYSLOG_"));
    }
}

/// Runs in a mount namespace of its own, where the journal's socket is the one of the test below.
#[test]
#[ignore = "the other half of `the_bytes_are_what_the_journal_reads`"]
fn inside_the_namespace() {
    assert!(systemd_journal_logger::connected_to_journal(), "standard error is said to be the journal");
    let log = crate::config::Log { format: crate::config::LogFormat::Auto, level: "debug".to_owned() };
    let guard = crate::ops::log::start(Some(&log), true);
    tracing::info!(call = "c1", tenant = "acme", event_type = "CALL_INITIATED", pages = 2, "a call begins");
    tracing::error!(error = "first\nsecond", _pid = 1, "two\nlines");
    tracing::trace!("nobody asked for this");
    drop(guard);
}

#[test]
fn the_bytes_are_what_the_journal_reads() {
    let dir = tempfile::tempdir().unwrap();
    let socket = UnixDatagram::bind(dir.path().join("socket")).unwrap();
    let stderr = dir.path().join("stderr");
    std::fs::write(&stderr, "").unwrap();
    let script = r#"
        set -e
        mount -t tmpfs none /run
        mkdir -p /run/systemd/journal
        mount --bind "$JOURNAL_DIR" /run/systemd/journal
        exec 2>"$JOURNAL_DIR/stderr"
        JOURNAL_STREAM=$(stat -L -c %d:%i /dev/stderr) exec "$0" --exact --ignored --nocapture ops::journald::tests::inside_the_namespace
    "#;
    let inside = |user: &[&str]| {
        Command::new("unshare")
            .args(user)
            .args(["--mount", "sh", "-c", script])
            .arg(std::env::current_exe().unwrap())
            .env("JOURNAL_DIR", dir.path())
            .env_remove("RUST_LOG")
            .output()
            .unwrap()
    };
    if !Command::new("unshare").args(["--mount", "true"]).output().is_ok_and(|out| out.status.success()) {
        eprintln!("skipped: this machine gives no mount namespace (unshare --mount)");
        return;
    }
    let out = inside(&[]);
    let told = std::fs::read_to_string(&stderr).unwrap();
    assert!(
        out.status.success(),
        "{}{}{told}",
        String::from_utf8_lossy(&out.stdout),
        String::from_utf8_lossy(&out.stderr)
    );
    assert!(
        String::from_utf8_lossy(&out.stdout).contains("1 passed"),
        "it ran: {}",
        String::from_utf8_lossy(&out.stdout)
    );

    socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let mut buffer = vec![0; 1 << 20];
    let mut next = || {
        let length = socket.recv(&mut buffer).expect("an entry");
        buffer[..length].to_vec()
    };
    assert_eq!(next(), b"", "whether somebody is there");
    let first = parse(&next());
    let text = |fields: &BTreeMap<String, Vec<u8>>, name: &str| {
        String::from_utf8(fields.get(name).unwrap_or_else(|| panic!("{name}: {fields:?}")).clone()).unwrap()
    };
    assert_eq!(text(&first, "MESSAGE"), "a call begins");
    assert_eq!((text(&first, "PRIORITY"), text(&first, "CALL_ID")), ("5".to_owned(), "c1".to_owned()));
    assert_eq!((text(&first, "TENANT"), text(&first, "EVENT_TYPE")), ("acme".to_owned(), "CALL_INITIATED".to_owned()));
    assert_eq!(text(&first, "PAGES"), "2");
    assert!(text(&first, "CODE_FILE").ends_with("journald_tests.rs"));
    assert!(text(&first, "CODE_LINE").parse::<u32>().unwrap() > 100);
    let second = parse(&next());
    assert_eq!((text(&second, "PRIORITY"), text(&second, "MESSAGE")), ("3".to_owned(), "two\nlines".to_owned()));
    assert_eq!((text(&second, "ERROR"), text(&second, "VAANI__PID")), ("first\nsecond".to_owned(), "1".to_owned()));
    socket.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    assert!(socket.recv(&mut [0; 16]).is_err(), "nothing else was said");
}
