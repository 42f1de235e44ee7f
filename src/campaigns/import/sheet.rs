//! Lists as Excel workbooks (.xlsx): the first visible sheet.
//! The reader underneath trusts the file, so its size is checked first and a panic is caught.

use std::collections::BTreeMap;
use std::io::Cursor;
use std::panic::{AssertUnwindSafe, catch_unwind};

use calamine::{DataRef, ExcelDateTime, ExcelDateTimeType, Reader, SheetType, SheetVisible, Xlsx, XlsxError};

use super::cell::{Cell, date_of_serial};
use super::inflate::{Refused, unpacked};
use super::{Row, Unreadable};
use crate::base::limits;

fn broken() -> Unreadable {
    Unreadable::new("not_xlsx", "the workbook is damaged; open it in the spreadsheet and save it again as .xlsx or CSV")
}

fn locked() -> Unreadable {
    Unreadable::new(
        "old_or_locked_workbook",
        "this is an old Excel file (.xls) or one with a password; save it as .xlsx without a password, or as CSV",
    )
}

/// Does the file begin as one of these do?
pub(super) fn is_zip(bytes: &[u8]) -> bool {
    bytes.starts_with(b"PK\x03\x04")
}

pub(super) fn is_old_workbook(bytes: &[u8]) -> bool {
    bytes.starts_with(&[0xD0, 0xCF, 0x11, 0xE0])
}

pub(super) fn refuse_old() -> Unreadable {
    locked()
}

pub(super) fn read(bytes: &[u8]) -> Result<(Vec<String>, Vec<Row>), Unreadable> {
    match unpacked(bytes, limits::UPLOAD_UNPACKED_MAX) {
        Ok(_) => {}
        Err(Refused::TooLarge) => {
            return Err(Unreadable::new(
                "workbook_too_large",
                "the workbook unpacks to far more than a list of customers; save the sheet as CSV",
            ));
        }
        Err(Refused::Broken) => return Err(broken()),
    }
    catch_unwind(AssertUnwindSafe(|| sheet(bytes))).unwrap_or_else(|_| Err(broken()))
}

fn sheet(bytes: &[u8]) -> Result<(Vec<String>, Vec<Row>), Unreadable> {
    let mut book = Xlsx::new(Cursor::new(bytes)).map_err(|error: XlsxError| match error {
        XlsxError::Password => locked(),
        _ => broken(),
    })?;
    let name = book
        .sheets_metadata()
        .iter()
        .find(|sheet| sheet.visible == SheetVisible::Visible && sheet.typ == SheetType::WorkSheet)
        .map(|sheet| sheet.name.clone())
        .ok_or_else(Unreadable::empty)?;
    let mut cells = book.worksheet_cells_reader(&name).map_err(|_| broken())?;
    // Sparse: a cell in the last row of a sheet costs one row, not a million.
    let mut table: BTreeMap<u32, BTreeMap<u32, Cell>> = BTreeMap::new();
    while let Some(found) = cells.next_cell().map_err(|_| broken())? {
        let (row, column) = found.get_position();
        let Some(cell) = cell(found.get_value()) else { continue };
        if column as usize >= limits::UPLOAD_COLUMNS_MAX {
            return Err(Unreadable::new(
                "too_many_columns",
                format!(
                    "the sheet has cells beyond column {}; leave those of the list only",
                    limits::UPLOAD_COLUMNS_MAX
                ),
            ));
        }
        if table.len() > limits::UPLOAD_ROWS_MAX {
            return Err(Unreadable::too_many_rows());
        }
        table.entry(row).or_default().insert(column, cell);
    }
    let mut rows = table.into_iter().filter(|(_, cells)| !cells.values().all(Cell::is_blank));
    let (_, head) = rows.next().ok_or_else(Unreadable::empty)?;
    let headers = in_a_row(head).iter().map(Cell::text).collect();
    let rows = rows.map(|(row, cells)| Row { line: u64::from(row) + 1, cells: in_a_row(cells) }).collect();
    Ok((headers, rows))
}

fn in_a_row(mut cells: BTreeMap<u32, Cell>) -> Vec<Cell> {
    let last = cells.last_key_value().map_or(0, |(column, _)| *column);
    (0..=last).map(|column| cells.remove(&column).unwrap_or_else(|| Cell::Text(String::new()))).collect()
}

#[expect(clippy::cast_precision_loss, reason = "phone numbers and amounts are far below 2^53")]
fn cell(value: &DataRef<'_>) -> Option<Cell> {
    Some(match value {
        DataRef::Empty => return None,
        DataRef::Int(number) => Cell::Number(*number as f64),
        DataRef::Float(number) => Cell::Number(*number),
        DataRef::String(text) => Cell::Text(text.clone()),
        DataRef::SharedString(text) => Cell::Text((*text).to_owned()),
        DataRef::Bool(yes) => Cell::Text(yes.to_string()),
        DataRef::DateTime(at) => date(at).map_or_else(|| Cell::Number(at.as_f64()), Cell::Date),
        DataRef::DateTimeIso(text) | DataRef::DurationIso(text) => Cell::Text(text.clone()),
        // `#REF!` and the like: shown as such, so that the row's refusal can be understood.
        DataRef::Error(error) => Cell::Text(error.to_string()),
    })
}

/// The workbook's beginning of time is private to the cell; comparing tells it.
fn date(at: &ExcelDateTime) -> Option<jiff::civil::DateTime> {
    let value = at.as_f64();
    let of = |kind, since_1904| *at == ExcelDateTime::new(value, kind, since_1904);
    if of(ExcelDateTimeType::TimeDelta, false) || of(ExcelDateTimeType::TimeDelta, true) {
        return None;
    }
    date_of_serial(value, of(ExcelDateTimeType::DateTime, true))
}
