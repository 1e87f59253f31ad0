//! Vector clocks: what each of `N` actors has seen of the others.

/// Whoever acts: an index into clocks.
pub type Actor = usize;

/// Actions of each actor that have been seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Clock<const N: usize>([u64; N]);

impl<const N: usize> Default for Clock<N> {
    fn default() -> Clock<N> {
        Clock([0; N])
    }
}

impl<const N: usize> Clock<N> {
    /// Sees all that another has seen.
    pub fn join(&mut self, other: &Clock<N>) {
        for (mine, theirs) in self.0.iter_mut().zip(other.0) {
            *mine = (*mine).max(theirs);
        }
    }

    /// One more action of `actor`; its number.
    pub fn tick(&mut self, actor: Actor) -> u64 {
        self.0[actor] += 1;
        self.0[actor]
    }

    /// Actions of `actor` that have been seen.
    #[must_use]
    pub fn of(&self, actor: Actor) -> u64 {
        self.0[actor]
    }

    /// Whether action `number` of `actor` has been seen.
    #[must_use]
    pub fn saw(&self, actor: Actor, number: u64) -> bool {
        self.0[actor] >= number
    }
}
