//! How long one attempt may take, and how long it alone is waited for.

use std::time::Duration;

use crate::base::event::Stage;
use crate::base::limits::{ENGINE_PIECE_MAX, LLM_FIRST_TOKEN_MAX, STT_ATTEMPT_MAX, TTS_FIRST_AUDIO_MAX};

/// A provider that is quick is given up for another soon, but not for a moment's hesitation.
const PATIENCE_MIN: Duration = Duration::from_millis(250);

/// A slower attempt is given up and put to the next worker or candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadlines {
    pub stt: Duration,
    pub llm_first_token: Duration,
    pub tts_first_audio: Duration,
    /// Between two pieces of a stream that has begun.
    pub piece: Duration,
    /// So long a provider alone is waited for while somebody else could answer; without it that is
    /// judged by how quick the provider has been.
    pub patience: Option<Duration>,
}

impl Deadlines {
    /// Until the first useful piece.
    pub const fn first(&self, stage: Stage) -> Duration {
        match stage {
            Stage::Stt => self.stt,
            Stage::Llm => self.llm_first_token,
            Stage::Tts => self.tts_first_audio,
        }
    }

    /// How long a provider alone is waited for. What all stages of one turn may cost together, with
    /// the filler that is said meanwhile, leaves the caller no second without a sound.
    pub fn patience(&self, stage: Stage, p95: Option<Duration>) -> Duration {
        let most = Duration::from_millis(match stage {
            Stage::Stt => 500,
            // A filler fills this one.
            Stage::Llm => 700,
            Stage::Tts => 400,
        });
        let usual = p95.map_or(most, |p95| (p95 * 3 / 2).clamp(PATIENCE_MIN, most));
        self.patience.unwrap_or(usual).min(self.first(stage))
    }
}

impl Default for Deadlines {
    fn default() -> Self {
        Self {
            stt: STT_ATTEMPT_MAX,
            llm_first_token: LLM_FIRST_TOKEN_MAX,
            tts_first_audio: TTS_FIRST_AUDIO_MAX,
            piece: ENGINE_PIECE_MAX,
            patience: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patience_follows_what_was_measured_within_bounds() {
        let ms = Duration::from_millis;
        let usual = Deadlines::default();
        assert_eq!(usual.patience(Stage::Stt, None), ms(500));
        assert_eq!(usual.patience(Stage::Stt, Some(ms(200))), ms(300));
        assert_eq!(usual.patience(Stage::Tts, Some(ms(20))), ms(250));
        assert_eq!(usual.patience(Stage::Llm, Some(ms(3_000))), ms(700));
        let told = Deadlines { patience: Some(ms(2_000)), stt: ms(900), ..usual };
        assert_eq!((told.patience(Stage::Stt, None), told.patience(Stage::Llm, None)), (ms(900), ms(2_000)));
    }
}
