use super::*;
use crate::store::Database;
use crate::store::dnd::{BY_HAND, Categories, Listed, OPT_OUTS};

const DAY: u64 = 86_400_000;

fn purpose(text: &str) -> Purpose {
    text.parse().unwrap()
}

fn said(purpose_text: &str, status: Status, at_ms: u64) -> Consent {
    Consent {
        id: Uuid::now_v7(),
        phone_hash: "h".to_owned(),
        purpose: purpose(purpose_text),
        channel: Channel::Voice,
        status,
        explicit: true,
        at_ms,
        expires_ms: None,
        call: Some("call".to_owned()),
        call_offset_ms: Some(1_200),
        notice: "v3".to_owned(),
        language: "hi-IN".to_owned(),
        noted_by: "user:1".to_owned(),
        noted_ms: at_ms,
    }
}

fn listed(list: i64, categories: &[u8]) -> Listed {
    Listed {
        list,
        phone_hash: "h".to_owned(),
        categories: Categories::of(categories).unwrap(),
        since_ms: Some(7),
        until_ms: None,
        call: None,
        noted_by: None,
        reason: None,
        removed_ms: None,
        removed_by: None,
        removed_reason: None,
    }
}

#[test]
fn the_ledger_decides_by_its_newest_entry_and_a_no_wins() {
    use Status::{Given, Withdrawn};
    let of = |purpose: &str, status, at| said(purpose, status, at);
    let implied = Consent { explicit: false, ..of("promotional", Given, 1) };
    let until = Consent { expires_ms: Some(10 * DAY), ..of("promotional", Given, 1) };
    let cases: [(&str, Vec<Consent>, u64, Option<Refused>); 14] = [
        ("promotional", vec![], 5, Some(Refused::NeverGiven)),
        ("service", vec![], 5, None),
        ("transactional", vec![], 5, None),
        ("recovery", vec![], 5, None),
        ("recording", vec![], 5, Some(Refused::NeverGiven)),
        ("our-own-purpose", vec![], 5, Some(Refused::NeverGiven)),
        ("promotional", vec![of("promotional", Given, 1)], 5, None),
        ("promotional", vec![implied], 5, Some(Refused::NotExplicit)),
        ("promotional", vec![until.clone()], 10 * DAY - 1, None),
        ("promotional", vec![until], 10 * DAY, Some(Refused::Expired)),
        ("service", vec![of("service", Given, 1), of("service", Withdrawn, 1)], 5, Some(Refused::Withdrawn)),
        (
            "promotional",
            vec![of("promotional", Withdrawn, 3), of("promotional", Given, 2)],
            5,
            Some(Refused::Withdrawn),
        ),
        ("service", vec![of("service", Given, 1), of("calls", Withdrawn, 2)], 5, Some(Refused::Withdrawn)),
        ("promotional", vec![of("calls", Withdrawn, 2), of("promotional", Given, 3)], 5, None),
    ];
    for (at, (wanted, entries, now, refused)) in cases.into_iter().enumerate() {
        let db = Database::scratch_tenant();
        let verdict = db
            .write_blocking(move |db| {
                entries.iter().try_for_each(|entry| insert(db, entry))?;
                may(db, "h", &purpose(wanted), now)
            })
            .unwrap();
        match (&verdict, refused) {
            (Verdict::Refused { reason, .. }, Some(wanted)) => assert_eq!(*reason, wanted, "case {at}"),
            (verdict, None) => assert!(verdict.is_allowed(), "case {at}: {verdict:?}"),
            other => panic!("case {at}: {other:?}"),
        }
    }
}

#[test]
fn an_opt_out_stands_against_everything_and_a_register_against_what_nobody_agreed_to() {
    let db = Database::scratch_tenant();
    let verdict =
        |text: &'static str, category| db.read_blocking(|db| may_call(db, "h", &purpose(text), category, 9)).unwrap();
    let put = |sql: &'static str| db.write_blocking(move |db| Ok(db.execute_batch(sql)?)).unwrap();
    put("INSERT INTO dnd_lists (number, name, kind, state, made_ms, touched_ms, made_by)
         VALUES (50, 'ncpr', 'register', 'active', 3, 3, 'x');
         INSERT INTO dnd (list, phone_hash, categories) VALUES (50, 'h', 2)");
    let on_a_list = Verdict::Refused { reason: Refused::OnAList, since_ms: Some(3) };
    assert_eq!(verdict("service", Category::Finance), on_a_list);
    assert!(verdict("service", Category::Health).is_allowed(), "another category");
    assert!(verdict("transactional", Category::Finance).is_allowed());
    assert!(verdict("recovery", Category::Finance).is_allowed());
    db.write_blocking(|db| insert(db, &said("service", Status::Given, 4))).unwrap();
    assert!(verdict("service", Category::Finance).is_allowed(), "agreed to");
    db.write_blocking(|db| insert(db, &said("promotional", Status::Given, 4))).unwrap();
    assert!(verdict("promotional", Category::Finance).is_allowed(), "agreed to");

    db.write_blocking(|db| dnd::add(db, &listed(OPT_OUTS, &[0]))).unwrap();
    let opted_out = Verdict::Refused { reason: Refused::OptedOut, since_ms: Some(7) };
    for text in ["service", "promotional", "transactional", "recovery", "calls"] {
        assert_eq!(verdict(text, Category::Health), opted_out, "{text}");
    }
    db.write_blocking(|db| dnd::remove(db, "h", "user:1", "asked to be called again", 10)).unwrap();
    assert!(verdict("recovery", Category::Health).is_allowed());
    db.write_blocking(|db| dnd::add(db, &listed(BY_HAND, &[3]))).unwrap();
    assert!(verdict("recovery", Category::Education).is_allowed(), "one category only is no opt-out");
}

#[test]
fn nothing_in_the_ledger_is_changed_and_its_history_is_whole() {
    let db = Database::scratch_tenant();
    db.write_blocking(|db| {
        for n in 0..30 {
            let status = if n % 2 == 0 { Status::Given } else { Status::Withdrawn };
            insert(db, &said("promotional", status, n))?;
        }
        assert!(db.execute("UPDATE consents SET status = 'given'", []).is_err());
        let all = history(db, "h")?;
        assert_eq!(all.iter().map(|entry| entry.at_ms).collect::<Vec<_>>(), (0..30).collect::<Vec<_>>());
        assert_eq!(current(db, "h", "promotional")?.as_ref(), all.last());
        let now: Vec<String> =
            db.prepare("SELECT id FROM consents_now")?.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
        assert_eq!(now, [all[29].id.to_string()], "the view agrees");
        let mut paged = Vec::new();
        let mut after = None;
        loop {
            let page = list(db, after, 7)?;
            let Some(last) = page.last() else { break };
            after = Some((last.noted_ms, last.id));
            paged.extend(page);
        }
        paged.reverse();
        assert_eq!(paged, all);
        Ok(())
    })
    .unwrap();
}

#[test]
fn what_cannot_be_is_refused() {
    let db = Database::scratch_tenant();
    let refused = |entry: Consent| db.write_blocking(move |db| insert(db, &entry)).unwrap_err().to_string();
    let good = said("promotional", Status::Given, 100 * DAY);
    assert!(refused(Consent { expires_ms: Some(1), ..good.clone() }).contains("end before"));
    assert!(refused(Consent { noted_ms: 1, ..good.clone() }).contains("future"));
    assert!(refused(Consent { notice: "x".repeat(5_000), ..good }).contains("notice"));
    for wrong in ["", "Promo", "1x", "a b", &"x".repeat(41)] {
        assert!(wrong.parse::<Purpose>().is_err(), "{wrong}");
    }
}
