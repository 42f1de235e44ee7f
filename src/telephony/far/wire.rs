//! What a carrier brings to a line: its messages, without I/O.

use std::time::Duration;

use crate::telephony::stream::Frame;

/// What a message of the box asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FromBox {
    /// To be played, 8 kHz.
    Sound(Vec<i16>),
    Mark(String),
    /// Throw away what is not played yet.
    Clear,
    /// Play what there is, and what comes, without a sound for so long.
    Hush(Duration),
    Nothing,
}

/// One stream's messages: printed as the carrier prints them, the box's read as strictly as the carrier
/// reads them.
pub trait FarWire: Send + 'static {
    /// What is said before any sound.
    fn opening(&mut self) -> Vec<Frame>;
    /// The caller's next 20 ms, 8 kHz, `at_ms` after the stream began. A carrier that sends longer pieces
    /// keeps them until there is one.
    fn sound(&mut self, pcm: &[i16], at_ms: u64) -> Option<Frame>;
    fn key(&mut self, digit: char) -> Option<Frame>;
    /// The box's mark has been played, or was thrown away.
    fn mark(&mut self, name: &str) -> Option<Frame>;
    /// The caller hangs up.
    fn hang_up(&mut self) -> Option<Frame>;
    /// The error is the carrier's own words for why it drops the message.
    fn read(&mut self, frame: &Frame) -> Result<FromBox, String>;

    /// Does a clear give back the marks it threw away?
    fn gives_cleared_marks_back(&self) -> bool {
        true
    }

    /// Does a clear leave the piece of sound alone that is being played?
    fn plays_begun_piece_out(&self) -> bool {
        false
    }
}
