//! Sound on the telephone line: 16-bit mono samples in frames of 20 ms.

use std::time::Duration;

/// Samples a second on a telephone leg.
pub const LINE_RATE: u32 = 8_000;
/// Samples a second that speech recognition takes.
pub const STT_RATE: u32 = 16_000;
/// One frame of every paced stream.
pub const FRAME: Duration = Duration::from_millis(20);
/// Samples of one frame at [`LINE_RATE`].
pub const LINE_FRAME: usize = 160;

/// Samples of 20 ms at `rate`.
pub const fn frame_samples(rate: u32) -> usize {
    rate as usize / 50
}

/// How long `samples` last at `rate`.
pub const fn duration(samples: usize, rate: u32) -> Duration {
    Duration::from_micros(samples as u64 * 1_000_000 / rate as u64)
}

/// Root mean square of a frame, 0 to 32768.
pub fn rms(samples: &[i16]) -> f32 {
    if samples.is_empty() {
        return 0.0;
    }
    let sum: f64 = samples.iter().map(|s| f64::from(*s) * f64::from(*s)).sum();
    (sum / samples.len() as f64).sqrt() as f32
}
