//! What an agent knows in one call: key and value, in order. The same facts fill the brief of the
//! language model and the placeholders of the catalogue.

use super::book::Book;

/// Which keys mean the same, as the starter model's card lists them; the placeholder comes first.
const KEYS: [(&str, &[&str]); 7] = [
    ("name", &["customer name", "customer", "caller name", "borrower"]),
    ("loan_id", &["loan number", "loan account", "loan no"]),
    ("amount", &["amount due", "emi amount", "emi", "instalment"]),
    ("due_date", &["emi due date", "payment due date", "last date"]),
    ("office_hours", &["hours", "branch timings", "working hours"]),
    ("address", &["office address", "branch address", "branch"]),
    ("phone", &["helpline", "helpline number", "contact number", "customer care"]),
];

/// The catalogue's placeholder that a fact's key fills, if any.
pub fn placeholder(key: &str) -> Option<&'static str> {
    let key = key.trim().to_lowercase().replace('_', " ");
    KEYS.iter()
        .find(|(name, others)| name.replace('_', " ") == key || others.contains(&key.as_str()))
        .map(|(name, _)| *name)
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts(Vec<(String, String)>);

impl Facts {
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a fact or replaces the one that means the same. An empty value removes it.
    pub fn set(&mut self, key: &str, value: &str) {
        let value = one_line(value);
        let same = |known: &str| known == key || placeholder(key).is_some_and(|name| placeholder(known) == Some(name));
        match self.0.iter().position(|(known, _)| same(known)) {
            Some(at) if value.is_empty() => {
                self.0.remove(at);
            }
            Some(at) => self.0[at].1 = value,
            None if value.is_empty() => {}
            None => self.0.push((one_line(key), value)),
        }
    }

    pub fn get(&self, key: &str) -> Option<&str> {
        let wanted = placeholder(key);
        self.0
            .iter()
            .find(|(known, _)| known == key || wanted.is_some_and(|name| placeholder(known) == Some(name)))
            .map(|(_, value)| value.as_str())
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// Values for the catalogue's placeholders. Dates are given with the month's name in the book's
    /// language (`5 ஜூன்`); everything else as it stands, to be put into words by `speak`.
    pub fn vars(&self, book: &Book) -> Vec<(&'static str, String)> {
        self.iter()
            .filter_map(|(key, value)| {
                let name = placeholder(key)?;
                let value = match (name, day_and_month(value)) {
                    ("due_date", Some((day, month))) => {
                        format!("{day} {}", book.months.get(month - 1).map_or(value, String::as_str))
                    }
                    _ => value.to_owned(),
                };
                Some((name, value))
            })
            .collect()
    }
}

impl<K: AsRef<str>, V: AsRef<str>> FromIterator<(K, V)> for Facts {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(items: I) -> Self {
        let mut facts = Self::new();
        for (key, value) in items {
            facts.set(key.as_ref(), value.as_ref());
        }
        facts
    }
}

const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];

/// `5 June`, `June 5`, `5 Jun 2026`, `2026-06-05`, `05-06-2026`, `5/6/2026`: day and month from 1.
pub fn day_and_month(text: &str) -> Option<(usize, usize)> {
    let parts: Vec<&str> = text.split([' ', '-', '/', '.', ',']).filter(|part| !part.is_empty()).collect();
    let number = |part: &str| part.parse::<usize>().ok();
    let month = |part: &str| {
        let part = part.to_lowercase();
        (part.chars().count() >= 3).then(|| MONTHS.iter().position(|name| name.starts_with(&part)))?.map(|at| at + 1)
    };
    let year = |part: &str| part.len() == 4 && number(part).is_some_and(|y| (1900..2200).contains(&y));
    let (day, month) = match parts.as_slice() {
        [y, m, d] if year(y) => (number(d)?, number(m)?),
        [d, m, y] if year(y) && number(d).is_some() => (number(d)?, number(m).or_else(|| month(m))?),
        [m, d, y] if year(y) => (number(d)?, month(m)?),
        [d, m] if month(m).is_some() => (number(d)?, month(m)?),
        [m, d] => (number(d)?, month(m)?),
        _ => return None,
    };
    ((1..=31).contains(&day) && (1..=12).contains(&month)).then_some((day, month))
}

/// Facts come from files and customers' lists: whatever could end a line of the brief, start a
/// model's own marks or look like an action tag becomes a space.
pub fn one_line(text: &str) -> String {
    let mut clean: String =
        text.chars().map(|c| if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') { ' ' } else { c }).collect();
    for mark in ["<|", "|>", "[[", "]]"] {
        while clean.contains(mark) {
            clean = clean.replace(mark, " ");
        }
    }
    clean.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn keys_that_mean_the_same_replace_each_other() {
        let mut facts: Facts = [("amount due", "₹5,200"), ("colour", "red")].into_iter().collect();
        facts.set("EMI_amount", "₹6,000");
        facts.set("colour", "");
        assert_eq!(facts.iter().collect::<Vec<_>>(), [("amount due", "₹6,000")]);
        assert_eq!(facts.get("amount"), Some("₹6,000"));
        assert_eq!(placeholder("Office Hours"), Some("office_hours"));
        assert_eq!(placeholder("colour"), None);
    }

    #[test]
    fn dates_in_every_usual_writing() {
        let cases = [
            "5 June",
            "June 5",
            "5 Jun",
            "5 June 2026",
            "June 5, 2026",
            "2026-06-05",
            "05-06-2026",
            "5/6/2026",
            "05.06.2026",
        ];
        for text in cases {
            assert_eq!(day_and_month(text), Some((5, 6)), "{text}");
        }
        for text in ["", "June", "5", "45 June", "2026-13-05", "soon", "1 2 3", "5 ஜூன்"] {
            assert_eq!(day_and_month(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_fact_can_end_its_line_or_start_a_mark(text in "([\\[\\]<>|a\n\r\u{2028}]|\\PC){0,60}") {
            let clean = one_line(&text);
            let broken = clean.contains(['\n', '\r', '\u{2028}']);
            prop_assert!(!broken);
            for mark in ["<|", "|>", "[[", "]]"] {
                prop_assert!(!clean.contains(mark));
            }
        }

        #[test]
        fn any_date_text_is_survived(text in "\\PC{0,30}") {
            let _ = day_and_month(&text);
        }
    }
}
