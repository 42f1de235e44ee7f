//! Pieces, their sizes and their seams.

use proptest::prelude::*;

use super::*;
use crate::base::audio::LINE_FRAME;
use crate::base::resample::convert;

const PCM16: Speech = Speech { coding: Coding::Pcm, rate: 16_000, guessed: false };

fn at(ms: u64) -> Moment {
    Moment::from_millis(ms)
}

fn tone(samples: usize) -> Vec<i16> {
    (0..samples).map(|n| (9_000.0 * (n as f64 * 0.3).sin()) as i16).collect()
}

fn sound(pieces: &[Piece]) -> Vec<u8> {
    pieces
        .iter()
        .filter_map(|piece| if let Piece::Sound(bytes) = piece { Some(bytes.clone()) } else { None })
        .flatten()
        .collect()
}

fn samples(bytes: &[u8]) -> Vec<i16> {
    bytes.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect()
}

#[test]
fn the_format_is_what_start_says_then_the_address_then_the_usual() {
    let format = |coding, rate| Format { coding, rate };
    for (said, address, expected) in [
        (format(Some(Coding::Pcm), Some(24_000)), Some(16_000), (Coding::Pcm, 24_000, false)),
        (format(Some(Coding::Mulaw), Some(8_000)), Some(16_000), (Coding::Mulaw, 8_000, false)),
        (format(None, None), Some(16_000), (Coding::Pcm, 16_000, true)),
        (format(Some(Coding::Pcm), None), Some(16_000), (Coding::Pcm, 16_000, false)),
        (format(Some(Coding::Pcm), Some(0)), None, (Coding::Pcm, 8_000, false)),
    ] {
        let speech = Speech::of(said, address);
        assert_eq!((speech.coding, speech.rate, speech.guessed), expected, "{said:?} {address:?}");
    }
}

#[test]
fn marks_go_after_their_sound_and_wait_for_no_silence() {
    let mut outlet = Outlet::new(PCM16, 3_200).unwrap();
    let mut out = Vec::new();
    outlet.mark(at(0), 1, &mut out);
    assert_eq!(out, [Piece::Mark(1)], "nothing is before it");
    out.clear();
    // 60 ms, a mark, then as much again: the piece is full at 100 ms.
    outlet.take(at(0), &tone(LINE_FRAME * 3), &mut out);
    outlet.mark(at(0), 2, &mut out);
    assert!(out.is_empty());
    outlet.take(at(60), &tone(LINE_FRAME * 3), &mut out);
    assert!(matches!(&out[..], [Piece::Sound(piece), Piece::Mark(2)] if piece.len() == 3_200), "{out:?}");
    out.clear();
    outlet.mark(at(0), 3, &mut out);
    outlet.flush(at(80), &mut out);
    assert!(matches!(&out[..], [Piece::Sound(piece), Piece::Mark(3)] if piece.len() == 3_200), "{out:?}");
    assert_eq!(outlet.due_at(), None);
}

#[test]
fn what_is_left_over_leaves_before_the_carrier_runs_dry() {
    let mut outlet = Outlet::new(PCM16, 3_200).unwrap();
    let mut out = Vec::new();
    outlet.take(at(0), &tone(LINE_FRAME), &mut out);
    assert_eq!(outlet.due_at(), Some(at(40)), "the carrier has nothing: it waits a moment for more");
    outlet.take(at(0), &tone(LINE_FRAME * 8), &mut out);
    // 100 ms have left; they are played out at 100 ms.
    assert_eq!(outlet.due_at(), Some(at(60)));
    outlet.take(at(50), &tone(LINE_FRAME), &mut out);
    assert_eq!(outlet.due_at(), Some(at(90)));
}

/// The call paces as it does (20 ms frames, as far ahead as the leg asks for) and wakes late by up to 14 ms.
#[test]
fn the_carrier_never_runs_dry_and_is_never_far_ahead() {
    for rate in [8_000, 16_000, 24_000] {
        let speech = Speech { coding: Coding::Pcm, rate, guessed: false };
        let mut outlet = Outlet::new(speech, 3_200).unwrap();
        let lead = limits::PLAYOUT_LEAD + outlet.chunk_lasts();
        let (mut call_played_out, mut carrier_played_out) = (at(0), None);
        let mut out = Vec::new();
        for step in 0..500_u64 {
            let now = at(1_000 + step * 20 + step * 7 % 15);
            while call_played_out - lead <= now {
                call_played_out = call_played_out.max(now) + crate::base::audio::FRAME;
                outlet.take(now, &tone(LINE_FRAME), &mut out);
            }
            assert!(outlet.due_at().is_none_or(|at| at > now), "{rate}: nothing is padded in the middle");
            for piece in out.drain(..) {
                let Piece::Sound(bytes) = piece else { continue };
                let dry = carrier_played_out.unwrap_or(now);
                assert!(dry >= now, "{rate}: dry at {step}");
                carrier_played_out = Some(dry + outlet.lasts(bytes.len()));
                assert!(carrier_played_out.unwrap().since(now) <= outlet.chunk_lasts() * 3, "{rate}: too far ahead");
            }
        }
    }
}

#[test]
fn a_clear_leaves_nothing_behind() {
    let mut outlet = Outlet::new(PCM16, 3_200).unwrap();
    let mut out = Vec::new();
    outlet.take(at(0), &[9_000; LINE_FRAME * 3], &mut out);
    outlet.mark(at(0), 4, &mut out);
    assert_eq!((outlet.clear(at(10)), outlet.due_at()), (vec![4], None));
    outlet.take(at(20), &[0; LINE_FRAME * 6], &mut out);
    outlet.flush(at(20), &mut out);
    assert!(samples(&sound(&out)).iter().all(|sample| *sample == 0), "nothing of before is heard");
}

/// What a carrier plays that clears all but the piece it has begun: whole pieces with the time each begins.
#[derive(Default)]
struct CarrierPlayer {
    queue: VecDeque<(Moment, Piece)>,
    played: Vec<Piece>,
    dry_at: Option<Moment>,
}

impl CarrierPlayer {
    fn take(&mut self, now: Moment, outlet: &Outlet, pieces: &mut Vec<Piece>) {
        for piece in pieces.drain(..) {
            let begins = self.dry_at.unwrap_or(now).max(now);
            if let Piece::Sound(bytes) = &piece {
                self.dry_at = Some(begins + outlet.lasts(bytes.len()));
            }
            self.queue.push_back((begins, piece));
        }
    }

    fn play(&mut self, now: Moment) {
        while self.queue.front().is_some_and(|(begins, _)| *begins <= now) {
            self.played.extend(self.queue.pop_front().map(|(_, piece)| piece));
        }
    }

    fn clear(&mut self, now: Moment) {
        self.play(now);
        if let Some((begins, _)) = self.queue.front() {
            self.dry_at = Some(*begins);
        }
        self.queue.clear();
    }
}

#[test]
fn a_hush_that_was_for_nothing_loses_nothing_and_repeats_nothing() {
    for rate in [8_000, 16_000, 24_000] {
        let speech = Speech { coding: Coding::Pcm, rate, guessed: false };
        let mut outlet = Outlet::new(speech, 3_200).unwrap();
        let lead = limits::PLAYOUT_LEAD + outlet.chunk_lasts();
        let mut random = fastrand::Rng::with_seed(u64::from(rate));
        let (mut player, mut pcm, mut call_played_out) = (CarrierPlayer::default(), Vec::new(), at(0));
        let (mut out, mut hushes, mut longest) = (Vec::new(), 0, Duration::ZERO);
        let mut hushed_at: Option<Moment> = None;
        for ms in 1_000..21_000_u64 {
            let now = at(ms);
            player.play(now);
            while call_played_out - lead <= now {
                call_played_out = call_played_out.max(now) + crate::base::audio::FRAME;
                let frame: Vec<i16> = (0..LINE_FRAME).map(|n| ((pcm.len() + n) % 30_000) as i16).collect();
                outlet.take(now, &frame, &mut out);
                pcm.extend(frame);
                if pcm.len() % 8_000 == 0 {
                    outlet.mark(now, pcm.len() as u64, &mut out);
                }
            }
            outlet.tick(now, &mut out);
            if random.u16(0..700) == 0 && outlet.hush(now).is_some() {
                player.take(now, &outlet, &mut out);
                player.clear(now);
                hushes += 1;
                hushed_at = Some(now);
            }
            if let Some(since) = hushed_at.filter(|_| !out.is_empty()) {
                longest = longest.max(now.since(since));
                hushed_at = None;
            }
            player.take(now, &outlet, &mut out);
        }
        outlet.go_on(at(21_000), &mut out);
        outlet.flush(at(21_000), &mut out);
        player.take(at(21_000), &outlet, &mut out);
        player.play(at(60_000));
        let heard = samples(&sound(&player.played));
        let wanted = convert(&pcm, LINE_RATE, rate);
        let most = limits::EXOTEL_HUSH + outlet.chunk_lasts();
        assert!(hushes > 8 && longest <= most, "{rate}: {hushes} hushes of up to {longest:?}");
        assert!(heard.len() >= wanted.len() && heard[..wanted.len()] == wanted[..], "{rate}: something else is heard");
        let marks: Vec<u64> = super::marks(&player.played.into());
        assert!(marks.is_sorted() && marks.len() >= 19, "{rate}: {marks:?}");
    }
}

#[test]
fn what_was_hushed_is_gone_with_a_clear() {
    let mut outlet = Outlet::new(PCM16, 3_200).unwrap();
    let mut out = Vec::new();
    assert_eq!(outlet.hush(at(0)), None, "there is nothing to be heard");
    outlet.take(at(0), &tone(LINE_FRAME * 6), &mut out);
    outlet.mark(at(0), 1, &mut out);
    outlet.take(at(10), &tone(LINE_FRAME * 6), &mut out);
    assert!(matches!(&out[..], [Piece::Sound(_), Piece::Sound(_), Piece::Mark(1)]), "{out:?}");
    out.clear();
    assert_eq!(outlet.hush(at(50)), Some(vec![1]), "the first piece is being played");
    assert_eq!((outlet.hush(at(60)), outlet.due_at()), (None, Some(at(210))));
    outlet.take(at(70), &tone(LINE_FRAME * 6), &mut out);
    outlet.mark(at(70), 2, &mut out);
    outlet.tick(at(209), &mut out);
    assert_eq!((outlet.clear(at(209)), &out[..]), (vec![1, 2], &[][..]), "nothing left meanwhile");
    outlet.tick(at(400), &mut out);
    assert!(out.is_empty() && outlet.due_at().is_none());

    // The next one is a second after the last that was for nothing.
    outlet.take(at(500), &tone(LINE_FRAME * 12), &mut out);
    assert_eq!(outlet.hush(at(510)), Some(vec![]));
    out.clear();
    outlet.tick(at(670), &mut out);
    assert!(matches!(&out[..], [Piece::Sound(piece)] if piece.len() == 3_200), "{out:?}");
    outlet.take(at(680), &tone(LINE_FRAME * 12), &mut out);
    assert_eq!(outlet.hush(at(1_600)), None);
    outlet.take(at(1_650), &tone(LINE_FRAME * 12), &mut out);
    assert!(outlet.hush(at(1_680)).is_some());
}

#[test]
fn the_gauge_tells_what_the_bytes_are() {
    let read = |speech: Speech, bytes: usize| {
        let mut gauge = Gauge::default();
        (0..40).filter_map(|n| gauge.read(speech, n * 100, bytes)).collect::<Vec<_>>()
    };
    let pcm8 = Speech { rate: 8_000, ..PCM16 };
    for (speech, bytes, expected) in [
        (pcm8, 1_600, Reading::Fits),
        (pcm8, 800, Reading::Mulaw),
        (PCM16, 3_200, Reading::Fits),
        (PCM16, 1_600, Reading::Odd),
        (PCM16, 800, Reading::Mulaw),
        (Speech { coding: Coding::Mulaw, ..pcm8 }, 800, Reading::Fits),
    ] {
        assert_eq!(read(speech, bytes), [expected], "{speech:?} {bytes}");
    }
}

#[test]
fn times_are_those_of_the_samples_given() {
    let mut inlet = Inlet::new(PCM16).unwrap();
    let (mut end, mut total) = (0, 0);
    for n in 0..10_u64 {
        let (pcm, at_ms) = inlet.take(&vec![0; 3_200], n * 100);
        assert_eq!(at_ms, end, "message {n} goes on where the last one ended");
        total += pcm.len();
        end = at_ms + pcm.len() as u64 / 8;
    }
    assert!((7_800..=8_000).contains(&total), "{total}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// However the call's sound is cut: what leaves is the whole of it, resampled once, in pieces of the
    /// right size, with silence at the very end only.
    #[test]
    fn no_seam_is_heard(
        cuts in proptest::collection::vec(1_usize..400, 1..40),
        rate in proptest::sample::select(vec![8_000_u32, 16_000, 24_000]),
        chunk in proptest::sample::select(vec![320_usize, 640, 3_200, 4_800, 16_000]),
    ) {
        let speech = Speech { coding: Coding::Pcm, rate, guessed: false };
        let mut outlet = Outlet::new(speech, chunk).unwrap();
        let pcm = tone(cuts.iter().sum());
        let (mut out, mut rest) = (Vec::new(), &pcm[..]);
        for cut in &cuts {
            let (now, later) = rest.split_at(*cut);
            outlet.take(at(0), now, &mut out);
            rest = later;
        }
        outlet.flush(at(0), &mut out);
        for piece in &out {
            if let Piece::Sound(bytes) = piece {
                prop_assert!(bytes.len().is_multiple_of(limits::EXOTEL_CHUNK_STEP) && bytes.len() == chunk);
            }
        }
        let heard = samples(&sound(&out));
        let wanted = convert(&pcm, LINE_RATE, rate);
        prop_assert!(heard.len() >= wanted.len() && heard.len() < wanted.len() + chunk);
        prop_assert_eq!(&heard[..wanted.len()], &wanted[..]);
        prop_assert!(heard[wanted.len()..].iter().all(|sample| *sample == 0));
    }

    /// However the carrier cuts its messages, even in the middle of a sample.
    #[test]
    fn no_cut_of_the_carrier_is_heard(
        cuts in proptest::collection::vec(1_usize..5_000, 1..20),
        rate in proptest::sample::select(vec![8_000_u32, 16_000, 24_000]),
    ) {
        let speech = Speech { coding: Coding::Pcm, rate, guessed: false };
        let bytes: Vec<u8> = tone(cuts.iter().sum::<usize>() / 2).iter().flat_map(|s| s.to_le_bytes()).collect();
        let mut inlet = Inlet::new(speech).unwrap();
        let (mut heard, mut rest) = (Vec::new(), &bytes[..]);
        for cut in &cuts {
            let (now, later) = rest.split_at((*cut).min(rest.len()));
            heard.extend(inlet.take(now, 0).0);
            rest = later;
        }
        let wanted = convert(&samples(&bytes), rate, LINE_RATE);
        prop_assert!(heard.len() + 200 >= wanted.len(), "{} of {}", heard.len(), wanted.len());
        prop_assert_eq!(&heard[..], &wanted[..heard.len()]);
    }

    #[test]
    fn mu_law_pieces_are_whole_and_quiet(frames in 1_usize..60) {
        let speech = Speech { coding: Coding::Mulaw, rate: 8_000, guessed: false };
        let mut outlet = Outlet::new(speech, 3_200).unwrap();
        let mut out = Vec::new();
        outlet.take(at(0), &vec![0; frames * LINE_FRAME], &mut out);
        outlet.flush(at(0), &mut out);
        let heard = sound(&out);
        prop_assert!(heard.len().is_multiple_of(1_600) && heard.iter().all(|byte| *byte == g711::ULAW_SILENCE));
    }
}
