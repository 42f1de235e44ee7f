//! Turn taking: from a pause in the caller's speech to a committed turn (design §3).
//!
//! A [`Draft`] is the caller's current turn, worked on from its first soft pause: recognised, planned
//! and half answered before it is certain that the caller has finished. At the end of the turn it is
//! committed and its [`Answer`] becomes audible; if the caller goes on, it is thrown away.

use super::answers::Times;
pub(super) use super::answers::{Answer, Entry};
use super::consent::{Consent, OBJECTION_KEY};
use super::machine::{Machine, Output, Phase};
use super::mouth::{LineId, Spoken};
use crate::ai::Fault;
use crate::ai::llm::Role;
use crate::ai::stt::{LanguageHint, SttOpening, SttRequest, SttText};
use crate::base::event::{DeclinedBy, EndCause, Event, RepairKind, Speaker, Stage};
use crate::base::{AskId, Lang, Moment, limits};
use crate::dialogue::ending::{completeness, silence_needed};
use crate::dialogue::language::{Observation, Switch, Tracker};
use crate::dialogue::reply::{Then, expects};
use crate::dialogue::utterance::{self, UtteranceClass};
use crate::telephony::leg::LegCommand;

/// The caller's turn while it is not certain that it is over.
pub(super) struct Draft {
    stt: Option<AskId>,
    heard: Option<SttText>,
    class: UtteranceClass,
    /// Language tracking as it will be if this turn is committed.
    tracker: Tracker,
    switch: Option<Switch>,
    /// When the end of the turn was decided.
    ended: Option<Moment>,
    pub(super) answer: Option<Answer>,
    /// Said because recognition keeps the caller waiting.
    pub(super) filler: Option<LineId>,
    pub(super) times: Times,
}

impl Draft {
    /// When a turn that is over but never recognised is given up.
    pub(super) fn give_up_at(&self) -> Option<Moment> {
        if self.heard.is_some() { None } else { self.ended.map(|at| at + limits::ANSWER_WITHIN) }
    }

    /// When the caller of a turn that is over but not recognised has waited long enough.
    pub(super) fn filler_due(&self) -> Option<Moment> {
        let ended = self.ended.filter(|_| self.heard.is_none() && self.filler.is_none())?;
        Some(ended.max(self.times.speech_end() + limits::FILLER_AFTER))
    }
}

impl Machine {
    pub(super) fn greet(&mut self, chosen: bool) {
        let language = self.language;
        self.fact(Event::LanguageDetected {
            language,
            confidence: if chosen { 1.0 } else { 0.5 },
            source: if chosen { "menu" } else { "default" }.to_owned(),
        });
        if self.script.recording().is_some() {
            self.consent = Consent::Owed { tries: 0 };
            self.say_notice();
        }
        let text = self.script.greeting(language, chosen);
        self.remember_line(&text);
        self.say_remembered(&text);
        self.warm();
    }

    /// The caller's voice begins. Whoever speaks gets the floor: the agent falls silent at once, and
    /// goes on if it turns out that nothing was said.
    pub(super) fn speech_started(&mut self, ago_ms: u32) {
        self.turn += 1;
        self.fact(Event::SpeechStarted { turn: self.turn });
        if self.mouth.is_busy() || self.answer.is_some() {
            self.interrupted = Some(self.now);
            if self.mouth.suspend(self.now) {
                self.stop_playing();
                self.fact(Event::BargeIn { turn: self.turn, stopped_after_ms: ago_ms });
            }
        }
        self.listen();
    }

    /// A pause: recognise the turn so far.
    pub(super) fn look(&mut self, speech_end_ms: u64, speculative: bool) {
        let listening = self.listening.take();
        self.drop_draft();
        let audio = self.hearing.turn_audio(speech_end_ms);
        let ask = listening.unwrap_or_else(|| self.ask_id());
        let speech_end = self.now - self.hearing.ago(speech_end_ms);
        let hint = self.hint();
        self.draft = Some(Draft {
            stt: Some(ask),
            heard: None,
            class: UtteranceClass::Answer,
            tracker: self.tracker.clone(),
            switch: None,
            ended: None,
            answer: None,
            filler: None,
            times: Times::new(speech_end),
        });
        self.put(Output::Stt {
            ask,
            request: SttRequest { call: Some(self.id), audio, hint, words: None, speculative },
        });
    }

    fn hint(&self) -> LanguageHint {
        let languages = self.script.languages();
        if languages.len() < 2 {
            LanguageHint::Fixed(self.language)
        } else {
            LanguageHint::Likely { expected: self.language, among: languages.to_vec() }
        }
    }

    /// The caller speaks, or goes on: what there is of the turn so far, and what comes, may be
    /// recognised at once.
    pub(super) fn listen(&mut self) {
        if !self.listens {
            return;
        }
        self.stop_listening();
        let ask = self.ask_id();
        self.listened = self.hearing.turn_samples();
        let opening =
            SttOpening { call: Some(self.id), audio: self.hearing.turn_so_far(), hint: self.hint(), words: None };
        self.listening = Some(ask);
        self.put(Output::Listen { ask, opening });
    }

    fn stop_listening(&mut self) {
        let listening = self.listening.take();
        self.cancel(listening);
    }

    /// What was said since the last time goes to whoever listens.
    pub(super) fn pass_sound_on(&mut self) {
        let Some(ask) = self.listening else { return };
        let samples = self.hearing.turn_samples();
        if samples < self.listened {
            // The beginning of a very long turn was forgotten; it is recognised as what is left of it.
            self.stop_listening();
        } else if samples > self.listened {
            let pcm = self.hearing.turn_since(self.listened).to_vec();
            self.listened = samples;
            self.put(Output::Sound { ask, pcm });
        }
    }

    pub(super) fn drop_draft(&mut self) {
        self.stop_listening();
        let Some(draft) = self.draft.take() else { return };
        self.cancel(draft.stt);
        if let Some(answer) = draft.answer {
            self.throw_away(answer);
        }
    }

    pub(super) fn end_of_turn(&mut self, speech_end_ms: u64) {
        if self.draft.is_none() {
            self.look(speech_end_ms, false);
        }
        let now = self.now;
        let Some(draft) = &mut self.draft else { return };
        draft.ended = Some(now);
        draft.times.endpoint = Some(now);
        if draft.heard.is_some() {
            self.commit();
        }
    }

    pub(super) fn recognised(&mut self, ask: AskId, result: Result<SttText, Fault>) {
        let Some(draft) = self.draft.as_mut().filter(|d| d.stt == Some(ask)) else { return };
        draft.stt = None;
        let ended = draft.ended.is_some();
        match result {
            Ok(text) => {
                draft.times.stt_final = Some(self.now);
                draft.times.stt_took = Some(text.took);
                draft.times.stt_provider = Some(text.provider.clone());
                self.understand(text);
                if ended {
                    self.commit();
                }
            }
            Err(fault) => {
                self.fact(Event::EngineFault { stage: Stage::Stt, fault: fault.to_string() });
                self.draft = None;
                if ended {
                    // Without it a turn that ended early is looked at again when its end is certain.
                    self.resume_or_repair();
                }
            }
        }
    }

    fn resume_or_repair(&mut self) {
        if self.mouth.is_suspended() {
            self.go_on_speaking();
        } else {
            self.repair(RepairKind::EngineFault);
        }
    }

    /// The words are there: what do they mean for the floor, and what would be the answer?
    fn understand(&mut self, text: SttText) {
        let Some(mut draft) = self.draft.take() else { return };
        draft.class = utterance::class(text.language, &text.text);
        let needed =
            silence_needed(completeness(text.language, &text.text, expects(self.question)), expects(self.question));
        self.hearing.set_needed_silence(needed);
        let nothing_said = text.text.trim().is_empty();
        let interrupting = self.interrupted.is_some();
        let objects = self.objects(&text);
        let backchannel = interrupting && draft.class == UtteranceClass::Backchannel && !objects;
        if nothing_said || backchannel {
            // The floor is the agent's: go on without waiting for the end of this pause.
            draft.heard = Some(text);
            self.draft = Some(draft);
            if interrupting {
                self.go_on_speaking();
            }
            return;
        }
        draft.switch = draft.tracker.observe(Observation {
            stt: text.language,
            stt_confidence: text.language_confidence,
            text: &text.text,
            words: text.text.split_whitespace().count(),
        });
        let language = draft.switch.as_ref().map_or(self.language, |s| s.to);
        let answer = if objects {
            self.plan_not_to_record(language, &draft.times)
        } else if interrupting && draft.class == UtteranceClass::Interrupt {
            self.plan_to_listen(language, &draft.times)
        } else {
            self.plan_answer(&text, language, draft.switch.is_some(), &draft.times)
        };
        draft.answer = Some(answer);
        draft.heard = Some(text);
        self.draft = Some(draft);
    }

    /// A false alarm: the cut sentence goes on.
    pub(super) fn go_on_speaking(&mut self) {
        if self.interrupted.take().is_none() {
            return;
        }
        if self.mouth.is_suspended() {
            self.fact(Event::FalseBargeIn { turn: self.turn });
            self.mouth.resume();
        }
        self.quiet_since = self.now;
    }

    /// The turn is over and understood: it counts from here on.
    fn commit(&mut self) {
        let Some(draft) = self.draft.take() else { return };
        let Some(heard) = draft.heard else { return };
        let has_words = !heard.text.trim().is_empty();
        let Some(mut answer) = draft.answer.filter(|_| has_words) else {
            self.go_on_speaking();
            return;
        };
        self.inactive_since = self.now;
        self.quiet_since = self.now;
        self.interrupted = None;
        if draft.filler.is_none() {
            self.give_floor(&answer);
        }
        self.drop_answer();
        self.fact(Event::Heard {
            turn: self.turn,
            by: Speaker::Caller,
            language: heard.language,
            confidence: heard.confidence,
            text: heard.text.clone(),
        });
        self.adopt(draft.tracker, draft.switch, &heard);
        if !answer.objects() && !answer.is_silent() {
            self.went_on();
            self.say_notice_first();
        }
        self.history.push(Entry { role: Role::User, content: heard.text, line: None });
        answer.commit(self.turn, self.now, &draft.times);
        self.filler = draft.filler;
        self.fillers = u32::from(draft.filler.is_some());
        self.answer = Some(answer);
        self.begin_answer();
    }

    /// Whatever was still being said is cut; the held answer stays.
    fn give_floor(&mut self, answer: &Answer) {
        if self.mouth.suspend(self.now) {
            self.stop_playing();
        }
        let mut cut = Vec::new();
        let asks = self.mouth.abandon(answer.line(), &mut cut);
        self.cancel(asks);
        for spoken in cut {
            self.said(spoken);
        }
    }

    fn adopt(&mut self, tracker: Tracker, switch: Option<Switch>, heard: &SttText) {
        self.tracker = tracker;
        let first = self.answered == 0;
        match switch {
            Some(switch) => self.switch_language(switch.to, &switch.reason),
            None if first => self.fact(Event::LanguageDetected {
                language: self.language,
                confidence: heard.language_confidence,
                source: "speech".to_owned(),
            }),
            None => {}
        }
    }

    pub(super) fn switch_language(&mut self, to: Lang, reason: &str) {
        if to == self.language {
            return;
        }
        self.fact(Event::LanguageSwitched { from: self.language, to, reason: reason.to_owned() });
        self.language = to;
        self.notice_in_another_language();
        self.tracker = Tracker::new(to, true);
    }

    /// A key was pressed: before the first answer it picks a language, later `0` wants a person and
    /// `*` a repeat. Any other key only shows that somebody is there.
    pub(super) fn pressed(&mut self, key: char) {
        let several = self.script.languages().len() > 1;
        let choice = self.script.language_of(key);
        let opening = self.answered == 0 && self.answer.is_none();
        self.quiet_since = self.now;
        if key == OBJECTION_KEY && self.may_object() {
            let text = self.script.not_recorded(self.language, opening);
            self.decline(DeclinedBy::Key);
            self.hush();
            self.drop_draft();
            self.drop_answer();
            self.say(&text);
            return;
        }
        if let (true, Some(language)) = (opening && several, choice) {
            self.hush();
            self.drop_draft();
            self.switch_language(language, "key");
            self.say_notice();
            let text = self.script.greeting(language, true);
            self.remember_line(&text);
            self.say_remembered(&text);
        } else if !opening && key == '0' && self.may_seek() {
            self.hand_over();
        } else if !opening && key == '0' {
            let text = self.script.human_unavailable(self.language);
            self.farewell_with(&text, EndCause::HumanWanted);
        } else if !opening && key == '*' && !self.last_said.is_empty() {
            self.hush();
            self.drop_draft();
            self.drop_answer();
            let text = self.last_said.clone();
            self.say(&text);
        }
    }

    /// Something went wrong with a turn: try to mend it, and after too many times in a row admit it.
    pub(super) fn repair(&mut self, kind: RepairKind) {
        self.failures += 1;
        self.fact(Event::Repair { kind, in_a_row: self.failures });
        self.quiet_since = self.now;
        if self.failures >= self.script.failures_max() && self.may_seek() {
            self.hand_over();
            return;
        }
        if self.failures >= self.script.failures_max() {
            let text = self.script.human_unavailable(self.language);
            self.farewell_with(&text, EndCause::TooManyFailures);
            return;
        }
        let key = match kind {
            RepairKind::Silence => "reprompt_silence",
            RepairKind::Unclear | RepairKind::EngineFault => "reprompt_unclear",
        };
        let text = self.script.line(self.language, key);
        self.say(&text);
    }

    /// A turn got no answer in time.
    pub(super) fn give_up(&mut self) {
        self.fact(Event::EngineFault { stage: Stage::Llm, fault: "no answer within the turn's limit".to_owned() });
        self.drop_draft();
        self.drop_answer();
        self.hush();
        self.repair(RepairKind::EngineFault);
    }

    /// A caller's voice that never came to an end (the line fell silent without a frame) must not
    /// keep the agent silent for ever.
    pub(super) fn interruption_due(&self) -> Option<Moment> {
        self.interrupted.map(|since| since + limits::TURN_AUDIO_MAX + limits::ANSWER_WITHIN)
    }

    /// A line was played, or cut: it is part of the conversation now, as far as it was heard.
    pub(super) fn said(&mut self, spoken: Spoken) {
        if spoken.again {
            return; // what was to be done about it is done
        }
        if let Some(entry) = self.history.iter_mut().find(|e| e.line == Some(spoken.line)) {
            entry.content.clone_from(&spoken.heard);
            entry.line = None;
        }
        self.history.retain(|e| !e.content.is_empty());
        let silent = spoken.heard.is_empty() && !spoken.cut && !spoken.text.is_empty();
        if !spoken.heard.is_empty() && self.filler != Some(spoken.line) {
            self.last_said.clone_from(&spoken.text);
        }
        self.fact(Event::Said {
            turn: spoken.turn,
            language: spoken.language,
            text: spoken.text,
            heard: spoken.heard,
            cut: spoken.cut,
        });
        self.answer_was_said(spoken.line, silent);
        if silent && self.phase == Phase::Talking && self.filler != Some(spoken.line) {
            self.repair(RepairKind::EngineFault);
        }
    }

    /// The carrier forgets what it has not played.
    pub(super) fn stop_playing(&mut self) {
        self.put(Output::Leg(LegCommand::Clear));
        self.forget_marks();
    }

    /// What follows an answer that has been played to its end.
    pub(super) fn then(&mut self, then: Then) {
        match then {
            Then::Listen => {}
            Then::End(cause) => self.end_after_this(cause),
            Then::Person => self.seek_after_this(),
        }
    }
}
