//! The byte budget: a sum with named holders. What it says is what is allocated at open.

use std::fmt;

/// One holder of bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// What the bytes are for.
    pub name: &'static str,
    /// Copies.
    pub copies: u64,
    /// Bytes of one copy.
    pub bytes: u64,
    /// Whether they lie in memory of the device's own.
    pub on_device: bool,
}

impl Holder {
    /// Bytes of all copies.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.copies.saturating_mul(self.bytes)
    }
}

/// All bytes that a run holds, by holder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Holders, in the order in which data pass them.
    pub holders: Vec<Holder>,
}

impl Budget {
    /// Sum over all holders, in bytes.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.holders.iter().map(Holder::total).fold(0, u64::saturating_add)
    }

    /// The same for what lies in memory of the device's own, and then for what lies in the host's.
    #[must_use]
    pub fn split(&self) -> (u64, u64) {
        let sum = |on: bool| {
            self.holders.iter().filter(|h| h.on_device == on).map(Holder::total).fold(0, u64::saturating_add)
        };
        (sum(true), sum(false))
    }

    /// Bytes of one copy of a holder, 0 where there is none of that name.
    #[must_use]
    pub fn bytes_of(&self, name: &str) -> u64 {
        self.holders.iter().find(|h| h.name == name).map_or(0, |h| h.bytes)
    }
}

impl fmt::Display for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for h in &self.holders {
            let place = if h.on_device { " on the device" } else { "" };
            writeln!(f, "{:<16} {:>2} x {:>13} B{place}", h.name, h.copies, h.bytes)?;
        }
        let (device, host) = self.split();
        if device > 0 {
            writeln!(f, "{:<16} {host:>18} B", "on the host")?;
            writeln!(f, "{:<16} {device:>18} B", "on the device")?;
        }
        write!(f, "{:<16} {:>18} B", "total", self.total())
    }
}
