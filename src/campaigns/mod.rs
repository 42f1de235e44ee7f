//! Whom the box is to call. Promise: a list is taken over whole or not at all, and every row that is
//! left out is told with its reason. Absent yet: dialling.

pub mod import;
pub mod lists;
