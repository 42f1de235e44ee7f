//! A checked condition as a tree that is walked at every decision. The grammar and the meaning are
//! CEL's (see the test that compares the two); CEL's own interpreter takes fifty times as long,
//! because it builds an environment and boxes every value.
//! Promise: bounded by the condition's length, allocates nothing, cannot fail.

use cel::IdedExpr;
use cel::common::ast::{CallExpr, Expr, LiteralValue};

use super::facts::Facts;
use super::rule::Variable;

#[derive(Debug, PartialEq)]
pub(super) enum Term {
    Known(Variable),
    Text(Box<str>),
    Whole(i64),
    Number(f64),
    Truth(bool),
    /// All hold.
    And(Box<[Self]>),
    /// One holds.
    Or(Box<[Self]>),
    Not(Box<Self>),
    Compare(Comparison, Box<[Self; 2]>),
    In(Box<Self>, Box<[Self]>),
    Part(Part, Box<[Self; 2]>),
    Minus(Box<Self>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Start,
    End,
    Anywhere,
}

/// What a term comes to.
#[derive(Clone, Copy, Debug)]
enum Value<'a> {
    Text(&'a str),
    Whole(i64),
    Number(f64),
    Truth(bool),
}

impl Value<'_> {
    const fn number(self) -> Option<f64> {
        match self {
            Self::Whole(whole) => Some(whole as f64),
            Self::Number(number) => Some(number),
            Self::Text(_) | Self::Truth(_) => None,
        }
    }

    /// By value, numbers of both kinds alike.
    fn order(self, other: Self) -> Option<std::cmp::Ordering> {
        match (self, other) {
            (Self::Text(a), Self::Text(b)) => Some(a.cmp(b)),
            (Self::Whole(a), Self::Whole(b)) => Some(a.cmp(&b)),
            (Self::Truth(a), Self::Truth(b)) => Some(a.cmp(&b)),
            (a, b) => a.number()?.partial_cmp(&b.number()?),
        }
    }
}

impl Term {
    /// The tree of an expression that the check has accepted; `None` for anything else.
    pub(super) fn of(expr: &IdedExpr) -> Option<Self> {
        Some(match &expr.expr {
            Expr::Ident(name) => Self::Known(Variable::named(name)?),
            Expr::Literal(LiteralValue::String(text)) => Self::Text(text.inner().into()),
            Expr::Literal(LiteralValue::Int(whole)) => Self::Whole(*whole.inner()),
            Expr::Literal(LiteralValue::Double(number)) => Self::Number(*number.inner()),
            Expr::Literal(LiteralValue::Boolean(truth)) => Self::Truth(*truth.inner()),
            Expr::Call(call) => Self::of_call(call)?,
            _ => return None,
        })
    }

    fn of_call(call: &CallExpr) -> Option<Self> {
        let pair = |a, b| Some(Box::new([Self::of(a)?, Self::of(b)?]));
        let compare = |how, a, b| Some(Self::Compare(how, pair(a, b)?));
        match (call.func_name.as_str(), call.target.as_deref(), &call.args[..]) {
            ("_&&_", None, [a, b]) => Some(Self::And(Self::joined(a, b, |term| match term {
                Self::And(terms) => Ok(terms),
                other => Err(other),
            })?)),
            ("_||_", None, [a, b]) => Some(Self::Or(Self::joined(a, b, |term| match term {
                Self::Or(terms) => Ok(terms),
                other => Err(other),
            })?)),
            ("!_", None, [only]) => Some(Self::Not(Box::new(Self::of(only)?))),
            ("-_", None, [only]) => Some(Self::Minus(Box::new(Self::of(only)?))),
            ("_==_", None, [a, b]) => compare(Comparison::Equal, a, b),
            ("_!=_", None, [a, b]) => compare(Comparison::Unequal, a, b),
            ("_<_", None, [a, b]) => compare(Comparison::Less, a, b),
            ("_<=_", None, [a, b]) => compare(Comparison::LessOrEqual, a, b),
            ("_>_", None, [a, b]) => compare(Comparison::Greater, a, b),
            ("_>=_", None, [a, b]) => compare(Comparison::GreaterOrEqual, a, b),
            ("@in", None, [value, list]) => {
                let Expr::List(list) = &list.expr else { return None };
                let elements: Option<Vec<_>> = list.elements.iter().map(Self::of).collect();
                Some(Self::In(Box::new(Self::of(value)?), elements?.into()))
            }
            ("startsWith", Some(text), [part]) => Some(Self::Part(Part::Start, pair(text, part)?)),
            ("endsWith", Some(text), [part]) => Some(Self::Part(Part::End, pair(text, part)?)),
            ("contains", Some(text), [part]) => Some(Self::Part(Part::Anywhere, pair(text, part)?)),
            _ => None,
        }
    }

    /// `a and (b and c)` as one list.
    fn joined(a: &IdedExpr, b: &IdedExpr, open: impl Fn(Self) -> Result<Box<[Self]>, Self>) -> Option<Box<[Self]>> {
        let mut all = Vec::new();
        for side in [a, b] {
            match open(Self::of(side)?) {
                Ok(terms) => all.extend(terms),
                Err(term) => all.push(term),
            }
        }
        Some(all.into())
    }

    pub(super) fn holds(&self, facts: &Facts, offline: bool) -> bool {
        matches!(self.value(facts, offline), Some(Value::Truth(true)))
    }

    fn value<'a>(&'a self, facts: &'a Facts, offline: bool) -> Option<Value<'a>> {
        let holds = |term: &Self| term.holds(facts, offline);
        let both = |pair: &'a [Self; 2]| Some((pair[0].value(facts, offline)?, pair[1].value(facts, offline)?));
        Some(match self {
            Self::Known(Variable::Confidence) => Value::Number(facts.confidence),
            Self::Known(Variable::Hour) => Value::Whole(i64::from(facts.hour)),
            Self::Known(Variable::Offline) => Value::Truth(offline),
            Self::Known(text) => Value::Text(text.text(facts)?),
            Self::Text(text) => Value::Text(text),
            Self::Whole(whole) => Value::Whole(*whole),
            Self::Number(number) => Value::Number(*number),
            Self::Truth(truth) => Value::Truth(*truth),
            Self::And(terms) => Value::Truth(terms.iter().all(holds)),
            Self::Or(terms) => Value::Truth(terms.iter().any(holds)),
            Self::Not(term) => Value::Truth(!holds(term)),
            Self::Compare(how, pair) => {
                let (a, b) = both(pair)?;
                let order = a.order(b);
                Value::Truth(match how {
                    Comparison::Equal => order.is_some_and(std::cmp::Ordering::is_eq),
                    Comparison::Unequal => order.is_none_or(std::cmp::Ordering::is_ne),
                    Comparison::Less => order.is_some_and(std::cmp::Ordering::is_lt),
                    Comparison::LessOrEqual => order.is_some_and(std::cmp::Ordering::is_le),
                    Comparison::Greater => order.is_some_and(std::cmp::Ordering::is_gt),
                    Comparison::GreaterOrEqual => order.is_some_and(std::cmp::Ordering::is_ge),
                })
            }
            Self::In(value, list) => {
                let wanted = value.value(facts, offline)?;
                let among = |term: &Self| {
                    term.value(facts, offline).is_some_and(|v| wanted.order(v).is_some_and(std::cmp::Ordering::is_eq))
                };
                Value::Truth(list.iter().any(among))
            }
            Self::Part(part, pair) => match (part, both(pair)?) {
                (Part::Start, (Value::Text(text), Value::Text(part))) => Value::Truth(text.starts_with(part)),
                (Part::End, (Value::Text(text), Value::Text(part))) => Value::Truth(text.ends_with(part)),
                (Part::Anywhere, (Value::Text(text), Value::Text(part))) => Value::Truth(text.contains(part)),
                _ => return None,
            },
            Self::Minus(term) => match term.value(facts, offline)? {
                Value::Whole(whole) => Value::Whole(whole.checked_neg()?),
                Value::Number(number) => Value::Number(-number),
                Value::Text(_) | Value::Truth(_) => return None,
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use cel::common::types::{CelBool, CelDouble, CelInt, CelString};
    use cel::common::value::CowVal;
    use cel::context::VariableResolver;
    use cel::{Context, Program};
    use proptest::prelude::*;

    use super::*;
    use crate::ai::router::condition::{check, spelt};
    use crate::ai::router::dialect::Dialect;
    use crate::base::Lang;
    use crate::base::event::Stage;

    struct Known<'a>(&'a Facts, bool);

    impl VariableResolver for Known<'_> {
        fn resolve<'b>(&'b self, name: &str) -> Option<CowVal<'b, 'b>> {
            Some(match Variable::named(name)? {
                Variable::Confidence => CowVal::owned(CelDouble::from(self.0.confidence)),
                Variable::Hour => CowVal::owned(CelInt::from(i64::from(self.0.hour))),
                Variable::Offline => CowVal::owned(CelBool::from(self.1)),
                text => CowVal::owned(CelString::from(text.text(self.0)?)),
            })
        }
    }

    /// What CEL itself says; `None` where it fails.
    fn cel(program: &Program, facts: &Facts, offline: bool) -> Option<bool> {
        let known = Known(facts, offline);
        let mut context = Context::default();
        context.set_variable_resolver(&known);
        match program.execute(&context) {
            Ok(cel::Value::Bool(truth)) => Some(truth),
            _ => None,
        }
    }

    fn text() -> impl Strategy<Value = String> {
        let known = prop::sample::select(vec!["region", "tenant", "tier", "campaign", "data_class", "caller_state"]);
        prop_oneof![known.prop_map(str::to_owned), "'[ab]{0,2}'"]
    }

    fn number() -> impl Strategy<Value = String> {
        prop_oneof![
            Just("hour".to_owned()),
            Just("confidence".to_owned()),
            Just("-hour".to_owned()),
            (0_u8..25).prop_map(|n| n.to_string()),
            (0_u8..101).prop_map(|n| format!("{}.{:02}", n / 100, n % 100)),
        ]
    }

    fn condition() -> impl Strategy<Value = String> {
        let compare = prop::sample::select(vec!["==", "!=", "<", "<=", ">", ">="]);
        let same = prop::sample::select(vec!["==", "!="]);
        let part = prop::sample::select(vec!["startsWith", "endsWith", "contains"]);
        let leaf = prop_oneof![
            Just("offline".to_owned()),
            Just("true".to_owned()),
            Just("dialect == 'malabar'".to_owned()),
            Just("language in ['ml', 'ta']".to_owned()),
            Just("stage == 'tts'".to_owned()),
            (text(), same, text()).prop_map(|(a, how, b)| format!("{a} {how} {b}")),
            (number(), compare, number()).prop_map(|(a, how, b)| format!("{a} {how} {b}")),
            (text(), prop::collection::vec(text(), 1..3)).prop_map(|(a, list)| format!("{a} in [{}]", list.join(", "))),
            (number(), prop::collection::vec(number(), 1..3)).prop_map(|(a, l)| format!("{a} in [{}]", l.join(", "))),
            (text(), part, text()).prop_map(|(a, part, b)| format!("({a}).{part}({b})")),
        ];
        leaf.prop_recursive(4, 12, 2, |inner| {
            prop_oneof![
                (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} and {b})")),
                (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} or {b})")),
                (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a}) == ({b})")),
                inner.prop_map(|a| format!("not ({a})")),
            ]
        })
    }

    proptest! {
        #[test]
        fn it_means_what_cel_means(
            text in condition(),
            words in prop::array::uniform6("[ab]{0,2}"),
            hour in 0_u8..24,
            confidence in prop::sample::select(vec![0.0, 0.5, 0.85, 1.0, 12.0]),
            offline: bool,
        ) {
            let [region, tenant, tier, campaign, data_class, caller_state] = words;
            let facts = Facts {
                region, tenant, tier, campaign, data_class, caller_state, hour, confidence,
                dialect: offline.then_some(Dialect::Malabar),
                ..Facts::new(Stage::Tts, Lang::Ml)
            };
            let program = Program::compile(&spelt(&text).unwrap()).unwrap();
            prop_assume!(check(program.expression()).is_ok());
            let term = Term::of(program.expression());
            prop_assert!(term.is_some(), "{text}");
            let expected = cel(&program, &facts, offline);
            prop_assert!(expected.is_some(), "CEL cannot say: {text}");
            prop_assert_eq!(term.map(|t| t.holds(&facts, offline)), expected, "{}", text);
        }
    }
}
