//! Threads of the host: how they are started, and which host lanes they work for.

use std::cell::Cell;
use std::marker::PhantomData;

use crate::error::{Error, Operation};
use crate::lane::Lane;
use crate::seam::HostThread;
use crate::sync::thread::{Builder, JoinHandle};

crate::sync::thread_local! {
    /// How often this thread has taken the part of the producer, of the courier and of the store.
    static PARTS: Cell<[u32; 3]> = const { Cell::new([0; 3]) };
}

/// As long as this lives, its thread works for a host lane.
#[must_use = "the thread works for the lane for as long as this lives"]
pub struct OnLane(usize, PhantomData<*const ()>);

/// Takes the part of a host lane on this thread. A device that checks the order of accesses counts what the thread does
/// for that lane: whoever holds a lane's lock is that lane.
///
/// # Panics
/// It is a lane of the device.
pub fn on(lane: Lane) -> OnLane {
    assert!(lane.is_host(), "{lane:?} is a lane of the device");
    let part = lane as usize;
    change(part, |n| n + 1);
    OnLane(part, PhantomData)
}

impl Drop for OnLane {
    fn drop(&mut self) {
        change(self.0, |n| n - 1);
    }
}

fn change(part: usize, by: fn(u32) -> u32) {
    PARTS.with(|p| {
        let mut parts = p.get();
        parts[part] = by(parts[part]);
        p.set(parts);
    });
}

/// Whether this thread works for a host lane.
#[must_use]
pub fn is_on(lane: Lane) -> bool {
    lane.is_host() && PARTS.with(|p| p.get()[lane as usize] > 0)
}

/// The lane that this thread works for but for what the store does on it: a producer that does the courier's work too is
/// the producer.
pub(crate) fn below_store() -> Option<Lane> {
    [Lane::Producer, Lane::Courier].into_iter().find(|lane| is_on(*lane))
}

struct Thread(JoinHandle<()>);

impl HostThread for Thread {
    fn join(self: Box<Self>) -> Result<(), Error> {
        self.0.join().map_err(|panic| Error::new(Operation::Wait, panic_text(panic.as_ref())))
    }
}

/// Starts a thread of the system, for a device that has no other way.
///
/// # Errors
/// The system gives no more threads.
pub fn start(name: &str, body: Box<dyn FnOnce() + Send>) -> Result<Box<dyn HostThread>, Error> {
    let thread = Builder::new().name(format!("forebay-{name}")).spawn(body);
    Ok(Box::new(Thread(thread.map_err(|e| Error::new(Operation::Open, e))?)))
}

/// The words of a panic.
#[must_use]
pub fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|s| (*s).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    format!("panicked: {}", text.unwrap_or_else(|| "without words".to_owned()))
}
