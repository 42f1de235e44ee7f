use std::fmt::Write as _;
use std::io::{self, Read};

use super::*;
use crate::base::CallId;
use crate::base::secret::{KeyedHash, Secret};
use crate::store::Database;

const DAY: u64 = 86_400_000;

fn hash() -> KeyedHash {
    KeyedHash::new(Secret::new("k"))
}

fn of(number: &str) -> String {
    hash().of(number)
}

fn register(name: &str) -> NewList {
    NewList { name: name.to_owned(), kind: Kind::Register, valid_until_ms: None, made_by: "user:1".to_owned() }
}

fn run(db: &Database, name: &str, file: &str) -> Result<Imported, ImportError> {
    import(db, file.as_bytes(), &register(name), &hash(), &|| 5, |_, _| Ok(()))
}

fn blocked(db: &Database, number: &str, category: Category) -> bool {
    let hash = of(number);
    db.read_blocking(move |db| is_blocked(db, &hash, category, 5)).unwrap().is_some()
}

fn count(db: &Database, sql: &'static str) -> i64 {
    db.read_blocking(|db| Ok(db.query_row(sql, [], |row| row.get(0))?)).unwrap()
}

#[test]
fn a_file_takes_the_place_of_the_older_one_of_its_name() {
    let db = Database::scratch_tenant();
    let first =
        run(&db, "ncpr", "\u{feff}Mobile,Category\r\n9876543210,1\r\n9876543210,2\r\n98765,1\r\n9876543211,0\r\n")
            .unwrap();
    assert_eq!((first.lines, first.accepted, first.duplicates, first.rejected), (4, 2, 1, 1));
    assert!(blocked(&db, "+919876543210", Category::Finance) && blocked(&db, "+919876543210", Category::RealEstate));
    assert!(!blocked(&db, "+919876543210", Category::Health));
    assert!(blocked(&db, "+919876543211", Category::Health), "everything");
    let rejects = db.read_blocking(|db| rejects(db, first.list, 0, 10)).unwrap();
    assert_eq!(rejects, [(4, "not an Indian or international phone number".to_owned())], "its line in the file");

    run(&db, "other", "9876543219").unwrap();
    run(&db, "ncpr", "9876543212").unwrap();
    assert!(!blocked(&db, "+919876543210", Category::Finance) && blocked(&db, "+919876543212", Category::Finance));
    assert!(blocked(&db, "+919876543219", Category::Finance), "of another name");
    assert_eq!(count(&db, "SELECT count(*) FROM dnd"), 2, "what was replaced is gone");
    let lists = db.read_blocking(|db| lists(db, None, 10)).unwrap();
    let states: Vec<_> = lists.iter().map(|list| (list.name.as_str(), list.state.as_str())).collect();
    assert_eq!(
        states,
        [("ncpr", "active"), ("other", "active"), ("ncpr", "replaced"), ("by-hand", "active"), ("opt-outs", "active")]
    );
}

#[test]
fn lists_and_rows_end_with_their_time() {
    let db = Database::scratch_tenant();
    run(&db, "dated", "9876543210,0,01-01-1995\n9876543211,0,31-12-2199").unwrap();
    let at = |number: &str, now| {
        let hash = of(number);
        db.read_blocking(move |db| is_blocked(db, &hash, Category::Food, now)).unwrap()
    };
    assert!(at("+919876543210", 5).is_some() && at("+919876543210", 800_000_000_000).is_none());
    assert!(at("+919876543211", 800_000_000_000).is_some());
    let whole = NewList { valid_until_ms: Some(9), ..register("dated") };
    import(&db, &b"9876543211,0,31-12-2199"[..], &whole, &hash(), &|| 5, |_, _| Ok(())).unwrap();
    assert_eq!(at("+919876543211", 8).unwrap().until_ms, Some(9), "the earlier end counts");
    assert!(at("+919876543211", 9).is_none());
}

#[test]
fn a_file_that_is_refused_changes_nothing() {
    let db = Database::scratch_tenant();
    run(&db, "ncpr", "9876543210").unwrap();
    let cases: [(&[u8], &str); 9] = [
        (b"", "no line"),
        (b"\n\n\n", "no line"),
        (b"phone\n12\n13\n", "no line"),
        (b"name,city\nAsha,Pune\n", "name, city"),
        (b"PK\x03\x04rest", "Excel"),
        (b"\x1f\x8brest", "compressed"),
        (b"\xff\xfe1\x002\x00", "UTF-16"),
        (b"\xc3\x28\n9876543210", "not text"),
        (b"phone,status\n9876543210,allowed\n", "no line"),
    ];
    for (file, says) in cases {
        let error = import(&db, file, &register("ncpr"), &hash(), &|| 5, |_, _| Ok(())).unwrap_err().to_string();
        assert!(error.contains(says) && error.contains("nothing was changed"), "{error}");
        assert!(blocked(&db, "+919876543210", Category::Food));
        assert_eq!(count(&db, "SELECT count(*) FROM dnd"), 1);
    }
    for name in ["", "opt-outs", "a/b", &"x".repeat(61)] {
        assert!(matches!(run(&db, name, "9876543210"), Err(ImportError::BadName)), "{name}");
    }
}

/// Gives its bytes and then fails, as a broken connection does.
struct Broken<'a>(&'a [u8]);

impl Read for Broken<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.0.is_empty() { Err(io::ErrorKind::ConnectionReset.into()) } else { self.0.read(into) }
    }
}

#[test]
fn a_list_whose_note_cannot_be_written_does_not_come_into_force() {
    let db = Database::scratch_tenant();
    run(&db, "ncpr", "9999999999").unwrap();
    let no = |_: &Connection, _: &Imported| Err(StoreError::Invalid("no audit".to_owned()));
    assert!(import(&db, &b"9876543210"[..], &register("ncpr"), &hash(), &|| 5, no).is_err());
    assert!(blocked(&db, "+919999999999", Category::Food) && !blocked(&db, "+919876543210", Category::Food));
    assert_eq!(count(&db, "SELECT count(*) FROM dnd"), 1);
    run(&db, "ncpr", "9876543210").unwrap();
    assert_eq!(count(&db, "SELECT count(*) FROM dnd"), 1);
}

#[test]
fn an_import_that_breaks_off_leaves_nothing_that_counts() {
    let db = Database::scratch_tenant();
    let mut file = String::new();
    for n in 0..5_000 {
        writeln!(file, "98765{n:05}").unwrap();
    }
    run(&db, "ncpr", "9999999999").unwrap();
    let broken = import(&db, Broken(file.as_bytes()), &register("ncpr"), &hash(), &|| 5, |_, _| Ok(()));
    assert!(matches!(broken, Err(ImportError::Read(_))), "{broken:?}");
    assert!(!blocked(&db, "+919876500000", Category::Food) && blocked(&db, "+919999999999", Category::Food));
    assert_eq!(count(&db, "SELECT count(*) FROM dnd"), 1);
    // The process died in the middle: the list stays in staging and holds up no other for ever.
    db.write_blocking(|db| {
        Ok(db.execute_batch(
            "INSERT INTO dnd_lists (name, kind, state, made_ms, touched_ms, made_by) VALUES ('x', 'own', 'staging', 5, 5, 'x');
             INSERT INTO dnd (list, phone_hash, categories) SELECT number, 'zz', 1 FROM dnd_lists WHERE name = 'x'",
        )?)
    })
    .unwrap();
    assert!(matches!(run(&db, "ncpr", "9876543210"), Err(ImportError::Busy)));
    assert!(db.read_blocking(|db| is_blocked(db, "zz", Category::Food, 6)).unwrap().is_none());
    let later = &|| 5 + limits::DND_STALE_MS + 1;
    import(&db, &b"9876543210"[..], &register("ncpr"), &hash(), later, |_, _| Ok(())).unwrap();
    assert_eq!(count(&db, "SELECT count(*) FROM dnd"), 1, "what the dead one wrote is gone");
}

#[test]
fn two_hundred_thousand_lines_with_bad_ones_are_read_whole() {
    let db = Database::scratch_tenant();
    let mut file = String::from("phone,preference,valid_until,status\n");
    let (mut good, mut bad, mut allowed) = (0, 0, 0);
    for n in 0..200_000_u32 {
        match n % 20 {
            3 => {
                writeln!(file, "{n},1,,").unwrap();
                bad += 1;
            }
            7 => {
                writeln!(file, "98{n:08},17,,").unwrap();
                bad += 1;
            }
            11 => {
                writeln!(file, "98{n:08},1,,no").unwrap();
                allowed += 1;
            }
            13 => {
                writeln!(file, "{}", "9".repeat(5_000)).unwrap();
                bad += 1;
            }
            _ => {
                writeln!(file, "98{n:08},{},31-12-2190,", n % 9).unwrap();
                good += 1;
            }
        }
        if n % 50_000 == 0 {
            file.push('\n');
        }
    }
    let clock = crate::base::Clock::system();
    let began = clock.now();
    let done = run(&db, "big", &file).unwrap();
    println!("200 000 lines in {:?}", clock.now().since(began));
    assert_eq!((done.lines, done.accepted, done.rejected, done.allowed), (200_000, good, bad, allowed));
    assert_eq!(done.reasons.values().sum::<u64>(), bad);
    assert_eq!(count(&db, "SELECT count(*) FROM dnd_rejects"), i64::try_from(bad).unwrap());
    assert!(blocked(&db, "+919800000009", Category::Food), "0 is everything");
    let mut seen = 0;
    let mut after = String::new();
    loop {
        let from = after.clone();
        let page = db.read_blocking(move |db| listed(db, done.list, &from, 5_000)).unwrap();
        let Some(last) = page.last() else { break };
        after.clone_from(&last.phone_hash);
        seen += page.len() as u64;
    }
    assert_eq!(seen, good, "every page once");
}

fn action(call: CallId, action: &str, done: bool) -> Record {
    Record { call, unix_ms: 40 * DAY, call_ms: 9_000, event: Event::Action { action: action.to_owned(), done } }
}

#[test]
fn an_opt_out_heard_on_a_call_takes_effect_at_once() {
    let db = Database::scratch_tenant();
    let call = CallId::from_seed(1, 1);
    db.write_blocking(move |db| {
        db.execute(
            "INSERT INTO calls (id, transport, direction, agent, caller_hash, state, started_ms)
             VALUES (?1, 't', 'inbound', 'a', 'h', 'in_progress', 1), (?2, 't', 'inbound', 'a', NULL, 'in_progress', 1)",
            [call.to_string(), CallId::from_seed(1, 2).to_string()],
        )?;
        for (text, done) in [("[[do_not_call]]", false), ("[[end]]", true), ("[[promise date=\"do_not_call\"]]", true)] {
            heard(db, &action(call, text, done))?;
        }
        assert!(opted_out(db, "h", 41 * DAY)?.is_none(), "not yet");
        // Withheld number, unknown call: nothing to block, and no error that would lose the fact.
        heard(db, &action(CallId::from_seed(1, 2), "[[do_not_call]]", true))?;
        heard(db, &action(CallId::from_seed(1, 3), "[[do_not_call]]", true))?;
        for _ in 0..3 {
            heard(db, &action(call, "[[do_not_call]]", true))?;
        }
        let block = opted_out(db, "h", 41 * DAY)?.expect("blocked");
        assert_eq!((block.list.as_str(), block.since_ms, block.until_ms), ("opt-outs", Some(40 * DAY), None));
        let ledger = consents::history(db, "h")?;
        assert_eq!(ledger.len(), 1, "said three times on one call is one proof");
        assert_eq!((ledger[0].call.clone(), ledger[0].call_offset_ms), (Some(call.to_string()), Some(9_000)));
        assert!(!may_seek_consent(db, "h", 40 * DAY + 89 * DAY)? && may_seek_consent(db, "h", 40 * DAY + 90 * DAY)?);
        assert!(remove(db, "h", "user:1", " ", 50 * DAY).is_err(), "a reason is needed");
        assert_eq!(remove(db, "h", "user:1", "signed a new consent", 50 * DAY)?, 1);
        assert_eq!(remove(db, "h", "user:1", "again", 50 * DAY)?, 0);
        assert!(opted_out(db, "h", 51 * DAY)?.is_none());
        let record = of_number(db, "h")?;
        assert_eq!(record[0].removed_by.as_deref(), Some("user:1"), "it stays on record");
        heard(db, &action(call, "do_not_call", true))?;
        assert!(opted_out(db, "h", 51 * DAY)?.is_some());
        Ok(())
    })
    .unwrap();
}

/// `cargo nextest run --workspace --lib a_million_lines --run-ignored all --no-capture`
#[test]
#[ignore = "a measurement, not a check"]
fn a_million_lines_are_read_in() {
    let db = Database::scratch_tenant();
    let file: String = (0..1_000_000).map(|n| format!("98{n:08}\n")).collect();
    let clock = crate::base::Clock::system();
    let began = clock.now();
    assert_eq!(run(&db, "big", &file).unwrap().accepted, 1_000_000);
    println!("1 000 000 lines imported in {:?}", clock.now().since(began));
    let again = clock.now();
    run(&db, "big", &file).unwrap();
    println!("and once more in its place in {:?}", clock.now().since(again));
    let look = clock.now();
    for n in 0..1_000 {
        assert!(blocked(&db, &format!("+9198{n:08}"), Category::Food));
    }
    println!("a look-up in {:?}", clock.now().since(look) / 1_000);
}
