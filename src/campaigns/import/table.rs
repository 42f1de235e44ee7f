//! Lists as text: CSV with comma, semicolon or tab, in UTF-8 or UTF-16.

use super::cell::Cell;
use super::{Row, Unreadable};
use crate::base::limits;

/// The first row and the others with their lines.
pub(super) fn read(bytes: &[u8]) -> Result<(Vec<String>, Vec<Row>), Unreadable> {
    let text = decode(bytes)?;
    let (delimiter, text, skipped) = delimiter(&text);
    let mut reader =
        csv::ReaderBuilder::new().delimiter(delimiter).has_headers(false).flexible(true).from_reader(text.as_bytes());
    let mut record = csv::StringRecord::new();
    let mut headers: Option<Vec<String>> = None;
    let mut rows = Vec::new();
    loop {
        let more = reader
            .read_record(&mut record)
            .map_err(|_| Unreadable::new("not_csv", "the file cannot be read as CSV; save it as `CSV UTF-8` again"))?;
        if !more {
            break;
        }
        if record.iter().all(|cell| cell.trim().is_empty()) {
            continue;
        }
        let line = record.position().map_or(0, |at| at.line() + blank_lines(text, at.byte())) + skipped;
        match headers {
            None => headers = Some(record.iter().map(str::to_owned).collect()),
            Some(_) if rows.len() >= limits::UPLOAD_ROWS_MAX => return Err(Unreadable::too_many_rows()),
            Some(_) => rows.push(Row { line, cells: record.iter().map(|cell| Cell::Text(cell.to_owned())).collect() }),
        }
    }
    headers.map(|headers| (headers, rows)).ok_or_else(Unreadable::empty)
}

/// A record's position is where the one before ended: empty lines may lie in between.
fn blank_lines(text: &str, from: u64) -> u64 {
    let rest = usize::try_from(from).ok().and_then(|from| text.as_bytes().get(from..)).unwrap_or_default();
    rest.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).filter(|byte| **byte == b'\n').count() as u64
}

/// The text of a file as spreadsheets of all kinds save it.
fn decode(bytes: &[u8]) -> Result<String, Unreadable> {
    let broken = |line: usize| {
        Unreadable::new(
            "not_utf8",
            format!("line {line} is not UTF-8; in the spreadsheet choose `Save as` and `CSV UTF-8`"),
        )
    };
    let wide = |bytes: &[u8], unit: fn([u8; 2]) -> u16| {
        let units: Vec<u16> = bytes.chunks_exact(2).map(|pair| unit([pair[0], pair[1]])).collect();
        String::from_utf16(&units).map_err(|_| broken(1))
    };
    let zeros = |from: usize| bytes.iter().skip(from).step_by(2).take(64).filter(|byte| **byte == 0).count();
    let text = match bytes {
        [0xEF, 0xBB, 0xBF, rest @ ..] => String::from_utf8(rest.to_vec()),
        [0xFF, 0xFE, rest @ ..] => return wide(rest, u16::from_le_bytes),
        [0xFE, 0xFF, rest @ ..] => return wide(rest, u16::from_be_bytes),
        // Without its mark: names of columns are mostly ASCII, so every other byte is zero.
        _ if bytes.len() >= 8 && zeros(1) >= 4 && zeros(0) == 0 => return wide(bytes, u16::from_le_bytes),
        _ if bytes.len() >= 8 && zeros(0) >= 4 && zeros(1) == 0 => return wide(bytes, u16::from_be_bytes),
        _ => String::from_utf8(bytes.to_vec()),
    };
    let text = text.map_err(|error| {
        let good = error.utf8_error().valid_up_to();
        broken(1 + error.as_bytes()[..good].iter().filter(|byte| **byte == b'\n').count())
    })?;
    if text.contains('\0') {
        return Err(Unreadable::new("not_csv", "this is no text; upload a CSV or .xlsx file"));
    }
    Ok(text)
}

/// The sign between cells: as the file says (`sep=;`), or the most frequent one of the first row.
fn delimiter(text: &str) -> (u8, &str, u64) {
    if let Some(rest) = text.strip_prefix("sep=")
        && let [sign @ (b',' | b';' | b'\t'), ..] = rest.as_bytes()
        && let Some(end) = rest.find('\n')
    {
        return (*sign, &rest[end + 1..], 1);
    }
    let first = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    let mut counts = [(b',', 0_u32), (b';', 0), (b'\t', 0)];
    let mut quoted = false;
    for byte in first.bytes() {
        quoted ^= byte == b'"';
        if let Some((_, count)) = counts.iter_mut().find(|(sign, _)| *sign == byte && !quoted) {
            *count += 1;
        }
    }
    // Of equals the first: a list with one column has none of them.
    let best = counts.iter().rev().max_by_key(|(_, count)| *count).map_or(b',', |(sign, _)| *sign);
    (best, text, 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells(bytes: &[u8]) -> Vec<Vec<String>> {
        let (headers, rows) = read(bytes).unwrap();
        let rows = rows.iter().map(|row| row.cells.iter().map(Cell::text).collect());
        std::iter::once(headers).chain(rows).collect()
    }

    #[test]
    fn every_spreadsheets_csv_is_read() {
        let want = vec![vec!["name".to_owned(), "phone".into()], vec!["Asha, Rao".into(), "98\n7".into()]];
        let comma = "name,phone\r\n\"Asha, Rao\",\"98\n7\"\r\n";
        let semicolon = "name;phone\n\n\"Asha, Rao\";\"98\n7\"\n ; \n";
        let tab = "sep=\t\nname\tphone\nAsha, Rao\t\"98\n7\"";
        for text in [comma, semicolon, tab] {
            assert_eq!(cells(text.as_bytes()), want, "{text:?}");
            assert_eq!(cells(format!("\u{feff}{text}").as_bytes()), want);
            let little: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
            let big: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
            assert_eq!(cells(&little), want);
            assert_eq!(cells(&big), want);
            assert_eq!(cells(&[&[0xFF, 0xFE], &little[..]].concat()), want);
            assert_eq!(cells(&[&[0xFE, 0xFF], &big[..]].concat()), want);
        }
        let (_, rows) = read(semicolon.as_bytes()).unwrap();
        assert_eq!(rows[0].line, 3, "lines are those of the file");
        let (_, rows) = read(tab.as_bytes()).unwrap();
        assert_eq!(rows[0].line, 3);
    }

    #[test]
    fn what_is_no_text_is_refused_with_its_line() {
        for (bytes, code) in [
            (&b"name,phone\nA\xe9,98\n"[..], "not_utf8"),
            (b"", "empty"),
            (b" \n,,\n", "empty"),
            (b"na\0me,phone", "not_csv"),
        ] {
            assert_eq!(read(bytes).unwrap_err().code, code);
        }
        assert!(read(b"name,phone\nA\xe9,98\n").unwrap_err().detail.contains("line 2"));
    }
}
