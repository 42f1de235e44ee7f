//! Who may do what. Promise: nobody passes without a row in the tables of `access.rs` and `role.rs`,
//! secrets of people and programs are kept as hashes only, comparisons tell nothing by their duration,
//! and whoever is refused learns nothing but what to do. Absent on purpose: HTTP (`api/guard.rs`), SQL
//! (`store/`), decisions about calls.

pub mod access;
pub mod audit;
pub mod gate;
mod issue;
mod jwt;
mod keys;
pub mod login;
pub mod mask;
mod oidc;
mod oidc_login;
mod own;
mod password;
pub mod people;
pub mod principal;
mod refusal;
pub mod role;
mod secrets;
pub mod sessions;
pub mod setup;
mod throttle;
pub mod totp;

pub use gate::{Gate, GateDeps};
pub use issue::{WantedKey, WantedToken};
pub use keys::shown as shown_key;
pub use oidc::OidcError;
pub use oidc_login::Returned;
pub use own::Enrolment;
pub use password::PasswordError;
pub use principal::{Kind, Principal};
pub use refusal::Refusal;
pub use role::{Permission, Role};
