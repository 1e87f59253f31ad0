//! Stores around stores: slower, failing, counting.

mod count;
mod fail;
mod throttle;

pub use count::{Counting, Counts};
pub use fail::Failing;
pub use throttle::Throttled;

/// The methods of [`Store`](crate::Store) that a decorator only passes on to its field `inner`.
macro_rules! pass_reads_on {
    () => {
        fn get(&self, key: &str) -> Result<Option<Vec<u8>>, Error> {
            self.inner.get(key)
        }

        fn get_range(&self, key: &str, range: std::ops::Range<u64>) -> Result<Vec<u8>, Error> {
            self.inner.get_range(key, range)
        }

        fn size(&self, key: &str) -> Result<Option<u64>, Error> {
            self.inner.size(key)
        }

        fn list(&self, prefix: &str) -> Result<Vec<crate::Entry>, Error> {
            self.inner.list(prefix)
        }

        fn alignment(&self) -> u64 {
            self.inner.alignment()
        }

        fn sync(&self) -> Result<(), Error> {
            self.inner.sync()
        }
    };
}
use pass_reads_on;
