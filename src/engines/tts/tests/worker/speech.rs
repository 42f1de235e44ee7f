//! What the worker says.

use crate::daemon::{LINES, Said, Worker, ask, settings};

/// Speech: of a length that fits the text, loud enough, not clipped, silence trimmed.
fn assert_speech(said: &Said, text: &str, rate: u32, name: &str) {
    let seconds = said.samples.len() as f32 / rate as f32;
    let characters = text.chars().count() as f32;
    assert!(
        (characters / 30.0..characters / 4.0).contains(&seconds),
        "{name}: {seconds} s for {characters} characters"
    );
    assert!(said.longest_frame <= rate as usize / 5, "{name}: frames of at most 200 ms");
    let energy: f64 = said.samples.iter().map(|s| f64::from(*s).powi(2)).sum();
    let rms = (energy / said.samples.len() as f64).sqrt();
    assert!((300.0..12_000.0).contains(&rms), "{name}: level {rms}");
    let full = said.samples.iter().filter(|s| s.unsigned_abs() >= 32_767).count();
    assert_eq!(full, 0, "{name}: clipped");
    let silence = |samples: &mut dyn Iterator<Item = &i16>| samples.take_while(|s| s.unsigned_abs() < 100).count();
    assert!(silence(&mut said.samples.iter()) < rate as usize / 20, "{name}: begins at once");
    assert!(silence(&mut said.samples.iter().rev()) < rate as usize / 20, "{name}: ends at once");
}

#[test]
fn all_languages_speak_through_piper_and_espeak_at_every_line_rate() {
    let mut worker = Worker::ready(&settings());
    for (language, text) in LINES {
        for voice in [None, Some("piper"), Some("espeak"), Some("espeak:hi+m3?rate=150&pitch=45")] {
            for rate in [8_000, 16_000, 48_000] {
                let name = format!("{language} {voice:?} {rate}");
                let said = worker.speak(ask(language, text, voice, rate)).unwrap_or_else(|e| panic!("{name}: {e:?}"));
                // One language's letters spelled by another's voice take their time.
                if voice.is_none_or(|v| !v.contains(':')) {
                    assert_speech(&said, text, rate, &name);
                }
                let expected = match voice {
                    None | Some("piper") => format!("starter-{language}"),
                    Some("espeak") => format!("espeak:{}", &language[..2]),
                    _ => "espeak:hi+m3".to_owned(),
                };
                assert_eq!(said.spoken.voice, expected);
                assert!(said.spoken.first_audio_us <= said.spoken.took_us);
            }
        }
    }
}

#[test]
fn the_same_sound_comes_at_every_rate() {
    // espeak-ng, because the starter voice draws its noise anew each time.
    let mut worker = Worker::ready(&settings());
    for (language, text) in [LINES[1], LINES[4]] {
        let mut seconds = |rate: u32| {
            let said = worker.speak(ask(language, text, Some("espeak"), rate)).unwrap();
            said.samples.len() as f64 / f64::from(rate)
        };
        let lengths: Vec<f64> = [8_000, 11_025, 16_000, 22_050, 24_000, 44_100, 48_000].map(&mut seconds).to_vec();
        for length in &lengths {
            assert!((length - lengths[0]).abs() < 0.03, "{lengths:?}");
        }
    }
}

#[test]
fn pace_rate_and_variant_change_the_sound() {
    let mut worker = Worker::ready(&settings());
    let (language, text) = LINES[1];
    let mut length = |voice: &str, pace: f32| {
        let said = worker.speak(vaani_engine_protocol::Speak { pace, ..ask(language, text, Some(voice), 8_000) });
        said.unwrap().samples.len() as f32
    };
    for voice in ["piper", "espeak"] {
        let (slow, usual, fast) = (length(voice, 0.7), length(voice, 1.0), length(voice, 1.4));
        assert!(slow > usual * 1.2 && usual > fast * 1.2, "{voice}: {slow} {usual} {fast}");
        // A pace that makes no sense is the usual one.
        for odd in [0.0, -1.0] {
            let difference = (length(voice, odd) - usual).abs();
            assert!(difference < usual * 0.02, "{voice} {odd}");
        }
    }
    assert!(length("espeak?rate=100", 1.0) > length("espeak?rate=250", 1.0) * 1.5);
    let mut sound = |voice: &str| worker.speak(ask(language, text, Some(voice), 8_000)).unwrap().samples;
    assert_ne!(sound("espeak:hi"), sound("espeak:hi+f2"));
    assert_ne!(sound("espeak:hi+m3?pitch=20"), sound("espeak:hi+m3?pitch=70"));
}

/// What a voice said before leaves no trace in the next one's pace, pitch and level. (Not bit by
/// bit: espeak-ng's flutter runs on.)
#[test]
fn espeak_says_the_same_after_other_voices_spoke() {
    let mut worker = Worker::ready(&settings());
    let plain = |worker: &mut Worker| {
        let samples = worker.speak(ask("ta-IN", LINES[2].1, Some("espeak"), 8_000)).unwrap().samples;
        let crossings = samples.windows(2).filter(|w| (w[0] < 0) != (w[1] < 0)).count() as f64;
        let energy: f64 = samples.iter().map(|s| f64::from(*s).powi(2)).sum();
        [samples.len() as f64, crossings, (energy / samples.len() as f64).sqrt()]
    };
    let before = plain(&mut worker);
    for voice in ["espeak:hi+f3?rate=300&pitch=90&range=0&volume=150", "piper", "espeak:en+whisper"] {
        worker.speak(ask("en-IN", "Something else entirely.", Some(voice), 16_000)).unwrap();
    }
    let after = plain(&mut worker);
    for (one, other) in before.iter().zip(&after) {
        assert!((one / other - 1.0).abs() < 0.05, "{before:?} {after:?}");
    }
}

#[test]
fn pauses_stand_between_clauses() {
    let mut worker = Worker::ready(&settings());
    for voice in ["piper", "espeak"] {
        let mut longest_pause = |text: &str| {
            let samples = worker.speak(ask("en-IN", text, Some(voice), 8_000)).unwrap().samples;
            let (mut longest, mut run) = (0, 0);
            for sample in samples {
                run = if sample.unsigned_abs() < 40 { run + 1 } else { 0 };
                longest = longest.max(run);
            }
            longest
        };
        let (comma, stop) = (longest_pause("good morning, sir"), longest_pause("good morning. sir"));
        assert!((800..2_000).contains(&comma) && stop > comma + 800, "{voice}: {comma} {stop}");
    }
}

#[test]
fn odd_texts_are_survived() {
    let mut worker = Worker::ready(&settings());
    let silent = ["", " ", "।", ",.;:!?…", "\n\n\n", "<break/>", "😀😀", "\0\u{1}\u{7f}", "\u{200d}\u{200c}", "___***"];
    let spoken = [
        "<speak version='1.0'><voice name='x'>hello</voice></speak>",
        "[[h@l'oU]] hello",
        "日本語 العربية русский ไทย",
        "मेरा order नंबर 4500 है, தமிழ் और తెలుగు।",
        "e\u{301}\u{301}\u{301}\u{301}a \u{202e}desrever",
        "क्\u{200d}ष क् क़ ॐ",
        "1234567890123456789012345678901234567890",
        "a.b.c.d.e.f",
        "%s %n %d {} \\x00",
    ];
    for voice in ["piper", "espeak"] {
        for text in silent {
            for language in ["hi-IN", "en-IN"] {
                let said = worker.speak(ask(language, text, Some(voice), 8_000)).unwrap();
                assert_eq!((said.samples.len(), said.spoken.samples), (0, 0), "{text:?} {voice}");
            }
        }
        for (language, _) in LINES {
            for text in spoken {
                worker
                    .speak(ask(language, text, Some(voice), 8_000))
                    .unwrap_or_else(|e| panic!("{text:?} {language} {voice}: {e:?}"));
            }
        }
    }
    let long: [String; 3] = ["आप कैसे हैं ".repeat(834), "x".repeat(10_000), "नमस्ते, ".repeat(1_250)];
    for text in long {
        let said = worker.speak(ask("hi-IN", &text[..], Some("espeak"), 8_000)).unwrap();
        assert!(said.samples.len() > 8_000 * 60, "{}", said.samples.len());
    }
}

/// Printed, not asserted: `cargo test … -- --ignored --nocapture speed`.
#[test]
#[ignore = "a benchmark: real-time factors and the time to the first sound"]
fn speed() {
    let mut worker = Worker::ready(&settings());
    for voice in ["piper", "espeak"] {
        let (mut first, mut took, mut seconds, mut count) = (0, 0, 0.0, 0);
        for (language, text) in LINES.iter().cycle().take(55) {
            let said = worker.speak(ask(language, text, Some(voice), 8_000)).unwrap();
            first += said.spoken.first_audio_us;
            took += said.spoken.took_us;
            seconds += said.samples.len() as f64 / 8_000.0;
            count += 1;
        }
        println!(
            "{voice}: RTF {:.4}, first sound after {:.1} ms",
            took as f64 / 1e6 / seconds,
            first as f64 / 1e3 / f64::from(count)
        );
    }
}
