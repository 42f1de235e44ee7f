//! The loaded model: weights shared by all slots, its languages, and which tokens may be said.

use std::collections::HashMap;

use vaani_engine_protocol::desk::Fail;
use whisper_rs::{WhisperContext, WhisperContextParameters, WhisperTokenId, get_lang_id};

use crate::clip;
use crate::language::{Language, Script, languages};
use crate::settings::Settings;

/// Annotations that models trained on subtitles write instead of speech; the list is whisper.cpp's.
const NON_SPEECH: [&str; 48] = [
    "\"",
    "#",
    "(",
    ")",
    "*",
    "+",
    "/",
    ":",
    ";",
    "<",
    "=",
    ">",
    "@",
    "[",
    "\\",
    "]",
    "^",
    "_",
    "`",
    "{",
    "|",
    "}",
    "~",
    "「",
    "」",
    "『",
    "』",
    "<<",
    ">>",
    "<<<",
    ">>>",
    "--",
    "---",
    "-(",
    "-[",
    "('",
    "(\"",
    "((",
    "))",
    "(((",
    ")))",
    "[[",
    "]]",
    "{{",
    "}}",
    "♪♪",
    "♪♪♪",
    "♪",
];

/// Tokens of a prompt that are looked at.
const PROMPT_TOKENS_MAX: usize = 1_024;

pub(crate) struct Model {
    pub(crate) context: WhisperContext,
    pub(crate) languages: Vec<Language>,
    pub(crate) multilingual: bool,
    /// Encoder positions of the longest piece.
    pub(crate) context_most: usize,
    pub(crate) context_least: usize,
    /// Tokens a text may have, the prompt included.
    pub(crate) text_most: usize,
    pub(crate) special: Special,
    /// Is the model made for text before the sound?
    pub(crate) takes_prompts: bool,
    /// Tokens that are never said, by number; all above `special.end` are not either.
    silent: Mask,
    /// The same with everything of other scripts on top.
    forced: HashMap<ScriptKey, Mask>,
    /// The single space, which may not begin a text.
    space: Option<WhisperTokenId>,
}

type ScriptKey = std::mem::Discriminant<Script>;

/// 0 for a token that may be said, minus infinity for one that may not; added to the logits.
pub(crate) type Mask = Vec<f32>;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Special {
    /// End of text. Ordinary tokens have smaller numbers.
    pub(crate) end: WhisperTokenId,
    pub(crate) start: WhisperTokenId,
    pub(crate) before: WhisperTokenId,
    pub(crate) transcribe: WhisperTokenId,
    pub(crate) no_timestamps: WhisperTokenId,
    pub(crate) no_speech: WhisperTokenId,
}

impl Model {
    pub(crate) fn load(settings: &Settings) -> Result<Self, Fail> {
        let mut parameters = WhisperContextParameters::default();
        parameters.use_gpu(false).flash_attn(settings.flash_attn);
        let context = WhisperContext::new_with_params(&settings.model, parameters)
            .map_err(|error| Fail::refused(format!("whisper.cpp cannot load {}: {error}", settings.model.display())))?;
        let multilingual = context.is_multilingual();
        let particulars = settings.particulars()?;
        let odia = particulars.odia_token.as_deref();
        if let Some(code) = odia
            && (code.contains('\0') || get_lang_id(code).is_none())
        {
            return Err(Fail::refused(format!("odia_token: Whisper has no language {code:?}")));
        }
        let special = Special {
            end: context.token_eot(),
            start: context.token_sot(),
            before: context.token_prev(),
            transcribe: context.token_transcribe(),
            no_timestamps: context.token_not(),
            no_speech: context.token_nosp(),
        };
        let context_most = clip::context_most(
            usize::try_from(context.n_audio_ctx()).unwrap_or(0).min(particulars.audio_ctx_max.unwrap_or(usize::MAX)),
        );
        let languages = languages(multilingual, odia);
        let vocabulary = Vocabulary::read(&context, special.end);
        let silent =
            vocabulary.mask(|text| NON_SPEECH.contains(&text.trim_start_matches(' ')) || [" -", " '"].contains(&text));
        let forced = languages
            .iter()
            .map(|language| {
                let foreign = vocabulary.mask_bytes(|bytes| !language.script.allows(bytes));
                let both = silent.iter().zip(&foreign).map(|(a, b)| a + b).collect();
                (std::mem::discriminant(&language.script), both)
            })
            .collect();
        Ok(Self {
            languages,
            multilingual,
            takes_prompts: particulars.initial_prompt.unwrap_or(true),
            context_least: settings.audio_ctx_min.clamp(clip::CONTEXT_STEP, context_most),
            context_most,
            text_most: usize::try_from(context.n_text_ctx()).unwrap_or(0),
            special,
            silent,
            forced,
            space: vocabulary.find(" "),
            context,
        })
    }

    pub(crate) fn language(&self, tag: &str) -> Option<&Language> {
        self.languages.iter().find(|l| l.tag == tag)
    }

    /// The tokens that stand before the start of the text to prime it: the text's last ones, as many
    /// as leave half of the room.
    pub(crate) fn primer(&self, prompt: Option<&str>) -> Vec<WhisperTokenId> {
        let Some(prompt) = prompt.filter(|p| self.takes_prompts && !p.is_empty() && !p.contains('\0')) else {
            return Vec::new();
        };
        // The end counts most. A letter is up to two tokens.
        let prompt = prompt.char_indices().rev().nth(PROMPT_TOKENS_MAX / 2 - 2).map_or(prompt, |(at, _)| &prompt[at..]);
        // A prompt that cannot be tokenised is a hint lost, nothing more.
        let tokens = self.context.tokenize(&format!(" {}", prompt.trim()), PROMPT_TOKENS_MAX).unwrap_or_default();
        let most = (self.text_most / 2).saturating_sub(1);
        let last = &tokens[tokens.len().saturating_sub(most)..];
        if last.is_empty() {
            Vec::new()
        } else {
            std::iter::once(self.special.before).chain(last.iter().copied()).collect()
        }
    }

    pub(crate) fn language_token(&self, language: &Language) -> Option<WhisperTokenId> {
        get_lang_id(&language.code).map(|id| self.context.token_lang(id))
    }

    /// What may be said; `script`: in that script only.
    pub(crate) fn mask(&self, script: Option<Script>) -> &Mask {
        script.and_then(|s| self.forced.get(&std::mem::discriminant(&s))).unwrap_or(&self.silent)
    }

    /// May the text begin with this token? Neither its end nor a lone space.
    pub(crate) fn may_begin(&self, token: WhisperTokenId) -> bool {
        token != self.special.end && Some(token) != self.space
    }

    pub(crate) fn text(&self, tokens: impl IntoIterator<Item = WhisperTokenId>) -> String {
        let mut bytes = Vec::new();
        for token in tokens.into_iter().filter(|t| *t < self.special.end) {
            bytes.extend_from_slice(self.context.token_to_bytes(token).unwrap_or_default());
        }
        // A token cut inside a character at the very end leaves a stray byte; it goes.
        String::from_utf8_lossy(&bytes).replace('\u{FFFD}', "").trim().to_owned()
    }
}

struct Vocabulary<'c>(Vec<&'c [u8]>);

impl<'c> Vocabulary<'c> {
    fn read(context: &'c WhisperContext, end: WhisperTokenId) -> Self {
        Self((0..end).map(|token| context.token_to_bytes(token).unwrap_or_default()).collect())
    }

    fn mask_bytes(&self, silent: impl Fn(&[u8]) -> bool) -> Mask {
        self.0.iter().map(|bytes| if silent(bytes) { f32::NEG_INFINITY } else { 0.0 }).collect()
    }

    fn mask(&self, silent: impl Fn(&str) -> bool) -> Mask {
        self.mask_bytes(|bytes| std::str::from_utf8(bytes).is_ok_and(&silent))
    }

    fn find(&self, text: &str) -> Option<WhisperTokenId> {
        self.0.iter().position(|bytes| *bytes == text.as_bytes()).and_then(|at| at.try_into().ok())
    }
}
