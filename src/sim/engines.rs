//! Engines that answer, are late, wrong, broken or gone, as a seed says.

use std::time::Duration;

use fastrand::Rng;

use crate::ai::llm::{LlmEvent, LlmRequest, LlmUsage};
use crate::ai::stt::SttText;
use crate::ai::tts::{TtsEvent, TtsRequest, TtsUsage};
use crate::ai::{Fault, FaultKind};
use crate::base::Lang;
use crate::base::audio::LINE_RATE;
use crate::dialogue::book::{Catalogue, Intent};

/// How likely each fault is in one call, 0 to 1.
#[derive(Clone, Copy, Debug)]
pub(super) struct Temper {
    pub fails: f64,
    pub slow: f64,
    /// Never answers.
    pub hangs: f64,
    pub wrong: f64,
}

impl Temper {
    /// Most calls have good engines; some have one bad day or another.
    pub(super) fn draw(rng: &mut Rng) -> Self {
        match rng.u8(0..10) {
            0 => Self { fails: 0.3, slow: 0.2, hangs: 0.05, wrong: 0.2 },
            1 => Self { fails: 0.0, slow: 0.9, hangs: 0.0, wrong: 0.0 },
            2 => Self { fails: 1.0, slow: 0.0, hangs: 0.0, wrong: 0.0 },
            3 => Self { fails: 0.0, slow: 0.0, hangs: 0.3, wrong: 0.3 },
            _ => Self { fails: 0.02, slow: 0.05, hangs: 0.0, wrong: 0.02 },
        }
    }

    fn delay(self, rng: &mut Rng, usual_ms: u64) -> Duration {
        let ms = rng.u64(usual_ms / 2..=usual_ms * 2);
        Duration::from_millis(if rng.f64() < self.slow { ms * rng.u64(5..60) } else { ms })
    }

    fn hangs(self, rng: &mut Rng) -> bool {
        rng.f64() < self.hangs
    }

    fn fails(self, rng: &mut Rng) -> bool {
        rng.f64() < self.fails
    }
}

fn fault(provider: &str) -> Fault {
    Fault::new(FaultKind::Unavailable, provider, "simulated")
}

/// What comes back, and how long after the ask. Nothing at all: the engine hangs.
pub(super) type Answers<T> = Vec<(Duration, Result<T, Fault>)>;

pub(super) fn hear(rng: &mut Rng, temper: Temper, said: &str, language: Lang) -> Answers<SttText> {
    if temper.hangs(rng) {
        return Vec::new();
    }
    let after = temper.delay(rng, 80);
    if temper.fails(rng) {
        return vec![(after, Err(fault("sim/stt")))];
    }
    let wrong = rng.f64() < temper.wrong;
    let text = match (wrong, rng.u8(0..3)) {
        (true, 0) => String::new(),
        (true, 1) => said.chars().rev().collect(),
        (true, _) => said.split_whitespace().next().unwrap_or_default().to_owned(),
        _ => said.to_owned(),
    };
    let language = if wrong && rng.bool() { *rng.choice(&Lang::ALL).unwrap_or(&language) } else { language };
    let heard = SttText {
        text,
        language,
        language_confidence: if wrong { rng.f32() } else { 0.98 },
        confidence: if wrong { rng.f32() } else { 0.95 },
        audio: Duration::from_secs(1),
        took: after,
        provider: "sim/stt".to_owned(),
    };
    vec![(after, Ok(heard))]
}

pub(super) fn write(rng: &mut Rng, temper: Temper, request: &LlmRequest, books: &Catalogue) -> Answers<LlmEvent> {
    if temper.hangs(rng) {
        return Vec::new();
    }
    let mut at = temper.delay(rng, 60);
    if temper.fails(rng) && rng.bool() {
        return vec![(at, Err(fault("sim/llm")))];
    }
    let text = if request.grammar.is_some() { choice(rng, temper) } else { reply(rng, temper, books) };
    let mut events = Vec::new();
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let cut = rest.char_indices().nth(rng.usize(1..9)).map_or(rest.len(), |(i, _)| i);
        let (piece, more) = rest.split_at(cut);
        events.push((at, Ok(LlmEvent::Text(piece.to_owned()))));
        at += temper.delay(rng, 4);
        rest = more;
        if temper.fails(rng) && rng.u8(0..20) == 0 {
            events.push((at, Err(fault("sim/llm"))));
            return events;
        }
    }
    let usage = LlmUsage { provider: "sim/llm".to_owned(), ..LlmUsage::default() };
    events.push((at, Ok(LlmEvent::Done(usage))));
    events
}

fn choice(rng: &mut Rng, temper: Temper) -> String {
    if rng.f64() < temper.wrong {
        return "{\"intent\":\"gre".to_owned();
    }
    let intent = rng.choice(&Intent::ALL).map_or("unclear", |i| i.name());
    format!(r#"{{"intent":"{intent}","language":"hi-IN","sentiment":"neutral","disposition":"unresolved"}}"#)
}

fn reply(rng: &mut Rng, temper: Temper, books: &Catalogue) -> String {
    const TAGS: [&str; 12] = [
        "",
        "",
        "",
        "",
        " [[transfer]]",
        " [[end]]",
        " [[callback time=\"5 PM\"]]",
        " [[promise date=\"5 June\"]]",
        " [[language ta-IN]]",
        " [[repeat]]",
        " [[nonsense",
        " [[do_not_call]]",
    ];
    if rng.f64() < temper.wrong {
        return ["", "[[", "   ", "[[end]]", "?!"][rng.usize(0..5)].to_owned();
    }
    let book = rng.choice(books.books.values().collect::<Vec<_>>());
    let lines: Vec<&String> = book.iter().flat_map(|b| b.intents.values()).flat_map(|i| &i.reply).collect();
    let line = rng.choice(lines).map_or("ठीक है।", |l| l.as_str());
    format!("{}{}", line.replace(['{', '}'], ""), TAGS[rng.usize(0..TAGS.len())])
}

pub(super) fn speak(rng: &mut Rng, temper: Temper, request: &TtsRequest) -> Answers<TtsEvent> {
    if temper.hangs(rng) {
        return Vec::new();
    }
    let mut at = temper.delay(rng, 15);
    if temper.fails(rng) {
        return vec![(at, Err(fault("sim/tts")))];
    }
    let samples = request.text.chars().count().max(1) * LINE_RATE as usize * 6 / 100;
    let mut events = Vec::new();
    for chunk in 0..samples.div_ceil(1_600) {
        let length = 1_600.min(samples - chunk * 1_600);
        events.push((at, Ok(TtsEvent::Audio(vec![900; length]))));
        at += temper.delay(rng, 4);
    }
    let usage = TtsUsage { provider: "sim/tts".to_owned(), ..TtsUsage::default() };
    events.push((at, Ok(TtsEvent::Done(usage))));
    events
}
