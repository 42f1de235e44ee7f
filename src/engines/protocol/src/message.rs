//! What daemon and workers say to each other.

use serde::{Deserialize, Serialize};

/// Daemon to worker. Languages are the box's tags (`hi-IN`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case")]
pub enum Ask {
    /// Answered by `Pong` at once, whatever else is running: the heartbeat.
    Ping,
    /// The answer to this request number is no longer wanted. Not answered itself; the request ends
    /// with `Failed { why: Cancelled }`, unless it was already complete.
    Cancel,
    /// Whisper: the frame's samples, 16 kHz.
    Transcribe(Transcribe),
    /// Llama.
    Generate(Generate),
    /// Llama: the conversation is over, its cache may go. Not answered.
    Forget { conversation: u64 },
    /// TTS.
    Speak(Speak),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Transcribe {
    /// Recognise in this language. `None`: detect it among `among` first.
    pub language: Option<String>,
    /// Languages to choose from, or (with `language`) to compare against for `language_confidence`;
    /// empty with a `language`: no detection at all.
    pub among: Vec<String>,
    /// Text to prime the recogniser with, for models that are made for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt: Option<String>,
    /// Run the engine with its own defaults (full 30 s context, its default threads and fallback),
    /// the yardstick of the benchmark.
    #[serde(default)]
    pub plain: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChatMessage {
    /// `system`, `user` or `assistant`.
    pub role: String,
    pub content: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Generate {
    /// Requests with the same number share their evaluated prefix. 0: a one-off.
    pub conversation: u64,
    pub messages: Vec<ChatMessage>,
    /// GBNF with the root rule `root`.
    pub grammar: Option<String>,
    pub max_tokens: u32,
    /// 0 is greedy.
    pub temperature: f32,
    /// Evaluate everything anew, the yardstick of the benchmark.
    #[serde(default)]
    pub cold: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Speak {
    pub text: String,
    pub language: String,
    /// `piper`, `espeak`, `espeak:hi+m3`, or the id of a loaded Piper voice; `None`: the default of
    /// the language.
    pub voice: Option<String>,
    /// 1.0 is the voice's own pace, smaller is slower.
    pub pace: f32,
    /// Samples a second wanted.
    pub rate: u32,
}

/// Worker to daemon.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "tell", rename_all = "snake_case")]
pub enum Tell {
    /// First message, request 0: the models are loaded.
    Ready(Ready),
    Pong,
    /// Whisper's answer.
    Transcript(Transcript),
    /// Llama: the next whole characters.
    Text {
        text: String,
    },
    /// Llama: the answer is complete.
    Generated(Generated),
    /// TTS: the frame's samples are the next sound, at the rate asked for.
    Audio,
    /// TTS: the clause is complete.
    Spoken(Spoken),
    /// The request ended without an answer. With request 0: the worker cannot work and exits.
    Failed {
        why: Why,
        detail: String,
    },
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Ready {
    /// `whisper`, `llama`, `tts`.
    pub engine: String,
    /// Version of the engine library.
    pub version: String,
    /// Model file or voice ids, as loaded.
    pub models: Vec<String>,
    /// Language tags served.
    pub languages: Vec<String>,
    pub load_ms: u64,
    /// Requests worked on at once; more wait in the worker.
    pub slots: u32,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Transcript {
    pub text: String,
    pub language: String,
    pub language_confidence: f32,
    /// Mean token probability, 0 to 1; 0 for empty text.
    pub confidence: f32,
    pub took_us: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Generated {
    pub prompt_tokens: u32,
    pub reused_tokens: u32,
    pub answer_tokens: u32,
    pub first_token_us: u64,
    pub took_us: u64,
    /// The answer was cut at `max_tokens`.
    pub cut: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Spoken {
    pub samples: u64,
    pub first_audio_us: u64,
    pub took_us: u64,
    pub voice: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    Cancelled,
    /// The request is wrong; asking again is useless.
    Refused,
    /// The worker's queue is full.
    Overloaded,
    /// The engine failed; another try may work.
    Engine,
}
