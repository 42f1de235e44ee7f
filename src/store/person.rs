//! One person in the tenant's database: which tables know them, what they are told of it, and how it
//! is erased.
//!
//! Promise: every table is in [`TABLES`] with every column, or a test fails: nobody adds a place for
//! personal data without saying how it is found, told and erased. Absent on purpose: what is said of
//! somebody in texts about others (a comment on another customer), and copies outside the database
//! (backups, what webhooks delivered).

use std::collections::BTreeSet;

use rusqlite::{Connection, Statement};

use super::StoreError;
use super::retention::bind;
use crate::base::phone::Phone;
use crate::base::secret::KeyedHash;

mod erase;
mod export;
mod tables;
#[cfg(test)]
mod tests;

pub use erase::{Kept, RELEASE_CALL, Receipt, erase};
pub use export::export;
pub use tables::TABLES;

/// A table of a tenant's database.
pub struct Table {
    pub name: &'static str,
    pub columns: &'static [&'static str],
    pub about: About,
}

/// Whether it knows anybody.
pub enum About {
    /// It does not, and why not.
    Nobody(&'static str),
    Person {
        /// Condition on its rows, over `:hashes`, `:customers`, `:calls` and `:scanned`.
        find: &'static str,
        /// Of rows in which a person is only found by looking through all of them: the key as a JSON
        /// array, and the condition over `:needles`. Done by a reader, so that nobody waits for it.
        scan: Option<(&'static str, &'static str)>,
        order: &'static str,
        erase: Erase,
    },
}

/// What becomes of a person's rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Erase {
    Delete,
    /// Goes, or stays for as long as law wants, with the call.
    WithCall,
    /// Stays.
    Keep(&'static str),
}

/// By what somebody is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// Everybody and everything with this number.
    Phone(Phone),
    /// One customer. What is known by their number only is theirs if nobody shares it.
    Customer(String),
}

/// Everything by which a person is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subject {
    /// What receipts and the audit log call them: a keyed hash, or the customer's id.
    pub name: String,
    pub phones: Vec<String>,
    pub hashes: Vec<String>,
    pub customers: Vec<String>,
    pub calls: Vec<String>,
    /// Texts that mean them, wherever they stand.
    needles: Vec<String>,
    /// Names, which may mean others too: for erasing, not for telling.
    names: Vec<String>,
    /// Keys of rows found by looking through all of a table: (table, JSON array of keys).
    scanned: Vec<(&'static str, String)>,
}

/// What the search is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    Export,
    Erase,
}

/// Finds a person. May look through whole tables: for a reader.
pub fn find(db: &Connection, asked: &Asked, hash: &KeyedHash, purpose: Purpose) -> Result<Subject, StoreError> {
    let mut subject = Subject::default();
    match asked {
        Asked::Phone(phone) => {
            subject.name = hash.of(phone.reveal());
            subject.phones.push(phone.reveal().to_owned());
            subject.hashes.push(subject.name.clone());
        }
        Asked::Customer(id) => {
            subject.name.clone_from(id);
            let phone: Vec<(String, String)> = texts2(db, "SELECT phone, phone_hash FROM customers WHERE id = ?1", id)?;
            for (phone, number) in phone {
                let shared: u64 = db.query_row(
                    "SELECT count(*) FROM customers WHERE phone_hash = ?1 AND id <> ?2",
                    [&number, id],
                    |row| row.get(0),
                )?;
                subject.customers.push(id.clone());
                if shared == 0 {
                    subject.phones.push(phone);
                    subject.hashes.push(number);
                }
            }
        }
    }
    subject.refresh(db)?;
    let national = |phone: &String| phone.strip_prefix("+91").unwrap_or(phone.trim_start_matches('+')).to_owned();
    subject.needles = subject.phones.iter().map(national).chain(subject.customers.iter().cloned()).collect();
    if purpose == Purpose::Erase {
        for id in &subject.customers {
            let names: Vec<(String, String)> = texts2(db, "SELECT name, external_id FROM customers WHERE id = ?1", id)?;
            // Shorter ones are in too many words.
            subject.names.extend(names.into_iter().map(|(name, _)| name).filter(|name| name.chars().count() >= 4));
        }
    }
    for table in TABLES {
        let About::Person { scan: Some((key, condition)), .. } = &table.about else { continue };
        let needles: Vec<&String> = subject.needles.iter().chain(&subject.names).collect();
        if needles.is_empty() {
            continue;
        }
        let sql = format!("SELECT json_group_array(json({key})) FROM {} WHERE {condition}", table.name);
        let mut statement = db.prepare(&sql)?;
        bind(&mut statement, ":needles", serde_json::to_string(&needles)?)?;
        let keys: String = match statement.raw_query().next()? {
            Some(row) => row.get(0)?,
            None => continue,
        };
        subject.scanned.push((table.name, keys));
    }
    Ok(subject)
}

impl Subject {
    /// Rows that were added since the person was looked for, as far as keys lead to them.
    fn refresh(&mut self, db: &Connection) -> Result<(), StoreError> {
        let mut customers: BTreeSet<String> = self.customers.drain(..).collect();
        let mut calls: BTreeSet<String> = self.calls.drain(..).collect();
        for hash in &self.hashes {
            customers.extend(texts(db, "SELECT id FROM customers WHERE phone_hash = ?1", hash)?);
            calls.extend(texts(db, "SELECT id FROM calls WHERE caller_hash = ?1", hash)?);
        }
        for id in &customers {
            calls.extend(texts(db, "SELECT id FROM calls WHERE customer = ?1", id)?);
        }
        self.customers = customers.into_iter().collect();
        self.calls = calls.into_iter().collect();
        Ok(())
    }

    /// Is there nothing by which anybody could be found?
    pub fn is_unknown(&self) -> bool {
        self.hashes.is_empty() && self.customers.is_empty()
    }

    fn bind(&self, statement: &mut Statement<'_>, table: &str) -> Result<(), StoreError> {
        bind(statement, ":hashes", serde_json::to_string(&self.hashes)?)?;
        bind(statement, ":customers", serde_json::to_string(&self.customers)?)?;
        bind(statement, ":calls", serde_json::to_string(&self.calls)?)?;
        let scanned = self.scanned.iter().find(|(of, _)| *of == table).map_or("[]", |(_, keys)| keys.as_str());
        bind(statement, ":scanned", scanned)
    }
}

fn texts(db: &Connection, sql: &str, key: &str) -> Result<Vec<String>, StoreError> {
    Ok(db.prepare_cached(sql)?.query_map([key], |row| row.get(0))?.collect::<Result<_, _>>()?)
}

fn texts2(db: &Connection, sql: &str, key: &str) -> Result<Vec<(String, String)>, StoreError> {
    Ok(db.prepare_cached(sql)?.query_map([key], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?)
}
