//! Session descriptions, as far as we must understand them before the connection does: what an offer may
//! contain, which codec it comes to, what a fragment of candidates says.
//! Promise: an offer that passes has one voice we can hear, can be bundled, and is bounded; every refusal
//! says why in words for whoever wrote the client.

use super::codec::Codec;
use crate::base::limits;

/// Why an offer is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// 400.
    #[error("{0}")]
    Malformed(&'static str),
    /// 406.
    #[error("the offer has none of the codecs opus, PCMU and PCMA in an audio section that sends")]
    NoCodec,
}

/// An offer that we can answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// Without candidates that are of no use to us.
    pub sdp: String,
    pub ufrag: String,
    pub codec: Codec,
    /// Clock of the telephone events offered beside it.
    pub keys_clock: Option<u32>,
}

/// What an answer of ours came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Agreed {
    /// Payload types: of the voice and of telephone events.
    pub voice: u8,
    pub keys: Option<u8>,
}

/// A section of a description: its `m=` line and what follows.
struct Section<'s> {
    kind: &'s str,
    port: &'s str,
    formats: Vec<&'s str>,
    lines: Vec<&'s str>,
}

impl Section<'_> {
    fn attribute(&self, name: &str) -> Option<&str> {
        attribute(&self.lines, name)
    }

    /// The payload type of a codec: by its map, or the number that is its own.
    fn payload(&self, encoding: &str, fixed: Option<u8>) -> Option<u8> {
        let maps = self.lines.iter().filter_map(|line| line.strip_prefix("a=rtpmap:"));
        let mapped = maps.filter_map(|map| map.split_once(' ')).find(|(format, name)| {
            let name = name.trim();
            // The channels of audio may be left out where there is one.
            let name = name.strip_suffix("/1").unwrap_or(name);
            self.formats.contains(format) && name.eq_ignore_ascii_case(encoding)
        });
        let number = match mapped {
            Some((format, _)) => format.parse().ok(),
            None => fixed.filter(|number| self.formats.iter().any(|format| *format == number.to_string())),
        };
        number.filter(|number| *number < 128)
    }
}

/// The value of `a=name:value`, or `""` of `a=name`.
fn attribute<'s>(lines: &[&'s str], name: &str) -> Option<&'s str> {
    lines.iter().find_map(|line| {
        let rest = line.strip_prefix("a=")?.strip_prefix(name)?;
        if rest.is_empty() { Some("") } else { rest.strip_prefix(':').map(str::trim) }
    })
}

/// The lines before the first section, and the sections.
fn sections(lines: &[&'_ str]) -> Option<(usize, Vec<(usize, usize)>)> {
    let starts: Vec<usize> = (0..lines.len()).filter(|at| lines[*at].starts_with("m=")).collect();
    let first = *starts.first()?;
    let ends = starts.iter().skip(1).copied().chain([lines.len()]);
    Some((first, starts.iter().copied().zip(ends).collect()))
}

fn section<'s>(lines: &[&'s str]) -> Option<Section<'s>> {
    let mut words = lines.first()?.strip_prefix("m=")?.split(' ').filter(|word| !word.is_empty());
    let (kind, port, _protocol) = (words.next()?, words.next()?, words.next()?);
    Some(Section { kind, port, formats: words.collect(), lines: lines[1..].to_vec() })
}

impl Offer {
    pub fn read(text: &str) -> Result<Self, Unfit> {
        let bad = |what| Err(Unfit::Malformed(what));
        let lines: Vec<&str> = text.lines().map(|line| line.trim_end_matches('\r')).filter(|l| !l.is_empty()).collect();
        if lines.len() > limits::WEBRTC_SDP_LINES_MAX {
            return bad("the offer has too many lines");
        }
        if lines.first() != Some(&"v=0") {
            return bad("the body is no session description; it must begin with v=0");
        }
        if lines.iter().any(|line| line.as_bytes().get(1) != Some(&b'=') || line.contains('\0')) {
            return bad("a line of the offer is not of the form x=value");
        }
        let Some((head, parts)) = sections(&lines) else { return bad("the offer has no section (m=)") };
        if parts.len() > limits::WEBRTC_SECTIONS_MAX {
            return bad("the offer has too many sections (m=)");
        }
        let session = &lines[..head];
        if attribute(session, "ice-lite").is_some() {
            return bad("the offer is ICE-lite, as we are; one side must send the checks");
        }
        if !session.iter().any(|line| line.starts_with("a=group:BUNDLE")) {
            return bad("the offer does not bundle its sections (a=group:BUNDLE)");
        }
        let mut voice = None;
        for (from, to) in parts {
            let Some(part) = section(&lines[from..to]) else { return bad("a section's first line (m=) is malformed") };
            if part.kind == "audio" && part.port != "0" && voice.is_none() {
                voice = Some(part);
            }
        }
        let Some(voice) = voice else { return Err(Unfit::NoCodec) };
        let either = |name| voice.attribute(name).or_else(|| attribute(session, name));
        if voice.attribute("rtcp-mux").is_none() {
            return bad("the audio section has no a=rtcp-mux");
        }
        if either("recvonly").is_some() || either("inactive").is_some() {
            return Err(Unfit::NoCodec);
        }
        match either("fingerprint").and_then(|value| value.split_once(' ')) {
            Some((hash, print)) if hash.eq_ignore_ascii_case("sha-256") && is_fingerprint(print.trim()) => {}
            _ => return bad("the offer has no fingerprint by sha-256"),
        }
        if !matches!(either("setup"), Some("actpass" | "passive")) {
            return bad("the offer must leave the start of DTLS to us (a=setup:actpass)");
        }
        let (Some(ufrag), Some(password)) = (either("ice-ufrag"), either("ice-pwd")) else {
            return bad("the offer has no ICE credentials");
        };
        if !is_ice_text(ufrag, 4) || !is_ice_text(password, 22) {
            return bad("the offer's ICE credentials are malformed");
        }
        let codec = choose(&voice).ok_or(Unfit::NoCodec)?;
        let keys_clock = [codec.clock(), 8_000]
            .into_iter()
            .find(|clock| voice.payload(&format!("telephone-event/{clock}"), None).is_some());
        let ufrag = ufrag.to_owned();
        let mut candidates = 0;
        let kept = lines.iter().filter(|line| {
            let Some(candidate) = line.strip_prefix("a=") else { return true };
            if !candidate.starts_with("candidate:") {
                return true;
            }
            candidates += usize::from(is_usable(candidate));
            is_usable(candidate) && candidates <= limits::WEBRTC_CANDIDATES_MAX
        });
        let sdp = kept.fold(String::with_capacity(text.len()), |sdp, line| sdp + line + "\r\n");
        Ok(Self { sdp, ufrag, codec, keys_clock })
    }
}

fn choose(voice: &Section<'_>) -> Option<Codec> {
    [("opus/48000/2", None, Codec::Opus), ("PCMU/8000", Some(0), Codec::Pcmu), ("PCMA/8000", Some(8), Codec::Pcma)]
        .into_iter()
        .find_map(|(encoding, fixed, codec)| voice.payload(encoding, fixed).map(|_| codec))
}

fn is_fingerprint(text: &str) -> bool {
    let pairs: Vec<&str> = text.split(':').collect();
    pairs.len() == 32 && pairs.iter().all(|pair| pair.len() == 2 && pair.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// `ice-char` of RFC 8839.
fn is_ice_text(text: &str, least: usize) -> bool {
    (least..=256).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'-' | b'_' | b'='))
}

/// A UDP candidate with an address. Names under `.local` are resolved by nobody here: our own candidates
/// are addresses, and the browser's checks tell where it is.
pub fn is_usable(candidate: &str) -> bool {
    let words: Vec<&str> = candidate.split(' ').filter(|word| !word.is_empty()).collect();
    let [_, component, protocol, priority, address, port, ..] = words.as_slice() else { return false };
    *component == "1"
        && protocol.eq_ignore_ascii_case("udp")
        && priority.parse::<u32>().is_ok()
        && address.parse::<std::net::IpAddr>().is_ok()
        && port.parse::<u16>().is_ok()
}

impl Agreed {
    /// What our own answer says of the voice.
    pub fn of(answer: &str, codec: Codec) -> Option<Self> {
        let lines: Vec<&str> = answer.lines().map(|line| line.trim_end_matches('\r')).collect();
        let (_, parts) = sections(&lines)?;
        let parts = parts.into_iter().filter_map(|(from, to)| section(&lines[from..to]));
        let voice = parts.into_iter().find(|part| part.kind == "audio" && part.port != "0")?;
        let payload = match codec {
            Codec::Opus => voice.payload("opus/48000/2", None),
            Codec::Pcmu => voice.payload("PCMU/8000", Some(0)),
            Codec::Pcma => voice.payload("PCMA/8000", Some(8)),
        }?;
        let keys = [codec.clock(), 8_000]
            .into_iter()
            .find_map(|clock| voice.payload(&format!("telephone-event/{clock}"), None));
        Some(Self { voice: payload, keys })
    }
}

/// Candidates that come after the offer (RFC 8840).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fragment {
    pub ufrag: Option<String>,
    /// As the connection wants them, with the mid they belong to.
    pub candidates: Vec<(String, String)>,
}

impl Fragment {
    pub fn read(text: &str) -> Result<Self, Unfit> {
        let bad = |what| Err(Unfit::Malformed(what));
        let mut fragment = Self::default();
        let mut mid = "0".to_owned();
        for (at, line) in text.lines().map(str::trim_end).filter(|line| !line.is_empty()).enumerate() {
            if at >= limits::WEBRTC_SDP_LINES_MAX {
                return bad("the fragment has too many lines");
            }
            if line.as_bytes().get(1) != Some(&b'=') {
                return bad("a line of the fragment is not of the form x=value");
            }
            if let Some(ufrag) = line.strip_prefix("a=ice-ufrag:") {
                if fragment.ufrag.as_ref().is_some_and(|known| known != ufrag) {
                    return bad("the fragment has credentials of two sessions");
                }
                fragment.ufrag = Some(ufrag.to_owned());
            } else if let Some(name) = line.strip_prefix("a=mid:") {
                name.chars().take(32).collect::<String>().clone_into(&mut mid);
            } else if let Some(candidate) = line.strip_prefix("a=").filter(|rest| rest.starts_with("candidate:"))
                && is_usable(candidate)
                && fragment.candidates.len() < limits::WEBRTC_CANDIDATES_MAX
            {
                fragment.candidates.push((candidate.to_owned(), mid.clone()));
            }
        }
        Ok(fragment)
    }
}

#[cfg(test)]
#[path = "sdp_tests.rs"]
mod tests;
