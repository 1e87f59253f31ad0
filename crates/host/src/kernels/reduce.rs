//! Reduce: windows of one level's chunks to elements of the next level's.

use plan::{Reduction, Window};

/// Makes `epochs` epochs of a level from as many of the level above; see [`Reduction`] and [`Window`].
///
/// # Panics
/// A slice is shorter than its epochs; a window takes the last frame of the epoch before, and there is none.
pub fn reduce(
    reduction: &Reduction,
    window: Window,
    epochs: u32,
    before: Option<&[u8]>,
    from: &[u8],
    to: &mut [u8],
) {
    let _ = (reduction, window, epochs, before, from, to);
}
