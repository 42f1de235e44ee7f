//! Access from outside: single sign-on against a real provider (npm oidc-provider), and the command
//! line on a state directory.

mod command_line;
mod oidc;
