//! The ledger's folder over starts, and with a disk that is full.

use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::base::Lang;
use crate::base::event::Stage;
use crate::base::money::Money;

fn spend(purse: &Purse, day: u64, paise: u64) {
    let row = Row { day, tenant: "t".into(), provider: "p".into(), stage: Stage::Llm };
    purse.spend(row, Sum { requests: 1, paise: Money::from_paise(paise), estimated_paise: Money::ZERO });
}

fn measured() -> Measured {
    Measured {
        candidate: "p/m".into(),
        stage: Stage::Llm,
        language: Lang::Gu,
        at_unix_ms: 1,
        good: 1.0,
        bad: 0.5,
        requests: 2,
        failures: 1,
        took_ms: vec![7],
    }
}

fn all(kept: &Kept) -> u64 {
    kept.spending.rows().map(|(_, sum)| sum.paise).sum::<Money>().whole_paise()
}

#[test]
fn what_one_run_knew_the_next_one_knows() {
    let state = tempfile::tempdir().unwrap();
    let clock = Clock::system();
    let today = clock.day();
    for run in 0..3 {
        let (ledger, kept) = Ledger::open(state.path(), today);
        assert_eq!((all(&kept), kept.measures.len()), (run * 5, usize::from(run > 0)));
        let purse = Purse::default();
        spend(&purse, today, 3);
        let writer = ledger.keep(&purse, clock, || vec![measured()]).unwrap();
        spend(&purse, today, 2);
        writer.close();
    }
    let (kept, written, remarks) = look(state.path(), 0);
    assert_eq!((all(&kept), kept.measures, remarks), (15, vec![measured()], vec![]));
    assert!(written > 0);
    let dir = state.path().join("ledger");
    for entry in std::fs::read_dir(&dir).unwrap().map(Result::unwrap) {
        assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{entry:?}");
    }
    assert_eq!(std::fs::metadata(dir).unwrap().permissions().mode() & 0o777, 0o700);
}

#[test]
fn what_is_spent_is_on_the_disk_a_moment_later() {
    let state = tempfile::tempdir().unwrap();
    let clock = Clock::system();
    let purse = Purse::default();
    let writer = Ledger::open(state.path(), clock.day()).0.keep(&purse, clock, Vec::new).unwrap();
    for paid in 1..4 {
        spend(&purse, clock.day(), 1);
        while all(&look(state.path(), 0).0) < paid {
            std::thread::sleep(Duration::from_millis(10));
        }
    }
    writer.close();
}

#[test]
fn a_disk_that_cannot_be_written_stops_nothing() {
    let state = tempfile::tempdir().unwrap();
    std::fs::write(state.path().join("ledger"), "in the way").unwrap();
    let clock = Clock::system();
    let (ledger, kept) = Ledger::open(state.path(), clock.day());
    assert_eq!(all(&kept), 0);
    let purse = Purse::default();
    let writer = ledger.keep(&purse, clock, || vec![measured()]).unwrap();
    spend(&purse, clock.day(), 1);
    writer.close();
    let (_, _, remarks) = look(state.path(), 0);
    assert_eq!(remarks.len(), 2, "{remarks:?}");
}
