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
        self.holders.iter().map(|h| h.copies.saturating_mul(h.bytes)).fold(0, u64::saturating_add)
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
            writeln!(f, "{:<16} {:>2} x {:>13} B", h.name, h.copies, h.bytes)?;
        }
        write!(f, "{:<16} {:>18} B", "total", self.total())
    }
}
