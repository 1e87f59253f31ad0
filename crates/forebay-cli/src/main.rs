//! The forebay command.
#![forbid(unsafe_code)]

#[cfg_attr(not(test), expect(dead_code, reason = "the commands that read inputs follow"))]
mod input;

fn main() {}
