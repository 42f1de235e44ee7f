use super::*;
use crate::base::secret::Secret;
use crate::store::Database;
use crate::store::webhooks::Endpoint;

const NOW: u64 = 1_800_000_000_000;

fn endpoint(events: &[&str], ordered: bool) -> Endpoint {
    Endpoint {
        id: EndpointId::new(),
        url: "https://example.in/hooks".to_owned(),
        about: "the core bank".to_owned(),
        events: events.iter().map(|e| (*e).to_owned()).collect(),
        numbers: Numbers::Masked,
        ordered,
        enabled: true,
        disabled_why: String::new(),
        version: 1,
        created_ms: NOW,
        updated_ms: NOW,
    }
}

fn add(db: &Database, endpoint: &Endpoint) {
    let endpoint = endpoint.clone();
    db.write_blocking(move |db| webhooks::insert(db, &endpoint, &Secret::new("whsec_x"))).unwrap();
}

fn put(db: &Database, endpoint: EndpointId, n: u64) -> DeliveryId {
    db.write_blocking(move |db| {
        enqueue(db, NOW + n, endpoint, "call.ended", &format!("call-{n}"), &format!("{{\"n\":{n}}}"))
    })
    .unwrap()
}

fn standing(db: &Database, id: EndpointId) -> (u64, u64) {
    let (_, standing) = db.read_blocking(|db| webhooks::get(db, id)).unwrap().unwrap();
    // The triggers' counts are the truth.
    let count = |state: &'static str| {
        db.read_blocking(|db| {
            let sql = "SELECT count(*) FROM outbox WHERE endpoint = ?1 AND state = ?2";
            Ok(db.query_row(sql, params![id.to_string(), state], |r| r.get::<_, u64>(0))?)
        })
        .unwrap()
    };
    assert_eq!((standing.waiting, standing.dead), (count("waiting"), count("dead")));
    (standing.waiting, standing.dead)
}

fn settled(id: DeliveryId, endpoint: EndpointId, fate: Fate) -> Settled {
    Settled {
        id,
        endpoint,
        fate,
        attempts: 1,
        status: Some(200),
        error: String::new(),
        circuit: Circuit::default(),
        disable: None,
    }
}

fn settle_now(db: &Database, one: Settled) {
    db.write_blocking(move |db| settle(db, &one, NOW + 50)).unwrap();
}

#[test]
fn an_event_is_put_into_the_line_of_whoever_wants_it() {
    let db = Database::scratch_tenant();
    let (all, some, none) =
        (endpoint(&["*"], true), endpoint(&["call.ended", "alert.raised"], false), endpoint(&["call.started"], false));
    let mut off = endpoint(&["*"], false);
    off.enabled = false;
    for one in [&all, &some, &none, &off] {
        add(&db, one);
    }
    let told =
        db.write_blocking(|db| announce(db, NOW, "call.ended", "c", |numbers| Ok(format!("{numbers:?}")))).unwrap();
    assert_eq!(told, 2);
    assert_eq!([&all, &some, &none, &off].map(|e| standing(&db, e.id).0), [1, 1, 0, 0]);
    // Undone with the transaction that it was part of.
    let undone = db.write_blocking(|db| {
        announce(db, NOW, "call.ended", "c", |_| Ok("x".to_owned()))?;
        Err::<(), _>(StoreError::Invalid("broken on purpose".to_owned()))
    });
    assert!(undone.is_err());
    assert_eq!(standing(&db, all.id), (1, 0));
    let too_long =
        db.write_blocking(move |db| enqueue(db, NOW, all.id, "x", "", &"x".repeat(limits::WEBHOOK_PAYLOAD_MAX + 1)));
    assert!(matches!(too_long, Err(StoreError::Invalid(_))));
    assert_eq!(db.read_blocking(counts).unwrap(), Counts { waiting: 2, dead: 0 });
}

#[test]
fn rows_stand_in_order_or_by_time_and_keep_id_and_bytes() {
    let db = Database::scratch_tenant();
    let one = endpoint(&["*"], true);
    add(&db, &one);
    let ids: Vec<_> = (0..5).map(|n| put(&db, one.id, n)).collect();
    assert!(ids.is_sorted());
    settle_now(&db, settled(ids[0], one.id, Fate::Again { at_ms: NOW + 9_000 }));
    let seen = |ordered, most| {
        db.read_blocking(|db| window(db, one.id, ordered, most)).unwrap().iter().map(|w| w.id).collect::<Vec<_>>()
    };
    assert_eq!(seen(true, 2), [ids[0], ids[1]], "the one that failed is still the first");
    assert_eq!(seen(false, 9), [ids[1], ids[2], ids[3], ids[4], ids[0]]);
    settle_now(&db, settled(ids[1], one.id, Fate::Delivered));
    settle_now(&db, settled(ids[2], one.id, Fate::Dead));
    assert_eq!(standing(&db, one.id), (3, 1));
    let before = db.read_blocking(|db| body(db, ids[2])).unwrap();
    db.write_blocking({
        let id = ids[2];
        move |db| replay(db, id, NOW + 60)
    })
    .unwrap();
    assert_eq!(seen(true, 9), [ids[0], ids[3], ids[4], ids[2]], "a replay goes to the end, under its own name");
    assert_eq!(db.read_blocking(|db| body(db, ids[2])).unwrap(), before);
    let again = db.read_blocking(|db| get(db, ids[2])).unwrap().unwrap();
    assert_eq!((again.attempts, again.replays, again.state), (0, 1, State::Waiting));
    let waiting = ids[3];
    assert!(matches!(db.write_blocking(move |db| replay(db, waiting, NOW)), Err(StoreError::Conflict(_))));
    assert!(matches!(db.write_blocking(|db| replay(db, DeliveryId::new(), NOW)), Err(StoreError::NotFound(_))));
    // A dead letter that was delivered after all is delivered; one delivered does not die.
    settle_now(&db, settled(ids[2], one.id, Fate::Delivered));
    settle_now(&db, settled(ids[2], one.id, Fate::Dead));
    settle_now(&db, settled(ids[2], one.id, Fate::Again { at_ms: 1 }));
    assert_eq!(db.read_blocking(|db| get(db, ids[2])).unwrap().unwrap().state, State::Delivered);
    assert_eq!(standing(&db, one.id), (3, 0));
    let letter = db.read_blocking(|db| webhooks::letter(db, ids[3])).unwrap().unwrap();
    assert_eq!((letter.url.as_str(), letter.body.as_str()), ("https://example.in/hooks", "{\"n\":3}"));
    assert!(db.read_blocking(|db| webhooks::letter(db, ids[2])).unwrap().is_none(), "it waits no longer");
}

#[test]
fn a_full_line_gives_up_its_oldest_and_a_replay_brings_it_back() {
    let db = Database::scratch_tenant();
    let one = endpoint(&["*"], false);
    add(&db, &one);
    let ids: Vec<_> = (0..3).map(|n| put(&db, one.id, n)).collect();
    let pretend = |waiting: u64| {
        db.write_blocking(move |db| {
            db.execute("UPDATE webhook_lanes SET waiting = ?1", [waiting])?;
            Ok(())
        })
        .unwrap();
    };
    pretend(limits::OUTBOX_WAITING_MAX);
    put(&db, one.id, 4);
    let oldest = db.read_blocking(|db| get(db, ids[0])).unwrap().unwrap();
    assert_eq!((oldest.state, oldest.error.as_str()), (State::Dead, "queue full"));
    let first = ids[0];
    assert!(matches!(db.write_blocking(move |db| replay(db, first, NOW)), Err(StoreError::Conflict(_))));
    pretend(3);
    db.write_blocking(move |db| replay(db, first, NOW)).unwrap();
    assert_eq!(standing(&db, one.id), (4, 0));
}

#[test]
fn ranges_are_replayed_in_batches_and_only_once() {
    let db = Database::scratch_tenant();
    let one = endpoint(&["*"], true);
    add(&db, &one);
    let many = limits::OUTBOX_BATCH as u64 + 7;
    let ids: Vec<_> = (0..many).map(|n| put(&db, one.id, n)).collect();
    for (n, id) in ids.iter().enumerate() {
        let fate = if n % 2 == 0 { Fate::Delivered } else { Fate::Dead };
        settle_now(&db, settled(*id, one.id, fate));
    }
    // Everything was made now: ids carry the true time.
    let all = Range { endpoint: one.id, since_ms: 0, until_ms: u64::MAX >> 20, dead_only: false };
    let turn = |range: Range, after| db.write_blocking(move |db| replay_range(db, range, after, NOW)).unwrap();
    let (none, next) = turn(Range { until_ms: 5, ..all }, None);
    assert_eq!((none, next), (0, None));
    let (count, next) = turn(Range { dead_only: true, ..all }, None);
    assert_eq!((count, next), (many as usize / 2, None));
    let (count, next) = turn(all, None);
    assert_eq!((count, next), (many as usize - many as usize / 2, None), "those that wait already are left alone");
    assert_eq!(standing(&db, one.id), (many, 0));
    for id in &ids {
        settle_now(&db, settled(*id, one.id, Fate::Delivered));
    }
    let (first, next) = turn(all, None);
    assert_eq!((first, next), (limits::OUTBOX_BATCH, Some(ids[limits::OUTBOX_BATCH - 1])));
    assert_eq!(turn(all, next), (7, None));
    let line = db.read_blocking(|db| window(db, one.id, true, 1_000)).unwrap();
    assert_eq!(line.iter().map(|w| w.id).collect::<Vec<_>>(), ids, "in their old order");
}

#[test]
fn lists_are_paged_without_gaps() {
    let db = Database::scratch_tenant();
    let (one, other) = (endpoint(&["*"], false), endpoint(&["*"], false));
    add(&db, &one);
    add(&db, &other);
    let mut ids: Vec<_> = (0..7).map(|n| put(&db, if n % 2 == 0 { one.id } else { other.id }, n)).collect();
    ids.reverse();
    let page =
        |of, before| db.read_blocking(|db| list(db, of, before, 2)).unwrap().iter().map(|p| p.id).collect::<Vec<_>>();
    let mut seen = Vec::new();
    while let Some(last) = {
        let found = page(Of::State(State::Waiting), seen.last().copied());
        seen.extend(&found);
        found.last().copied()
    } {
        assert_eq!(seen.last(), Some(&last));
    }
    assert_eq!(seen, ids);
    assert_eq!(page(Of::Endpoint(one.id), None).len(), 2);
    assert!(page(Of::State(State::Dead), None).is_empty());
}

#[test]
fn sweeps_forget_the_old_and_the_removed_in_batches() {
    let db = Database::scratch_tenant();
    let (one, gone) = (endpoint(&["*"], false), endpoint(&["*"], false));
    add(&db, &one);
    add(&db, &gone);
    let ids: Vec<_> = (0..4).map(|n| put(&db, one.id, n)).collect();
    settle_now(&db, settled(ids[0], one.id, Fate::Delivered));
    settle_now(&db, settled(ids[1], one.id, Fate::Dead));
    for n in 0..(limits::OUTBOX_BATCH as u64 + 3) {
        put(&db, gone.id, n);
    }
    let gone_id = gone.id;
    db.write_blocking(move |db| webhooks::remove(db, gone_id, NOW)).unwrap();
    assert!(db.read_blocking(|db| webhooks::get(db, gone_id)).unwrap().is_none());
    assert!(db.read_blocking(|db| webhooks::secrets(db, gone_id)).unwrap().is_none());
    assert!(matches!(db.write_blocking(move |db| webhooks::remove(db, gone_id, NOW)), Err(StoreError::NotFound(_))));
    let sweep = |keep_after, give_up| db.write_blocking(move |db| sweep(db, keep_after, give_up, NOW + 100)).unwrap();
    assert_eq!(sweep(0, 0), Swept { removed: limits::OUTBOX_BATCH, ..Swept::default() });
    assert_eq!(sweep(0, 0), Swept { removed: 3, ..Swept::default() });
    assert_eq!(sweep(0, 0), Swept::default());
    let rows =
        db.read_blocking(|db| Ok(db.query_row("SELECT count(*) FROM webhook_endpoints", [], |r| r.get::<_, i64>(0))?));
    assert_eq!(rows.unwrap(), 1, "the removed endpoint went with its last row");
    // Later than any id and any settlement.
    let later = NOW * 2;
    assert_eq!(sweep(later, 0), Swept { forgotten: 1, lost: 1, ..Swept::default() });
    assert_eq!(standing(&db, one.id), (2, 0), "what waits is never swept while its endpoint is on");
    let id = one.id;
    db.write_blocking(move |db| webhooks::disable(db, id, "410", NOW)).unwrap();
    assert_eq!(sweep(0, NOW + 3), Swept { given_up: 1, ..Swept::default() });
    assert_eq!(standing(&db, one.id), (1, 1));
}

#[test]
fn changes_name_the_version_they_were_made_from() {
    let db = Database::scratch_tenant();
    let mut one = endpoint(&["*"], false);
    add(&db, &one);
    let id = one.id;
    let open = Circuit { failures: 9, failing_since_ms: Some(NOW), open_until_ms: Some(NOW + 5) };
    db.write_blocking(move |db| webhooks::write_circuit(db, id, &open)).unwrap();
    one.url = "https://other.in/".to_owned();
    let update = |one: &Endpoint| {
        let one = one.clone();
        db.write_blocking(move |db| webhooks::update(db, &one))
    };
    assert_eq!(update(&one).unwrap(), 2);
    let (now, how) = db.read_blocking(|db| webhooks::get(db, id)).unwrap().unwrap();
    assert_eq!((now.url.as_str(), now.version, how.failures, how.open_until_ms), ("https://other.in/", 2, 0, None));
    assert!(matches!(update(&one), Err(StoreError::Conflict(why)) if why.contains("version 2, not 1")));
    assert!(matches!(update(&endpoint(&["*"], false)), Err(StoreError::NotFound(_))));
    db.write_blocking(move |db| webhooks::rotate(db, id, &Secret::new("whsec_new"), NOW + 10, NOW)).unwrap();
    let secrets = db.read_blocking(|db| webhooks::secrets(db, id)).unwrap().unwrap();
    assert!(secrets.current.matches("whsec_new"));
    assert!(secrets.old.is_some_and(|(old, until)| old.matches("whsec_x") && until == NOW + 10));
    for _ in 1..limits::WEBHOOKS_MAX {
        add(&db, &endpoint(&["*"], false));
    }
    let more = endpoint(&["*"], false);
    let refused = db.write_blocking(move |db| webhooks::insert(db, &more, &Secret::new("x")));
    assert!(matches!(refused, Err(StoreError::Conflict(why)) if why.contains("remove one first")));
}

#[test]
fn looking_for_what_to_send_reads_indexes_only() {
    let db = Database::scratch_tenant();
    let plan = |sql: &'static str| {
        db.read_blocking(|db| {
            let mut statement = db.prepare(&format!("EXPLAIN QUERY PLAN {sql}"))?;
            let lines: Vec<String> = statement.query_map([], |r| r.get(3))?.collect::<Result<_, _>>()?;
            Ok(lines.join("; "))
        })
        .unwrap()
    };
    for sql in [
        "SELECT id, sequence FROM outbox INDEXED BY outbox_line WHERE endpoint = 'e' AND state = 'waiting' ORDER BY sequence LIMIT 9",
        "SELECT id, next_ms FROM outbox INDEXED BY outbox_due WHERE endpoint = 'e' AND state = 'waiting' ORDER BY next_ms LIMIT 9",
        "SELECT * FROM outbox WHERE endpoint = 'e' AND id < 'g' ORDER BY id DESC LIMIT 9",
        "SELECT * FROM outbox WHERE state = 'dead' AND id < 'g' ORDER BY id DESC LIMIT 9",
        "SELECT id FROM outbox WHERE state = 'dead' AND id < 'g' AND settled_ms < 5 ORDER BY id LIMIT 9",
        "DELETE FROM outbox WHERE about = 'c' AND about <> ''",
    ] {
        let plan = plan(sql);
        assert!(plan.contains("USING") && !plan.contains("SCAN") && !plan.contains("TEMP B-TREE"), "{sql}: {plan}");
    }
}
