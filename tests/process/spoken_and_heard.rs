//! What the speech worker says over a telephone line, the recognition worker understands.

use std::collections::BTreeMap;

use serde_json::json;
use vaani::ai::score::character_errors;
use vaani::media::resample::convert;
use vaani_engine_protocol::{Ask, Speak, Tell, Transcribe};

use crate::worker::{Worker, models, runtime};

/// Sentences that neither model was trained on: language and text.
fn sentences() -> Vec<(String, String)> {
    let manifest = std::fs::read_to_string(models().join("stt/eval/manifest.jsonl")).unwrap();
    let rows = manifest.lines().map(|line| {
        let row: serde_json::Value = serde_json::from_str(line).unwrap();
        (row["language"].as_str().unwrap().to_owned(), row["text"].as_str().unwrap().to_owned())
    });
    rows.collect()
}

#[test]
fn every_language_is_understood_after_the_line_through_both_voices() {
    let sentences = sentences();
    let voices: Vec<_> = vaani::base::Lang::ALL
        .iter()
        .map(|lang| {
            let tts = models().join("tts");
            json!({
                "id": format!("starter-{lang}"),
                "onnx": tts.join("vaani-starter-voice.onnx"),
                "config": tts.join(format!("{lang}.onnx.json")),
                "language": lang,
            })
        })
        .collect();
    let library = runtime().join("libonnxruntime.so.1.31.1");
    let mut mouth =
        Worker::ready("vaani-engine-tts", &json!({"espeak_data": runtime(), "onnxruntime": library, "voices": voices}));
    let mut ear = Worker::ready("vaani-engine-whisper", &json!({"model": models().join("stt/vaani-starter-stt.bin")}));
    for voice in ["piper", "espeak"] {
        let mut score: BTreeMap<&str, (usize, usize, usize)> = BTreeMap::new();
        for (language, text) in &sentences {
            let speak = Speak {
                text: text.clone(),
                language: language.clone(),
                voice: Some(voice.to_owned()),
                pace: 1.0,
                rate: 8_000,
            };
            let (last, mut line) = mouth.ask(&Ask::Speak(speak), &[]);
            assert!(matches!(last, Tell::Spoken(_)), "{last:?}");
            // As a pause detector would hand it over.
            line.splice(0..0, [0; 1_600]);
            line.extend([0; 2_400]);
            let heard = convert(&line, 8_000, 16_000);
            let mut transcribe = |language: Option<&String>| {
                let ask = Transcribe { language: language.cloned(), among: Vec::new(), prompt: None, plain: false };
                match ear.ask(&Ask::Transcribe(ask), &heard).0 {
                    Tell::Transcript(transcript) => transcript,
                    other => panic!("{other:?}"),
                }
            };
            let (errors, characters) = character_errors(text, &transcribe(Some(language)).text);
            let row = score.entry(language).or_default();
            row.0 += errors;
            row.1 += characters;
            row.2 += usize::from(transcribe(None).language == *language);
        }
        let mut right = 0;
        for (language, (errors, characters, languages)) in &score {
            let cer = 100.0 * *errors as f64 / *characters as f64;
            println!("{voice} {language}: CER {cer:.1} %, {languages} of 4 languages right");
            assert!(cer < 10.0, "{voice} {language}: CER {cer:.1} %");
            right += languages;
        }
        assert_eq!(score.len(), 11);
        assert!(right >= 42, "{voice}: {right} of 44 languages right");
    }
}
