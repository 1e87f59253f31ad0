//! The subcommands.

pub(crate) mod bench;
pub(crate) mod demo;
pub(crate) mod info;
pub(crate) mod plan;
pub(crate) mod verify;
pub(crate) mod write;
