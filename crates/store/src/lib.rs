//! Objects: put whole, append in order, finalize; memory, discard, local disk.
#![forbid(unsafe_code)]
