//! The first start. There is no default password: while nobody exists, the daemon prints a one-time
//! code at each start, with which the first admin is made.

use rusqlite::Connection;

use super::secrets;
use crate::base::limits;
use crate::store::{Database, StoreError, users};

impl super::gate::Gate {
    /// Nobody exists yet.
    pub async fn needs_setup(&self) -> Result<bool, StoreError> {
        self.system().read(|db| Ok(!users::any(db)?)).await
    }
}

/// A fresh code if nobody exists yet; the one of an earlier start is void. Blocking.
pub fn code(system: &Database, now_ms: i64) -> Result<Option<String>, StoreError> {
    let code = secrets::code(15)?;
    let hash = secrets::hash_of_code(&code);
    let until_ms = now_ms + super::gate::ms(limits::SETUP_CODE_TTL);
    let wanted = system.write_blocking(move |db| {
        if users::any(db)? {
            users::drop_setup_code(db)?;
            return Ok(false);
        }
        users::set_setup_code(db, &hash, until_ms)?;
        Ok(true)
    })?;
    Ok(wanted.then_some(code))
}

/// What the daemon prints on the console; under systemd the journal has it too.
pub fn banner(code: &str, base_url: &str) -> String {
    format!(
        "\n  This box has no user yet. Make the first admin with POST {base_url}/api/setup\n  (code, login, password), or with `vaani user add` on the box itself. The set-up code is\n\n      {code}\n\n  It holds for {} hours and once; a restart prints a new one.\n",
        limits::SETUP_CODE_TTL.as_secs() / 3_600
    )
}

pub(super) fn is_code(db: &Connection, hash: &str, now_ms: i64) -> Result<bool, StoreError> {
    users::is_setup_code(db, hash, now_ms)
}
