//! Who may do what. Promise: nobody passes without a row in the tables of `access.rs` and `role.rs`,
//! secrets of people and programs are kept as hashes only, comparisons tell nothing by their duration,
//! and whoever is refused learns nothing but what to do. Absent on purpose: HTTP (`api/guard.rs`), SQL
//! (`store/`), decisions about calls.

pub mod access;
pub mod audit;
pub mod mask;
pub mod principal;
pub mod role;

pub use principal::{Kind, Principal};
pub use role::{Permission, Role};
