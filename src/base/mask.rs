//! Personal values made unreadable for people who may not see them, and for texts that leave the box.
//!
//! Promise: what comes out holds no name beyond its first letters, and no run of digits that could be
//! a phone, account, card or identity number beyond its last four, in any script of the eleven
//! languages. Too much is masked rather than too little. Absent on purpose: who may see what.

use unicode_normalization::char::is_combining_mark;

/// Digits together that may name a person or an account; fewer are an amount, a PIN code's half, a time.
const DIGITS_MASKED: usize = 6;
/// From here on the last four stay, so that people can tell two of them apart.
const DIGITS_LONG: usize = 10;
const DIGITS_SHOWN: usize = 4;
/// A name's length says something too.
const LETTERS_MASKED: usize = 4;
const DOT: char = '•';

/// "Ravi Kumar" becomes "R••• K••••".
pub fn name(full: &str) -> String {
    full.split_whitespace().map(word).collect::<Vec<_>>().join(" ")
}

fn word(word: &str) -> String {
    let mut letters = word.chars();
    let Some(first) = letters.next() else { return String::new() };
    // A vowel sign without its consonant cannot be written.
    let rest: Vec<char> = letters.collect();
    let marks = rest.iter().take_while(|c| is_combining_mark(**c)).count();
    let hidden = rest[marks..].iter().filter(|c| !is_combining_mark(**c)).count();
    let shown = rest[..marks].iter();
    // One letter alone would be the whole of it.
    let dots = hidden.clamp(1, LETTERS_MASKED);
    std::iter::once(first).chain(shown.copied()).chain(std::iter::repeat_n(DOT, dots)).collect()
}

/// An account, card or identity number: the last four stay if enough of it is hidden.
pub fn number(text: &str) -> String {
    let digits = text.chars().filter(|c| is_digit(*c)).count();
    let hidden = digits - if digits >= DIGITS_LONG { DIGITS_SHOWN } else { 0 };
    let mut seen = 0;
    text.chars()
        .map(|c| {
            seen += usize::from(is_digit(c));
            if is_digit(c) && seen <= hidden { DOT } else { c }
        })
        .collect()
}

/// Masks what looks like a number of a person or account, a mail or payment address (`name@bank`) or a
/// PAN inside a free text. Dates stay.
pub fn text(free: &str) -> String {
    let chars: Vec<char> = free.chars().collect();
    let mut out = String::with_capacity(free.len());
    let mut at = 0;
    while at < chars.len() {
        if let Some(end) = digit_run(&chars, at) {
            let run: String = chars[at..end].iter().collect();
            let digits = run.chars().filter(|c| is_digit(*c)).count();
            out.push_str(&if digits < DIGITS_MASKED || is_date(&run) { run } else { number(&run) });
            at = end;
        } else if is_wordy(chars[at]) {
            let end = (at..chars.len()).find(|i| !is_wordy(chars[*i])).unwrap_or(chars.len());
            // A word that begins with letters may run on into digits; those are looked at for themselves.
            let word: String = chars[at..end].iter().collect();
            if let Some(masked) = address(&word).or_else(|| pan(&word)) {
                out.push_str(&masked);
                at = end;
            } else {
                let end = (at..end).find(|i| digit_run(&chars, *i).is_some()).unwrap_or(end);
                out.extend(&chars[at..end]);
                at = end;
            }
        } else {
            out.push(chars[at]);
            at += 1;
        }
    }
    out
}

/// Where a run of digits that starts at `at` ends. Single separators as people write them are inside.
fn digit_run(chars: &[char], at: usize) -> Option<usize> {
    let plus = usize::from(chars[at] == '+');
    if !chars.get(at + plus).is_some_and(|c| is_digit(*c)) {
        return None;
    }
    let mut end = at + plus;
    let mut look = end;
    while let Some(c) = chars.get(look) {
        if is_digit(*c) {
            end = look + 1;
        } else if !(is_separator(*c) && look - end < 2) {
            break;
        }
        look += 1;
    }
    Some(end)
}

const fn is_separator(c: char) -> bool {
    matches!(c, ' ' | '-' | '.' | '(' | ')' | '/' | '\u{a0}' | '\u{2010}'..='\u{2015}')
}

fn is_wordy(c: char) -> bool {
    c.is_alphanumeric() || is_combining_mark(c) || matches!(c, '@' | '.' | '_' | '-')
}

/// Digits of ASCII, of the scripts of the eleven languages, of Arabic (Urdu) and full width.
fn is_digit(c: char) -> bool {
    const ZEROS: [char; 13] = ['0', '٠', '۰', '०', '০', '੦', '૦', '୦', '௦', '౦', '೦', '൦', '０'];
    ZEROS.iter().any(|zero| (0..10).contains(&(c as u32).wrapping_sub(*zero as u32)))
}

/// `30-11-2026`, `2026-11-30`, with `-`, `.` or `/`.
fn is_date(run: &str) -> bool {
    let groups: Vec<&str> = run.split(['-', '.', '/']).collect();
    let [first, month, last] = groups[..] else { return false };
    let (day, year) = match (first.len(), last.len()) {
        (1 | 2, 4) => (first, last),
        (4, 1 | 2) => (last, first),
        _ => return false,
    };
    let within = |text: &str, least, most| text.parse::<u32>().is_ok_and(|n| (least..=most).contains(&n));
    within(day, 1, 31) && within(month, 1, 12) && within(year, 1900, 2100)
}

/// `name@bank`, `name@example.in`.
fn address(word: &str) -> Option<String> {
    let (user, host) = word.split_once('@')?;
    if user.is_empty() || host.is_empty() {
        return None;
    }
    Some(format!("{}@{DOT}{DOT}{DOT}", self::word(user)))
}

/// The tax number: five letters, four digits, a letter.
fn pan(word: &str) -> Option<String> {
    let bytes = word.as_bytes();
    let fits = bytes.len() == 10
        && bytes[..5].iter().all(u8::is_ascii_alphabetic)
        && bytes[5..9].iter().all(u8::is_ascii_digit)
        && bytes[9].is_ascii_alphabetic();
    fits.then(|| DOT.to_string().repeat(10))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_keep_their_first_letters() {
        for (given, masked) in [
            ("Ravi Kumar", "R••• K••••"),
            ("A", "A•"),
            ("Venkatanarasimharajuvaripeta", "V••••"),
            ("  Asha   ", "A•••"),
            ("रवि कुमार", "र• कु••"),
            ("கமலா", "க••"),
            ("", ""),
        ] {
            assert_eq!(name(given), masked, "{given}");
        }
    }

    #[test]
    fn numbers_and_addresses_in_a_text_are_masked_and_the_rest_stays() {
        for (given, masked) in [
            ("call +91 98765 43210 now", "call +•• ••••• •3210 now"),
            ("call 098765-43210.", "call ••••••-•3210."),
            ("9876543210", "••••••3210"),
            ("aadhaar 2345 6789 0123", "aadhaar •••• •••• 0123"),
            ("my number is ९८७६५४३२१०", "my number is ••••••३२१०"),
            ("எண் ௯௮௭௬௫௪௩௨௧௦", "எண் ••••••௩௨௧௦"),
            ("otp 482913 ok", "otp •••••• ok"),
            ("I pay 5000 on 30-11-2026", "I pay 5000 on 30-11-2026"),
            ("due 2026-11-30, 12 months", "due 2026-11-30, 12 months"),
            ("pan ABCDE1234F", "pan ••••••••••"),
            ("send to ravi.k@okbank please", "send to r••••@••• please"),
            ("account SB0012345678", "account SB••••••5678"),
            ("12-34-567890", "••-••-••7890"),
            ("five rupees", "five rupees"),
            ("", ""),
        ] {
            assert_eq!(text(given), masked, "{given}");
        }
    }

    proptest! {
        #[test]
        fn no_phone_number_comes_through(before in "\\PC{0,20}", after in "\\PC{0,20}", phone in "[6-9][0-9]{9}", gap in "[ .-]?") {
            let written = format!("{}{gap}{}", &phone[..5], &phone[5..]);
            let masked: String = text(&format!("{before}{written}{after}")).chars().filter(char::is_ascii_digit).collect();
            prop_assert!(!masked.contains(&phone), "{masked}");
        }

        #[test]
        fn any_text_is_taken_and_twice_is_once(free in "\\PC{0,60}") {
            let once = text(&free);
            prop_assert_eq!(text(&once), once.clone());
            prop_assert!(name(&free).chars().filter(|c| c.is_ascii_digit()).count() <= free.split_whitespace().count());
        }
    }
}
