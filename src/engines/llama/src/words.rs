//! Bytes of tokens to text worth sending.
//!
//! A token may end in the middle of a character, and in Indian scripts most do. And one message a
//! token costs the daemon more than it is worth, because speech is made of whole clauses: so text
//! goes out when a word or a clause ends, only its very beginning at once.

/// So many bytes are never held back.
const HELD_MAX: usize = 32;

#[derive(Debug)]
pub(crate) struct Words {
    /// The beginning of a character.
    torn: Vec<u8>,
    held: String,
    /// Nothing was given out yet.
    first: bool,
    /// White space before the first word is dropped.
    strip: bool,
    /// `held` may go.
    due: bool,
}

impl Words {
    pub(crate) fn new(strip: bool) -> Self {
        Self { torn: Vec::new(), held: String::new(), first: true, strip, due: false }
    }

    pub(crate) fn push(&mut self, bytes: &[u8]) {
        let text = self.whole(bytes);
        let text = if self.strip { text.trim_start() } else { &text };
        if text.is_empty() {
            return;
        }
        self.strip = false;
        self.held.push_str(text);
        let ends = |c: char| c.is_whitespace() || c.is_ascii_punctuation() || matches!(c, '।' | '॥' | '…');
        self.due |= self.first || self.held.len() >= HELD_MAX || text.contains(ends);
    }

    /// The answer is complete.
    pub(crate) fn end(&mut self) {
        self.due = true;
    }

    /// What is to be sent now: whole characters, never nothing.
    pub(crate) fn take(&mut self) -> Option<String> {
        if !self.due || self.held.is_empty() {
            return None;
        }
        self.due = false;
        self.first = false;
        Some(std::mem::take(&mut self.held))
    }

    /// All characters that are complete by now. Bytes that can never become a character are
    /// dropped, because nobody could speak them.
    fn whole(&mut self, bytes: &[u8]) -> String {
        self.torn.extend_from_slice(bytes);
        let mut out = String::new();
        let mut used = 0;
        let mut chunks = self.torn.utf8_chunks().peekable();
        while let Some(chunk) = chunks.next() {
            out.push_str(chunk.valid());
            used += chunk.valid().len();
            let torn = chunk.invalid();
            // At the very end an incomplete character waits for its other bytes.
            let waits = chunks.peek().is_none() && std::str::from_utf8(torn).is_err_and(|e| e.error_len().is_none());
            if !waits {
                used += torn.len();
            }
        }
        self.torn.drain(..used);
        out
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sent(pieces: &[&[u8]]) -> Vec<String> {
        let mut words = Words::new(true);
        let mut sent = Vec::new();
        for piece in pieces {
            words.push(piece);
            sent.extend(words.take());
        }
        words.end();
        sent.extend(words.take());
        assert_eq!(words.take(), None);
        sent
    }

    fn through(bytes: &[u8], cut: usize, strip: bool) -> String {
        let mut words = Words::new(strip);
        let mut out = String::new();
        for chunk in bytes.chunks(cut) {
            words.push(chunk);
            out.extend(words.take());
        }
        words.end();
        out.extend(words.take());
        out
    }

    #[test]
    fn the_beginning_goes_at_once_and_then_whole_words_and_clauses() {
        let pieces: [&[u8]; 8] = [b" ", b" I", b" am", b" on", b" be", b"h", b"alf", b"."];
        assert_eq!(sent(&pieces), ["I", " am", " on", " be", "half."]);
        assert_eq!(sent(&["நன்".as_bytes(), "றி".as_bytes(), "!".as_bytes()]), ["நன்", "றி!"]);
        assert_eq!(sent(&[b"a", "௧".repeat(11).as_bytes()]).len(), 2, "not held back for ever");
        assert!(sent(&[]).is_empty() && sent(&[b" \n"]).is_empty());
    }

    #[test]
    fn torn_characters_wait_and_impossible_bytes_go() {
        assert_eq!(through("ரூ 5,200 — சரி".as_bytes(), 1, false), "ரூ 5,200 — சரி");
        assert_eq!(through(b"a\xffb\xe0\xae", 1, false), "ab");
        assert_eq!(through(b"\xe0a", 1, false), "a");
    }

    proptest! {
        #[test]
        fn text_survives_any_cutting(text in ".*", cut in 1_usize..7) {
            prop_assert_eq!(through(text.as_bytes(), cut, false), text.clone());
            prop_assert_eq!(through(text.as_bytes(), cut, true), text.trim_start());
        }

        #[test]
        fn any_bytes_cut_anyhow_give_the_same_text(bytes in prop::collection::vec(any::<u8>(), 0..60), cut in 1_usize..7) {
            let whole: String = bytes.utf8_chunks().map(|c| c.valid().to_owned()).collect();
            prop_assert_eq!(through(&bytes, cut, false), whole);
        }
    }
}
