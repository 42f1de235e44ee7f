//! The router's memory: what was spent and how engines did, in `<state>/ledger/`, for the next start.
//!
//! Promise: what was spent is on the disk a moment later (`EVERY`), so that a used-up budget stays
//! used up when the process is killed; a disk that is full or gone is told once and tried again, and
//! nothing waits for it. What was measured is written twice a minute and at the end. Files that
//! cannot be used are put aside with a warning. One thread writes; others may read at any time.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use super::files;
use super::measures::{self, Measured};
use super::spending::{self, Pen, Row, Spending, Sum};
use crate::base::{Clock, Moment, limits};

/// Between two writes of what was spent.
const EVERY: Duration = Duration::from_millis(200);
/// After a write that failed.
const AGAIN: Duration = Duration::from_secs(5);
/// Between two writes of what was measured.
const MEASURES_EVERY: Duration = Duration::from_secs(30);

/// What the last run knew.
#[derive(Debug, Default)]
pub struct Kept {
    pub spending: Spending,
    pub measures: Vec<Measured>,
}

#[derive(Debug, Default)]
struct Waiting {
    spending: Spending,
    stop: bool,
}

#[derive(Debug, Default)]
struct Shared {
    waiting: Mutex<Waiting>,
    wake: Condvar,
}

impl Shared {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        // Nothing that can panic runs under this lock.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes what is spent. Cheap to clone; never waits for the disk.
#[derive(Clone, Debug, Default)]
pub struct Purse(Arc<Shared>);

impl Purse {
    pub fn spend(&self, row: Row, sum: Sum) {
        self.0.waiting().spending.add(row, sum);
        self.0.wake.notify_one();
    }
}

/// The folder, taken over by this process; nothing is written before [`Ledger::keep`].
#[derive(Debug)]
pub struct Ledger {
    dir: PathBuf,
    known: Spending,
}

/// Keeps the writing thread; joined on [`Writer::close`].
#[derive(Debug)]
pub struct Writer {
    shared: Arc<Shared>,
    thread: JoinHandle<()>,
}

fn folder(state: &Path) -> PathBuf {
    state.join("ledger")
}

/// What lies in the store, for those who only look: also while a daemon writes. The last value are
/// remarks about what could not be read.
pub fn look(state: &Path, first_day: u64) -> (Kept, u64, Vec<String>) {
    let dir = folder(state);
    let mut remarks = Vec::new();
    let spending = match spending::read(&dir, first_day) {
        Ok((spending, told)) => {
            remarks.extend(told);
            spending
        }
        Err(error) => {
            remarks.push(format!("{}: {error}", dir.display()));
            Spending::default()
        }
    };
    let (written, measures) = measures::read(&dir).unwrap_or_else(|error| {
        remarks.push(format!("{}: {error}", dir.join("quality.json").display()));
        (0, Vec::new())
    });
    (Kept { spending, measures }, written, remarks)
}

impl Ledger {
    /// Never fails: a folder that cannot be used is a warning, and the box starts without memory.
    pub fn open(state: &Path, today: u64) -> (Self, Kept) {
        let dir = folder(state);
        let first = today.saturating_sub(limits::SPENDING_DAYS);
        let spending = files::own_folder(&dir).and_then(|()| spending::take_over(&dir, first));
        let spending = spending.unwrap_or_else(|error| {
            tracing::warn!(dir = %dir.display(), %error, "the ledger cannot be read; budgets begin anew");
            Spending::default()
        });
        let kept = Kept { spending: spending.clone(), measures: measures::take_over(&dir) };
        (Self { dir, known: spending }, kept)
    }

    /// Starts to write: what comes through `purse`, and every now and then what `measure` gives.
    pub fn keep(
        self,
        purse: &Purse,
        clock: Clock,
        measure: impl Fn() -> Vec<Measured> + Send + 'static,
    ) -> io::Result<Writer> {
        let shared = Arc::clone(&purse.0);
        let mut work = Work {
            pen: Pen::new(self.dir.clone(), self.known),
            dir: self.dir,
            shared: Arc::clone(&shared),
            clock,
            measure: Box::new(measure),
            measured: clock.now(),
            written: Vec::new(),
            day: clock.day(),
            complained: false,
        };
        let thread = std::thread::Builder::new().name("ledger".into()).spawn(move || work.run())?;
        Ok(Writer { shared, thread })
    }
}

impl Writer {
    /// Writes all there is and ends the thread.
    pub fn close(self) {
        self.shared.waiting().stop = true;
        self.shared.wake.notify_one();
        drop(self.thread.join());
    }
}

struct Work {
    dir: PathBuf,
    pen: Pen,
    shared: Arc<Shared>,
    clock: Clock,
    measure: Box<dyn Fn() -> Vec<Measured> + Send>,
    measured: Moment,
    written: Vec<Measured>,
    day: u64,
    complained: bool,
}

impl Work {
    fn run(&mut self) {
        loop {
            let (spending, stop) = self.wait();
            let mut pause = EVERY;
            if !spending.is_empty() {
                match self.pen.write(spending) {
                    Ok(()) => self.complained = false,
                    Err((left, error)) => {
                        self.complain(&error);
                        self.shared.waiting().spending.merge(left);
                        pause = AGAIN;
                    }
                }
            }
            if stop || self.clock.now().since(self.measured) >= MEASURES_EVERY {
                self.write_measures();
            }
            if stop {
                return;
            }
            // Whatever is spent meanwhile is written together.
            self.pause(pause);
        }
    }

    /// Until there is something to do.
    fn wait(&self) -> (Spending, bool) {
        let mut waiting = self.shared.waiting();
        if waiting.spending.is_empty() && !waiting.stop {
            let woken = self.shared.wake.wait_timeout(waiting, MEASURES_EVERY);
            waiting = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
        (std::mem::take(&mut waiting.spending), waiting.stop)
    }

    /// Not longer than until the end.
    fn pause(&self, at_most: Duration) {
        let until = self.clock.now() + at_most;
        let mut waiting = self.shared.waiting();
        while !waiting.stop && self.clock.now() < until {
            let left = until.since(self.clock.now());
            let woken = self.shared.wake.wait_timeout(waiting, left);
            waiting = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn write_measures(&mut self) {
        self.measured = self.clock.now();
        if self.clock.day() != self.day {
            self.day = self.clock.day();
            self.pen.forget_before(self.day.saturating_sub(limits::SPENDING_DAYS));
        }
        let rows = (self.measure)();
        if rows == self.written {
            return;
        }
        match measures::write(&self.dir, self.clock.unix_ms(self.measured), &rows) {
            Ok(()) => self.written = rows,
            Err(error) => self.complain(&error),
        }
    }

    fn complain(&mut self, error: &io::Error) {
        if !std::mem::replace(&mut self.complained, true) {
            tracing::warn!(%error, "the ledger cannot be written; it is kept in memory and tried again");
        }
    }
}

#[cfg(test)]
#[path = "ledger_tests.rs"]
mod tests;
