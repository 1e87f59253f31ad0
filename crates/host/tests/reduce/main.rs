//! Steps of a pyramid against their definition, one element after another.

mod cases;
mod data;
mod named;
mod oracle;
mod throughput;
