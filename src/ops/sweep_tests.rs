use std::sync::Mutex;

use rusqlite::params;

use super::*;
use crate::config::Class;
use crate::store::audit::{Entry, Verifier};
use crate::store::crypt::MasterKey;

const DAY: u64 = 86_400_000;

fn sweep(state: &std::path::Path) -> Sweep {
    let clock = Clock::system();
    let vault = Vault::open(state, MasterKey::load(state).unwrap(), clock).unwrap();
    let audit = Audit::new(vault.clone(), clock);
    Sweep { vault, audit, clock, retention: Retention::default(), remove: None, chores: Vec::new() }
}

fn old_call(db: &Database, id: &'static str, at: u64) {
    db.write_blocking(move |db| {
        db.execute(
            "INSERT INTO calls (id, transport, direction, agent, state, started_ms, ended_ms) VALUES (?1, 't', 'inbound', 'a', 'completed', ?2, ?2)",
            params![id, at],
        )?;
        db.execute("INSERT INTO media (name, call, kind, bytes, made_ms) VALUES (?1, ?1, 'recording', 9, ?2)", params![id, at])?;
        Ok(())
    })
    .unwrap();
}

fn count(db: &Database, sql: &'static str) -> i64 {
    db.read_blocking(|db| Ok(db.query_row(sql, [], |row| row.get(0))?)).unwrap()
}

#[tokio::test]
async fn every_tenant_is_swept_and_the_audit_log_says_what_went() {
    let state = tempfile::tempdir().unwrap();
    let mut sweep = sweep(state.path());
    let now = sweep.now();
    let bank: TenantId = "bank".parse().unwrap();
    let db = sweep.vault.create_tenant(&bank, "A bank").unwrap();
    let default = sweep.vault.tenant(&TenantId::default_tenant()).unwrap();
    old_call(&db, "old", now - 1_100 * DAY);
    old_call(&db, "young", now - DAY);
    let removed = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&removed);
    sweep.remove = Some(Arc::new(move |tenant, name| {
        seen.lock().unwrap().push(format!("{tenant}/{name}"));
        Box::pin(async { Ok(()) })
    }));
    sweep.chores.push(("sessions", Arc::new(|| Box::pin(async { Ok(3) }))));
    let scope = Scope::new();
    let swept = sweep.once(&scope).await.unwrap();
    assert_eq!(
        swept["bank"].iter().map(|(k, v)| (k.as_str(), *v)).collect::<Vec<_>>(),
        [("calls", 1), ("objects", 1), ("recordings", 1)]
    );
    assert_eq!(swept[""]["sessions"], 3);
    assert!(!swept.contains_key("default"));
    assert_eq!(*removed.lock().unwrap(), ["bank/old"]);
    assert_eq!((count(&db, "SELECT count(*) FROM calls"), count(&db, "SELECT count(*) FROM media_gone")), (1, 0));
    let entries = db.read(|db| audit::list(db, &Filter::default(), None, 9)).await.unwrap();
    assert_eq!((entries.len(), entries[0].what.as_str()), (1, "retention.swept"));
    assert_eq!(entries[0].detail["calls"], 1);
    assert_eq!(count(&default, "SELECT count(*) FROM audit"), 0, "nothing went there");
    assert!(sweep.last().await.unwrap() >= now);
    assert!(sweep.audit.verify(Some(&bank), Vec::new()).await.unwrap().is_sound());
}

#[tokio::test]
async fn an_object_that_cannot_be_removed_is_tried_again() {
    let state = tempfile::tempdir().unwrap();
    let mut sweep = sweep(state.path());
    let db = sweep.vault.tenant(&TenantId::default_tenant()).unwrap();
    old_call(&db, "old", sweep.now() - 1_100 * DAY);
    sweep.remove = Some(Arc::new(|_, _| Box::pin(async { Err("the bucket is away".to_owned()) })));
    sweep.once(&Scope::new()).await.unwrap();
    assert_eq!(count(&db, "SELECT count(*) FROM media_gone"), 1);
    sweep.remove = Some(Arc::new(|_, _| Box::pin(async { Ok(()) })));
    let swept = sweep.once(&Scope::new()).await.unwrap();
    assert_eq!(swept["default"]["objects"], 1);
}

#[tokio::test]
async fn a_chore_that_fails_or_a_stop_leaves_the_night_open() {
    let state = tempfile::tempdir().unwrap();
    let mut sweep = sweep(state.path());
    sweep.chores.push(("broken", Arc::new(|| Box::pin(async { Err(StoreError::Full) }))));
    sweep.once(&Scope::new()).await.unwrap();
    assert_eq!(sweep.last().await.unwrap(), 0, "tried again at the next look");
    sweep.chores.clear();
    let stopping = Scope::new();
    stopping.stop();
    sweep.once(&stopping).await.unwrap();
    assert_eq!(sweep.last().await.unwrap(), 0);
    sweep.once(&Scope::new()).await.unwrap();
    assert!(sweep.last().await.unwrap() > 0);
}

#[tokio::test]
async fn old_entries_of_the_audit_log_go_behind_a_signed_cut() {
    let state = tempfile::tempdir().unwrap();
    let mut sweep = sweep(state.path());
    sweep.retention = sweep.retention.with(Class::Audit, 365);
    let now = sweep.now();
    for database in [sweep.vault.system().clone(), sweep.vault.tenant(&TenantId::default_tenant()).unwrap()] {
        database
            .write_blocking(move |db| {
                for n in 0..1_200_u64 {
                    let at_ms = if n < 1_100 { n } else { now };
                    let (what, about) = ("x".to_owned(), String::new());
                    audit::append(db, &Entry { at_ms, who: Who::the_box(), what, about, detail: json!(n) })?;
                }
                Ok(())
            })
            .unwrap();
    }
    sweep.audit.sign_now().await.unwrap();
    let swept = sweep.once(&Scope::new()).await.unwrap();
    assert_eq!((swept[""]["audit"], swept["default"]["audit"]), (1_100, 1_100));
    sweep.audit.sign_now().await.unwrap();
    for tenant in [None, Some(TenantId::default_tenant())] {
        let report = sweep.audit.verify(tenant.as_ref(), Vec::new()).await.unwrap();
        assert!(report.is_sound() && report.first == 1_101 && report.heads > 0, "{report:?}");
    }
    let key = Verifier::from_hex(&sweep.audit.verifier().to_hex()).unwrap();
    assert_eq!(key, sweep.audit.verifier());
}
