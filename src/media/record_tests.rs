use std::time::Duration;

use proptest::prelude::*;

use super::super::dtmf;
use super::*;
use crate::base::audio::FRAME;

const START: Moment = Moment::from_millis(5_000);

fn both(pieces: &[Piece]) -> (Vec<i16>, Vec<i16>) {
    let (mut left, mut right) = (Vec::new(), Vec::new());
    for piece in pieces {
        match piece {
            Piece::Sound(sound) => {
                left.extend(sound.iter().step_by(2));
                right.extend(sound.iter().skip(1).step_by(2));
            }
            Piece::Silence(samples) => {
                left.resize(left.len() + *samples as usize, 0);
                right.resize(right.len() + *samples as usize, 0);
            }
        }
    }
    (left, right)
}

/// Where something loud begins after silence, in milliseconds.
fn clicks(side: &[i16]) -> Vec<f64> {
    let mut found: Vec<usize> = Vec::new();
    for (at, _) in side.iter().enumerate().filter(|(_, sample)| sample.abs() > 8_000) {
        if found.last().is_none_or(|last| at - last > 800) {
            found.push(at);
        }
    }
    found.into_iter().map(|at| at as f64 / 8.0).collect()
}

/// Ten minutes of both sides clicking once a second, the caller at .25, the agent at .75. The caller's
/// clock runs `ppm` fast, frames come up to `jitter_ms` late and are lost with `loss`.
fn ten_minutes(ppm: f64, jitter_ms: u64, loss: f64, seed: u64) -> (Vec<f64>, Vec<f64>) {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut recorder = Recorder::new(START, true);
    let mut pieces = Vec::new();
    let frames = 600 * 50_u64;
    let mut events: Vec<(u64, u64, Option<Vec<i16>>)> = Vec::new();
    for n in 0..frames {
        // What the microphone's own clock calls 20 ms lasts a little less or more for us.
        let real = |media_ms: f64| media_ms / (1.0 + ppm / 1e6);
        let mut pcm = vec![0_i16; LINE_FRAME];
        for (i, sample) in pcm.iter_mut().enumerate() {
            let t = real(n as f64 * 20.0 + i as f64 / 8.0) % 1_000.0;
            if (250.0..258.0).contains(&t) {
                *sample = 20_000;
            }
        }
        let sent_us = (real((n + 1) as f64 * 20.0) * 1_000.0) as u64;
        let late_us = random.u64(0..=jitter_ms * 1_000);
        if random.f64() >= loss {
            events.push((sent_us + late_us, n * 20, Some(pcm)));
        }
        events.push((n * 20_000, n, None));
    }
    events.sort_by_key(|event| event.0);
    for (at_us, what, pcm) in events {
        let now = START + Duration::from_micros(at_us);
        match pcm {
            Some(pcm) => recorder.caller(now, what, &pcm),
            None => {
                let mut sound = vec![0_i16; LINE_FRAME];
                if (what * 20) % 1_000 == 740 {
                    sound[80..144].fill(-20_000);
                }
                recorder.agent(now, &sound);
            }
        }
        recorder.take(now, &mut pieces);
    }
    recorder.finish(START + Duration::from_secs(600), &mut pieces);
    let (left, right) = both(&pieces);
    assert_eq!((left.len(), right.len()), (4_800_000, 4_800_000));
    (clicks(&left), clicks(&right))
}

#[test]
fn clicks_are_where_they_were_over_ten_minutes_of_jitter_loss_and_drift() {
    for (ppm, jitter_ms, loss) in [(120.0, 60, 0.02), (-120.0, 40, 0.05)] {
        let (caller, agent) = ten_minutes(ppm, jitter_ms, loss, 7);
        // A lost click is lost; those of mended gaps stand where the frame would have.
        assert!(caller.len() as f64 > 600.0 * (1.0 - 3.0 * loss) - 2.0, "{} clicks", caller.len());
        assert_eq!(agent.len(), 600);
        for (n, at) in agent.iter().enumerate() {
            let expected = n as f64 * 1_000.0 + 750.0;
            assert!((at - expected).abs() <= 20.0, "the agent's click {n} is at {at}");
        }
        let mut worst = 0.0_f64;
        for at in &caller {
            let off = (at - 250.0).rem_euclid(1_000.0);
            worst = worst.max(off.min(1_000.0 - off));
        }
        assert!(worst <= 20.0, "{ppm} ppm, {jitter_ms} ms, {loss}: {worst} ms off");
    }
}

#[test]
fn a_line_that_falls_silent_and_comes_back_is_placed_anew() {
    let mut recorder = Recorder::new(START, true);
    let mut pieces = Vec::new();
    let mut media = 0;
    for n in 0..3_000_u64 {
        let now = START + FRAME * u32::try_from(n + 1).unwrap();
        // 20 s without a frame; the carrier's clock stands still meanwhile.
        if !(500..1_500).contains(&n) {
            let pcm = if n % 50 == 10 { vec![20_000; LINE_FRAME] } else { vec![0; LINE_FRAME] };
            recorder.caller(now, media, &pcm);
            media += 20;
        }
        recorder.take(now, &mut pieces);
    }
    recorder.finish(START + Duration::from_secs(60), &mut pieces);
    let (left, _) = both(&pieces);
    let found = clicks(&left);
    assert_eq!(found.len(), 40, "{found:?}");
    assert!(found.iter().all(|at| ((at - 200.0) % 1_000.0).abs() <= 20.0), "{found:?}");
}

#[test]
fn what_clear_threw_away_is_silence_and_named() {
    let mut recorder = Recorder::new(START, true);
    let mut pieces = Vec::new();
    let at = |ms: u64| START + Duration::from_millis(ms);
    // 200 ms ahead, as a carrier with large pieces wants it.
    for n in 0..10 {
        recorder.agent(at(1_000), &[1_000 + n; LINE_FRAME]);
    }
    recorder.cleared(at(1_090));
    recorder.cleared(at(1_095));
    assert_eq!(recorder.cuts(), [Cut { from_ms: 1_090, to_ms: 1_200, heard: false }]);
    recorder.agent(at(1_500), &[7; LINE_FRAME]);
    recorder.finish(at(2_000), &mut pieces);
    let (_, right) = both(&pieces);
    assert!(right[8_000..8_720].iter().all(|s| *s >= 1_000));
    assert!(right[8_720..12_000].iter().all(|s| *s == 0), "what nobody heard is not there");
    assert_eq!(right[12_000..12_160], [7; LINE_FRAME]);
    // Cleared when everything has been played: nothing was lost.
    recorder.cleared(at(2_500));
    assert_eq!(recorder.cuts().len(), 1);
}

#[test]
fn keys_are_silence_unless_they_may_be_heard() {
    let tone = dtmf::tone('5', 400);
    for mute in [true, false] {
        let mut recorder = Recorder::new(START, mute);
        let mut pieces = Vec::new();
        for n in 0..200_u64 {
            let mut pcm = vec![100; LINE_FRAME];
            let from = (n as usize).saturating_sub(50) * LINE_FRAME;
            if n >= 50 && from < tone.len() {
                pcm.copy_from_slice(&tone[from..from + LINE_FRAME]);
            }
            recorder.caller(START + FRAME * u32::try_from(n + 1).unwrap(), n * 20, &pcm);
        }
        recorder.finish(START + Duration::from_secs(4), &mut pieces);
        let (left, _) = both(&pieces);
        let heard = left.iter().filter(|s| s.abs() > 2_000).count();
        if mute {
            assert_eq!(heard, 0, "nothing of the tone is left");
            let talk = left.iter().filter(|s| **s == 100).count();
            assert!(talk > 160 * 160 - 2_400, "{talk} samples of the caller are left");
        } else {
            assert!(heard > 2_000);
        }
    }
    // Told by the carrier, with the tone's remains in the sound.
    let mut recorder = Recorder::new(START, true);
    let mut pieces = Vec::new();
    for n in 0..100_u64 {
        recorder.caller(START + FRAME * u32::try_from(n + 1).unwrap(), n * 20, &[50; LINE_FRAME]);
    }
    recorder.key(START + Duration::from_millis(1_000));
    recorder.finish(START + Duration::from_secs(2), &mut pieces);
    let (left, _) = both(&pieces);
    assert!(left[5_700..9_500].iter().all(|s| *s == 0) && left[5_500] == 50 && left[9_700] == 50);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Whatever comes whenever: each sample is given out once, and little waits.
    #[test]
    fn time_is_never_lost_or_told_twice(
        steps in prop::collection::vec((0_u64..1_000, 0_u64..100_000, 0_usize..700, 0_u8..5), 0..120),
    ) {
        let mut recorder = Recorder::new(START, true);
        let (mut now, mut pieces) = (START, Vec::new());
        for (ms, media, length, what) in steps {
            now = now + Duration::from_millis(ms);
            match what {
                0 => recorder.caller(now, media, &vec![3_000; length]),
                1 => recorder.agent(now, &vec![-3_000; length]),
                2 => recorder.cleared(now),
                3 => recorder.key(now),
                _ => recorder.take(now, &mut pieces),
            }
            prop_assert!(recorder.caller.stream.len() <= WAITING_MAX + 8_000);
        }
        recorder.finish(now, &mut pieces);
        let total: u64 = pieces.iter().map(Piece::samples).sum();
        prop_assert_eq!(total, samples(now.since(START).as_nanos()));
    }
}
