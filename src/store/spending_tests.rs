//! A day's file that is torn, damaged, foreign, huge or too new; sums that stay right.

use proptest::prelude::*;

use super::*;

fn row(day: u64, tenant: &str) -> Row {
    Row { day, tenant: tenant.to_owned(), provider: "sarvam".to_owned(), stage: Stage::Tts }
}

fn sum(millipaise: u64) -> Sum {
    Sum { requests: 1, paise: Money::from_millipaise(millipaise), estimated_paise: Money::ZERO }
}

fn one(day: u64, tenant: &str, millipaise: u64) -> Spending {
    let mut spending = Spending::default();
    spending.add(row(day, tenant), sum(millipaise));
    spending
}

fn total(spending: &Spending) -> u64 {
    spending.rows().map(|(_, sum)| sum.paise).sum::<Money>().millipaise()
}

/// Two payments of one day, in its file.
fn written(dir: &Path) -> PathBuf {
    let mut pen = Pen::new(dir.to_owned(), Spending::default());
    pen.write(one(5, "a", 1_000)).unwrap();
    pen.write(one(5, "b", 20)).unwrap();
    path_of(dir, 5)
}

#[test]
fn a_file_that_is_hurt_costs_no_more_than_the_hurt_lines() {
    let lines = |path: &Path| fs::read_to_string(path).unwrap().lines().count();
    // What is done to the file, what is left, and whether the hurt one is kept aside.
    let cases: [(&str, fn(String) -> Vec<u8>, u64, bool); 10] = [
        ("nothing", |text| text.into_bytes(), 1_020, false),
        ("a torn end", |text| text.as_bytes()[..text.len() - 9].to_vec(), 1_000, false),
        ("a line of garbage", |text| text.replace("\"b\"", "b").into_bytes(), 1_000, true),
        ("another day's line", |text| text.replacen("\"day\":5", "\"day\":6", 1).into_bytes(), 20, true),
        ("no head", |text| text.split_once('\n').unwrap().1.as_bytes().to_vec(), 0, true),
        ("a newer head", |text| text.replace("\"version\":1", "\"version\":2").into_bytes(), 0, true),
        ("another file", |_| b"\x7fELF\0\xff\n\n\n".to_vec(), 0, true),
        ("another file of one line", |_| b"\x7fELF\0\xff".to_vec(), 0, true),
        ("a torn head", |text| text.as_bytes()[..5].to_vec(), 0, false),
        ("far too much", |_| vec![b'\n'; limits::SPENDING_FILE_MAX as usize + 1], 0, true),
    ];
    for (what, hurt, left, aside) in cases {
        let dir = tempfile::tempdir().unwrap();
        let path = written(dir.path());
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, hurt(text)).unwrap();
        let (looked, _) = read(dir.path(), 0).unwrap();
        assert_eq!(total(&looked), left, "{what}");
        let taken = take_over(dir.path(), 0).unwrap();
        assert_eq!(total(&taken), left, "{what}");
        assert_eq!(dir.path().join("spent-1970-01-06.jsonl.damaged").exists(), aside, "{what}");
        // Whatever it was: the next payment is added to what is left.
        Pen::new(dir.path().to_owned(), taken).write(one(5, "a", 3)).unwrap();
        let (again, remarks) = read(dir.path(), 0).unwrap();
        assert_eq!((total(&again), remarks.len()), (left + 3, 0), "{what}");
        assert!(lines(&path) <= 4, "{what}");
    }
}

#[test]
fn old_days_go_and_a_long_file_is_written_anew() {
    let dir = tempfile::tempdir().unwrap();
    let mut pen = Pen::new(dir.path().to_owned(), Spending::default());
    for _ in 0..300 {
        pen.write(one(7, &"tenant".repeat(200), 2)).unwrap();
    }
    let path = path_of(dir.path(), 7);
    assert!(fs::metadata(&path).unwrap().len() <= limits::SPENDING_FILE_LONG + 3_000);
    assert_eq!(total(&read(dir.path(), 0).unwrap().0), 600);
    pen.write(one(100, "tenant", 5)).unwrap();
    assert_eq!(total(&read(dir.path(), 8).unwrap().0), 5);
    pen.forget_before(8);
    assert!(!path.exists());
    assert_eq!(total(&take_over(dir.path(), 101).unwrap()), 0);
    assert_eq!(days(dir.path()).unwrap(), []);
}

#[test]
fn a_full_disk_gives_back_what_could_not_be_written() {
    let dir = tempfile::tempdir().unwrap();
    let path = path_of(dir.path(), 5);
    // /dev/full answers every write with "no space left on device".
    std::os::unix::fs::symlink("/dev/full", &path).unwrap();
    let mut pen = Pen::new(dir.path().to_owned(), Spending::default());
    let mut both = one(5, "a", 7);
    both.merge(one(6, "a", 9));
    let (left, _) = pen.write(both).unwrap_err();
    assert_eq!(left, one(5, "a", 7), "the other day has its own file");
    fs::remove_file(&path).unwrap();
    pen.write(left).unwrap();
    assert_eq!(total(&read(dir.path(), 0).unwrap().0), 16);
}

#[test]
fn too_many_tenants_share_a_row_and_the_sum_is_right() {
    let mut spending = Spending::default();
    for tenant in 0..limits::SPENDING_ROWS_MAX + 50 {
        spending.add(row(3, &format!("t{tenant:05}")), sum(1));
    }
    spending.add(row(4, "another day"), sum(1));
    assert_eq!(spending.rows_of(3).count(), limits::SPENDING_ROWS_MAX + 1);
    assert_eq!(spending.rows.get(&row(3, OTHERS)).unwrap().paise.millipaise(), 50);
    assert_eq!(total(&spending), limits::SPENDING_ROWS_MAX as u64 + 51);
}

proptest! {
    // Every payment waits for the disk.
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]
    #[test]
    fn what_is_written_is_read_however_it_is_cut_up(
        paid in proptest::collection::vec((0_u64..3, "[a-z\"\\\\ ह]{0,6}", 0_u64..1_000_000_000), 1..40),
        restarts in proptest::collection::vec(proptest::bool::ANY, 40),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let mut pen = Pen::new(dir.path().to_owned(), Spending::default());
        let mut expected = Spending::default();
        for ((day, tenant, amount), restart) in paid.iter().zip(restarts) {
            if restart {
                pen = Pen::new(dir.path().to_owned(), take_over(dir.path(), 0).unwrap());
            }
            pen.write(one(*day, tenant, *amount)).unwrap();
            expected.merge(one(*day, tenant, *amount));
        }
        prop_assert_eq!(read(dir.path(), 0).unwrap(), (expected.clone(), vec![]));
        prop_assert_eq!(take_over(dir.path(), 0).unwrap(), expected);
    }

    #[test]
    fn any_bytes_are_survived(bytes in proptest::collection::vec(0_u8.., 0..300)) {
        let dir = tempfile::tempdir().unwrap();
        fs::write(path_of(dir.path(), 5), bytes).unwrap();
        take_over(dir.path(), 0).unwrap();
    }
}
