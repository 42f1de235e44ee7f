//! Answers: from understood words to a line in the caller's ear, by the ways of design §4.

mod times;
mod writing;

pub(super) use self::times::Times;
use super::machine::{Machine, Output, Phase};
use super::mouth::LineId;
use crate::ai::llm::{LlmRequest, Message, Role};
use crate::ai::stt::SttText;
use crate::ai::tts::TtsUsage;
use crate::base::event::{DeclinedBy, Event, RepairKind, Way};
use crate::base::{AskId, Lang, Moment, limits};
use crate::dialogue::book::Intent;
use crate::dialogue::clauses::ClauseSplitter;
use crate::dialogue::language::requested_language;
use crate::dialogue::reply::{Plan, Question, Situation, Then, plan};
use crate::dialogue::slots::{self, Slots};
use crate::dialogue::tags::{Action, TagFilter};

/// What the model is told after nobody could be reached, so that it does not offer it again at once.
const NOBODY_REACHED: &str =
    "\nNobody could be reached to take over this call. Do not offer a person again; help yourself.";

/// A message of the conversation so far.
pub(super) struct Entry {
    pub(super) role: Role,
    pub(super) content: String,
    /// Still being said: what was heard of it is known later.
    pub(super) line: Option<LineId>,
}

enum Purpose {
    Choose { json: String },
    Free { tags: TagFilter, clauses: ClauseSplitter, characters: usize, refused: bool },
}

/// A request to the language model on its way.
struct Run {
    ask: AskId,
    asked: Moment,
    purpose: Purpose,
}

/// The answer to one turn, from its first thought to its last word.
pub(super) struct Answer {
    language: Lang,
    heard: String,
    slots: Slots,
    requested: Option<Lang>,
    way: Way,
    intent: Option<Intent>,
    line: Option<LineId>,
    /// The last clause; it may promise something, so it waits until the actions are done.
    tail: Option<String>,
    run: Option<Run>,
    actions: Vec<Action>,
    acts: Vec<AskId>,
    act_failed: bool,
    asks: Option<Question>,
    then: Then,
    switch_to: Option<Lang>,
    slower: bool,
    /// Why there is nothing to say.
    failed: Option<RepairKind>,
    /// An interruption: say nothing, listen.
    silent: bool,
    /// The caller does not want to be recorded.
    objects: bool,
    committed: Option<Moment>,
    turn: u32,
    times: Times,
}

impl Answer {
    fn new(language: Lang, times: &Times) -> Self {
        Self {
            language,
            heard: String::new(),
            slots: Slots::default(),
            requested: None,
            way: Way::Line,
            intent: None,
            line: None,
            tail: None,
            run: None,
            actions: Vec::new(),
            acts: Vec::new(),
            act_failed: false,
            asks: None,
            then: Then::Listen,
            switch_to: None,
            slower: false,
            failed: None,
            silent: false,
            objects: false,
            committed: None,
            turn: 0,
            times: times.clone(),
        }
    }

    pub(super) const fn line(&self) -> Option<LineId> {
        self.line
    }

    /// Nothing is answered: the caller only wanted the floor.
    pub(super) const fn is_silent(&self) -> bool {
        self.silent
    }

    pub(super) const fn objects(&self) -> bool {
        self.objects
    }

    pub(super) fn commit(&mut self, turn: u32, now: Moment, times: &Times) {
        self.turn = turn;
        self.committed = Some(now);
        self.times.endpoint = times.endpoint;
    }

    /// The caller has been waiting since then.
    pub(super) const fn speech_end(&self) -> Moment {
        self.times.speech_end
    }

    const fn is_thinking(&self) -> bool {
        self.run.is_some()
    }
}

/// Where an answer lives: with the caller's unfinished turn, or committed.
#[derive(Clone, Copy)]
enum Place {
    Draft,
    Committed,
}

impl Machine {
    // ---- planning ----

    /// Starts the answer to what was heard; nothing of it is audible before [`Self::begin_answer`].
    pub(super) fn plan_answer(&mut self, text: &SttText, language: Lang, switched: bool, times: &Times) -> Answer {
        let mut answer = Answer::new(language, times);
        answer.heard.clone_from(&text.text);
        answer.slots = slots::find(text.language, &text.text);
        answer.requested = requested_language(&text.text).filter(|l| self.script.speaks(*l));
        let guess = self.script.guess(text.language, &text.text, self.question, &answer.slots);
        if let Some(to) = answer.requested.filter(|to| *to != self.language) {
            answer.intent = Some(Intent::LanguageSwitch);
            answer.way = Way::Flow;
            self.follow(&mut answer, Plan::Switch { to });
        } else if switched && self.answered == 0 && guess.is_none_or(|(intent, _)| intent == Intent::Greet) {
            // Requirement L2: the greeting again, in the caller's language.
            answer.way = Way::Line;
            let greeting = self.script.greeting(language, false);
            self.fact(Event::GreetingReplayed { language });
            self.compose(&mut answer, &greeting);
        } else if let Some((intent, _)) = guess.filter(|(_, score)| self.script.knows_for_sure(*score)) {
            answer.way = Way::Flow;
            self.answer_intent(&mut answer, intent);
        } else if self.script.may_choose() {
            self.ask_to_choose(&mut answer);
        } else {
            self.ask_to_write(&mut answer);
        }
        answer
    }

    /// "Wait": the caller has the floor and will go on.
    pub(super) fn plan_to_listen(&mut self, language: Lang, times: &Times) -> Answer {
        let mut answer = Answer::new(language, times);
        answer.silent = true;
        answer
    }

    /// "Do not record this."
    pub(super) fn plan_not_to_record(&mut self, language: Lang, times: &Times) -> Answer {
        let mut answer = Answer::new(language, times);
        answer.objects = true;
        answer.way = Way::Flow;
        let text = self.script.not_recorded(language, self.answered == 0);
        self.compose(&mut answer, &text);
        answer
    }

    fn answer_intent(&mut self, answer: &mut Answer, intent: Intent) {
        answer.intent = Some(intent);
        let times = self.intents_answered.iter().filter(|i| **i == intent).count();
        let situation = self.script.situation(answer.language, self.question, times);
        let next = plan(&Situation { person: self.may_seek(), ..situation }, intent, &answer.slots, answer.requested);
        self.follow(answer, next);
    }

    fn follow(&mut self, answer: &mut Answer, next: Plan) {
        match next {
            Plan::Say { text, actions, asks, then } => {
                answer.actions = actions;
                answer.asks = asks;
                answer.then = then;
                self.compose(answer, &text);
            }
            Plan::Repeat { slower } => {
                answer.slower = slower;
                let text = self.last_said.clone();
                self.compose(answer, &text);
            }
            Plan::Switch { to } => {
                answer.switch_to = Some(to);
                answer.language = to;
                let text = self.script.line(to, "language_confirmed");
                self.compose(answer, &text);
            }
            Plan::Unclear if matches!(answer.way, Way::Free) => answer.failed = Some(RepairKind::Unclear),
            Plan::Unclear | Plan::Write => self.ask_to_write(answer),
        }
    }

    /// A whole line of the catalogue, held back until the turn is committed.
    fn compose(&mut self, answer: &mut Answer, text: &str) {
        let pace = if answer.slower { self.script.slow_pace() } else { self.pace };
        let line = self.mouth.begin(self.turn, answer.language, pace, true);
        self.mouth.fill(line, text);
        answer.line = Some(line);
        answer.times.first_clause = Some(self.now);
        if text.trim().is_empty() {
            answer.failed = Some(RepairKind::Unclear);
        }
    }

    fn ask_to_choose(&mut self, answer: &mut Answer) {
        answer.way = Way::Choose;
        let ask = self.ask_id();
        let request =
            self.script.choose_request(Some(self.id), answer.language, &answer.heard, answer.committed.is_none());
        answer.run = Some(Run { ask, asked: self.now, purpose: Purpose::Choose { json: String::new() } });
        self.put(Output::Llm { ask, request });
    }

    fn ask_to_write(&mut self, answer: &mut Answer) {
        if !self.script.may_write() {
            answer.failed = Some(RepairKind::Unclear);
            return;
        }
        answer.way = Way::Free;
        let ask = self.ask_id();
        let request = LlmRequest {
            call: Some(self.id),
            thread: 0,
            language: Some(answer.language),
            messages: self.conversation(answer.language, Some(&answer.heard)),
            grammar: None,
            max_tokens: limits::REPLY_TOKENS_MAX,
            temperature: 0.0,
            speculative: answer.committed.is_none(),
        };
        let purpose = Purpose::Free {
            tags: TagFilter::default(),
            clauses: ClauseSplitter::default(),
            characters: 0,
            refused: false,
        };
        answer.run = Some(Run { ask, asked: self.now, purpose });
        self.put(Output::Llm { ask, request });
    }

    /// The language model's view of the call: the brief, and what each side heard of the other.
    fn conversation(&self, language: Lang, heard: Option<&str>) -> Vec<Message> {
        let mut brief = self.script.brief(language);
        if self.unreached {
            // The line that told the caller so may be out of the window, or cut.
            brief.push_str(NOBODY_REACHED);
        }
        let mut messages = vec![Message::new(Role::System, brief)];
        let progress = self.mouth.progress();
        // Cut in steps, so that most turns keep the evaluated prefix of the one before.
        let surplus = self.history.len().saturating_sub(limits::HISTORY_MESSAGES_MAX);
        let skip = surplus.div_ceil(8) * 8;
        for entry in self.history.iter().skip(skip.min(self.history.len())) {
            let playing = entry.line.and_then(|l| progress.iter().find(|(id, _)| *id == l));
            let content = playing.map_or(&entry.content, |(_, heard)| heard);
            if !content.is_empty() {
                messages.push(Message::new(entry.role, content.clone()));
            }
        }
        messages.extend(heard.map(|text| Message::new(Role::User, text)));
        messages
    }

    /// Lets the engine read the brief while the greeting is being said.
    pub(super) fn warm(&mut self) {
        if !self.script.may_write() {
            return;
        }
        let ask = self.ask_id();
        let messages = vec![Message::new(Role::System, self.script.brief(self.language))];
        let request = LlmRequest {
            call: Some(self.id),
            thread: 0,
            language: Some(self.language),
            messages,
            grammar: None,
            max_tokens: 1,
            temperature: 0.0,
            speculative: true,
        };
        self.put(Output::Llm { ask, request });
    }

    // ---- committed ----

    /// Lets a committed answer be heard as far as it may: actions first, then the line.
    pub(super) fn begin_answer(&mut self) {
        let Some(mut answer) = self.answer.take() else { return };
        if std::mem::take(&mut answer.objects) {
            self.decline(DeclinedBy::Word);
        }
        if answer.silent {
            self.answered += 1;
            return;
        }
        if let Some(kind) = answer.failed {
            self.throw_away(answer);
            self.repair(kind);
            return;
        }
        if let Some(to) = answer.switch_to.take() {
            self.switch_language(to, "asked for");
            self.say_notice_first();
        }
        if answer.slower {
            self.pace = self.script.slow_pace();
        }
        if !answer.is_thinking() {
            for action in std::mem::take(&mut answer.actions) {
                let ask = self.ask_id();
                answer.acts.push(ask);
                if matches!(action, Action::Promise { .. }) {
                    self.promised = Some(action.clone());
                }
                self.put(Output::Act { ask, action });
            }
            if answer.acts.is_empty() {
                self.finish_line(&mut answer);
            }
        }
        if let Some(line) = answer.line
            && (answer.acts.is_empty() || answer.tail.is_some())
        {
            self.mouth.release(line);
        }
        self.answer = Some(answer);
    }

    /// The actions are done: the last clause may be said.
    fn finish_line(&mut self, answer: &mut Answer) {
        if answer.act_failed {
            answer.act_failed = false;
            // What was promised is taken back: unsaid if nobody heard it, else by what follows it.
            if let Some(line) = answer.line
                && !self.mouth.has_started(line)
            {
                let asks = self.mouth.discard(line);
                self.cancel(asks);
                answer.line = None;
            }
            answer.tail = Some(self.script.line(answer.language, "action_failed"));
            if answer.then == Then::Person {
                answer.then = Then::Listen;
            }
        }
        if let Some(tail) = answer.tail.take() {
            self.append(answer, &tail);
            if let Some(line) = answer.line {
                self.mouth.complete(line);
            }
        }
        if let Some(line) = answer.line
            && !self.history.iter().any(|e| e.line == Some(line))
        {
            let content = self.mouth.text_of(line);
            self.history.push(Entry { role: Role::Assistant, content, line: Some(line) });
            self.then(answer.then);
        }
    }

    pub(super) fn acted(&mut self, ask: AskId, done: bool) {
        let Some(answer) = self.answer.as_mut().filter(|a| a.acts.contains(&ask)) else { return };
        answer.acts.retain(|a| *a != ask);
        answer.act_failed |= !done;
        self.begin_answer();
    }

    pub(super) fn drop_answer(&mut self) {
        if let Some(answer) = self.answer.take() {
            self.record(&answer);
            self.throw_away(answer);
        }
    }

    pub(super) fn throw_away(&mut self, answer: Answer) {
        self.cancel(answer.run.map(|r| r.ask));
        if let Some(line) = answer.line {
            let asks = self.mouth.discard(line);
            self.cancel(asks);
            self.history.retain(|e| e.line != Some(line));
        }
    }

    /// The answer's line has been played or cut: the turn is answered.
    pub(super) fn answer_was_said(&mut self, line: LineId, silent: bool) {
        let Some(answer) = self.answer.take_if(|a| a.line == Some(line)) else { return };
        self.cancel(answer.run.as_ref().map(|r| r.ask));
        if silent {
            return;
        }
        self.failures = 0;
        self.answered += 1;
        self.question = answer.asks;
        self.intents_answered.extend(answer.intent);
        self.record(&answer);
    }

    fn record(&mut self, answer: &Answer) {
        if answer.times.first_frame_out.is_none() {
            return;
        }
        self.fact(Event::TurnAnswered {
            turn: answer.turn,
            language: answer.language,
            intent: answer.intent.map(|i| i.name().to_owned()),
            way: answer.way,
            waterfall: answer.times.waterfall(self.started),
        });
    }

    // ---- what the mouth tells ----

    pub(super) fn note_voice(&mut self, line: LineId, usage: Option<TtsUsage>) {
        let now = self.now;
        let of_line = |a: &&mut Answer| a.line == Some(line);
        let draft = self.draft.as_mut().and_then(|d| d.answer.as_mut());
        let Some(answer) = self.answer.as_mut().filter(of_line).or(draft.filter(of_line)) else { return };
        match usage {
            None => answer.times.tts_first_audio = answer.times.tts_first_audio.or(Some(now)),
            Some(usage) if answer.times.tts_provider.is_none() => {
                answer.times.tts_took = Some(usage.first_audio);
                answer.times.tts_provider = Some(usage.provider);
            }
            Some(_) => {}
        }
    }

    pub(super) fn note_first_frame(&mut self) {
        let now = self.now;
        if let Some(answer) = &mut self.answer
            && answer.times.first_frame_out.is_none()
            && answer.line.is_some_and(|l| self.mouth.has_started(l))
        {
            answer.times.first_frame_out = Some(now);
        }
    }

    /// Since when a committed turn has waited for its first sound.
    pub(super) fn waiting_since(&self) -> Option<Moment> {
        let answer = self.answer.as_ref()?;
        let started = answer.line.is_some_and(|l| self.mouth.has_started(l));
        if started || answer.silent { None } else { answer.committed.map(|at| at.max(self.line_since)) }
    }

    /// No voice can be had for a clause; what has no sound at all is repaired when its line ends.
    pub(super) fn voice_lost(&mut self) {
        if matches!(self.phase, Phase::Ending { .. }) && !self.mouth.is_audible() {
            let mut cut = Vec::new();
            let asks = self.mouth.abandon(None, &mut cut);
            self.cancel(asks);
        }
    }

    // ---- lines that are not answers ----

    pub(super) fn remember_line(&mut self, text: &str) {
        self.history.push(Entry { role: Role::Assistant, content: text.to_owned(), line: None });
    }

    /// Says a line and ties it to the last remembered one, so that a cut shortens the memory too.
    pub(super) fn say_remembered(&mut self, text: &str) {
        let line = self.say(text);
        if let Some(entry) = self.history.last_mut() {
            entry.line = Some(line);
        }
    }
}
