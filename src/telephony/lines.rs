//! The few lines that are said to a caller whom no call can take. They are spoken ahead, since no engine
//! is free when they are wanted.

use futures_util::future::BoxFuture;

use crate::base::Lang;

/// Keys of the message catalogues.
pub const BUSY: &str = "busy_line";
pub const CALLBACK_OFFER: &str = "callback_offer";
pub const CALLBACK_NOTED: &str = "callback_noted";
pub const CALLBACK_FAILED: &str = "action_failed";
/// The key that asks for a call back.
pub const CALLBACK_KEY: char = '1';

/// The box's own voice for these lines, where they are played by us; `app` implements it.
pub trait SpokenLines: Send + Sync + 'static {
    /// Is [`SpokenLines::pcm`] sure to have this line? Asked while a carrier waits, so it must not.
    fn has(&self, lang: Lang, key: &str) -> bool;
    /// The line as 8 kHz samples; `digit` is the key it speaks of.
    fn pcm<'a>(&'a self, lang: Lang, key: &'a str, digit: Option<char>) -> BoxFuture<'a, Option<Vec<i16>>>;
}

/// Says nothing at all.
pub struct Speechless;

impl SpokenLines for Speechless {
    fn has(&self, _: Lang, _: &str) -> bool {
        false
    }

    fn pcm<'a>(&'a self, _: Lang, _: &'a str, _: Option<char>) -> BoxFuture<'a, Option<Vec<i16>>> {
        Box::pin(std::future::ready(None))
    }
}
