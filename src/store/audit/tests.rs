//! What somebody with a database tool could do to a chain, and that it is found.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::store::crypt::MasterKey;
use crate::store::migrations;

const DAY: u64 = 86_400_000;

fn signer(digit: &str) -> Signer {
    Signer::new(&MasterKey::from_hex(&digit.repeat(64)).unwrap())
}

fn empty() -> Connection {
    let mut db = Connection::open_in_memory().unwrap();
    migrations::apply(&mut db, migrations::SYSTEM).unwrap();
    db
}

fn entry(n: u64) -> Entry {
    Entry {
        at_ms: n * 1_000,
        who: Who {
            kind: "user".to_owned(),
            id: format!("u{}", n % 3),
            name: "asha".to_owned(),
            role: "admin".to_owned(),
            address: "10.0.0.7".to_owned(),
        },
        what: if n.is_multiple_of(2) { "customer.edit" } else { "transcript.view" }.to_owned(),
        about: format!("c{n}"),
        detail: json!({ "fields": n }),
    }
}

/// `entries` entries, a head signed after each of `heads`, and no trigger left: the tamperer's start.
fn chain(entries: u64, heads: &[u64]) -> Connection {
    let db = empty();
    for n in 1..=entries {
        assert_eq!(append(&db, &entry(n)).unwrap(), n);
        if heads.contains(&n) {
            assert_eq!(signer("a").sign_head(&db, &Chain::system(), n).unwrap().unwrap().seq, n);
        }
    }
    for (kind, table) in [("changed", "audit"), ("deleted", "audit")].into_iter() {
        db.execute_batch(&format!("DROP TRIGGER {table}_is_never_{kind}")).unwrap();
    }
    for table in ["audit_heads", "audit_cuts"] {
        db.execute_batch(&format!("DROP TRIGGER {table}_are_never_changed; DROP TRIGGER {table}_are_never_deleted"))
            .unwrap();
    }
    db
}

fn look(db: &Connection) -> Report {
    verify(db, &Chain::system(), &signer("a").verifier(), &[]).unwrap()
}

fn wrong(db: &Connection) -> (u64, Fault) {
    let wrong = look(db).wrong.expect("nothing was found");
    (wrong.seq, wrong.fault)
}

#[test]
fn a_chain_that_nobody_touched_is_sound() {
    assert!(look(&empty()).is_sound());
    let db = chain(9, &[4, 8]);
    let report = look(&db);
    assert_eq!((report.entries, report.first, report.last, report.heads, report.unsigned), (9, 1, 9, 2, 1));
    assert!(report.is_sound());
    assert_eq!(signer("a").sign_head(&db, &Chain::system(), 1).unwrap().unwrap().seq, 9);
    assert!(signer("a").sign_head(&db, &Chain::system(), 2).unwrap().is_none(), "nothing new to sign");
    let stranger = verify(&db, &Chain::system(), &signer("b").verifier(), &[]).unwrap();
    assert_eq!(stranger.wrong.unwrap().fault, Fault::BadSignature);
    let other = verify(&db, &Chain::tenant(&"bank".parse().unwrap()), &signer("a").verifier(), &[]).unwrap();
    assert_eq!(other.heads, 0, "heads of another chain prove nothing here");
}

#[test]
fn the_tables_refuse_what_people_do_by_mistake() {
    let db = empty();
    for n in 1..4 {
        append(&db, &entry(n)).unwrap();
    }
    signer("a").sign_head(&db, &Chain::system(), 1).unwrap();
    for sql in [
        "UPDATE audit SET about = 'x'",
        "DELETE FROM audit",
        "DELETE FROM audit WHERE seq = 3",
        "INSERT OR REPLACE INTO audit SELECT * FROM audit WHERE seq = 2",
        "UPDATE audit_heads SET seq = 1",
        "DELETE FROM audit_heads",
    ] {
        // REPLACE deletes without triggers unless they are recursive; the chain would show it.
        let done = db.execute(sql, []);
        assert!(done.is_err() || sql.starts_with("INSERT"), "{sql}");
    }
    assert!(look(&db).is_sound());
}

#[test]
fn every_field_of_every_entry_counts() {
    let fields = ["at_ms", "who_kind", "who_id", "who_name", "who_role", "address", "what", "about", "detail"];
    for seq in [1, 5, 9] {
        for field in fields {
            let db = chain(9, &[9]);
            let value = if field == "at_ms" { "at_ms + 1" } else { "'forged'" };
            db.execute(&format!("UPDATE audit SET {field} = {value} WHERE seq = ?1"), [seq]).unwrap();
            assert_eq!(wrong(&db), (seq, Fault::Changed), "{field}");
        }
        for (field, fault) in [("hash", Fault::Changed), ("previous", Fault::OutOfPlace)] {
            let db = chain(9, &[9]);
            db.execute(&format!("UPDATE audit SET {field} = randomblob(32) WHERE seq = ?1"), [seq]).unwrap();
            assert_eq!(wrong(&db), (seq, fault), "{field}");
        }
    }
}

#[test]
fn letters_moved_from_one_field_to_the_next_are_found() {
    let db = chain(3, &[]);
    db.execute("UPDATE audit SET who_name = 'ash', who_role = 'aadmin' WHERE seq = 2", []).unwrap();
    assert_eq!(wrong(&db), (2, Fault::Changed));
}

#[test]
fn what_is_removed_inserted_or_moved_is_found_where_it_happened() {
    let cases: [(&str, u64, Fault); 9] = [
        ("DELETE FROM audit WHERE seq = 1", 1, Fault::Missing),
        ("DELETE FROM audit WHERE seq = 5", 5, Fault::Missing),
        ("DELETE FROM audit WHERE seq BETWEEN 3 AND 6", 3, Fault::Missing),
        ("DELETE FROM audit WHERE seq = 9", 9, Fault::Missing),
        ("DELETE FROM audit", 1, Fault::Missing),
        // Removed, and the rest moved up.
        ("DELETE FROM audit WHERE seq = 5; UPDATE audit SET seq = seq - 1 WHERE seq > 5", 5, Fault::OutOfPlace),
        // Exchanged.
        (
            "UPDATE audit SET seq = 100 WHERE seq = 4; UPDATE audit SET seq = 4 WHERE seq = 6;
             UPDATE audit SET seq = 6 WHERE seq = 100",
            4,
            Fault::OutOfPlace,
        ),
        // A copy at the end.
        (
            "INSERT INTO audit SELECT 10, at_ms, who_kind, who_id, who_name, who_role, address, what, about, detail,
             previous, hash FROM audit WHERE seq = 9",
            10,
            Fault::OutOfPlace,
        ),
        ("UPDATE audit SET seq = 12 WHERE seq = 9", 9, Fault::Missing),
    ];
    for (sql, seq, fault) in cases {
        let db = chain(9, &[3, 9]);
        db.execute_batch(sql).unwrap();
        assert_eq!(wrong(&db), (seq, fault), "{sql}");
    }
}

/// Writes the chain anew from `from` on, as somebody would who knows how the hashes are made.
fn rewrite(db: &Connection, from: u64) {
    let kept = list(db, &Filter::default(), None, 1_000).unwrap();
    db.execute("DELETE FROM audit WHERE seq >= ?1", [from]).unwrap();
    for old in kept.into_iter().rev().filter(|old| old.seq >= from) {
        let about = if old.seq == from { "forged".to_owned() } else { old.about };
        let Kept { at_ms, who, what, detail, .. } = old;
        append(db, &Entry { at_ms, who, what, about, detail }).unwrap();
    }
}

#[test]
fn a_chain_that_was_written_anew_is_not_the_one_that_was_signed() {
    let db = chain(9, &[3, 7]);
    rewrite(&db, 5);
    assert_eq!(wrong(&db), (4, Fault::Rewritten), "between the heads of 3 and 7");
    let db = chain(9, &[3, 7]);
    rewrite(&db, 2);
    assert_eq!(wrong(&db), (1, Fault::Rewritten));
    // Behind the last head nobody has signed yet; a head kept outside would tell.
    let db = chain(9, &[3, 7]);
    let outside = signer("a").sign_head(&db, &Chain::system(), 1).unwrap().unwrap();
    db.execute("DELETE FROM audit_heads WHERE seq = 9", []).unwrap();
    rewrite(&db, 9);
    assert!(look(&db).is_sound());
    let report = verify(&db, &Chain::system(), &signer("a").verifier(), &[outside]).unwrap();
    assert_eq!(report.wrong.unwrap().fault, Fault::Rewritten);
}

#[test]
fn an_end_cut_off_with_its_heads_is_told_by_a_head_kept_outside() {
    let db = chain(9, &[3, 9]);
    let outside = heads(&db, &Chain::system(), 10).unwrap();
    let text = serde_json::to_string(&outside).unwrap();
    let outside: Vec<Head> = serde_json::from_str(&text).unwrap();
    db.execute_batch("DELETE FROM audit WHERE seq > 3; DELETE FROM audit_heads WHERE seq > 3").unwrap();
    assert!(look(&db).is_sound());
    let report = verify(&db, &Chain::system(), &signer("a").verifier(), &outside).unwrap();
    let wrong = report.wrong.unwrap();
    assert_eq!((wrong.seq, wrong.fault), (4, Fault::Missing));
}

#[test]
fn heads_and_cuts_are_signed() {
    for sql in [
        "UPDATE audit_heads SET seq = 4",
        "UPDATE audit_heads SET hash = randomblob(32)",
        "UPDATE audit_heads SET at_ms = at_ms + 1",
        "UPDATE audit_heads SET signature = randomblob(64)",
        "INSERT INTO audit_heads SELECT chain, seq + 1, hash, at_ms, signature FROM audit_heads",
        "DELETE FROM audit WHERE seq < 3;
         INSERT INTO audit_cuts SELECT 2, previous, 1, randomblob(64) FROM audit WHERE seq = 3",
    ] {
        let db = chain(9, &[5]);
        db.execute_batch(sql).unwrap();
        assert_eq!(wrong(&db).1, Fault::BadSignature, "{sql}");
    }
}

#[test]
fn old_entries_go_behind_a_signed_cut_and_the_rest_still_verifies() {
    let db = empty();
    for n in 0..20 {
        append(&db, &Entry { at_ms: n * DAY, ..entry(n) }).unwrap();
        signer("a").sign_head(&db, &Chain::system(), n).unwrap();
    }
    let cut_before = |ms| cut(&db, &signer("a"), &Chain::system(), ms, 99).unwrap();
    assert_eq!(cut_before(0), 0);
    assert_eq!(cut_before(5 * DAY), 5);
    assert_eq!(cut_before(5 * DAY), 0);
    let report = look(&db);
    assert_eq!((report.first, report.last, report.entries), (6, 20, 15), "{report:?}");
    assert!(report.is_sound(), "{report:?}");
    // The cut opened the door for what it covers only.
    assert!(db.execute("DELETE FROM audit WHERE seq = 6", []).is_err());
    assert_eq!(cut_before(u64::MAX / 2), 14, "the newest stays: the chain has an end");
    assert_eq!(append(&db, &entry(21)).unwrap(), 21);
    assert!(look(&db).is_sound());
    // What was not old goes unnoticed by no one.
    db.execute_batch("DROP TRIGGER audit_is_never_deleted; DELETE FROM audit WHERE seq = 20").unwrap();
    assert_eq!(wrong(&db), (20, Fault::Missing));
}

#[test]
fn a_young_entry_among_old_ones_stops_the_cut() {
    let db = empty();
    for at_ms in [1, 2, 9 * DAY, 3, 4] {
        append(&db, &Entry { at_ms, ..entry(1) }).unwrap();
    }
    assert_eq!(cut(&db, &signer("a"), &Chain::system(), DAY, 9).unwrap(), 2);
    assert!(look(&db).is_sound());
}

#[test]
fn what_is_too_long_is_cut_and_still_hangs_together() {
    let db = empty();
    let long = "ऄ".repeat(10_000);
    let who = Who { name: long.clone(), ..Who::the_box() };
    append(&db, &Entry { who, about: long.clone(), detail: json!({ "text": long }), ..entry(1) }).unwrap();
    let kept = list(&db, &Filter::default(), None, 1).unwrap().pop().unwrap();
    assert!(kept.about.len() <= limits::AUDIT_TEXT_MAX + 3 && kept.about.ends_with('…'));
    assert_eq!(kept.detail, json!({ "left_out_bytes": 30_011 }));
    assert!(look(&db).is_sound());
}

#[test]
fn entries_are_found_by_what_who_about_and_time() {
    let db = chain(9, &[]);
    let seqs = |filter: Filter, before, limit| -> Vec<u64> {
        list(&db, &filter, before, limit).unwrap().iter().map(|kept| kept.seq).collect()
    };
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(seqs(Filter::default(), None, 3), [9, 8, 7]);
    assert_eq!(seqs(Filter::default(), Some(7), 2), [6, 5]);
    assert_eq!(seqs(Filter { what: text("customer.edit"), ..Filter::default() }, None, 99), [8, 6, 4, 2]);
    assert_eq!(seqs(Filter { what: text("customer."), ..Filter::default() }, Some(5), 99), [4, 2]);
    assert_eq!(seqs(Filter { what: text("cust%"), ..Filter::default() }, None, 99), [0_u64; 0]);
    assert_eq!(seqs(Filter { who: text("u1"), about: text("c4"), ..Filter::default() }, None, 99), [4]);
    let between = Filter { from_ms: Some(2_000), until_ms: Some(4_000), ..Filter::default() };
    assert_eq!(seqs(between, None, 99), [3, 2]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    /// Any bit of any cell, any row gone, any two exchanged: found, and not after where it happened.
    #[test]
    fn any_single_mutation_is_found(seq in 1_u64..13, column in 0_usize..12, bit in 0_usize..4_096, kind in 0..3) {
        const COLUMNS: [&str; 12] = ["seq", "at_ms", "who_kind", "who_id", "who_name", "who_role", "address", "what",
            "about", "detail", "previous", "hash"];
        let db = chain(12, &[6, 12]);
        match kind {
            0 => {
                let column = COLUMNS[column];
                let sql = format!("SELECT {column} FROM audit WHERE seq = ?1");
                let cell: Cell = db.query_row(&sql, [seq], |row| row.get(0)).unwrap();
                let flip = |mut bytes: Vec<u8>| {
                    let at = bit % (bytes.len() * 8);
                    bytes[at / 8] ^= 1 << (at % 8);
                    bytes
                };
                let bent = match cell {
                    Cell::Integer(n) => Cell::Integer(n ^ (1 << (bit % 62))),
                    // Text that is no UTF-8 is what a flipped bit leaves; bound as text all the same.
                    Cell::Text(text) => {
                        let bytes = flip(text.into_bytes());
                        let sql = format!("UPDATE audit SET {column} = CAST(?2 AS TEXT) WHERE seq = ?1");
                        db.execute(&sql, params![seq, bytes]).unwrap();
                        Cell::Null
                    }
                    Cell::Blob(bytes) => Cell::Blob(flip(bytes)),
                    other => panic!("{other:?}"),
                };
                if bent != Cell::Null {
                    let sql = format!("UPDATE audit SET {column} = ?2 WHERE seq = ?1");
                    // Two entries of one number, or one below 1: refused by the table itself.
                    if db.execute(&sql, params![seq, bent]).is_err() {
                        return Ok(());
                    }
                }
            }
            1 => { db.execute("DELETE FROM audit WHERE seq = ?1", [seq]).unwrap(); }
            _ => {
                let other = seq % 12 + 1;
                db.execute("UPDATE audit SET seq = 1000 WHERE seq = ?1", [seq]).unwrap();
                db.execute("UPDATE audit SET seq = ?1 WHERE seq = ?2", [seq, other]).unwrap();
                db.execute("UPDATE audit SET seq = ?1 WHERE seq = 1000", [other]).unwrap();
            }
        }
        let found = look(&db).wrong.map(|wrong| wrong.seq);
        prop_assert!(found.is_some_and(|found| found <= seq + 1), "{found:?} for {seq}");
    }
}

/// `cargo nextest run --workspace --lib ten_thousand --run-ignored all --no-capture`
#[test]
#[ignore = "a measurement, not a check"]
fn ten_thousand_entries_are_verified_in() {
    let db = chain(10_000, &[5_000, 10_000]);
    let clock = crate::base::Clock::system();
    let began = clock.now();
    assert!(look(&db).is_sound());
    println!("10 000 entries verified in {:?}", clock.now().since(began));
}
