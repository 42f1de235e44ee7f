//! Keys of a telephone from a terminal, and a level meter on it.

use std::io::{IsTerminal as _, Read as _, Write as _};
use std::process::{Command, Stdio};

use tokio::sync::mpsc;

use crate::telephony::local::handset::Wish;

/// Frames between two pictures of the meter.
const EVERY: u32 = 5;
const WIDTH: usize = 30;

/// The terminal gives each key as it is pressed, until this is dropped.
pub(super) struct Terminal {
    /// As `stty -g` prints it; `None`: it is no terminal.
    before: Option<String>,
}

impl Terminal {
    /// Sends what is pressed. Without a terminal nothing is read: a pipe's end is no hang-up.
    pub(super) fn listen(wishes: mpsc::Sender<Wish>) -> Self {
        if !std::io::stdin().is_terminal() {
            return Self { before: None };
        }
        let before = stty(&["-g"]).map(|text| text.trim().to_owned());
        // Without this each key would need Enter; the call goes on either way.
        stty(&["-icanon", "-echo", "min", "1"]);
        let read = move || {
            let mut byte = [0];
            while std::io::stdin().read_exact(&mut byte).is_ok() {
                if let key @ ('0'..='9' | '*' | '#') = char::from(byte[0])
                    && wishes.blocking_send(Wish::Key(key)).is_err()
                {
                    return;
                }
            }
        };
        if let Err(error) = std::thread::Builder::new().name("keys".to_owned()).spawn(read) {
            tracing::warn!(%error, "keys cannot be read");
        }
        Self { before }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        if let Some(before) = &self.before {
            stty(&[before]);
        }
    }
}

fn stty(arguments: &[&str]) -> Option<String> {
    let output = Command::new("stty").args(arguments).stdin(Stdio::inherit()).stderr(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// How loud the microphone is, on the last line of a terminal.
pub(super) struct Meter {
    shown: bool,
    frames: u32,
    loudest: f32,
}

impl Meter {
    pub(super) const fn new(shown: bool) -> Self {
        Self { shown, frames: 0, loudest: 0.0 }
    }

    /// `level`: root mean square of 16-bit samples.
    pub(super) fn show(&mut self, level: f32) {
        self.loudest = self.loudest.max(level);
        self.frames += 1;
        if self.shown && self.frames.is_multiple_of(EVERY) {
            eprint!("\r{}", picture(std::mem::take(&mut self.loudest)));
            drop(std::io::stderr().flush());
        }
    }

    pub(super) fn clear(&self) {
        if self.shown {
            eprint!("\r{:width$}\r", "", width = WIDTH + 12);
        }
    }
}

/// From -60 dB to full scale.
fn picture(level: f32) -> String {
    let decibels = 20.0 * (level.max(1.0) / 32_768.0).log10();
    let bars = (((decibels + 60.0) / 60.0).clamp(0.0, 1.0) * WIDTH as f32).round() as usize;
    format!("[{:<WIDTH$}] {decibels:>5.0} dB", "=".repeat(bars))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_meter_goes_from_nothing_to_full() {
        assert!(picture(0.0).starts_with("[ ") && picture(0.0).ends_with("-90 dB"));
        assert!(picture(32_768.0).contains(&"=".repeat(WIDTH)));
        let half = picture(1_036.0);
        assert!(half.contains(&"=".repeat(WIDTH / 2)) && half.contains("-30 dB"), "{half}");
    }
}
