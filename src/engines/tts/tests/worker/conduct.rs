//! How the worker behaves towards the daemon.

use serde_json::{Value, json};
use vaani_engine_protocol::{Ask, Tell, Why};

use crate::daemon::{LINES, Worker, ask, library, runtime, settings, voice};

#[test]
fn it_says_what_it_serves() {
    let mut worker = Worker::spawn(&settings().to_string());
    let Tell::Ready(ready) = worker.hear().message else { panic!("not ready") };
    println!("loaded in {} ms", ready.load_ms);
    assert_eq!((ready.engine.as_str(), ready.languages.len(), ready.slots), ("tts", 11, 1));
    assert!(ready.models.contains(&"starter-hi-IN".to_owned()) && ready.models.contains(&"espeak".to_owned()));
    assert!(ready.version.contains("1.52"), "{}", ready.version);
}

#[test]
fn espeak_alone_needs_neither_voices_nor_their_library() {
    let mut worker = Worker::ready(&json!({"espeak_data": runtime().join("espeak-ng-data")}));
    for (language, text) in LINES {
        assert_eq!(
            worker.speak(ask(language, text, None, 8_000)).unwrap().spoken.voice,
            format!("espeak:{}", &language[..2])
        );
    }
    let none = worker.speak(ask("hi-IN", "नमस्ते", Some("piper"), 8_000)).err();
    assert!(matches!(none, Some(Tell::Failed { why: Why::Refused, .. })), "{none:?}");
}

#[test]
fn defaults_choose_the_voice_of_a_language() {
    let mut settings = settings();
    settings["defaults"] = json!({"hi-IN": "espeak:hi+f2?rate=170", "ta-IN": "starter-te-IN"});
    let mut worker = Worker::ready(&settings);
    for (language, expected) in [("hi-IN", "espeak:hi+f2"), ("ta-IN", "starter-te-IN"), ("kn-IN", "starter-kn-IN")] {
        assert_eq!(worker.speak(ask(language, "hello", None, 8_000)).unwrap().spoken.voice, expected);
    }
}

fn long_text() -> String {
    "नमस्ते, आपकी मुलाकात पक्की है। ".repeat(250)
}

#[test]
fn a_ping_is_answered_while_it_speaks() {
    let mut worker = Worker::ready(&settings());
    worker.send(1, &Ask::Speak(ask("hi-IN", &long_text(), Some("piper"), 48_000)));
    worker.send(2, &Ask::Ping);
    loop {
        let frame = worker.hear();
        match frame.message {
            Tell::Pong => return assert_eq!(frame.request, 2),
            Tell::Audio => {}
            other => panic!("the answer came after the end: {other:?}"),
        }
    }
}

#[test]
fn running_and_waiting_requests_are_cancelled() {
    let mut worker = Worker::ready(&settings());
    for voice in ["piper", "espeak"] {
        for request in 1..=3 {
            worker.send(request, &Ask::Speak(ask("hi-IN", &long_text(), Some(voice), 8_000)));
        }
        while worker.hear().message != Tell::Audio {}
        for request in [3, 2, 1, 77] {
            worker.send(request, &Ask::Cancel);
        }
        let (mut ended, mut later) = (Vec::new(), 0);
        while ended.len() < 3 {
            let frame = worker.hear();
            match frame.message {
                Tell::Audio => later += frame.samples.len(),
                Tell::Failed { why: Why::Cancelled, .. } => ended.push(frame.request),
                other => panic!("{other:?}"),
            }
        }
        ended.sort_unstable();
        assert_eq!(ended, [1, 2, 3]);
        // The whole text would be some ten minutes; what the socket held already may still come.
        println!("{voice}: {} ms of sound after the cancel", later / 8);
        assert!(later < 8_000 * 300, "{later}");
    }
    assert!(worker.speak(ask("hi-IN", "नमस्ते", None, 8_000)).is_ok());
}

#[test]
fn slots_speak_side_by_side() {
    let mut settings = settings();
    settings["slots"] = json!(3);
    settings["copies"] = json!(2);
    let mut worker = Worker::ready(&settings);
    let mut open = 0;
    for (number, (language, text)) in LINES.iter().cycle().take(44).enumerate() {
        let voice = if number % 2 == 0 { "piper" } else { "espeak" };
        worker.send(number as u64, &Ask::Speak(ask(language, text, Some(voice), 8_000)));
        open += 1;
    }
    let mut samples = vec![0; 44];
    while open > 0 {
        let frame = worker.hear();
        match frame.message {
            Tell::Audio => samples[frame.request as usize] += frame.samples.len() as u64,
            Tell::Spoken(spoken) => {
                assert_eq!(spoken.samples, samples[frame.request as usize]);
                open -= 1;
            }
            other => panic!("{other:?}"),
        }
    }
    for number in 22..44 {
        let (first, second) = (samples[number - 22] as f64, samples[number] as f64);
        assert!((first / second - 1.0).abs() < 0.02, "the same line takes as long: {first} {second}");
    }
}

#[test]
fn requests_that_make_no_sense_are_refused() {
    let mut worker = Worker::ready(&settings());
    let cases = [
        ask("fr-FR", "bonjour", None, 8_000),
        ask("", "hello", None, 8_000),
        ask("hi-IN", "नमस्ते", Some("nobody"), 8_000),
        ask("hi-IN", "नमस्ते", Some("espeak:klingon-x"), 8_000),
        ask("hi-IN", "नमस्ते", Some("espeak:hi+nobody"), 8_000),
        ask("hi-IN", "नमस्ते", Some("espeak:../../x"), 8_000),
        ask("hi-IN", "नमस्ते", None, 0),
        ask("hi-IN", "नमस्ते", None, 8_001),
        ask("hi-IN", &"x".repeat(100_000), None, 8_000),
    ];
    for case in cases {
        let refused = worker.speak(case.clone()).err();
        let Some(Tell::Failed { why: Why::Refused, detail }) = refused else { panic!("{case:?}: {refused:?}") };
        assert!(!detail.contains("नमस्ते"), "no text of a call in an error");
    }
    // A pace that is no number does not survive JSON; the conversation does.
    let odd = vaani_engine_protocol::Speak { pace: f32::NAN, ..ask("hi-IN", "नमस्ते", None, 8_000) };
    assert!(matches!(worker.speak(odd).err(), Some(Tell::Failed { why: Why::Refused, .. })));
    worker.send(5, &Ask::Forget { conversation: 1 });
    assert!(matches!(worker.hear().message, Tell::Failed { why: Why::Refused, .. }));
}

#[test]
fn wrong_settings_are_told_before_the_worker_ends() {
    let scratch = std::env::temp_dir().join(format!("vaani-tts-settings-{}", std::process::id()));
    std::fs::create_dir_all(&scratch).unwrap();
    let file = |name: &str, text: &str| {
        std::fs::write(scratch.join(name), text).unwrap();
        scratch.join(name)
    };
    let with = |key: &str, value: Value| {
        let mut settings = settings();
        settings[key] = value;
        settings.to_string()
    };
    let with_voice = |key: &str, value: Value| {
        let mut voice = voice("hi-IN");
        voice[key] = value;
        with("voices", json!([voice]))
    };
    let cases = [
        ("{".to_owned(), "settings"),
        ("{}".to_owned(), "espeak_data"),
        (with("espeak_data", json!("/nowhere")), "/nowhere"),
        (with("onnxruntime", json!("/nowhere/libonnxruntime.so")), "/nowhere/libonnxruntime.so"),
        (with("onnxruntime", json!("libonnxruntime.so")), "libonnxruntime.so"),
        (with("onnxruntime", json!(runtime())), "cannot be used"),
        (with("onnxruntime", json!(file("text.so", "not a library"))), "text.so"),
        (with("onnxruntime", json!("/lib/x86_64-linux-gnu/libc.so.6")), "libc.so.6"),
        (with("onnxruntime", Value::Null), "onnxruntime"),
        (with("slots", json!(0)), "slots"),
        (with("defaults", json!({"hi-IN": "nobody"})), "nobody"),
        (with("defaults", json!({"xx": "espeak"})), "xx"),
        (with("voices", json!([voice("hi-IN"), voice("hi-IN")])), "starter-hi-IN"),
        (with_voice("language", json!("xx-YY")), "xx-YY"),
        (with_voice("id", json!("espeak")), "espeak"),
    ];
    for (settings, hint) in cases {
        let mut worker = Worker::spawn(&settings);
        let first = worker.hear();
        let Tell::Failed { detail, .. } = first.message else { panic!("{hint}: {:?}", first.message) };
        assert!(first.request == 0 && detail.contains(hint), "{hint}: {detail}");
        assert!(!worker.child.wait().unwrap().success(), "{hint}");
    }
    std::fs::remove_dir_all(scratch).unwrap();
    assert!(library().is_file());
}

#[test]
fn a_voice_whose_files_are_no_use_is_left_out_and_its_language_still_speaks() {
    let scratch = std::env::temp_dir().join(format!("vaani-tts-voices-{}", std::process::id()));
    std::fs::create_dir_all(&scratch).unwrap();
    let file = |name: &str, text: &str| {
        std::fs::write(scratch.join(name), text).unwrap();
        scratch.join(name)
    };
    let config = std::fs::read_to_string(voice("hi-IN")["config"].as_str().unwrap()).unwrap();
    let cases = [
        ("onnx", json!("/nowhere/voice.onnx")),
        ("onnx", json!(file("voice.onnx", "not a network"))),
        ("config", json!("/nowhere/voice.json")),
        ("config", json!(file("no.json", "[1, 2"))),
        ("config", json!(file("list.json", "[1, 2]"))),
        ("config", json!(file("other.json", "{\"audio\": {}}"))),
        ("config", json!(file("fast.json", &config.replace("16000", "1600000")))),
        ("config", json!(file("klingon.json", &config.replace("\"voice\": \"hi\"", "\"voice\": \"klingon\"")))),
    ];
    let mut settings = settings();
    let mut voices = vec![voice("ta-IN")];
    for (number, (key, value)) in cases.iter().enumerate() {
        let mut broken = voice("hi-IN");
        broken[*key] = value.clone();
        broken["id"] = json!(format!("broken-{number}"));
        voices.push(broken);
    }
    settings["voices"] = json!(voices);
    settings["defaults"] = json!({"hi-IN": "broken-0"});
    let mut worker = Worker::spawn(&settings.to_string());
    let Tell::Ready(ready) = worker.hear().message else { panic!("not ready") };
    assert_eq!(ready.models, ["starter-ta-IN", "espeak"]);
    for name in [None, Some("broken-0"), Some("broken-5"), Some("espeak")] {
        assert_eq!(worker.speak(ask("hi-IN", "नमस्ते", name, 8_000)).unwrap().spoken.voice, "espeak:hi", "{name:?}");
    }
    std::fs::remove_dir_all(scratch).unwrap();
}

/// Voices from elsewhere: fields left out, sounds of several characters.
#[test]
fn configurations_of_older_and_newer_piper_voices_are_taken() {
    let scratch = std::env::temp_dir().join(format!("vaani-tts-configs-{}", std::process::id()));
    std::fs::create_dir_all(&scratch).unwrap();
    let mut config: Value =
        serde_json::from_str(&std::fs::read_to_string(voice("hi-IN")["config"].as_str().unwrap()).unwrap()).unwrap();
    let fields = config.as_object_mut().unwrap();
    for gone in ["num_speakers", "speaker_id_map", "inference", "language", "dataset"] {
        fields.remove(gone);
    }
    fields["phoneme_id_map"].as_object_mut().unwrap().insert("tʃʰ".to_owned(), json!([20]));
    std::fs::write(scratch.join("other.json"), config.to_string()).unwrap();
    let mut settings = settings();
    let mut other = voice("hi-IN");
    other["config"] = json!(scratch.join("other.json"));
    settings["voices"] = json!([other]);
    let mut worker = Worker::ready(&settings);
    let said = worker.speak(ask("hi-IN", LINES[1].1, Some("piper"), 16_000)).unwrap();
    assert!(said.samples.len() > 16_000);
    std::fs::remove_dir_all(scratch).unwrap();
}

#[test]
fn the_worker_ends_with_the_socket_even_at_work() {
    let mut worker = Worker::ready(&settings());
    worker.send(1, &Ask::Speak(ask("hi-IN", &long_text(), Some("piper"), 8_000)));
    worker.stream.shutdown(std::net::Shutdown::Both).unwrap();
    worker.child.wait().unwrap();
}
