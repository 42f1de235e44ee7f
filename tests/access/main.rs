//! Access from outside: single sign-on against a real provider (npm oidc-provider), and the command
//! line on a state directory, and the first start of a real daemon.

mod command_line;
mod first_start;
mod oidc;
