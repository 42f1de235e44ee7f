//! Joins an answer that broke off with what another model wrote to go on. Pure.
//! Some models start over or repeat a few words before they go on: nothing of that may be said twice.

/// Characters of the new text that are looked at before anything is let through.
const LOOK: usize = 48;
/// A shorter common end may be chance.
const COMMON_MIN: usize = 6;

/// Takes the repeated beginning off a continuation.
#[derive(Debug)]
pub(super) struct Joiner {
    said: Vec<char>,
    held: Option<String>,
}

impl Joiner {
    pub(super) fn new(said: &str) -> Self {
        Self { said: said.chars().collect(), held: Some(String::new()) }
    }

    /// The next piece; what may be said of it.
    pub(super) fn push(&mut self, piece: &str) -> String {
        let Some(held) = &mut self.held else { return piece.to_owned() };
        held.push_str(piece);
        let new: Vec<char> = held.chars().collect();
        // As long as it repeats the answer from its start it may do so to the end.
        let starts_over = !new.is_empty() && self.said.iter().zip(&new).all(|(a, b)| same(*a, *b));
        if new.len() < LOOK.min(self.said.len()) || (starts_over && new.len() < self.said.len()) {
            return String::new();
        }
        self.finish()
    }

    /// The rest, when no more will come.
    pub(super) fn finish(&mut self) -> String {
        let Some(held) = self.held.take() else { return String::new() };
        let new: Vec<char> = held.trim_start().chars().collect();
        let repeated = repeated(&self.said, &new);
        let rest: String = if repeated == 0 { held } else { new[repeated..].iter().collect() };
        let rest =
            if self.said.last().is_some_and(|c| c.is_whitespace()) { rest.trim_start().to_owned() } else { rest };
        if repeated == 0 && needs_space(&self.said, &rest) { format!(" {rest}") } else { rest }
    }
}

/// How many characters at the beginning of `new` were already said.
fn repeated(said: &[char], new: &[char]) -> usize {
    let trimmed = &said[..said.len() - said.iter().rev().take_while(|c| c.is_whitespace()).count()];
    if !trimmed.is_empty() && new.len() >= trimmed.len() && trimmed.iter().zip(new).all(|(a, b)| same(*a, *b)) {
        return trimmed.len();
    }
    let most = trimmed.len().min(new.len());
    (COMMON_MIN..=most)
        .rev()
        .find(|length| trimmed[trimmed.len() - length..].iter().zip(new).all(|(a, b)| same(*a, *b)))
        .unwrap_or(0)
}

fn same(a: char, b: char) -> bool {
    a == b || a.to_lowercase().eq(b.to_lowercase())
}

/// A model that begins a new word leaves the space to us; one that goes on in the middle of a word
/// begins with a letter and cannot be told apart, so only the end of a sentence gets a space.
fn needs_space(said: &[char], rest: &str) -> bool {
    let ended = said.last().is_some_and(|c| matches!(c, '.' | '?' | '!' | ',' | '।'));
    ended && rest.chars().next().is_some_and(char::is_alphanumeric)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn join(said: &str, pieces: &[&str]) -> String {
        let mut joiner = Joiner::new(said);
        let mut out: String = pieces.iter().map(|p| joiner.push(p)).collect();
        out.push_str(&joiner.finish());
        format!("{said}{out}")
    }

    #[test]
    fn nothing_is_said_twice() {
        let whole = "Your EMI amount is ₹5,200. It is due on 5 June.";
        assert_eq!(join("Your EMI amount is ₹5,2", &["00. It is ", "due on 5 June."]), whole);
        assert_eq!(join("Your EMI amount is", &["Your EMI amo", "unt is ₹5,200. It is due on 5 June."]), whole);
        assert_eq!(join("Your EMI amount is ₹5,200.", &["amount is ₹5,200. It is due on 5 June."]), whole);
        assert_eq!(join("Your EMI amount is ₹5,200.", &["It is due on 5 June."]), whole);
        assert_eq!(join("", &["Your ", "EMI"]), "Your EMI");
        assert_eq!(join("किस्त की", &[" राशि है"]), "किस्त की राशि है");
    }

    proptest! {
        #[test]
        fn a_true_continuation_is_never_cut(said in "[a-z ]{0,40}", rest in "[0-9]{1,60}") {
            let joined = join(&said, &[&rest]);
            prop_assert!(joined.ends_with(&rest));
        }
    }
}
