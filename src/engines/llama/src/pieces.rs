//! Bytes of tokens to whole characters: a token may end in the middle of one, and in Indian scripts
//! most do.

/// Collects the bytes of an answer and gives out whole characters. Bytes that can never become a
/// character are dropped, because nobody could speak them.
#[derive(Debug, Default)]
pub(crate) struct Pieces {
    rest: Vec<u8>,
}

impl Pieces {
    /// All characters that are complete by now.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> String {
        self.rest.extend_from_slice(bytes);
        let mut out = String::new();
        let mut used = 0;
        let mut chunks = self.rest.utf8_chunks().peekable();
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
        self.rest.drain(..used);
        out
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn through(bytes: &[u8], cut: usize) -> String {
        let mut pieces = Pieces::default();
        bytes.chunks(cut).map(|chunk| pieces.push(chunk)).collect()
    }

    #[test]
    fn torn_characters_wait_and_impossible_bytes_go() {
        assert_eq!(through("ரூ 5,200 — சரி".as_bytes(), 1), "ரூ 5,200 — சரி");
        assert_eq!(through(b"a\xffb\xe0\xae", 1), "ab");
        assert_eq!(through(b"\xe0a", 1), "a");
    }

    proptest! {
        #[test]
        fn text_survives_any_cutting(text in ".*", cut in 1_usize..7) {
            prop_assert_eq!(through(text.as_bytes(), cut), text);
        }

        #[test]
        fn any_bytes_cut_anyhow_give_the_same_text(bytes in prop::collection::vec(any::<u8>(), 0..60), cut in 1_usize..7) {
            let whole: String = bytes.utf8_chunks().map(|c| c.valid().to_owned()).collect();
            prop_assert_eq!(through(&bytes, cut), whole);
        }
    }
}
