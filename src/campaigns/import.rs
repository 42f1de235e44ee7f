//! Lists of customers from CSV and Excel files.
//!
//! Promise: every row is either taken over or told with one reason and what to write instead; the
//! rows that are taken over appear together, whenever the power fails; no file, however odd, does
//! more than be refused. Absent on purpose: HTTP.

pub mod cell;
mod columns;
mod fields;
mod inflate;
mod sheet;
mod table;
mod take;

use std::collections::HashSet;

use jiff::tz::TimeZone;

use self::cell::Cell;
use self::columns::{Column, Field};
use self::fields::Wrong;
use crate::base::limits;
use crate::base::phone::Phone;
use crate::store::customers::{self, Fields};
use crate::store::uploads::Reject;

pub use take::{Bring, Broken, bring, recover};

/// A file that cannot be read as a list at all.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct Unreadable {
    /// One word for programs.
    pub code: &'static str,
    /// What is wrong and what to do.
    pub detail: String,
}

impl Unreadable {
    fn new(code: &'static str, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into() }
    }

    fn empty() -> Self {
        Self::new("empty", "the file has no rows; the first row names the columns, each further one is a customer")
    }

    fn too_many_rows() -> Self {
        let most = limits::UPLOAD_ROWS_MAX;
        Self::new("too_many_rows", format!("the list has more than {most} rows; divide it"))
    }
}

/// A row of a file, whatever its format.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// In the file, from 1.
    pub line: u64,
    pub cells: Vec<Cell>,
}

/// By what rows are judged besides themselves.
pub struct Rules<'a> {
    /// For call-back times without a zone.
    pub zone: TimeZone,
    /// Is this a state of India? Gives its usual name.
    pub state: &'a (dyn Fn(&str) -> Option<String> + Sync),
}

/// What a file holds.
#[derive(Debug)]
pub struct Parsed {
    /// `csv` or `xlsx`.
    pub format: &'static str,
    /// The first row, for reports of what was left out.
    pub headers: Vec<String>,
    pub rows: Vec<(u64, Vec<String>, Fields)>,
    pub rejects: Vec<Reject>,
    /// Columns that are not kept, by their names.
    pub ignored: Vec<String>,
}

/// Reads a file. Its kind is told by its first bytes, not by its name.
pub fn parse(bytes: &[u8], rules: &Rules<'_>) -> Result<Parsed, Unreadable> {
    if bytes.len() > limits::UPLOAD_BYTES_MAX {
        let mib = limits::UPLOAD_BYTES_MAX / 1024 / 1024;
        return Err(Unreadable::new("file_too_large", format!("the file is larger than {mib} MiB; divide the list")));
    }
    let (format, (headers, rows)) = if sheet::is_zip(bytes) {
        ("xlsx", sheet::read(bytes)?)
    } else if sheet::is_old_workbook(bytes) {
        return Err(sheet::refuse_old());
    } else {
        ("csv", table::read(bytes)?)
    };
    let columns = columns::read(&headers)?;
    let ignored = columns
        .iter()
        .zip(&headers)
        .filter(|(column, header)| **column == Column::Ignored && !header.trim().is_empty());
    let ignored = ignored.map(|(_, header)| clip(header)).collect();
    let mut seen: HashSet<(Phone, String)> = HashSet::with_capacity(rows.len());
    let (mut taken, mut rejects) = (Vec::with_capacity(rows.len()), Vec::new());
    for row in rows {
        let cells: Vec<String> = row.cells.iter().map(|cell| clip(&cell.text())).collect();
        let judged = judge(&row, &columns, rules).and_then(|fields| {
            if seen.insert((fields.phone.clone(), fields.external_id.clone())) {
                Ok(fields)
            } else {
                Err(refusal(
                    "phone_number",
                    "the same phone number and external id stand further up in this file",
                    "leave the row out, or give each its own external_id",
                ))
            }
        });
        match judged {
            Ok(fields) => taken.push((row.line, cells, fields)),
            Err(Refusal { field, reason, advice }) => {
                rejects.push(Reject { line: row.line, field, reason, advice, cells })
            }
        }
    }
    Ok(Parsed { format, headers: headers.iter().map(|header| clip(header)).collect(), rows: taken, rejects, ignored })
}

/// What is kept of a cell for a report.
fn clip(text: &str) -> String {
    text.chars().take(limits::CUSTOMER_TEXT_CHARS_MAX).collect()
}

struct Refusal {
    field: String,
    reason: String,
    advice: String,
}

fn refusal(field: &str, reason: impl Into<String>, advice: impl Into<String>) -> Refusal {
    Refusal { field: field.to_owned(), reason: reason.into(), advice: advice.into() }
}

fn judge(row: &Row, columns: &[Column], rules: &Rules<'_>) -> Result<Fields, Refusal> {
    if row.cells.len() > columns.len() && row.cells[columns.len()..].iter().any(|cell| !cell.is_blank()) {
        return Err(refusal(
            "",
            format!("the row has {} cells, the first row {}", row.cells.len(), columns.len()),
            "put cells that hold a comma, semicolon or line break into double quotes",
        ));
    }
    let long = row.cells.iter().zip(columns).find(|(cell, _)| match cell {
        Cell::Text(text) => text.chars().count() > limits::UPLOAD_CELL_CHARS_MAX,
        _ => false,
    });
    if let Some((_, column)) = long {
        return Err(refusal(
            column_name(column),
            format!("the cell is longer than {} characters", limits::UPLOAD_CELL_CHARS_MAX),
            "write less; if it swallowed following rows, a double quote was opened and not closed",
        ));
    }
    let phone = columns.iter().position(|column| *column == Column::Known(Field::Phone));
    let blank = Cell::Text(String::new());
    let phone = phone.and_then(|at| row.cells.get(at)).unwrap_or(&blank);
    let phone = fields::phone(phone).map_err(|wrong| told("phone_number", wrong))?;
    let mut fields = Fields::new(phone);
    for (cell, column) in row.cells.iter().zip(columns) {
        if !cell.is_blank() {
            set(&mut fields, cell, column, rules).map_err(|wrong| told(column_name(column), wrong))?;
        }
    }
    customers::check(&fields).map_err(|(field, what)| {
        let (reason, advice) = what.split_once("; ").unwrap_or((&what, "write less"));
        refusal(field, reason, advice)
    })?;
    Ok(fields)
}

fn told(field: &str, wrong: Wrong) -> Refusal {
    refusal(field, wrong.reason, wrong.advice)
}

fn column_name(column: &Column) -> &str {
    match column {
        Column::Known(field) => field.name(),
        Column::Custom(key) => key,
        Column::Ignored => "",
    }
}

fn set(fields: &mut Fields, cell: &Cell, column: &Column, rules: &Rules<'_>) -> Result<(), Wrong> {
    let field = match column {
        Column::Known(field) => *field,
        Column::Custom(key) => {
            fields.custom.insert(key.clone(), cell.text().into());
            return Ok(());
        }
        Column::Ignored => return Ok(()),
    };
    match field {
        Field::Phone | Field::Ours => {}
        Field::Name => fields.name = cell.text(),
        Field::ExternalId => fields.external_id = cell.text(),
        Field::State => {
            let wrong = Wrong {
                reason: "this is no state or union territory of India",
                advice: "write its name or code, such as Karnataka or KA",
            };
            fields.state = Some((rules.state)(&cell.text()).ok_or(wrong)?);
        }
        Field::District => fields.district = Some(cell.text()),
        Field::Language => fields.language = Some(fields::language(cell)?),
        Field::LoanId => fields.loan_id = Some(cell.text()),
        Field::LoanType => fields.loan_type = Some(cell.text()),
        Field::Amount => fields.amount_paise = Some(fields::amount(cell)?),
        Field::Outstanding => fields.outstanding_paise = Some(fields::amount(cell)?),
        Field::DueDate => fields.due_date = Some(fields::date(cell)?.to_string()),
        Field::Owner => fields.owner = Some(cell.text()),
        Field::Pool => fields.pool = Some(fields::pool(cell)?),
        Field::Priority => fields.priority = fields::priority(cell)?,
        Field::CallbackAt => fields.callback_at_ms = Some(fields::callback(cell, &rules.zone)?),
        Field::NextAction => fields.next_action = Some(cell.text()),
        Field::Comments => fields.comments = Some(cell.text()),
    }
    Ok(())
}

#[cfg(test)]
#[path = "import/tests.rs"]
mod tests;
