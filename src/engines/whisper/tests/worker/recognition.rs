//! What the worker hears, on the starter model.

use vaani_engine_protocol::Tell;

use crate::daemon::{Clip, Worker, among, distance, eval_clips, starter_model};

/// 44 clips: mean CER in percent and how many languages were right.
fn score(worker: &mut Worker, clips: &[Clip], with_language: bool, plain: bool) -> (f64, usize, f64) {
    let (mut errors, mut characters, mut right, mut us, mut audio) = (0, 0, 0, 0, 0);
    for clip in clips {
        let mut ask = among(with_language.then_some(clip.language.as_str()), &[]);
        ask.plain = plain;
        let got = worker.transcribe(ask, &clip.samples).unwrap();
        errors += distance(&clip.text, &got.text);
        characters += clip.text.chars().count();
        right += usize::from(got.language == clip.language);
        us += got.took_us;
        audio += clip.samples.len() as u64;
        assert!((0.0..=1.0).contains(&got.confidence) && (0.0..=1.0).contains(&got.language_confidence));
    }
    let seconds = audio as f64 / 16_000.0;
    (100.0 * errors as f64 / characters as f64, right, us as f64 / 1e6 / seconds)
}

#[test]
fn the_eval_clips_are_heard_as_the_model_card_says() {
    let clips = eval_clips();
    assert_eq!(clips.len(), 44);
    let (mut worker, ready) = Worker::starter(1);
    assert_eq!(ready.engine, "whisper");
    assert_eq!(ready.languages.len(), 11, "{:?}", ready.languages);

    let (given, _, rtf_given) = score(&mut worker, &clips, true, false);
    let (detected, right, rtf_detected) = score(&mut worker, &clips, false, false);
    println!("language given: CER {given:.2} %, RTF {rtf_given:.3}");
    println!("language detected: CER {detected:.2} %, {right} of 44 languages right, RTF {rtf_detected:.3}");
    assert!(given <= 6.0 && detected <= 6.0);
    assert!(right >= 42);
}

/// Printed, not asserted: `cargo test … -- --ignored --nocapture plain`.
#[test]
#[ignore = "a benchmark: ours against plain whisper.cpp"]
fn plain_whisper_on_the_same_clips() {
    let clips = eval_clips();
    let (mut worker, _) = Worker::starter(1);
    for (name, with_language) in [("given", true), ("detected", false)] {
        let (cer, right, rtf) = score(&mut worker, &clips, with_language, false);
        let (plain_cer, plain_right, plain_rtf) = score(&mut worker, &clips, with_language, true);
        println!(
            "language {name}: ours {cer:.2} % {right}/44 RTF {rtf:.4}; plain {plain_cer:.2} % {plain_right}/44 RTF {plain_rtf:.4}; ratio {:.3}",
            rtf / plain_rtf
        );
    }
}

#[test]
fn an_expected_language_is_kept_or_clearly_overruled() {
    let clips = eval_clips();
    let (mut worker, _) = Worker::starter(1);
    let hindi = clips.iter().find(|c| c.language == "hi-IN").unwrap();
    let all = ["en-IN", "hi-IN", "ta-IN", "bn-IN"];
    let kept = worker.transcribe(among(Some("hi-IN"), &all), &hindi.samples).unwrap();
    assert_eq!(kept.language, "hi-IN");
    assert!(kept.language_confidence > 0.5);
    let overruled = worker.transcribe(among(Some("ta-IN"), &all), &hindi.samples).unwrap();
    assert_eq!((overruled.language.as_str(), &overruled.text), ("hi-IN", &kept.text));
    // Fixed means fixed, whatever it sounds like.
    let fixed = worker.transcribe(among(Some("ta-IN"), &[]), &hindi.samples).unwrap();
    assert_eq!((fixed.language.as_str(), fixed.language_confidence), ("ta-IN", 1.0));
    // Detection stays within what was asked.
    let restricted = worker.transcribe(among(None, &["ta-IN", "te-IN"]), &hindi.samples).unwrap();
    assert!(["ta-IN", "te-IN"].contains(&restricted.language.as_str()));
}

#[test]
fn silence_noise_and_crumbs_give_no_text() {
    let (mut worker, _) = Worker::starter(1);
    let mut seed = 12_345_u32;
    let mut noise = |length: usize, level: f32| -> Vec<i16> {
        let mut last = 0.0;
        (0..length)
            .map(|_| {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let white = (seed >> 8) as f32 / 8_388_608.0 - 1.0;
                last = 0.7 * last + 0.3 * white;
                (last * level) as i16
            })
            .collect()
    };
    let hum: Vec<i16> = (0..48_000).map(|i| ((i as f32 * 50.0 * 0.000_392_7).sin() * 900.0) as i16).collect();
    let cases = [
        ("nothing", vec![]),
        ("one sample", vec![20_000]),
        ("99 ms", vec![9_000; 1_584]),
        ("silence", vec![0; 48_000]),
        ("half a minute of silence", vec![0; 480_000]),
        ("line noise", noise(48_000, 120.0)),
        ("loud noise", noise(48_000, 3_000.0)),
        ("long noise", noise(320_000, 600.0)),
        ("hum", hum),
    ];
    for (name, samples) in cases {
        for language in [None, Some("hi-IN")] {
            let got = worker.transcribe(among(language, &[]), &samples).unwrap();
            assert_eq!((got.text.as_str(), got.confidence), ("", 0.0), "{name} {language:?}");
        }
    }
}

/// With flash attention, whisper.cpp pads the context without a mask; a context that is a multiple
/// of 256 is what keeps one caller's audio out of the next caller's text.
#[test]
fn an_utterance_is_read_the_same_after_a_long_one_on_the_same_state() {
    let clips = eval_clips();
    let settings = serde_json::json!({"model": starter_model(), "audio_ctx_max": 1280});
    let mut worker = Worker::spawn(&settings.to_string());
    assert!(matches!(worker.hear().message, Tell::Ready(_)));
    let long: Vec<i16> = clips.iter().take(9).flat_map(|c| c.samples.iter().copied()).collect();
    assert!(long.len() > 300_000 && long.len() < 400_000, "one piece of more than 18 s: {}", long.len());
    let short: Vec<&Clip> = clips.iter().step_by(4).collect();
    let read = |worker: &mut Worker| -> Vec<_> {
        let mut all = Vec::new();
        for clip in &short {
            let got = worker.transcribe(among(None, &[]), &clip.samples).unwrap();
            all.push((got.text, got.language, got.confidence.to_bits(), got.language_confidence.to_bits()));
        }
        all
    };
    let before = read(&mut worker);
    worker.transcribe(among(Some("en-IN"), &[]), &long).unwrap();
    assert_eq!(before, read(&mut worker));
}

#[test]
fn clips_longer_than_the_context_are_cut_and_heard_to_the_end() {
    let clips = eval_clips();
    let (mut worker, _) = Worker::starter(1);
    let hindi: Vec<&Clip> = clips.iter().filter(|c| c.language == "hi-IN").collect();
    let (mut samples, mut text) = (Vec::new(), Vec::new());
    while samples.len() < 16_000 * 70 {
        for clip in &hindi {
            samples.extend_from_slice(&clip.samples);
            samples.extend([0; 3_200]);
            text.push(clip.text.clone());
        }
    }
    let text = text.join(" ");
    let got = worker.transcribe(among(None, &["hi-IN", "en-IN", "ta-IN"]), &samples).unwrap();
    assert_eq!(got.language, "hi-IN");
    let cer = 100.0 * distance(&text, &got.text) as f64 / text.chars().count() as f64;
    println!("{} s: CER {cer:.1} %", samples.len() / 16_000);
    assert!(cer < 10.0, "{cer:.1} %");
}
