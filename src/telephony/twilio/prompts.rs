//! The few lines that are spoken before our own socket is open: the language menu, its
//! confirmation, and what a box that is full says. They are files the carrier fetches.

use bytes::Bytes;
use futures_util::future::BoxFuture;

use super::twiml::Verb;
use crate::base::Lang;
use crate::telephony::public_url::PublicUrl;

/// Keys of the message catalogues.
pub const MENU: &str = "language_menu";
pub const CONFIRMED: &str = "language_confirmed";
pub use crate::telephony::lines::{BUSY, CALLBACK_FAILED, CALLBACK_NOTED, CALLBACK_OFFER};
/// Every line that may be fetched, and whether it names a key.
const ALL: [(&str, bool); 6] = [
    (MENU, true),
    (CONFIRMED, false),
    (BUSY, false),
    (CALLBACK_OFFER, true),
    (CALLBACK_NOTED, false),
    (CALLBACK_FAILED, false),
];

/// The box's own voice for these lines; `app` implements it with speech synthesis.
pub trait PromptSource: Send + Sync + 'static {
    /// Is [`PromptSource::wav`] sure to have this line? Asked while a webhook waits, so it must not.
    fn available(&self, lang: Lang, key: &str, digit: Option<char>) -> bool;
    /// The line as a WAV file, 8 kHz mono (16-bit or mu-law).
    fn wav(&self, lang: Lang, key: &str, digit: Option<char>) -> BoxFuture<'_, Option<Bytes>>;
    /// The line as text, for the carrier's voice where ours is not to be had.
    fn text(&self, lang: Lang, key: &str, digit: Option<char>) -> Option<String>;
}

/// Says nothing at all: menus are silent, keys still work.
pub struct Silence;

impl PromptSource for Silence {
    fn available(&self, _: Lang, _: &str, _: Option<char>) -> bool {
        false
    }

    fn wav(&self, _: Lang, _: &str, _: Option<char>) -> BoxFuture<'_, Option<Bytes>> {
        Box::pin(std::future::ready(None))
    }

    fn text(&self, _: Lang, _: &str, _: Option<char>) -> Option<String> {
        None
    }
}

/// One line, known by the name of its file: `language_menu.hi-IN.2.wav`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Prompt {
    pub key: &'static str,
    pub lang: Lang,
    pub digit: Option<char>,
}

impl Prompt {
    /// Knows only the lines that exist, so that nobody can ask the synthesiser for others.
    pub(super) fn parse(name: &str) -> Option<Self> {
        let mut parts = name.strip_suffix(".wav")?.split('.');
        let key = parts.next()?;
        let (key, names_key) = ALL.into_iter().find(|(known, _)| *known == key)?;
        let tag = parts.next()?;
        let lang = Lang::ALL.into_iter().find(|lang| lang.tag() == tag)?;
        let digit = match parts.next() {
            None => None,
            Some("star") => Some('*'),
            Some(digit) => Some(digit.parse::<char>().ok().filter(char::is_ascii_digit)?),
        };
        (names_key == digit.is_some() && parts.next().is_none()).then_some(Self { key, lang, digit })
    }

    /// How the carrier is told to say this line; `None` where nobody can.
    pub(super) fn verb(self, base: &PublicUrl, source: &dyn PromptSource) -> Option<Verb> {
        let Self { key, lang, digit } = self;
        if source.available(lang, key, digit) {
            return Some(Verb::Play(base.webhook(&format!("/voice/prompt/{}", self.file()))));
        }
        // The carrier has no voice for Odia.
        let text = if lang == Lang::Or { None } else { source.text(lang, key, digit) };
        text.map(|text| Verb::Say { language: lang.tag().to_owned(), text })
    }

    fn file(self) -> String {
        match self.digit {
            None => format!("{}.{}.wav", self.key, self.lang),
            Some('*') => format!("{}.{}.star.wav", self.key, self.lang),
            Some(digit) => format!("{}.{}.{digit}.wav", self.key, self.lang),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_lines_that_exist() {
        for lang in Lang::ALL {
            for (key, digit) in [
                (MENU, Some('1')),
                (MENU, Some('*')),
                (MENU, Some('0')),
                (CONFIRMED, None),
                (BUSY, None),
                (CALLBACK_OFFER, Some('1')),
            ] {
                let prompt = Prompt { key, lang, digit };
                assert_eq!(Prompt::parse(&prompt.file()), Some(prompt));
            }
        }
        for bad in [
            "",
            ".wav",
            "language_menu.hi-IN.wav",
            "language_menu.hi.2.wav",
            "language_menu.hi-IN.22.wav",
            "language_menu.hi-IN.x.wav",
            "language_menu.hi-IN.2.3.wav",
            "language_confirmed.hi-IN.2.wav",
            "greeting.hi-IN.wav",
            "../language_confirmed.hi-IN.wav",
            "language_confirmed.hi-IN.mp3",
        ] {
            assert_eq!(Prompt::parse(bad), None, "{bad}");
        }
    }

    struct Text;

    impl PromptSource for Text {
        fn available(&self, lang: Lang, _: &str, _: Option<char>) -> bool {
            lang == Lang::Hi
        }

        fn wav(&self, _: Lang, _: &str, _: Option<char>) -> BoxFuture<'_, Option<Bytes>> {
            Box::pin(std::future::ready(None))
        }

        fn text(&self, lang: Lang, _: &str, digit: Option<char>) -> Option<String> {
            Some(format!("{} {digit:?}", lang.iso()))
        }
    }

    #[test]
    fn our_voice_comes_first_then_the_carriers_then_silence() {
        let base: PublicUrl = "https://v.in".parse().unwrap();
        let verb = |lang| Prompt { key: MENU, lang, digit: Some('2') }.verb(&base, &Text);
        assert_eq!(verb(Lang::Hi), Some(Verb::Play("https://v.in/voice/prompt/language_menu.hi-IN.2.wav".to_owned())));
        assert_eq!(verb(Lang::Ta), Some(Verb::Say { language: "ta-IN".to_owned(), text: "ta Some('2')".to_owned() }));
        assert_eq!(verb(Lang::Or), None);
    }
}
