//! Sealed files kept outside the box: against an S3 that checks every signature, and from the command line.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

mod bucket;
mod command_line;
#[path = "../support/private_ca.rs"]
mod private_ca;
mod s3;
