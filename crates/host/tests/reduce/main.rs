//! Steps of a pyramid against their definition, one element after another.

mod cases;
mod data;
mod draw;
mod named;
mod oracle;
mod throughput;
