//! Who agreed to what, and took it back: a ledger by number (as keyed hash) and purpose.
//!
//! Promise: nothing in it is ever changed; the newest entry counts, and of two of one moment the
//! withdrawal. What nobody agreed to and a purpose needs consent for is not allowed. Absent on
//! purpose: numbers and names, so that the proof may outlive the person's data; when to call.

use std::fmt;
use std::str::FromStr;

use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::StoreError;
use super::dnd::{self, Category};
use crate::base::limits;

/// What for: small letters, digits, `-` and `_`. The ones the law speaks of have constants.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(try_from = "String", into = "String")]
#[schema(value_type = String, example = "promotional")]
pub struct Purpose(String);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "not a purpose: use small letters, digits, - and _, a letter first, at most 40; such as promotional, service, recording"
)]
pub struct NotAPurpose;

impl Purpose {
    /// Being called at all. A withdrawal here stands against every other purpose.
    pub const CALLS: &'static str = "calls";
    pub const PROMOTIONAL: &'static str = "promotional";
    pub const SERVICE: &'static str = "service";
    pub const TRANSACTIONAL: &'static str = "transactional";
    pub const RECOVERY: &'static str = "recovery";
    pub const RECORDING: &'static str = "recording";

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Calls about something the person has with the caller already rest on that relationship, until
    /// it is taken back; everything else needs a yes (TCCCPR 2018, DPDP Act s. 6 and 7).
    fn needs_a_yes(&self) -> bool {
        !matches!(self.0.as_str(), Self::CALLS | Self::SERVICE | Self::TRANSACTIONAL | Self::RECOVERY)
    }
}

impl FromStr for Purpose {
    type Err = NotAPurpose;
    fn from_str(text: &str) -> Result<Self, NotAPurpose> {
        let fits = (1..=40).contains(&text.len())
            && text.starts_with(|c: char| c.is_ascii_lowercase())
            && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_'));
        if fits { Ok(Self(text.to_owned())) } else { Err(NotAPurpose) }
    }
}

impl TryFrom<String> for Purpose {
    type Error = NotAPurpose;
    fn try_from(text: String) -> Result<Self, NotAPurpose> {
        text.parse()
    }
}

impl From<Purpose> for String {
    fn from(purpose: Purpose) -> Self {
        purpose.0
    }
}

impl fmt::Display for Purpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    Given,
    Withdrawn,
}

/// Where somebody said it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Channel {
    Voice,
    Sms,
    Web,
    Paper,
    /// A register of somebody else, such as the operator's.
    Registry,
}

impl Channel {
    const ALL: [(&'static str, Self); 5] = [
        ("voice", Self::Voice),
        ("sms", Self::Sms),
        ("web", Self::Web),
        ("paper", Self::Paper),
        ("registry", Self::Registry),
    ];

    fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(_, channel)| *channel == self).map_or("voice", |(text, _)| text)
    }
}

/// One entry of the ledger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Consent {
    pub id: Uuid,
    pub phone_hash: String,
    pub purpose: Purpose,
    pub channel: Channel,
    pub status: Status,
    /// Said or ticked, not inferred.
    pub explicit: bool,
    /// When it was said.
    pub at_ms: u64,
    pub expires_ms: Option<u64>,
    /// The call on which it was said, and where in it.
    pub call: Option<String>,
    pub call_offset_ms: Option<u64>,
    /// Version of the notice that was read to the person, and its language.
    #[serde(default)]
    pub notice: String,
    #[serde(default)]
    pub language: String,
    pub noted_by: String,
    pub noted_ms: u64,
}

/// May somebody be called, or recorded, or whatever the purpose is?
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum Verdict {
    /// By this entry of the ledger.
    Consented {
        consent: Uuid,
        until_ms: Option<u64>,
    },
    /// The purpose needs no yes and nobody has said no.
    NotNeeded,
    Refused {
        reason: Refused,
        since_ms: Option<u64>,
    },
}

impl Verdict {
    pub const fn is_allowed(&self) -> bool {
        matches!(self, Self::Consented { .. } | Self::NotNeeded)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Refused {
    NeverGiven,
    Withdrawn,
    Expired,
    /// There is only an inferred yes where an explicit one is needed.
    NotExplicit,
    /// The person told us not to call.
    OptedOut,
    /// The number is on a do-not-disturb list for this category.
    OnAList,
}

const COLUMNS: &str =
    "SELECT id, phone_hash, purpose, channel, status, explicit, at_ms, expires_ms, call, call_offset_ms,
    notice, language, noted_by, noted_ms";

/// Writes an entry down.
pub fn insert(db: &Connection, consent: &Consent) -> Result<(), StoreError> {
    for (name, text) in [
        ("notice", &consent.notice),
        ("language", &consent.language),
        ("noted_by", &consent.noted_by),
        ("phone_hash", &consent.phone_hash),
    ] {
        if text.len() > limits::PROTECTION_TEXT_MAX {
            return Err(StoreError::Invalid(format!("{name} has more than {} bytes", limits::PROTECTION_TEXT_MAX)));
        }
    }
    if consent.expires_ms.is_some_and(|expires| expires <= consent.at_ms) {
        return Err(StoreError::Invalid(
            "the consent would end before it begins; give a later time or none".to_owned(),
        ));
    }
    if consent.at_ms > consent.noted_ms.saturating_add(limits::CONSENT_AHEAD_MAX_MS) {
        return Err(StoreError::Invalid(
            "nobody can have agreed in the future; give the time when it was said".to_owned(),
        ));
    }
    db.prepare_cached(
        "INSERT INTO consents (id, phone_hash, purpose, channel, status, explicit, at_ms, expires_ms, call, call_offset_ms,
             notice, language, noted_by, noted_ms)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
    )?
    .execute(params![
        consent.id.to_string(),
        consent.phone_hash,
        consent.purpose.as_str(),
        consent.channel.as_str(),
        match consent.status {
            Status::Given => "given",
            Status::Withdrawn => "withdrawn",
        },
        consent.explicit,
        consent.at_ms,
        consent.expires_ms,
        consent.call,
        consent.call_offset_ms,
        consent.notice,
        consent.language,
        consent.noted_by,
        consent.noted_ms
    ])?;
    Ok(())
}

/// What counts now for a number and a purpose.
pub fn current(db: &Connection, phone_hash: &str, purpose: &str) -> Result<Option<Consent>, StoreError> {
    let sql = format!(
        "{COLUMNS} FROM consents WHERE phone_hash = ?1 AND purpose = ?2 ORDER BY at_ms DESC, status DESC, id DESC LIMIT 1"
    );
    Ok(db.prepare_cached(&sql)?.query_row([phone_hash, purpose], of_row).optional()?)
}

/// Every entry of a number, oldest first.
pub fn history(db: &Connection, phone_hash: &str) -> Result<Vec<Consent>, StoreError> {
    let sql = format!("{COLUMNS} FROM consents WHERE phone_hash = ?1 ORDER BY at_ms, status, id LIMIT ?2");
    let mut found = db.prepare_cached(&sql)?;
    let rows = found.query_map(params![phone_hash, limits::CONSENT_HISTORY_MAX as u64], of_row)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Entries of everybody, newest first by when they were written down, after `after`, at most `limit`.
pub fn list(db: &Connection, after: Option<(u64, Uuid)>, limit: usize) -> Result<Vec<Consent>, StoreError> {
    let sql =
        format!("{COLUMNS} FROM consents WHERE (noted_ms, id) < (?1, ?2) ORDER BY noted_ms DESC, id DESC LIMIT ?3");
    let (ms, id) = after.map_or((i64::MAX as u64, String::new()), |(ms, id)| (ms, id.to_string()));
    let mut found = db.prepare_cached(&sql)?;
    let rows = found.query_map(params![ms, id, limit as u64], of_row)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Does the ledger allow `purpose`? Lists of numbers are not looked at; see [`may_call`].
pub fn may(db: &Connection, phone_hash: &str, purpose: &Purpose, now_ms: u64) -> Result<Verdict, StoreError> {
    let own = current(db, phone_hash, purpose.as_str())?;
    let calls = current(db, phone_hash, Purpose::CALLS)?;
    Ok(judge(purpose, own.as_ref(), calls.as_ref(), now_ms))
}

fn judge(purpose: &Purpose, own: Option<&Consent>, calls: Option<&Consent>, now_ms: u64) -> Verdict {
    let refused = |reason, since_ms| Verdict::Refused { reason, since_ms };
    // "Do not call me" stands against everything that was agreed to before it.
    if let Some(no) = calls.filter(|entry| entry.status == Status::Withdrawn)
        && own.is_none_or(|own| own.at_ms <= no.at_ms)
    {
        return refused(Refused::Withdrawn, Some(no.at_ms));
    }
    let Some(own) = own else {
        return if purpose.needs_a_yes() { refused(Refused::NeverGiven, None) } else { Verdict::NotNeeded };
    };
    if own.status == Status::Withdrawn {
        return refused(Refused::Withdrawn, Some(own.at_ms));
    }
    if let Some(expired) = own.expires_ms.filter(|expires| *expires <= now_ms) {
        return if purpose.needs_a_yes() { refused(Refused::Expired, Some(expired)) } else { Verdict::NotNeeded };
    }
    // A yes that was only inferred is none where one is needed.
    if purpose.needs_a_yes() && !own.explicit {
        return refused(Refused::NotExplicit, Some(own.at_ms));
    }
    Verdict::Consented { consent: own.id, until_ms: own.expires_ms }
}

/// May this number be called for `purpose` now? An opt-out told to us, and a list of our own, stand
/// against everything; a register's entry stands against what nobody agreed to. A refusal always wins.
pub fn may_call(
    db: &Connection,
    phone_hash: &str,
    purpose: &Purpose,
    category: Category,
    now_ms: u64,
) -> Result<Verdict, StoreError> {
    if let Some(block) = dnd::opted_out(db, phone_hash, now_ms)? {
        return Ok(Verdict::Refused { reason: Refused::OptedOut, since_ms: block.since_ms });
    }
    let verdict = may(db, phone_hash, purpose, now_ms)?;
    // Registers speak of what nobody asked for: who agreed is called, and so is who has something
    // under way or owes something.
    let is_bound =
        verdict == Verdict::NotNeeded && !matches!(purpose.as_str(), Purpose::TRANSACTIONAL | Purpose::RECOVERY);
    if is_bound && let Some(block) = dnd::is_blocked(db, phone_hash, category, now_ms)? {
        return Ok(Verdict::Refused { reason: Refused::OnAList, since_ms: block.since_ms });
    }
    Ok(verdict)
}

fn of_row(row: &Row<'_>) -> rusqlite::Result<Consent> {
    let odd = |at: usize, text: &str| {
        rusqlite::Error::FromSqlConversionFailure(at, rusqlite::types::Type::Text, text.to_owned().into())
    };
    let id: String = row.get(0)?;
    let purpose: String = row.get(2)?;
    let channel: String = row.get(3)?;
    let status: String = row.get(4)?;
    Ok(Consent {
        id: id.parse().map_err(|_| odd(0, "no id"))?,
        phone_hash: row.get(1)?,
        purpose: purpose.parse().map_err(|_| odd(2, "no purpose"))?,
        channel: Channel::ALL.iter().find(|(text, _)| *text == channel).ok_or_else(|| odd(3, "no channel"))?.1,
        status: if status == "given" { Status::Given } else { Status::Withdrawn },
        explicit: row.get(5)?,
        at_ms: row.get(6)?,
        expires_ms: row.get(7)?,
        call: row.get(8)?,
        call_offset_ms: row.get(9)?,
        notice: row.get(10)?,
        language: row.get(11)?,
        noted_by: row.get(12)?,
        noted_ms: row.get(13)?,
    })
}

#[cfg(test)]
#[path = "consents_tests.rs"]
mod tests;
