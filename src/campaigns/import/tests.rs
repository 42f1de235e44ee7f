use proptest::prelude::*;

use super::super::lists::Lists;
use super::inflate::{Refused, unpacked};
use super::*;
use crate::base::event::CallState;
use crate::base::secret::{KeyedHash, Secret};
use crate::base::{Clock, Lang};
use crate::dialogue::states::States;
use crate::store::customers::{Customer, Filter};
use crate::store::uploads::Status;
use crate::store::{Database, uploads};

fn state(name: &str) -> Option<String> {
    let known = [("karnataka", "Karnataka"), ("ka", "Karnataka"), ("kerala", "Kerala")];
    known.iter().find(|(written, _)| *written == name.to_lowercase()).map(|(_, name)| (*name).to_owned())
}

const SIZES: &[(&str, u64)] = &[
    ("leads.xlsx", 3_164),
    ("leads-1904.xlsx", 3_177),
    ("fixed.xlsx", 3_164),
    ("stored.xlsx", 3_164),
    ("bomb.xlsx", 6_002_899),
    ("no-such-string.xlsx", 2_252),
    ("wide.xlsx", 53_912),
];

fn rules() -> Rules<'static> {
    Rules { zone: TimeZone::UTC, state: &state }
}

fn read(bytes: &[u8]) -> Parsed {
    parse(bytes, &rules()).unwrap()
}

fn hash() -> KeyedHash {
    KeyedHash::new(Secret::new("k"))
}

fn take(db: &Database, text: &str, dry_run: bool) -> uploads::Upload {
    let hash = hash();
    let how = Bring {
        file_name: "leads.csv",
        sha256: "x".into(),
        bytes: text.len(),
        who: "asha",
        dry_run,
        clock: Clock::system(),
        hash: &hash,
        left: &|_| (),
    };
    bring(db, &how, read(text.as_bytes())).unwrap()
}

/// As the start does it; how many lists there were.
fn recovered(db: &Database, now_ms: i64) -> usize {
    let lists = Lists::new(States::default(), TimeZone::UTC);
    lists.leave_unfinished(db).unwrap();
    lists.clear_left(now_ms)
}

fn all(db: &Database) -> Vec<Customer> {
    db.read_blocking(|db| customers::list(db, &Filter::default(), None, 1_000_000)).unwrap()
}

#[test]
fn the_seeds_list_is_taken_over_whole() {
    let text = "name,phone_number,state,loan_id,amount,due_date,language_code,Priority,Pool,Callback Time,Branch\n\
         Asha Rao,98765 43210,KA,LN-1,\"₹12,500.50\",17/08/2025,kn,high,AI,2025-08-17 17:30,MG Road\n";
    let parsed = read(text.as_bytes());
    assert!(parsed.rejects.is_empty(), "{:?}", parsed.rejects);
    let (line, _, f) = &parsed.rows[0];
    assert_eq!((*line, f.name.as_str(), f.phone.reveal()), (2, "Asha Rao", "+919876543210"));
    assert_eq!(
        (f.state.as_deref(), f.loan_id.as_deref(), f.language),
        (Some("Karnataka"), Some("LN-1"), Some(Lang::Kn))
    );
    assert_eq!((f.amount_paise, f.due_date.as_deref(), f.priority), (Some(1_250_050), Some("2025-08-17"), 7));
    assert_eq!((f.callback_at_ms, f.pool), (Some(1_755_451_800_000), Some(customers::Pool::Ai)));
    assert_eq!(f.custom["branch"], "MG Road");
}

#[test]
fn every_row_that_is_left_out_is_told_with_one_reason() {
    let long = "x".repeat(limits::UPLOAD_CELL_CHARS_MAX + 1);
    let text = format!(
        "name,phone,state,amount,due_date,language,external_id\n\
         A,9876543210,Kerala,1,2025-08-17,ml,1\n\
         B,98765,Kerala,1,2025-08-17,ml,\n\
         C,9876543211,Kerla,1,2025-08-17,ml,\n\
         D,9876543212,Kerala,-1,2025-08-17,ml,\n\
         E,9876543213,Kerala,1,17th,ml,\n\
         F,9876543214,Kerala,1,2025-08-17,French,\n\
         G,9876543210,Kerala,1,2025-08-17,ml,1\n\
         H,9876543210,Kerala,1,2025-08-17,ml,2\n\
         I,9876543215,Kerala,1,2025-08-17,ml,,too,many\n\
         J,,Kerala,1,2025-08-17,ml,\n\
         {long},9876543216\n\
         K,9876543217\n\
         \"L\u{7}\",9876543218\n"
    );
    let parsed = read(text.as_bytes());
    let told: Vec<(u64, &str)> = parsed.rejects.iter().map(|r| (r.line, r.field.as_str())).collect();
    assert_eq!(
        told,
        [
            (3, "phone_number"),
            (4, "state"),
            (5, "amount"),
            (6, "due_date"),
            (7, "language_code"),
            (8, "phone_number"),
            (10, ""),
            (11, "phone_number"),
            (12, "name"),
            (14, "name"),
        ]
    );
    for reject in &parsed.rejects {
        assert!(!reject.reason.is_empty() && !reject.advice.is_empty());
        let personal = ["98765", "Kerla", "French"].iter().any(|word| reject.reason.contains(word));
        assert!(!personal, "a reason does not repeat the cell: {}", reject.reason);
    }
    assert_eq!(parsed.rows.iter().map(|(line, ..)| *line).collect::<Vec<_>>(), [2, 9, 13]);
}

#[test]
fn workbooks_are_read_with_their_numbers_and_dates() {
    for file in ["leads", "leads-1904", "fixed", "stored", "wide"] {
        let bytes = std::fs::read(format!("tests/lists/{file}.xlsx")).unwrap();
        let parsed = read(&bytes);
        assert_eq!(parsed.format, "xlsx");
        let rows: Vec<_> = parsed
            .rows
            .iter()
            .map(|(line, _, f)| (*line, f.phone.reveal(), f.state.as_deref(), f.amount_paise, f.due_date.as_deref()))
            .collect();
        let (state, due) = (Some("Karnataka"), Some("2025-08-17"));
        assert_eq!(
            rows,
            [
                (2, "+919876543210", state, Some(1_250_050), due),
                (4, "+919876543211", state, Some(90_000), due),
                (1_048_576, "+919876543212", None, None, None),
            ],
            "{file}"
        );
        assert_eq!(parsed.rows[0].2.custom["branch"], "42");
        assert_eq!(parsed.rejects.iter().map(|r| r.line).collect::<Vec<_>>(), [5, 6]);
    }
}

#[test]
fn an_archive_is_measured_without_being_unpacked() {
    // As `make.py` printed them.
    for (file, size) in SIZES {
        let bytes = std::fs::read(format!("tests/lists/{file}")).unwrap();
        assert_eq!(unpacked(&bytes, *size), Ok(*size), "{file}");
        assert_eq!(unpacked(&bytes, size - 1), Err(Refused::TooLarge), "{file}");
        // What the archive says of itself is not believed.
        let mut lying = bytes.clone();
        let directory = (0..lying.len() - 4).filter(|at| lying[*at..].starts_with(b"PK\x01\x02")).collect::<Vec<_>>();
        for at in directory {
            lying[at + 24..at + 28].fill(0);
        }
        assert_eq!(unpacked(&lying, *size), Ok(*size), "{file}");
        assert_eq!(unpacked(&bytes[..bytes.len() / 2], *size), Err(Refused::Broken), "{file}");
    }
}

#[test]
fn files_that_are_no_lists_are_refused_with_what_to_do() {
    let fixture = |name: &str| std::fs::read(format!("tests/lists/{name}")).unwrap();
    for (bytes, code) in [
        (b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1".to_vec(), "old_or_locked_workbook"),
        (b"PK\x03\x04 and then nothing".to_vec(), "not_xlsx"),
        (fixture("no-such-string.xlsx"), "not_xlsx"),
        (vec![b'a'; limits::UPLOAD_BYTES_MAX + 1], "file_too_large"),
        (format!("phone\n{}", "1\n".repeat(limits::UPLOAD_ROWS_MAX + 1)).into_bytes(), "too_many_rows"),
        (b"name,town\nAsha,Hubli\n".to_vec(), "no_phone_column"),
        (Vec::new(), "empty"),
    ] {
        let error = parse(&bytes, &rules()).unwrap_err();
        assert_eq!(error.code, code, "{error}");
        assert!(error.detail.len() > 30);
    }
}

#[test]
fn a_dry_run_keeps_nobody_and_tells_the_same() {
    let db = Database::scratch_tenant();
    let first = "name,phone\nA,9876543210\nB,98\n";
    let dry = take(&db, first, true);
    assert_eq!((dry.status, dry.rows_ok, dry.rows_rejected), (Status::DryRun, 1, 1));
    assert!(all(&db).is_empty());
    let wet = take(&db, first, false);
    assert!(wet.finished_ms >= Some(wet.started_ms) && wet.started_ms > 5);
    assert_eq!((wet.status, wet.rows_total, wet.rows_ok, wet.rows_rejected), (Status::Done, 2, 1, 1));
    assert_eq!(all(&db)[0].status, CallState::Ready);
    // What is there already is left out, and told, in a dry run too.
    for dry in [true, false] {
        let again = take(&db, "name,phone\nA,+91 98765 43210\nC,9876543219\n", dry);
        assert_eq!((again.rows_ok, again.rows_rejected), (1, 1));
        let rejects = db.read_blocking(|db| uploads::rejects(db, again.id, None, 10)).unwrap();
        assert_eq!(
            (rejects[0].1.line, rejects[0].1.cells.as_slice()),
            (2, &["A".to_owned(), "+91 98765 43210".into()][..])
        );
        assert!(rejects[0].1.reason.contains("there already"));
    }
    assert_eq!(all(&db).len(), 2);
}

/// Stops a list after `rows` of its customers are written, as a power cut would.
fn cut_off(db: &Database, text: &str, rows: usize) -> uuid::Uuid {
    let parsed = read(text.as_bytes());
    let id = uuid::Uuid::now_v7();
    let upload = uploads::Upload {
        id,
        file_name: "cut.csv".into(),
        sha256: String::new(),
        bytes: 0,
        format: "csv".into(),
        who: "asha".into(),
        status: Status::Writing,
        rows_total: 0,
        rows_ok: 0,
        rows_rejected: 0,
        detail: String::new(),
        started_ms: 1,
        finished_ms: None,
    };
    db.write_blocking(move |db| {
        uploads::insert(db, &upload)?;
        for (_, _, fields) in parsed.rows.into_iter().take(rows) {
            customers::insert(db, &Customer { upload_id: Some(id), ..Customer::new(fields, 1) }, &hash())?;
        }
        Ok(())
    })
    .unwrap();
    id
}

#[test]
fn a_list_that_was_cut_off_is_never_seen_and_goes_at_the_next_start() {
    let db = Database::scratch_tenant();
    take(&db, "name,phone\nOld,9876500000\n", false);
    let text: String =
        std::iter::once("name,phone\n".to_owned()).chain((0..700).map(|n| format!("N,98766{n:05}\n"))).collect();
    let cut = cut_off(&db, &text, 600);
    let written: i64 =
        db.read_blocking(|db| Ok(db.query_row("SELECT count(*) FROM customers", [], |r| r.get(0))?)).unwrap();
    assert_eq!((written, all(&db).len()), (601, 1), "600 are on the disk, nobody sees them");
    assert_eq!(db.read_blocking(customers::by_status).unwrap(), [(CallState::Ready, 1)]);
    assert_eq!(recovered(&db, 9), 1);
    let upload = db.read_blocking(move |db| uploads::get(db, cut)).unwrap().unwrap();
    assert_eq!((upload.status, upload.finished_ms), (Status::Failed, Some(9)));
    assert!(upload.detail.contains("bring it again"));
    assert_eq!(take(&db, &text, false).rows_ok, 700, "the same list can be brought again");
    assert_eq!(all(&db).len(), 701);
    assert_eq!(recovered(&db, 9), 0);
}

#[test]
fn a_full_disk_leaves_nothing_of_a_list() {
    let db = Database::scratch_tenant();
    let pages: i64 = db.read_blocking(|db| Ok(db.query_row("PRAGMA page_count", [], |r| r.get(0))?)).unwrap();
    let limit = |pages: i64| {
        db.write_blocking(move |db| Ok(db.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(()))?))
            .unwrap();
    };
    let text: String = std::iter::once("name,phone,comments\n".to_owned())
        .chain((0..5_000).map(|n| format!("N,98766{n:05},{}\n", "c".repeat(150))))
        .collect();
    limit(pages + 100);
    let (hash, lists) = (hash(), Lists::new(States::default(), TimeZone::UTC));
    let how = Bring {
        file_name: "x",
        sha256: "x".into(),
        bytes: 1,
        who: "asha",
        dry_run: false,
        clock: Clock::system(),
        hash: &hash,
        left: &|list| lists.leave(db.clone(), list),
    };
    let error = bring(&db, &how, read(text.as_bytes())).unwrap_err();
    assert!(error.is_full(), "{error}");
    assert!(all(&db).is_empty());
    limit(1_000_000);
    // Where there was no room for clearing up, it is done later.
    lists.clear_left(2);
    assert!(!lists.has_left());
    let left: i64 =
        db.read_blocking(|db| Ok(db.query_row("SELECT count(*) FROM customers", [], |r| r.get(0))?)).unwrap();
    assert_eq!(left, 0);
    let tried = db.read_blocking(|db| uploads::list(db, None, 10)).unwrap();
    assert_eq!((tried.len(), tried[0].status), (1, Status::Failed));
    assert_eq!(take(&db, &text, false).rows_ok, 5_000);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn no_file_does_more_than_be_refused(bytes in proptest::collection::vec(any::<u8>(), 0..2_000)) {
        let _ = parse(&bytes, &rules());
        let _ = parse(&[b"name,phone\n".as_slice(), &bytes].concat(), &rules());
        let _ = unpacked(&[b"PK\x03\x04".as_slice(), &bytes].concat(), 1_000);
    }

    #[test]
    fn a_damaged_workbook_does_more_than_be_refused_never(
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12),
        keep in 0.2_f64..1.0,
    ) {
        let mut bytes = std::fs::read("tests/lists/stored.xlsx").unwrap();
        for (at, with) in damage {
            let at = at.index(bytes.len());
            bytes[at] = with;
        }
        let _ = parse(&bytes, &rules());
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "a share")]
        bytes.truncate((bytes.len() as f64 * keep) as usize);
        let _ = parse(&bytes, &rules());
    }

    #[test]
    fn every_row_is_taken_or_told_never_both_never_neither(
        rows in proptest::collection::vec(("[ -~अ-ह]{0,12}", "[0-9+ ]{0,14}|98765[0-9]{5}", "[0-9.,-]{0,8}"), 0..40),
    ) {
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.write_record(["name", "phone", "amount"]).unwrap();
        let mut expected = 0;
        for (name, phone, amount) in &rows {
            writer.write_record([name, phone, amount]).unwrap();
            expected += usize::from(!(name.trim().is_empty() && phone.trim().is_empty() && amount.trim().is_empty()));
        }
        let text = writer.into_inner().unwrap();
        let parsed = parse(&text, &rules()).unwrap();
        prop_assert_eq!(parsed.rows.len() + parsed.rejects.len(), expected);
        let mut phones: Vec<_> = parsed.rows.iter().map(|(_, _, f)| f.phone.reveal().to_owned()).collect();
        phones.sort();
        phones.dedup();
        prop_assert_eq!(phones.len(), parsed.rows.len());
    }

    #[test]
    fn wherever_a_list_is_cut_off_nobody_of_it_is_there(rows in 1_usize..40, cut in 0_usize..40) {
        let db = Database::scratch_tenant();
        let text: String = std::iter::once("phone\n".to_owned()).chain((0..rows).map(|n| format!("98766{n:05}\n"))).collect();
        cut_off(&db, &text, cut.min(rows));
        prop_assert_eq!(all(&db).len(), 0);
        recovered(&db, 2);
        prop_assert_eq!(take(&db, &text, false).rows_ok, i64::try_from(rows).unwrap());
        prop_assert_eq!(all(&db).len(), rows);
    }
}
