//! Numbers, money, dates, times and identifiers as they are said, in eleven languages.
//! Promise: [`spoken`] takes any text and returns it without a single digit, with everything that
//! was already words left as it stood (joiners and apostrophes too); its own output comes back
//! unchanged. One file a language holds the tables, also those [`super::slots`] reads with.
//! Absent on purpose: pronunciation of foreign words and names (the voice's business), the current
//! date (a year is said when it is written).

mod bn;
mod en;
mod gu;
mod hi;
mod kn;
mod ml;
mod mr;
mod number;
mod or;
mod pa;
mod scan;
mod spoken;
mod ta;
mod te;
#[cfg(test)]
mod tests;
mod when;
pub(super) mod words;

pub use number::{amount, digits, number};
pub use spoken::spoken;
pub use when::{canonical_when, clock, date, names_an_hour};

pub(super) use number::attributive as words_attributive;
pub(super) use scan::{digit_value, is_mark};
