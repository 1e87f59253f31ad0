//! Whole streams, on any device: random plans, pyramids, whole pages, writers side by side. One program, for a GPU host gets it.

#[path = "../common/mod.rs"]
mod common;
#[path = "../desk/mod.rs"]
mod desk;
mod pages;
mod plans;
mod properties;
mod pyramid;
mod writers;
