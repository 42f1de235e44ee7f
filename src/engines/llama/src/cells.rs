//! The book of the KV cache: which sequence holds which tokens in which cells.
//!
//! llama.cpp shares cells between sequences that were copied, and fails when none is left. This book
//! mirrors it exactly, so that a request is only admitted when its prompt and its whole answer fit.
//! Absent on purpose: the engine; what has to be done there is handed out as [`Step`]s.

/// One sequence of the engine.
pub(crate) type Seq = usize;
type Token = i32;

/// What of an evaluated prompt can be used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reuse {
    /// Any beginning of it.
    Beginning,
    /// The whole, or any beginning while it is not longer than this window: beyond it a model with
    /// sliding attention has lost older cells.
    Window(usize),
    /// Only the whole: the state cannot be taken back.
    Whole,
}

/// What the engine has to do before the request runs, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Clear(Seq),
    /// Drops everything from this position on.
    Cut(Seq, usize),
    /// Lets `to`, which is empty, share the first cells of `from`.
    Copy {
        from: Seq,
        to: Seq,
        upto: usize,
    },
}

/// A place for a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub sequence: Seq,
    /// Tokens of the prompt that are evaluated already.
    pub kept: usize,
    pub steps: Vec<Step>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Free,
    Idle,
    Busy,
}

#[derive(Debug)]
struct Sequence {
    state: State,
    conversation: u64,
    tokens: Vec<Token>,
    cells: Vec<u32>,
    /// The most tokens it ever held since it was empty.
    longest: usize,
    used: u64,
}

#[derive(Debug)]
pub(crate) struct Cells {
    /// How many sequences hold the cell.
    holders: Vec<u16>,
    free: Vec<u32>,
    sequences: Vec<Sequence>,
    reuse: Reuse,
    uses: u64,
}

impl Cells {
    pub(crate) fn new(cells: u32, sequences: u32, reuse: Reuse) -> Self {
        let empty = || Sequence {
            state: State::Free,
            conversation: 0,
            tokens: Vec::new(),
            cells: Vec::new(),
            longest: 0,
            used: 0,
        };
        Self {
            holders: vec![0; cells as usize],
            free: (0..cells).rev().collect(),
            sequences: (0..sequences).map(|_| empty()).collect(),
            reuse,
            uses: 0,
        }
    }

    pub(crate) fn capacity(&self) -> usize {
        self.holders.len()
    }

    pub(crate) fn available(&self) -> usize {
        self.free.len()
    }

    /// Finds the sequence that has most of this prompt evaluated and takes it, or a copy of it. At
    /// least one token is always left to evaluate, because only that gives the first answer token.
    /// `None`: every sequence is busy.
    pub(crate) fn place(&mut self, prompt: &[Token], conversation: u64, cold: bool) -> Option<Place> {
        let own = self.position(|s| s.state == State::Idle && conversation != 0 && s.conversation == conversation);
        let best = if cold { None } else { self.best(prompt, own) };
        let mut steps = Vec::new();
        let sequence = match (own.filter(|_| !cold), best) {
            (Some(own), _) => own,
            // A one-off leaves nothing behind that only it could use.
            (None, Some((best, _))) if self.is_idle_one_off(best) && conversation == 0 => best,
            (None, best) => self.unused(best.map(|(seq, _)| seq), &mut steps)?,
        };
        let mut kept = 0;
        match best {
            Some((best, common)) if best == sequence => {
                kept = common;
                if common < self.sequences[sequence].tokens.len() {
                    self.cut(sequence, common);
                    steps.push(Step::Cut(sequence, common));
                }
            }
            Some((best, common)) => {
                self.empty(sequence, &mut steps);
                kept = common;
                self.copy(best, sequence, common);
                steps.push(Step::Copy { from: best, to: sequence, upto: common });
            }
            None => self.empty(sequence, &mut steps),
        }
        self.uses += 1;
        let taken = &mut self.sequences[sequence];
        taken.state = State::Busy;
        taken.conversation = conversation;
        taken.used = self.uses;
        Some(Place { sequence, kept, steps })
    }

    /// Gives up idle sequences, the longest unused first, until so many cells are free.
    pub(crate) fn make_room(&mut self, cells: usize) -> Vec<Step> {
        let mut steps = Vec::new();
        while self.free.len() < cells {
            let Some(oldest) = self.oldest_idle(None) else { break };
            self.empty(oldest, &mut steps);
        }
        steps
    }

    /// The token takes a cell. False when there is none, which admission rules out.
    #[must_use]
    pub(crate) fn push(&mut self, sequence: Seq, token: Token) -> bool {
        let Some(cell) = self.free.pop() else { return false };
        self.holders[cell as usize] = 1;
        let sequence = &mut self.sequences[sequence];
        sequence.cells.push(cell);
        sequence.tokens.push(token);
        sequence.longest = sequence.longest.max(sequence.tokens.len());
        true
    }

    /// The request is over. What it evaluated stays for the next one of its conversation.
    pub(crate) fn release(&mut self, sequence: Seq, keep: bool) -> Vec<Step> {
        let mut steps = Vec::new();
        self.sequences[sequence].state = State::Idle;
        let conversation = self.sequences[sequence].conversation;
        let length = self.sequences[sequence].tokens.len();
        if !keep || length == 0 {
            self.empty(sequence, &mut steps);
        } else if conversation != 0 {
            // Two requests of one conversation ran at once: the longer history is worth more.
            let twin = (0..self.sequences.len()).find(|&other| {
                let s = &self.sequences[other];
                other != sequence && s.state == State::Idle && s.conversation == conversation
            });
            if let Some(twin) = twin {
                let shorter = if self.sequences[twin].tokens.len() > length { sequence } else { twin };
                self.empty(shorter, &mut steps);
            }
        }
        steps
    }

    /// Drops what is cached of a conversation.
    pub(crate) fn forget(&mut self, conversation: u64) -> Vec<Step> {
        let mut steps = Vec::new();
        for sequence in 0..self.sequences.len() {
            let s = &self.sequences[sequence];
            if s.state == State::Idle && s.conversation == conversation {
                self.empty(sequence, &mut steps);
            }
        }
        steps
    }

    /// The engine lost this sequence or could not cut it; it is empty now, whoever has it.
    pub(crate) fn lost(&mut self, sequence: Seq) {
        self.cut(sequence, 0);
        self.sequences[sequence].longest = 0;
    }

    fn best(&self, prompt: &[Token], own: Option<Seq>) -> Option<(Seq, usize)> {
        let most = prompt.len().saturating_sub(1);
        let usable = |(sequence, s): (Seq, &Sequence)| {
            let common = s.tokens.iter().zip(prompt).take(most).take_while(|(a, b)| a == b).count();
            let whole = common == s.tokens.len();
            let usable = match self.reuse {
                Reuse::Beginning => true,
                Reuse::Window(window) => whole || s.longest <= window,
                Reuse::Whole => whole,
            };
            (usable && common > 0).then_some((sequence, common))
        };
        let rank = |&(sequence, common): &(Seq, usize)| {
            (common, Some(sequence) == own, self.is_idle_one_off(sequence), self.sequences[sequence].used)
        };
        self.sequences.iter().enumerate().filter(|(_, s)| s.state != State::Free).filter_map(usable).max_by_key(rank)
    }

    /// An empty sequence, or the one of the idle that was not used for longest; `source` only if
    /// there is no other.
    fn unused(&mut self, source: Option<Seq>, steps: &mut Vec<Step>) -> Option<Seq> {
        if let Some(free) = self.position(|s| s.state == State::Free) {
            return Some(free);
        }
        if let Some(oldest) = self.oldest_idle(source) {
            self.empty(oldest, steps);
            return Some(oldest);
        }
        source.filter(|&s| self.sequences[s].state == State::Idle)
    }

    fn oldest_idle(&self, but: Option<Seq>) -> Option<Seq> {
        let idle = |(sequence, s): &(Seq, &Sequence)| s.state == State::Idle && Some(*sequence) != but;
        let (sequence, _) = self.sequences.iter().enumerate().filter(idle).min_by_key(|(_, s)| s.used)?;
        Some(sequence)
    }

    fn position(&self, is: impl Fn(&Sequence) -> bool) -> Option<Seq> {
        self.sequences.iter().position(is)
    }

    fn is_idle_one_off(&self, sequence: Seq) -> bool {
        let s = &self.sequences[sequence];
        s.state == State::Idle && s.conversation == 0
    }

    fn empty(&mut self, sequence: Seq, steps: &mut Vec<Step>) {
        if !self.sequences[sequence].tokens.is_empty() {
            steps.push(Step::Clear(sequence));
        }
        self.lost(sequence);
        if self.sequences[sequence].state == State::Idle {
            self.sequences[sequence].state = State::Free;
        }
    }

    fn cut(&mut self, sequence: Seq, from: usize) {
        self.sequences[sequence].tokens.truncate(from);
        for cell in self.sequences[sequence].cells.drain(from..) {
            let holders = &mut self.holders[cell as usize];
            *holders -= 1;
            if *holders == 0 {
                self.free.push(cell);
            }
        }
    }

    fn copy(&mut self, from: Seq, to: Seq, upto: usize) {
        let tokens = self.sequences[from].tokens[..upto].to_vec();
        let cells = self.sequences[from].cells[..upto].to_vec();
        for &cell in &cells {
            self.holders[cell as usize] += 1;
        }
        let longest = self.sequences[from].longest;
        let to = &mut self.sequences[to];
        to.tokens = tokens;
        to.cells = cells;
        to.longest = longest;
    }
}

#[cfg(test)]
#[path = "cells_tests.rs"]
mod tests;
