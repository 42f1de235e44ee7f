//! What a language model writes, piece by piece: a choice among intents, or clauses and tags.

use super::{Answer, Place, Purpose};
use crate::ai::Fault;
use crate::ai::llm::LlmEvent;
use crate::base::event::{Event, RepairKind, Stage};
use crate::base::{AskId, Moment, limits};
use crate::call::machine::Machine;
use crate::dialogue::brief::parse_classification;
use crate::dialogue::language::{detect, script_fits};
use crate::dialogue::reply::Then;
use crate::dialogue::tags::{Action, Piece};

impl Machine {
    pub(in crate::call) fn written(&mut self, ask: AskId, event: Result<LlmEvent, Fault>) {
        let runs = |answer: &Answer| answer.run.as_ref().is_some_and(|r| r.ask == ask);
        let (place, answer) = if self.answer.as_ref().is_some_and(runs) {
            (Place::Committed, self.answer.take())
        } else if let Some(draft) = self.draft.as_mut().filter(|d| d.answer.as_ref().is_some_and(runs)) {
            (Place::Draft, draft.answer.take())
        } else {
            return;
        };
        let Some(mut answer) = answer else { return };
        match event {
            Ok(LlmEvent::Text(piece)) => self.piece(&mut answer, &piece),
            Ok(LlmEvent::Done(usage)) => {
                answer.times.llm_provider = Some(usage.provider);
                self.run_ended(&mut answer, None);
            }
            Err(fault) => {
                self.fact(Event::EngineFault { stage: Stage::Llm, fault: fault.to_string() });
                self.run_ended(&mut answer, Some(RepairKind::EngineFault));
            }
        }
        match place {
            Place::Committed => {
                self.answer = Some(answer);
                self.begin_answer();
            }
            Place::Draft => {
                if let Some(draft) = &mut self.draft {
                    draft.answer = Some(answer);
                }
            }
        }
    }

    pub(super) fn piece(&mut self, answer: &mut Answer, piece: &str) {
        let Some(mut run) = answer.run.take() else { return };
        if answer.times.llm_first_token.is_none() {
            answer.times.llm_first_token = Some(self.now);
        }
        match &mut run.purpose {
            Purpose::Choose { json } => {
                if json.len() < limits::ASK_CHARS_MAX {
                    json.push_str(piece);
                }
            }
            Purpose::Free { tags, clauses, characters, refused } => {
                for part in tags.push(piece) {
                    match part {
                        Piece::Text(text) => {
                            *characters += text.chars().count();
                            if *characters <= limits::REPLY_CHARS_MAX && !*refused {
                                for clause in clauses.push(&text) {
                                    *refused |= !self.clause(answer, clause, run.asked);
                                }
                            }
                        }
                        Piece::Action(action) => answer.actions.push(action),
                        Piece::Dropped(_) => {}
                    }
                }
            }
        }
        answer.run = Some(run);
    }

    /// One clause of a written reply. The one before it is safe to say now; this one waits, since
    /// an action may follow it. False: policy forbids it.
    pub(super) fn clause(&mut self, answer: &mut Answer, clause: String, asked: Moment) -> bool {
        if let Err(reason) = self.script.may_say(answer.language, &clause) {
            self.fact(Event::PolicyRefused { turn: self.turn, reason });
            answer.tail = None;
            return false;
        }
        if answer.times.first_clause.is_none() {
            answer.times.first_clause = Some(self.now);
            answer.times.llm_took = Some(self.now.since(asked));
        }
        if let Some(ready) = answer.tail.replace(clause) {
            self.append(answer, &ready);
        }
        true
    }

    pub(super) fn append(&mut self, answer: &mut Answer, clause: &str) {
        let line = match answer.line {
            Some(line) => line,
            None => {
                // A model that was asked to change the language answers in it before it says so.
                let language = if script_fits(answer.language, clause) {
                    answer.language
                } else {
                    Some(detect(clause, None).language).filter(|l| self.script.speaks(*l)).unwrap_or(answer.language)
                };
                let line = self.mouth.begin(self.turn, language, self.pace, true);
                answer.line = Some(line);
                line
            }
        };
        self.mouth.add_clause(line, clause);
    }

    pub(super) fn run_ended(&mut self, answer: &mut Answer, fault: Option<RepairKind>) {
        let Some(run) = answer.run.take() else { return };
        match run.purpose {
            Purpose::Choose { json } => {
                answer.times.llm_took = Some(self.now.since(run.asked));
                let chosen = if fault.is_some() { None } else { parse_classification(&json).ok() };
                match (chosen, fault) {
                    (Some(chosen), _) => self.answer_intent(answer, chosen.intent),
                    (None, Some(kind)) => answer.failed = Some(kind),
                    (None, None) => self.ask_to_write(answer),
                }
            }
            Purpose::Free { mut tags, mut clauses, characters, mut refused } => {
                for part in tags.finish() {
                    match part {
                        Piece::Text(text) if !refused && characters <= limits::REPLY_CHARS_MAX => {
                            for clause in clauses.push(&text) {
                                refused |= !self.clause(answer, clause, run.asked);
                            }
                        }
                        Piece::Text(_) | Piece::Dropped(_) => {}
                        Piece::Action(action) => answer.actions.push(action),
                    }
                }
                if !refused && let Some(last) = clauses.finish() {
                    refused |= !self.clause(answer, last, run.asked);
                }
                if refused {
                    answer.actions.clear();
                    answer.tail = Some(self.script.line(answer.language, "missing_fact"));
                }
                if answer.line.is_none() && answer.tail.is_none() {
                    answer.failed = Some(fault.unwrap_or(RepairKind::Unclear));
                }
                self.adopt_actions(answer);
            }
        }
    }

    /// What the tags of a written reply mean for the call.
    pub(super) fn adopt_actions(&mut self, answer: &mut Answer) {
        for action in &answer.actions {
            match action {
                Action::Language(to) if self.script.speaks(*to) => answer.switch_to = Some(*to),
                Action::Transfer if self.may_seek() => {
                    answer.tail = Some(self.script.line(answer.language, "transferring"));
                    answer.then = Then::Person;
                }
                Action::Transfer => {
                    answer.tail = Some(self.script.human_unavailable(answer.language));
                    answer.then = Then::End(crate::base::event::EndCause::HumanWanted);
                }
                Action::End | Action::DoNotCall | Action::WrongNumber => {
                    answer.then = Then::End(crate::base::event::EndCause::Goodbye);
                }
                Action::Repeat => answer.tail = Some(self.last_said.clone()),
                _ => {}
            }
        }
    }
}
