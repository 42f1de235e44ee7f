//! Action tags in a model's answer. Promise: what comes out as text holds no bracket and nothing
//! that stood inside a tag, however the answer was cut into pieces; a tag that is malformed,
//! unknown, too long or unterminated is dropped and reported, never spoken and never executed.

use std::fmt;

use crate::base::Lang;
use crate::base::limits::TAG_CHARS_MAX;

/// What a reply asks the product to do. A request: the product decides (design §4).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    Transfer,
    End,
    /// Canonical English: `5 PM`, `tomorrow 10:30 AM`; `later` when no time was said.
    Callback {
        time: String,
    },
    /// `5 June`, `Friday`, `tomorrow`; `unspecified` when no day was said.
    Promise {
        date: String,
    },
    Language(Lang),
    DoNotCall,
    WrongNumber,
    VerifyPayment,
    Repeat,
}

/// A piece of a reply, in its order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// May be spoken.
    Text(String),
    Action(Action),
    /// Was in brackets but is no action: for the journal's counters, not for anybody's ears.
    Dropped(String),
}

impl Action {
    /// As in the journal and in `--json` output.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Transfer => "transfer",
            Self::End => "end",
            Self::Callback { .. } => "callback",
            Self::Promise { .. } => "promise",
            Self::Language(_) => "language",
            Self::DoNotCall => "do_not_call",
            Self::WrongNumber => "wrong_number",
            Self::VerifyPayment => "verify_payment",
            Self::Repeat => "repeat",
        }
    }

    /// Reads what stands between the brackets.
    pub fn parse(inside: &str) -> Option<Self> {
        let inside = inside.trim();
        let name_end = inside.find(|c: char| c.is_whitespace() || c == '=').unwrap_or(inside.len());
        let (name, rest) = inside.split_at(name_end);
        let rest = rest.trim();
        let bare = |action: Self| rest.is_empty().then_some(action);
        match name.to_ascii_lowercase().as_str() {
            "transfer" => bare(Self::Transfer),
            "end" => bare(Self::End),
            "do_not_call" => bare(Self::DoNotCall),
            "wrong_number" => bare(Self::WrongNumber),
            "verify_payment" => bare(Self::VerifyPayment),
            "repeat" => bare(Self::Repeat),
            "callback" => attribute(rest, "time", "later").map(|time| Self::Callback { time }),
            "promise" => attribute(rest, "date", "unspecified").map(|date| Self::Promise { date }),
            "language" => rest.parse().ok().map(Self::Language),
            _ => None,
        }
    }
}

/// `time="5 PM"`; nothing at all stands for `absent`.
fn attribute(text: &str, name: &str, absent: &str) -> Option<String> {
    if text.is_empty() {
        return Some(absent.to_owned());
    }
    let value = text.strip_prefix(name)?.trim_start().strip_prefix('=')?.trim();
    let value = value.strip_prefix(['"', '\'', '“', '‘'])?.strip_suffix(['"', '\'', '”', '’'])?.trim();
    let clean = !value.is_empty() && !value.chars().any(|c| c.is_control() || matches!(c, '"' | '“' | '”'));
    clean.then(|| value.to_owned())
}

impl fmt::Display for Action {
    /// As a model writes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Callback { time } => write!(f, "[[callback time=\"{time}\"]]"),
            Self::Promise { date } => write!(f, "[[promise date=\"{date}\"]]"),
            Self::Language(lang) => write!(f, "[[language {lang}]]"),
            other => write!(f, "[[{}]]", other.name()),
        }
    }
}

#[derive(Clone, Debug, Default)]
enum Inside {
    #[default]
    Nothing,
    /// After one bracket: a tag may follow, or words in brackets.
    One(String),
    /// After two.
    Two(String),
    /// A tag that ran too long: everything up to its end is dropped.
    Lost,
}

/// Takes a reply in pieces and gives back what may be spoken and what is to be done.
#[derive(Clone, Debug, Default)]
pub struct TagFilter {
    inside: Inside,
    text: String,
    out: Vec<Piece>,
}

impl TagFilter {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn push(&mut self, piece: &str) -> Vec<Piece> {
        for c in piece.chars() {
            self.step(c);
        }
        self.flush();
        std::mem::take(&mut self.out)
    }

    /// The reply is over: what is still open is dropped.
    pub fn finish(&mut self) -> Vec<Piece> {
        match std::mem::take(&mut self.inside) {
            Inside::Nothing | Inside::Lost => {}
            Inside::One(held) | Inside::Two(held) => self.drop_tag(held),
        }
        self.flush();
        std::mem::take(&mut self.out)
    }

    fn step(&mut self, c: char) {
        self.inside = match (std::mem::take(&mut self.inside), c) {
            (Inside::Nothing, '[') => Inside::One(String::new()),
            // A closing bracket without an opening one is noise.
            (Inside::Nothing, ']') => Inside::Nothing,
            (Inside::Nothing, c) => {
                self.text.push(c);
                Inside::Nothing
            }
            (Inside::One(held), '[') if held.is_empty() => Inside::Two(held),
            (Inside::One(held), '[') => {
                self.words_in_brackets(held);
                Inside::One(String::new())
            }
            (Inside::One(held), ']') => {
                self.words_in_brackets(held);
                Inside::Nothing
            }
            (Inside::One(mut held), c) => {
                held.push(c);
                if c == '\n' || held.chars().count() > TAG_CHARS_MAX {
                    self.words_in_brackets(held);
                    Inside::Nothing
                } else {
                    Inside::One(held)
                }
            }
            // `[[[tag]]]` and `[[ta[[tag]]`: the last opening counts.
            (Inside::Two(held), '[') => {
                if !held.is_empty() {
                    self.drop_tag(held);
                }
                Inside::Two(String::new())
            }
            (Inside::Two(mut held), c) => {
                held.push(c);
                if let Some(content) = held.strip_suffix("]]") {
                    match Action::parse(content) {
                        Some(action) => {
                            self.flush();
                            self.out.push(Piece::Action(action));
                        }
                        None => {
                            let content = content.to_owned();
                            self.drop_tag(content);
                        }
                    }
                    Inside::Nothing
                } else if c == '\n' {
                    self.drop_tag(held);
                    Inside::Nothing
                } else if held.chars().count() > TAG_CHARS_MAX {
                    self.drop_tag(held);
                    Inside::Lost
                } else {
                    Inside::Two(held)
                }
            }
            (Inside::Lost, ']' | '\n') => Inside::Nothing,
            (Inside::Lost, _) => Inside::Lost,
        };
    }

    /// `[words]`: spoken without the brackets, unless they look like a tag.
    fn words_in_brackets(&mut self, held: String) {
        let first =
            held.split(|c: char| c.is_whitespace() || c == '=').find(|word| !word.is_empty()).unwrap_or_default();
        let tag_like = [
            "transfer",
            "end",
            "callback",
            "promise",
            "language",
            "do_not_call",
            "wrong_number",
            "verify_payment",
            "repeat",
        ];
        if tag_like.contains(&first.to_ascii_lowercase().as_str()) || first.contains('_') {
            self.drop_tag(held);
        } else {
            self.text.push_str(&held);
        }
    }

    fn drop_tag(&mut self, held: String) {
        self.flush();
        self.out.push(Piece::Dropped(held.trim_end_matches([']', '\n']).to_owned()));
    }

    fn flush(&mut self) {
        if !self.text.is_empty() {
            self.out.push(Piece::Text(std::mem::take(&mut self.text)));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn run<'a>(pieces: impl IntoIterator<Item = &'a str>) -> (String, Vec<Action>, Vec<String>) {
        let mut filter = TagFilter::new();
        let mut out = Vec::new();
        for piece in pieces {
            out.extend(filter.push(piece));
        }
        out.extend(filter.finish());
        let (mut text, mut actions, mut dropped) = (String::new(), Vec::new(), Vec::new());
        for piece in out {
            match piece {
                Piece::Text(t) => text.push_str(&t),
                Piece::Action(a) => actions.push(a),
                Piece::Dropped(d) => dropped.push(d),
            }
        }
        (text, actions, dropped)
    }

    fn all_actions() -> Vec<Action> {
        let mut all = vec![
            Action::Transfer,
            Action::End,
            Action::Callback { time: "tomorrow 10:30 AM".into() },
            Action::Promise { date: "5 June".into() },
            Action::DoNotCall,
            Action::WrongNumber,
            Action::VerifyPayment,
            Action::Repeat,
        ];
        all.extend(Lang::ALL.map(Action::Language));
        all
    }

    #[test]
    fn every_action_reads_back_from_its_own_writing() {
        for action in all_actions() {
            let (text, actions, dropped) = run([format!("ठीक है। {action}").as_str()]);
            assert_eq!((text.as_str(), actions, dropped.len()), ("ठीक है। ", vec![action], 0));
        }
    }

    #[test]
    fn spellings_models_use_are_understood_and_others_dropped() {
        let cases: &[(&str, &str, Option<Action>, &[&str])] = &[
            ("Bye.[[ End ]]", "Bye.", Some(Action::End), &[]),
            ("ok [[TRANSFER]] then", "ok  then", Some(Action::Transfer), &[]),
            ("[[language ta]]", "", Some(Action::Language(Lang::Ta)), &[]),
            ("[[callback]]", "", Some(Action::Callback { time: "later".into() }), &[]),
            ("[[promise date=‘5 June’]]", "", Some(Action::Promise { date: "5 June".into() }), &[]),
            ("[[[transfer]]]", "", Some(Action::Transfer), &[]),
            ("[[tra[[transfer]]", "", Some(Action::Transfer), &["tra"]),
            ("a [[pay now]] b", "a  b", None, &["pay now"]),
            ("a [[callback when=\"5\"]] b", "a  b", None, &["callback when=\"5\""]),
            ("a [[callback time=5]] b", "a  b", None, &["callback time=5"]),
            ("a [[callback time=\"\"]] b", "a  b", None, &["callback time=\"\""]),
            ("a [[end now]] b", "a  b", None, &["end now"]),
            ("a [[language fr-FR]] b", "a  b", None, &["language fr-FR"]),
            ("a [[]] b", "a  b", None, &[""]),
            ("a [[transfer", "a ", None, &["transfer"]),
            ("a [[transfer]", "a ", None, &["transfer"]),
            ("a [[transfer\nb", "a b", None, &["transfer"]),
            ("a [transfer] b", "a  b", None, &["transfer"]),
            ("a [softly] b ] c", "a softly b  c", None, &[]),
            ("a [", "a ", None, &[""]),
        ];
        for (given, text, action, dropped) in cases {
            let (t, a, d) = run([*given]);
            assert_eq!((t.as_str(), a), (*text, action.iter().cloned().collect()), "{given}");
            assert_eq!(d, *dropped, "{given}");
        }
    }

    #[test]
    fn an_endless_tag_is_dropped_up_to_its_end_and_the_rest_is_spoken() {
        let long = format!("a [[{}]] b", "x".repeat(5_000));
        let (text, actions, dropped) = run([long.as_str()]);
        assert_eq!((text.as_str(), actions.len(), dropped.len()), ("a  b", 0, 1));
    }

    proptest! {
        #[test]
        fn where_an_answer_is_cut_changes_nothing(parts in prop::collection::vec(
            prop::sample::select(vec!["[", "]", "[[", "]]", "end", "transfer", " ", "नमस्ते", "callback time=\"", "5 PM", "\"", "\n", "a_b", "language ta-IN"]), 0..40),
            cuts in prop::collection::vec(any::<bool>(), 400)) {
            let whole: String = parts.concat();
            let mut pieces = vec![String::new()];
            for (i, c) in whole.chars().enumerate() {
                if cuts[i % cuts.len()] { pieces.push(String::new()); }
                pieces.last_mut().expect("one").push(c);
            }
            let cut = run(pieces.iter().map(String::as_str));
            prop_assert_eq!(&cut, &run([whole.as_str()]));
            prop_assert!(!cut.0.contains(['[', ']']));
        }

        #[test]
        fn text_without_brackets_passes_unchanged(text in "[^\\[\\]]{0,200}") {
            let (out, actions, dropped) = run([text.as_str()]);
            prop_assert_eq!(out, text);
            prop_assert!(actions.is_empty() && dropped.is_empty());
        }

        #[test]
        fn nothing_inside_a_tag_is_ever_spoken(before in "[a-z ]{0,20}", inside in "[a-zA-Z_=\" \u{b80}-\u{bff}]{0,150}", after in "[a-z ]{0,20}") {
            let (text, _, _) = run([format!("{before}[[{inside}]]{after}").as_str()]);
            prop_assert_eq!(text, format!("{before}{after}"));
        }
    }
}
