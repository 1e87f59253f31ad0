//! The CPU codecs against foreign libraries, damaged input and their documented bounds.

mod blosc;
mod c_blosc;
mod data;
mod fast;
mod filters;
mod hostile;
mod refusals;
mod throughput;
mod zstd;
