//! Loading and speaking the books of `config/prompts/`. Promise: a catalogue that was loaded has
//! every line a call needs in all eleven languages, and every placeholder in it can be filled.
//! Absent on purpose: choosing what to say, and how numbers sound (`speak`).

use std::collections::BTreeMap;
use std::path::Path;

use super::book::{Book, Catalogue, Dialect, Intent, IntentLines, Marker};
use crate::base::Lang;
pub use crate::config::ConfigError as PromptError;
use crate::config::{At, Fields, FromNode, Node, Problem, nearest, parse, read_file};

/// A fixed line: its key, the placeholders it may hold beside `{company}` and `{agent_name}`, and
/// those it must hold.
struct Line {
    key: &'static str,
    may: &'static [&'static str],
    must: &'static [&'static str],
}

const fn line(key: &'static str, may: &'static [&'static str]) -> Line {
    Line { key, may, must: &[] }
}

const LINES: [Line; 45] = [
    line("greeting", &["name"]),
    line("greeting_inbound", &[]),
    line("ai_disclosure", &[]),
    line("consent_recording", &[]),
    line("recording_notice", &[]),
    line("recording_off", &[]),
    Line { key: "language_menu", may: &["digit"], must: &["digit"] },
    line("language_menu_intro", &[]),
    line("language_confirmed", &[]),
    line("emi_part1", &["name", "amount", "loan_id", "due_date"]),
    line("emi_part2", &[]),
    line("ask_agent_connect", &[]),
    line("transferring", &[]),
    line("agent_busy", &[]),
    line("human_unavailable", &[]),
    line("goodbye_decline", &[]),
    line("goodbye", &[]),
    line("reprompt_silence", &[]),
    line("reprompt_unclear", &[]),
    line("apology_error", &[]),
    line("hold", &[]),
    line("filler_moment", &[]),
    line("continue_prompt", &[]),
    line("missing_fact", &[]),
    line("action_failed", &[]),
    line("payment_promise_confirm", &["due_date"]),
    line("callback_confirm", &["time"]),
    line("wrong_number_apology", &[]),
    line("dnd_confirm", &[]),
    line("repeat_offer", &[]),
    line("voicemail", &["name", "phone"]),
    line("max_duration", &[]),
    line("inactivity_goodbye", &[]),
    line("busy_line", &[]),
    Line { key: "callback_offer", may: &["digit"], must: &["digit"] },
    line("callback_noted", &[]),
    line("draining", &[]),
    Line { key: "handover_call", may: &["language"], must: &["language"] },
    Line { key: "handover_name", may: &["name"], must: &["name"] },
    Line { key: "handover_promise", may: &["due_date"], must: &["due_date"] },
    line("handover_words", &[]),
    line("handover_choice", &[]),
    line("handover_over", &[]),
    line("transfer_failed", &[]),
    line("transfer_lost", &[]),
];

/// What every agent's file fills.
const ALWAYS: [&str; 2] = ["company", "agent_name"];

/// What callers' sentences and answers to intents may hold.
const PLACEHOLDERS: [&str; 11] = [
    "name",
    "agent_name",
    "company",
    "amount",
    "loan_id",
    "due_date",
    "date",
    "time",
    "office_hours",
    "address",
    "phone",
];

/// Characters of one line; a longer one is no line for a telephone.
const LINE_CHARS_MAX: usize = 400;

impl Catalogue {
    /// Reads all books of `dir` (`config/prompts`): `<tag>.toml` for each language, any other name
    /// for romanised callers' words.
    pub fn load(dir: &Path) -> Result<Self, PromptError> {
        let here = At::outside(&dir.display().to_string());
        let entries = std::fs::read_dir(dir)
            .map_err(|error| Problem::new(&here, format!("the prompts cannot be read: {error}")))?;
        let mut paths: Vec<_> = entries
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| path.extension().is_some_and(|ext| ext == "toml"))
            .collect();
        paths.sort();
        let roots = paths.iter().map(|path| {
            let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            (stem, read_file(path))
        });
        Self::from_roots(&here, roots)
    }

    /// The same from texts: file name without `.toml`, and text.
    pub fn from_texts<'a>(texts: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self, PromptError> {
        let roots = texts.into_iter().map(|(stem, text)| (stem.to_owned(), parse(&format!("{stem}.toml"), text)));
        Self::from_roots(&At::outside("prompts"), roots)
    }

    fn from_roots(
        here: &At,
        roots: impl IntoIterator<Item = (String, Result<Node, Problem>)>,
    ) -> Result<Self, PromptError> {
        let mut catalogue = Self::default();
        let mut problems = Vec::new();
        let mut broken = Vec::new();
        for (stem, root) in roots {
            let of = Lang::ALL.into_iter().find(|lang| lang.tag() == stem);
            match (root, of) {
                (Err(problem), _) => {
                    problems.push(problem);
                    broken.extend(of);
                }
                (Ok(root), Some(lang)) => {
                    let book = read_book(root, lang, &mut problems);
                    catalogue.books.insert(lang, book);
                }
                (Ok(root), None) => {
                    let (lang, intents) = read_romanised(root, &mut problems);
                    catalogue.romanised.insert(lang, intents);
                }
            }
        }
        for lang in Lang::ALL.into_iter().filter(|lang| !catalogue.books.contains_key(lang) && !broken.contains(lang)) {
            problems.push(Problem::new(here, format!("{lang}.toml is missing; put the shipped one back and edit it")));
        }
        if problems.is_empty() { Ok(catalogue) } else { Err(problems.into()) }
    }

    pub fn book(&self, lang: Lang) -> Option<&Book> {
        self.books.get(&lang)
    }

    /// A fixed line with its placeholders filled; what is not given is left out. A loaded catalogue
    /// has every line in every language.
    pub fn line(&self, lang: Lang, key: &str, vars: &[(&str, &str)]) -> String {
        debug_assert!(LINES.iter().any(|line| line.key == key), "no such line: {key}");
        let text = [lang, Lang::En].into_iter().find_map(|lang| self.books.get(&lang)?.lines.get(key));
        text.map_or_else(String::new, |text| fill(text, vars))
    }

    /// One of the answers to an intent, `variant` counting round those whose placeholders are all
    /// given; `None` if there is none.
    pub fn reply(&self, lang: Lang, intent: Intent, variant: usize, vars: &[(&str, &str)]) -> Option<String> {
        let lines = &self.books.get(&lang)?.intents.get(&intent)?.reply;
        let given: Vec<_> = lines
            .iter()
            .filter(|text| {
                placeholders(text).all(|name| vars.iter().any(|(known, value)| *known == name && !value.is_empty()))
            })
            .collect();
        let text = given.get(variant.checked_rem(given.len())?)?;
        Some(fill(text, vars))
    }
}

/// The names in braces; loaded texts have no other braces.
fn placeholders(text: &str) -> impl Iterator<Item = &str> {
    text.split('{').skip(1).filter_map(|rest| Some(rest.split_once('}')?.0))
}

/// One pass: a value is never searched for placeholders again.
fn fill(text: &str, vars: &[(&str, &str)]) -> String {
    let mut out = String::with_capacity(text.len() * 2);
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        out.push_str(before);
        let Some((name, after)) = after.split_once('}') else {
            rest = after;
            continue;
        };
        if let Some((_, value)) = vars.iter().find(|(known, _)| *known == name) {
            out.push_str(value);
        }
        rest = after;
    }
    out.push_str(rest);
    out
}

/// Why a text cannot be a line, if it cannot.
fn fault_of(text: &str, allowed: &[&str]) -> Option<String> {
    if text.trim().is_empty() {
        return Some("is empty; write the words to be spoken".to_owned());
    }
    if text.chars().count() > LINE_CHARS_MAX {
        return Some(format!("is longer than {LINE_CHARS_MAX} characters; write it shorter"));
    }
    if text.chars().any(char::is_control) {
        return Some("holds a line break or another control character; write it in one line".to_owned());
    }
    let mut rest = text;
    while let Some(at) = rest.find(['{', '}']) {
        let open = rest[at..].starts_with('{');
        let close = rest[at + 1..].find(['{', '}']).map(|n| at + 1 + n);
        let Some(close) = close.filter(|close| open && rest[*close..].starts_with('}')) else {
            return Some("has an unpaired brace; write placeholders as {name}".to_owned());
        };
        let name = &rest[at + 1..close];
        if !allowed.contains(&name) {
            let known = |names: &[&str]| names.iter().map(|n| format!("{{{n}}}")).collect::<Vec<_>>().join(" ");
            return Some(match nearest(name, allowed.iter().copied()) {
                Some(near) => format!("holds the unknown placeholder {{{name}}}; write {{{near}}}"),
                None => format!("holds {{{name}}}, which is not known here; write one of {}", known(allowed)),
            });
        }
        rest = &rest[close + 1..];
    }
    None
}

fn checked_text(fields: &mut Fields<'_>, key: &str, node: &Node, allowed: &[&str]) -> Option<String> {
    let fault = match String::from_node(node) {
        Ok(text) => match fault_of(&text, allowed) {
            None => return Some(text),
            Some(fault) => fault,
        },
        Err(fault) => fault,
    };
    let name = fields.name(key);
    fields.refuse(&node.at, format!("`{name}` {fault}"));
    None
}

/// A list of texts; `least` of them must be there.
fn texts(fields: &mut Fields<'_>, key: &str, least: usize, allowed: &[&str]) -> Vec<String> {
    let name = fields.name(key);
    let Some((items, at)) = fields.optional::<Vec<Item>>(key) else {
        if least > 0 && !fields.faulty(key) {
            let at = fields.at().clone();
            fields.refuse(&at, format!("`{name}` is missing; write a list of texts"));
        }
        return Vec::new();
    };
    if items.len() < least {
        fields.refuse(&at, format!("`{name}` has {} entries; write at least {least}", items.len()));
    }
    let mut out = Vec::with_capacity(items.len());
    for (i, Item(node)) in items.iter().enumerate() {
        out.extend(checked_text(fields, &format!("{key}[{}]", i + 1), node, allowed));
    }
    out
}

/// An entry of a list with its own place.
struct Item(Node);

impl FromNode for Item {
    fn from_node(node: &Node) -> Result<Self, String> {
        Ok(Self(node.clone()))
    }
}

fn read_language(fields: &mut Fields<'_>) -> Option<(Lang, At)> {
    let found = fields.parsed::<Lang>("language", "the language's tag, such as \"hi-IN\"");
    if found.is_none() && !fields.faulty("language") {
        let at = fields.at().clone();
        fields.refuse(&at, "`language` is missing; write for example `language = \"hi-IN\"`");
    }
    found
}

fn read_book(root: Node, lang: Lang, problems: &mut Vec<Problem>) -> Book {
    let mut fields = Fields::new(root, problems);
    if let Some((said, at)) = read_language(&mut fields)
        && said != lang
    {
        fields.refuse(&at, format!("`language` is {said} in the file of {lang}; write `language = \"{lang}\"`"));
    }
    let mut book = Book {
        language: lang,
        yes: texts(&mut fields, "yes", 1, &[]),
        no: texts(&mut fields, "no", 1, &[]),
        names: texts(&mut fields, "names", 0, &[]),
        places: texts(&mut fields, "places", 0, &[]),
        months: exactly(&mut fields, "months", 12, "January to December"),
        weekdays: exactly(&mut fields, "weekdays", 7, "Monday to Sunday"),
        everyday: texts(&mut fields, "everyday", 0, &[]),
        lines: BTreeMap::new(),
        number_words: BTreeMap::new(),
        intents: BTreeMap::new(),
        patterns: BTreeMap::new(),
        dialects: BTreeMap::new(),
    };
    let mut section = fields.section("lines");
    for line in &LINES {
        let Some(node) = section.take(line.key) else {
            let (name, at) = (section.name(line.key), section.at().clone());
            section.refuse(&at, format!("`{name}` is missing; write `{} = \"…\"` in [lines]", line.key));
            continue;
        };
        let allowed: Vec<_> = ALWAYS.iter().chain(line.may).copied().collect();
        let Some(text) = checked_text(&mut section, line.key, &node, &allowed) else { continue };
        for must in line.must.iter().filter(|must| !placeholders(&text).any(|name| name == **must)) {
            let name = section.name(line.key);
            section.refuse(&node.at, format!("`{name}` lacks {{{must}}}; write {{{must}}} where it belongs"));
        }
        book.lines.insert(line.key.to_owned(), text);
    }
    section.finish();

    let mut section = fields.section("number_words");
    for (key, node) in section.rest() {
        match key.parse::<u64>() {
            Ok(number) => {
                if let Some(word) = checked_text(&mut section, &key, &node, &[]) {
                    book.number_words.insert(number, word);
                }
            }
            Err(_) => {
                section.refuse(&node.at, format!("`number_words.{key}`: the key is no number; write digits only"))
            }
        }
    }
    section.finish();

    book.intents = read_intents(&mut fields, 1);

    let mut section = fields.section("patterns");
    for intent in Intent::ALL {
        let patterns = read_patterns(&mut section, intent.name());
        if !patterns.is_empty() {
            book.patterns.insert(intent, patterns);
        }
    }
    section.finish();

    let mut section = fields.section("dialects");
    for (name, node) in section.rest() {
        let dialect = read_dialect(section.child(&name, node));
        book.dialects.insert(name, dialect);
    }
    section.finish();
    fields.finish();
    book
}

/// Patterns of callers' wordings; each group in parentheses must be closed and holds no other.
fn read_patterns(fields: &mut Fields<'_>, intent: &str) -> Vec<String> {
    let place = fields.place(intent);
    let mut patterns = texts(fields, intent, 0, &PLACEHOLDERS);
    patterns.retain(|pattern| {
        let mut inside = false;
        let paired = pattern.chars().all(|c| match c {
            '(' => !std::mem::replace(&mut inside, true),
            ')' => std::mem::replace(&mut inside, false),
            '|' => inside,
            _ => true,
        });
        if let (false, Some(at)) = (paired && !inside, &place) {
            fields.refuse(at, format!("`patterns.{intent}`: {pattern:?} has an unpaired parenthesis; write (a|b)"));
        }
        paired && !inside
    });
    patterns
}

fn exactly(fields: &mut Fields<'_>, key: &str, count: usize, which: &str) -> Vec<String> {
    let place = fields.place(key);
    let words = texts(fields, key, 1, &[]);
    if let Some(at) = place.filter(|_| !words.is_empty() && words.len() != count) {
        fields.refuse(&at, format!("`{key}` has {} entries; write {count}, {which}", words.len()));
    }
    words
}

/// `replies`: how many answers each intent must have. Romanised books have callers' words only.
fn read_intents(fields: &mut Fields<'_>, replies: usize) -> BTreeMap<Intent, IntentLines> {
    let mut section = fields.section("intents");
    let mut intents = BTreeMap::new();
    for intent in Intent::ALL {
        let Some(node) = section.take(intent.name()) else {
            let at = section.at().clone();
            section.refuse(
                &at,
                format!(
                    "`intents.{intent}` is missing; write [intents.{intent}] with caller and reply",
                    intent = intent.name()
                ),
            );
            continue;
        };
        let mut of = section.child(intent.name(), node);
        let lines = IntentLines {
            caller: texts(&mut of, "caller", 1, &PLACEHOLDERS),
            reply: texts(&mut of, "reply", replies, &PLACEHOLDERS),
        };
        of.finish();
        intents.insert(intent, lines);
    }
    section.finish();
    intents
}

fn read_dialect(mut fields: Fields<'_>) -> Dialect {
    let mut markers = Vec::new();
    for (i, Item(node)) in fields.or::<Vec<Item>>("markers", Vec::new()).into_iter().enumerate() {
        let mut of = fields.child(&format!("markers[{}]", i + 1), node);
        markers.push(Marker {
            word: of.text("word", "\"…\""),
            standard: of.text("standard", "\"…\""),
            gloss: of.or("gloss", String::new()),
        });
        of.finish();
    }
    let dialect = Dialect { markers, caller: texts(&mut fields, "caller", 0, &PLACEHOLDERS) };
    fields.finish();
    dialect
}

fn read_romanised(root: Node, problems: &mut Vec<Problem>) -> (Lang, BTreeMap<Intent, IntentLines>) {
    let mut fields = Fields::new(root, problems);
    let lang = read_language(&mut fields).map_or(Lang::En, |(lang, _)| lang);
    let intents = read_intents(&mut fields, 0);
    fields.finish();
    (lang, intents)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shipped() -> std::path::PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("config/prompts")
    }

    fn shipped_text(stem: &str) -> String {
        std::fs::read_to_string(shipped().join(format!("{stem}.toml"))).expect("shipped")
    }

    #[test]
    fn the_shipped_books_are_complete() {
        let catalogue = Catalogue::load(&shipped()).expect("accepted");
        assert_eq!(catalogue.books.len(), 11);
        assert!(catalogue.romanised.contains_key(&Lang::Hi));
        let vars = [
            ("company", "K"),
            ("agent_name", "A"),
            ("digit", "3"),
            ("name", "N"),
            ("amount", "5"),
            ("loan_id", "L"),
            ("due_date", "D"),
            ("time", "T"),
            ("phone", "P"),
        ];
        for lang in Lang::ALL {
            for line in &LINES {
                let text = catalogue.line(lang, line.key, &vars);
                assert!(!text.is_empty() && !text.contains(['{', '}']), "{lang} {}", line.key);
                let letters = text.chars().filter(|c| c.is_alphabetic() && !c.is_ascii()).count();
                assert!(lang == Lang::En || letters > 3, "{lang} {}: {text}", line.key);
            }
            let book = catalogue.book(lang).expect("a book");
            assert!(!book.number_words[&100_000].is_empty());
            // With nothing known but the agent's own name, an answer is left for almost everything.
            for intent in Intent::ALL {
                let bare = catalogue.reply(lang, intent, 0, &[("company", "K"), ("agent_name", "A")]);
                let needs_facts = [
                    Intent::AskAmount,
                    Intent::AskDueDate,
                    Intent::AskLoanDetails,
                    Intent::OfficeHours,
                    Intent::OfficeAddress,
                ];
                assert!(bare.is_some() || needs_facts.contains(&intent), "{lang} {intent:?}");
            }
        }
        assert!(!catalogue.books[&Lang::Ml].dialects.is_empty());
    }

    #[test]
    fn replies_take_turns_among_those_that_can_be_filled() {
        let catalogue = Catalogue::load(&shipped()).expect("accepted");
        let reply = |variant, vars: &[(&str, &str)]| catalogue.reply(Lang::En, Intent::AskAmount, variant, vars);
        assert_eq!(reply(0, &[]), None);
        assert_eq!(reply(0, &[("amount", "")]), None);
        assert_eq!(reply(0, &[("amount", "₹5")]).as_deref(), Some("Your EMI amount is ₹5."));
        assert_eq!(reply(3, &[("amount", "₹5")]).as_deref(), Some("Your EMI amount is ₹5."), "three can be filled");
        let both = [("amount", "₹5"), ("due_date", "{amount}")];
        assert_eq!(reply(3, &both).as_deref(), Some("It is ₹5, due on {amount}."), "values are not searched again");
        assert_eq!(reply(usize::MAX, &both).as_deref(), Some("It is ₹5, due on {amount}."));
    }

    #[test]
    fn a_book_with_a_fault_is_refused_with_its_line() {
        let english = shipped_text("en-IN");
        let others: Vec<(String, String)> =
            Lang::ALL.into_iter().skip(1).map(|lang| (lang.tag().to_owned(), shipped_text(lang.tag()))).collect();
        let cases: &[(&str, &str, &str)] = &[
            (
                "goodbye = \"Thank you for",
                "goodbye = \"Thank {you} for",
                "`lines.goodbye` holds {you}, which is not known here; write one of {company} {agent_name}",
            ),
            ("goodbye = \"Thank you for", "goodbye = \"Thank {name} for", "`lines.goodbye` holds"),
            (
                "Your EMI amount is {amount}.",
                "Your EMI amount is {amont}.",
                "`intents.ask_amount.reply[1]` holds the unknown placeholder {amont}; write {amount}",
            ),
            (
                "Your EMI amount is {amount}.",
                "Your EMI amount is {amount.",
                "`intents.ask_amount.reply[1]` has an unpaired brace; write placeholders as {name}",
            ),
            (
                "Your EMI amount is {amount}.",
                "Your EMI amount is amount}.",
                "`intents.ask_amount.reply[1]` has an unpaired brace; write placeholders as {name}",
            ),
            ("press {digit}.", "press it.", "`lines.language_menu` lacks {digit}; write {digit} where it belongs"),
            ("\nhold = ", "\nholdd = ", "`lines.hold` is missing; write `hold = \"…\"` in [lines]"),
            (
                "\nhold = \"Please hold for a moment, I am just checking.\"",
                "\nhold = \" \"",
                "`lines.hold` is empty; write the words to be spoken",
            ),
            (
                "\nhold = \"Please hold for a moment, I am just checking.\"",
                "\nhold = 5",
                "`lines.hold` is a whole number; write a text in quotes",
            ),
            (
                "language = \"en-IN\"",
                "language = \"hi-IN\"",
                "`language` is hi-IN in the file of en-IN; write `language = \"en-IN\"`",
            ),
            (
                "language = \"en-IN\"",
                "language = \"klingon\"",
                "`language` is \"klingon\"; write the language's tag, such as \"hi-IN\"",
            ),
            (
                "[intents.greet]",
                "[intents.great]",
                "`intents.greet` is missing; write [intents.greet] with caller and reply",
            ),
            ("20 = \"twenty\"", "twenty = \"20\"", "`number_words.twenty`: the key is no number; write digits only"),
            ("    \"December\",\n", "", "`months` has 11 entries; write 12, January to December"),
            ("\nno = [", "\nnope = [", "`no` is missing; write a list of texts"),
        ];
        for (from, to, message) in cases {
            let text = english.replacen(from, to, 1);
            assert_ne!(text, english, "{from}");
            let all = others.iter().map(|(a, b)| (a.as_str(), b.as_str())).chain([("en-IN", text.as_str())]);
            let error = Catalogue::from_texts(all).expect_err("refused");
            let first = &error.problems[0];
            assert!(first.message.starts_with(message), "{from} -> {to}: {error}");
            assert!(first.at.file.starts_with("en-IN.toml") && first.at.line.is_some(), "{error}");
            assert!(error.problems.len() <= 2, "{error}");
        }
        let error = Catalogue::from_texts(others.iter().map(|(a, b)| (a.as_str(), b.as_str()))).expect_err("refused");
        assert_eq!(error.to_string(), "prompts: en-IN.toml is missing; put the shipped one back and edit it");
    }
}
