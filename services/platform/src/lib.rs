//! What every service shares: server, caller and permissions, database, journal, errors, paging.
//!
//! A handler parses, takes its [`caller::Caller`], asks a rule, writes in one [`db::Change`], and answers.

mod area;
pub mod caller;
pub mod clock;
pub mod db;
pub mod decimal;
mod entities;
pub mod error;
pub mod facts;
mod filter;
pub mod follow;
pub mod grants;
pub mod guard;
pub mod journal;
mod journal_service;
pub mod kit;
pub mod metrics;
pub mod name;
pub mod page;
pub mod peer;
pub mod plan_changes;
pub mod server;
mod share;
mod shed;
pub mod token;

pub use area::Area;
pub use caller::{Caller, Scope};
pub use clock::{Clock, from_micros, instant, micros, timestamp};
pub use db::{Batch, CallKey, Change, Column, Db, Durability, Lease, NotWritten, Store, answered};
pub use error::{Error, Faults};
pub use filter::Filter;
pub use follow::Follow;
pub use guard::Guarded;
pub use kit::{Kit, StartError};
pub use name::new_id;
pub use page::{Page, check_etag, etag};
pub use peer::{Peer, Route, TokenSource};
pub use shed::{STRETCH, Shed};
