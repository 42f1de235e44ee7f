//! Reads the metrics page as strictly as the OpenMetrics text asks for; for tests.

use std::collections::{BTreeMap, BTreeSet};

type Labels = BTreeMap<String, String>;

/// A page that was found to be right.
pub(in crate::api) struct Page {
    pub(in crate::api) types: BTreeMap<String, String>,
    samples: Vec<(String, Labels, f64)>,
}

impl Page {
    /// Panics with what is wrong.
    pub(in crate::api) fn parse(text: &str) -> Self {
        let body = text.strip_suffix("# EOF\n").expect("the page ends with # EOF");
        let mut page = Self { types: BTreeMap::new(), samples: Vec::new() };
        let mut helped = BTreeSet::new();
        let mut family = String::new();
        let mut seen = BTreeSet::new();
        for line in body.lines() {
            if let Some(rest) = line.strip_prefix("# HELP ") {
                let (name, help) = rest.split_once(' ').expect("a help text");
                assert!(helped.insert(name.to_owned()), "{name} is explained twice");
                assert!(!help.trim().is_empty(), "{name} is not explained");
            } else if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, kind) = rest.split_once(' ').expect("a type");
                assert!(["counter", "gauge", "histogram", "info"].contains(&kind), "{line}");
                assert!(name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_'), "{name}");
                let again = page.types.insert(name.to_owned(), kind.to_owned());
                assert!(again.is_none(), "{name} comes twice");
                family = name.to_owned();
            } else {
                let (name, labels, value) = sample(line);
                let kind = &page.types[&family];
                let ends: &[&str] = match kind.as_str() {
                    "counter" => &["_total"],
                    "histogram" => &["_bucket", "_sum", "_count"],
                    _ => &[""],
                };
                assert!(ends.iter().any(|end| name == format!("{family}{end}")), "{name} is no part of {family}");
                assert!(kind == "gauge" || value >= 0.0, "{line}");
                assert!(seen.insert((name.clone(), labels.clone())), "twice: {line}");
                page.samples.push((name, labels, value));
            }
        }
        let types: BTreeSet<_> = page.types.keys().cloned().collect();
        assert_eq!(types, helped, "each family is explained");
        page.check_histograms();
        page
    }

    fn check_histograms(&self) {
        for name in self.types.iter().filter(|(_, kind)| *kind == "histogram").map(|(name, _)| name) {
            let mut rows: BTreeMap<Labels, Vec<(f64, f64)>> = BTreeMap::new();
            for (_, labels, value) in self.samples.iter().filter(|(sample, ..)| *sample == format!("{name}_bucket")) {
                let mut labels = labels.clone();
                let edge = labels.remove("le").expect("a bucket has an edge");
                let edge = if edge == "+Inf" { f64::INFINITY } else { edge.parse().expect("a number") };
                rows.entry(labels).or_default().push((edge, *value));
            }
            for (labels, buckets) in rows {
                assert!(
                    buckets.windows(2).all(|w| w[0].0 < w[1].0 && w[0].1 <= w[1].1),
                    "{name} {labels:?} {buckets:?}"
                );
                let last = buckets.last().expect("buckets");
                assert!(last.0.is_infinite());
                let pairs: Vec<_> = labels.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
                assert_eq!(self.value(&format!("{name}_count"), &pairs), Some(last.1), "{name} {labels:?}");
            }
        }
    }

    /// Names and labels of all rows, without values.
    pub(in crate::api) fn series(&self) -> BTreeSet<(String, Labels)> {
        self.samples.iter().map(|(name, labels, _)| (name.clone(), labels.clone())).collect()
    }

    pub(in crate::api) fn value(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let wanted: Labels = labels.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        self.samples.iter().find(|(found, of, _)| found == name && *of == wanted).map(|(_, _, value)| *value)
    }
}

fn sample(line: &str) -> (String, Labels, f64) {
    let (name, rest) = line.split_at(line.find([' ', '{']).expect("a name ends"));
    let mut labels = Labels::new();
    let mut rest = rest;
    if let Some(inside) = rest.strip_prefix('{') {
        rest = inside;
        loop {
            if let Some(after) = rest.strip_prefix('}') {
                rest = after;
                break;
            }
            let (key, after) = rest.split_once("=\"").expect("a label has a value");
            let mut value = String::new();
            let mut characters = after.char_indices();
            let end = loop {
                match characters.next().expect("a value ends") {
                    (at, '"') => break at,
                    (_, '\\') => match characters.next().expect("something is escaped").1 {
                        'n' => value.push('\n'),
                        c @ ('"' | '\\') => value.push(c),
                        other => panic!("\\{other} is no escape"),
                    },
                    (_, '\n') => panic!("a value breaks the line"),
                    (_, c) => value.push(c),
                }
            };
            assert!(labels.insert(key.to_owned(), value).is_none(), "{key} comes twice: {line}");
            rest = &after[end + 1..];
            rest = rest.strip_prefix(',').unwrap_or(rest);
        }
    }
    let value = rest.strip_prefix(' ').unwrap_or_else(|| panic!("no value: {line}"));
    (name.to_owned(), labels, value.parse().unwrap_or_else(|_| panic!("no number: {line}")))
}
