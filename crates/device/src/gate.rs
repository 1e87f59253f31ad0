//! The probe of the gate.

use std::time::Duration;

use crate::{Device, Error, Lane};

/// A lane that stands at a closed gate must not be through by then.
const CLOSED: Duration = Duration::from_millis(1);
/// A lane whose gate was opened must be through by then.
const OPENED: Duration = Duration::from_secs(2);

/// Whether a lane of this device stands at a closed gate and goes on when the host opens it: tried, not asked. To be
/// called while the lanes are idle.
#[must_use]
pub fn gate_works(device: &dyn Device) -> bool {
    device.has_gate() && try_gate(device).unwrap_or(false)
}

fn try_gate(device: &dyn Device) -> Result<bool, Error> {
    let (gate, behind) = (device.gate()?, device.mark()?);
    device.wait(Lane::Compress, gate, 0)?;
    let reached_by = |patience| device.wait_until(Lane::Producer, behind, 0, device.now() + patience);
    let early = device.record(Lane::Compress, behind, 0).and_then(|()| reached_by(CLOSED));
    // Whatever became of that: the lane stands there, and nobody else will open.
    device.record(Lane::Producer, gate, 0)?;
    Ok(!early? && reached_by(OPENED)?)
}
