//! How the worker behaves towards the daemon.

use std::io::{Read, Write};

use crate::daemon::{Worker, among, eval_clips, starter_model};
use vaani_engine_protocol::{Ask, Tell, Transcribe, VERSION, Why, encode};

/// Some seconds of work for one thread.
fn heavy() -> (Transcribe, Vec<i16>) {
    let speech: Vec<i16> = eval_clips().into_iter().flat_map(|c| c.samples).collect();
    (Transcribe { plain: true, ..among(Some("en-IN"), &[]) }, speech)
}

#[test]
fn a_ping_is_answered_while_every_slot_works() {
    let (mut worker, _) = Worker::starter(1);
    let (ask, speech) = heavy();
    worker.send(1, &Ask::Transcribe(ask.clone()), &speech);
    worker.send(2, &Ask::Transcribe(ask), &speech);
    for _ in 0..3 {
        worker.send(9, &Ask::Ping, &[]);
        let pong = worker.hear();
        assert_eq!((pong.request, pong.message), (9, Tell::Pong));
    }
}

#[test]
fn running_and_waiting_requests_are_cancelled() {
    let (mut worker, _) = Worker::starter(1);
    let (ask, speech) = heavy();
    for request in 1..=3 {
        worker.send(request, &Ask::Transcribe(ask.clone()), &speech);
    }
    for request in [3, 2, 1, 77] {
        worker.send(request, &Ask::Cancel, &[]);
    }
    let mut ended = Vec::new();
    for _ in 0..3 {
        let frame = worker.hear();
        assert!(matches!(frame.message, Tell::Failed { why: Why::Cancelled, .. }), "{:?}", frame.message);
        ended.push(frame.request);
    }
    assert_eq!(ended, [3, 2, 1]);
    // The state is fit for the next caller.
    let clip = &eval_clips()[4];
    let got = worker.transcribe(among(Some(&clip.language), &[]), &clip.samples).unwrap();
    assert!(!got.text.is_empty());
}

#[test]
fn a_full_queue_and_a_number_used_twice_are_refused() {
    let (mut worker, _) = Worker::starter(1);
    let (ask, speech) = heavy();
    worker.send(1, &Ask::Transcribe(ask.clone()), &speech);
    worker.send(1, &Ask::Transcribe(ask.clone()), &[]);
    let twice = worker.hear();
    assert!(matches!(twice.message, Tell::Failed { why: Why::Refused, .. }), "{:?}", twice.message);
    for request in 2..100 {
        worker.send(request, &Ask::Transcribe(ask.clone()), &[0; 160]);
    }
    let full = worker.hear();
    assert!(matches!(full.message, Tell::Failed { why: Why::Overloaded, .. }), "{:?}", full.message);
}

#[test]
fn slots_work_side_by_side_and_keep_their_answers_apart() {
    let (mut worker, ready) = Worker::starter(3);
    assert_eq!(ready.slots, 3);
    let clips = eval_clips();
    let mut alone = Vec::new();
    for clip in &clips[..12] {
        alone.push(worker.transcribe(among(Some(&clip.language), &[]), &clip.samples).unwrap().text);
    }
    for (number, clip) in clips[..12].iter().enumerate() {
        worker.send(100 + number as u64, &Ask::Transcribe(among(Some(&clip.language), &[])), &clip.samples);
    }
    for _ in 0..12 {
        let frame = worker.hear();
        let Tell::Transcript(got) = frame.message else { panic!("{:?}", frame.message) };
        assert_eq!(got.text, alone[frame.request as usize - 100]);
    }
}

#[test]
fn requests_that_make_no_sense_are_refused() {
    let (mut worker, _) = Worker::starter(1);
    for tag in ["fr-FR", "", "hi", "hi-IN\0", "xx"] {
        let refused = worker.transcribe(among(Some(tag), &[]), &[100; 16_000]).unwrap_err();
        assert!(matches!(refused, Tell::Failed { why: Why::Refused, .. }), "{tag:?} {refused:?}");
    }
    // Unknown candidates are not candidates.
    let got = worker.transcribe(among(None, &["fr-FR", "ta-IN"]), &[0; 16_000]).unwrap();
    assert_eq!(got.language, "ta-IN");
    worker.send(5, &Ask::Forget { conversation: 1 }, &[]);
    assert!(matches!(worker.hear().message, Tell::Failed { why: Why::Refused, .. }));
}

#[test]
fn wrong_settings_are_told_before_the_worker_ends() {
    let model = starter_model();
    let text = std::env::temp_dir().join(format!("vaani-not-a-model-{}", std::process::id()));
    std::fs::write(&text, "this is not a model").unwrap();
    let cut = std::env::temp_dir().join(format!("vaani-cut-model-{}", std::process::id()));
    std::fs::write(&cut, &std::fs::read(&model).unwrap()[..4_000_000]).unwrap();
    let cases = [
        ("".to_owned(), "settings"),
        ("{".to_owned(), "settings"),
        ("{}".to_owned(), "model"),
        (serde_json::json!({"model": "/nowhere/ggml.bin"}).to_string(), "/nowhere/ggml.bin"),
        (serde_json::json!({"model": text}).to_string(), "format"),
        (serde_json::json!({"model": cut}).to_string(), "cannot load"),
        (serde_json::json!({"model": model, "slots": 0}).to_string(), "slots"),
        (serde_json::json!({"model": model, "odia_token": "klingon"}).to_string(), "odia_token"),
        (serde_json::json!({"model": model, "modle": 1}).to_string(), "modle"),
    ];
    for (settings, hint) in cases {
        let mut worker = Worker::spawn(&settings);
        let first = worker.hear();
        let Tell::Failed { detail, .. } = first.message else { panic!("{settings}: {:?}", first.message) };
        assert!(first.request == 0 && detail.contains(hint), "{settings}: {detail}");
        assert!(!worker.child.wait().unwrap().success(), "{settings}");
    }
    std::fs::remove_file(text).unwrap();
    std::fs::remove_file(cut).unwrap();
}

#[test]
fn the_worker_ends_with_the_socket_even_at_work() {
    let (mut worker, _) = Worker::starter(1);
    let (ask, speech) = heavy();
    worker.send(1, &Ask::Transcribe(ask), &speech);
    worker.stream.shutdown(std::net::Shutdown::Both).unwrap();
    worker.child.wait().unwrap();
}

#[test]
fn a_frame_of_another_release_ends_the_worker() {
    let (mut worker, _) = Worker::starter(1);
    let mut bytes = encode(1, &Ask::Ping, &[]).unwrap();
    bytes[4] = VERSION + 1;
    worker.stream.write_all(&bytes).unwrap();
    worker.child.wait().unwrap();
    let mut rest = Vec::new();
    assert_eq!(worker.stream.read_to_end(&mut rest).unwrap(), 0);
}
