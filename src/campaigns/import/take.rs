//! Taking a list over into the tenant's database, in batches between which calls' facts get in.

use uuid::Uuid;

use super::{Parsed, Unreadable};
use crate::base::secret::KeyedHash;
use crate::base::{Clock, limits};
use crate::store::customers::{self, Customer};
use crate::store::uploads::{self, Reject, Status, Upload};
use crate::store::{Database, StoreError};

/// A file that somebody brings.
pub struct Bring<'a> {
    pub file_name: &'a str,
    pub sha256: String,
    pub bytes: usize,
    pub who: &'a str,
    /// Tell what would become of it and keep no customer.
    pub dry_run: bool,
    pub clock: Clock,
    pub hash: &'a KeyedHash,
    /// Is told of a list that was given up and whose rows could not be removed, for another try.
    pub left: &'a (dyn Fn(Uuid) + Sync),
}

#[derive(Debug, thiserror::Error)]
pub enum Broken {
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Takes a list over. Waits for the disk: for threads that may. The customers are there when this
/// returns, or (with an error, or if the process dies) none of them is.
pub fn bring(db: &Database, bring: &Bring<'_>, parsed: Parsed) -> Result<Upload, StoreError> {
    let total = parsed.rows.len() + parsed.rejects.len();
    let mut upload = Upload {
        id: Uuid::now_v7(),
        file_name: bring.file_name.to_owned(),
        sha256: bring.sha256.clone(),
        bytes: whole(bring.bytes),
        format: parsed.format.to_owned(),
        who: bring.who.to_owned(),
        status: Status::Writing,
        rows_total: whole(total),
        rows_ok: 0,
        rows_rejected: 0,
        detail: String::new(),
        started_ms: now_ms(bring.clock),
        finished_ms: None,
    };
    let row = upload.clone();
    db.write_blocking(move |db| uploads::insert(db, &row))?;
    match write(db, bring, parsed, &mut upload) {
        Ok(()) => Ok(upload),
        Err(error) => {
            let id = upload.id;
            // If this fails, too, it is done later: until then nobody sees the rows.
            if let Err(later) = give_up(db, upload, now_ms(bring.clock), &error) {
                tracing::warn!(error = %later, "what an upload left behind is removed when it can be");
                (bring.left)(id);
            }
            Err(error)
        }
    }
}

fn write(db: &Database, bring: &Bring<'_>, parsed: Parsed, upload: &mut Upload) -> Result<(), StoreError> {
    let mut rejects = parsed.rejects;
    let mut rows = parsed.rows.into_iter();
    let mut kept = 0;
    loop {
        let batch: Vec<_> = rows.by_ref().take(limits::UPLOAD_BATCH).collect();
        if batch.is_empty() {
            break;
        }
        let (id, now_ms, hash, dry_run) = (upload.id, upload.started_ms, bring.hash.clone(), bring.dry_run);
        let (ok, there) = db.write_blocking(move |db| {
            let (mut ok, mut there) = (0, Vec::new());
            for (line, cells, fields) in batch {
                let known = if dry_run {
                    customers::find(db, &fields.phone, &fields.external_id)?.is_some()
                } else {
                    let customer = Customer { upload_id: Some(id), ..Customer::new(fields, now_ms) };
                    match customers::insert(db, &customer, &hash) {
                        Ok(()) => false,
                        Err(StoreError::Conflict(_)) => true,
                        Err(error) => return Err(error),
                    }
                };
                if known {
                    there.push(known_already(line, cells));
                } else {
                    ok += 1;
                }
            }
            Ok((ok, there))
        })?;
        kept += ok;
        rejects.extend(there);
    }
    rejects.sort_by_key(|reject| reject.line);
    upload.rows_ok = kept;
    upload.rows_rejected = whole(rejects.len());
    for (number, part) in rejects.chunks(limits::UPLOAD_BATCH).enumerate() {
        let (id, part) = (upload.id, part.to_vec());
        db.write_blocking(move |db| uploads::add_rejects(db, id, number * limits::UPLOAD_BATCH, &part))?;
    }
    upload.status = if bring.dry_run { Status::DryRun } else { Status::Done };
    upload.finished_ms = Some(now_ms(bring.clock));
    let row = upload.clone();
    db.write_blocking(move |db| uploads::finish(db, &row))
}

fn known_already(line: u64, cells: Vec<String>) -> Reject {
    Reject {
        line,
        field: "phone_number".into(),
        reason: "a customer with this phone number and external id is there already".into(),
        advice: "change that customer instead, or give this one an external_id of its own".into(),
        cells,
    }
}

fn give_up(db: &Database, upload: Upload, now_ms: i64, error: &StoreError) -> Result<(), StoreError> {
    clear(db, upload.id)?;
    let row = Upload {
        status: Status::Failed,
        rows_ok: 0,
        rows_rejected: 0,
        detail: if error.is_full() { "the disk was full".into() } else { "it could not be written".into() },
        finished_ms: Some(now_ms),
        ..upload
    };
    db.write_blocking(move |db| uploads::finish(db, &row))
}

fn clear(db: &Database, upload: Uuid) -> Result<(), StoreError> {
    while db.write_blocking(move |db| uploads::sweep(db, upload))? {}
    Ok(())
}

/// Removes what one list left behind that was being written when the process died or the disk was
/// full. Never for one that is being written now.
pub fn recover(db: &Database, id: Uuid, now_ms: i64) -> Result<(), StoreError> {
    clear(db, id)?;
    db.write_blocking(move |db| {
        let Some(upload) = uploads::get(db, id)?.filter(|upload| upload.status == Status::Writing) else {
            return Ok(());
        };
        let detail = "the box stopped, or its disk was full, while it was written; bring it again".to_owned();
        let (status, finished_ms) = (Status::Failed, Some(now_ms));
        uploads::finish(db, &Upload { status, finished_ms, detail, rows_ok: 0, rows_rejected: 0, ..upload })
    })
}

fn now_ms(clock: Clock) -> i64 {
    i64::try_from(clock.unix_ms(clock.now())).unwrap_or(i64::MAX)
}

fn whole(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
