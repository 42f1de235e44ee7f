//! One line of a do-not-disturb file. Pure.
//!
//! Promise: a line is understood or rejected with a reason; the rest of the file never depends on it.
//! What was in a rejected line is not repeated: it may be somebody's number with a typing error.

use jiff::civil::Date;

use super::Categories;
use crate::base::phone::{Miswritten, Phone};

/// What a line says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Line {
    Blocked {
        phone: Phone,
        categories: Categories,
        until: Option<Date>,
    },
    /// The file says that this number may be called.
    Allowed,
    Empty,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Reject {
    #[error("no number in the line")]
    NoNumber,
    #[error("not an Indian or international phone number")]
    NotANumber,
    #[error("the number was changed by a spreadsheet (like 9.19E+11); format the column as text")]
    Spreadsheet,
    #[error("categories are 0 for everything, or some of 1 to 8")]
    BadCategory,
    #[error("not a date; write 31-12-2026 or 2026-12-31")]
    BadDate,
    #[error("not a status; write blocked or allowed")]
    BadStatus,
    #[error("a quotation mark is not closed")]
    OpenQuote,
    #[error("not text in UTF-8")]
    NotText,
    #[error("the line is too long")]
    TooLong,
}

/// Which column is what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    delimiter: char,
    number: usize,
    categories: Option<usize>,
    until: Option<usize>,
    status: Option<usize>,
}

const NUMBER: [&str; 8] = ["phone", "phonenumber", "number", "mobile", "mobilenumber", "msisdn", "mobileno", "contact"];
const CATEGORIES: [&str; 4] = ["category", "categories", "preference", "preferences"];
const UNTIL: [&str; 6] = ["validuntil", "validtill", "until", "expiry", "expires", "validto"];
const STATUS: [&str; 4] = ["status", "dnd", "dndstatus", "flag"];

impl Shape {
    /// From the first line. `Ok(None)`: it has no header and is a number itself.
    pub(super) fn of(first: &str) -> Result<(Self, bool), Vec<String>> {
        let delimiter = [',', ';', '\t', '|'].into_iter().find(|d| first.contains(*d)).unwrap_or(',');
        let cells = cells(first, delimiter).unwrap_or_default();
        let looks_like_a_number = |cell: &str| cell.chars().any(|c| c.is_ascii_digit()) && number(cell).is_ok();
        if cells.first().is_some_and(|cell| looks_like_a_number(cell)) || !first.chars().any(char::is_alphabetic) {
            // A plain list: number, and perhaps categories and a date.
            let shape = Self { delimiter, number: 0, categories: Some(1), until: Some(2), status: None };
            return Ok((shape, false));
        }
        let names: Vec<String> = cells
            .iter()
            .map(|cell| cell.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect())
            .collect();
        let find = |known: &[&str]| names.iter().position(|name| known.contains(&name.as_str()));
        match find(&NUMBER) {
            Some(number) => {
                let shape = Self {
                    delimiter,
                    number,
                    categories: find(&CATEGORIES),
                    until: find(&UNTIL),
                    status: find(&STATUS),
                };
                Ok((shape, true))
            }
            None => Err(cells.into_iter().map(|cell| cell.chars().take(40).collect()).take(20).collect()),
        }
    }

    pub(super) fn read(&self, line: &str) -> Result<Line, Reject> {
        if line.trim().is_empty() {
            return Ok(Line::Empty);
        }
        let cells = cells(line, self.delimiter).ok_or(Reject::OpenQuote)?;
        let cell = |at: Option<usize>| at.and_then(|at| cells.get(at)).map_or("", |cell| cell.trim());
        let number = cell(Some(self.number));
        if number.is_empty() {
            return Err(Reject::NoNumber);
        }
        let phone = self::number(number)?;
        let categories = categories(cell(self.categories))?;
        let until = date(cell(self.until))?;
        if is_allowed(cell(self.status))? {
            return Ok(Line::Allowed);
        }
        Ok(Line::Blocked { phone, categories, until })
    }
}

/// The cells of a line; `None`: a quotation mark is open at its end. A cell never spans lines here.
fn cells(line: &str, delimiter: char) -> Option<Vec<String>> {
    let mut all = vec![String::new()];
    let mut quoted = false;
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        let at_start = all.last().is_none_or(String::is_empty);
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                all.last_mut()?.push('"');
            }
            '"' if quoted => quoted = false,
            '"' if at_start => quoted = true,
            c if c == delimiter && !quoted => all.push(String::new()),
            c => all.last_mut()?.push(c),
        }
    }
    (!quoted).then_some(all)
}

fn number(text: &str) -> Result<Phone, Reject> {
    Phone::written(text).map_err(|wrong| match wrong {
        Miswritten::Missing => Reject::NoNumber,
        Miswritten::Shortened => Reject::Spreadsheet,
        _ => Reject::NotANumber,
    })
}

fn categories(text: &str) -> Result<Categories, Reject> {
    let all = ["", "all", "full", "fully blocked", "fullyblocked", "everything"];
    if all.iter().any(|word| text.eq_ignore_ascii_case(word)) {
        return Ok(Categories::EVERYTHING);
    }
    let numbers: Result<Vec<u8>, _> = text
        .split(|c: char| matches!(c, ';' | ',' | '|' | '/' | '+' | '#' | '&' | '-') || c.is_whitespace())
        .filter(|part| !part.is_empty())
        .map(str::parse::<u8>)
        .collect();
    numbers.ok().and_then(|numbers| Categories::of(&numbers)).ok_or(Reject::BadCategory)
}

fn date(text: &str) -> Result<Option<Date>, Reject> {
    if text.is_empty() {
        return Ok(None);
    }
    // The time of day that some exports add says nothing here.
    let day = text.split([' ', 'T']).next().unwrap_or_default();
    let formats = ["%Y-%m-%d", "%d-%m-%Y", "%d/%m/%Y", "%d.%m.%Y", "%Y/%m/%d"];
    let parsed = formats.iter().find_map(|format| Date::strptime(format, day).ok());
    parsed.filter(|date| (1990..=2200).contains(&date.year())).map(Some).ok_or(Reject::BadDate)
}

fn is_allowed(text: &str) -> Result<bool, Reject> {
    const BLOCKED: [&str; 9] = ["", "blocked", "dnd", "yes", "y", "1", "true", "registered", "active"];
    const ALLOWED: [&str; 10] =
        ["allowed", "non-dnd", "nondnd", "non dnd", "no", "n", "0", "false", "clean", "not registered"];
    let is = |words: &[&str]| words.iter().any(|word| text.eq_ignore_ascii_case(word));
    if is(&BLOCKED) {
        Ok(false)
    } else if is(&ALLOWED) {
        Ok(true)
    } else {
        Err(Reject::BadStatus)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn plain() -> Shape {
        Shape::of("9876543210").unwrap().0
    }

    #[test]
    fn numbers_as_people_write_them() {
        for (text, full) in [
            ("9876543210", "+919876543210"),
            ("+91 98765-43210", "+919876543210"),
            ("919876543210", "+919876543210"),
            ("09876543210", "+919876543210"),
            ("0091 9876543210", "+919876543210"),
            ("(022) 2345 6789", "+912223456789"),
            ("'9876543210", "+919876543210"),
            ("9876543210.0", "+919876543210"),
            ("९८७६५४३२१०", "+919876543210"),
            ("+14155550100", "+14155550100"),
        ] {
            assert_eq!(number(text).unwrap().reveal(), full, "{text}");
        }
        for (text, reject) in [
            ("12345", Reject::NotANumber),
            ("98765432101234567", Reject::NotANumber),
            ("0123456789", Reject::NotANumber),
            ("98765x3210", Reject::NotANumber),
            ("9.18765E+11", Reject::Spreadsheet),
            ("+", Reject::NotANumber),
            ("+9112345", Reject::NotANumber),
        ] {
            assert_eq!(number(text), Err(reject), "{text}");
        }
    }

    #[test]
    fn a_header_says_which_column_is_what() {
        let (shape, header) = Shape::of("Sr No;Mobile Number;Preference;Valid Till;DND Status").unwrap();
        assert!(header);
        let blocked = shape.read("1;\"98765 43210\";\"1;3\";31-12-2026;DND").unwrap();
        let phone: Phone = "+919876543210".parse().unwrap();
        let until = Some(Date::constant(2026, 12, 31));
        let categories = Categories::of(&[1, 3]).unwrap();
        assert_eq!(blocked, Line::Blocked { phone, categories, until });
        assert_eq!(shape.read("2;9876543210;;;Non-DND").unwrap(), Line::Allowed);
        assert_eq!(shape.read("  ").unwrap(), Line::Empty);
        for (line, reject) in [
            ("3;;1;;DND", Reject::NoNumber),
            ("4;9876543210;9;;DND", Reject::BadCategory),
            ("5;9876543210;x;;DND", Reject::BadCategory),
            ("6;9876543210;1;2026-13-01;DND", Reject::BadDate),
            ("7;9876543210;1;;perhaps", Reject::BadStatus),
            ("8;\"9876543210;1;;DND", Reject::OpenQuote),
        ] {
            assert_eq!(shape.read(line), Err(reject), "{line}");
        }
        assert_eq!(Shape::of("name,city").unwrap_err(), ["name", "city"]);
    }

    #[test]
    fn a_plain_list_may_have_categories_and_a_date() {
        assert!(!Shape::of("+91 98765 43210").unwrap().1);
        assert!(!Shape::of("9876543210,all").unwrap().1);
        let Line::Blocked { categories, until, .. } = plain().read("9876543210, 2/5, 2026-12-31").unwrap() else {
            panic!("blocked");
        };
        assert_eq!(Vec::from(categories), [2, 5]);
        assert_eq!(until, Some(Date::constant(2026, 12, 31)));
        assert_eq!(plain().read("9876543210").unwrap(), plain().read("9876543210,0").unwrap());
    }

    proptest! {
        #[test]
        fn any_line_is_read_or_rejected(first in "\\PC{0,60}", line in "\\PC{0,120}") {
            if let Ok((shape, _)) = Shape::of(&first) {
                let _ = shape.read(&line);
            }
            let _ = plain().read(&line);
        }
    }
}
