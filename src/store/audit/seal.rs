//! Signed heads and signed cuts of a chain.

use std::sync::Arc;

use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::{Deserialize, Serialize};

use super::{Chain, tip, unsigned, whole};
use crate::base::limits;
use crate::base::secret::hex;
use crate::store::crypt::MasterKey;
use crate::store::error::StoreError;

/// "At this time the chain `chain` ended with entry `seq`, whose hash was `hash`."
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Head {
    #[schema(value_type = String)]
    pub chain: Chain,
    pub seq: u64,
    #[serde(with = "hexadecimal")]
    #[schema(value_type = String)]
    pub hash: [u8; 32],
    pub at_ms: u64,
    #[serde(with = "hexadecimal")]
    #[schema(value_type = String)]
    pub signature: [u8; 64],
}

/// "Up to and with `seq` the entries were deleted because their time was over."
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cut {
    pub seq: u64,
    pub hash: [u8; 32],
    pub at_ms: u64,
    pub signature: [u8; 64],
}

/// Signs; made once from the master key.
#[derive(Clone)]
pub struct Signer(Arc<SigningKey>);

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("‹audit signer›")
    }
}

/// Checks signatures; all an auditor needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verifier(VerifyingKey);

impl Verifier {
    /// From 64 hexadecimal digits.
    pub fn from_hex(text: &str) -> Option<Self> {
        let bytes: [u8; 32] = bytes_of(text.trim())?.try_into().ok()?;
        VerifyingKey::from_bytes(&bytes).ok().map(Self)
    }

    /// 64 hexadecimal digits, for the auditor.
    pub fn to_hex(&self) -> String {
        hex(self.0.as_bytes())
    }

    pub fn holds(&self, head: &Head) -> bool {
        let message = message("head", &head.chain, head.seq, &head.hash, head.at_ms);
        self.0.verify_strict(&message, &Signature::from_bytes(&head.signature)).is_ok()
    }

    pub(super) fn holds_cut(&self, chain: &Chain, cut: &Cut) -> bool {
        let message = message("cut", chain, cut.seq, &cut.hash, cut.at_ms);
        self.0.verify_strict(&message, &Signature::from_bytes(&cut.signature)).is_ok()
    }
}

impl Signer {
    pub fn new(master: &MasterKey) -> Self {
        Self(Arc::new(SigningKey::from_bytes(&master.derive("audit signature"))))
    }

    pub fn verifier(&self) -> Verifier {
        Verifier(self.0.verifying_key())
    }

    /// Signs the newest entry and keeps the head beside the chain. `None`: nothing was added since
    /// the last one.
    pub fn sign_head(&self, db: &Connection, chain: &Chain, now_ms: u64) -> Result<Option<Head>, StoreError> {
        let (seq, hash) = tip(db)?;
        if seq == 0 || newest_head(db, chain)?.is_some_and(|head| head.seq >= seq) {
            return Ok(None);
        }
        let signature = self.0.sign(&message("head", chain, seq, &hash, now_ms)).to_bytes();
        let head = Head { chain: chain.clone(), seq, hash, at_ms: now_ms, signature };
        copy_head(db, &head)?;
        Ok(Some(head))
    }

    fn sign_cut(&self, chain: &Chain, seq: u64, hash: [u8; 32], at_ms: u64) -> Cut {
        let signature = self.0.sign(&message("cut", chain, seq, &hash, at_ms)).to_bytes();
        Cut { seq, hash, at_ms, signature }
    }
}

/// Keeps a head, also a tenant's in the system's database. A head that is there already stays.
pub fn copy_head(db: &Connection, head: &Head) -> Result<(), StoreError> {
    db.prepare_cached(
        "INSERT INTO audit_heads (chain, seq, hash, at_ms, signature) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT DO NOTHING",
    )?
    .execute(params![
        head.chain.as_str(),
        whole(head.seq),
        head.hash.as_slice(),
        whole(head.at_ms),
        head.signature.as_slice()
    ])?;
    Ok(())
}

/// Heads of a chain, newest first.
pub fn heads(db: &Connection, chain: &Chain, limit: usize) -> Result<Vec<Head>, StoreError> {
    let mut found = db.prepare_cached(
        "SELECT chain, seq, hash, at_ms, signature FROM audit_heads WHERE chain = ?1 ORDER BY seq DESC LIMIT ?2",
    )?;
    let rows = found.query_map(params![chain.as_str(), i64::try_from(limit).unwrap_or(i64::MAX)], head)?;
    rows.map(|row| row.map_err(StoreError::from)).collect()
}

fn newest_head(db: &Connection, chain: &Chain) -> Result<Option<Head>, StoreError> {
    Ok(heads(db, chain, 1)?.pop())
}

fn head(row: &Row<'_>) -> rusqlite::Result<Head> {
    Ok(Head {
        chain: Chain(row.get(0)?),
        seq: unsigned(row.get(1)?),
        hash: row.get(2)?,
        at_ms: unsigned(row.get(3)?),
        signature: row.get(4)?,
    })
}

pub(super) fn last_cut(db: &Connection) -> Result<Option<Cut>, StoreError> {
    Ok(db
        .prepare_cached("SELECT seq, hash, at_ms, signature FROM audit_cuts ORDER BY seq DESC LIMIT 1")?
        .query_row([], |row| {
            Ok(Cut {
                seq: unsigned(row.get(0)?),
                hash: row.get(1)?,
                at_ms: unsigned(row.get(2)?),
                signature: row.get(3)?,
            })
        })
        .optional()?)
}

/// Deletes the oldest entries that are older than `before_ms`, at most [`limits::SWEEP_BATCH`] of
/// them, leaving a signed cut. The newest entry always stays. Returns how many went.
pub fn cut(db: &Connection, signer: &Signer, chain: &Chain, before_ms: u64, now_ms: u64) -> Result<u64, StoreError> {
    // The first entry that is young enough, whatever the times say after it: clocks jump.
    let first: Option<i64> = db.prepare_cached("SELECT min(seq) FROM audit")?.query_row([], |row| row.get(0))?;
    let Some(first) = first else { return Ok(0) };
    let (newest, _) = tip(db)?;
    let reach = first.saturating_add(whole(limits::SWEEP_BATCH)).min(whole(newest));
    let until: i64 = db
        .prepare_cached("SELECT coalesce(min(seq), ?2) FROM audit WHERE seq < ?2 AND at_ms >= ?1")?
        .query_row(params![whole(before_ms), reach], |row| row.get(0))?;
    let last = until - 1;
    if last < first {
        return Ok(0);
    }
    let hash: [u8; 32] =
        db.prepare_cached("SELECT hash FROM audit WHERE seq = ?1")?.query_row([last], |row| row.get(0))?;
    let cut = signer.sign_cut(chain, unsigned(last), hash, now_ms);
    db.prepare_cached("INSERT INTO audit_cuts (seq, hash, at_ms, signature) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![last, cut.hash.as_slice(), whole(cut.at_ms), cut.signature.as_slice()])?;
    let gone = db.prepare_cached("DELETE FROM audit WHERE seq <= ?1")?.execute([last])?;
    db.prepare_cached("DELETE FROM audit_heads WHERE chain = ?1 AND seq < ?2")?
        .execute(params![chain.as_str(), last])?;
    Ok(gone as u64)
}

fn message(kind: &str, chain: &Chain, seq: u64, hash: &[u8; 32], at_ms: u64) -> Vec<u8> {
    let mut bytes = format!("vaani audit {kind} 1\0").into_bytes();
    bytes.extend((chain.as_str().len() as u64).to_be_bytes());
    bytes.extend(chain.as_str().as_bytes());
    bytes.extend(seq.to_be_bytes());
    bytes.extend(hash);
    bytes.extend(at_ms.to_be_bytes());
    bytes
}

fn bytes_of(text: &str) -> Option<Vec<u8>> {
    if !text.is_ascii() || !text.len().is_multiple_of(2) {
        return None;
    }
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).ok()).collect()
}

mod hexadecimal {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer, const N: usize>(bytes: &[u8; N], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&super::hex(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>, const N: usize>(from: D) -> Result<[u8; N], D::Error> {
        let text = String::deserialize(from)?;
        super::bytes_of(&text)
            .and_then(|bytes| bytes.try_into().ok())
            .ok_or_else(|| D::Error::custom(format!("expected {} hexadecimal digits", N * 2)))
    }
}
