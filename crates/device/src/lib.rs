//! The seam: lanes, marks, views and the device contract.
