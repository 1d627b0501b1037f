//! The local state in `SQLite`: source objects, links, pending marks, watermarks, outcomes, the log.
//! Plain functions on engine types; no other module knows what the rows look like.

mod assignments;
mod backup;
mod codec;
mod commands;
mod configurations;
mod custom_security;
mod cycles;
mod denials;
mod described;
mod error;
mod escrow;
mod hold_reasons;
mod holds;
mod jobs;
mod key;
mod layer;
mod ledger;
mod leftovers;
mod links;
mod lock;
mod marks;
mod merge;
mod migrations;
mod objects;
mod open;
mod operator;
mod outbox;
mod pending;
mod place;
mod quarantine;
mod rebuild;
mod relink;
mod scratch;
mod sent;
mod sets;
mod shards;
mod shared;
mod source;
mod sources;
mod staged;
mod state;
mod statistics;
mod strategy;
mod verify;
mod wire;
mod withheld;

#[cfg(test)]
pub(crate) use shared::testing;
#[cfg(test)]
mod tests;

pub(crate) use assignments::Application;
pub(crate) use codec::{Packer, Unpacker};
pub(crate) use commands::{Command, CommandEnd, Commanded};
pub(crate) use configurations::Configured;
pub(crate) use described::Learned;
pub(crate) use error::Error;
pub(crate) use escrow::{CYCLE, NotPlanned, PLAN};
pub(crate) use holds::Deciding;
pub(crate) use jobs::TargetSettings;
pub(crate) use key::StateKey;
pub(crate) use ledger::{
    Advanced, Erasing, Judged, Judging, LogFilter, Place, Queued, Refused, Row, RowId, RowsOf,
    Unknown,
};
pub(crate) use lock::Lock;
pub(crate) use open::Store;
pub(crate) use pending::{Evaluated, Evaluation, MarkCutoff, PerhapsLeaver};
pub(crate) use place::Before;
pub(crate) use relink::Relinked;
pub(crate) use scratch::Scratch;
pub(crate) use sets::{Loaded, Named};
pub(crate) use shards::{ScopeOf, Shard, group_id};
pub(crate) use shared::{About, Agents, Held, Lease, Offer};
pub(crate) use source::{PageLink, Since, Stream, Unreported};
pub(crate) use sources::NotedSource;
pub(crate) use staged::Clocks;
