//! Forms with files (RFC 7578), from a body that is there as a whole and bounded by its route.

use std::ops::Range;

/// More fields than any form of ours has.
const PARTS_MAX: usize = 32;

/// One field of a form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    pub name: String,
    pub file_name: Option<String>,
    /// Where in the body it is.
    pub content: Range<usize>,
}

/// `None`: this is no form.
pub fn read(content_type: &str, body: &[u8]) -> Option<Vec<Part>> {
    let (_, boundary) = parameters(content_type).find(|(name, _)| name == "boundary")?;
    if boundary.is_empty() || boundary.len() > 70 {
        return None;
    }
    let mark = format!("--{boundary}").into_bytes();
    let inner = format!("\r\n--{boundary}").into_bytes();
    // Whatever stands before the first mark is not part of the form.
    let mut at = if body.starts_with(&mark) { mark.len() } else { find(body, &inner, 0)? + inner.len() };
    let mut parts = Vec::new();
    loop {
        let rest = body.get(at..)?;
        if rest.starts_with(b"--") {
            return Some(parts);
        }
        // Spaces may follow a mark.
        let line = find(body, b"\r\n", at)?;
        if parts.len() >= PARTS_MAX || !body[at..line].iter().all(|byte| matches!(byte, b' ' | b'\t')) {
            return None;
        }
        let end_of_headers = find(body, b"\r\n\r\n", line)?;
        let headers = body.get(line + 2..end_of_headers).unwrap_or_default();
        let start = end_of_headers + 4;
        let end = find(body, &inner, start.checked_sub(2)?)?.max(start);
        let headers = std::str::from_utf8(headers).ok()?;
        let disposition = headers.split("\r\n").find_map(|header| {
            let (name, value) = header.split_once(':')?;
            name.trim().eq_ignore_ascii_case("content-disposition").then(|| value.trim())
        })?;
        let of = |wanted: &str| parameters(disposition).find(|(name, _)| name == wanted).map(|(_, value)| value);
        parts.push(Part { name: of("name")?, file_name: of("filename"), content: start..end });
        at = find(body, &inner, start.checked_sub(2)?)? + inner.len();
    }
}

fn find(body: &[u8], wanted: &[u8], from: usize) -> Option<usize> {
    let rest = body.get(from..)?;
    let first = *wanted.first()?;
    let mut at = 0;
    loop {
        at += rest.get(at..)?.iter().position(|byte| *byte == first)?;
        if rest[at..].starts_with(wanted) {
            return Some(from + at);
        }
        at += 1;
    }
}

/// `; name=value; name="a \"value\""`, names in small letters.
fn parameters(header: &str) -> impl Iterator<Item = (String, String)> + '_ {
    let mut rest = header.find(';').map_or("", |at| &header[at..]);
    std::iter::from_fn(move || {
        rest = rest.trim_start_matches([';', ' ', '\t']);
        let (name, after) = rest.split_once('=')?;
        let mut value = String::new();
        if let Some(quoted) = after.strip_prefix('"') {
            let mut chars = quoted.char_indices();
            loop {
                match chars.next()? {
                    (at, '"') => {
                        rest = &quoted[at + 1..];
                        break;
                    }
                    // Browsers do not escape the backslashes of Windows paths.
                    (at, '\\') if quoted[at + 1..].starts_with('"') => value.extend(chars.next().map(|(_, c)| c)),
                    (_, c) => value.push(c),
                }
            }
        } else {
            let end = after.find(';').unwrap_or(after.len());
            value = after[..end].trim().to_owned();
            rest = &after[end..];
        }
        Some((name.trim().to_ascii_lowercase(), value))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TYPE: &str = "multipart/form-data; boundary=\"x y\"";

    #[test]
    fn a_form_is_read_as_browsers_send_it() {
        let body = b"ignored\r\n--x y\r\nContent-Disposition: form-data; name=\"dry_run\"\r\n\r\ntrue\r\n\
            --x y  \r\ncontent-type: text/csv\r\nCONTENT-DISPOSITION: form-data; name=file; filename=\"C:\\a \\\"b\\\".csv\"\r\n\r\n\
            name,phone\r\n\r\n--x\r\n--x y\r\nContent-Disposition: form-data; name=\"empty\"\r\n\r\n\r\n--x y--\r\ntrailer";
        let parts = read(TYPE, body).unwrap();
        let seen: Vec<_> =
            parts.iter().map(|p| (p.name.as_str(), p.file_name.as_deref(), &body[p.content.clone()])).collect();
        assert_eq!(
            seen,
            [
                ("dry_run", None, &b"true"[..]),
                ("file", Some("C:\\a \"b\".csv"), b"name,phone\r\n\r\n--x"),
                ("empty", None, b""),
            ]
        );
    }

    #[test]
    fn what_is_no_form_is_refused() {
        for (kind, body) in [
            ("multipart/form-data", &b"--x\r\n"[..]),
            ("multipart/form-data; boundary=", b"----"),
            (TYPE, b""),
            (TYPE, b"--x y"),
            (TYPE, b"--x y\r\n"),
            (TYPE, b"--x y\r\nContent-Disposition: form-data\r\n\r\nnameless\r\n--x y--"),
            (TYPE, b"--x y\r\nContent-Disposition: form-data; name=a\r\n\r\nno end"),
        ] {
            assert_eq!(read(kind, body), None, "{:?}", String::from_utf8_lossy(body));
        }
        assert_eq!(read(TYPE, b"--x y--"), Some(Vec::new()));
        let many = "--x y\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n".repeat(PARTS_MAX + 1) + "--x y--";
        assert_eq!(read(TYPE, many.as_bytes()), None);
    }

    proptest! {
        #[test]
        fn no_body_breaks_it_and_files_come_through_whole(junk in proptest::collection::vec(any::<u8>(), 0..300), kind in "\\PC{0,40}") {
            let _ = read(&kind, &junk);
            let _ = read(&format!("multipart/form-data; boundary={kind}"), &junk);
            let mut body = b"--b0undary\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\n".to_vec();
            body.extend_from_slice(&junk);
            body.extend_from_slice(b"\r\n--b0undary--\r\n");
            let parts = read("multipart/form-data; boundary=b0undary", &body).unwrap();
            prop_assert_eq!(&body[parts[0].content.clone()], &junk[..]);
        }
    }
}
