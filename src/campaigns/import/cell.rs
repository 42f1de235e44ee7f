//! What stands in one cell of a list, whatever file it came from.

use jiff::civil::DateTime;

#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    Text(String),
    /// A number of a spreadsheet: an amount, a phone number that lost its form, or a date.
    Number(f64),
    /// A cell that the spreadsheet shows as a date.
    Date(DateTime),
}

impl Cell {
    pub fn is_blank(&self) -> bool {
        matches!(self, Self::Text(text) if text.trim().is_empty())
    }

    /// As a person would have typed it.
    pub fn text(&self) -> String {
        match self {
            Self::Text(text) => unguarded(text.trim()).to_owned(),
            Self::Number(number) => plain(*number),
            Self::Date(at) if at.time() == jiff::civil::Time::midnight() => at.date().to_string(),
            Self::Date(at) => at.strftime("%Y-%m-%d %H:%M").to_string(),
        }
    }
}

/// Spreadsheets write an apostrophe before text that is no formula, and so does our own export.
fn unguarded(text: &str) -> &str {
    match text.strip_prefix('\'') {
        Some(rest)
            if rest.starts_with(['=', '+', '-', '@', '\t', '\r']) || rest.starts_with(|c: char| c.is_numeric()) =>
        {
            rest
        }
        _ => text,
    }
}

/// Whole numbers without a point, others with what they have.
#[expect(clippy::cast_possible_truncation, reason = "whole and below 2^53")]
fn plain(number: f64) -> String {
    if number.fract() == 0.0 && number.abs() < 9e15 { format!("{}", number as i64) } else { format!("{number}") }
}

/// Days since the spreadsheet's own beginning of time. `None`: not in the years 1990 to 2100.
#[expect(clippy::cast_possible_truncation, reason = "bounded before it is cut")]
pub fn date_of_serial(serial: f64, since_1904: bool) -> Option<DateTime> {
    let serial = if since_1904 { serial + 1_462.0 } else { serial };
    // 1990-01-01 to 2100-12-31; this also keeps clear of the leap day that 1900 never had.
    if !(32_874.0..73_415.0).contains(&serial) {
        return None;
    }
    let minutes = (serial.fract() * 1_440.0).round() as i64;
    let day = jiff::civil::date(1899, 12, 30).to_datetime(jiff::civil::Time::midnight());
    day.checked_add(jiff::Span::new().days(serial.trunc() as i64).minutes(minutes)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn serials_are_dates() {
        for (serial, since_1904, want) in [
            (45_886.0, false, Some("2025-08-17T00:00:00")),
            (45_886.75, false, Some("2025-08-17T18:00:00")),
            (44_424.0, true, Some("2025-08-17T00:00:00")),
            (12.0, false, None),
            (f64::NAN, false, None),
            (1e300, false, None),
        ] {
            let got = date_of_serial(serial, since_1904).map(|at| at.to_string());
            assert_eq!(got.as_deref(), want, "{serial}");
        }
    }

    #[test]
    fn numbers_are_text_as_people_write_them() {
        for (cell, want) in [
            (Cell::Number(9_876_543_210.0), "9876543210"),
            (Cell::Number(12.5), "12.5"),
            (Cell::Text(" '+919876543210 ".into()), "+919876543210"),
            (Cell::Text("'0987".into()), "0987"),
            (Cell::Text("'quoted'".into()), "'quoted'"),
            (Cell::Date(jiff::civil::date(2025, 8, 17).at(0, 0, 0, 0)), "2025-08-17"),
        ] {
            assert_eq!(cell.text(), want);
        }
    }
}
