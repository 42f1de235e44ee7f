//! `vaani say`: text to a sound file, in the box's voice.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use futures_util::StreamExt;
use serde::Serialize;

use super::local::{Local, ms};
use super::output::{json_line, line};
use crate::ai::engines::Voices;
use crate::ai::tts::{Tts, TtsEvent, TtsRequest, TtsUsage};
use crate::base::Lang;
use crate::base::limits::ASK_CHARS_MAX;
use crate::config::Settings;
use crate::media::wav;

#[derive(clap::Args, Debug)]
pub struct Args {
    /// What to say; numbers, amounts and dates are read as people say them.
    pub text: String,
    #[arg(long, value_name = "TAG")]
    pub language: Lang,
    /// The WAV file to write, 16 bits, one channel.
    #[arg(short, long, value_name = "OUT.wav")]
    pub output: PathBuf,
    /// `piper`, `espeak`, `espeak:hi+m3` or the id of a Piper voice.
    #[arg(long)]
    pub voice: Option<String>,
    /// Samples a second of the file.
    #[arg(long, default_value_t = 16_000, value_parser = clap::value_parser!(u32).range(8_000..=48_000))]
    pub rate: u32,
    /// 1.0 is the voice's own pace, 0.8 is slower.
    #[arg(long, default_value_t = 1.0)]
    pub pace: f32,
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Serialize)]
struct Row<'a> {
    file: &'a PathBuf,
    text: &'a str,
    spoken: &'a str,
    language: Lang,
    voice: &'a str,
    rate: u32,
    audio_ms: u64,
    first_audio_ms: u64,
    took_ms: u64,
    provider: &'a str,
}

pub async fn run(args: Args, settings: &Settings) -> anyhow::Result<ExitCode> {
    ensure!(!args.text.trim().is_empty(), "there is nothing to say");
    let characters = args.text.chars().count();
    ensure!(characters <= ASK_CHARS_MAX, "the text has {characters} characters, at most {ASK_CHARS_MAX} are said");
    ensure!((0.25..=4.0).contains(&args.pace), "a pace of {} is outside 0.25 to 4", args.pace);
    let local = Local::new(settings);
    let spoken = crate::dialogue::speak::spoken(args.language, &args.text);
    let outcome = sound_of(&args, &local, &spoken).await;
    local.stop().await;
    let (sound, usage) = outcome?;
    std::fs::write(&args.output, wav::write(args.rate, &sound))
        .with_context(|| format!("failed to write {}", args.output.display()))?;
    if args.json {
        json_line(&Row {
            file: &args.output,
            text: &args.text,
            spoken: &spoken,
            language: args.language,
            voice: &usage.voice,
            rate: args.rate,
            audio_ms: ms(usage.audio),
            first_audio_ms: ms(usage.first_audio),
            took_ms: ms(usage.took),
            provider: &usage.provider,
        })?;
    } else {
        let seconds = usage.audio.as_secs_f32();
        line(&format!("{}: {seconds:.1} s, {} ({})", args.output.display(), usage.voice, usage.provider))?;
    }
    Ok(ExitCode::SUCCESS)
}

async fn sound_of(args: &Args, local: &Local, text: &str) -> anyhow::Result<(Vec<i16>, TtsUsage)> {
    let voices = Voices::start(&local.setup);
    let mut answer = voices.speak(TtsRequest {
        call: None,
        text: text.to_owned(),
        language: args.language,
        voice: args.voice.clone(),
        pace: args.pace,
        rate: args.rate,
    });
    let mut sound = Vec::new();
    while let Some(event) = answer.next().await {
        match event.context("failed to speak")? {
            TtsEvent::Audio(samples) => sound.extend(samples),
            TtsEvent::Done(usage) => {
                ensure!(
                    usage.audio > Duration::ZERO,
                    "nothing in the text can be said in {}",
                    args.language.english_name()
                );
                return Ok((sound, usage));
            }
        }
    }
    bail!("the voice ended in the middle")
}
