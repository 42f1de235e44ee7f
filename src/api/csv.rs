//! Tables for spreadsheets. Promise: no cell is a formula, whoever wrote its text: what a customer's
//! name or a comment holds must not run in the spreadsheet of the person who opens the export.

use std::borrow::Cow;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::Problem;
use crate::auth::{Permission, Principal};

/// Tables carry data out of the box.
pub(super) fn may_export(who: &Principal) -> Result<(), Problem> {
    if who.may(Permission::DataExport) {
        return Ok(());
    }
    let how = "tables may be exported with the permission data_export; ask an admin";
    Err(Problem::new(StatusCode::FORBIDDEN, "not allowed", how))
}

/// A table being written.
pub(super) struct Table(csv::Writer<Vec<u8>>);

impl Table {
    pub(super) fn new(headers: &[&str]) -> Self {
        let mut writer =
            csv::WriterBuilder::new().flexible(true).terminator(csv::Terminator::CRLF).from_writer(Vec::new());
        // Writing to memory cannot fail.
        let _ = writer.write_record(headers);
        Self(writer)
    }

    pub(super) fn row<'a>(&mut self, cells: impl IntoIterator<Item = Cow<'a, str>>) {
        for cell in cells {
            let _ = self.0.write_field(harmless(&cell).as_bytes());
        }
        let _ = self.0.write_record(None::<&[u8]>);
    }

    /// `next`: the cursor of the rest, if there is one.
    pub(super) fn respond(self, name: &str, next: Option<&str>) -> Result<Response, Problem> {
        let bytes = self.0.into_inner().map_err(|_| Problem::internal("the table could not be written"))?;
        // Spreadsheets take UTF-8 for something else unless this mark is there.
        let mut response = ([0xEF, 0xBB, 0xBF].into_iter().chain(bytes).collect::<Vec<u8>>()).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/csv; charset=utf-8"));
        let file = HeaderValue::from_str(&format!("attachment; filename=\"{name}.csv\""));
        headers.insert(header::CONTENT_DISPOSITION, file.unwrap_or(HeaderValue::from_static("attachment")));
        if let Some(next) = next.and_then(|next| HeaderValue::from_str(&format!("<?cursor={next}>; rel=\"next\"")).ok())
        {
            headers.insert(header::LINK, next);
        }
        Ok(response)
    }
}

/// Text that a spreadsheet shows and does not carry out. Plain numbers, with their sign, are left.
fn harmless(cell: &str) -> Cow<'_, str> {
    let risky = cell
        .trim_start_matches([' ', '\u{a0}', '\u{feff}'])
        .starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠']);
    let number = cell.strip_prefix(['+', '-']).is_some_and(|rest| {
        !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_digit() || b == b'.') && rest.matches('.').count() <= 1
    });
    if risky && !number { Cow::Owned(format!("'{cell}")) } else { Cow::Borrowed(cell) }
}

pub(super) fn text(value: Option<&str>) -> Cow<'_, str> {
    Cow::Borrowed(value.unwrap_or_default())
}

pub(super) fn shown<'a>(value: Option<impl ToString>) -> Cow<'a, str> {
    value.map_or(Cow::Borrowed(""), |value| Cow::Owned(value.to_string()))
}

/// Paise as rupees: `12500.50`.
pub(super) fn rupees<'a>(paise: Option<i64>) -> Cow<'a, str> {
    paise.map_or(Cow::Borrowed(""), |paise| Cow::Owned(format!("{}.{:02}", paise / 100, paise % 100)))
}

/// Milliseconds since 1970 as UTC.
pub(super) fn time<'a>(ms: Option<i64>) -> Cow<'a, str> {
    let at = ms.and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    at.map_or(Cow::Borrowed(""), |at| Cow::Owned(at.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cell_is_a_formula() {
        for (cell, want) in [
            ("=HYPERLINK(\"http://x\")", "'=HYPERLINK(\"http://x\")"),
            ("+cmd|' /C calc'!A0", "'+cmd|' /C calc'!A0"),
            ("-2+3", "'-2+3"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("\t=1", "'\t=1"),
            (" =1", "' =1"),
            ("＝1", "'＝1"),
            ("-", "'-"),
            ("-1.2.3", "'-1.2.3"),
            ("+919876543210", "+919876543210"),
            ("-5.50", "-5.50"),
            ("Asha = Rao", "Asha = Rao"),
            ("", ""),
        ] {
            assert_eq!(harmless(cell), want);
        }
    }

    #[test]
    fn money_is_written_in_rupees() {
        assert_eq!(
            (rupees(Some(1_250_050)), rupees(Some(5)), rupees(None)),
            ("12500.50".into(), "0.05".into(), "".into())
        );
        assert_eq!(time(Some(0)), "1970-01-01T00:00:00Z");
    }
}
