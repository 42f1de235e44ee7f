//! The carrier's player: a buffer that empties in real time. Marks stand between sounds and come
//! back when everything before them has been played, or at once when the buffer is cleared.

use std::collections::VecDeque;
use std::time::Duration;

use crate::base::Moment;
use crate::base::audio::{FRAME, LINE_FRAME};

/// Sound that comes this soon after the buffer ran dry was meant to follow without a gap.
const GAP: Duration = Duration::from_millis(120);

#[derive(Debug, Default)]
pub(super) struct Player {
    queue: VecDeque<Piece>,
    dry_since: Option<Moment>,
    /// Frames yet to be played without a sound.
    hushed: u32,
    pub underruns: u32,
}

#[derive(Debug)]
enum Piece {
    /// Samples, and how many of them have been played.
    Sound(Vec<i16>, usize),
    Mark(String),
}

impl Player {
    pub(super) fn push_sound(&mut self, now: Moment, pcm: Vec<i16>) {
        if pcm.is_empty() {
            return;
        }
        if let Some(dry) = self.dry_since.take()
            && now.since(dry) < GAP
        {
            self.underruns += 1;
        }
        self.queue.push_back(Piece::Sound(pcm, 0));
    }

    /// A mark with nothing before it comes back at once.
    pub(super) fn push_mark(&mut self, name: String) -> Option<String> {
        if self.queue.is_empty() {
            // A mark after the last sound says that silence is meant.
            self.dry_since = None;
            return Some(name);
        }
        self.queue.push_back(Piece::Mark(name));
        None
    }

    /// Empties the buffer, but for the piece that is being played if `begun_stays`; gives the marks that
    /// were in it, and how many samples were not played.
    pub(super) fn clear(&mut self, begun_stays: bool) -> (Vec<String>, usize) {
        let (mut marks, mut samples) = (Vec::new(), 0);
        let begun = matches!(self.queue.front(), Some(Piece::Sound(_, played)) if *played > 0);
        for piece in self.queue.drain(usize::from(begun && begun_stays)..) {
            match piece {
                Piece::Mark(name) => marks.push(name),
                Piece::Sound(sound, played) => samples += sound.len() - played,
            }
        }
        self.dry_since = None;
        (marks, samples)
    }

    /// Nothing is heard for so long; the buffer empties meanwhile as it would. Gives how many samples of it are
    /// not heard.
    pub(super) fn hush(&mut self, time: Duration) -> usize {
        self.hushed = u32::try_from(time.as_millis() / FRAME.as_millis()).unwrap_or(u32::MAX);
        let left = |piece: &Piece| if let Piece::Sound(sound, played) = piece { sound.len() - played } else { 0 };
        let waiting: usize = self.queue.iter().map(left).sum();
        waiting.min(LINE_FRAME * self.hushed as usize)
    }

    /// Plays 20 ms: the samples, how many of them came from the box, the marks passed.
    pub(super) fn play(&mut self, now: Moment) -> (Vec<i16>, usize, Vec<String>) {
        let mut pcm = Vec::with_capacity(LINE_FRAME);
        let mut marks = Vec::new();
        let mut ended_with_mark = false;
        while let Some(piece) = self.queue.front_mut() {
            match piece {
                Piece::Mark(_) => {
                    if let Some(Piece::Mark(name)) = self.queue.pop_front() {
                        marks.push(name);
                        ended_with_mark = true;
                    }
                }
                Piece::Sound(..) if pcm.len() == LINE_FRAME => break,
                Piece::Sound(sound, played) => {
                    let take = (sound.len() - *played).min(LINE_FRAME - pcm.len());
                    pcm.extend_from_slice(&sound[*played..*played + take]);
                    *played += take;
                    ended_with_mark = false;
                    if *played == sound.len() {
                        self.queue.pop_front();
                    }
                }
            }
        }
        let mut from_box = pcm.len();
        if self.queue.is_empty() && from_box > 0 {
            self.dry_since = (!ended_with_mark).then_some(now);
        }
        pcm.resize(LINE_FRAME, 0);
        if self.hushed > 0 {
            self.hushed -= 1;
            from_box = 0;
            pcm.fill(0);
        }
        (pcm, from_box, marks)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Moment {
        Moment::from_millis(ms)
    }

    #[test]
    fn marks_come_back_when_their_sound_has_been_played() {
        let mut player = Player::default();
        assert_eq!(player.push_mark("early".to_owned()), Some("early".to_owned()));
        player.push_sound(at(0), vec![0; 200]);
        assert_eq!(player.push_mark("a".to_owned()), None);
        player.push_sound(at(0), vec![0; 40]);
        assert_eq!(player.push_mark("b".to_owned()), None);
        let marks = |(_, from_box, marks): (Vec<i16>, usize, Vec<String>)| (from_box, marks);
        assert_eq!(marks(player.play(at(20))), (160, vec![]));
        assert_eq!(marks(player.play(at(40))), (80, vec!["a".to_owned(), "b".to_owned()]));
        assert_eq!(marks(player.play(at(60))), (0, vec![]));
        assert_eq!(player.underruns, 0);
    }

    #[test]
    fn a_clear_gives_every_mark_back_and_plays_nothing() {
        let mut player = Player::default();
        player.push_sound(at(0), vec![0; 400]);
        player.push_mark("a".to_owned());
        player.push_sound(at(0), vec![0; 160]);
        player.push_mark("b".to_owned());
        player.play(at(20));
        assert_eq!(player.clear(false), (vec!["a".to_owned(), "b".to_owned()], 400));
        assert_eq!(player.play(at(40)), (vec![0; 160], 0, vec![]));
        assert_eq!(player.clear(false), (vec![], 0));
    }

    #[test]
    fn a_piece_that_has_begun_may_be_played_out() {
        let mut player = Player::default();
        player.push_sound(at(0), vec![1; 320]);
        player.push_mark("a".to_owned());
        player.push_sound(at(0), vec![2; 160]);
        player.play(at(20));
        assert_eq!(player.clear(true), (vec!["a".to_owned()], 160));
        assert_eq!(player.play(at(40)), (vec![1; 160], 160, vec![]));
        assert_eq!(player.play(at(60)).1, 0);
        player.push_sound(at(80), vec![3; 160]);
        assert_eq!(player.clear(true), (vec![], 160), "nothing of it has been played yet");
    }

    #[test]
    fn a_hushed_player_goes_on_in_silence() {
        let mut player = Player::default();
        player.push_sound(at(0), vec![1; 800]);
        player.push_mark("a".to_owned());
        player.play(at(20));
        assert_eq!(player.hush(Duration::from_millis(60)), 480);
        let heard: Vec<(i16, usize, usize)> = (2..6)
            .map(|n| {
                player.push_sound(at(n * 20), vec![2; 160]);
                let (pcm, from_box, marks) = player.play(at(n * 20));
                (pcm[0], from_box, marks.len())
            })
            .collect();
        assert_eq!(heard, [(0, 0, 0), (0, 0, 0), (0, 0, 0), (1, 160, 1)], "and its marks keep their places");
    }

    #[test]
    fn running_dry_in_the_middle_of_speech_is_counted() {
        let mut player = Player::default();
        player.push_sound(at(0), vec![0; 160]);
        player.play(at(20));
        player.push_sound(at(60), vec![0; 160]);
        assert_eq!(player.underruns, 1);
        player.play(at(80));
        player.push_sound(at(1_000), vec![0; 160]);
        assert_eq!(player.underruns, 1, "a pause is no underrun");
    }
}
