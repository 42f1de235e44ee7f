//! Reads one date out of a certificate: until when it holds. Pure; whatever else a certificate says
//! is for those who check it.

/// Why nothing could be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("read the certificate: it is not one")]
pub(super) struct Odd;

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const VERSION: u8 = 0xa0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// `notAfter` of a DER certificate, milliseconds since 1970 UTC.
pub(super) fn not_after(der: &[u8]) -> Result<u64, Odd> {
    let mut outer = Reader(der);
    let mut certificate = Reader(outer.expect(SEQUENCE)?);
    let mut signed = Reader(certificate.expect(SEQUENCE)?);
    if signed.peek() == Some(VERSION) {
        signed.expect(VERSION)?;
    }
    signed.expect(INTEGER)?; // serial number
    signed.expect(SEQUENCE)?; // algorithm
    signed.expect(SEQUENCE)?; // issuer
    let mut validity = Reader(signed.expect(SEQUENCE)?);
    validity.any()?; // not before
    let (tag, date) = validity.any()?;
    parse_date(tag, date).ok_or(Odd)
}

/// `YYMMDDHHMMSSZ` until 2049, `YYYYMMDDHHMMSSZ` after; RFC 5280 allows nothing else.
fn parse_date(tag: u8, text: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(text).ok()?;
    let digits = text.strip_suffix('Z')?;
    if !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let (year, rest) = match (tag, digits.len()) {
        (UTC_TIME, 12) => {
            let short: i16 = digits[..2].parse().ok()?;
            (if short < 50 { 2000 + short } else { 1900 + short }, &digits[2..])
        }
        (GENERALIZED_TIME, 14) => (digits[..4].parse().ok()?, &digits[4..]),
        _ => return None,
    };
    let part = |at: usize| rest[at..at + 2].parse::<i8>().ok();
    let date = jiff::civil::DateTime::new(year, part(0)?, part(2)?, part(4)?, part(6)?, part(8)?, 0).ok()?;
    let ms = date.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp().as_millisecond();
    u64::try_from(ms).ok()
}

/// The rest of a DER text.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn peek(&self) -> Option<u8> {
        self.0.first().copied()
    }

    /// The next value and its tag.
    fn any(&mut self) -> Result<(u8, &'a [u8]), Odd> {
        let (&tag, rest) = self.0.split_first().ok_or(Odd)?;
        let (&first, rest) = rest.split_first().ok_or(Odd)?;
        let (length, rest) = if first < 0x80 {
            (usize::from(first), rest)
        } else {
            let count = usize::from(first & 0x7f);
            if !(1..=4).contains(&count) || rest.len() < count {
                return Err(Odd);
            }
            let (bytes, rest) = rest.split_at(count);
            (bytes.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte)), rest)
        };
        let (value, rest) = rest.split_at_checked(length).ok_or(Odd)?;
        self.0 = rest;
        Ok((tag, value))
    }

    fn expect(&mut self, wanted: u8) -> Result<&'a [u8], Odd> {
        match self.any()? {
            (tag, value) if tag == wanted => Ok(value),
            _ => Err(Odd),
        }
    }
}
