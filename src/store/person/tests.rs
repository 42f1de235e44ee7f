use std::collections::BTreeMap;

use rusqlite::params;
use serde_json::Value;
use uuid::Uuid;

use super::*;
use crate::base::event::{Event, Record, Speaker};
use crate::base::secret::Secret;
use crate::base::{CallId, Lang, limits};
use crate::store::consents::{self, Channel, Consent, Status};
use crate::store::holds::{self, Hold, Scope};
use crate::store::{Database, dnd, migrations};

const DAY: u64 = 86_400_000;
const NOW: u64 = 1_000 * DAY;
const PHONE: &str = "+919876543210";
const NAME: &str = "Venkatalakshmi Raghunathan";
/// What she said; nobody else says it.
const WORDS: &str = "chandamama katha";

fn hash() -> KeyedHash {
    KeyedHash::new(Secret::new("k"))
}

fn by_phone() -> Asked {
    Asked::Phone(PHONE.parse().unwrap())
}

fn put(db: &Connection, call: CallId, at: u64, event: &Event) {
    db.execute(
        "INSERT INTO events (call, unix_ms, call_ms, kind, body) VALUES (?1, ?2, 1, ?3, ?4)",
        params![call.to_string(), at, event.kind(), serde_json::to_string(event).unwrap()],
    )
    .unwrap();
}

fn call(db: &Connection, number: u64, phone: &str, customer: Option<&str>, at: u64, words: &str) -> CallId {
    let id = CallId::from_seed(at, number);
    let whose = hash().of(phone);
    db.execute(
        "INSERT INTO calls (id, transport, carrier_call, direction, agent, customer, caller_hash, state, started_ms, ended_ms)
         VALUES (?1, 'twilio', ?2, 'inbound', 'helpdesk', ?3, ?4, 'completed', ?5, ?5 + 9)",
        params![id.to_string(), format!("CA{number}"), customer, whose, at],
    )
    .unwrap();
    let (text, heard) = (words.to_owned(), words.to_owned());
    let turn = 1;
    let language = Lang::Te;
    put(db, id, at, &serde_json::from_value(serde_json::json!({
        "event": "call_initiated", "transport": "twilio", "direction": "inbound", "agent": "helpdesk", "caller_hash": whose
    })).unwrap());
    put(db, id, at, &Event::Heard { turn, by: Speaker::Caller, language, confidence: 0.9, text: text.clone() });
    put(db, id, at, &Event::Said { turn, language, text, heard, cut: false });
    put(db, id, at, &Event::Action { action: format!("[[promise date=\"{words}\"]]"), done: true });
    let no = Event::Action { action: "[[do_not_call]]".to_owned(), done: true };
    put(db, id, at, &no);
    db.execute(
        "INSERT INTO turns VALUES (?1, 1, ?2, 'te-IN', 'promise', 'flow', 5, '{}')",
        params![id.to_string(), at],
    )
    .unwrap();
    db.execute("INSERT INTO call_status_updates VALUES (?1, 1, ?2, 'ready', 'initiated')", params![id.to_string(), at])
        .unwrap();
    for kind in ["recording", "transcript"] {
        db.execute(
            "INSERT INTO media (name, call, kind, bytes, made_ms) VALUES (?1, ?2, ?3, 9, ?4)",
            params![format!("calls/{kind}/{id}"), id.to_string(), kind, at],
        )
        .unwrap();
    }
    db.execute(
        "INSERT INTO outbox (id, endpoint, sequence, event_type, about, body, created_ms, queued_ms, state, next_ms)
         VALUES (?1, 'e', ?2, 'turn.heard', ?3, ?4, 1, 1, 'waiting', 1)",
        params![Uuid::now_v7().to_string(), number, id.to_string(), format!("{{\"text\":\"{words}\"}}")],
    )
    .unwrap();
    dnd::heard(db, &Record { call: id, unix_ms: at, call_ms: 1, event: no }).unwrap();
    id
}

fn customer(db: &Connection, id: &str, name: &str, phone: &str) {
    db.execute(
        "INSERT INTO customers (id, external_id, name, phone, phone_hash, comments, custom, created_ms, updated_ms)
         VALUES (?1, ?1, ?2, ?3, ?4, ?2, json_object('nick', ?2), 1, 1)",
        [id, name, phone, &hash().of(phone)],
    )
    .unwrap();
}

/// Her with two calls (one old, one young), and a neighbour whom nobody must touch.
fn seed(db: &Connection) {
    db.execute(
        "INSERT INTO webhook_endpoints (id, url, about, events, numbers, ordered, enabled, secret, created_ms, updated_ms)
         VALUES ('e', 'https://x', '', '[\"*\"]', 'none', 0, 1, 's', 1, 1)",
        [],
    )
    .unwrap();
    db.execute("INSERT INTO webhook_lanes (endpoint) VALUES ('e')", []).unwrap();
    customer(db, "c1", NAME, PHONE);
    customer(db, "c2", "Somebody Else", "+919999999999");
    call(db, 1, PHONE, Some("c1"), NOW - 400 * DAY, WORDS);
    call(db, 2, PHONE, None, NOW - 10 * DAY, WORDS);
    call(db, 3, "+919999999999", Some("c2"), NOW - 10 * DAY, "other words");
    for (n, phone) in [PHONE, "+919999999999"].into_iter().enumerate() {
        db.execute(
            "INSERT INTO callbacks VALUES (?1, ?2, ?3, 'helpdesk', 'te-IN', 1)",
            params![format!("k{n}"), phone, hash().of(phone)],
        )
        .unwrap();
    }
    db.execute(
        "INSERT INTO uploads (id, file_name, sha256, bytes, format, who, status, started_ms) VALUES ('u', 'f', '', 1, 'csv', 'x', 'done', 1)",
        [],
    )
    .unwrap();
    for (n, cells) in
        [format!("[\"{NAME}\",\"bad\"]"), "[\"98765 43210\",\"9\"]".to_owned(), "[\"Else\",\"7\"]".to_owned()]
            .into_iter()
            .enumerate()
    {
        db.execute("INSERT INTO upload_rejects VALUES ('u', ?1, ?1, 'phone', 'r', 'a', ?2)", params![n, cells])
            .unwrap();
    }
    for (n, body) in
        [format!("{{\"phone\":\"{PHONE}\"}}"), "{\"phone\":\"+919999999999\"}".to_owned()].into_iter().enumerate()
    {
        db.execute(
            "INSERT INTO idempotency VALUES ('w', ?1, 'r', 'b', 200, '', ?2, 1)",
            params![format!("k{n}"), body.into_bytes()],
        )
        .unwrap();
    }
    let consent = Consent {
        id: Uuid::now_v7(),
        phone_hash: hash().of(PHONE),
        purpose: "promotional".parse().unwrap(),
        channel: Channel::Voice,
        status: Status::Given,
        explicit: true,
        at_ms: 5,
        expires_ms: None,
        call: None,
        call_offset_ms: None,
        notice: "v1".to_owned(),
        language: "te-IN".to_owned(),
        noted_by: "user:1".to_owned(),
        noted_ms: 5,
    };
    consents::insert(db, &consent).unwrap();
}

fn seeded() -> Database {
    let db = Database::scratch_tenant();
    db.write_blocking(|db| {
        seed(db);
        Ok(())
    })
    .unwrap();
    db
}

fn run(db: &Database, asked: Asked, now: u64) -> Result<Receipt, StoreError> {
    let subject = db.read_blocking(|db| find(db, &asked, &hash(), Purpose::Erase)).unwrap();
    db.write_blocking(move |db| erase(db, subject, "user:1", now))
}

fn tables_of(db: &Connection) -> Vec<String> {
    let sql = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name";
    db.prepare(sql).unwrap().query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
}

/// Every row of every table as text.
fn dump(db: &Database) -> BTreeMap<String, Vec<String>> {
    db.read_blocking(|db| {
        let mut all = BTreeMap::new();
        for table in tables_of(db) {
            let mut statement = db.prepare(&format!("SELECT * FROM {table}"))?;
            let columns = statement.column_count();
            let mut rows = statement.query([])?;
            let mut texts = Vec::new();
            while let Some(row) = rows.next()? {
                let mut text = String::new();
                for at in 0..columns {
                    use rusqlite::types::ValueRef::{Blob, Integer, Null, Real, Text};
                    match row.get_ref(at)? {
                        Text(bytes) | Blob(bytes) => text.push_str(&String::from_utf8_lossy(bytes)),
                        Integer(n) => text.push_str(&n.to_string()),
                        Real(n) => text.push_str(&n.to_string()),
                        Null => {}
                    }
                    text.push('\u{1f}');
                }
                texts.push(text);
            }
            texts.sort();
            all.insert(table, texts);
        }
        Ok(all)
    })
    .unwrap()
}

/// Tables with a row that holds one of the texts.
fn holding(db: &Database, texts: &[&str]) -> Vec<String> {
    let found = dump(db);
    found
        .into_iter()
        .filter(|(_, rows)| rows.iter().any(|row| texts.iter().any(|t| row.contains(t))))
        .map(|(t, _)| t)
        .collect()
}

#[test]
fn every_table_and_column_is_known() {
    let mut db = Connection::open_in_memory().unwrap();
    migrations::apply(&mut db, migrations::TENANT).unwrap();
    for table in tables_of(&db) {
        let known = TABLES.iter().find(|known| known.name == table);
        let known = known.unwrap_or_else(|| panic!("{table}: say in store/person/tables.rs whom it knows"));
        let columns: BTreeSet<String> = db
            .prepare(&format!("PRAGMA table_info({table})"))
            .unwrap()
            .query_map([], |row| row.get(1))
            .unwrap()
            .collect::<Result<_, _>>()
            .unwrap();
        let listed: BTreeSet<String> = known.columns.iter().map(|c| (*c).to_owned()).collect();
        assert_eq!(columns, listed, "{table}: say in store/person/tables.rs what the column holds");
    }
    assert_eq!(TABLES.len(), tables_of(&db).len(), "a table of the list is not in the database, or is there twice");
}

#[test]
fn an_unknown_table_or_column_would_be_noticed() {
    let mut db = Connection::open_in_memory().unwrap();
    migrations::apply(&mut db, migrations::TENANT).unwrap();
    db.execute_batch("CREATE TABLE notes (id TEXT) STRICT; ALTER TABLE calls ADD COLUMN nick TEXT").unwrap();
    assert!(tables_of(&db).iter().any(|table| TABLES.iter().all(|known| known.name != table)));
    let calls = TABLES.iter().find(|table| table.name == "calls").unwrap();
    let count: usize = db.query_row("SELECT count(*) FROM pragma_table_info('calls')", [], |row| row.get(0)).unwrap();
    assert_eq!(count, calls.columns.len() + 1);
}

#[test]
fn one_person_is_told_everything_and_nothing_of_others() {
    let db = seeded();
    let told = |asked: Asked| {
        db.read_blocking(|db| {
            let subject = find(db, &asked, &hash(), Purpose::Export)?;
            let mut out = Vec::new();
            let rows = export(db, &subject, NOW, &mut out)?;
            Ok((rows, out))
        })
        .unwrap()
    };
    let (rows, bytes) = told(by_phone());
    assert_eq!(told(by_phone()).1, bytes, "the same twice");
    let text = String::from_utf8(bytes).unwrap();
    let json: Value = serde_json::from_str(&text).unwrap();
    let count = |table: &str| json["held"][table]["rows"].as_array().unwrap().len();
    let expected = [
        ("customers", 1),
        ("callbacks", 1),
        ("calls", 2),
        ("call_status_updates", 2),
        ("turns", 2),
        ("events", 10),
        ("media", 4),
        ("outbox", 2),
        ("upload_rejects", 1),
        ("idempotency", 1),
        ("consents", 3),
        ("dnd", 1),
        ("retained", 0),
        ("erasures", 0),
    ];
    for (table, wanted) in expected {
        assert_eq!(count(table), wanted, "{table}");
    }
    assert_eq!(rows, 30);
    assert_eq!(json["rows"], 30);
    assert_eq!(json["held"]["customers"]["rows"][0]["custom"]["nick"], NAME, "JSON is told as JSON");
    assert_eq!(json["held"]["events"]["rows"][1]["body"]["text"], WORDS);
    assert!(json["held"]["consents"]["kept_when_erased"].is_string());
    assert!(text.contains("calls/recording/"), "names of media");
    for other in ["other words", "Somebody Else", "9999999999"] {
        assert!(!text.contains(other), "{other}");
    }
    let of_customer = told(Asked::Customer("c1".to_owned()));
    assert_eq!(of_customer.0, 30, "nobody shares her number");
    assert_eq!(told(Asked::Customer("nobody".to_owned())).0, 0);
}

#[test]
fn who_shares_a_number_is_told_apart_by_id() {
    let db = seeded();
    db.write_blocking(|db| {
        customer(db, "c9", "Her Husband", PHONE);
        Ok(())
    })
    .unwrap();
    let subject = db.read_blocking(|db| find(db, &Asked::Customer("c1".to_owned()), &hash(), Purpose::Erase)).unwrap();
    assert_eq!((subject.customers.len(), subject.hashes.len(), subject.calls.len()), (1, 0, 1));
    run(&db, Asked::Customer("c1".to_owned()), NOW).unwrap();
    let kept = dump(&db);
    assert!(kept["customers"].iter().any(|row| row.contains("Her Husband")));
    assert_eq!(kept["callbacks"].len(), 2);
}

#[test]
fn after_an_erasure_no_table_holds_number_name_or_words() {
    let db = seeded();
    let before = dump(&db);
    assert_eq!(
        holding(&db, &[PHONE, "9876543210", NAME, WORDS]),
        ["callbacks", "customers", "events", "idempotency", "outbox", "upload_rejects"]
    );
    let receipt = run(&db, by_phone(), NOW).unwrap();
    assert_eq!(holding(&db, &[PHONE, "9876543210", "98765 43210", NAME, WORDS]), [""; 0]);
    let gone: Vec<_> = receipt.gone.iter().map(|(table, rows)| (table.as_str(), *rows)).collect();
    assert_eq!(
        gone,
        [
            ("callbacks", 1),
            ("calls", 1),
            ("customers", 1),
            ("events", 8),
            ("idempotency", 1),
            ("media", 4),
            ("outbox", 2),
            ("turns", 2),
            ("upload_rejects", 2)
        ]
    );
    // The young call's facts stay for their year, by the keyed hash; the opt-out stays.
    let kept: Vec<_> = receipt.kept.iter().map(|kept| (kept.what.as_str(), kept.rows, kept.until_ms)).collect();
    assert_eq!(
        kept,
        [("calls", 1, Some(NOW - 10 * DAY + limits::CALL_FACTS_KEPT_MS)), ("consents", 3, None), ("dnd", 1, None)]
    );
    assert!(db.read_blocking(|db| dnd::opted_out(db, &hash().of(PHONE), NOW)).unwrap().is_some());
    let after = dump(&db);
    let (old, young) = (CallId::from_seed(NOW - 400 * DAY, 1), CallId::from_seed(NOW - 10 * DAY, 2));
    assert_eq!(after["events"].iter().filter(|row| row.contains(&old.to_string())).count(), 0);
    assert_eq!(after["events"].iter().filter(|row| row.contains(&young.to_string())).count(), 2);
    let hers = hash().of(PHONE);
    assert_eq!(after["calls"].iter().filter(|row| row.contains(&hers)).count(), 1, "the old one is nobody's");
    assert_eq!(after["calls"].len(), 3);
    assert_eq!(after["media_gone"].len(), 4);
    // The neighbour has everything.
    for (table, rows) in &before {
        let theirs = |rows: &[String]| {
            rows.iter().filter(|row| row.contains("9999999999") || row.contains("other words")).count()
        };
        assert_eq!(theirs(rows), theirs(&after[table]), "{table}");
    }
    assert!(!serde_json::to_string(&receipt).unwrap().contains("98765"));
}

#[test]
fn erasing_twice_changes_nothing_and_says_so() {
    let db = seeded();
    let first = run(&db, by_phone(), NOW).unwrap();
    let after = dump(&db);
    let second = run(&db, by_phone(), NOW + DAY).unwrap();
    assert!(second.repeated && !first.repeated);
    assert_eq!((second.id, second.at_ms, &second.gone), (first.id, NOW, &first.gone), "the receipt of the first time");
    assert_eq!(dump(&db), after);
    // By id it was another request about the same person: nothing is there any more.
    assert!(matches!(run(&db, Asked::Customer("c1".to_owned()), NOW), Err(StoreError::NotFound(_))));
    // She calls again, and asks again.
    db.write_blocking(|db| {
        call(db, 7, PHONE, None, NOW + 2 * DAY, WORDS);
        Ok(())
    })
    .unwrap();
    let third = run(&db, by_phone(), NOW + 3 * DAY).unwrap();
    assert!(!third.repeated && third.gone["events"] == 3);
    assert_eq!(holding(&db, &[WORDS]), [""; 0]);
}

#[test]
fn a_hold_or_a_live_call_stands_against_it_and_nothing_is_half_done() {
    for (scope, about) in [
        (Scope::Tenant, String::new()),
        (Scope::Person, hash().of(PHONE)),
        (Scope::Customer, "c1".to_owned()),
        (Scope::Call, CallId::from_seed(NOW - 10 * DAY, 2).to_string()),
    ] {
        let db = seeded();
        let hold = Hold {
            id: Uuid::now_v7(),
            scope,
            about,
            reason: "case 7".to_owned(),
            placed_by: "u".to_owned(),
            placed_ms: 1,
            until_ms: None,
            lifted_by: None,
            lifted_ms: None,
            lifted_reason: None,
        };
        let id = hold.id;
        db.write_blocking(move |db| holds::place(db, &hold)).unwrap();
        let before = dump(&db);
        let refused = run(&db, by_phone(), NOW).unwrap_err();
        assert!(
            matches!(&refused, StoreError::Conflict(why) if why.contains("case 7") && why.contains("lift")),
            "{refused}"
        );
        assert_eq!(dump(&db), before);
        db.write_blocking(move |db| holds::lift(db, id, "u", "settled", NOW)).unwrap();
        run(&db, by_phone(), NOW).unwrap();
    }
    let db = seeded();
    db.write_blocking(|db| Ok(db.execute("UPDATE calls SET ended_ms = NULL WHERE carrier_call = 'CA2'", [])?)).unwrap();
    let before = dump(&db);
    assert!(run(&db, by_phone(), NOW).unwrap_err().to_string().contains("on a call"));
    assert_eq!(dump(&db), before);
}

#[test]
fn an_erasure_that_breaks_off_has_erased_nothing() {
    let db = seeded();
    let before = dump(&db);
    let subject = db.read_blocking(|db| find(db, &by_phone(), &hash(), Purpose::Erase)).unwrap();
    let broken: Result<(), _> = db.write_blocking(move |db| {
        let receipt = erase(db, subject, "user:1", NOW)?;
        assert!(!receipt.gone.is_empty());
        Err(StoreError::Invalid("the audit entry could not be written".to_owned()))
    });
    assert!(broken.is_err());
    assert_eq!(dump(&db), before);
    // The last statement fails: the receipt cannot be written.
    db.write_blocking(|db| {
        Ok(db.execute_batch("CREATE TRIGGER no BEFORE INSERT ON erasures BEGIN SELECT RAISE(ABORT, 'no'); END")?)
    })
    .unwrap();
    assert!(run(&db, by_phone(), NOW).is_err());
    assert_eq!(dump(&db), before);
}

#[test]
fn what_law_kept_is_released_when_its_time_is_over() {
    let db = seeded();
    run(&db, by_phone(), NOW).unwrap();
    let steps = crate::store::retention::plan(&crate::config::Retention::default(), NOW + 300 * DAY);
    let release: Vec<_> = steps.into_iter().filter(|step| step.what() == "released").collect();
    let sweep = |now| crate::store::retention::sweep_blocking(&db, &release, now, &|| true).unwrap();
    assert!(sweep(NOW + 300 * DAY).is_empty());
    let later = NOW + 356 * DAY;
    let release: Vec<_> = crate::store::retention::plan(&crate::config::Retention::default(), later)
        .into_iter()
        .filter(|step| step.what() == "released")
        .collect();
    let gone = crate::store::retention::sweep_blocking(&db, &release, later, &|| true).unwrap();
    assert_eq!(gone.into_iter().collect::<Vec<_>>(), [("released", 1)]);
    let hers = hash().of(PHONE);
    let left = dump(&db);
    assert!(left["calls"].iter().all(|row| !row.contains(&hers)) && left["retained"].is_empty());
}

/// SQLite frees what is deleted; whether it also overwrites it is seen in the file, here without a key.
#[test]
fn what_was_erased_is_in_no_page_of_the_file() {
    let pragma: i64 =
        seeded().write_blocking(|db| Ok(db.pragma_query_value(None, "secure_delete", |row| row.get(0))?)).unwrap();
    assert_eq!(pragma, 1, "the writer overwrites what it deletes");
    for secure in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("plain.db");
        let mut db = Connection::open(&path).unwrap();
        db.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(())).unwrap();
        db.pragma_update(None, "secure_delete", secure).unwrap();
        migrations::apply(&mut db, migrations::TENANT).unwrap();
        seed(&db);
        let words_in_files = || {
            db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
            let mut files = std::fs::read(&path).unwrap();
            files.extend(std::fs::read(dir.path().join("plain.db-wal")).unwrap_or_default());
            let has = |needle: &str| files.windows(needle.len()).any(|w| w == needle.as_bytes());
            [PHONE, NAME, WORDS].into_iter().filter(|needle| has(needle)).count()
        };
        assert_eq!(words_in_files(), 3);
        let subject = find(&db, &by_phone(), &hash(), Purpose::Erase).unwrap();
        erase(&db, subject, "user:1", NOW).unwrap();
        let left = words_in_files();
        if secure {
            assert_eq!(left, 0);
        } else {
            assert!(left > 0, "the test would not notice");
        }
    }
}
