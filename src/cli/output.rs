//! What a command prints: text or one JSON object a line.

use std::io::{self, Write};

use serde::Serialize;

/// One JSON object on a line of its own.
pub(super) fn json_line(value: &impl Serialize) -> io::Result<()> {
    let mut text = serde_json::to_string(value)?;
    text.push('\n');
    print(&text)
}

pub(super) fn line(text: &str) -> io::Result<()> {
    print(&format!("{text}\n"))
}

fn print(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// What went wrong, for people; never on standard output.
pub(super) fn complain(text: &str) {
    // Nobody is left to be told when standard error is closed.
    drop(writeln!(io::stderr().lock(), "vaani: {text}"));
}
