//! Payload of each stage: enqueues work on the lane handed in.
#![forbid(unsafe_code)]
