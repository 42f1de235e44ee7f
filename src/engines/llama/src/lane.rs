//! One context and the thread that owns it: continuous batching.
//!
//! Every step takes the next token of each running answer together with at most `prompt_chunk`
//! tokens of waiting prompts, so a long prompt never holds up those who already speak. Cancellation
//! is looked at between steps; what was evaluated stays as cache.

use std::panic::{AssertUnwindSafe, catch_unwind};

use llama_cpp_2::context::LlamaContext;
use llama_cpp_2::llama_batch::LlamaBatch;
use llama_cpp_2::token::LlamaToken;
use vaani_engine_protocol::desk::{Fail, Job, Stop};
use vaani_engine_protocol::worker::{Stopwatch, Teller};
use vaani_engine_protocol::{Generate, Generated, Tell};

use crate::cells::{Cells, Reuse, Seq, Step};
use crate::choice::Choice;
use crate::model::Model;
use crate::settings::Shape;
use crate::words::Words;
use crate::work::{Asked, Calls, Taken};

/// An answer that was asked for shall have at least so much room after its prompt, or as much as
/// was asked for if that is less.
const ANSWER_ROOM_MIN: usize = 64;

pub(crate) struct Lane<'a> {
    number: usize,
    model: &'a Model,
    shape: Shape,
    context: LlamaContext<'a>,
    batch: LlamaBatch<'a>,
    cells: Cells,
    running: Vec<Running>,
    /// Read and ready, but there are no cells for it yet.
    ready: Option<Ready>,
    calls: &'a Calls,
    teller: &'a Teller,
    steps: u64,
}

struct Ready {
    request: u64,
    stop: Stop,
    conversation: u64,
    cold: bool,
    prompt: Vec<i32>,
    /// Answer tokens at most.
    most: usize,
    choice: Choice,
    /// A free answer starts with its first word, not with the space before it.
    strip: bool,
    since: Stopwatch,
}

struct Running {
    ask: Ready,
    sequence: Seq,
    /// Prompt tokens evaluated, and those of them that already were.
    done: usize,
    reused: usize,
    /// Chosen, not yet evaluated.
    next: Option<LlamaToken>,
    answered: usize,
    first_us: Option<u64>,
    words: Words,
}

/// The daemon is gone.
struct Gone;

impl Running {
    fn prefilling(&self) -> bool {
        self.done < self.ask.prompt.len()
    }

    /// Cells it may still take.
    fn reserved(&self) -> usize {
        let left = self.ask.prompt.len() - self.done;
        // The last answer token is never evaluated.
        left + (self.ask.most - self.answered).saturating_sub(usize::from(self.next.is_none()))
    }
}

impl<'a> Lane<'a> {
    pub(crate) fn new(
        number: usize,
        model: &'a Model,
        shape: Shape,
        calls: &'a Calls,
        teller: &'a Teller,
    ) -> Result<Self, Fail> {
        let context = model.context(&shape)?;
        let cells = Cells::new(context.n_ctx().min(shape.cells), shape.sequences, model.reuse());
        let batch = LlamaBatch::new(shape.prompt_chunk + shape.slots, 1);
        let mut lane = Self {
            number,
            model,
            shape,
            context,
            batch,
            cells,
            running: Vec::new(),
            ready: None,
            calls,
            teller,
            steps: 0,
        };
        lane.warm_up()?;
        Ok(lane)
    }

    /// One token through the whole model: pages are read, and a model that cannot write text (an
    /// embedder, a broken file) is found out now.
    fn warm_up(&mut self) -> Result<(), Fail> {
        let token = self.model.some_token();
        let tried = catch_unwind(AssertUnwindSafe(|| -> Result<bool, Fail> {
            self.batch.clear();
            add(&mut self.batch, token, 0, 0, true)?;
            self.context.decode(&mut self.batch).map_err(|e| Fail::engine(format!("the first step failed: {e}")))?;
            Ok(self.context.get_logits_ith(0).iter().any(|l| l.is_finite()))
        }));
        match tried {
            Ok(Ok(true)) => {}
            Ok(Err(fail)) => return Err(fail),
            Ok(Ok(false)) | Err(_) => return Err(Fail::engine("the model gives no logits; is it a text model?")),
        }
        self.context.clear_kv_cache();
        Ok(())
    }

    /// Works until the desk closes or the daemon is gone. The context is never torn down: the
    /// process is about to end, and another thread may be inside the engine's exit handlers.
    pub(crate) fn run(mut self) {
        let _gone = self.work();
        std::mem::forget(self);
    }

    fn work(&mut self) -> Result<(), Gone> {
        loop {
            self.sweep()?;
            // One a step, so that a lane that is about to wake gets its share of what any may take.
            if self.running.len() < self.shape.slots && self.ready.is_none() {
                match self.calls.take(self.number, self.running.is_empty()) {
                    Taken::Job(job) => self.read(&job)?,
                    Taken::Nothing => {}
                    Taken::Closed => return Ok(()),
                }
            }
            self.forget();
            self.admit()?;
            if !self.running.is_empty() {
                self.step()?;
            }
        }
    }

    /// Ends what is no longer wanted.
    fn sweep(&mut self) -> Result<(), Gone> {
        if let Some(ready) = self.ready.take_if(|r| r.stop.is_set()) {
            self.say_last(ready.request, Fail::cancelled().into())?;
        }
        while let Some(at) = self.running.iter().position(|r| r.ask.stop.is_set()) {
            self.end(at, Err(Fail::cancelled()))?;
        }
        Ok(())
    }

    fn forget(&mut self) {
        for conversation in self.calls.forgotten(self.number) {
            let steps = self.cells.forget(conversation);
            self.carry_out(&steps);
        }
    }

    /// Makes a request ready to run, or says at once why it cannot.
    fn read(&mut self, job: &Job<Asked>) -> Result<(), Gone> {
        let since = Stopwatch::start();
        let read = catch_unwind(AssertUnwindSafe(|| self.prepare(&job.work.ask, job.request)));
        match read.unwrap_or_else(|_| Err(Fail::engine("the request failed inside the worker"))) {
            Ok((prompt, most, choice)) => {
                let ask = &job.work.ask;
                self.ready = Some(Ready {
                    request: job.request,
                    stop: job.stop.clone(),
                    conversation: ask.conversation,
                    cold: ask.cold,
                    prompt,
                    most,
                    choice,
                    strip: ask.grammar.is_none() && ask.messages.last().is_none_or(|m| m.role != "assistant"),
                    since,
                });
                Ok(())
            }
            Err(fail) => self.say_last(job.request, fail.into()),
        }
    }

    fn prepare(&self, ask: &Generate, request: u64) -> Result<(Vec<i32>, usize, Choice), Fail> {
        let prompt = self.model.prompt(&ask.messages)?;
        let window = self.model.window().min(self.cells.capacity());
        let wanted = ask.max_tokens as usize;
        if prompt.len() + wanted.min(ANSWER_ROOM_MIN) > window {
            return Err(Fail::refused(format!(
                "the prompt has {} tokens and the answer up to {wanted}; both together can have {window}",
                prompt.len(),
            )));
        }
        let choice = self.model.choice(ask, request)?;
        let most = wanted.min(window - prompt.len());
        Ok((prompt, most, choice))
    }

    /// Lets the ready request run if its prompt and its whole answer are sure to fit.
    fn admit(&mut self) -> Result<(), Gone> {
        let Some(ready) = self.ready.take() else { return Ok(()) };
        let Some(place) = self.cells.place(&ready.prompt, ready.conversation, ready.cold) else {
            self.ready = Some(ready);
            return Ok(());
        };
        let mut kept = place.kept;
        if !self.carry_out(&place.steps) {
            // The model cannot take its state back after all.
            self.context_clear(place.sequence);
            self.cells.lost(place.sequence);
            kept = 0;
        }
        let reserved: usize = self.running.iter().map(Running::reserved).sum();
        let need = ready.prompt.len() - kept + ready.most;
        let steps = self.cells.make_room(reserved + need);
        self.carry_out(&steps);
        if self.cells.available() < reserved + need {
            let steps = self.cells.release(place.sequence, true);
            self.carry_out(&steps);
            if self.running.is_empty() {
                // The window is never larger than all cells, so this is a fault of the book.
                return self.say_last(ready.request, Fail::engine("there are too few cells").into());
            }
            // Those who run will end and make room.
            self.ready = Some(ready);
            return Ok(());
        }
        self.running.push(Running {
            sequence: place.sequence,
            done: kept,
            reused: kept,
            next: None,
            answered: 0,
            first_us: None,
            words: Words::new(ready.strip),
            ask: ready,
        });
        Ok(())
    }

    /// One round of the engine for everybody who runs.
    fn step(&mut self) -> Result<(), Gone> {
        self.steps += 1;
        let speaking: Vec<usize> = (0..self.running.len()).filter(|&i| self.running[i].next.is_some()).collect();
        let prompts = self.share_out();
        self.decode(&speaking, &prompts)
    }

    /// Which prompts get on in this step, and by how much. Short ones go first, so that a turn of a
    /// running call does not wait for the brief of a new one; every other step the oldest goes
    /// first, so that it is never left behind.
    fn share_out(&self) -> Vec<(usize, usize)> {
        let mut waiting: Vec<usize> = (0..self.running.len()).filter(|&i| self.running[i].prefilling()).collect();
        if self.steps.is_multiple_of(2) {
            waiting.sort_by_key(|&i| self.running[i].ask.prompt.len() - self.running[i].done);
        }
        let mut room = self.shape.prompt_chunk;
        let mut shares = Vec::new();
        for at in waiting {
            let share = room.min(self.running[at].ask.prompt.len() - self.running[at].done);
            if share > 0 {
                shares.push((at, share));
                room -= share;
            }
        }
        shares
    }

    fn decode(&mut self, speaking: &[usize], prompts: &[(usize, usize)]) -> Result<(), Gone> {
        let decoded = catch_unwind(AssertUnwindSafe(|| self.fill_and_decode(speaking, prompts)));
        let outputs = match decoded.unwrap_or_else(|_| Err(Fail::engine("the step failed inside the worker"))) {
            Ok(outputs) => outputs,
            Err(fail) => return self.abandon(speaking, prompts, &fail),
        };
        let mut ended = Vec::new();
        for (at, row) in outputs {
            let heard = catch_unwind(AssertUnwindSafe(|| self.hear(at, row)));
            match heard.unwrap_or_else(|_| Err(Fail::engine("the request failed inside the worker"))) {
                Ok(Heard::On) => self.say(at)?,
                Ok(Heard::End { cut }) => {
                    self.say(at)?;
                    ended.push((at, Ok(cut)));
                }
                Err(fail) => ended.push((at, Err(fail))),
            }
        }
        ended.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
        for (at, how) in ended {
            self.end(at, how)?;
        }
        Ok(())
    }

    /// Fills one batch and decodes it. Gives back who has a new token to choose, and from which row.
    fn fill_and_decode(&mut self, speaking: &[usize], prompts: &[(usize, usize)]) -> Result<Vec<(usize, i32)>, Fail> {
        let full = || Fail::engine("no cell is left for the next token");
        self.batch.clear();
        let mut outputs = Vec::with_capacity(speaking.len() + prompts.len());
        for &at in speaking {
            let running = &mut self.running[at];
            let Some(token) = running.next.take() else { continue };
            let position = running.ask.prompt.len() + running.answered - 1;
            if !self.cells.push(running.sequence, token.0) {
                return Err(full());
            }
            outputs.push((at, self.batch.n_tokens()));
            add(&mut self.batch, token, position, running.sequence, true)?;
        }
        for &(at, share) in prompts {
            let running = &mut self.running[at];
            let until = running.done + share;
            let last = until == running.ask.prompt.len() && running.ask.most > 0;
            for position in running.done..until {
                let token = running.ask.prompt[position];
                if !self.cells.push(running.sequence, token) {
                    return Err(full());
                }
                let wanted = last && position + 1 == until;
                if wanted {
                    outputs.push((at, self.batch.n_tokens()));
                }
                add(&mut self.batch, LlamaToken::new(token), position, running.sequence, wanted)?;
            }
            running.done = until;
            if until == running.ask.prompt.len() && !last {
                outputs.push((at, -1));
            }
        }
        self.context.decode(&mut self.batch).map_err(|error| Fail::engine(format!("a step failed: {error}")))?;
        Ok(outputs)
    }

    /// The model's next word for one request.
    fn hear(&mut self, at: usize, row: i32) -> Result<Heard, Fail> {
        let running = &mut self.running[at];
        if row < 0 {
            // Only the prompt was wanted.
            return Ok(Heard::End { cut: false });
        }
        let ends = |token| self.model.ends(token);
        let token = running.ask.choice.choose(self.context.get_logits_ith(row), ends)?;
        running.first_us.get_or_insert_with(|| running.ask.since.us());
        if ends(token) {
            running.words.end();
            return Ok(Heard::End { cut: false });
        }
        running.answered += 1;
        running.words.push(&self.model.bytes(token));
        if running.answered >= running.ask.most {
            running.words.end();
            return Ok(Heard::End { cut: true });
        }
        running.next = Some(token);
        Ok(Heard::On)
    }

    /// The engine failed in a step: everybody in it, and what they had evaluated, is given up.
    fn abandon(&mut self, speaking: &[usize], prompts: &[(usize, usize)], fail: &Fail) -> Result<(), Gone> {
        eprintln!("a step of {} sequences failed: {}", speaking.len() + prompts.len(), fail.detail);
        let mut hit: Vec<usize> = speaking.iter().copied().chain(prompts.iter().map(|p| p.0)).collect();
        hit.sort_unstable();
        for at in hit.into_iter().rev() {
            self.end(at, Err(fail.clone()))?;
        }
        Ok(())
    }

    fn end(&mut self, at: usize, how: Result<bool, Fail>) -> Result<(), Gone> {
        let running = self.running.remove(at);
        let sound = how.as_ref().map_or_else(|fail| *fail == Fail::cancelled(), |_| true);
        let wanted = !self.calls.is_forgotten(running.ask.conversation);
        let mut steps = self.cells.release(running.sequence, sound && wanted && !running.ask.cold);
        if !sound {
            // The book may be ahead of the engine; clearing what is not there does no harm.
            steps.push(Step::Clear(running.sequence));
        }
        self.carry_out(&steps);
        let last = match how {
            Ok(cut) => {
                let took_us = running.ask.since.us();
                Tell::Generated(Generated {
                    prompt_tokens: count(running.ask.prompt.len()),
                    reused_tokens: count(running.reused),
                    answer_tokens: count(running.answered),
                    first_token_us: running.first_us.unwrap_or(took_us),
                    took_us,
                    cut,
                })
            }
            Err(fail) => fail.into(),
        };
        self.say_last(running.ask.request, last)
    }

    /// False if the engine could not cut a sequence.
    fn carry_out(&mut self, steps: &[Step]) -> bool {
        let mut managed = true;
        for step in steps {
            match *step {
                Step::Clear(sequence) => self.context_clear(sequence),
                Step::Cut(sequence, from) => {
                    let cut =
                        self.context.clear_kv_cache_seq(u32::try_from(sequence).ok(), u32::try_from(from).ok(), None);
                    managed &= cut.unwrap_or(false);
                }
                Step::Copy { from, to, upto } => {
                    // A whole copy is the only one that a recurrent state knows.
                    let upto = if self.model.reuse() == Reuse::Whole { None } else { u32::try_from(upto).ok() };
                    managed &= self.context.kv_cache_seq_cp(index(from), index(to), None, upto).is_ok();
                }
            }
        }
        managed
    }

    fn context_clear(&mut self, sequence: Seq) {
        // Removing a whole sequence never fails.
        let _ = self.context.clear_kv_cache_seq(u32::try_from(sequence).ok(), None, None);
    }

    fn say(&mut self, at: usize) -> Result<(), Gone> {
        let Some(text) = self.running[at].words.take() else { return Ok(()) };
        self.teller.tell(self.running[at].ask.request, &Tell::Text { text }, &[]).map_err(|_| Gone)
    }

    fn say_last(&self, request: u64, last: Tell) -> Result<(), Gone> {
        // Off the desk before the daemon hears of it: it may use the number again at once.
        self.calls.done(request);
        self.teller.tell(request, &last, &[]).map_err(|_| Gone)
    }
}

enum Heard {
    On,
    End { cut: bool },
}

fn add(batch: &mut LlamaBatch<'_>, token: LlamaToken, at: usize, sequence: Seq, wanted: bool) -> Result<(), Fail> {
    let added = batch.add(token, index(at), &[index(sequence)], wanted);
    added.map_err(|error| Fail::engine(format!("the batch is full: {error}")))
}

/// Positions and sequences are bounded by the context, which is far below this type's.
fn index(number: usize) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
