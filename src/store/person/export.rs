//! Everything that is kept of one person, as one JSON document, written as it is read.

use std::io::{self, Write};

use rusqlite::Connection;
use rusqlite::types::ValueRef;
use serde_json::Value;

use super::{About, Erase, Subject, TABLES, Table};
use crate::base::secret::hex;
use crate::store::StoreError;

/// Writes the document; memory does not grow with it. The same database and time give the same bytes:
/// tables, rows and fields have an order. Returns how many rows there were.
pub fn export(db: &Connection, subject: &Subject, now_ms: u64, out: &mut dyn Write) -> Result<u64, StoreError> {
    let about = serde_json::json!({ "phones": subject.phones, "customers": subject.customers });
    write!(out, "{{\"format\":\"vaani person 1\",\"made_ms\":{now_ms},\"person\":{about},\"held\":{{")?;
    let mut rows = 0;
    let mut first = true;
    for table in TABLES {
        let About::Person { find, order, erase, .. } = &table.about else { continue };
        if !std::mem::take(&mut first) {
            out.write_all(b",")?;
        }
        write!(out, "{}:{{", Value::from(table.name))?;
        if let Erase::Keep(reason) = erase {
            write!(out, "\"kept_when_erased\":{},", Value::from(*reason))?;
        }
        out.write_all(b"\"rows\":[")?;
        rows += rows_of(db, table, find, order, subject, out)?;
        out.write_all(b"]}")?;
    }
    write!(out, "}},\"rows\":{rows}}}")?;
    Ok(rows)
}

fn rows_of(
    db: &Connection,
    table: &Table,
    find: &str,
    order: &str,
    subject: &Subject,
    out: &mut dyn Write,
) -> Result<u64, StoreError> {
    let sql = format!("SELECT {} FROM {} WHERE {find} ORDER BY {order}", table.columns.join(", "), table.name);
    let mut statement = db.prepare(&sql)?;
    subject.bind(&mut statement, table.name)?;
    let mut rows = statement.raw_query();
    let mut count = 0;
    while let Some(row) = rows.next()? {
        out.write_all(if count == 0 { b"{" } else { b",{" })?;
        for (at, column) in table.columns.iter().enumerate() {
            if at > 0 {
                out.write_all(b",")?;
            }
            write!(out, "{}:", Value::from(*column))?;
            cell(row.get_ref(at)?, out)?;
        }
        out.write_all(b"}")?;
        count += 1;
    }
    Ok(count)
}

/// JSON that a column holds is told as such, not as a text in quotation marks.
fn cell(value: ValueRef<'_>, out: &mut dyn Write) -> io::Result<()> {
    let json = match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(n) => Value::from(n),
        ValueRef::Real(n) => Value::from(n),
        ValueRef::Text(bytes) => text(&String::from_utf8_lossy(bytes)),
        ValueRef::Blob(bytes) => match std::str::from_utf8(bytes) {
            Ok(words) => text(words),
            Err(_) => Value::from(hex(bytes)),
        },
    };
    serde_json::to_writer(out, &json).map_err(io::Error::from)
}

fn text(words: &str) -> Value {
    if words.starts_with(['{', '['])
        && let Ok(json) = serde_json::from_str(words)
    {
        return json;
    }
    Value::from(words)
}
