//! The conditions of routing rules. Promise: a condition that was accepted compares known names with
//! values of their kind, can be evaluated in bounded time, and never fails a turn (what cannot be
//! evaluated does not match). They are CEL; `and`, `or` and `not` are read as `&&`, `||` and `!`.
//! Absent on purpose: loops over lists (`all`, `map` …), maps, functions of our own.

use std::sync::{Arc, LazyLock};

use cel::common::ast::{Expr, LiteralValue};
use cel::common::types::{CelBool, CelDouble, CelInt, CelString};
use cel::common::value::CowVal;
use cel::context::VariableResolver;
use cel::{Context, Env, IdedExpr, Program, Value};

use super::candidates::Stage;
use super::condition::{check, spelt};
use super::facts::Facts;
use crate::base::Lang;

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
    fn text(self, facts: &Facts) -> Option<&str> {
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
pub struct Condition {
    /// `variable == 'text'` terms that all must hold; compared before anything else.
    needs: Vec<(Variable, Box<str>)>,
    /// `None` where `needs` is the whole condition.
    program: Option<Program>,
}

impl Condition {
    /// Compiles and checks a condition. The error is one line that says what to write instead.
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
        let (mut needs, mut whole) = (Vec::new(), true);
        gather(program.expression(), &mut needs, &mut whole);
        let condition = Self { needs, program: (!whole).then_some(program) };
        let sample = Facts::new(Stage::Stt, Lang::Ml);
        if let Some(program) = &condition.program {
            match run(program, &Known { facts: &sample, offline: false }) {
                Some(Value::Bool(_)) => {}
                _ => return Err("cannot be evaluated; write comparisons joined by and, or, not".to_owned()),
            }
        }
        Ok(condition)
    }

    pub fn holds(&self, facts: &Facts, offline: bool) -> bool {
        self.needs.iter().all(|(variable, wanted)| variable.text(facts) == Some(&**wanted))
            && self
                .program
                .as_ref()
                .is_none_or(|program| matches!(run(program, &Known { facts, offline }), Some(Value::Bool(true))))
    }
}

/// Collects `variable == 'text'` terms joined by `and`; `whole` becomes false if there is more.
fn gather(expr: &IdedExpr, needs: &mut Vec<(Variable, Box<str>)>, whole: &mut bool) {
    if let Expr::Call(call) = &expr.expr {
        match (call.func_name.as_str(), &call.args[..]) {
            ("_&&_", [left, right]) => {
                gather(left, needs, whole);
                gather(right, needs, whole);
                return;
            }
            ("_==_", [left, right]) => {
                let pair = match (&left.expr, &right.expr) {
                    (Expr::Ident(name), Expr::Literal(LiteralValue::String(text)))
                    | (Expr::Literal(LiteralValue::String(text)), Expr::Ident(name)) => Some((name, text)),
                    _ => None,
                };
                if let Some((name, text)) = pair
                    && let Some(variable) = Variable::named(name)
                {
                    needs.push((variable, text.inner().into()));
                    return;
                }
            }
            _ => {}
        }
    }
    *whole = false;
}

/// The facts as CEL's variables, looked up when asked for.
struct Known<'a> {
    facts: &'a Facts,
    offline: bool,
}

impl VariableResolver for Known<'_> {
    fn resolve<'b>(&'b self, name: &str) -> Option<CowVal<'b, 'b>> {
        let variable = Variable::named(name)?;
        Some(match variable {
            Variable::Confidence => CowVal::owned(CelDouble::from(self.facts.confidence)),
            Variable::Hour => CowVal::owned(CelInt::from(i64::from(self.facts.hour))),
            Variable::Offline => CowVal::owned(CelBool::from(self.offline)),
            text => CowVal::owned(CelString::from(text.text(self.facts)?)),
        })
    }
}

/// Building the standard environment is slow and it never changes.
static ENV: LazyLock<Arc<Env>> = LazyLock::new(|| Arc::new(Env::stdlib()));

fn run(program: &Program, known: &Known<'_>) -> Option<Value> {
    let mut context = Context::with_env(Arc::clone(&ENV));
    context.set_variable_resolver(known);
    program.execute(&context).ok()
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
