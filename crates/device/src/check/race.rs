//! Two uses of the same bytes that nothing orders.

use std::fmt;
use std::ops::Range;
use std::panic::Location;

use crate::memory::Name;

/// One of the two.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Use {
    /// Stage that it belongs to.
    pub stage: &'static str,
    /// Its generation.
    pub generation: u64,
    /// The lane or thread.
    pub by: String,
    /// Where in the source it stands.
    pub at: &'static Location<'static>,
    /// Whether it writes.
    pub write: bool,
}

/// Two uses of the same bytes, of which one writes, and which nothing orders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Race {
    /// The buffer and its slot.
    pub buffer: Name,
    /// The bytes.
    pub range: Range<usize>,
    /// The use that was called for first, as far as one thread called for both.
    pub first: Use,
    /// The other one.
    pub second: Use,
    /// Whether one thread called for both, so that it is known which was called for first.
    pub in_call_order: bool,
}

impl fmt::Display for Use {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Use { stage, generation, by, at, .. } = self;
        write!(f, "{stage} {generation} ({by}, {}:{})", at.file(), at.line())
    }
}

impl fmt::Display for Race {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verb = |u: &Use| if u.write { "writes" } else { "reads" };
        let (Range { start, end }, first, second) = (&self.range, &self.first, &self.second);
        write!(f, "race on bytes {start}..{end} of {}: ", self.buffer)?;
        write!(f, "{first} {} them, {second} {} them, and nothing orders the two", verb(first), verb(second))
    }
}
