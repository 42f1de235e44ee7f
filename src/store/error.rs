//! What can go wrong with what the box keeps.

use std::io;

#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("use the database: {0}")]
    Sqlite(rusqlite::Error),
    /// Calls go on; what must be durable is refused.
    #[error("write: the disk of the state directory is full; make room on it")]
    Full,
    #[error("use the database: it is closed (the daemon is stopping, or the tenant was removed)")]
    Closed,
    #[error("find {0}")]
    NotFound(&'static str),
    /// Somebody else has it already, or has changed it meanwhile.
    #[error("{0}")]
    Conflict(String),
    #[error("{0}")]
    Invalid(String),
    #[error("use the state directory: {0}")]
    Io(io::Error),
    #[error("{0}")]
    Crypt(String),
    #[error("read what was kept: {0}")]
    Json(#[from] serde_json::Error),
    /// The transaction that held the write was given up.
    #[error("write: {0}")]
    Lost(String),
}

impl StoreError {
    pub const fn is_full(&self) -> bool {
        matches!(self, Self::Full)
    }

    /// The same for everybody whose write was in one transaction.
    pub(super) fn shared(&self) -> Self {
        match self {
            Self::Full => Self::Full,
            Self::Closed => Self::Closed,
            other => Self::Lost(other.to_string()),
        }
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode;
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::Full,
            // No room for the index of the write-ahead log.
            _ if extended(&error) == Some(rusqlite::ffi::SQLITE_IOERR_SHMSIZE) => Self::Full,
            Some(ErrorCode::ConstraintViolation) => Self::Conflict(error.to_string()),
            // Numbers of requests may be larger than a column's.
            _ if matches!(error, rusqlite::Error::ToSqlConversionFailure(_)) => {
                Self::Invalid("a number or a time is larger than can be kept; write a smaller one".to_owned())
            }
            // A full disk also shows as an input/output error of the file system.
            _ if std::error::Error::source(&error).is_some_and(is_no_space) => Self::Full,
            _ => Self::Sqlite(error),
        }
    }
}

impl From<io::Error> for StoreError {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::StorageFull { Self::Full } else { Self::Io(error) }
    }
}

fn extended(error: &rusqlite::Error) -> Option<i32> {
    error.sqlite_error().map(|error| error.extended_code)
}

fn is_no_space(error: &(dyn std::error::Error + 'static)) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::StorageFull)
}
