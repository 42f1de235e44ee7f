//! Sound inside of text messages, and names quoted for them.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde_json::Value;

/// Some carriers' compatibles leave the padding out or the last bits set.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// Decodes a payload into `out`, replacing what was there.
pub fn decode(payload: &str, out: &mut Vec<u8>) -> Result<(), base64::DecodeError> {
    out.clear();
    BASE64.decode_vec(payload, out)
}

/// Appends base64 to `out`.
pub fn encode(bytes: &[u8], out: &mut String) {
    BASE64.encode_string(bytes, out);
}

/// A stream's name, quoted once for all the messages that carry it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamName {
    plain: String,
    quoted: String,
}

impl StreamName {
    pub fn new(name: &str) -> Self {
        Self { plain: name.to_owned(), quoted: Value::from(name).to_string() }
    }

    pub fn is(&self, name: &str) -> bool {
        self.plain == name
    }

    /// As a JSON string.
    pub fn quoted(&self) -> &str {
        &self.quoted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads_decode_with_and_without_padding() {
        let mut out = vec![1, 2, 3];
        for (text, expected) in [("/w==", Some(vec![0xFF])), ("/w", Some(vec![0xFF])), ("", Some(vec![])), ("?", None)]
        {
            assert_eq!(decode(text, &mut out).ok().map(|()| out.clone()), expected, "{text}");
        }
    }
}
