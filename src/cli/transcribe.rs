//! `vaani transcribe`: sound files to text, as many at once as the engine has slots.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use futures_util::{StreamExt, stream};
use serde::Serialize;

use super::local::{Local, ms};
use super::output::{complain, json_line, line};
use crate::ai::engines::Whisper;
use crate::ai::stt::{LanguageHint, Stt, SttRequest, SttText};
use crate::base::Lang;
use crate::base::audio::STT_RATE;
use crate::base::limits::{ENGINE_READY_WITHIN, SOUND_FILE_MAX};
use crate::config::Settings;
use crate::media::{resample, wav};

#[derive(clap::Args, Debug)]
pub struct Args {
    /// WAV files of any rate, number of channels and sample format.
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Recognise in this language; without it the language is recognised too.
    #[arg(long, value_name = "TAG")]
    pub language: Option<Lang>,
    /// One JSON object a file.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Serialize)]
struct Row<'a> {
    file: &'a Path,
    text: &'a str,
    language: Lang,
    language_confidence: f32,
    confidence: f32,
    audio_ms: u64,
    took_ms: u64,
    provider: &'a str,
}

#[derive(Debug, Serialize)]
struct Failure<'a> {
    file: &'a Path,
    error: &'a str,
}

/// Longer files are cut into pieces of this length, each at its quietest place near the end.
const PIECE: Duration = Duration::from_secs(240);
const CUT_WITHIN: Duration = Duration::from_secs(15);

pub async fn run(args: Args, settings: &Settings) -> anyhow::Result<ExitCode> {
    let local = Local::new(settings);
    let whisper = Whisper::start(&local.setup);
    let outcome = all(&args, &local, &whisper).await;
    local.stop().await;
    outcome
}

async fn all(args: &Args, local: &Local, whisper: &Whisper) -> anyhow::Result<ExitCode> {
    whisper.ready(ENGINE_READY_WITHIN).await.context("failed to start speech recognition")?;
    let plan = &local.setup.plan.stt;
    // One more than the engine can work on: the next file is read while the others are heard.
    let at_once = plan.workers * plan.slots + 1;
    let mut answers = stream::iter(&args.files)
        .map(|file| async move { (file, one(file, args.language, whisper).await) })
        .buffered(at_once);
    let mut failed = false;
    while let Some((file, answer)) = answers.next().await {
        match answer {
            Ok(text) => print(args, file, &text)?,
            Err(error) => {
                failed = true;
                let error = format!("{error:#}");
                complain(&format!("{}: {error}", file.display()));
                if args.json {
                    json_line(&Failure { file, error: &error })?;
                }
            }
        }
    }
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn print(args: &Args, file: &Path, answer: &SttText) -> std::io::Result<()> {
    if args.json {
        return json_line(&Row {
            file,
            text: &answer.text,
            language: answer.language,
            language_confidence: answer.language_confidence,
            confidence: answer.confidence,
            audio_ms: ms(answer.audio),
            took_ms: ms(answer.took),
            provider: &answer.provider,
        });
    }
    if args.files.len() == 1 { line(&answer.text) } else { line(&format!("{}: {}", file.display(), answer.text)) }
}

async fn one(file: &Path, language: Option<Lang>, whisper: &Whisper) -> anyhow::Result<SttText> {
    let path = file.to_owned();
    let sound = tokio::task::spawn_blocking(move || read(&path)).await.context("failed to read the file")??;
    let mut hint = match language {
        Some(language) => LanguageHint::Fixed(language),
        None => LanguageHint::Open { among: Lang::ALL.to_vec() },
    };
    let mut whole: Option<SttText> = None;
    for piece in pieces(&sound) {
        let request =
            SttRequest { call: None, audio: Arc::from(piece), hint: hint.clone(), words: None, speculative: false };
        let next = whisper.transcribe(request).await?;
        whole = Some(match whole {
            Some(so_far) => joined(so_far, next),
            None => next,
        });
        // A long recording does not change its language in the middle.
        if let (Some(heard), None) = (&whole, language)
            && !heard.text.is_empty()
        {
            hint = LanguageHint::Fixed(heard.language);
        }
    }
    whole.context("the file holds no sound")
}

/// Two neighbouring pieces as one; confidence is weighed by the length of the text.
fn joined(a: SttText, b: SttText) -> SttText {
    if b.text.is_empty() {
        return SttText { audio: a.audio + b.audio, took: a.took + b.took, ..a };
    }
    if a.text.is_empty() {
        return SttText { audio: a.audio + b.audio, took: a.took + b.took, ..b };
    }
    let (of_a, of_b) = (a.text.chars().count() as f32, b.text.chars().count() as f32);
    SttText {
        text: format!("{} {}", a.text, b.text),
        confidence: (a.confidence * of_a + b.confidence * of_b) / (of_a + of_b),
        audio: a.audio + b.audio,
        took: a.took + b.took,
        ..a
    }
}

/// The file as recognition wants it: 16 kHz, one channel.
pub(super) fn read(file: &Path) -> anyhow::Result<Vec<i16>> {
    let metadata = std::fs::metadata(file).context("failed to open the file")?;
    if metadata.is_dir() {
        bail!("this is a folder; name the WAV files in it");
    }
    if metadata.len() > SOUND_FILE_MAX {
        bail!("the file has {} MB, at most {} MB are read", metadata.len() >> 20, SOUND_FILE_MAX >> 20);
    }
    let bytes = std::fs::read(file).context("failed to read the file")?;
    let (rate, pcm) = wav::read(&bytes).context("failed to read the file as WAV")?;
    if pcm.is_empty() {
        bail!("the file holds no sound");
    }
    if !resample::RATES.contains(&rate) {
        bail!("{rate} samples a second are outside {} to {}", resample::RATES.start(), resample::RATES.end());
    }
    Ok(resample::convert(&pcm, rate, STT_RATE))
}

fn pieces(sound: &[i16]) -> Vec<&[i16]> {
    let samples = |d: Duration| d.as_millis() as usize * STT_RATE as usize / 1000;
    let (longest, within, frame) = (samples(PIECE), samples(CUT_WITHIN), STT_RATE as usize / 10);
    let mut pieces = Vec::new();
    let mut rest = sound;
    while rest.len() > longest {
        let near_end = &rest[longest - within..longest];
        let loudness = |frame: &[i16]| frame.iter().map(|s| u64::from(s.unsigned_abs())).sum::<u64>();
        let quietest = near_end.chunks_exact(frame).enumerate().min_by_key(|(_, f)| loudness(f)).map_or(0, |(i, _)| i);
        let (piece, next) = rest.split_at(longest - within + quietest * frame + frame / 2);
        pieces.push(piece);
        rest = next;
    }
    pieces.push(rest);
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_recordings_are_cut_where_it_is_quiet_and_nothing_is_lost() {
        let second = STT_RATE as usize;
        let mut sound = vec![900_i16; second * 600];
        sound[second * 230..second * 231].fill(0);
        let cut = pieces(&sound);
        assert_eq!(cut.iter().map(|p| p.len()).sum::<usize>(), sound.len());
        assert_eq!(cut.len(), 3);
        let first = cut[0].len();
        assert!((second * 230..second * 231).contains(&first), "cut at sample {first}");
        assert_eq!(pieces(&sound[..second]).len(), 1);
    }

    #[test]
    fn files_that_are_no_sound_are_told_apart() {
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str, bytes: &[u8]| {
            let path = dir.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            format!("{:#}", read(&path).unwrap_err())
        };
        assert!(file("text.wav", b"hello").contains("as WAV"));
        assert!(file("empty.wav", &wav::write(8_000, &[])).contains("no sound"));
        assert!(file("slow.wav", &wav::write(500, &[1, 2, 3])).contains("500 samples a second"));
        assert!(format!("{:#}", read(&dir.path().join("none.wav")).unwrap_err()).contains("open"));
        assert!(format!("{:#}", read(dir.path()).unwrap_err()).contains("folder"));
    }

    #[test]
    fn any_rate_becomes_16_khz() {
        let dir = tempfile::tempdir().unwrap();
        for rate in [8_000, 11_025, 22_050, 44_100, 48_000] {
            let path = dir.path().join("a.wav");
            std::fs::write(&path, wav::write(rate, &vec![100; rate as usize / 2])).unwrap();
            let samples = read(&path).unwrap().len();
            assert!((7_990..=8_010).contains(&samples), "{rate}: {samples}");
        }
    }
}
