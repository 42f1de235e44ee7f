//! Walks a chain from its beginning and compares it with the heads that were signed.

use rusqlite::Connection;
use serde::Serialize;

use super::seal::{heads, last_cut};
use super::{Chain, GENESIS, Head, Verifier, link, raw, unsigned};
use crate::store::error::StoreError;

/// What a chain is worth.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Report {
    #[schema(value_type = String)]
    pub chain: Chain,
    /// Entries that were looked at; the walk ends at the first that is wrong.
    pub entries: u64,
    /// Number of the first entry that should be there: later than 1 where old ones were cut.
    pub first: u64,
    pub last: u64,
    /// Signed heads that were compared.
    pub heads: u64,
    /// Entries after the newest signed head: proven to hang together, not yet signed.
    pub unsigned: u64,
    pub wrong: Option<Wrong>,
}

impl Report {
    pub const fn is_sound(&self) -> bool {
        self.wrong.is_none()
    }
}

/// The first thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Wrong {
    pub seq: u64,
    pub fault: Fault,
    /// For people.
    pub text: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// The entry is not there though later ones are, or a head was signed over it.
    Missing,
    /// The entry does not follow the one before it.
    OutOfPlace,
    /// The entry's fields are not what its hash was made of.
    Changed,
    /// The chain hangs together but is another than the one that was signed.
    Rewritten,
    /// A signed head or cut was changed, or signed with another key.
    BadSignature,
}

impl Wrong {
    fn new(seq: u64, fault: Fault, text: impl Into<String>) -> Self {
        Self { seq, fault, text: text.into() }
    }
}

/// Checks a whole chain in one snapshot. `outside` are heads kept elsewhere: by the system's
/// database, by an auditor, in a log.
pub fn verify(db: &Connection, chain: &Chain, key: &Verifier, outside: &[Head]) -> Result<Report, StoreError> {
    let mut known = heads(db, chain, usize::MAX)?;
    known.extend(outside.iter().filter(|head| head.chain == *chain).cloned());
    known.sort_by_key(|head| head.seq);
    known.dedup();
    let mut report = Report { chain: chain.clone(), entries: 0, first: 1, last: 0, heads: 0, unsigned: 0, wrong: None };
    report.wrong = walk(db, chain, key, &known, &mut report)?;
    Ok(report)
}

fn walk(
    db: &Connection,
    chain: &Chain,
    key: &Verifier,
    known: &[Head],
    report: &mut Report,
) -> Result<Option<Wrong>, StoreError> {
    if let Some(forged) = known.iter().find(|head| !key.holds(head)) {
        let text = format!("the signed head of entry {} was not signed with this key, or was changed", forged.seq);
        return Ok(Some(Wrong::new(forged.seq, Fault::BadSignature, text)));
    }
    let mut previous = GENESIS;
    if let Some(cut) = last_cut(db)? {
        if !key.holds_cut(chain, &cut) {
            let text = format!("the entries up to {} are gone without a valid signature", cut.seq);
            return Ok(Some(Wrong::new(cut.seq, Fault::BadSignature, text)));
        }
        report.first = cut.seq + 1;
        previous = cut.hash;
    }
    // Where entries were cut, their heads have nothing left to be compared with but the cut itself.
    let mut heads = known.iter().filter(|head| head.seq + 1 >= report.first).peekable();
    let mut good = report.first - 1;
    let mut compare = |seq: u64, hash: &[u8; 32], good: &mut u64| {
        let mut compared = 0;
        while let Some(head) = heads.next_if(|head| head.seq == seq) {
            if head.hash != *hash {
                let text =
                    format!("the entries from {} to {seq} hang together but are not those that were signed", *good + 1);
                return Err(Wrong::new(*good + 1, Fault::Rewritten, text));
            }
            compared += 1;
        }
        if compared > 0 {
            *good = seq;
        }
        Ok(compared)
    };
    match compare(good, &previous, &mut good) {
        Ok(compared) => report.heads += compared,
        Err(wrong) => return Ok(Some(wrong)),
    }
    report.last = report.first - 1;
    let mut entries = db.prepare(
        "SELECT seq, at_ms, previous, hash, who_kind, who_id, who_name, who_role, address, what, about, detail
         FROM audit ORDER BY seq",
    )?;
    let mut rows = entries.query([])?;
    while let Some(row) = rows.next()? {
        let seq = unsigned(row.get(0)?);
        let expected = report.last + 1;
        if seq > expected {
            let text = format!("entry {expected} is missing; the next one is {seq}");
            return Ok(Some(Wrong::new(expected, Fault::Missing, text)));
        }
        if seq < expected {
            let text = format!("entry {seq} is there though the chain begins with {expected}");
            return Ok(Some(Wrong::new(seq, Fault::OutOfPlace, text)));
        }
        report.entries += 1;
        if raw(row.get_ref(2)?) != previous {
            let text = format!("entry {seq} does not follow the entry before it");
            return Ok(Some(Wrong::new(seq, Fault::OutOfPlace, text)));
        }
        let mut fields: [&[u8]; 8] = [&[]; 8];
        for (at, field) in fields.iter_mut().enumerate() {
            *field = raw(row.get_ref(at + 4)?);
        }
        let hash = link(&previous, seq, row.get(1)?, &fields);
        if raw(row.get_ref(3)?) != hash {
            let text = format!("entry {seq} was changed: its fields do not give its hash");
            return Ok(Some(Wrong::new(seq, Fault::Changed, text)));
        }
        report.last = seq;
        match compare(seq, &hash, &mut good) {
            Ok(compared) => report.heads += compared,
            Err(wrong) => return Ok(Some(wrong)),
        }
        previous = hash;
    }
    report.unsigned = report.last.saturating_sub(good);
    if let Some(beyond) = heads.next() {
        let missing = report.last + 1;
        let text = format!("the entries from {missing} to {} are missing: they were signed", beyond.seq);
        return Ok(Some(Wrong::new(missing, Fault::Missing, text)));
    }
    Ok(None)
}
