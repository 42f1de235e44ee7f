use std::cell::Cell;

use rusqlite::params;

use super::*;
use crate::base::event::{Event, Speaker};
use crate::base::{CallId, Lang};
use crate::store::holds::tests::hold;
use crate::store::holds::{Scope, lift, place};

const DAY: u64 = DAY_MS;
const NOW: u64 = 2_000 * DAY;

fn call(db: &Connection, number: u64, age_days: u64) -> CallId {
    let id = CallId::from_seed(7, number);
    let at = NOW - age_days * DAY;
    db.execute(
        "INSERT INTO calls (id, transport, direction, agent, customer, caller_hash, state, started_ms, ended_ms)
         VALUES (?1, 't', 'inbound', 'a', ?2, ?3, 'completed', ?4, ?4)",
        params![id.to_string(), format!("c{number}"), format!("h{number}"), at],
    )
    .unwrap();
    for event in [
        Event::Heard { turn: 1, by: Speaker::Caller, language: Lang::Hi, confidence: 1.0, text: "words".to_owned() },
        Event::Said { turn: 1, language: Lang::Hi, text: "words".to_owned(), heard: "wor".to_owned(), cut: true },
        Event::SpeechStarted { turn: 1 },
    ] {
        db.execute(
            "INSERT INTO events (call, unix_ms, call_ms, kind, body) VALUES (?1, ?2, 1, ?3, ?4)",
            params![id.to_string(), at, event.kind(), serde_json::to_string(&event).unwrap()],
        )
        .unwrap();
    }
    db.execute("INSERT INTO turns VALUES (?1, 1, ?2, 'hi-IN', NULL, 'flow', 5, '{}')", params![id.to_string(), at])
        .unwrap();
    db.execute(
        "INSERT INTO media (name, call, kind, bytes, made_ms) VALUES (?1, ?2, 'recording', 9, ?3)",
        params![format!("r{number}"), id.to_string(), at],
    )
    .unwrap();
    id
}

fn sweep(db: &Database, now: u64) -> Vec<(&'static str, u64)> {
    sweep_blocking(db, &plan(&Retention::default(), now), now, &|| true).unwrap().into_iter().collect()
}

fn count(db: &Database, sql: &'static str) -> i64 {
    db.read_blocking(|db| Ok(db.query_row(sql, [], |row| row.get(0))?)).unwrap()
}

const WORDS: &str = "SELECT count(*) FROM events WHERE instr(body, 'wor') > 0";

#[test]
fn each_class_goes_at_its_age() {
    let db = Database::scratch_tenant();
    db.write_blocking(|db| {
        for (number, age) in [(1, 89), (2, 91), (3, 364), (4, 366), (5, 1_096)] {
            call(db, number, age);
        }
        db.execute_batch(&format!(
            "INSERT INTO callbacks VALUES ('old', 'p', 'h', 'a', 'hi-IN', {}), ('new', 'p', 'h', 'a', 'hi-IN', {});
             INSERT INTO customers (id, external_id, name, phone, phone_hash, created_ms, updated_ms, last_call_at_ms) VALUES
                 ('old', '1', 'n', 'p', 'h', 1, 1, 5), ('called', '2', 'n', 'p', 'h', 1, 1, {2}), ('new', '3', 'n', 'p', 'h', 1, {2}, NULL);
             INSERT INTO uploads (id, file_name, sha256, bytes, format, who, status, started_ms) VALUES ('u', 'f', '', 1, 'csv', 'x', 'done', 1);
             INSERT INTO upload_rejects VALUES ('u', 1, 1, 'f', 'r', 'a', '[]'), ('u', 2, 2, 'f', 'r', 'a', '[]');
             INSERT INTO dnd_lists (number, name, kind, state, made_ms, touched_ms, made_by) VALUES (9, 'x', 'own', 'replaced', 1, 1, 'x');
             INSERT INTO dnd_rejects VALUES (9, 1, 'r')",
            NOW - 91 * DAY,
            NOW - 89 * DAY,
            NOW - 5 * DAY
        ))?;
        Ok(())
    })
    .unwrap();
    assert_eq!(
        sweep(&db, NOW),
        [
            ("callbacks", 1),
            ("calls", 1),
            ("customers", 1),
            ("dnd_lists", 1),
            ("dnd_rejects", 1),
            ("events", 6),
            ("recordings", 4),
            ("upload_rejects", 2),
            ("words", 8)
        ]
    );
    assert_eq!(count(&db, WORDS), 2, "of the youngest call");
    assert_eq!(count(&db, "SELECT count(*) FROM events"), 9);
    assert_eq!(count(&db, "SELECT count(*) FROM calls"), 4);
    assert_eq!(count(&db, "SELECT count(*) FROM turns"), 4);
    assert_eq!(count(&db, "SELECT count(*) FROM customers WHERE id IN ('called', 'new')"), 2);
    assert_eq!(count(&db, "SELECT count(*) FROM media_gone"), 4);
    let events = db.read_blocking(|db| crate::store::journal::since(db, 0, 100)).unwrap();
    assert_eq!(events.len(), 9, "what is left can still be read as events");
    assert_eq!(sweep(&db, NOW), []);
}

#[test]
fn what_is_held_stays_until_the_hold_is_lifted() {
    let db = Database::scratch_tenant();
    let ids: Vec<CallId> = db.write_blocking(|db| Ok((1..=4).map(|number| call(db, number, 1_100)).collect())).unwrap();
    let held =
        [hold(Scope::Person, "h1", 1), hold(Scope::Customer, "c2", 1), hold(Scope::Call, &ids[2].to_string(), 1)];
    let lifted = held.clone();
    db.write_blocking(move |db| held.iter().try_for_each(|hold| place(db, hold))).unwrap();
    let gone = sweep(&db, NOW);
    assert_eq!(gone, [("calls", 1), ("events", 3), ("recordings", 1), ("words", 2)]);
    assert_eq!(count(&db, WORDS), 6);
    assert_eq!(sweep(&db, NOW), [], "what is held is passed by, not waited for");
    db.write_blocking(move |db| lifted.iter().try_for_each(|hold| lift(db, hold.id, "u", "settled", 5).map(drop)))
        .unwrap();
    assert_eq!(sweep(&db, NOW).iter().find(|(what, _)| *what == "calls"), Some(&("calls", 3)));

    let db = Database::scratch_tenant();
    db.write_blocking(|db| {
        call(db, 1, 1_100);
        place(db, &hold(Scope::Tenant, "", 1))
    })
    .unwrap();
    assert_eq!(sweep(&db, NOW), []);
    assert_eq!(count(&db, WORDS), 2);
}

#[test]
fn many_rows_go_in_batches_with_pauses_and_a_stop_is_obeyed() {
    let db = Database::scratch_tenant();
    db.write_blocking(|db| {
        for number in 0..600 {
            call(db, number, 400);
        }
        // The first of them are held: the walk goes on behind them.
        place(db, &hold(Scope::Person, "h0", 1))
    })
    .unwrap();
    let steps = plan(&Retention::default(), NOW);
    let pauses = Cell::new(0);
    let stop = || {
        pauses.set(pauses.get() + 1);
        pauses.get() < 2
    };
    let part = sweep_blocking(&db, &steps, NOW, &stop).unwrap();
    assert_eq!(part["words"], 2 * limits::SWEEP_BATCH - 2, "two batches, and not what is held");
    let rest = sweep(&db, NOW);
    assert_eq!(rest.iter().find(|(what, _)| *what == "events"), Some(&("events", 599 * 3)));
    assert_eq!(count(&db, "SELECT count(*) FROM events"), 3);
    let before = db.stats().commits;
    sweep(&db, NOW);
    assert!(db.stats().commits - before < 8, "what is held costs a few looks, no walk through everything");
}

#[test]
fn zero_days_are_for_ever_and_a_young_box_deletes_nothing() {
    let ever = Class::all().fold(Retention::default(), |retention, class| retention.with(class, 0));
    let steps = plan(&ever, NOW);
    assert_eq!(steps.iter().map(Step::what).collect::<Vec<_>>(), ["released"]);
    assert_eq!(audit_before(&ever, NOW), None);
    let young = plan(&Retention::default(), 5 * DAY);
    assert_eq!(young.iter().map(Step::what).collect::<Vec<_>>(), ["released"], "nothing is that old yet");
    assert_eq!(audit_before(&Retention::default(), NOW), Some(NOW - 1_095 * DAY));
    for pair in plan(&Retention::default(), NOW).windows(2) {
        let order = |step: &Step| ["words", "events", "calls"].iter().position(|what| *what == step.what());
        if let (Some(a), Some(b)) = (order(&pair[0]), order(&pair[1])) {
            assert!(a < b, "words before facts before calls");
        }
    }
}

#[test]
fn old_consents_go_and_what_counts_stays() {
    let db = Database::scratch_tenant();
    db.write_blocking(|db| {
        for (id, hash, status, at, expires) in [
            ("a", "h1", "given", 1, None),
            ("b", "h1", "withdrawn", 2, None),
            ("c", "h2", "given", 1, None),
            ("d", "h3", "given", 1, Some(5)),
        ] {
            db.execute(
                "INSERT INTO consents (id, phone_hash, purpose, channel, status, explicit, at_ms, expires_ms, noted_by, noted_ms)
                 VALUES (?1, ?2, 'promotional', 'voice', ?3, 1, ?4, ?5, 'x', ?4)",
                params![id, hash, status, at, expires],
            )?;
        }
        Ok(())
    })
    .unwrap();
    let long = 3_000 * DAY;
    assert_eq!(sweep(&db, long), [("consents", 2)]);
    assert_eq!(
        count(&db, "SELECT count(*) FROM consents WHERE id IN ('b', 'c')"),
        2,
        "the no, and the yes that stands"
    );
}
