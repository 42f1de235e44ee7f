//! What some models think aloud, as servers without a parser for it send it: `<think>…</think>` before
//! the answer. No caller is to hear that.

const OPEN: &str = "<think>";
const CLOSE: &str = "</think>";

/// Takes the thoughts out of a text that comes in pieces. Only the beginning of an answer is looked at.
#[derive(Debug, Default)]
pub struct Thoughts {
    state: State,
    /// Text that may yet turn out to belong to a mark.
    kept: String,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Start,
    Thinking,
    /// Between the thoughts and the answer: white space is dropped.
    Gap,
    Answer,
}

impl Thoughts {
    /// The part of `text` that is to be said, with what was held back before.
    pub fn strip(&mut self, text: &str) -> String {
        if self.state == State::Answer {
            return text.to_owned();
        }
        self.kept.push_str(text);
        loop {
            match self.state {
                State::Start => {
                    let begun = self.kept.trim_start();
                    if let Some(thought) = begun.strip_prefix(OPEN) {
                        self.kept = thought.to_owned();
                        self.state = State::Thinking;
                    } else if OPEN.starts_with(begun) {
                        return String::new();
                    } else {
                        self.state = State::Answer;
                    }
                }
                State::Thinking => {
                    let Some(at) = self.kept.find(CLOSE) else {
                        // Enough of the end to know the mark when its rest comes.
                        let mut from = self.kept.len().saturating_sub(CLOSE.len());
                        while !self.kept.is_char_boundary(from) {
                            from += 1;
                        }
                        self.kept.drain(..from);
                        return String::new();
                    };
                    self.kept.drain(..at + CLOSE.len());
                    self.state = State::Gap;
                }
                State::Gap => {
                    let begun = self.kept.trim_start().to_owned();
                    self.kept = begun;
                    if self.kept.is_empty() {
                        return String::new();
                    }
                    self.state = State::Answer;
                }
                State::Answer => return std::mem::take(&mut self.kept),
            }
        }
    }

    /// What was held back when the answer is over; thoughts without an end are dropped.
    pub fn rest(&mut self) -> String {
        let kept = std::mem::take(&mut self.kept);
        if std::mem::replace(&mut self.state, State::Answer) == State::Start { kept } else { String::new() }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn said(pieces: &[&str]) -> String {
        let mut thoughts = Thoughts::default();
        let mut said: String = pieces.iter().map(|piece| thoughts.strip(piece)).collect();
        said.push_str(&thoughts.rest());
        said
    }

    #[test]
    fn thoughts_are_not_said() {
        assert_eq!(said(&["नम", "स्ते"]), "नमस्ते");
        assert_eq!(said(&["\n<th", "ink>he greets</thi", "nk>\n\n", " नमस्ते", " <think>"]), "नमस्ते <think>");
        assert_eq!(said(&["<think>never ", "done"]), "");
        assert_eq!(said(&[" <thin"]), " <thin");
        assert_eq!(said(&["<b>", "x"]), "<b>x");
    }

    proptest! {
        #[test]
        fn where_the_pieces_end_makes_no_difference(text in "(<think>|</think>|[ <न]|a){0,12}", cut in 0_usize..60) {
            let cut = (0..=cut.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
            prop_assert_eq!(said(&[&text]), said(&[&text[..cut], &text[cut..]]));
        }
    }
}
