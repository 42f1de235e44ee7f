//! What a call is made of besides the caller: the agent's file, the catalogues, what they allow.
//! Shared by all calls of one agent. Pure.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::ai::llm::{LlmRequest, Message, Role};
use crate::base::area::Area;
use crate::base::event::{Concerns, RecordingMode, Stage};
use crate::base::phone::Phone;
use crate::base::{CallId, Lang, TenantId, limits};
use crate::dialogue::agent::{Agent, Mode, Opening, Transfer};
use crate::dialogue::book::{Catalogue, Intent};
use crate::dialogue::brief::{brief, classify_prompt, intent_grammar};
use crate::dialogue::handover::{Caller, handover};
use crate::dialogue::intent::Matcher;
use crate::dialogue::policy::Policy;
use crate::dialogue::reply::{Question, Situation};
use crate::dialogue::slots::Slots;
use crate::dialogue::states::States;

/// One agent, ready to talk.
pub struct Script {
    agent: Agent,
    states: States,
    catalogue: Arc<Catalogue>,
    matcher: Arc<Matcher>,
    policy: Policy,
    grammar: String,
    /// The system message by language, composed once.
    briefs: BTreeMap<Lang, String>,
    max_duration: Duration,
    inactivity: Duration,
    recording: Option<RecordingMode>,
}

/// Upper bounds from the box's settings; an agent's file may say less.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    pub max_duration: Duration,
    pub inactivity: Duration,
}

impl Script {
    pub fn new(agent: Agent, states: States, catalogue: Arc<Catalogue>, matcher: Arc<Matcher>, bounds: Bounds) -> Self {
        let policy = Policy::new(&agent);
        let grammar = intent_grammar(&agent.intents, &agent.languages);
        let briefs = agent.languages.iter().map(|l| (*l, brief(&agent, *l, &agent.facts(*l)))).collect();
        let max_duration = agent.limits.max_call.min(bounds.max_duration);
        let inactivity = agent.limits.inactivity.min(bounds.inactivity);
        let recording = None;
        Self { agent, states, catalogue, matcher, policy, grammar, briefs, max_duration, inactivity, recording }
    }

    /// The same, its calls recorded as the agent's file says: the box allows it.
    pub fn recorded(mut self) -> Self {
        self.recording = self.agent.recording;
        self
    }

    /// The same, its calls recorded in this way whatever the file says. For simulations.
    pub fn recorded_as(mut self, mode: RecordingMode) -> Self {
        self.agent.recording = Some(mode);
        self.recorded()
    }

    /// The same for a call about one customer, with facts of their record.
    pub fn about(&self, facts: &[(String, String)]) -> Self {
        let agent = self.agent.about(facts);
        let bounds = Bounds { max_duration: self.max_duration, inactivity: self.inactivity };
        let about =
            Self::new(agent, self.states.clone(), Arc::clone(&self.catalogue), Arc::clone(&self.matcher), bounds);
        Self { recording: self.recording, ..about }
    }

    /// The same with somebody who takes its callers.
    pub fn handing_to(&self, transfer: Transfer) -> Self {
        let agent = Agent { transfer: Some(transfer), ..self.agent.clone() };
        let bounds = Bounds { max_duration: self.max_duration, inactivity: self.inactivity };
        Self::new(agent, self.states.clone(), Arc::clone(&self.catalogue), Arc::clone(&self.matcher), bounds)
    }

    pub fn name(&self) -> &str {
        &self.agent.name
    }

    /// Whose calls these are; empty: nobody's in particular.
    pub fn tenant(&self) -> &str {
        &self.agent.routing.tenant
    }

    /// Agents that name no tenant are for all.
    fn serves(&self, tenant: &TenantId) -> bool {
        self.tenant().is_empty() || self.tenant() == tenant.as_str()
    }

    /// Learns the wordings of this agent's languages, so that no caller waits for it. Takes a
    /// moment of computing.
    pub fn warm(&self) {
        for &language in &self.agent.languages {
            self.matcher.warm(language);
        }
    }

    /// What is known of a call before it begins: from the agent's file, the caller's number, the
    /// customer's record.
    pub fn concerns(&self, from: Option<&Phone>, state: Option<&str>, district: Option<&str>) -> Concerns {
        let routing = self.agent.routing.clone();
        let area = from.and_then(Area::of);
        let known = |told: Option<&str>, guessed: &str| told.unwrap_or(guessed).trim().to_owned();
        Concerns {
            tenant: routing.tenant,
            campaign: routing.campaign,
            data_class: routing.data_class,
            tier: routing.tier,
            region: known(None, area.map_or("", |a| a.state)),
            state: known(state, ""),
            district: known(district, area.map_or("", |a| a.district)),
        }
    }

    /// The language to greet in, if nobody chose one: of the customer's state, else of the number's.
    pub fn first_language(&self, concerns: &Concerns) -> Option<Lang> {
        [&concerns.state, &concerns.region]
            .into_iter()
            .find_map(|state| self.states.greeting_language(state))
            .and_then(|(first, fallback)| [first, fallback].into_iter().find(|language| self.speaks(*language)))
    }

    /// What a call of this agent needs done.
    pub fn stages(&self) -> &'static [Stage] {
        let ways = &self.agent.ways;
        match (self.is_echo(), ways.choose || ways.free) {
            (true, _) => &[],
            (false, true) => &[Stage::Stt, Stage::Llm, Stage::Tts],
            (false, false) => &[Stage::Stt, Stage::Tts],
        }
    }

    pub fn is_echo(&self) -> bool {
        self.agent.mode == Mode::Echo
    }

    pub fn languages(&self) -> &[Lang] {
        &self.agent.languages
    }

    /// Languages to choose from by key before the conversation; empty: no menu.
    pub fn menu(&self) -> &[Lang] {
        if self.agent.menu { &self.agent.languages } else { &[] }
    }

    pub fn speaks(&self, language: Lang) -> bool {
        self.agent.languages.contains(&language)
    }

    pub fn default_language(&self) -> Lang {
        self.agent.default_language
    }

    pub const fn max_duration(&self) -> Duration {
        self.max_duration
    }

    pub const fn inactivity(&self) -> Duration {
        self.inactivity
    }

    pub fn reprompt_after(&self) -> Duration {
        self.agent.limits.silence
    }

    pub fn failures_max(&self) -> u32 {
        self.agent.limits.failures
    }

    pub fn voice(&self, language: Lang) -> Option<String> {
        self.agent.voices.get(&language).cloned()
    }

    /// How its calls are recorded; `None`: they are not.
    pub const fn recording(&self) -> Option<RecordingMode> {
        self.recording
    }

    /// What the caller is told of it.
    pub fn notice(&self, language: Lang, mode: RecordingMode) -> String {
        let key = match mode {
            RecordingMode::Ask => "consent_recording",
            RecordingMode::Announce => "recording_notice",
        };
        self.line(language, key)
    }

    /// To a caller who does not want to be recorded; before the first answer the opening is said again.
    pub fn not_recorded(&self, language: Lang, opening: bool) -> String {
        let off = self.line(language, "recording_off");
        if !opening {
            return off;
        }
        let key = if self.agent.opening == Opening::Inbound { "greeting_inbound" } else { "greeting" };
        format!("{off} {}", self.line(language, key))
    }

    /// The nearest known phrase and how near it is, whatever was asked.
    pub fn nearest(&self, language: Lang, text: &str) -> Option<(Intent, f32)> {
        self.matcher.guess(language, text).map(|guess| (guess.intent, guess.score))
    }

    pub const fn slow_pace(&self) -> f32 {
        0.8
    }

    /// A fixed line of the catalogue, the agent's facts filled in.
    pub fn line(&self, language: Lang, key: &str) -> String {
        self.situation(language, None, 0).line(key, &[])
    }

    /// The first words of the call. `chosen`: the caller picked the language by key, which is
    /// confirmed first (requirement T7).
    pub fn greeting(&self, language: Lang, chosen: bool) -> String {
        let mut lines = Vec::new();
        if chosen && self.agent.languages.len() > 1 {
            lines.push(self.line(language, "language_confirmed"));
        }
        if self.agent.disclosure {
            lines.push(self.line(language, "ai_disclosure"));
        }
        lines.push(match self.agent.opening {
            Opening::Inbound => self.line(language, "greeting_inbound"),
            Opening::Outbound => self.line(language, "greeting"),
        });
        lines.join(" ")
    }

    /// Nobody can be connected; said honestly, with a goodbye.
    pub fn human_unavailable(&self, language: Lang) -> String {
        format!("{} {}", self.line(language, "human_unavailable"), self.line(language, "goodbye"))
    }

    /// Who takes callers that want a person.
    pub const fn transfer(&self) -> Option<&Transfer> {
        self.agent.transfer.as_ref()
    }

    /// What a person hears before they take a caller.
    pub fn handover(&self, caller: &Caller<'_>) -> Vec<(Lang, String)> {
        let language = self.transfer().map_or(self.agent.default_language, |transfer| transfer.language);
        handover(&self.situation(language, None, 0), caller)
    }

    pub fn brief(&self, language: Lang) -> String {
        self.briefs.get(&language).cloned().unwrap_or_default()
    }

    pub fn situation(&self, language: Lang, question: Option<Question>, times: usize) -> Situation<'_> {
        Situation { agent: &self.agent, catalogue: &self.catalogue, language, question, times, person: false }
    }

    /// What the words alone say, without a language model: an answer to the open question, or the
    /// nearest known phrase with how near it is (0 to 1).
    pub fn guess(
        &self,
        language: Lang,
        text: &str,
        question: Option<Question>,
        slots: &Slots,
    ) -> Option<(Intent, f32)> {
        let when = slots.date.is_some() || slots.time.is_some();
        let short = text.split_whitespace().count() <= 6;
        match question {
            Some(Question::PayDate) if when && short => return Some((Intent::PromiseToPay, 1.0)),
            Some(Question::CallbackTime) if when && short => return Some((Intent::RequestCallback, 1.0)),
            _ => {}
        }
        self.matcher.guess(language, text).map(|g| (g.intent, g.score))
    }

    /// Near enough to a known phrase to answer without asking a model?
    pub fn knows_for_sure(&self, score: f32) -> bool {
        self.agent.ways.flow && score >= self.agent.ways.flow_at_least
    }

    pub fn may_choose(&self) -> bool {
        self.agent.ways.choose
    }

    pub fn may_write(&self) -> bool {
        self.agent.ways.free
    }

    /// Which language a key of the menu stands for.
    pub fn language_of(&self, key: char) -> Option<Lang> {
        self.agent.language_of(key)
    }

    /// Policy on a clause the model wrote.
    pub fn may_say(&self, language: Lang, clause: &str) -> Result<(), String> {
        let verdict = self.policy.check(language, clause);
        if verdict.allowed { Ok(()) } else { Err(verdict.reason.unwrap_or_else(|| "not allowed".to_owned())) }
    }

    /// The question "what does the caller want", held to the shape of an answer by a grammar.
    pub fn choose_request(&self, call: Option<CallId>, language: Lang, heard: &str, speculative: bool) -> LlmRequest {
        LlmRequest {
            call,
            thread: 1,
            language: Some(language),
            messages: vec![Message::new(Role::System, classify_prompt()), Message::new(Role::User, heard)],
            grammar: Some(self.grammar.clone()),
            max_tokens: limits::CHOICE_TOKENS_MAX,
            temperature: 0.0,
            speculative,
        }
    }
}

/// All agents of the box by name.
pub struct Scripts {
    by_name: BTreeMap<String, Arc<Script>>,
    default: String,
}

impl Scripts {
    pub fn new(scripts: Vec<Script>, default: &str) -> Self {
        let by_name = scripts.into_iter().map(|s| (s.name().to_owned(), Arc::new(s))).collect();
        Self { by_name, default: default.to_owned() }
    }

    /// The agent of that name, or the default one.
    pub fn get(&self, name: Option<&str>) -> Option<Arc<Script>> {
        self.by_name.get(name.unwrap_or(&self.default)).cloned()
    }

    /// The same for whoever may use the agents of `tenant` (`None`: of everybody). Agents that name no
    /// tenant are for all.
    pub fn within(&self, tenant: Option<&TenantId>, name: Option<&str>) -> Option<Arc<Script>> {
        self.get(name).filter(|script| tenant.is_none_or(|tenant| script.serves(tenant)))
    }

    /// Who speaks on a call that the box places for a tenant: the agent of that name, else the first one
    /// that opens as a caller does, the tenant's own before those for all, else the default one.
    pub fn to_call(&self, name: Option<&str>, tenant: &TenantId) -> Option<Arc<Script>> {
        if name.is_some() {
            return self.within(Some(tenant), name);
        }
        let opens = |script: &&Arc<Script>| script.agent.opening == Opening::Outbound && script.serves(tenant);
        let own = self.by_name.values().filter(opens).find(|script| !script.tenant().is_empty());
        own.or_else(|| self.by_name.values().find(opens)).cloned().or_else(|| self.within(Some(tenant), None))
    }

    pub fn all(&self) -> impl Iterator<Item = &Arc<Script>> {
        self.by_name.values()
    }
}
