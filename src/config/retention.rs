//! `[retention]`: how long what is kept, by class of data, and when the sweep runs.

use super::tree::Fields;

/// A class of data with a time of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// What was said, and written transcripts and profiles.
    Transcripts,
    Recordings,
    /// The journal's facts about calls.
    Events,
    /// Calls as rows: when, with which agent, how they ended, what they cost.
    Calls,
    Callbacks,
    /// Customers nobody changed or spoke to.
    Customers,
    /// Lines of uploads and lists that were rejected.
    Uploads,
    /// Entries of the consent ledger that count no more.
    Consents,
    /// The audit log, receipts of erasures, holds that were lifted.
    Audit,
}

struct Row {
    class: Class,
    name: &'static str,
    days: u32,
    least: u32,
}

const fn row(class: Class, name: &'static str, days: u32, least: u32) -> Row {
    Row { class, name, days, least }
}

/// Longest that may be written: a hundred years.
const MOST: u32 = 36_500;

/// Defaults in days, 0 for ever, with the least that law leaves. Reasons:
/// words and sound: no longer than complaints take (90 days, DPDP Act s. 8(7)); facts, calls and the
/// audit log: DPDP Rules r. 6 and 8 ask for a year of traffic data and logs; calls and the audit log
/// three years, the time in which debts and bills are disputed (Limitation Act); customers as long as
/// large platforms may after the last dealings (r. 8: three years); old consents seven years, as proof.
const ROWS: [Row; 9] = [
    row(Class::Transcripts, "transcripts", 90, 1),
    row(Class::Recordings, "recordings", 90, 1),
    row(Class::Events, "events", 365, 30),
    row(Class::Calls, "calls", 1_095, 365),
    row(Class::Callbacks, "callbacks", 90, 1),
    row(Class::Customers, "customers", 1_095, 30),
    row(Class::Uploads, "uploads", 90, 1),
    row(Class::Consents, "consents", 2_555, 365),
    row(Class::Audit, "audit", 1_095, 365),
];

impl Class {
    pub fn all() -> impl Iterator<Item = Self> {
        ROWS.iter().map(|row| row.class)
    }

    fn row(self) -> &'static Row {
        &ROWS[self as usize]
    }

    pub fn name(self) -> &'static str {
        self.row().name
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// 0 to 23 on the site's clock.
    pub hour: u8,
    days: [u32; ROWS.len()],
}

impl Default for Retention {
    fn default() -> Self {
        Self { hour: 3, days: ROWS.each_ref().map(|row| row.days) }
    }
}

impl Retention {
    /// `None`: for ever.
    pub const fn days(&self, class: Class) -> Option<u32> {
        match self.days[class as usize] {
            0 => None,
            days => Some(days),
        }
    }

    #[must_use]
    pub fn with(mut self, class: Class, days: u32) -> Self {
        self.days[class as usize] = days;
        self
    }

    pub(super) fn read(mut fields: Fields<'_>) -> Self {
        let mut read = Self::default();
        read.hour = u8::try_from(fields.whole("hour", u32::from(read.hour), 0, 23)).unwrap_or(read.hour);
        for row in &ROWS {
            let at = fields.place(row.name);
            let days = fields.whole(row.name, row.days, 0, MOST);
            read.days[row.class as usize] = days;
            if let Some(at) = at.filter(|_| days != 0 && days < row.least) {
                let name = fields.name(row.name);
                fields.refuse(
                    &at,
                    format!("`{name}` is {days} days; write at least {}, or 0 to keep it for ever", row.least),
                );
            }
        }
        let (calls, events) = (read.days(Class::Calls), read.days(Class::Events));
        if events.unwrap_or(MOST) > calls.unwrap_or(MOST) {
            let at = fields.at().clone();
            fields.refuse(&at, "`retention.events` is longer than `retention.calls`; write no more than that: facts go with their call");
        }
        fields.finish();
        read
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tree::parse;

    fn read(text: &str) -> (Retention, Vec<String>) {
        let mut problems = Vec::new();
        let node = parse("vaani.toml", text).unwrap_or_else(|_| panic!("{text}"));
        let read = Retention::read(Fields::new(node, &mut problems));
        (read, problems.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn the_table_is_in_the_order_of_the_classes() {
        for (at, row) in ROWS.iter().enumerate() {
            assert_eq!(row.class as usize, at, "{}", row.name);
            assert!(row.days >= row.least, "{}", row.name);
        }
    }

    #[test]
    fn days_are_read_and_what_law_forbids_is_refused() {
        let (read_days, problems) = read("hour = 2\ntranscripts = 30\nrecordings = 0\n");
        assert!(problems.is_empty(), "{problems:?}");
        assert_eq!(
            (read_days.hour, read_days.days(Class::Transcripts), read_days.days(Class::Recordings)),
            (2, Some(30), None)
        );
        assert_eq!(read_days.days(Class::Calls), Some(1_095), "the default");
        for (text, says) in [
            ("audit = 30", "at least 365"),
            ("calls = 100", "at least 365"),
            ("hour = 24", "from 0 to 23"),
            ("transcripts = -1", "from 0"),
            ("events = 2000", "longer than"),
            ("words = 3", "words"),
        ] {
            let (_, problems) = read(text);
            assert!(problems.iter().any(|problem| problem.contains(says)), "{text}: {problems:?}");
        }
    }
}
