//! `vaani bench stt`: recognition as the box does it, against the same model with whisper.cpp's own
//! defaults (full 30 s context, its default threads and fallbacks), clip by clip in one run.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use serde::{Deserialize, Serialize};

use super::local::{Local, ms};
use super::output::{json_line, line};
use super::transcribe::read;
use crate::ai::engines::Whisper;
use crate::ai::score::character_errors;
use crate::ai::stt::{LanguageHint, Stt, SttRequest};
use crate::base::Lang;
use crate::base::limits::ENGINE_READY_WITHIN;
use crate::config::Settings;

#[derive(clap::Args, Debug)]
pub struct Args {
    /// Folder with `manifest.jsonl` and its clips; by default the starter model's test set.
    #[arg(long)]
    pub clips: Option<PathBuf>,
    /// How often each clip is heard.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub repeat: u32,
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Deserialize)]
struct Clip {
    file: String,
    language: Lang,
    text: String,
}

/// The most that ours may take of the plain engine's time.
const ASKED_AT_MOST: f64 = 0.5;

#[derive(Debug, Serialize)]
struct Summary {
    benchmark: &'static str,
    clips: usize,
    repeat: u32,
    audio_ms: u64,
    threads_per_slot: usize,
    /// From the end of the utterance to the text, transport included.
    ours_ms: Spread,
    plain_ms: Spread,
    ratio: f64,
    asked_at_most: f64,
    passed: bool,
    ours_cer: f64,
    plain_cer: f64,
}

/// Milliseconds.
#[derive(Debug, Serialize)]
pub(super) struct Spread {
    pub mean: f64,
    pub p50: f64,
    pub p99: f64,
}

impl Spread {
    pub(super) fn of(times: &[Duration]) -> Self {
        let mut sorted = times.to_vec();
        sorted.sort();
        let ms = |d: Duration| (d.as_secs_f64() * 1e5).round() / 100.0;
        let at = |share: f64| {
            sorted.get(((sorted.len() as f64 - 1.0) * share).round() as usize).copied().unwrap_or_default()
        };
        let mean = sorted.iter().sum::<Duration>() / u32::try_from(sorted.len().max(1)).unwrap_or(u32::MAX);
        Self { mean: ms(mean), p50: ms(at(0.5)), p99: ms(at(0.99)) }
    }
}

pub async fn run(args: Args, settings: &Settings) -> anyhow::Result<ExitCode> {
    let mut local = Local::new(settings);
    // The yardstick, with its full context and five beams, needs more memory than the worker is
    // given for its own way.
    local.setup.plan.stt.memory = 0;
    let whisper = Whisper::start(&local.setup);
    let folder = args.clips.clone().unwrap_or_else(|| settings.data.models_dir.join("starter/stt/eval"));
    let outcome = measure(&args, &folder, &local, &whisper).await;
    local.stop().await;
    let summary = outcome?;
    if args.json {
        json_line(&summary)?;
    } else {
        line(&format!(
            "{} clips, {:.1} s of speech: ours {:.0} ms, plain whisper.cpp {:.0} ms a clip; ratio {:.2} (asked: at most {:.2})",
            summary.clips,
            summary.audio_ms as f64 / 1000.0,
            summary.ours_ms.mean,
            summary.plain_ms.mean,
            summary.ratio,
            summary.asked_at_most
        ))?;
    }
    Ok(if summary.passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn measure(args: &Args, folder: &std::path::Path, local: &Local, whisper: &Whisper) -> anyhow::Result<Summary> {
    let manifest = folder.join("manifest.jsonl");
    let text = std::fs::read_to_string(&manifest).with_context(|| format!("failed to read {}", manifest.display()))?;
    let mut clips = Vec::new();
    for row in text.lines().filter(|row| !row.trim().is_empty()) {
        let clip: Clip = serde_json::from_str(row).with_context(|| format!("failed to read {}", manifest.display()))?;
        let sound: Arc<[i16]> = read(&folder.join(&clip.file)).with_context(|| clip.file.clone())?.into();
        clips.push((clip, sound));
    }
    ensure!(!clips.is_empty(), "{} names no clip", manifest.display());
    whisper.ready(ENGINE_READY_WITHIN).await.context("failed to start speech recognition")?;
    let clock = local.setup.clock;
    let (mut ours, mut plain) = (Vec::new(), Vec::new());
    let mut errors = [(0, 0); 2];
    let mut count = |which: usize, clip: &Clip, heard: &str| {
        let (wrong, length) = character_errors(&clip.text, heard);
        errors[which] = (errors[which].0 + wrong, errors[which].1 + length);
    };
    let ask = |clip: &Clip, sound: &Arc<[i16]>| {
        let hint = LanguageHint::Fixed(clip.language);
        whisper.transcribe(SttRequest { call: None, audio: sound.clone(), hint, words: None, speculative: false })
    };
    // Both ways once, unmeasured, so that neither pays for first allocations.
    for (clip, sound) in clips.iter().take(2) {
        ask(clip, sound).await?;
        whisper.transcribe_plain(sound.clone(), clip.language).await?;
    }
    let mut audio = Duration::ZERO;
    for _ in 0..args.repeat {
        for (clip, sound) in &clips {
            let began = clock.now();
            let heard = ask(clip, sound).await?;
            let between = clock.now();
            let heard_plainly = whisper.transcribe_plain(sound.clone(), clip.language).await?;
            ours.push(between.since(began));
            plain.push(clock.now().since(between));
            count(0, clip, &heard.text);
            count(1, clip, &heard_plainly.text);
            audio += heard.audio;
        }
    }
    let (ours_ms, plain_ms) = (Spread::of(&ours), Spread::of(&plain));
    let ratio = ours_ms.mean / plain_ms.mean.max(f64::MIN_POSITIVE);
    let cer = |(wrong, length): (usize, usize)| wrong as f64 / length.max(1) as f64;
    Ok(Summary {
        benchmark: "stt",
        clips: clips.len(),
        repeat: args.repeat,
        audio_ms: ms(audio / args.repeat),
        threads_per_slot: local.setup.plan.stt.threads,
        ours_ms,
        plain_ms,
        ratio,
        asked_at_most: ASKED_AT_MOST,
        passed: ratio <= ASKED_AT_MOST,
        ours_cer: cer(errors[0]),
        plain_cer: cer(errors[1]),
    })
}
