//! Who has taken a call that the box placed, where the carrier does not tell: the line's sound and the words
//! that were recognised, until that is settled. Pure.

use crate::base::audio::LINE_FRAME;
use crate::dialogue::voicemail;
use crate::media::answering_machine::{AnsweringMachine, Noticed};

#[derive(Debug, Default)]
pub struct Answered {
    detector: AnsweringMachine,
    /// Sound that does not fill a frame yet.
    rest: Vec<i16>,
}

impl Answered {
    /// The caller's sound as it comes, 8 kHz; a lost frame shortens a pause by as much.
    pub fn push(&mut self, pcm: &[i16], noticed: &mut Vec<Noticed>) {
        if self.detector.is_done() {
            return;
        }
        self.rest.extend_from_slice(pcm);
        let (frames, rest) = self.rest.as_chunks::<LINE_FRAME>();
        for frame in frames {
            noticed.extend(self.detector.push(frame));
        }
        self.rest = rest.to_vec();
    }

    /// What was recognised of it.
    pub fn words(&mut self, text: &str) -> Option<Noticed> {
        if voicemail::is_machine(text) { self.detector.words_tell() } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::event::AnsweredBy;

    #[test]
    fn words_and_silence_after_them_are_a_machine_that_records() {
        let mut answered = Answered::default();
        let mut noticed = Vec::new();
        // Pieces of any length are frames to it.
        for _ in 0..100 {
            answered.push(&[0; 77], &mut noticed);
        }
        assert_eq!(answered.words("hello, who is it"), None);
        let told = answered.words("please leave a message after the beep");
        assert_eq!(told, Some(Noticed::Verdict(AnsweredBy::Machine)));
        for _ in 0..400 {
            answered.push(&[0; 77], &mut noticed);
        }
        assert_eq!(noticed, [Noticed::LeaveMessage]);
        assert_eq!(answered.words("please leave a message after the beep"), None);
    }
}
