//! The name of a voice in a request: `piper`, the id of a loaded Piper voice, or an espeak-ng voice
//! such as `espeak`, `espeak:hi`, `espeak:hi+m3`, `espeak:hi+m3?rate=150&pitch=45`. Pure.

use vaani_engine_protocol::desk::Fail;

/// How espeak-ng speaks.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Tone {
    /// espeak-ng's voice and variant (`hi+m3`).
    pub(crate) voice: String,
    /// Words a minute, 80 to 450.
    pub(crate) rate: i32,
    /// 0 to 99.
    pub(crate) pitch: i32,
    /// How far the pitch moves, 0 (monotone) to 99.
    pub(crate) range: i32,
    /// 0 to 200.
    pub(crate) volume: i32,
}

impl Tone {
    /// A calm telephone pace.
    const RATE: i32 = 160;

    pub(crate) fn new(voice: &str) -> Self {
        Self { voice: voice.to_owned(), rate: Self::RATE, pitch: 50, range: 50, volume: 90 }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Name<'a> {
    /// The first Piper voice of the language.
    Piper,
    Loaded(&'a str),
    /// `None`: espeak-ng's voice of the language.
    Espeak(Option<Tone>),
}

impl<'a> Name<'a> {
    pub(crate) fn parse(text: &'a str, language_voice: &str) -> Result<Self, Fail> {
        if text == "piper" {
            return Ok(Self::Piper);
        }
        let Some(rest) = text.strip_prefix("espeak") else { return Ok(Self::Loaded(text)) };
        if rest.is_empty() {
            return Ok(Self::Espeak(None));
        }
        let (voice, parameters) = match rest.split_once('?') {
            Some((voice, parameters)) => (voice, parameters),
            None => (rest, ""),
        };
        let voice = match voice.strip_prefix(':') {
            Some(voice) => voice,
            None if voice.is_empty() => language_voice,
            None => return Ok(Self::Loaded(text)),
        };
        let proper = |part: &str| {
            !part.is_empty()
                && part.len() <= 32
                && part.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
        };
        if !voice.splitn(2, '+').all(proper) {
            return Err(Fail::refused(format!("{voice:?} is no name of an espeak-ng voice")));
        }
        let mut tone = Tone::new(voice);
        for pair in parameters.split('&').filter(|p| !p.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (place, least, most) = match key {
                "rate" => (&mut tone.rate, 80, 450),
                "pitch" => (&mut tone.pitch, 0, 99),
                "range" => (&mut tone.range, 0, 99),
                "volume" => (&mut tone.volume, 0, 200),
                _ => {
                    return Err(Fail::refused(format!("a voice has no {key:?}; it has rate, pitch, range and volume")));
                }
            };
            *place = value
                .parse()
                .ok()
                .filter(|v| (least..=most).contains(v))
                .ok_or_else(|| Fail::refused(format!("{key} may be {least} to {most}, not {value:?}")))?;
        }
        Ok(Self::Espeak(Some(tone)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_are_read() {
        let tone = |voice: &str| Tone::new(voice);
        let cases = [
            ("piper", Name::Piper),
            ("starter-hi", Name::Loaded("starter-hi")),
            ("espeakish", Name::Loaded("espeakish")),
            ("espeak", Name::Espeak(None)),
            ("espeak:hi", Name::Espeak(Some(tone("hi")))),
            ("espeak:hi+m3", Name::Espeak(Some(tone("hi+m3")))),
            ("espeak?rate=200", Name::Espeak(Some(Tone { rate: 200, ..tone("ta") }))),
            ("espeak:hi+m3?rate=150&pitch=45", Name::Espeak(Some(Tone { rate: 150, pitch: 45, ..tone("hi+m3") }))),
        ];
        for (text, expected) in cases {
            assert_eq!(Name::parse(text, "ta").unwrap(), expected, "{text}");
        }
        for wrong in
            ["espeak:", "espeak:../../etc", "espeak:hi+", "espeak:hi?rate=9000", "espeak:hi?rate", "espeak:hi?x=1"]
        {
            assert!(Name::parse(wrong, "ta").is_err(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn any_name_is_read_or_refused(name in "(espeak|piper)?[:?]?.*") {
            if let Ok(Name::Espeak(Some(tone))) = Name::parse(&name, "hi") {
                prop_assert!((80..=450).contains(&tone.rate) && (0..=99).contains(&tone.pitch));
                prop_assert!(!tone.voice.contains(['/', '.', '\0']));
            }
        }
    }
}
