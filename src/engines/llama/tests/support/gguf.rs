//! Tiny GGUF files of other model families: right in form, with weights of chance.
#![allow(dead_code, unreachable_pub, reason = "every test file uses a part of it")]

use std::path::Path;

enum Value {
    U32(u32),
    F32(f32),
    Bool(bool),
    Text(String),
    Texts(Vec<String>),
    F32s(Vec<f32>),
    I32s(Vec<i32>),
}

#[derive(Default)]
pub struct Gguf {
    values: Vec<(String, Value)>,
    tensors: Vec<(String, Vec<u64>, Vec<f32>)>,
    seed: u64,
}

const EMBEDDING: u64 = 64;
const FEED_FORWARD: u64 = 96;
const HEAD: u64 = 16;

impl Gguf {
    /// A byte-wise vocabulary with the marks of ChatML, and what every family has.
    fn new(architecture: &str, blocks: u32, template: Option<&str>) -> Self {
        let mut gguf = Self { seed: 0x5eed, ..Self::default() };
        gguf.set("general.architecture", Value::Text(architecture.to_owned()));
        let own = |key: &str| format!("{architecture}.{key}");
        for (key, value) in [("context_length", 1_024), ("embedding_length", 64), ("block_count", blocks)] {
            gguf.set(&own(key), Value::U32(value));
        }
        gguf.set(&own("attention.layer_norm_rms_epsilon"), Value::F32(1e-5));
        let mut tokens: Vec<String> = ["<unk>", "<s>", "</s>", "<|im_start|>", "<|im_end|>"].map(str::to_owned).into();
        let mut kinds = vec![2, 3, 3, 3, 3];
        for byte in 0..256 {
            tokens.push(format!("<0x{byte:02X}>"));
            kinds.push(6);
        }
        for text in ["▁", "▁the", "▁and", "e", "a", "நன்றி", "▁हाँ"] {
            tokens.push(text.to_owned());
            kinds.push(1);
        }
        gguf.set("tokenizer.ggml.model", Value::Text("llama".to_owned()));
        gguf.set("tokenizer.ggml.scores", Value::F32s((0..tokens.len()).map(|i| -(i as f32)).collect()));
        gguf.set("tokenizer.ggml.token_type", Value::I32s(kinds));
        gguf.set("tokenizer.ggml.bos_token_id", Value::U32(1));
        gguf.set("tokenizer.ggml.eos_token_id", Value::U32(4));
        gguf.set("tokenizer.ggml.add_bos_token", Value::Bool(true));
        if let Some(template) = template {
            gguf.set("tokenizer.chat_template", Value::Text(template.to_owned()));
        }
        // Small at the entry, so that the blocks and with them the history have a say.
        gguf.chance("token_embd.weight", &[EMBEDDING, tokens.len() as u64], 0.05);
        gguf.chance("output.weight", &[EMBEDDING, tokens.len() as u64], 1.0);
        gguf.set("tokenizer.ggml.tokens", Value::Texts(tokens));
        gguf.ones("output_norm.weight", &[EMBEDDING]);
        gguf
    }

    fn attention(&mut self, architecture: &str, blocks: u32, norms: &[&str]) {
        let own = |key: &str| format!("{architecture}.{key}");
        for (key, value) in [
            ("feed_forward_length", FEED_FORWARD as u32),
            ("attention.head_count", 4),
            ("attention.head_count_kv", 2),
            ("attention.key_length", HEAD as u32),
            ("attention.value_length", HEAD as u32),
        ] {
            self.set(&own(key), Value::U32(value));
        }
        for block in 0..blocks {
            let name = |part: &str| format!("blk.{block}.{part}.weight");
            for (part, rows) in [
                ("attn_q", 4 * HEAD),
                ("attn_k", 2 * HEAD),
                ("attn_v", 2 * HEAD),
                ("ffn_gate", FEED_FORWARD),
                ("ffn_up", FEED_FORWARD),
            ] {
                self.chance(&name(part), &[EMBEDDING, rows], 0.3);
            }
            self.chance(&name("attn_output"), &[4 * HEAD, EMBEDDING], 0.3);
            self.chance(&name("ffn_down"), &[FEED_FORWARD, EMBEDDING], 0.3);
            for part in ["attn_norm", "ffn_norm"].iter().chain(norms) {
                let length = if part.ends_with("_q_norm") || part.ends_with("_k_norm") { HEAD } else { EMBEDDING };
                self.ones(&name(part), &[length]);
            }
        }
    }

    pub fn llama() -> Self {
        let mut gguf = Self::new("llama", 2, None);
        gguf.attention("llama", 2, &[]);
        gguf.set("llama.rope.dimension_count", Value::U32(HEAD as u32));
        gguf
    }

    pub fn qwen() -> Self {
        let template = "{%- for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{%- endfor %}{%- if enable_thinking is false %}<think>\n\n</think>\n\n{%- endif %}";
        let mut gguf = Self::new("qwen3", 2, Some(template));
        gguf.attention("qwen3", 2, &["attn_q_norm", "attn_k_norm"]);
        gguf
    }

    /// Sees the last 48 tokens only, but for one block.
    pub fn gemma() -> Self {
        let template = "{{ bos_token }}{% for message in messages %}<start_of_turn>{{ message['role'] }}\n{{ message['content'] }}<end_of_turn>\n{% endfor %}";
        let mut gguf = Self::new("gemma3", 6, Some(template));
        gguf.attention("gemma3", 6, &["attn_q_norm", "attn_k_norm", "post_attention_norm", "post_ffw_norm"]);
        gguf.set("gemma3.attention.sliding_window", Value::U32(48));
        gguf
    }

    /// Has a state instead of a cache.
    pub fn mamba() -> Self {
        let mut gguf = Self::new("mamba", 2, None);
        for (key, value) in [
            ("mamba.feed_forward_length", 0),
            ("mamba.attention.head_count", 0),
            ("mamba.ssm.conv_kernel", 4),
            ("mamba.ssm.inner_size", 128),
            ("mamba.ssm.state_size", 8),
            ("mamba.ssm.time_step_rank", 4),
        ] {
            gguf.set(key, Value::U32(value));
        }
        for block in 0..2 {
            let name = |part: &str| format!("blk.{block}.{part}");
            gguf.ones(&name("attn_norm.weight"), &[EMBEDDING]);
            for (part, shape) in [
                ("ssm_in.weight", vec![EMBEDDING, 256]),
                ("ssm_conv1d.weight", vec![4, 128]),
                ("ssm_conv1d.bias", vec![128]),
                ("ssm_x.weight", vec![128, 20]),
                ("ssm_dt.weight", vec![4, 128]),
                ("ssm_dt.bias", vec![128]),
                ("ssm_d", vec![128]),
                ("ssm_out.weight", vec![128, EMBEDDING]),
            ] {
                gguf.chance(&name(part), &shape, 0.3);
            }
            // Slow, so that the beginning of the prompt is not forgotten at its end.
            let decay = vec![-0.01; 8 * 128];
            gguf.tensors.push((name("ssm_a"), vec![8, 128], decay));
        }
        gguf
    }

    pub fn write(&self, path: &Path) {
        let mut out: Vec<u8> = b"GGUF".to_vec();
        let text = |out: &mut Vec<u8>, text: &str| {
            out.extend((text.len() as u64).to_le_bytes());
            out.extend(text.as_bytes());
        };
        out.extend(3_u32.to_le_bytes());
        out.extend((self.tensors.len() as u64).to_le_bytes());
        out.extend((self.values.len() as u64).to_le_bytes());
        let array = |out: &mut Vec<u8>, kind: u32, length: usize| {
            out.extend(9_u32.to_le_bytes());
            out.extend(kind.to_le_bytes());
            out.extend((length as u64).to_le_bytes());
        };
        for (key, value) in &self.values {
            text(&mut out, key);
            match value {
                Value::U32(v) => out.extend([4_u32.to_le_bytes(), v.to_le_bytes()].concat()),
                Value::F32(v) => out.extend([6_u32.to_le_bytes(), v.to_le_bytes()].concat()),
                Value::Bool(v) => {
                    out.extend(7_u32.to_le_bytes());
                    out.push(u8::from(*v));
                }
                Value::Text(v) => {
                    out.extend(8_u32.to_le_bytes());
                    text(&mut out, v);
                }
                Value::Texts(all) => {
                    array(&mut out, 8, all.len());
                    all.iter().for_each(|v| text(&mut out, v));
                }
                Value::F32s(all) => {
                    array(&mut out, 6, all.len());
                    all.iter().for_each(|v| out.extend(v.to_le_bytes()));
                }
                Value::I32s(all) => {
                    array(&mut out, 5, all.len());
                    all.iter().for_each(|v| out.extend(v.to_le_bytes()));
                }
            }
        }
        let padded = |length: usize| length.next_multiple_of(32);
        let mut offset = 0_usize;
        for (name, shape, weights) in &self.tensors {
            text(&mut out, name);
            out.extend((shape.len() as u32).to_le_bytes());
            shape.iter().for_each(|d| out.extend(d.to_le_bytes()));
            out.extend(0_u32.to_le_bytes());
            out.extend((offset as u64).to_le_bytes());
            offset += padded(weights.len() * 4);
        }
        out.resize(padded(out.len()), 0);
        for (_, _, weights) in &self.tensors {
            weights.iter().for_each(|w| out.extend(w.to_le_bytes()));
            out.resize(padded(out.len()), 0);
        }
        std::fs::write(path, out).unwrap();
    }

    fn set(&mut self, key: &str, value: Value) {
        self.values.push((key.to_owned(), value));
    }

    fn ones(&mut self, name: &str, shape: &[u64]) {
        let count = shape.iter().product::<u64>() as usize;
        self.tensors.push((name.to_owned(), shape.to_vec(), vec![1.0; count]));
    }

    fn chance(&mut self, name: &str, shape: &[u64], scale: f32) {
        let count = shape.iter().product::<u64>() as usize;
        let weights = (0..count).map(|_| {
            self.seed ^= self.seed << 13;
            self.seed ^= self.seed >> 7;
            self.seed ^= self.seed << 17;
            ((self.seed >> 40) as f32 / (1_u64 << 23) as f32 - 1.0) * scale
        });
        let weights = weights.collect();
        self.tensors.push((name.to_owned(), shape.to_vec(), weights));
    }
}
