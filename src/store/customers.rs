//! Customers and leads. Promise: one phone number and external id is one customer; a customer of a
//! list that is still being written is not there; a change that was made to an older version than
//! the one kept is refused.

use std::fmt;
use std::str::FromStr;

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row, params, params_from_iter};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::StoreError;
use crate::base::event::{CallState, Event, Record};
use crate::base::phone::Phone;
use crate::base::secret::KeyedHash;
use crate::base::{Lang, limits};

/// Who is to talk to a customer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Pool {
    Ai,
    Human,
}

impl Pool {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ai => "ai",
            Self::Human => "human",
        }
    }
}

impl FromStr for Pool {
    type Err = StoreError;
    fn from_str(s: &str) -> Result<Self, StoreError> {
        match s {
            "ai" => Ok(Self::Ai),
            "human" => Ok(Self::Human),
            _ => Err(StoreError::Invalid("a pool is ai or human".into())),
        }
    }
}

/// What people and lists set. Has no derived `Debug`: it is somebody's name and number.
#[derive(Clone, PartialEq)]
pub struct Fields {
    /// The customer's id elsewhere; empty if there is none.
    pub external_id: String,
    pub name: String,
    pub phone: Phone,
    pub state: Option<String>,
    pub district: Option<String>,
    pub language: Option<Lang>,
    pub loan_id: Option<String>,
    pub loan_type: Option<String>,
    pub amount_paise: Option<i64>,
    pub outstanding_paise: Option<i64>,
    /// `2025-08-31`.
    pub due_date: Option<String>,
    pub owner: Option<String>,
    pub pool: Option<Pool>,
    /// 0 to 9, higher is sooner.
    pub priority: u8,
    pub callback_at_ms: Option<i64>,
    pub next_action: Option<String>,
    pub comments: Option<String>,
    pub custom: serde_json::Map<String, serde_json::Value>,
}

/// Whom nobody asked about is in the middle.
pub const PRIORITY_USUAL: u8 = 5;

impl Fields {
    pub fn new(phone: Phone) -> Self {
        Self {
            external_id: String::new(),
            name: String::new(),
            phone,
            state: None,
            district: None,
            language: None,
            loan_id: None,
            loan_type: None,
            amount_paise: None,
            outstanding_paise: None,
            due_date: None,
            owner: None,
            pool: None,
            priority: PRIORITY_USUAL,
            callback_at_ms: None,
            next_action: None,
            comments: None,
            custom: serde_json::Map::new(),
        }
    }
}

impl fmt::Debug for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "‹customer {}›", self.phone)
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct Customer {
    pub id: Uuid,
    pub fields: Fields,
    pub status: CallState,
    pub upload_id: Option<Uuid>,
    pub last_call_id: Option<String>,
    pub last_call_at_ms: Option<i64>,
    pub created_ms: i64,
    pub updated_ms: i64,
    pub version: i64,
}

impl Customer {
    pub fn new(fields: Fields, now_ms: i64) -> Self {
        Self {
            id: Uuid::now_v7(),
            fields,
            status: CallState::Ready,
            upload_id: None,
            last_call_id: None,
            last_call_at_ms: None,
            created_ms: now_ms,
            updated_ms: now_ms,
            version: 1,
        }
    }
}

/// Which customers a list shows.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Filter {
    pub phone_hash: Option<String>,
    pub external_id: Option<String>,
    pub loan_id: Option<String>,
    pub status: Option<CallState>,
    pub owner: Option<String>,
    pub pool: Option<Pool>,
    pub state: Option<String>,
    pub language: Option<Lang>,
    pub upload_id: Option<Uuid>,
    /// To be called back before this time.
    pub callback_before_ms: Option<i64>,
}

const COLUMNS: &str = "id, external_id, name, phone, state, district, language, loan_id, loan_type, amount_paise, \
     outstanding_paise, due_date, status, owner, pool, priority, callback_at_ms, next_action, comments, custom, \
     upload_id, last_call_id, last_call_at_ms, created_ms, updated_ms, version";

/// `Conflict` names nobody: the caller knows whom it wanted to add.
pub fn insert(db: &Connection, row: &Customer, hash: &KeyedHash) -> Result<(), StoreError> {
    let f = &row.fields;
    let added = db
        .prepare_cached(
            "INSERT INTO customers (id, external_id, name, phone, phone_hash, state, district, language, loan_id, \
             loan_type, amount_paise, outstanding_paise, due_date, status, owner, pool, priority, callback_at_ms, \
             next_action, comments, custom, upload_id, last_call_id, last_call_at_ms, created_ms, updated_ms, version) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, \
             ?22, ?23, ?24, ?25, ?26, ?27) ON CONFLICT (phone, external_id) DO NOTHING",
        )?
        .execute(params![
            row.id.to_string(),
            f.external_id,
            f.name,
            f.phone.reveal(),
            hash.of(f.phone.reveal()),
            f.state,
            f.district,
            f.language.map(Lang::tag),
            f.loan_id,
            f.loan_type,
            f.amount_paise,
            f.outstanding_paise,
            f.due_date,
            status_name(row.status),
            f.owner,
            f.pool.map(Pool::as_str),
            f.priority,
            f.callback_at_ms,
            f.next_action,
            f.comments,
            serde_json::to_string(&f.custom)?,
            row.upload_id.map(|id| id.to_string()),
            row.last_call_id,
            row.last_call_at_ms,
            row.created_ms,
            row.updated_ms,
            row.version,
        ])?;
    if added == 1 { Ok(()) } else { Err(taken()) }
}

fn taken() -> StoreError {
    StoreError::Conflict("a customer with this phone number and external id is there already".into())
}

pub fn get(db: &Connection, id: Uuid) -> Result<Option<Customer>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM customers_there WHERE id = ?1");
    Ok(db.prepare_cached(&sql)?.query_row([id.to_string()], read).optional()?)
}

/// The number behind a hash, if some customer has it.
pub fn phone_of(db: &Connection, hash: &str) -> Result<Option<Phone>, StoreError> {
    let found: Option<String> = db
        .prepare_cached("SELECT phone FROM customers WHERE phone_hash = ?1 LIMIT 1")?
        .query_row([hash], |row| row.get(0))
        .optional()?;
    Ok(found.and_then(|phone| phone.parse().ok()))
}

/// The customer of this number and external id, whatever list is bringing it.
pub fn find(db: &Connection, phone: &Phone, external_id: &str) -> Result<Option<Uuid>, StoreError> {
    let mut find = db.prepare_cached("SELECT id FROM customers WHERE phone = ?1 AND external_id = ?2")?;
    Ok(find.query_row(params![phone.reveal(), external_id], |row| uuid(row, 0)).optional()?)
}

/// Replaces what people set, if the kept version is still `version`. Returns the new one.
pub fn update(
    db: &Connection,
    id: Uuid,
    version: i64,
    f: &Fields,
    hash: &KeyedHash,
    now_ms: i64,
) -> Result<Customer, StoreError> {
    let before = at_version(db, id, version)?;
    let other = find(db, &f.phone, &f.external_id)?.is_some_and(|other| other != id);
    if other {
        return Err(taken());
    }
    db.prepare_cached(
        "UPDATE customers SET external_id = ?2, name = ?3, phone = ?4, phone_hash = ?5, state = ?6, district = ?7, \
         language = ?8, loan_id = ?9, loan_type = ?10, amount_paise = ?11, outstanding_paise = ?12, due_date = ?13, \
         owner = ?14, pool = ?15, priority = ?16, callback_at_ms = ?17, next_action = ?18, comments = ?19, \
         custom = ?20, updated_ms = ?21, version = version + 1 WHERE id = ?1",
    )?
    .execute(params![
        id.to_string(),
        f.external_id,
        f.name,
        f.phone.reveal(),
        hash.of(f.phone.reveal()),
        f.state,
        f.district,
        f.language.map(Lang::tag),
        f.loan_id,
        f.loan_type,
        f.amount_paise,
        f.outstanding_paise,
        f.due_date,
        f.owner,
        f.pool.map(Pool::as_str),
        f.priority,
        f.callback_at_ms,
        f.next_action,
        f.comments,
        serde_json::to_string(&f.custom)?,
        now_ms,
    ])?;
    Ok(Customer { fields: f.clone(), updated_ms: now_ms, version: version + 1, ..before })
}

/// Moves a customer on in the life cycle; the caller has checked that the change is allowed from
/// the status of `version`.
pub fn set_status(db: &Connection, id: Uuid, version: i64, to: CallState, now_ms: i64) -> Result<Customer, StoreError> {
    let before = at_version(db, id, version)?;
    db.prepare_cached("UPDATE customers SET status = ?2, updated_ms = ?3, version = version + 1 WHERE id = ?1")?
        .execute(params![id.to_string(), status_name(to), now_ms])?;
    Ok(Customer { status: to, updated_ms: now_ms, version: version + 1, ..before })
}

/// Keeps a customer in step with the calls that are about them; to be run in the transaction that keeps
/// the fact (`journal::Derive`). A call about a customer who is not ready does not begin: two requests at
/// once ring nobody twice.
pub fn follow(db: &Connection, record: &Record) -> Result<(), StoreError> {
    let call = record.call.to_string();
    let status = match &record.event {
        Event::CallInitiated { customer: Some(id), .. } => {
            let taken = db
                .prepare_cached(
                    "UPDATE customers SET status = 'initiated', last_call_id = ?2, last_call_at_ms = ?3, updated_ms = ?3,
                            version = version + 1
                     WHERE id = ?1 AND status = 'ready' AND (last_call_id IS NULL OR last_call_id <> ?2)",
                )?
                .execute(params![id.to_string(), call, record.unix_ms])?;
            return match (taken, get(db, *id)?) {
                (1, _) => Ok(()),
                (_, None) => Err(StoreError::NotFound("customer")),
                // The same fact again.
                (_, Some(customer)) if customer.last_call_id.as_deref() == Some(&call) => Ok(()),
                (_, Some(customer)) => {
                    Err(StoreError::Conflict(format!("the customer is {}, not ready", status_name(customer.status))))
                }
            };
        }
        Event::StateChanged { to, .. } => *to,
        Event::CallEnded { outcome, .. } => *outcome,
        _ => return Ok(()),
    };
    // Somebody may have put the customer back on the list meanwhile; a late fact does not undo that.
    db.prepare_cached(
        "UPDATE customers SET status = ?3, updated_ms = ?2, version = version + 1
         WHERE id = (SELECT customer FROM calls WHERE id = ?1 AND customer IS NOT NULL)
               AND last_call_id = ?1 AND status NOT IN (?3, 'ready', 'completed', 'failed', 'not_picked')",
    )?
    .execute(params![call, record.unix_ms, status_name(status)])?;
    Ok(())
}

pub fn delete(db: &Connection, id: Uuid, version: i64) -> Result<(), StoreError> {
    at_version(db, id, version)?;
    db.prepare_cached("DELETE FROM customers WHERE id = ?1")?.execute([id.to_string()])?;
    Ok(())
}

fn at_version(db: &Connection, id: Uuid, version: i64) -> Result<Customer, StoreError> {
    let kept = get(db, id)?.ok_or(StoreError::NotFound("customer"))?;
    if kept.version == version {
        Ok(kept)
    } else {
        Err(StoreError::Conflict(format!("it is at version {} by now", kept.version)))
    }
}

/// Newest first, from below `after`.
pub fn list(db: &Connection, filter: &Filter, after: Option<Uuid>, most: usize) -> Result<Vec<Customer>, StoreError> {
    let (clauses, mut values) = conditions(filter);
    let mut sql = format!("SELECT {COLUMNS} FROM customers_there WHERE 1{clauses}");
    if let Some(after) = after {
        values.push(Value::Text(after.to_string()));
        sql.push_str(" AND id < ?");
    }
    values.push(Value::Integer(i64::try_from(most).unwrap_or(i64::MAX)));
    sql.push_str(" ORDER BY id DESC LIMIT ?");
    let mut list = db.prepare_cached(&sql)?;
    let rows = list.query_map(params_from_iter(values), read)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn conditions(filter: &Filter) -> (String, Vec<Value>) {
    let Filter {
        phone_hash,
        external_id,
        loan_id,
        status,
        owner,
        pool,
        state,
        language,
        upload_id,
        callback_before_ms,
    } = filter;
    let text = |value: &Option<String>| value.clone().map(Value::Text);
    let all = [
        (" AND phone_hash = ?", text(phone_hash)),
        // The second half lets the partial index be used.
        (" AND external_id = ? AND external_id <> ''", text(external_id)),
        (" AND loan_id = ?", text(loan_id)),
        (" AND status = ?", status.map(|status| Value::Text(status_name(status).to_owned()))),
        (" AND owner = ?", text(owner)),
        (" AND pool = ?", pool.map(|pool| Value::Text(pool.as_str().to_owned()))),
        (" AND state = ?", text(state)),
        (" AND language = ?", language.map(|language| Value::Text(language.tag().to_owned()))),
        (" AND upload_id = ?", upload_id.map(|id| Value::Text(id.to_string()))),
        (" AND callback_at_ms < ?", callback_before_ms.map(Value::Integer)),
    ];
    let mut clauses = String::new();
    let mut values = Vec::new();
    for (clause, value) in all {
        if let Some(value) = value {
            clauses.push_str(clause);
            values.push(value);
        }
    }
    (clauses, values)
}

/// How many customers stand where in the life cycle.
pub fn by_status(db: &Connection) -> Result<Vec<(CallState, u64)>, StoreError> {
    // Counted from the index alone; those of lists that are being written are few, and taken off.
    let count = |sql: &str| -> Result<Vec<(String, i64)>, StoreError> {
        let mut count = db.prepare_cached(sql)?;
        let rows = count.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    };
    let hidden = count(
        "SELECT status, count(*) FROM customers WHERE upload_id IN (SELECT id FROM uploads WHERE status = 'writing') \
         GROUP BY status",
    )?;
    let mut found = Vec::new();
    for (status, all) in count("SELECT status, count(*) FROM customers GROUP BY status")? {
        let there = all - hidden.iter().find(|(other, _)| *other == status).map_or(0, |(_, count)| *count);
        if there > 0 {
            let status = status_of(&status).ok_or(StoreError::Invalid("unknown status".into()))?;
            found.push((status, there.unsigned_abs()));
        }
    }
    Ok(found)
}

const STATUSES: [(CallState, &str); 8] = [
    (CallState::Ready, "ready"),
    (CallState::Initiated, "initiated"),
    (CallState::Ringing, "ringing"),
    (CallState::InProgress, "in_progress"),
    (CallState::AgentTransfer, "agent_transfer"),
    (CallState::Completed, "completed"),
    (CallState::Failed, "failed"),
    (CallState::NotPicked, "not_picked"),
];

pub fn status_name(status: CallState) -> &'static str {
    STATUSES.iter().find(|(known, _)| *known == status).map_or("", |(_, name)| name)
}

pub fn status_of(name: &str) -> Option<CallState> {
    STATUSES.iter().find(|(_, known)| *known == name).map(|(status, _)| *status)
}

pub(super) fn uuid(row: &Row<'_>, column: usize) -> rusqlite::Result<Uuid> {
    parsed(row, column)
}

/// Text that a type of ours can read; anything else was not written by us.
fn parsed<T: FromStr>(row: &Row<'_>, column: usize) -> rusqlite::Result<T> {
    let text: String = row.get(column)?;
    text.parse().map_err(|_| rusqlite::Error::InvalidColumnType(column, text, rusqlite::types::Type::Text))
}

fn parsed_maybe<T: FromStr>(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<T>> {
    match row.get_ref(column)? {
        rusqlite::types::ValueRef::Null => Ok(None),
        _ => parsed(row, column).map(Some),
    }
}

fn read(row: &Row<'_>) -> rusqlite::Result<Customer> {
    let status: String = row.get(12)?;
    let custom: String = row.get(19)?;
    Ok(Customer {
        id: uuid(row, 0)?,
        fields: Fields {
            external_id: row.get(1)?,
            name: row.get(2)?,
            phone: parsed(row, 3)?,
            state: row.get(4)?,
            district: row.get(5)?,
            language: parsed_maybe(row, 6)?,
            loan_id: row.get(7)?,
            loan_type: row.get(8)?,
            amount_paise: row.get(9)?,
            outstanding_paise: row.get(10)?,
            due_date: row.get(11)?,
            owner: row.get(13)?,
            pool: parsed_maybe(row, 14)?,
            priority: row.get(15)?,
            callback_at_ms: row.get(16)?,
            next_action: row.get(17)?,
            comments: row.get(18)?,
            custom: serde_json::from_str(&custom).unwrap_or_default(),
        },
        status: status_of(&status)
            .ok_or_else(|| rusqlite::Error::InvalidColumnType(12, status, rusqlite::types::Type::Text))?,
        upload_id: parsed_maybe(row, 20)?,
        last_call_id: row.get(21)?,
        last_call_at_ms: row.get(22)?,
        created_ms: row.get(23)?,
        updated_ms: row.get(24)?,
        version: row.get(25)?,
    })
}

/// What no customer may have, whoever writes it: the name of the field and what to write.
pub fn check(f: &Fields) -> Result<(), (&'static str, String)> {
    let short = limits::CUSTOMER_TEXT_CHARS_MAX;
    let long = limits::CUSTOMER_COMMENT_CHARS_MAX;
    let texts = [
        ("name", Some(&f.name), short),
        ("external_id", Some(&f.external_id), short),
        ("state", f.state.as_ref(), short),
        ("district", f.district.as_ref(), short),
        ("loan_id", f.loan_id.as_ref(), short),
        ("loan_type", f.loan_type.as_ref(), short),
        ("owner", f.owner.as_ref(), short),
        ("next_action", f.next_action.as_ref(), short),
        ("comments", f.comments.as_ref(), long),
    ];
    for (field, text, most) in texts {
        let Some(text) = text else { continue };
        if text.chars().count() > most {
            return Err((field, format!("is longer than {most} characters; write less")));
        }
        if text.chars().any(|c| c.is_control() && !(field == "comments" && matches!(c, '\n' | '\t' | '\r'))) {
            return Err((field, "has control characters in it; write plain text".into()));
        }
    }
    for (field, amount) in [("amount_paise", f.amount_paise), ("outstanding_paise", f.outstanding_paise)] {
        if amount.is_some_and(|paise| !(0..=limits::AMOUNT_PAISE_MAX).contains(&paise)) {
            return Err((field, format!("is not between 0 and {} paise", limits::AMOUNT_PAISE_MAX)));
        }
    }
    if f.priority > 9 {
        return Err(("priority", "is not between 0 and 9 (9 is called first)".into()));
    }
    if f.due_date.as_ref().is_some_and(|date| date.parse::<jiff::civil::Date>().is_err() || date.len() != 10) {
        return Err(("due_date", "is no date; write it as 2025-08-31".into()));
    }
    if f.custom.len() > limits::CUSTOM_KEYS_MAX
        || serde_json::to_string(&f.custom).map_or(0, |text| text.len()) > limits::CUSTOM_BYTES_MAX
    {
        let (keys, bytes) = (limits::CUSTOM_KEYS_MAX, limits::CUSTOM_BYTES_MAX);
        return Err(("custom", format!("is larger than {keys} keys or {bytes} bytes; keep less")));
    }
    Ok(())
}
