//! Messages to tokens, by the model's own chat template.
//!
//! Promise: what a caller says is text and never a mark of the template, whatever it contains.

use std::collections::HashSet;

use llama_cpp_2::model::{LlamaChatMessage, LlamaChatTemplate, LlamaModel};
use llama_cpp_2::token::LlamaToken;
use llama_cpp_2::token_type::LlamaTokenAttr;
use vaani_engine_protocol::ChatMessage;
use vaani_engine_protocol::desk::Fail;

/// Bytes of all messages together. More would keep the lane busy with reading for too long, and no
/// telephone conversation has it.
pub(crate) const TEXT_MAX: usize = 128 * 1024;
const MESSAGES_MAX: usize = 512;

pub(crate) struct Prompts {
    template: LlamaChatTemplate,
    /// Which one it is, for the log.
    pub(crate) template_name: &'static str,
    /// Texts of the tokens that steer the model.
    marks: HashSet<Vec<u8>>,
    mark_lengths: Vec<usize>,
    mark_starts: [bool; 256],
    /// Put after the generation prompt of models that would otherwise think aloud first.
    no_thinking: &'static str,
}

impl Prompts {
    pub(crate) fn new(model: &LlamaModel, wanted: Option<&str>) -> Result<Self, Fail> {
        let own = model.chat_template(None).ok();
        let own_text = own.as_ref().and_then(|t| t.to_str().ok()).unwrap_or_default().to_owned();
        let (template, template_name) = match (wanted, own) {
            (Some(wanted), _) => {
                let template =
                    LlamaChatTemplate::new(wanted).map_err(|_| Fail::refused("chat_template holds a zero byte"))?;
                if !understood(model, &template) {
                    return Err(Fail::refused("chat_template is none that llama.cpp understands"));
                }
                (template, "the one of the settings")
            }
            (None, Some(own)) if understood(model, &own) => (own, "the model's"),
            (None, _) => {
                let chatml = LlamaChatTemplate::new("chatml").map_err(|_| Fail::engine("no ChatML"))?;
                (chatml, "ChatML, because the model has none that llama.cpp understands")
            }
        };
        let mut marks = HashSet::new();
        let mut mark_starts = [false; 256];
        let vocab = model.vocab();
        for token in vocab.tokens() {
            let attributes = vocab.attr(token);
            if !attributes.contains(LlamaTokenAttr::Control) && !attributes.contains(LlamaTokenAttr::Unknown) {
                continue;
            }
            let text = vocab.text(token).map(|t| t.to_bytes().to_vec()).unwrap_or_default();
            if let Some(&first) = text.first() {
                mark_starts[usize::from(first)] = true;
                marks.insert(text);
            }
        }
        let lengths: HashSet<_> = marks.iter().map(Vec::len).collect();
        let mut mark_lengths: Vec<_> = lengths.into_iter().collect();
        mark_lengths.sort_unstable_by(|a, b| b.cmp(a));
        // The templates of such models do the same when they are told not to think.
        let no_thinking = if own_text.contains("enable_thinking") { "<think>\n\n</think>\n\n" } else { "" };
        Ok(Self { template, template_name, marks, mark_lengths, mark_starts, no_thinking })
    }

    /// The prompt as text. The starter model's is in its card, letter for letter.
    pub(crate) fn render(&self, model: &LlamaModel, messages: &[ChatMessage]) -> Result<String, Fail> {
        if messages.is_empty() || messages.len() > MESSAGES_MAX {
            return Err(Fail::refused(format!("{} messages; 1 to {MESSAGES_MAX} are possible", messages.len())));
        }
        let bytes: usize = messages.iter().map(|m| m.content.len()).sum();
        if bytes > TEXT_MAX {
            return Err(Fail::refused(format!("the messages have {bytes} bytes; {TEXT_MAX} are possible")));
        }
        // An answer that shall go on where it stops: its words follow the mark that opens it.
        let (messages, begun) = match messages {
            [before @ .., last] if last.role == "assistant" && !before.is_empty() => (before, Some(&last.content)),
            all => (all, None),
        };
        let mut chat = Vec::with_capacity(messages.len());
        for message in messages {
            if !matches!(message.role.as_str(), "system" | "user" | "assistant") {
                return Err(Fail::refused("a message is neither of the system, the user nor the assistant"));
            }
            let content = self.without_marks(&message.content);
            let message = LlamaChatMessage::new(message.role.clone(), content)
                .map_err(|_| Fail::refused("a message holds a zero byte"))?;
            chat.push(message);
        }
        let mut text = model
            .apply_chat_template(&self.template, &chat, true)
            .map_err(|error| Fail::refused(format!("the chat template does not fit the messages: {error}")))?;
        text.push_str(self.no_thinking);
        if let Some(begun) = begun {
            text.push_str(&self.without_marks(begun));
        }
        Ok(text)
    }

    pub(crate) fn tokens(&self, model: &LlamaModel, text: &str) -> Vec<LlamaToken> {
        let vocab = model.vocab();
        let mut tokens = vocab.tokenize(text.as_bytes(), true, true);
        // Some templates spell out what the tokeniser adds by itself.
        if tokens.len() > 1 && tokens[0] == vocab.bos() && tokens[1] == vocab.bos() {
            tokens.remove(0);
        }
        if vocab.should_add_eos() && tokens.last() == Some(&vocab.eos()) {
            tokens.pop();
        }
        tokens
    }

    /// Takes out every mark, and those that appear when one is taken out.
    fn without_marks(&self, text: &str) -> String {
        let mut out: Vec<u8> = Vec::with_capacity(text.len());
        for &byte in text.as_bytes() {
            out.push(byte);
            // Marks end somewhere, so looking back from every byte finds them all, also nested ones.
            for &length in &self.mark_lengths {
                let Some(start) = out.len().checked_sub(length) else { continue };
                if self.mark_starts[usize::from(out[start])] && self.marks.contains(&out[start..]) {
                    out.truncate(start);
                    break;
                }
            }
        }
        String::from_utf8(out).unwrap_or_else(|torn| String::from_utf8_lossy(torn.as_bytes()).into_owned())
    }
}

fn understood(model: &LlamaModel, template: &LlamaChatTemplate) -> bool {
    let probe = [("user", "a"), ("assistant", "b"), ("user", "c")]
        .map(|(role, content)| LlamaChatMessage::new(role.to_owned(), content.to_owned()));
    let probe: Vec<_> = probe.into_iter().flatten().collect();
    model.apply_chat_template(template, &probe, true).is_ok_and(|text| text.contains('b') && text.contains('c'))
}
