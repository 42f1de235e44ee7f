//! Running text in the form it is handed to a voice.

use super::number::{amount, attributive, cardinal, digits};
use super::scan::{Literal, Text, digit_value, is_native, is_wordish};
use super::when::{self, Face};
use super::words::{Heard, Words, begins_with_one, of};
use crate::base::Lang;

/// How currency is written before a number, beside the sign itself.
const CURRENCY: [&str; 12] = ["Rs", "rs", "RS", "INR", "Inr", "रु", "रू", "રૂ", "ரூ", "రూ", "ರೂ", "രൂ"];
/// An ungrouped run of at least this many digits is an identifier, not a quantity.
const ID_DIGITS: usize = 8;
/// Groups of digits in one phone or card number.
const GROUPS_MAX: usize = 8;
/// Words that may stand between "number" and the identifier itself.
const COPULAS: [&str; 16] =
    ["is", "was", "no", "id", "ending", "with", "in", "है", "आहे", "છે", "ਹੈ", "হল", "হলো", "ହେଉଛି", "ఇది", "என்பது"];
/// Initials before a number that do not begin an identifier.
const INITIALS: [&str; 17] =
    ["EMI", "EMIS", "ECS", "SMS", "UPI", "ATM", "INR", "RS", "AM", "PM", "IST", "GST", "TDS", "KYC", "PAY", "A", "I"];

/// `text` with every number, amount, date, time and identifier in words of `lang`.
/// Never leaves a digit; text without digits comes back as it is.
pub fn spoken(lang: Lang, text: &str) -> String {
    if !text.chars().any(|c| digit_value(c).is_some()) {
        return text.to_owned();
    }
    let scanner = Scanner { lang, words: of(lang), text: Text::new(text) };
    let mut out = Out { lang, text: String::with_capacity(text.len() * 2) };
    let mut i = 0;
    while i < scanner.text.len() {
        match scanner.piece(i) {
            Some((said, end)) => {
                out.say(&said);
                i = out.glue(&scanner.text, end);
            }
            None => {
                out.text.push(scanner.text.original[i]);
                i += 1;
            }
        }
    }
    out.text
}

struct Out {
    lang: Lang,
    text: String,
}

impl Out {
    fn say(&mut self, words: &str) {
        if self.text.chars().next_back().is_some_and(|c| is_wordish(c) || matches!(c, '₹' | '%')) {
            self.text.push(' ');
        }
        self.text.push_str(words);
    }

    /// Joins what was just said with a suffix written right behind the number; returns where to go on.
    fn glue(&mut self, text: &Text, end: usize) -> usize {
        let at = match text.at(end) {
            '-' if is_native(text.at(end + 1)) => end + 1,
            c if is_native(c) => end,
            c if c.is_ascii_alphabetic() || digit_value(c).is_some() => {
                self.text.push(' ');
                return end;
            }
            _ => return end,
        };
        let suffix = text.slice(at, text.run(at, is_wordish));
        for (ending, beginning, both) in of(self.lang).joins {
            let fits = !ending.is_empty() || self.text.chars().next_back().is_some_and(is_consonant);
            if fits && suffix.starts_with(beginning) && self.text.ends_with(ending) {
                self.text.truncate(self.text.len() - ending.len());
                self.text.push_str(both);
                return at + beginning.chars().count();
            }
        }
        at
    }
}

/// Letters of the Indic blocks come before their signs: the vowel signs begin at 0x3E of each block.
fn is_consonant(c: char) -> bool {
    let place = u32::from(c) & 0x7F;
    matches!(u32::from(c), 0x900..=0xDFF)
        && ((0x15..=0x39).contains(&place) || (0x58..=0x5F).contains(&place) || place == 0x3C)
}

struct Scanner {
    lang: Lang,
    words: &'static Words,
    text: Text,
}

impl Scanner {
    /// What begins at `i` and is not said as it is written, with the position behind it.
    fn piece(&self, i: usize) -> Option<(String, usize)> {
        let text = &self.text;
        let c = text.at(i);
        let inside = is_wordish(text.before(i));
        if c == '₹' || (!inside && self.currency_word(i).is_some()) {
            return self.currency(i);
        }
        if c == '+' && text.at(i + 1).is_ascii_digit() {
            return self.phone(i).or_else(|| {
                let (said, end) = self.quantity(i + 1)?;
                Some((format!("{} {said}", self.words.plus), end))
            });
        }
        if c == '-' && text.at(i + 1).is_ascii_digit() && !inside && matches!(text.before(i), '\0' | ' ' | '(' | '\n') {
            let literal = text.number(i + 1)?;
            return Some((format!("{} {}", self.words.minus, self.decimal(&literal)), literal.end));
        }
        if c.is_ascii_alphabetic() && !inside && !text.before(i).is_ascii_digit() {
            return self.dated(i).or_else(|| self.identifier(i));
        }
        if !c.is_ascii_digit() {
            return None;
        }
        self.times(i).or_else(|| self.dated(i)).or_else(|| self.phone(i)).or_else(|| self.quantity(i))
    }

    fn dated(&self, i: usize) -> Option<(String, usize)> {
        let found = self.text.date(i, self.words)?;
        Some((when::date(self.lang, found.day, found.month, found.year), found.end))
    }

    // ---- money

    /// Where the number begins behind a currency word at `i`.
    fn currency_word(&self, i: usize) -> Option<usize> {
        CURRENCY.iter().find_map(|word| {
            let end = i + word.chars().count();
            if self.text.slice(i, end) != *word {
                return None;
            }
            let end = if self.text.at(end) == '.' { end + 1 } else { end };
            let at = self.text.skip_spaces(end);
            self.text.at(at).is_ascii_digit().then_some(at)
        })
    }

    fn currency(&self, i: usize) -> Option<(String, usize)> {
        let at = if self.text.at(i) == '₹' { self.text.skip_spaces(i + 1) } else { self.currency_word(i)? };
        let literal = self.text.number(at)?;
        let mut end = literal.end;
        let mut paise = literal.hundredths();
        if let Some((factor, after)) = self.scale(end) {
            paise = scaled(&literal, factor);
            end = after;
        }
        if self.text.slice(end, end + 2) == "/-" {
            end += 2;
        }
        end = self.swallow_rupees(end);
        Some(match paise {
            Some(paise) => (amount(self.lang, paise), end),
            None => (format!("{} {}", self.decimal(&literal), self.words.rupee.1), end),
        })
    }

    /// The factor of a scale word behind a number, and the end of the word.
    fn scale(&self, end: usize) -> Option<(u64, usize)> {
        let at = self.text.skip_spaces(end);
        let (word, after) = self.text.word(at);
        let is = |scale: &super::words::Scale| word == scale.many || word == scale.many_more;
        let factor = match word.as_str() {
            "lakh" | "lakhs" | "lac" | "lacs" => 100_000,
            "crore" | "crores" | "cr" => 10_000_000,
            "thousand" | "k" => 1_000,
            _ if is(&self.words.lakh) => 100_000,
            _ if is(&self.words.crore) => 10_000_000,
            _ if is(&self.words.thousand) => 1_000,
            _ => return None,
        };
        Some((factor, after))
    }

    fn rupee_word(&self, at: usize) -> Option<usize> {
        let (word, _) = self.text.word(at);
        ["rupees", "rupee"]
            .into_iter()
            .chain([self.words.rupee.1, self.words.rupee.0])
            .find(|noun| word.starts_with(noun))
            .map(|noun| at + noun.chars().count())
    }

    fn swallow_rupees(&self, end: usize) -> usize {
        self.rupee_word(self.text.skip_spaces(end)).unwrap_or(end)
    }

    // ---- times

    fn times(&self, i: usize) -> Option<(String, usize)> {
        let first = self.text.time(i, self.words);
        if let Some((face, end)) = first.or_else(|| self.bare_hour(i))
            && let Some(at) = self.range_dash(end)
        {
            let second = self.text.time(at, self.words).or_else(|| first.and_then(|_| self.bare_hour(at)));
            if let Some((until, end)) = second {
                return Some(self.time_range(self.without_known_part(face, i), until, end));
            }
        }
        let (face, end) = first?;
        let face = self.without_known_part(face, i);
        let at = self.text.skip_spaces(end);
        let next = self.text.word(at).0;
        let opens_range = next == self.words.clock.from.trim();
        let said = if !next.is_empty() && (opens_range || begins_with_one(&next, self.words.clock.stems)) {
            face.unwrapped(self.lang)
        } else if is_native(self.text.at(at)) || (self.text.at(end) == '-' && is_native(self.text.at(end + 1))) {
            face.wrapped(self.lang, self.words.clock.linked)
        } else {
            face.wrapped(self.lang, self.words.clock.hour)
        };
        Some((said, end))
    }

    fn bare_hour(&self, i: usize) -> Option<(Face, usize)> {
        let literal = self.text.number(i)?;
        let hour = literal.value().filter(|h| (1..=12).contains(h))?;
        if literal.fraction.is_some() || is_wordish(self.text.at(literal.end)) {
            return None;
        }
        Some((Face { hour: u8::try_from(hour).ok()?, minute: 0, part: false }, literal.end))
    }

    /// Behind "to", a dash or the language's own word between two times.
    fn range_dash(&self, end: usize) -> Option<usize> {
        let at = self.text.skip_spaces(end);
        if self.text.at(at) == '-' {
            return Some(self.text.skip_spaces(at + 1));
        }
        let (word, after) = self.text.word(at);
        (at > end && word == "to").then(|| self.text.skip_spaces(after))
    }

    fn time_range(&self, from: Face, until: Face, end: usize) -> (String, usize) {
        let clock = &self.words.clock;
        let next = self.text.skip_spaces(end);
        let closing = clock.until;
        // The text may close the range, or say "o'clock", itself.
        let following = self.text.word(next).0;
        let last = closing.split_whitespace().last().unwrap_or_default();
        let mut said = format!("{}{}{}", from.unwrapped(self.lang), clock.from, until.unwrapped(self.lang));
        if following.is_empty() || !begins_with_one(&following, clock.stems) {
            said.push_str(if !last.is_empty() && following == last {
                closing.trim_end_matches(last).trim_end()
            } else {
                closing
            });
        }
        (if self.lang == Lang::Bn { when::bengali_hour(&said) } else { said }, end)
    }

    /// "शाम 5:30 PM" names the part of the day once.
    fn without_known_part(&self, face: Face, i: usize) -> Face {
        let named = self.text.words_before(i, 1).first().is_some_and(|(word, _)| {
            let mut parts = self.words.parts.into_iter().chain(
                self.words
                    .heard
                    .iter()
                    .filter(|(heard, _)| matches!(heard, Heard::Part(_)))
                    .flat_map(|(_, list)| list.split('|')),
            );
            parts.any(|part| word == part.trim_end_matches('*'))
        });
        Face { part: face.part && !named, ..face }
    }

    // ---- identifiers

    /// Digits in groups (`1800 123 4567`, `+91 98765 43210`), or one long run.
    fn phone(&self, i: usize) -> Option<(String, usize)> {
        let text = &self.text;
        let plus = text.at(i) == '+';
        let mut groups = Vec::new();
        let mut dashes = 0;
        let mut at = if plus { i + 1 } else { i };
        let mut end = at;
        loop {
            let stop = text.digits_end(at);
            let follows = text.skip_spaces(stop);
            let counted = matches!(text.at(stop), ',' | '.' | ':') && text.at(stop + 1).is_ascii_digit()
                || text.at(stop) == '%'
                || text.at(stop).is_ascii_alphabetic()
                || self.rupee_word(follows).is_some()
                || self.scale(stop).is_some()
                || (!groups.is_empty() && (stop - at < 2 || text.time(at, self.words).is_some()));
            if stop == at || counted || groups.len() > GROUPS_MAX {
                break;
            }
            groups.push(text.slice(at, stop));
            end = stop;
            match text.at(stop) {
                ' ' => at = stop + 1,
                '-' => {
                    at = stop + 1;
                    dashes += usize::from(text.at(at).is_ascii_digit());
                }
                _ => break,
            }
        }
        let total: usize = groups.iter().map(String::len).sum();
        let first = groups.first()?;
        let long = if groups.len() == 1 {
            total >= ID_DIGITS || (first.starts_with('0') && total >= 2)
        } else {
            let service = first.starts_with('0') || first.starts_with("18") && first.len() == 4;
            let range = groups.len() == 2 && dashes == 1 && groups[0].len() == groups[1].len() && total < 10;
            (8..=19).contains(&total) && !range && (service || total >= 10 || dashes + 1 == groups.len())
        };
        if !(long || (plus && total >= 7)) {
            // A leading zero alone ("05 98765") must not swallow what follows.
            return None;
        }
        if groups.len() == 1 && total == 10 && first.starts_with(['6', '7', '8', '9']) {
            let (a, b) = first.split_at(5);
            groups = vec![a.to_owned(), b.to_owned()];
        }
        let named: Vec<String> = groups.iter().map(|group| digits(self.lang, group)).collect();
        let said = named.join(", ");
        Some((if plus { format!("{} {said}", self.words.plus) } else { said }, end))
    }

    /// `LN-20391`, `NB/2023/1839`, `KL07AB1234`: letters by name, digits one by one.
    fn identifier(&self, i: usize) -> Option<(String, usize)> {
        let text = &self.text;
        let mut end = text.run(i, |c| c.is_ascii_alphanumeric() || matches!(c, '-' | '/' | '_'));
        while end > i && !text.at(end - 1).is_ascii_alphanumeric() {
            end -= 1;
        }
        let token = text.slice(i, end);
        if !token.contains(|c: char| c.is_ascii_digit()) {
            // "CT 78046": the letters belong to the digits behind the space.
            let digits = text.digits_end(end + 1) - end;
            return (initials(&token) && text.at(end) == ' ' && digits > 3).then(|| (self.letters(&token), end));
        }
        Some((self.spell(&token), end))
    }

    fn spell(&self, token: &str) -> String {
        let mut said: Vec<String> = Vec::new();
        let mut word = String::new();
        let mut rest = token;
        while let Some(c) = rest.chars().next() {
            let digit = c.is_ascii_digit();
            let size = rest
                .find(|d: char| d.is_ascii_digit() != digit || d.is_ascii_alphabetic() != c.is_ascii_alphabetic())
                .unwrap_or(rest.len());
            let (run, tail) = rest.split_at(size);
            rest = tail;
            if digit {
                let plain_word = word.len() >= 4 && word.contains(|c: char| c.is_ascii_lowercase());
                said.push(match run.parse() {
                    Ok(n) if plain_word && run.len() <= 3 && !run.starts_with('0') => cardinal(self.words, n),
                    _ => digits(self.lang, run),
                });
            } else if c.is_ascii_alphabetic() {
                word = run.to_owned();
                said.push(self.letters(run));
            }
        }
        said.join(" ")
    }

    fn letters(&self, run: &str) -> String {
        let initials = run.len() == 1 || (run.len() <= 5 && run.chars().all(|c| c.is_ascii_uppercase()));
        if !initials {
            return run.to_owned();
        }
        let named: Vec<&str> = run
            .bytes()
            .map(|b| self.words.letters[usize::from(b.to_ascii_uppercase().wrapping_sub(b'A')) % 26])
            .collect();
        named.join(" ")
    }

    /// Do the words before `i` say that an identifier comes?
    fn announced(&self, i: usize, literal: &Literal) -> bool {
        if literal.grouped || literal.fraction.is_some() || literal.whole.len() < 3 {
            return false;
        }
        if self.text.before(i) == '#' {
            return true;
        }
        let before = self.text.words_before(i, 2);
        let is_id = |word: &str| {
            begins_with_one(word, self.words.ids) || of(Lang::En).ids.split('|').any(|id| id == word.to_lowercase())
        };
        let near = before
            .first()
            .is_some_and(|(word, start)| is_id(word) || (initials(word) && !is_wordish(self.text.before(*start))));
        let copula = |word: &str| COPULAS.contains(&word.to_lowercase().as_str());
        let far = before.len() == 2 && copula(&before[0].0) && is_id(&before[1].0);
        // "40561 நம்பர் லோன்": the four Dravidian languages say what it is behind the number.
        let next = self.text.word(self.text.skip_spaces(literal.end)).0;
        let behind = matches!(self.lang, Lang::Ta | Lang::Te | Lang::Ml | Lang::Kn)
            && self.text.at(literal.end) == ' '
            && self.words.ids.split('|').any(|id| next.starts_with(id) || next.starts_with(&inflected(id)));
        behind || near || far || self.pin_code(i, literal, before.first().map(|(word, _)| word.as_str()))
    }

    /// Six digits at the end of an address: a comma went before, a name stands in front.
    fn pin_code(&self, i: usize, literal: &Literal, before: Option<&str>) -> bool {
        let capital = before.and_then(|word| word.chars().next()).is_some_and(|c| c.is_uppercase() || is_native(c));
        literal.whole.len() == 6
            && !literal.whole.ends_with("00")
            && capital
            && self.text.slice(i.saturating_sub(40), i).contains(',')
    }

    // ---- plain numbers

    fn quantity(&self, i: usize) -> Option<(String, usize)> {
        let text = &self.text;
        let literal = text.number(i)?;
        let end = literal.end;
        let follows = text.skip_spaces(end);
        if text.slice(end, end + 2) == "/-"
            && let Some(paise) = literal.hundredths()
        {
            return Some((amount(self.lang, paise), end + 2));
        }
        if text.at(follows) == '%' {
            return Some((format!("{} {}", self.decimal(&literal), self.words.percent), follows + 1));
        }
        let rupees = self.rupee_word(follows);
        if let (Some(after), Some(_), Some(paise)) = (rupees, &literal.fraction, literal.hundredths()) {
            return Some((amount(self.lang, paise), after));
        }
        // An English "rupees" becomes the language's own; a native one stays with whatever ending it has.
        let latin = text.at(follows).is_ascii();
        if let (Some(after), true, Some(paise)) = (rupees, latin, literal.hundredths()) {
            return Some((amount(self.lang, paise), after));
        }
        if literal.fraction.is_some() {
            return Some((self.decimal(&literal), end));
        }
        if rupees.is_none() && self.scale(end).is_none() && self.announced(i, &literal) {
            return Some((digits(self.lang, &literal.whole), end));
        }
        if let Some(pair) = self.pair(&literal) {
            return Some(pair);
        }
        if text.at(end).is_ascii_alphabetic() {
            return Some(self.with_letters(&literal));
        }
        let Some(value) = literal.value().filter(|_| literal.whole.len() <= 15) else {
            return Some((digits(self.lang, &literal.whole), end));
        };
        let noun = text.word(follows).0;
        let counts = follows > end && (rupees.is_some() || begins_with_one(&noun, self.words.counted));
        Some((if counts { attributive(self.words, value) } else { cardinal(self.words, value) }, end))
    }

    /// `5-7`, `12/4`: a range or an address.
    fn pair(&self, literal: &Literal) -> Option<(String, usize)> {
        let text = &self.text;
        let (word, at) = match text.at(literal.end) {
            '/' => (self.words.by, literal.end + 1),
            '-' => (self.words.to, literal.end + 1),
            ' ' if text.at(literal.end + 1) == '-' && text.at(literal.end + 2) == ' ' => {
                (self.words.to, literal.end + 3)
            }
            _ => return None,
        };
        let second = text.number(at)?;
        if is_wordish(text.at(second.end)) && text.at(second.end).is_ascii() {
            return None;
        }
        let (a, b) = (literal.value()?, second.value()?);
        Some((format!("{} {word} {}", cardinal(self.words, a), self.decimal_or(&second, b)), second.end))
    }

    fn decimal_or(&self, literal: &Literal, value: u64) -> String {
        if literal.fraction.is_some() { self.decimal(literal) } else { cardinal(self.words, value) }
    }

    /// `21st`, `5k`, `12A`, `4x4`.
    fn with_letters(&self, literal: &Literal) -> (String, usize) {
        let text = &self.text;
        let end = text.run(literal.end, |c| c.is_ascii_alphanumeric());
        let tail = text.slice(literal.end, end);
        let value = literal.value().filter(|_| literal.whole.len() <= 15);
        match (tail.to_lowercase().as_str(), value) {
            ("st" | "nd" | "rd" | "th", Some(n)) if self.lang == Lang::En => (when::ordinal(n), end),
            ("st" | "nd" | "rd" | "th", Some(n)) => (cardinal(self.words, n), end),
            ("k", Some(n)) if n < 100_000 => (cardinal(self.words, n * 1_000), end),
            (_, Some(n)) if literal.whole.len() <= 3 && !literal.whole.starts_with('0') => {
                (format!("{} {}", cardinal(self.words, n), self.spell(&tail)), end)
            }
            _ => (self.spell(&text.slice(literal.end - literal.whole.chars().count(), end)), end),
        }
    }

    fn decimal(&self, literal: &Literal) -> String {
        let whole = match literal.value().filter(|_| literal.whole.len() <= 15) {
            Some(value) => cardinal(self.words, value),
            None => digits(self.lang, &literal.whole),
        };
        match &literal.fraction {
            Some(fraction) => format!("{whole} {} {}", self.words.point, digits(self.lang, fraction)),
            None => whole,
        }
    }
}

/// A noun as it begins when an ending follows: without its virama or chillu.
fn inflected(noun: &str) -> String {
    let mut stem = noun.to_owned();
    match stem.pop() {
        Some('\u{BCD}' | '\u{C4D}' | '\u{CCD}' | '\u{D4D}') | None => {}
        Some('\u{D7A}') => stem.push('ണ'),
        Some('\u{D7B}') => stem.push('ന'),
        Some('\u{D7C}') => stem.push('ര'),
        Some(last) => stem.push(last),
    }
    stem
}

/// Up to three capitals that are no common abbreviation.
fn initials(word: &str) -> bool {
    word.len() <= 3 && word.chars().all(|c| c.is_ascii_uppercase()) && !INITIALS.contains(&word)
}

/// `2.5` lakh in paise, when it comes out even.
fn scaled(literal: &Literal, factor: u64) -> Option<u64> {
    let fraction = literal.fraction.as_deref().unwrap_or("");
    let digits = format!("{}{fraction}", literal.whole).parse::<u64>().ok()?;
    let unit = 10_u64.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    let paise = digits.checked_mul(factor)?.checked_mul(100)?;
    (paise % unit == 0).then_some(paise / unit)
}
