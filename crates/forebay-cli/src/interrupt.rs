//! Ctrl-C, and a request to terminate: the first closes the store, the second ends the process.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::Failure;

/// Whether the user asked to stop.
#[derive(Clone)]
pub(crate) struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Listens from now on.
    pub(crate) fn listen() -> Result<Stop, Failure> {
        let stop = Stop(Arc::new(AtomicBool::new(false)));
        let asked = stop.0.clone();
        let handler = move || {
            if asked.swap(true, Ordering::Relaxed) {
                std::process::exit(130);
            }
        };
        ctrlc::set_handler(handler).map_err(|e| Failure::Run(format!("cannot listen for Ctrl-C: {e}")))?;
        Ok(stop)
    }

    /// Whether the user has asked.
    pub(crate) fn asked(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
