//! Memory of a device, and the views through which it is reached.

use std::marker::PhantomData;
use std::ops::Range;
use std::panic::Location;
use std::sync::Arc;

use crate::check::Touch;
use crate::error::{Error, Operation};

/// Where a region should lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Home {
    /// Reachable by the host's own loads and stores.
    Host,
    /// Reachable by the kernels of the device.
    Device,
}

/// What a region is for: a buffer, and which of its slots. For people.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Name {
    /// The buffer.
    pub buffer: &'static str,
    /// The slot.
    pub slot: usize,
}

impl Name {
    /// The only slot of a buffer.
    #[must_use]
    pub const fn of(buffer: &'static str) -> Name {
        Name { buffer, slot: 0 }
    }
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.buffer, self.slot)
    }
}

/// Memory that a device gave out. Freed when the last view and the last queued job are gone.
///
/// # Safety
/// `base` points to `len` bytes that stay allocated for as long as the value lives; where `host_visible`, they may
/// be read and written by the host.
pub unsafe trait Backing: Send + Sync {
    /// Address of the first byte.
    fn base(&self) -> *mut u8;
    /// Number of bytes.
    fn len(&self) -> usize;
    /// Whether the host may load and store there.
    fn host_visible(&self) -> bool;
    /// Whether there are no bytes.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// Told when the host takes bytes `range` to be read or written, and where in the source. A device that checks the
    /// order of accesses listens; others do not.
    fn taken(&self, range: Range<usize>, write: bool, at: &'static Location<'static>) {
        let _ = (range, write, at);
    }
    /// Number by which a device that checks the order of accesses knows the region.
    fn number(&self) -> Option<u64> {
        None
    }
    /// The region that this one stands for: that of the device within.
    fn inner(&self) -> Option<&Region> {
        None
    }
}

/// A region of memory, shared by all views of it.
#[derive(Clone)]
pub struct Region(Arc<dyn Backing>);

impl std::fmt::Debug for Region {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Region({:p}, {} bytes)", self.0.base(), self.0.len())
    }
}

impl Region {
    /// Wraps memory of a device.
    #[must_use]
    pub fn new(backing: Arc<dyn Backing>) -> Region {
        Region(backing)
    }

    /// Number of bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether the region has no bytes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn backing(&self) -> &dyn Backing {
        &*self.0
    }
}

#[derive(Clone)]
struct Span {
    region: Region,
    range: Range<usize>,
}

impl Span {
    fn new(region: &Region, range: Range<usize>) -> Span {
        assert!(
            range.start <= range.end && range.end <= region.len(),
            "a view of {range:?} leaves {region:?}"
        );
        Span { region: region.clone(), range }
    }

    fn part(&self, range: Range<usize>) -> Span {
        let len = self.range.len();
        assert!(
            range.start <= range.end && range.end <= len,
            "a part of {range:?} leaves a view of {len} bytes"
        );
        Span {
            region: self.region.clone(),
            range: self.range.start + range.start..self.range.start + range.end,
        }
    }

    fn base(&self) -> *mut u8 {
        // SAFETY: the constructors keep `range` inside the region, which the span keeps allocated.
        unsafe { self.region.0.base().add(self.range.start) }
    }

    fn touch(&self, write: bool) -> Option<Touch> {
        Some(Touch { region: self.region.0.number()?, range: self.range.clone(), write })
    }

    /// The same bytes of the region that this one stands for.
    fn inner(self) -> Span {
        let inner = self.region.0.inner().cloned();
        Span { region: inner.unwrap_or(self.region), range: self.range }
    }

    fn host(&self, write: bool, at: &'static Location<'static>) -> Result<(), Error> {
        if self.region.0.host_visible() {
            self.region.0.taken(self.range.clone(), write, at);
            return Ok(());
        }
        Err(Error::new(Operation::Copy, "the host cannot reach memory of the device: copy it down first"))
    }
}

/// Bytes that may be read while `'a` lasts.
#[derive(Clone)]
pub struct Read<'a> {
    span: Span,
    life: PhantomData<&'a [u8]>,
}

/// Bytes that may be written while `'a` lasts.
pub struct Write<'a> {
    span: Span,
    life: PhantomData<&'a mut [u8]>,
}

// SAFETY: a view is an address with a vouched-for order; which thread uses it does not matter to that order.
unsafe impl Send for Read<'_> {}
// SAFETY: as above.
unsafe impl Send for Write<'_> {}
// SAFETY: sharing a `Read` gives out shared slices only.
unsafe impl Sync for Read<'_> {}

impl<'a> Read<'a> {
    /// Mints a view of `range` of `region`.
    ///
    /// # Safety
    /// Everything done through the view, and through jobs that it is handed to, is ordered after the writes that
    /// it needs and before the next write of any of these bytes.
    #[must_use]
    pub unsafe fn mint(region: &Region, range: Range<usize>) -> Read<'a> {
        Read { span: Span::new(region, range), life: PhantomData }
    }

    /// The same view for a job that outlives the borrow.
    ///
    /// # Safety
    /// As for [`Read::mint`]: the job ends before the bytes are written again.
    #[must_use]
    pub unsafe fn detach(self) -> Read<'static> {
        Read { span: self.span, life: PhantomData }
    }

    /// A view of part of the bytes.
    #[must_use]
    pub fn part(&self, range: Range<usize>) -> Read<'a> {
        Read { span: self.span.part(range), life: PhantomData }
    }

    /// What work through this view uses, where a device checks it.
    #[must_use]
    pub fn touch(&self) -> Option<Touch> {
        self.span.touch(false)
    }

    /// The same view, of what the region stands for.
    pub(crate) fn inner(self) -> Read<'a> {
        Read { span: self.span.inner(), life: PhantomData }
    }

    /// Number of bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.span.range.len()
    }

    /// Whether there are no bytes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.span.range.is_empty()
    }

    /// Whether the host can reach the bytes.
    #[must_use]
    pub fn is_on_host(&self) -> bool {
        self.span.region.0.host_visible()
    }

    /// Address of the first byte, for a device's own kernels.
    #[must_use]
    pub fn address(&self) -> *const u8 {
        self.span.base()
    }

    /// The bytes themselves.
    ///
    /// # Errors
    /// The memory is the device's own.
    #[track_caller]
    pub fn bytes(&self) -> Result<&'a [u8], Error> {
        self.span.host(false, Location::caller())?;
        // SAFETY: host-visible, allocated, and whoever minted the view vouched that nothing writes meanwhile.
        Ok(unsafe { std::slice::from_raw_parts(self.span.base(), self.len()) })
    }
}

impl<'a> Write<'a> {
    /// Mints a view of `range` of `region`.
    ///
    /// # Safety
    /// Everything done through the view, and through jobs that it is handed to, is ordered after all earlier uses
    /// of these bytes and before all later ones; no other view of them is used meanwhile.
    #[must_use]
    pub unsafe fn mint(region: &Region, range: Range<usize>) -> Write<'a> {
        Write { span: Span::new(region, range), life: PhantomData }
    }

    /// The same view for a job that outlives the borrow.
    ///
    /// # Safety
    /// As for [`Write::mint`]: the job ends before the bytes are used again.
    #[must_use]
    pub unsafe fn detach(self) -> Write<'static> {
        Write { span: self.span, life: PhantomData }
    }

    /// A view of part of the bytes, which takes the place of this one.
    #[must_use]
    pub fn part(self, range: Range<usize>) -> Write<'a> {
        Write { span: self.span.part(range), life: PhantomData }
    }

    /// Two views: bytes before `at`, and the rest.
    #[must_use]
    pub fn split(self, at: usize) -> (Write<'a>, Write<'a>) {
        let (before, after) = (self.span.part(0..at), self.span.part(at..self.len()));
        (Write { span: before, life: PhantomData }, Write { span: after, life: PhantomData })
    }

    /// What work through this view uses, where a device checks it.
    #[must_use]
    pub fn touch(&self) -> Option<Touch> {
        self.span.touch(true)
    }

    /// The same view, of what the region stands for.
    pub(crate) fn inner(self) -> Write<'a> {
        Write { span: self.span.inner(), life: PhantomData }
    }

    /// Number of bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.span.range.len()
    }

    /// Whether there are no bytes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.span.range.is_empty()
    }

    /// Whether the host can reach the bytes.
    #[must_use]
    pub fn is_on_host(&self) -> bool {
        self.span.region.0.host_visible()
    }

    /// Address of the first byte, for a device's own kernels.
    #[must_use]
    pub fn address(&self) -> *mut u8 {
        self.span.base()
    }

    /// The bytes themselves, for as long as the view itself would last.
    ///
    /// # Errors
    /// The memory is the device's own.
    #[track_caller]
    pub fn into_bytes(self) -> Result<&'a mut [u8], Error> {
        self.span.host(true, Location::caller())?;
        // SAFETY: as in `bytes`; the view is gone, so this is the only way to them.
        Ok(unsafe { std::slice::from_raw_parts_mut(self.span.base(), self.span.range.len()) })
    }

    /// The bytes themselves.
    ///
    /// # Errors
    /// The memory is the device's own.
    #[track_caller]
    pub fn bytes(&mut self) -> Result<&mut [u8], Error> {
        self.span.host(true, Location::caller())?;
        // SAFETY: host-visible, allocated, and whoever minted the view vouched that it is the only one in use.
        Ok(unsafe { std::slice::from_raw_parts_mut(self.span.base(), self.span.range.len()) })
    }
}
