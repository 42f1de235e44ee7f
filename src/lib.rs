#![doc = include_str!("ARCHITECTURE.md")]

pub mod base;
pub mod config;

pub mod store;

pub mod auth;

pub mod ai;
pub mod dialogue;
pub mod media;
pub mod telephony;

pub mod call;

pub mod campaigns;
pub mod delivery;
pub mod ops;

pub mod api;
pub mod sim;

pub mod app;

pub mod cli;
