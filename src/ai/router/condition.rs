//! What a routing condition may say: the spelling `and`, `or`, `not`, and a check of every name and
//! kind before the first call, also in the branches that an evaluation would skip.

use cel::IdedExpr;
use cel::common::ast::{Expr, LiteralValue};

use super::candidates::Stage;
use super::dialect::Dialect;
use super::rule::Variable;
use crate::base::Lang;
use crate::config::nearest;

/// Brackets within brackets, and operators in a row.
const NESTING_MAX: usize = 16;

/// The kind of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Text,
    Whole,
    Number,
    Truth,
}

impl Kind {
    const fn told(self) -> &'static str {
        match self {
            Self::Text => "a text",
            Self::Whole => "a whole number",
            Self::Number => "a number",
            Self::Truth => "true or false",
        }
    }

    const fn is_number(self) -> bool {
        matches!(self, Self::Whole | Self::Number)
    }

    fn compares_with(self, other: Self) -> bool {
        self == other || (self.is_number() && other.is_number())
    }
}

const fn kind_of(variable: Variable) -> Kind {
    match variable {
        Variable::Confidence => Kind::Number,
        Variable::Hour => Kind::Whole,
        Variable::Offline => Kind::Truth,
        _ => Kind::Text,
    }
}

/// The condition with `and`, `or` and `not` as CEL writes them; texts in quotes stay as they are.
pub(super) fn spelt(text: &str) -> Result<String, String> {
    let mut out = String::with_capacity(text.len() + 8);
    let mut quote: Option<char> = None;
    let (mut depth, mut escaped) = (0_usize, false);
    let mut word = String::new();
    for c in text.chars().chain(std::iter::once('\n')) {
        if let Some(open) = quote {
            out.push(c);
            if escaped {
                escaped = false;
            } else if c == '\\' {
                escaped = true;
            } else if c == open {
                quote = None;
            }
            continue;
        }
        if c.is_alphanumeric() || c == '_' {
            word.push(c);
            continue;
        }
        // A field of that name (`x.and`) is no operator, but there are no fields here anyway.
        out.push_str(match word.as_str() {
            "and" | "AND" => "&&",
            "or" | "OR" => "||",
            "not" | "NOT" => "!",
            other => other,
        });
        word.clear();
        match c {
            '\'' | '"' => quote = Some(c),
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > NESTING_MAX {
            return Err(format!("nests brackets more than {NESTING_MAX} deep; write it as several rules"));
        }
        out.push(c);
    }
    if quote.is_some() {
        return Err("has a quote that is not closed; write texts as 'kerala'".to_owned());
    }
    let out = out.trim();
    if out.is_empty() {
        return Err("is empty; write for example region == 'kerala'".to_owned());
    }
    Ok(out.to_owned())
}

/// Every name known, every comparison between values of one kind, the whole a question.
pub(super) fn check(expr: &IdedExpr) -> Result<(), String> {
    match kind(expr)? {
        Kind::Truth => Ok(()),
        other => Err(format!("gives {}; write a comparison such as region == 'kerala'", other.told())),
    }
}

fn kind(expr: &IdedExpr) -> Result<Kind, String> {
    match &expr.expr {
        Expr::Ident(name) => match Variable::named(name) {
            Some(variable) => Ok(kind_of(variable)),
            None => Err(unknown(name)),
        },
        Expr::Literal(literal) => match literal {
            LiteralValue::String(_) => Ok(Kind::Text),
            LiteralValue::Int(_) => Ok(Kind::Whole),
            LiteralValue::Double(_) => Ok(Kind::Number),
            LiteralValue::Boolean(_) => Ok(Kind::Truth),
            _ => Err("has a value that nothing here is compared with; write a text, a number, true or false".into()),
        },
        Expr::Call(call) => {
            let name = call.func_name.as_str();
            match (name, call.target.as_deref(), &call.args[..]) {
                ("_&&_" | "_||_", None, [left, right]) => {
                    truth(left)?;
                    truth(right)
                }
                ("!_", None, [only]) => truth(only),
                ("_==_" | "_!=_", None, [left, right]) => {
                    let (a, b) = (kind(left)?, kind(right)?);
                    if !a.compares_with(b) {
                        return Err(unequal(left, a, right, b));
                    }
                    known_value(left, right)?;
                    known_value(right, left)?;
                    Ok(Kind::Truth)
                }
                ("_<_" | "_<=_" | "_>_" | "_>=_", None, [left, right]) => {
                    let (a, b) = (kind(left)?, kind(right)?);
                    if !a.is_number() || !b.is_number() {
                        return Err(unequal(left, a, right, b));
                    }
                    Ok(Kind::Truth)
                }
                ("@in", None, [value, list]) => {
                    let wanted = kind(value)?;
                    let Expr::List(list) = &list.expr else {
                        return Err("uses `in` without a list; write language in ['ml', 'ta']".to_owned());
                    };
                    if list.elements.is_empty() {
                        return Err("uses `in` with an empty list; write language in ['ml', 'ta']".to_owned());
                    }
                    for element in &list.elements {
                        let found = kind(element)?;
                        if !wanted.compares_with(found) {
                            return Err(unequal(value, wanted, element, found));
                        }
                        known_value(value, element)?;
                    }
                    Ok(Kind::Truth)
                }
                ("startsWith" | "endsWith" | "contains", Some(of), [part]) => {
                    for (expr, found) in [(of, kind(of)?), (part, kind(part)?)] {
                        if found != Kind::Text {
                            return Err(format!("asks {name} of {}, which is {}", told(expr), found.told()));
                        }
                    }
                    Ok(Kind::Truth)
                }
                ("-_", None, [only]) => match kind(only)? {
                    number if number.is_number() => Ok(number),
                    other => Err(format!("puts a minus before {}", other.told())),
                },
                _ => Err(format!(
                    "uses `{}`, which is not known here; write ==, !=, <, <=, >, >=, in, and, or, not, startsWith, \
                     endsWith, contains",
                    name.trim_matches(['_', '@'])
                )),
            }
        }
        Expr::Comprehension(_) => Err("loops over a list; write language in ['ml', 'ta']".to_owned()),
        Expr::Select(select) => Err(format!("asks for a field `{}`; names here have no fields", select.field)),
        Expr::List(_) => Err("has a list outside of `in`; write language in ['ml', 'ta']".to_owned()),
        Expr::Map(_) | Expr::Struct(_) | Expr::Unspecified => {
            Err("has curly brackets; write comparisons joined by and, or, not".to_owned())
        }
    }
}

fn truth(expr: &IdedExpr) -> Result<Kind, String> {
    match kind(expr)? {
        Kind::Truth => Ok(Kind::Truth),
        other => Err(format!("joins {}, which is {}; write a comparison there", told(expr), other.told())),
    }
}

/// A value of a closed set that no call can ever have is a slip of the pen.
fn known_value(variable: &IdedExpr, value: &IdedExpr) -> Result<(), String> {
    let (Expr::Ident(name), Expr::Literal(LiteralValue::String(text))) = (&variable.expr, &value.expr) else {
        return Ok(());
    };
    let text = text.inner();
    let known: Vec<&str> = match Variable::named(name) {
        Some(Variable::Language) => Lang::ALL.iter().map(|l| l.iso()).collect(),
        Some(Variable::LanguageTag) => Lang::ALL.iter().map(|l| l.tag()).collect(),
        Some(Variable::Dialect) => Dialect::ALL.iter().map(|d| d.as_str()).chain([""]).collect(),
        Some(Variable::Stage) => Stage::ALL.iter().map(|(name, _)| *name).collect(),
        Some(Variable::Region | Variable::CallerState) => {
            let lower = text.to_lowercase();
            if lower == text {
                return Ok(());
            }
            return Err(format!("compares {name} with '{text}'; write '{lower}', in lower case"));
        }
        _ => return Ok(()),
    };
    if known.contains(&text) {
        return Ok(());
    }
    let instead = match text.parse::<Lang>() {
        Ok(lang) if name == "language" => format!("write '{}'", lang.iso()),
        Ok(lang) if name == "language_tag" => format!("write '{}'", lang.tag()),
        _ => match nearest(text, known.iter().copied()) {
            Some(near) => format!("write '{near}'"),
            None => {
                format!("known are {}", known.iter().filter(|k| !k.is_empty()).copied().collect::<Vec<_>>().join(", "))
            }
        },
    };
    Err(format!("compares {name} with '{text}', which it never is; {instead}"))
}

fn unknown(name: &str) -> String {
    let names = || Variable::ALL.iter().map(|(known, _)| *known);
    match nearest(name, names()) {
        Some(near) => format!("names `{name}`, which is not known; write `{near}`, or '{name}' in quotes for a text"),
        None => format!(
            "names `{name}`, which is not known; write '{name}' in quotes for a text, or one of {}",
            names().collect::<Vec<_>>().join(", ")
        ),
    }
}

fn unequal(left: &IdedExpr, a: Kind, right: &IdedExpr, b: Kind) -> String {
    format!("compares {} ({}) with {} ({})", told(left), a.told(), told(right), b.told())
}

fn told(expr: &IdedExpr) -> String {
    match &expr.expr {
        Expr::Ident(name) => name.clone(),
        Expr::Literal(LiteralValue::String(text)) => format!("'{}'", text.inner()),
        Expr::Literal(LiteralValue::Int(number)) => number.inner().to_string(),
        Expr::Literal(LiteralValue::Double(number)) => number.inner().to_string(),
        Expr::Literal(LiteralValue::Boolean(truth)) => truth.inner().to_string(),
        _ => "an expression".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ai::router::facts::Facts;
    use crate::ai::router::rule::Condition;

    #[test]
    fn words_are_rewritten_outside_of_texts_only() {
        let cases = [
            ("region == 'a' and not offline or hour > 3", "region == 'a' && ! offline || hour > 3"),
            ("tenant == 'this and that or not'", "tenant == 'this and that or not'"),
            (r#"tenant == "a 'or' b" AND offline"#, r#"tenant == "a 'or' b" && offline"#),
            (r"tenant == 'it\'s and' and offline", r"tenant == 'it\'s and' && offline"),
            ("not(offline)", "!(offline)"),
            ("android == 1 or sand", "android == 1 || sand"),
        ];
        for (text, expected) in cases {
            assert_eq!(spelt(text).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn conditions_are_answered() {
        let facts = Facts {
            dialect: Some(Dialect::Malabar),
            confidence: 0.9,
            tenant: "acme".to_owned(),
            hour: 20,
            ..Facts::new(Stage::Tts, Lang::Ml).from_region("Kerala").from_state("Tamil Nadu")
        };
        let cases = [
            ("region == 'kerala' and language == 'ml'", true),
            ("'kerala' == region && language_tag == \"ml-IN\"", true),
            ("region == 'goa' and language == 'ml'", false),
            ("region != 'goa'", true),
            ("dialect == 'malabar' and stage == 'tts'", true),
            ("dialect in ['cochin', 'malabar']", true),
            ("language in ['hi', 'ta']", false),
            ("confidence >= 0.85 and confidence < 1", true),
            ("hour >= 20 or hour < 6", true),
            ("not (hour >= 20 or hour < 6)", false),
            ("hour > -1", true),
            ("offline", false),
            ("!offline and tenant == 'acme'", true),
            ("offline == false", true),
            ("tenant.startsWith('ac') and tenant.endsWith('me') and tenant.contains('cm')", true),
            ("campaign == '' and data_class == '' and tier == ''", true),
            ("caller_state == 'tamil nadu'", true),
            ("region == 'kerala' and (hour < 6 or confidence > 0.5)", true),
            ("true", true),
        ];
        for (text, expected) in cases {
            let condition = Condition::parse(text).unwrap_or_else(|fault| panic!("{text}: {fault}"));
            assert_eq!(condition.holds(&facts, false), expected, "{text}");
        }
        assert!(Condition::parse("offline").unwrap().holds(&facts, true));
    }

    #[test]
    fn what_is_wrong_is_found_in_every_branch() {
        let cases = [
            "offline or hour == 'x'",
            "true or regoin == 'x'",
            "false and 1",
            "region == 'a' ? true : true",
            "region + 'x' == 'ax'",
            "size(region) > 3",
            "region.matches('x')",
            "hour in 'x'",
            "hour in ['x']",
            "hour in []",
            "region < 'b'",
            "offline > 1",
            "region.x == 1",
            "{'a': 1} == 1",
            "b'x' == region",
            "null == region",
            "1u == hour",
            "confidence == true",
            "-region == 1",
            "stage == 'asr'",
            "dialect == 'malabr'",
            "language_tag == 'ml'",
            "region == 'a",
            "not",
            "and and and",
        ];
        for text in cases {
            let fault = Condition::parse(text).map(|_| ()).expect_err(text);
            assert!(!fault.contains('\n'), "{text}: {fault}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_compiled_or_refused(
            text in "((region|hour|offline|not|and|or|in|==|<|\\(|\\)|\\[|\\]|'ml'|\"|'|1|0\\.5|!|-|\\?|:|\\.|,|[a-z\\\\{}%&|])( )?){0,24}|\\PC{0,40}"
        ) {
            if let Ok(condition) = Condition::parse(&text) {
                condition.holds(&Facts::new(Stage::Llm, Lang::Ta), true);
            }
        }
    }
}
