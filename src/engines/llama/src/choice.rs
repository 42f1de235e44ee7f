//! From logits to the next token.

use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::sampling::LlamaSampler;
use llama_cpp_2::token::LlamaToken;
use llama_cpp_2::token::data::LlamaTokenData;
use llama_cpp_2::token::data_array::LlamaTokenDataArray;
use vaani_engine_protocol::desk::Fail;

const GRAMMAR_MAX: usize = 64 * 1024;

/// How one request chooses its tokens: the likeliest that the grammar allows, or by chance.
pub(crate) struct Choice {
    grammar: Option<LlamaSampler>,
    chance: Option<LlamaSampler>,
}

impl Choice {
    pub(crate) fn new(model: &LlamaModel, grammar: Option<&str>, temperature: f32, seed: u64) -> Result<Self, Fail> {
        if !(0.0..=5.0).contains(&temperature) {
            return Err(Fail::refused("the temperature is not between 0 and 5"));
        }
        let grammar = match grammar {
            None => None,
            Some(text) if text.len() > GRAMMAR_MAX => {
                return Err(Fail::refused(format!("the grammar has {} bytes; {GRAMMAR_MAX} are possible", text.len())));
            }
            Some(text) => Some(parse(model, text)?),
        };
        let chance = (temperature > 0.0).then(|| {
            LlamaSampler::chain(
                [
                    LlamaSampler::top_k(40),
                    LlamaSampler::top_p(0.95, 1),
                    LlamaSampler::min_p(0.05, 1),
                    LlamaSampler::temp(temperature),
                    // The low half is enough of a seed.
                    LlamaSampler::dist(seed as u32),
                ],
                true,
            )
        });
        Ok(Self { grammar, chance })
    }

    pub(crate) fn choose(&mut self, logits: &[f32], ends: impl Fn(LlamaToken) -> bool) -> Result<LlamaToken, Fail> {
        let token = match (&mut self.grammar, &mut self.chance) {
            (None, None) => likeliest(logits),
            (Some(grammar), None) => {
                // Mostly the model follows the grammar by itself; asking about one token is cheap.
                let first = likeliest(logits);
                match first {
                    Some(token) if allows(grammar, token) => first,
                    _ => {
                        let mut all = candidates(logits);
                        all.apply_sampler(grammar);
                        best_of(&all)
                    }
                }
            }
            (grammar, Some(chance)) => {
                let mut all = candidates(logits);
                if let Some(grammar) = grammar {
                    all.apply_sampler(grammar);
                    all.data.retain(|c| c.logit().is_finite());
                }
                if all.data.is_empty() {
                    None
                } else {
                    all.apply_sampler(chance);
                    all.selected_token()
                }
            }
        };
        let token = token.ok_or_else(|| Fail::engine("no token is possible here"))?;
        // The end of the answer is no text of the grammar.
        if let Some(grammar) = &mut self.grammar
            && !ends(token)
        {
            grammar.try_accept(token).map_err(|error| Fail::engine(format!("the grammar went wrong: {error}")))?;
        }
        Ok(token)
    }
}

/// llama.cpp prints a grammar that it does not understand, and a grammar may hold a caller's words.
fn parse(model: &LlamaModel, text: &str) -> Result<LlamaSampler, Fail> {
    let parsed = without_stderr(|| LlamaSampler::grammar(model, text, "root"));
    parsed.map_err(|error| Fail::refused(format!("the grammar is wrong: {error}")))
}

fn without_stderr<T>(run: impl FnOnce() -> T) -> T {
    let quiet = || -> std::io::Result<_> {
        let stderr = rustix::io::dup(rustix::stdio::stderr())?;
        rustix::stdio::dup2_stderr(std::fs::OpenOptions::new().write(true).open("/dev/null")?)?;
        Ok(stderr)
    };
    let stderr = quiet();
    let result = run();
    if let Ok(stderr) = stderr {
        let _ = rustix::stdio::dup2_stderr(stderr);
    }
    result
}

fn allows(grammar: &mut LlamaSampler, token: LlamaToken) -> bool {
    let mut one = LlamaTokenDataArray::new(vec![LlamaTokenData::new(token, 0.0, 0.0)], false);
    one.apply_sampler(grammar);
    one.data.first().is_some_and(|c| c.logit().is_finite())
}

fn candidates(logits: &[f32]) -> LlamaTokenDataArray {
    let data = (0..).zip(logits).map(|(id, &logit)| LlamaTokenData::new(LlamaToken::new(id), logit, 0.0));
    LlamaTokenDataArray::new(data.filter(|c| !c.logit().is_nan()).collect(), false)
}

fn best_of(all: &LlamaTokenDataArray) -> Option<LlamaToken> {
    let possible = all.data.iter().filter(|c| c.logit().is_finite());
    possible.max_by(|a, b| a.logit().total_cmp(&b.logit()).then(b.id().cmp(&a.id()))).map(LlamaTokenData::id)
}

/// The first of the largest logits.
fn likeliest(logits: &[f32]) -> Option<LlamaToken> {
    let mut best = None;
    let mut most = f32::NEG_INFINITY;
    for (id, &logit) in (0..).zip(logits) {
        if logit > most {
            most = logit;
            best = Some(LlamaToken::new(id));
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_likeliest_is_the_first_of_the_largest_and_never_a_nan() {
        let of = |logits: &[f32]| likeliest(logits).map(|t| t.0);
        assert_eq!(of(&[0.0, 3.0, 1.0, 3.0]), Some(1));
        assert_eq!(of(&[f32::NAN, -2.0, f32::NAN, -1.0]), Some(3));
        assert_eq!(of(&[f32::NAN, f32::NEG_INFINITY]), None);
        assert_eq!(of(&[]), None);
        assert_eq!(best_of(&candidates(&[f32::NAN, 1.0, 1.0])), Some(LlamaToken::new(1)));
    }
}
