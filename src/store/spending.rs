//! What was spent, by day, tenant, provider and stage: one file of JSON lines a day, `spent-DAY.jsonl`.
//! The sum of a day's lines is the day; a file that has grown long is written anew with one line a
//! row. A torn last line is dropped, any other line that cannot be read costs that line only.
//! Absent on purpose: budgets (the router's), single requests (the journal's).

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::files;
use crate::base::event::Stage;
use crate::base::limits;
use crate::base::money::Money;

const VERSION: u32 = 1;

/// Whose money went where.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Row {
    /// Days since 1970 on the site's calendar.
    pub day: u64,
    /// Empty for requests that belong to no call.
    pub tenant: String,
    pub provider: String,
    pub stage: Stage,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sum {
    pub requests: u64,
    pub paise: Money,
    /// How much of it rests on estimates.
    pub estimated_paise: Money,
}

impl std::ops::AddAssign for Sum {
    fn add_assign(&mut self, more: Self) {
        self.requests = self.requests.saturating_add(more.requests);
        self.paise += more.paise;
        self.estimated_paise += more.estimated_paise;
    }
}

/// Tenants beyond the bound share this row, so that the sums stay right.
pub const OTHERS: &str = "(others)";

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spending {
    rows: BTreeMap<Row, Sum>,
}

impl Spending {
    pub fn add(&mut self, mut row: Row, sum: Sum) {
        if !self.rows.contains_key(&row) && self.rows_of(row.day).count() >= limits::SPENDING_ROWS_MAX {
            row.tenant = OTHERS.to_owned();
        }
        *self.rows.entry(row).or_default() += sum;
    }

    pub fn merge(&mut self, more: Self) {
        more.rows.into_iter().for_each(|(row, sum)| self.add(row, sum));
    }

    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// In the order of days.
    pub fn rows(&self) -> impl Iterator<Item = (&Row, &Sum)> {
        self.rows.iter()
    }

    pub fn forget_before(&mut self, day: u64) {
        self.rows.retain(|row, _| row.day >= day);
    }

    pub fn rows_of(&self, day: u64) -> impl Iterator<Item = (&Row, &Sum)> {
        let first = |day| Row { day, tenant: String::new(), provider: String::new(), stage: Stage::Stt };
        self.rows.range(first(day)..first(day.saturating_add(1)))
    }

    fn of_day(&self, day: u64) -> Self {
        Self { rows: self.rows_of(day).map(|(row, sum)| (row.clone(), *sum)).collect() }
    }

    fn lines(&self, out: &mut Vec<u8>) -> io::Result<()> {
        for (row, sum) in &self.rows {
            serde_json::to_writer(&mut *out, &Line { row: row.clone(), sum: *sum })?;
            out.push(b'\n');
        }
        Ok(())
    }
}

#[derive(Serialize, Deserialize)]
struct Head {
    version: u32,
}

#[derive(Serialize, Deserialize)]
struct Line {
    #[serde(flatten)]
    row: Row,
    #[serde(flatten)]
    sum: Sum,
}

/// A day's file as it was found.
struct Found {
    spending: Spending,
    /// It does not end after a whole line.
    torn: bool,
    /// Lines in the middle that say nothing.
    damaged: usize,
    lines: usize,
}

fn parse(bytes: &[u8], day: u64) -> io::Result<Found> {
    let mut found = Found { spending: Spending::default(), torn: false, damaged: 0, lines: 0 };
    for (number, line) in bytes.split_inclusive(|b| *b == b'\n').enumerate() {
        if !line.ends_with(b"\n") {
            if number == 0 && !head()?.starts_with(line) {
                return Err(io::Error::other("it is no file of spending"));
            }
            found.torn = true;
            continue;
        }
        if number == 0 {
            match serde_json::from_slice::<Head>(line) {
                Ok(head) if head.version > VERSION => {
                    return Err(io::Error::other("it was written by a newer vaani"));
                }
                Ok(_) => {}
                Err(_) => return Err(io::Error::other("it is no file of spending")),
            }
            continue;
        }
        match serde_json::from_slice::<Line>(line) {
            Ok(Line { row, sum }) if row.day == day => {
                found.spending.add(row, sum);
                found.lines += 1;
            }
            _ => found.damaged += 1,
        }
    }
    Ok(found)
}

fn path_of(dir: &Path, day: u64) -> PathBuf {
    dir.join(format!("spent-{}.jsonl", day_name(day)))
}

/// `2026-11-20`.
pub fn day_name(day: u64) -> String {
    let seconds = i64::try_from(day.saturating_mul(86_400)).unwrap_or_default();
    jiff::Timestamp::from_second(seconds).unwrap_or(jiff::Timestamp::UNIX_EPOCH).strftime("%Y-%m-%d").to_string()
}

fn day_of(path: &Path) -> Option<u64> {
    let name = path.file_name()?.to_str()?.strip_prefix("spent-")?.strip_suffix(".jsonl")?;
    let date: jiff::civil::Date = name.parse().ok()?;
    let seconds = date.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp().as_second();
    u64::try_from(seconds / 86_400).ok()
}

fn days(dir: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let all = match fs::read_dir(dir) {
        Ok(all) => all,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut found: Vec<_> = all.filter_map(|e| Some(e.ok()?.path())).filter_map(|p| Some((day_of(&p)?, p))).collect();
    found.sort();
    Ok(found)
}

/// All days from `first` on, for those who only look; what cannot be read comes as a remark.
pub(super) fn read(dir: &Path, first: u64) -> io::Result<(Spending, Vec<String>)> {
    let (mut all, mut remarks) = (Spending::default(), Vec::new());
    for (day, path) in days(dir)?.into_iter().filter(|(day, _)| *day >= first) {
        match files::read(&path, limits::SPENDING_FILE_MAX).and_then(|bytes| parse(&bytes.unwrap_or_default(), day)) {
            Ok(found) => {
                if found.damaged > 0 {
                    remarks.push(format!("{}: {} lines could not be read", path.display(), found.damaged));
                }
                all.merge(found.spending);
            }
            Err(error) => remarks.push(format!("{}: {error}", path.display())),
        }
    }
    Ok((all, remarks))
}

/// Takes over what is there: puts files aside that cannot be used, mends torn ones and drops those
/// before `first`.
pub(super) fn take_over(dir: &Path, first: u64) -> io::Result<Spending> {
    let mut all = Spending::default();
    for (day, path) in days(dir)? {
        if day < first {
            drop(fs::remove_file(&path));
            continue;
        }
        let read = files::read(&path, limits::SPENDING_FILE_MAX);
        match read.and_then(|bytes| parse(&bytes.unwrap_or_default(), day)) {
            Ok(found) => {
                if found.damaged > 0 {
                    let (file, lines) = (path.display(), found.damaged);
                    tracing::warn!(%file, lines, "lines about spending cannot be read; the file is kept aside");
                    drop(files::put_aside(&path));
                }
                let anew = found.damaged > 0 || found.torn || found.lines > found.spending.rows.len();
                if anew && let Err(error) = rewrite(dir, day, &found.spending) {
                    tracing::warn!(%error, "a day's spending could not be written anew");
                }
                all.merge(found.spending);
            }
            Err(error) => {
                let file = path.display();
                tracing::warn!(%file, %error, "a day's spending cannot be read; it is put aside and counts as nothing");
                drop(files::put_aside(&path));
            }
        }
    }
    Ok(all)
}

fn rewrite(dir: &Path, day: u64, spending: &Spending) -> io::Result<()> {
    let mut bytes = head()?;
    spending.of_day(day).lines(&mut bytes)?;
    files::replace(&path_of(dir, day), &bytes)
}

fn head() -> io::Result<Vec<u8>> {
    let mut bytes = serde_json::to_vec(&Head { version: VERSION })?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// The writing end: appends what was spent, day by day.
pub(super) struct Pen {
    dir: PathBuf,
    /// All of the days that were written to since the start and before, for writing them anew.
    known: Spending,
    open: Option<(u64, File, u64)>,
}

impl Pen {
    pub(super) fn new(dir: PathBuf, known: Spending) -> Self {
        Self { dir, known, open: None }
    }

    /// On the disk when this returns. What could not be written comes back.
    pub(super) fn write(&mut self, more: Spending) -> Result<(), (Spending, io::Error)> {
        let mut days: Vec<u64> = more.rows.keys().map(|row| row.day).collect();
        days.dedup();
        let (mut left, mut fault) = (Spending::default(), None);
        for day in days {
            let part = more.of_day(day);
            match self.append(day, &part) {
                Ok(()) => self.known.merge(part),
                Err(error) => {
                    left.merge(part);
                    fault = Some(error);
                }
            }
        }
        fault.map_or(Ok(()), |error| Err((left, error)))
    }

    fn append(&mut self, day: u64, part: &Spending) -> io::Result<()> {
        let mut lines = Vec::new();
        part.lines(&mut lines)?;
        if self.open.as_ref().is_some_and(|(of, _, len)| *of == day && *len > limits::SPENDING_FILE_LONG) {
            self.open = None;
            rewrite(&self.dir, day, &self.known)?;
        }
        let (_, file, len) = match &mut self.open {
            Some(open) if open.0 == day => open,
            slot => {
                let path = path_of(&self.dir, day);
                let file = OpenOptions::new().create(true).read(true).append(true).mode(0o600).open(&path)?;
                let len = file.metadata()?.len();
                let mut last = [b'\n'];
                if len == 0 {
                    lines = [head()?, lines].concat();
                    File::open(&self.dir)?.sync_all()?;
                } else if file.read_exact_at(&mut last, len - 1).is_err() || last != *b"\n" {
                    lines.insert(0, b'\n');
                }
                slot.insert((day, file, len))
            }
        };
        let written = file.write_all(&lines).and_then(|()| file.sync_data());
        match written {
            Ok(()) => {
                *len += lines.len() as u64;
                Ok(())
            }
            Err(error) => {
                // Half a line would hide the next one.
                drop(file.set_len(*len));
                self.open = None;
                Err(error)
            }
        }
    }

    pub(super) fn forget_before(&mut self, day: u64) {
        self.known.forget_before(day);
        for (_, path) in days(&self.dir).unwrap_or_default().into_iter().filter(|(of, _)| *of < day) {
            drop(fs::remove_file(path));
        }
    }
}

#[cfg(test)]
#[path = "spending_tests.rs"]
mod tests;
