//! Where a list goes on. Promise: a cursor is good for the list, tenant and filters it was made for
//! and for nothing else, and nobody can make one; rows that are added meanwhile neither repeat nor
//! hide others, because it names a place in the order, not a number of rows.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac};
use serde::Serialize;
use sha2::Sha256;
use subtle::ConstantTimeEq;

use super::guard::Tenant;
use super::{ApiDeps, Problem};

/// Bytes of the mark that only the box can make.
const MARK: usize = 16;

/// The cursors of one list as it is asked for.
pub(super) struct Cursors {
    key: [u8; 32],
    list: Vec<u8>,
}

impl Cursors {
    pub(super) fn new(deps: &ApiDeps, tenant: &Tenant, list: &str, filter: &impl Serialize) -> Self {
        Self::keyed(deps.vault.master().derive("cursors"), tenant.id.as_str(), list, filter)
    }

    pub(super) fn keyed(key: [u8; 32], tenant: &str, list: &str, filter: &impl Serialize) -> Self {
        let list = serde_json::to_vec(&(tenant, list, filter)).unwrap_or_default();
        Self { key, list }
    }

    /// Cuts a page that was read with one row too many to `most` rows; the cursor of the next page, if
    /// there is one, is made of the last row's `place`.
    pub(super) fn cut<T>(&self, rows: &mut Vec<T>, most: usize, place: impl FnOnce(&T) -> String) -> Option<String> {
        let more = rows.len() > most;
        rows.truncate(most);
        rows.last().filter(|_| more).map(|last| self.after(&place(last)))
    }

    fn after(&self, place: &str) -> String {
        let mut bytes = self.mark(place.as_bytes()).to_vec();
        bytes.extend_from_slice(place.as_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    pub(super) fn read(&self, cursor: Option<&str>) -> Result<Option<String>, Problem> {
        let Some(cursor) = cursor else { return Ok(None) };
        let refused = || Problem::bad_request("this cursor is not of this list with these filters; begin without one");
        let bytes = URL_SAFE_NO_PAD.decode(cursor).map_err(|_| refused())?;
        let (mark, place) = bytes.split_at_checked(MARK).ok_or_else(refused)?;
        if !bool::from(mark.ct_eq(&self.mark(place))) {
            return Err(refused());
        }
        String::from_utf8(place.to_vec()).map(Some).map_err(|_| refused())
    }

    /// A cursor read as what it was made of.
    pub(super) fn place<T: std::str::FromStr>(&self, cursor: Option<&str>) -> Result<Option<T>, Problem> {
        let place = self.read(cursor)?;
        place
            .map(|place| {
                place.parse().map_err(|_| Problem::bad_request("this cursor is of an older version; begin without one"))
            })
            .transpose()
    }

    fn mark(&self, place: &[u8]) -> [u8; MARK] {
        let mut mark = [0; MARK];
        // HMAC takes keys of any length.
        if let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.key) {
            mac.update(&(self.list.len() as u64).to_be_bytes());
            mac.update(&self.list);
            mac.update(place);
            mark.copy_from_slice(&mac.finalize().into_bytes()[..MARK]);
        }
        mark
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_good_for_its_own_list_only() {
        let of = |tenant: &str, list: &str, filter: &str| Cursors::keyed([7; 32], tenant, list, &filter);
        let mine = of("bank", "customers", "ready");
        let cursor = mine.after("0190-x");
        assert_eq!(mine.read(Some(&cursor)).unwrap().as_deref(), Some("0190-x"));
        assert_eq!(mine.read(None).unwrap(), None);
        for other in
            [of("other", "customers", "ready"), of("bank", "calls", "ready"), of("bank", "customers", "failed")]
        {
            assert!(other.read(Some(&cursor)).is_err());
        }
        let mut forged = URL_SAFE_NO_PAD.decode(&cursor).unwrap();
        *forged.last_mut().unwrap() ^= 1;
        for bad in ["", "=", "a", "%00", &URL_SAFE_NO_PAD.encode(forged), &"A".repeat(5_000)] {
            assert!(mine.read(Some(bad)).is_err(), "{bad}");
        }
        assert!(Cursors::keyed([8; 32], "bank", "customers", &"ready").read(Some(&cursor)).is_err());
    }
}
