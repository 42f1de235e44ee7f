//! The conditions of routing rules. Promise: a condition that was accepted compares known names with
//! values of their kind, can be evaluated in bounded time, and never fails a turn (what cannot be
//! evaluated does not match). They are CEL; `and`, `or` and `not` are read as `&&`, `||` and `!`.
//! Absent on purpose: loops over lists (`all`, `map` …), maps, functions of our own.

use std::sync::Arc;

use cel::Program;

use super::condition::{check, spelt};
use super::facts::Facts;
use super::term::Term;

/// Characters of one condition.
pub const CONDITION_CHARS_MAX: usize = 500;

/// A name that conditions may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variable {
    Region,
    Language,
    LanguageTag,
    Dialect,
    Confidence,
    Stage,
    Tenant,
    Campaign,
    DataClass,
    Tier,
    Hour,
    Offline,
    CallerState,
}

impl Variable {
    pub const ALL: [(&'static str, Self); 13] = [
        ("region", Self::Region),
        ("language", Self::Language),
        ("language_tag", Self::LanguageTag),
        ("dialect", Self::Dialect),
        ("confidence", Self::Confidence),
        ("stage", Self::Stage),
        ("tenant", Self::Tenant),
        ("campaign", Self::Campaign),
        ("data_class", Self::DataClass),
        ("tier", Self::Tier),
        ("hour", Self::Hour),
        ("offline", Self::Offline),
        ("caller_state", Self::CallerState),
    ];

    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|(known, _)| *known == name).map(|(_, variable)| variable)
    }

    /// The value of a variable that holds a text.
    pub(super) fn text(self, facts: &Facts) -> Option<&str> {
        Some(match self {
            Self::Region => &facts.region,
            Self::Language => facts.language.iso(),
            Self::LanguageTag => facts.language.tag(),
            Self::Dialect => facts.dialect.map_or("", super::dialect::Dialect::as_str),
            Self::Stage => facts.stage.as_str(),
            Self::Tenant => &facts.tenant,
            Self::Campaign => &facts.campaign,
            Self::DataClass => &facts.data_class,
            Self::Tier => &facts.tier,
            Self::CallerState => &facts.caller_state,
            Self::Confidence | Self::Hour | Self::Offline => return None,
        })
    }
}

/// A condition ready to be asked.
#[derive(Debug)]
pub struct Condition(Term);

impl Condition {
    /// Reads and checks a condition. The error is one line that says what to write instead.
    pub fn parse(text: &str) -> Result<Self, String> {
        let chars = text.chars().count();
        if chars > CONDITION_CHARS_MAX {
            return Err(format!("has {chars} characters; at most {CONDITION_CHARS_MAX} are read"));
        }
        let spelt = spelt(text)?;
        let program = Program::compile(&spelt).map_err(|errors| {
            let first = errors.to_string();
            let first = first.lines().next().unwrap_or_default();
            let told = first.split("Syntax error: ").last().unwrap_or(first);
            format!("cannot be read ({told}); write for example region == 'kerala' and language == 'ml'")
        })?;
        check(program.expression())?;
        let term =
            Term::of(program.expression()).ok_or("cannot be evaluated; write comparisons joined by and, or, not")?;
        Ok(Self(term))
    }

    pub fn holds(&self, facts: &Facts, offline: bool) -> bool {
        self.0.holds(facts, offline)
    }
}

/// A rule of the routing file.
#[derive(Debug)]
pub struct Rule {
    pub name: Arc<str>,
    pub condition: Condition,
    pub min_confidence: f64,
    pub preference: Preference,
}

impl Rule {
    pub fn matches(&self, facts: &Facts, offline: bool) -> bool {
        facts.confidence >= self.min_confidence && self.condition.holds(facts, offline)
    }
}

/// The order of a `priority_providers` list: for each candidate its place in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Preference(Box<[u16]>);

impl Preference {
    /// `places[i]` is the place of candidate `i`; [`Self::UNLISTED`] where it is not in the list.
    pub fn new(places: Vec<u16>) -> Self {
        Self(places.into())
    }

    pub const UNLISTED: u16 = u16::MAX;

    pub fn place(&self, candidate: usize) -> u16 {
        self.0.get(candidate).copied().unwrap_or(Self::UNLISTED)
    }
}
