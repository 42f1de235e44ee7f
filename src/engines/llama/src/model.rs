//! The model file: loaded once, shared by all lanes.

use std::num::NonZeroU32;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use llama_cpp_2::context::LlamaContext;
use llama_cpp_2::context::params::LlamaContextParams;
use llama_cpp_2::llama_backend::LlamaBackend;
use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::model::params::LlamaModelParams;
use llama_cpp_2::token::LlamaToken;
use vaani_engine_protocol::desk::Fail;
use vaani_engine_protocol::{ChatMessage, Generate};

use crate::cells::Reuse;
use crate::choice::Choice;
use crate::prompt::Prompts;
use crate::settings::{Settings, Shape};

/// `LLAMA_FLASH_ATTN_TYPE_AUTO` and `_DISABLED` of llama.h.
const ATTENTION_AUTO: i32 = -1;
const ATTENTION_PLAIN: i32 = 0;

pub(crate) struct Model {
    backend: LlamaBackend,
    model: LlamaModel,
    prompts: Prompts,
    reuse: Reuse,
    /// llama.cpp may not make two contexts of a model at the same time.
    making: Mutex<()>,
}

impl Model {
    pub(crate) fn load(settings: &Settings) -> Result<Self, Fail> {
        check_file(&settings.model)?;
        let backend = LlamaBackend::init().map_err(|e| Fail::engine(format!("llama.cpp does not start: {e}")))?;
        let model = LlamaModel::load_from_file(&backend, &settings.model, &LlamaModelParams::default())
            .map_err(|error| Fail::refused(format!("{} is not loaded: {error}", settings.model.display())))?;
        if model.n_vocab() <= 0 || model.vocab().n_tokens() <= 0 {
            return Err(Fail::refused("the model has no vocabulary"));
        }
        let prompts = Prompts::new(&model, settings.chat_template.as_deref())?;
        eprintln!(
            "{} parameters, {} bytes, trained on {} tokens, chat template: {}",
            model.n_params(),
            model.size(),
            model.n_ctx_train(),
            prompts.template_name,
        );
        let reuse = reuse(&model);
        Ok(Self { backend, model, prompts, reuse, making: Mutex::new(()) })
    }

    pub(crate) fn bytes_of_weights(&self) -> u64 {
        self.model.size()
    }

    pub(crate) fn is_stateful(&self) -> bool {
        self.model.is_recurrent() || self.model.is_hybrid()
    }

    pub(crate) fn reuse(&self) -> Reuse {
        self.reuse
    }

    /// Tokens of one request, as the model was trained.
    pub(crate) fn window(&self) -> usize {
        match self.model.n_ctx_train() {
            0 => usize::MAX,
            tokens => tokens as usize,
        }
    }

    pub(crate) fn context(&self, shape: &Shape) -> Result<LlamaContext<'_>, Fail> {
        let _one_at_a_time = self.making.lock().unwrap_or_else(PoisonError::into_inner);
        let threads = i32::try_from(shape.threads).unwrap_or(1);
        // llama.cpp keeps logits for every sequence and insists that a batch may ask for as many.
        let batch = u32::try_from(shape.prompt_chunk + shape.slots).unwrap_or(u32::MAX).max(shape.sequences);
        let attention = if shape.plain_attention { ATTENTION_PLAIN } else { ATTENTION_AUTO };
        let parameters = LlamaContextParams::default()
            .with_flash_attention_policy(attention)
            .with_n_ctx(NonZeroU32::new(shape.cells))
            .with_n_batch(batch)
            .with_n_ubatch(batch)
            .with_n_seq_max(shape.sequences)
            .with_kv_unified(true)
            .with_swa_full(true)
            .with_n_threads(threads)
            .with_n_threads_batch(threads)
            .with_no_perf(true);
        self.model
            .new_context(&self.backend, parameters)
            .map_err(|error| Fail::engine(format!("no room for {} cells: {error}", shape.cells)))
    }

    pub(crate) fn prompt(&self, messages: &[ChatMessage]) -> Result<Vec<i32>, Fail> {
        let text = self.prompts.render(&self.model, messages)?;
        let tokens = self.prompts.tokens(&self.model, &text);
        if tokens.is_empty() {
            return Err(Fail::refused("the messages give an empty prompt"));
        }
        Ok(tokens.into_iter().map(|t| t.0).collect())
    }

    pub(crate) fn choice(&self, ask: &Generate, seed: u64) -> Result<Choice, Fail> {
        Choice::new(&self.model, ask.grammar.as_deref(), ask.temperature, seed)
    }

    pub(crate) fn ends(&self, token: LlamaToken) -> bool {
        self.model.vocab().is_eog(token)
    }

    pub(crate) fn bytes(&self, token: LlamaToken) -> Vec<u8> {
        self.model.vocab().token_to_piece(token, false, None)
    }

    pub(crate) fn some_token(&self) -> LlamaToken {
        let bos = self.model.vocab().bos();
        if bos.0 >= 0 { bos } else { LlamaToken::new(0) }
    }
}

fn check_file(path: &Path) -> Result<(), Fail> {
    use std::io::Read;
    let mut magic = [0_u8; 4];
    let read = std::fs::File::open(path).and_then(|mut file| file.read_exact(&mut magic));
    read.map_err(|error| Fail::refused(format!("{} is not read: {error}", path.display())))?;
    if &magic != b"GGUF" {
        return Err(Fail::refused(format!("{} is not a GGUF file", path.display())));
    }
    Ok(())
}

fn reuse(model: &LlamaModel) -> Reuse {
    if model.is_recurrent() || model.is_hybrid() {
        return Reuse::Whole;
    }
    let architecture = model.meta_val_str("general.architecture").unwrap_or_default();
    let window = ["attention.sliding_window", "attention.chunk_size"]
        .iter()
        .find_map(|key| model.meta_val_str(&format!("{architecture}.{key}")).ok()?.parse::<usize>().ok());
    match window {
        Some(window) if window > 0 => Reuse::Window(window),
        // Its chunks are not in the file.
        _ if architecture == "llama4" => Reuse::Window(0),
        _ => Reuse::Beginning,
    }
}
