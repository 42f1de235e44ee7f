//! The first greeting's language by the customer's state or union territory (requirement L2).
//! Promise: all 36 are there, each with a fallback. A prior only: what the caller speaks decides.

use std::collections::BTreeMap;
use std::path::Path;

use crate::base::Lang;
use crate::config::{At, ConfigError, Fields, Problem, parse, read_file};

/// 28 states and 8 union territories, as `config/states.toml` names them.
const REGIONS: [&str; 36] = [
    "Andhra Pradesh",
    "Arunachal Pradesh",
    "Assam",
    "Bihar",
    "Chhattisgarh",
    "Goa",
    "Gujarat",
    "Haryana",
    "Himachal Pradesh",
    "Jharkhand",
    "Karnataka",
    "Kerala",
    "Madhya Pradesh",
    "Maharashtra",
    "Manipur",
    "Meghalaya",
    "Mizoram",
    "Nagaland",
    "Odisha",
    "Punjab",
    "Rajasthan",
    "Sikkim",
    "Tamil Nadu",
    "Telangana",
    "Tripura",
    "Uttar Pradesh",
    "Uttarakhand",
    "West Bengal",
    "Andaman and Nicobar Islands",
    "Chandigarh",
    "Dadra and Nagar Haveli and Daman and Diu",
    "Delhi",
    "Jammu and Kashmir",
    "Ladakh",
    "Lakshadweep",
    "Puducherry",
];

#[derive(Clone, Debug, PartialEq, Eq)]
struct Row {
    name: String,
    language: Lang,
    fallback: Lang,
}

/// The table of one `states.toml`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct States {
    rows: Vec<Row>,
    /// Squeezed name, code or other name to its row.
    by_name: BTreeMap<String, usize>,
}

impl States {
    pub fn load(file: &Path) -> Result<Self, ConfigError> {
        Self::from_root(read_file(file))
    }

    pub fn from_text(file: &str, text: &str) -> Result<Self, ConfigError> {
        Self::from_root(parse(file, text))
    }

    /// The language to greet in and the one to fall back on. Takes names in any case, with `&`,
    /// codes (`KA`, `IN-KA`) and older names (`Orissa`).
    pub fn greeting_language(&self, state: &str) -> Option<(Lang, Lang)> {
        self.row(state).map(|row| (row.language, row.fallback))
    }

    /// The usual name of a state that was written in any of these ways.
    pub fn name_of(&self, state: &str) -> Option<&str> {
        self.row(state).map(|row| row.name.as_str())
    }

    fn row(&self, state: &str) -> Option<&Row> {
        let wanted = squeeze(state);
        let row = self.by_name.get(&wanted).or_else(|| {
            let code = wanted.strip_prefix("in").filter(|code| code.len() == 2)?;
            self.by_name.get(code)
        })?;
        self.rows.get(*row)
    }

    /// All names with their languages, in the file's order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Lang, Lang)> {
        self.rows.iter().map(|row| (row.name.as_str(), row.language, row.fallback))
    }

    fn from_root(root: Result<crate::config::Node, Problem>) -> Result<Self, ConfigError> {
        let root = root?;
        let whole = At { line: Some(1), ..root.at.clone() };
        let (mut states, mut problems) = (Self::default(), Vec::new());
        let mut fields = Fields::new(root, &mut problems);
        for (name, node) in fields.rest() {
            let at = node.at.clone();
            let mut of = fields.child(&name, node);
            let mut lang = |key: &str| {
                let found = of.parsed::<Lang>(key, "a language such as \"hi-IN\"");
                if found.is_none() && !of.faulty(key) {
                    of.refuse(&at, format!("`{name}` lacks `{key}`; write {key} = \"hi-IN\" or another language"));
                }
                found
            };
            let (language, fallback) = (lang("language"), lang("fallback"));
            let mut names: Vec<String> = of.or("also", Vec::new());
            if let (Some((language, _)), Some((fallback, at))) = (&language, &fallback)
                && language == fallback
            {
                of.refuse(at, format!("`{name}` falls back on the language it has; write another one"));
            }
            of.finish();
            if !REGIONS.iter().any(|known| *known == name) {
                let instead = crate::config::nearest(&name, REGIONS.into_iter()).map_or_else(
                    || "put its name under `also` of a state".to_owned(),
                    |near| format!("write \"{near}\""),
                );
                fields.refuse(&at, format!("`{name}` is no state or union territory; {instead}"));
            }
            let (Some((language, _)), Some((fallback, _))) = (language, fallback) else { continue };
            states.rows.push(Row { name: name.clone(), language, fallback });
            names.push(name);
            for other in names {
                let row = states.rows.len() - 1;
                if let Some(taken) = states.by_name.insert(squeeze(&other), row).filter(|taken| *taken != row) {
                    let of = &states.rows[taken].name;
                    fields.refuse(&at, format!("{other:?} stands for {of} already; write each name once"));
                }
            }
        }
        fields.finish();
        for region in REGIONS {
            let named = problems.iter().any(|p| p.message.starts_with(&format!("`{region}")));
            if !named && !states.rows.iter().any(|row| row.name == region) {
                problems.push(Problem::new(
                    &whole,
                    format!("{region} is missing; write \"{region}\" = {{ language = \"…\", fallback = \"…\" }}"),
                ));
            }
        }
        if problems.is_empty() { Ok(states) } else { Err(problems.into()) }
    }
}

/// Letters only, lower case, `&` read as `and`.
fn squeeze(name: &str) -> String {
    name.replace('&', "and").chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHIPPED: &str = include_str!("../../config/states.toml");

    #[test]
    fn all_states_and_territories_have_a_language_and_a_fallback() {
        let states = States::from_text("states.toml", SHIPPED).expect("accepted");
        assert_eq!(states.iter().count(), 36);
        // The rows of the loan-call document.
        let documented = [
            ("Maharashtra", Lang::Mr, Lang::Hi),
            ("Karnataka", Lang::Kn, Lang::En),
            ("Tamil Nadu", Lang::Ta, Lang::En),
            ("Kerala", Lang::Ml, Lang::En),
            ("Gujarat", Lang::Gu, Lang::Hi),
            ("West Bengal", Lang::Bn, Lang::Hi),
            ("Telangana", Lang::Te, Lang::En),
            ("Punjab", Lang::Pa, Lang::Hi),
            ("Odisha", Lang::Or, Lang::Hi),
            ("Bihar", Lang::Hi, Lang::En),
        ];
        for (state, language, fallback) in documented {
            assert_eq!(states.greeting_language(state), Some((language, fallback)), "{state}");
        }
    }

    #[test]
    fn names_are_found_in_the_ways_people_write_them() {
        let states = States::from_text("states.toml", SHIPPED).expect("accepted");
        let cases = [
            (" tamilnadu ", Some(Lang::Ta)),
            ("ORISSA", Some(Lang::Or)),
            ("J&K", Some(Lang::Hi)),
            ("Jammu & Kashmir", Some(Lang::Hi)),
            ("Pondicherry", Some(Lang::Ta)),
            ("KA", Some(Lang::Kn)),
            ("IN-KL", Some(Lang::Ml)),
            ("NCT of Delhi", Some(Lang::Hi)),
            ("Uttaranchal", Some(Lang::Hi)),
            ("Bavaria", None),
            ("", None),
        ];
        for (name, language) in cases {
            assert_eq!(states.greeting_language(name).map(|(l, _)| l), language, "{name}");
        }
    }

    #[test]
    fn a_table_with_a_fault_is_refused_with_its_line() {
        let cases = [
            (
                "language = \"kn-IN\"",
                "language = \"xx\"",
                "`Karnataka.language` is \"xx\"; write a language such as \"hi-IN\"",
            ),
            ("\"Kerala\" =", "\"Keralam\" =", "`Keralam` is no state or union territory; write \"Kerala\""),
            (
                "language = \"kn-IN\", fallback = \"en-IN\"",
                "language = \"kn-IN\"",
                "`Karnataka` lacks `fallback`; write",
            ),
            (
                "language = \"kn-IN\", fallback = \"en-IN\"",
                "language = \"kn-IN\", fallback = \"kn-IN\"",
                "`Karnataka` falls back on the language it has",
            ),
            ("language = \"kn-IN\", fallback", "language = \"kn-IN\", fallbak", "`Karnataka` lacks `fallback`"),
            ("also = [\"KA\"", "also = [\"KL\"", "\"KL\" stands for Karnataka already; write each name once"),
        ];
        for (from, to, message) in cases {
            let text = SHIPPED.replacen(from, to, 1);
            assert_ne!(text, SHIPPED, "{from}");
            let error = States::from_text("states.toml", &text).expect_err("refused");
            assert!(error.problems[0].message.starts_with(message), "{error}");
            assert!(error.problems[0].at.line.is_some_and(|line| line > 1), "{error}");
        }
        let without: String = SHIPPED.lines().filter(|l| !l.contains("Ladakh")).map(|l| format!("{l}\n")).collect();
        let error = States::from_text("states.toml", &without).expect_err("refused");
        assert_eq!(error.problems.len(), 1);
        assert!(error.to_string().starts_with("states.toml:1: Ladakh is missing; write \"Ladakh\" = {"), "{error}");
    }
}
