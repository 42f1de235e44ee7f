//! Random words: tokens for machines, codes for people. What has this many random bits needs no slow
//! hash.

use std::io;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};

use crate::base::secret::Secret;
use crate::base::secret::hex;
use crate::store::crypt;

const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// 256 random bits in 43 characters that any header, cookie or address takes.
pub(super) fn token() -> io::Result<Secret> {
    Ok(Secret::new(URL_SAFE_NO_PAD.encode(crypt::random::<32>()?)))
}

/// RFC 4648 without padding.
pub(super) fn base32(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(5) * 8);
    let (mut held, mut bits) = (0_u32, 0_u32);
    for byte in bytes {
        held = held << 8 | u32::from(*byte);
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            text.push(char::from(ALPHABET[(held >> bits & 31) as usize]));
        }
    }
    if bits > 0 {
        text.push(char::from(ALPHABET[(held << (5 - bits) & 31) as usize]));
    }
    text
}

/// A code that people read out and type: `bytes` (at most 20) random bytes in groups of four.
pub(super) fn code(bytes: usize) -> io::Result<String> {
    let random = crypt::random::<20>()?;
    let text = base32(&random[..bytes.min(random.len())]);
    let groups: Vec<&str> = text.as_bytes().chunks(4).filter_map(|group| std::str::from_utf8(group).ok()).collect();
    Ok(groups.join("-"))
}

/// A short name for a key, shown everywhere: 60 bits, small letters and digits.
pub(super) fn short_id() -> io::Result<String> {
    Ok(base32(&crypt::random::<8>()?)[..12].to_ascii_lowercase())
}

pub(super) fn sha256_hex(text: &str) -> String {
    hex(&Sha256::digest(text.as_bytes()))
}

/// Of a code as it was typed: small letters, spaces and dashes count for nothing.
pub(super) fn hash_of_code(code: &str) -> String {
    let plain: String =
        code.chars().filter(char::is_ascii_alphanumeric).take(64).map(|c| c.to_ascii_uppercase()).collect();
    sha256_hex(&plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base32_is_the_standards() {
        let vectors = [
            ("", ""),
            ("f", "MY"),
            ("fo", "MZXQ"),
            ("foo", "MZXW6"),
            ("foob", "MZXW6YQ"),
            ("fooba", "MZXW6YTB"),
            ("foobar", "MZXW6YTBOI"),
        ];
        for (plain, text) in vectors {
            assert_eq!(base32(plain.as_bytes()), text);
        }
    }

    #[test]
    fn codes_are_read_as_people_type_them() {
        let made = code(15).unwrap();
        assert_eq!(made.len(), 24 + 5, "{made}");
        let typed = format!(" {} ", made.to_lowercase().replace('-', " "));
        assert_eq!(hash_of_code(&made), hash_of_code(&typed));
        assert_ne!(code(15).unwrap(), made);
        assert_ne!(token().unwrap().expose(), token().unwrap().expose());
        assert_eq!(token().unwrap().expose().len(), 43);
        assert_eq!(short_id().unwrap().len(), 12);
    }
}
