//! Bytes as the Zarr v3 and OME-NGFF specifications say.
#![forbid(unsafe_code)]
