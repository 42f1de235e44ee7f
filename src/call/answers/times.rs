//! The moments of a turn, and the waterfall made of them.

use std::time::Duration;

use crate::base::Moment;
use crate::base::event::Waterfall;

/// When each stage of a turn was reached.
#[derive(Clone, Debug)]
pub(in crate::call) struct Times {
    pub(in crate::call) speech_end: Moment,
    pub(in crate::call) endpoint: Option<Moment>,
    pub(in crate::call) stt_final: Option<Moment>,
    pub(in crate::call) llm_first_token: Option<Moment>,
    pub(in crate::call) first_clause: Option<Moment>,
    pub(in crate::call) tts_first_audio: Option<Moment>,
    pub(in crate::call) first_frame_out: Option<Moment>,
    pub(in crate::call) stt_took: Option<Duration>,
    pub(in crate::call) llm_took: Option<Duration>,
    pub(in crate::call) tts_took: Option<Duration>,
    pub(in crate::call) stt_provider: Option<String>,
    pub(in crate::call) llm_provider: Option<String>,
    pub(in crate::call) tts_provider: Option<String>,
}

impl Times {
    pub(in crate::call) const fn new(speech_end: Moment) -> Self {
        Self {
            speech_end,
            endpoint: None,
            stt_final: None,
            llm_first_token: None,
            first_clause: None,
            tts_first_audio: None,
            first_frame_out: None,
            stt_took: None,
            llm_took: None,
            tts_took: None,
            stt_provider: None,
            llm_provider: None,
            tts_provider: None,
        }
    }

    pub(in crate::call) const fn speech_end(&self) -> Moment {
        self.speech_end
    }

    pub(in crate::call) fn waterfall(&self, started: Moment) -> Waterfall {
        let after = |at: Option<Moment>| at.map(|at| millis(at.since(self.speech_end)));
        Waterfall {
            speech_end: u64::from(millis(self.speech_end.since(started))),
            endpoint: after(self.endpoint),
            stt_final: after(self.stt_final),
            llm_first_token: after(self.llm_first_token),
            first_clause: after(self.first_clause),
            tts_first_audio: after(self.tts_first_audio),
            first_frame_out: after(self.first_frame_out),
            stt_took: self.stt_took.map(millis),
            llm_took: self.llm_took.map(millis),
            tts_took: self.tts_took.map(millis),
            stt_provider: self.stt_provider.clone(),
            llm_provider: self.llm_provider.clone(),
            tts_provider: self.tts_provider.clone(),
        }
    }
}

fn millis(d: Duration) -> u32 {
    u32::try_from(d.as_millis()).unwrap_or(u32::MAX)
}
