//! Made-up answers of people, machines, faxes and gateways, out of recorded speech and generated tones.

use std::f64::consts::TAU;

use super::*;
use crate::media::noise::{Colour, Noise};
use crate::media::{g711, wav};

const RATE: usize = LINE_RATE as usize;

/// Speech in eleven languages, 8 kHz, without the silence around it.
fn clips() -> Vec<Vec<i16>> {
    let folder = format!("{}/models/starter/stt/eval", env!("CARGO_MANIFEST_DIR"));
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "wav"));
    files.sort();
    let read = |file: &std::path::PathBuf| {
        let (rate, pcm) = wav::read(&std::fs::read(file).unwrap()).unwrap();
        let pcm = crate::base::resample::convert(&pcm, rate, LINE_RATE);
        let loud = |s: &i16| s.unsigned_abs() > 300;
        let from = pcm.iter().position(loud).unwrap_or(0);
        let to = pcm.iter().rposition(loud).unwrap_or(pcm.len());
        pcm[from..to].to_vec()
    };
    files.iter().map(read).collect()
}

fn silence(ms: usize) -> Vec<i16> {
    vec![0; ms * RATE / 1_000]
}

fn tone(hz: f64, ms: usize, amplitude: f64) -> Vec<i16> {
    (0..ms * RATE / 1_000).map(|n| (amplitude * (TAU * hz * n as f64 / RATE as f64).sin()) as i16).collect()
}

/// Over a line: noise at so many dBFS, and G.711 once.
fn line(mut pcm: Vec<i16>, noise_dbfs: f32, seed: u64) -> Vec<i16> {
    let noise = Noise::new(Colour::Pink, seed).take(pcm.len(), noise_dbfs);
    for (sample, noise) in pcm.iter_mut().zip(noise) {
        *sample = sample.saturating_add(noise);
    }
    let mut coded = Vec::new();
    g711::encode_alaw(&pcm, &mut coded);
    coded.iter().map(|byte| crate::base::g711::alaw_to_pcm(*byte)).collect()
}

/// What is noticed, with the milliseconds at which it is.
fn listen(pcm: &[i16]) -> Vec<(u64, Noticed)> {
    let mut detector = AnsweringMachine::new();
    let mut out = Vec::new();
    for (n, frame) in pcm.as_chunks::<LINE_FRAME>().0.iter().enumerate() {
        out.extend(detector.push(frame).map(|noticed| ((n as u64 + 1) * 20, noticed)));
    }
    out
}

fn last_verdict(noticed: &[(u64, Noticed)]) -> Option<AnsweredBy> {
    noticed.iter().rev().find_map(|(_, noticed)| match noticed {
        Noticed::Verdict(who) => Some(*who),
        Noticed::LeaveMessage => None,
    })
}

/// A person: a word or two, then waiting.
fn person(clip: &[i16], at: usize, words_ms: usize) -> Vec<i16> {
    let mut pcm = silence(at);
    pcm.extend(&clip[..clip.len().min(words_ms * RATE / 1_000)]);
    pcm.extend(silence(6_000));
    pcm
}

/// A machine: sentences with pauses, then perhaps a beep. Also when the beep ends, or the speech.
fn machine(clips: &[Vec<i16>], first: usize, seconds: usize, beep: Option<(f64, usize)>) -> (Vec<i16>, usize) {
    let mut pcm = silence(300 + 100 * (first % 7));
    for clip in clips.iter().cycle().skip(first) {
        pcm.extend(clip);
        if pcm.len() >= seconds * RATE {
            break;
        }
        pcm.extend(silence(250 + 90 * (first % 6)));
    }
    if let Some((hz, ms)) = beep {
        pcm.extend(silence(300 + 50 * (first % 5)));
        pcm.extend(tone(hz, ms, 6_000.0));
    }
    let end = pcm.len() * 1_000 / RATE;
    pcm.extend(silence(6_000));
    (pcm, end)
}

#[test]
fn people_and_machines_are_told_apart() {
    let clips = clips();
    // Said to be a machine: rightly, wrongly; said to be a person: rightly, wrongly.
    let (mut hits, mut false_alarms, mut people, mut missed) = (0, 0, 0, 0);
    let (mut beeps, mut early, mut late, mut with_beep) = (0, 0, 0, 0);
    for (n, clip) in clips.iter().enumerate() {
        for (noise, words_ms) in [(-65.0, 500), (-45.0, 900), (-55.0, 1_400)] {
            let noticed = listen(&line(person(clip, 200 + 150 * (n % 8), words_ms), noise, n as u64));
            match last_verdict(&noticed) {
                Some(AnsweredBy::Human) => people += 1,
                Some(AnsweredBy::Machine) => false_alarms += 1,
                _ => {}
            }
            assert!(noticed.iter().all(|(_, n)| *n != Noticed::LeaveMessage) || false_alarms > 0);
        }
        let beep = [None, Some((1_000.0, 300)), Some((440.0, 500)), Some((1_400.0, 200)), Some((800.0, 1_000))][n % 5];
        for (noise, seconds) in [(-65.0, 5), (-45.0, 9)] {
            let (pcm, end) = machine(&clips, n, seconds, beep);
            let noticed = listen(&line(pcm, noise, n as u64));
            match last_verdict(&noticed) {
                Some(AnsweredBy::Machine) => hits += 1,
                _ => missed += 1,
            }
            let left =
                noticed.iter().find(|(_, noticed)| *noticed == Noticed::LeaveMessage).map(|(at, _)| *at as usize);
            if beep.is_some() {
                with_beep += 1;
                match left {
                    Some(at) if at < end => early += 1,
                    Some(at) if at <= end + 300 => beeps += 1,
                    _ => late += 1,
                }
            }
        }
    }
    let (persons, machines) = (clips.len() * 3, clips.len() * 2);
    println!(
        "{persons} people: {people} told, {false_alarms} taken for machines; {machines} machines: {hits} told, {missed} missed \
         (precision {:.3}, recall {:.3}); {with_beep} beeps: {beeps} heard within 300 ms, {early} times before, {late} later",
        hits as f64 / (hits + false_alarms).max(1) as f64,
        hits as f64 / machines as f64
    );
    assert!(false_alarms * 50 <= persons && people * 100 >= persons * 90, "{people} and {false_alarms} of {persons}");
    assert!(hits * 100 >= machines * 95, "{hits} of {machines}");
    assert!(
        early * 50 <= with_beep && beeps * 100 >= with_beep * 90,
        "{beeps}, {early} early, {late} late of {with_beep}"
    );
}

#[test]
fn a_machine_without_a_beep_is_waited_out() {
    let clips = clips();
    let (pcm, end) = machine(&clips, 3, 6, None);
    let noticed = listen(&line(pcm, -60.0, 3));
    let [(_, Noticed::Verdict(AnsweredBy::Machine)), (left, Noticed::LeaveMessage)] = noticed[..] else {
        panic!("{noticed:?}")
    };
    let waited = left as usize - end;
    assert!((2_000..=2_800).contains(&waited), "{waited} ms after the last word");
    // One that never stops is interrupted.
    let endless: Vec<i16> = clips.iter().cycle().flatten().copied().take(40 * RATE).collect();
    let noticed = listen(&endless);
    assert_eq!(noticed.last(), Some(&(30_000, Noticed::LeaveMessage)), "{noticed:?}");
}

#[test]
fn a_beep_corrects_a_short_greeting() {
    let clips = clips();
    let mut pcm = silence(400);
    pcm.extend(&clips[4][..RATE * 9 / 10]);
    pcm.extend(silence(1_600));
    pcm.extend(tone(950.0, 400, 7_000.0));
    pcm.extend(silence(5_000));
    let kinds: Vec<Noticed> = listen(&line(pcm, -60.0, 1)).into_iter().map(|(_, noticed)| noticed).collect();
    let (human, machine) = (Noticed::Verdict(AnsweredBy::Human), Noticed::Verdict(AnsweredBy::Machine));
    assert_eq!(kinds, [human, machine, Noticed::LeaveMessage]);
}

#[test]
fn faxes_say_so() {
    for (hz, on, off) in [(1_100.0, 500, 3_000), (2_100.0, 3_000, 1_000)] {
        let mut pcm = silence(500);
        for _ in 0..3 {
            pcm.extend(tone(hz, on, 5_000.0));
            pcm.extend(silence(off));
        }
        let noticed = listen(&line(pcm, -55.0, 2));
        assert_eq!(last_verdict(&noticed), Some(AnsweredBy::Fax), "{hz}: {noticed:?}");
        assert_eq!(noticed.len(), 1);
    }
}

/// A gateway that answers before the called side has: ringing (400 Hz, 25 Hz over it, as in India), then a
/// person.
#[test]
fn ringing_is_waited_out() {
    let mut pcm = Vec::new();
    for _ in 0..3 {
        for (on, off) in [(400, 200), (400, 2_000)] {
            let ring = tone(400.0, on, 6_000.0);
            let shake = |(n, s): (usize, &i16)| {
                (f64::from(*s) * (0.6 + 0.4 * (TAU * 25.0 * n as f64 / RATE as f64).sin())) as i16
            };
            pcm.extend(ring.iter().enumerate().map(shake));
            pcm.extend(silence(off));
        }
    }
    let rings = pcm.len() * 1_000 / RATE;
    pcm.extend(person(&clips()[8], 100, 800));
    let noticed = listen(&line(pcm, -62.0, 4));
    let [(at, Noticed::Verdict(AnsweredBy::Human))] = noticed[..] else { panic!("{noticed:?}") };
    assert!(at as usize > rings + 1_200, "{at}");
}

#[test]
fn nothing_and_noise_are_unknown() {
    assert_eq!(listen(&silence(9_000)), [(5_000, Noticed::Verdict(AnsweredBy::Unknown))]);
    let noise = Noise::new(Colour::Pink, 3).take(35 * RATE, -38.0);
    assert_eq!(listen(&noise), [(30_000, Noticed::Verdict(AnsweredBy::Unknown))]);
    let mut random = fastrand::Rng::with_seed(1);
    let loud: Vec<i16> = (0..2 * RATE).map(|_| random.i16(..)).collect();
    listen(&loud);
}

#[test]
fn words_tell_once() {
    let mut detector = AnsweringMachine::new();
    assert_eq!(detector.words_tell(), Some(Noticed::Verdict(AnsweredBy::Machine)));
    assert_eq!(detector.words_tell(), None);
    let mut noticed = Vec::new();
    for _ in 0..200 {
        noticed.extend(detector.push(&[0; LINE_FRAME]));
    }
    assert_eq!(noticed, [Noticed::LeaveMessage], "silence after the words is its end");
    assert!(detector.is_done() && detector.words_tell().is_none());
}

#[test]
fn tones_are_measured() {
    for hz in [400.0, 440.0, 950.0, 1_000.0, 1_400.0, 2_100.0] {
        let pcm = line(tone(hz, 200, 3_000.0), -55.0, 7);
        let (found, _) = tone_of(&pcm.as_chunks().0[4]).unwrap();
        assert!((f64::from(found) - hz).abs() < 15.0, "{hz}: {found}");
    }
    let frames = clips().iter().take(10).flatten().copied().collect::<Vec<_>>();
    let frames = frames.as_chunks::<LINE_FRAME>().0;
    let tonal = frames.iter().filter(|frame| tone_of(frame).is_some()).count();
    assert!(tonal * 20 < frames.len(), "{tonal} of {} frames of speech", frames.len());
}
