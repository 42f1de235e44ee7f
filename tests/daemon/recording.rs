//! Calls that are recorded, and those that are not: over the carrier's protocol, with real engines.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use reqwest::Method;
use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;
use tokio::time::sleep;
use vaani::base::event::{DeclinedBy, Event, StoppedBy};
use vaani::base::{CallId, Moment};
use vaani::telephony::far::{Caller, FarCall, Heard};

use crate::support::{Daemon, impatient_config, journal, question, until};

const ALLOWED: (&str, &str) = ("VAANI_RECORDING__ALLOWED", "true");

/// The shipped configuration, its helpdesk recording in this way.
fn config(mode: &str) -> TempDir {
    let config = impatient_config();
    let agent = config.path().join("agents/helpdesk.toml");
    let text = std::fs::read_to_string(&agent).unwrap();
    let recording = text.replace("mode = \"off\"", &format!("mode = \"{mode}\""));
    assert_ne!(recording, text, "the shipped agent records already");
    std::fs::write(agent, recording).unwrap();
    config
}

/// What came out of an earpiece.
#[derive(Clone, Default)]
struct Ear(Arc<Mutex<(Vec<i16>, Option<(Moment, u64)>)>>);

impl Ear {
    /// Listens on a call until it is over.
    fn of(call: FarCall) -> Self {
        let ear = Self::default();
        let listening = ear.clone();
        #[expect(clippy::disallowed_methods, reason = "ends with the call")]
        tokio::spawn(async move {
            let mut call = call;
            while let Some(heard) = call.hear().await {
                if let Heard::Frame(played) = heard {
                    let mut kept = listening.0.lock().unwrap();
                    let from = usize::try_from(played.at_ms).unwrap() * 8;
                    if kept.0.len() < from {
                        kept.0.resize(from, 0);
                    }
                    kept.0.extend(played.pcm);
                    kept.1.get_or_insert((played.at, played.at_ms));
                }
            }
        });
        ear
    }

    /// Everything, from the beginning of the stream.
    fn sound(&self) -> Vec<i16> {
        self.0.lock().unwrap().0.clone()
    }

    /// The stream's sample of a moment.
    fn sample(&self, at: Moment) -> usize {
        let (known, ms) = self.0.lock().unwrap().1.expect("something was heard");
        usize::try_from((at.as_millis() + ms - known.as_millis()) * 8).unwrap()
    }
}

fn tone() -> Vec<i16> {
    (0..3_200).map(|n| ((f64::from(n) * 0.6).sin() * 9_000.0) as i16).collect()
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(dir) else { return Vec::new() };
    entries
        .map(|entry| entry.unwrap().path())
        .flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] })
        .collect()
}

/// No file of sound, nowhere.
fn nothing_lies(state: &Path) {
    for dir in ["recordings", "objects"] {
        assert_eq!(files(&state.join(dir)), Vec::<PathBuf>::new());
    }
}

/// Is this sound, or a good piece of it, in any file in the open?
fn readable(state: &Path, pcm: &[i16]) -> bool {
    let loud = pcm.iter().position(|sample| sample.abs() > 2_000).unwrap_or(0);
    let needle: Vec<u8> = pcm[loud..].iter().take(24).flat_map(|sample| sample.to_le_bytes()).collect();
    files(state)
        .iter()
        .any(|file| std::fs::read(file).is_ok_and(|bytes| bytes.windows(needle.len()).any(|window| window == needle)))
}

/// Left and right of a WAV file.
fn sides(wav: &[u8]) -> (Vec<i16>, Vec<i16>) {
    let mut reader = hound::WavReader::new(wav).unwrap();
    let spec = reader.spec();
    assert_eq!((spec.channels, spec.sample_rate, spec.bits_per_sample), (2, 8_000, 16));
    let both: Vec<i16> = reader.samples().map(Result::unwrap).collect();
    (both.iter().step_by(2).copied().collect(), both.iter().skip(1).step_by(2).copied().collect())
}

/// Loudness in steps of 5 ms.
fn loudness(side: &[i16]) -> Vec<f64> {
    side.chunks(40).map(|step| (step.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>() / 40.0).sqrt()).collect()
}

/// By how many steps `part` lies behind the beginning of `whole`, and how alike they are there (1: the same).
fn lies(part: &[f64], whole: &[f64], steps: std::ops::Range<usize>) -> (usize, f64) {
    let alike = |by: usize| {
        let pairs = part.iter().zip(whole.iter().skip(by));
        let (mut ab, mut aa, mut bb) = (0.0, 0.0, 0.0);
        for (a, b) in pairs {
            ab += a * b;
            aa += a * a;
            bb += b * b;
        }
        ab / (aa * bb).sqrt().max(1.0)
    };
    steps.map(|by| (by, alike(by))).max_by(|a, b| a.1.total_cmp(&b.1)).unwrap()
}

async fn recording(daemon: &Daemon, call: CallId) -> (u16, Vec<u8>) {
    let answer = daemon.api().request(Method::GET, &format!("/api/calls/{call}/recording")).send().await.unwrap();
    (answer.status().as_u16(), answer.bytes().await.unwrap().to_vec())
}

async fn heard_whole(daemon: &Daemon, call: CallId) -> Vec<u8> {
    until("the recording has arrived", async || {
        let (status, bytes) = recording(daemon, call).await;
        (status == 200).then_some(bytes)
    })
    .await
}

const fn started(event: &Event) -> bool {
    matches!(event, Event::RecordingStarted { .. })
}

const fn declined(event: &Event) -> bool {
    matches!(event, Event::RecordingDeclined { .. })
}

/// A caller who has chosen Hindi: the call at the carrier and here, their mouth and their ear.
async fn lifted(daemon: &Daemon) -> (String, CallId, Caller, Ear) {
    let call = daemon.dial(daemon.call().digit('2')).await.unwrap();
    let sid = call.carrier_call().to_owned();
    let id = daemon.id(&sid).await;
    (sid, id, call.caller(), Ear::of(call))
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_recorded_unless_the_box_allows_it_and_nothing_is_left_of_who_says_no() {
    let (state, config) = (tempfile::tempdir().unwrap(), config("announce"));
    let daemon = Daemon::start(state.path(), config.path(), true, &[]).await;
    let (sid, id, caller, _ear) = lifted(&daemon).await;
    daemon.fact(&sid, "the greeting", 0, |event| matches!(event, Event::Said { .. })).await;
    caller.say(tone()).await.unwrap();
    sleep(Duration::from_secs(2)).await;
    caller.hang_up().await.unwrap();
    let (facts, _) = daemon.ended(&sid).await;
    assert!(!facts.iter().any(|event| started(event) || declined(event)), "{facts:#?}");
    assert_eq!(recording(&daemon, id).await.0, 404);
    nothing_lies(state.path());
    daemon.stop().await;

    // Asked: by key, and by silence up to then.
    let config = self::config("ask");
    let daemon = Daemon::start(state.path(), config.path(), true, &[ALLOWED]).await;
    let (sid, id, caller, ear) = lifted(&daemon).await;
    daemon.fact(&sid, "the notice was heard", 0, started).await;
    caller.say(tone()).await.unwrap();
    until("something of it is on the disk", async || {
        (!files(&state.path().join("recordings")).is_empty()).then_some(())
    })
    .await;
    sleep(Duration::from_secs(4)).await;
    assert!(!readable(state.path(), &tone()), "the caller's sound lies in the open");
    caller.press('#').await.unwrap();
    let facts = daemon.fact(&sid, "the caller said no", 0, declined).await;
    assert!(facts.contains(&Event::RecordingDeclined { why: DeclinedBy::Key }));
    until("nothing is left of it", async || files(&state.path().join("recordings")).is_empty().then_some(())).await;
    caller.say(question()).await.unwrap();
    daemon.fact(&sid, "the call goes on", 0, |event| matches!(event, Event::Heard { .. })).await;
    caller.hang_up().await.unwrap();
    let (facts, _) = daemon.ended(&sid).await;
    assert!(!facts.iter().any(|event| matches!(event, Event::RecordingStopped { .. })), "{facts:#?}");
    let (status, told) = recording(&daemon, id).await;
    assert_eq!(status, 404, "{}", String::from_utf8_lossy(&told));
    nothing_lies(state.path());
    assert!(!readable(state.path(), &ear.sound()) && !readable(state.path(), &tone()));
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_is_what_both_sides_heard_and_outlives_a_killed_daemon() {
    let (state, config) = (tempfile::tempdir().unwrap(), config("announce"));
    let settings = [ALLOWED, ("VAANI_PRIVACY__TRANSCRIPTS", "true")];
    let daemon = Daemon::start(state.path(), config.path(), true, &settings).await;
    let (sid, id, caller, ear) = lifted(&daemon).await;
    daemon.fact(&sid, "the notice was heard", 0, started).await;
    // Over the agent's greeting, so that some of it is thrown away.
    sleep(Duration::from_millis(600)).await;
    let said = caller.say(question()).await.unwrap();
    // Whether engines on a busy machine answer in time is no matter of this test.
    let facts = daemon.fact(&sid, "the caller was heard", 0, |event| matches!(event, Event::Heard { .. })).await;
    assert!(facts.iter().any(|event| matches!(event, Event::BargeIn { .. })), "{facts:#?}");
    let stop = format!("/api/calls/{id}/recording/stop");
    sleep(Duration::from_millis(500)).await;
    let answer = daemon.api().request(Method::POST, &stop).send().await.unwrap();
    assert_eq!(answer.status(), 202);
    daemon
        .fact(&sid, "it was stopped", 0, |event| {
            matches!(event, Event::RecordingStopped { why: StoppedBy::Operator, .. })
        })
        .await;
    caller.hang_up().await.unwrap();
    daemon.ended(&sid).await;
    let wav = heard_whole(&daemon, id).await;
    let (left, right) = sides(&wav);
    assert!(left.len() > 8_000 * 3, "{} samples", left.len());

    // The agent's side is what came out of the earpiece, silent where the caller cut it.
    let (heard, took) = (loudness(&ear.sound()), loudness(&right));
    let (behind, alike) = lies(&took, &heard, 0..heard.len().saturating_sub(took.len() / 2));
    // To the sample this is tried in virtual time (`media::record`); here the carrier stalls now and then.
    assert!(alike > 0.7, "the agent's side is {alike} like what was heard");
    // The caller's side, on the same clock.
    let spoken = loudness(&question());
    let (at, alike) = lies(&spoken, &loudness(&left), 0..took.len().saturating_sub(spoken.len()));
    assert!(alike > 0.85, "the caller's side is {alike} like what was said");
    let ended = ear.sample(said) / 40;
    let off = (behind + at + spoken.len()).abs_diff(ended);
    assert!(off * 5 <= 200, "the two sides are {} ms apart", off * 5);

    let view: Value = daemon.get(&format!("/api/calls/{id}")).await.unwrap().json().await.unwrap();
    let recorded = &view["recording"];
    assert_eq!((&recorded["channels"], &recorded["mode"]), (&2.into(), &"announce".into()), "{recorded:#}");
    assert_eq!(recorded["bytes"], wav.len());
    assert_eq!(recorded["cuts"][0]["heard"], false, "{recorded:#}");
    let cut = &recorded["cuts"][0];
    let (from, to) = (cut["from_ms"].as_u64().unwrap() as usize * 8, cut["to_ms"].as_u64().unwrap() as usize * 8);
    // A frame at its beginning may still have been on its way; a cut can be as short as that.
    assert!(
        to > from && right[(from + 160).min(to)..to].iter().all(|sample| *sample == 0),
        "what nobody heard is on it"
    );
    let lying: Vec<String> =
        files(&state.path().join("objects")).iter().map(|file| file.display().to_string()).collect();
    assert!(lying.iter().any(|name| name.ends_with(&format!("{id}/transcript.json"))), "{lying:?}");
    assert!(!readable(state.path(), &left) && !readable(state.path(), &right));

    // Killed in the middle of the next one.
    let (sid, lost, caller, _ear) = lifted(&daemon).await;
    daemon.fact(&sid, "the notice was heard", 0, started).await;
    caller.say(question()).await.unwrap();
    sleep(Duration::from_secs(7)).await;
    daemon.signal(Signal::KILL);
    assert!(!daemon.exit().await.success());
    assert!(!readable(state.path(), &question()));
    let daemon = Daemon::start(state.path(), config.path(), false, &settings).await;
    let (left, right) = sides(&heard_whole(&daemon, lost).await);
    assert!(left.len() >= 8_000 * 3, "{} samples", left.len());
    assert!(left.iter().chain(&right).any(|sample| sample.abs() > 2_000));
    assert_eq!(files(&state.path().join("recordings")), Vec::<PathBuf>::new());
    assert_eq!(heard_whole(&daemon, id).await, wav, "the first one is as it was");
    // Whoever may, deletes it.
    let path = format!("/api/calls/{id}/recording");
    assert_eq!(daemon.api().request(Method::DELETE, &path).send().await.unwrap().status(), 204);
    assert_eq!(recording(&daemon, id).await.0, 410);
    daemon.stop().await;
    assert!(journal(state.path()).contains_key(&lost));
}
