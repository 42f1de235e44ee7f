//! How long one attempt may take.

use std::time::Duration;

use crate::base::limits::{ENGINE_PIECE_MAX, LLM_FIRST_TOKEN_MAX, STT_ATTEMPT_MAX, TTS_FIRST_AUDIO_MAX};

/// A slower attempt is given up and put to the next worker or candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadlines {
    pub stt: Duration,
    pub llm_first_token: Duration,
    pub tts_first_audio: Duration,
    /// Between two pieces of a stream that has begun.
    pub piece: Duration,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self {
            stt: STT_ATTEMPT_MAX,
            llm_first_token: LLM_FIRST_TOKEN_MAX,
            tts_first_audio: TTS_FIRST_AUDIO_MAX,
            piece: ENGINE_PIECE_MAX,
        }
    }
}
