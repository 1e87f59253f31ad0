//! The plan: everything that follows from a configuration, refused or derived once.

use crate::axes::Order;
use crate::choose::{batch_bytes, choose, staging_bytes};
use crate::error::product;
use crate::levels::{self, Base};
use crate::scatter::EpochDim;
use crate::{
    Budget, Codec, Config, DType, Dim, Facts, Fill, Holder, Level, Memory, Mode, Refusal, Scatter, ShardGrid,
};

const SMALLER: &str = "make sizes or chunks smaller";

/// Numbers that trade memory against speed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tuning {
    /// Copies of each batch buffer, 2 to 8.
    pub slots: u32,
    /// Bytes (before compression) that a batch comes close to; `None`: what suits the device. 32 MiB, or, where the device
    /// has memory of its own, 256 MiB, and 512 MiB with a codec.
    pub batch_bytes: Option<u64>,
    /// Bytes of one staging slot; `None`: what suits the device. 8 MiB, or 32 MiB where it has memory of its own.
    pub staging_bytes: Option<u64>,
    /// When kicked batches are drained; `None`: selected from facts.
    pub mode: Option<Mode>,
    /// Bytes that the whole process may hold; `None`: no cap.
    pub memory: Option<u64>,
}

impl Default for Tuning {
    fn default() -> Tuning {
        Tuning { slots: 2, batch_bytes: None, staging_bytes: None, mode: None, memory: None }
    }
}

/// Everything about a run that is known before its first frame.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Element type.
    pub dtype: DType,
    /// Dimensions in acquisition order; chunk and shard extents are all given.
    pub dims: Vec<Dim>,
    /// Storage order.
    pub order: Order,
    /// Compression of a chunk.
    pub codec: Codec,
    /// Whether a CRC-32C stands behind each chunk.
    pub crc32c: bool,
    /// Fill value.
    pub fill: Fill,
    /// What device and store stated.
    pub facts: Facts,
    /// Where elements of an epoch go.
    pub scatter: Scatter,
    /// Where chunks go.
    pub grid: ShardGrid,
    /// Levels below the array itself, the finest first.
    pub coarser: Vec<Level>,
    /// Bytes of one chunk before compression.
    pub chunk_bytes: u64,
    /// Largest number of bytes of a stored chunk.
    pub stored_chunk_bytes: u64,
    /// Bytes of one epoch as they arrive.
    pub epoch_bytes: u64,
    /// Bytes of one frame: the last two dimensions, or the last where there are two.
    pub frame_bytes: u64,
    /// Bytes of one slice of dimension 0.
    pub slice_bytes: u64,
    /// Bytes of the whole array as they arrive; `None` when it is unbounded.
    pub total_bytes: Option<u64>,
    /// When kicked batches are drained.
    pub mode: Mode,
    /// Epochs in a full batch.
    pub batch_epochs: u32,
    /// Copies of each batch buffer.
    pub slots: u32,
    /// Bytes of one staging slot: at least a frame, and the most that can be reserved at once.
    pub staging_bytes: u64,
    /// Bytes of a staging slot at which it is sent off. Less than all where a frame is large: what was copied just now is
    /// still in a cache, and the next copy goes on beside it.
    pub dispatch_bytes: u64,
    /// Bytes that are allocated at open.
    pub budget: Budget,
    /// Bytes that the whole process may hold; `None`: no cap.
    pub cap: Option<u64>,
    /// What was made smaller to fit the memory cap, in words, in the order in which it was done.
    pub fitted: Vec<String>,
}

/// Bytes of a region in the lookup tables: first packed chunk, number of chunks, shard of the row (three u32).
pub const REGION_BYTES: u64 = 12;
/// Bytes that an object under construction holds: key, path, what is under way.
const OBJECT_BYTES: u64 = 512;
/// Bytes of a region in the layout of a batch, and of what is needed to find it.
const LAYOUT_BYTES: u64 = 128;
/// What regions leave of a page begins in the index of a batch at a multiple of so many bytes.
pub const INDEX_PAGES: u64 = 16;

/// Bytes that say how long the tail of a shard is (u32).
pub const TAIL_LENGTH_BYTES: u64 = 4;

/// The largest page that a store may ask for: buffers begin on such a page.
const MOST_ALIGNMENT: u64 = 4096;

/// Bytes that a staging slot has beyond those that it lends: an element that the end of a slot cut begins the next.
const STAGING_SLACK: u64 = 4096;

/// Bytes of small appends that are gathered at the most: they stay in the caches of one core, and are worth waking threads
/// for that copy them on.
const MOST_GATHERED: u64 = 512 << 10;
/// Bytes of an append up to which it is gathered: to copy more once again would cost as much as a step of the orchestration.
pub const SMALL_APPEND: u64 = 2048;

/// Epochs of a batch, at the most, where coarser levels halve frames: each takes steps of its own.
const MOST_BUILT: u32 = 4096;

/// Copies of the staging buffer: one is filled while the other is scattered.
pub(crate) const STAGING_COPIES: u64 = 2;

impl Plan {
    /// Derives a plan, or says what is wrong with the input.
    ///
    /// # Errors
    /// See [`Refusal`].
    pub fn new(config: &Config, tuning: &Tuning, facts: Facts) -> Result<Plan, Refusal> {
        check_dims(&config.dims)?;
        check_codec(&config.codec)?;
        check_tuning(tuning)?;
        let element = config.dtype.size() as u64;
        let order = Order::derive(config)?;
        let dims = choose(config, &order);
        let fill = check_fill(config)?;
        let append = order.append_dims(&dims);
        let epoch = epoch_dims(&dims, &order, append);
        let chunk_bytes = check_products(&dims, &epoch, element)?;
        check_chunk(&config.codec, chunk_bytes)?;
        let scatter = Scatter::new(&epoch, config.dtype.size());
        let grid = grid(&dims, &order, append)?;
        let base = Base { dims: &dims, order: &order, grid: &grid, fill };
        let coarser = config.pyramid.as_ref().map_or(Ok(vec![]), |asked| levels::derive(asked, &base))?;
        let epoch_bytes = scatter.epoch_elements * element;
        let trailing = if dims.len() > 2 { 2 } else { 1 };
        let extent = |d: &Dim| d.size.unwrap_or(1);
        let frame_bytes = dims[dims.len() - trailing..].iter().map(extent).product::<u64>() * element;
        let slice_bytes = dims[1..].iter().map(extent).product::<u64>() * element;
        let mode = check_mode(tuning.mode, &facts)?;
        let mut plan = Plan {
            dtype: config.dtype,
            codec: config.codec,
            crc32c: config.crc32c,
            fill,
            facts,
            chunk_bytes,
            stored_chunk_bytes: config.codec.worst_case(chunk_bytes) + if config.crc32c { 4 } else { 0 },
            epoch_bytes,
            frame_bytes,
            slice_bytes,
            total_bytes: dims[0].size.map(|s| s * slice_bytes),
            batch_epochs: batch_epochs(&grid, chunk_bytes, batch_bytes(tuning, &config.codec, &facts)),
            mode,
            // Drained at once, a batch needs one copy of everything.
            slots: if mode == Mode::DrainAfterKick { 1 } else { tuning.slots },
            staging_bytes: staging_bytes(tuning, &facts).max(frame_bytes).next_multiple_of(4096),
            dispatch_bytes: staging_bytes(tuning, &facts).next_multiple_of(4096),
            budget: Budget { holders: Vec::new() },
            cap: tuning.memory,
            fitted: Vec::new(),
            dims,
            order,
            scatter,
            grid,
            coarser,
        };
        if plan.coarser.iter().any(Level::is_built) {
            plan.batch_epochs = plan.batch_epochs.min(MOST_BUILT);
        }
        plan.budget = plan.derive_budget()?;
        if tuning.memory.is_none() && facts.own.bytes.is_none() { Ok(plan) } else { plan.fit(tuning) }
    }

    /// Chunks of a full batch.
    #[must_use]
    pub fn batch_chunks(&self) -> u64 {
        u64::from(self.batch_epochs) * self.grid.chunks_per_epoch
    }

    /// Bytes from an encoded chunk to the next in the codec's scratch: room for the worst case, and words of a GPU begin
    /// where they must.
    #[must_use]
    pub fn slot_bytes(&self) -> u64 {
        self.codec.worst_case(self.chunk_bytes).next_multiple_of(16)
    }

    /// Dimensions in storage order.
    pub fn stored_dims(&self) -> impl Iterator<Item = &Dim> {
        self.order.positions.iter().map(|&d| &self.dims[d])
    }

    /// Extent of a chunk, in elements, in storage order.
    #[must_use]
    pub fn chunk_shape(&self) -> Vec<u64> {
        self.stored_dims().map(|d| d.chunk.unwrap_or(1)).collect()
    }

    /// Extent of a shard, in elements, in storage order.
    #[must_use]
    pub fn shard_shape(&self) -> Vec<u64> {
        self.chunk_shape().iter().zip(&self.grid.per_shard).map(|(c, n)| c * n).collect()
    }

    /// Stored shape of a level with `extent` slices of dimension 0.
    #[must_use]
    pub fn shape(&self, level: usize, extent: u64) -> Vec<u64> {
        let size = |&d: &usize| self.size_of(level, d).unwrap_or(extent);
        let mut shape: Vec<_> = self.order.positions.iter().map(size).collect();
        shape[0] = extent;
        shape
    }

    /// Slices of dimension 0 of a level that rows `0..rows` of its shards cover.
    #[must_use]
    pub fn extent_of_rows(&self, level: usize, rows: u64) -> u64 {
        let covered = rows * self.shard_shape()[0];
        self.dims[0].size.map_or(covered, |s| covered.min(self.extent_at(level, s)))
    }

    /// Bytes that offsets and lengths of writes are multiples of; 1 where the store takes any.
    #[must_use]
    pub fn page(&self) -> u64 {
        self.facts.alignment.max(1)
    }

    /// Bytes of small appends that are gathered before they go to staging.
    #[must_use]
    pub fn gathered_bytes(&self) -> u64 {
        MOST_GATHERED.min(self.epoch_bytes).min(self.dispatch_bytes)
    }

    /// Whether the store takes whole pages only, so that what is left of one is carried from batch to batch.
    #[must_use]
    pub fn is_aligned(&self) -> bool {
        self.facts.alignment > 0
    }

    /// Bytes of the tails of a row's shards, a page apart; their lengths, words, come behind.
    #[must_use]
    pub fn tail_pages(&self) -> u64 {
        (self.shards_of_rows() * self.page()).next_multiple_of(TAIL_LENGTH_BYTES)
    }

    /// The most bytes of a shard's end: what is left of a page, and the index.
    #[must_use]
    pub fn footer_bytes(&self) -> u64 {
        (self.page() - 1 + 16 * self.grid.chunks_per_shard + 4).next_multiple_of(self.page())
    }

    /// The most regions of a batch.
    #[must_use]
    pub fn batch_regions(&self) -> u64 {
        let of = |level: usize| self.grid_of(level).most_regions(self.most_epochs(level));
        self.over_levels(of)
    }

    /// Bytes of the ends of all shards that one batch, or the close, can finish.
    fn footers_bytes(&self) -> u64 {
        let of = |level: usize| {
            let grid = self.grid_of(level);
            let rows = grid.most_rows(self.most_epochs(level));
            rows.saturating_mul(grid.shards_per_row).saturating_mul(self.footer_bytes())
        };
        self.over_levels(of)
    }

    /// Bytes of a packed batch: worst-case chunks, and for each region the tail before and the gap behind it.
    fn packed_bytes(&self) -> Result<u64, Refusal> {
        let chunks = product([self.pool_chunks(), self.stored_chunk_bytes], "a batch (its bytes)", SMALLER)?;
        Ok(chunks.saturating_add(self.batch_regions().saturating_mul(2 * (self.page() - 1))))
    }

    pub(crate) fn derive_budget(&self) -> Result<Budget, Refusal> {
        let (slots, chunks) = (u64::from(self.slots), self.pool_chunks());
        let on_device = self.facts.memory == Memory::Device;
        let bytes = |per: u64| product([chunks, per], "a batch (its bytes)", SMALLER);
        let regions = self.batch_regions();
        let left = if self.is_aligned() { regions.saturating_mul(self.page()) } else { 0 };
        let index = (bytes(8)? + 8 * regions.max(1) + INDEX_PAGES).saturating_add(left);
        let tables = bytes(4)? + REGION_BYTES * regions;
        let packed = self.packed_bytes()?;
        let mut holders = Vec::new();
        // Where the device's memory is the host's after all, it counts there.
        let apart = on_device && self.facts.own.bytes.is_some();
        let mut hold = |name, copies, bytes| {
            holders.push(Holder { name, copies, bytes, on_device: apart && is_devices(name) });
        };
        hold("process", 1, self.facts.process);
        hold("small appends", 1, self.gathered_bytes() + SMALL_APPEND);
        hold("staging", STAGING_COPIES, self.staging_bytes + STAGING_SLACK);
        if on_device {
            hold("device staging", STAGING_COPIES, self.staging_bytes + STAGING_SLACK);
        }
        hold("chunk pool", slots, bytes(self.chunk_bytes)?);
        if !self.coarser.is_empty() {
            hold("pyramid", 1, self.pyramid_bytes());
            hold("pyramid steps", 1, self.steps_bytes());
        }
        if !self.codec.is_none() {
            hold("codec scratch", 1, bytes(self.slot_bytes() + 8)?);
        }
        let own = self.facts.own;
        if own.codec > 0 || own.codec_per_chunk > 0 {
            let grown = own.codec + product([chunks, own.codec_per_chunk], "a batch (its bytes)", SMALLER)?;
            hold("codec workspace", 1, own.codec_most.map_or(grown, |most| grown.min(most)));
        }
        hold("host tables", slots, tables);
        hold("lookup tables", 1, tables);
        hold("packed", slots, packed);
        hold("packed index", slots, index);
        if on_device {
            hold("host payload", slots, packed);
            hold("host index", slots, index);
        }
        if self.is_aligned() {
            let tail = self.tail_pages() + self.shards_of_rows() * TAIL_LENGTH_BYTES;
            hold("tail", 1, tail);
            if on_device {
                hold("host tail", 1, tail);
            }
        }
        hold("chunk tables", 1, self.over_levels(|level| self.grid_of(level).chunks_per_epoch * 16));
        hold("shard indexes", slots, self.footers_bytes());
        // One entry of 24 bytes for each chunk of each shard that is open at a time, and its object with its names.
        hold("open shards", self.shards_of_rows(), self.grid.chunks_per_shard * 24 + OBJECT_BYTES);
        hold("encoded index", 1, 16 * self.grid.chunks_per_shard + 4);
        // The one that is kept, the one that is made, and those that are on their way to the store.
        hold("batch layouts", slots + 2, bytes(4)? + LAYOUT_BYTES * regions);
        let budget = Budget { holders };
        if budget.total() > i64::MAX as u64 {
            return Err(Refusal::TooLarge { what: "the byte budget".to_owned(), remedy: SMALLER });
        }
        Ok(budget)
    }
}

/// Buffers that kernels of the device reach and the host does not.
fn is_devices(name: &str) -> bool {
    matches!(
        name,
        "device staging"
            | "chunk pool"
            | "pyramid"
            | "codec scratch"
            | "codec workspace"
            | "lookup tables"
            | "packed"
            | "packed index"
            | "tail"
    )
}

fn check_dims(dims: &[Dim]) -> Result<(), Refusal> {
    if dims.is_empty() || dims.len() > 32 {
        return Err(Refusal::Rank(dims.len()));
    }
    for (position, dim) in dims.iter().enumerate() {
        let name = dim.name.clone();
        let fault = |fault| Err(Refusal::Name { position, name: name.clone(), fault });
        if name.is_empty() {
            return fault("empty");
        }
        if dims[..position].iter().any(|d| d.name == name) {
            return fault("taken by an earlier dimension");
        }
        check_dim(position, dim)?;
    }
    Ok(())
}

fn check_dim(position: usize, dim: &Dim) -> Result<(), Refusal> {
    let name = dim.name.clone();
    let fault = |field, value: String, remedy| Err(Refusal::Dim { name: name.clone(), field, value, remedy });
    match dim.size {
        None if position > 0 => {
            let remedy = "only the first dimension may be unbounded: give a size of 1 or more";
            return fault("size", "0 (unbounded)".to_owned(), remedy);
        }
        Some(0) => {
            return fault("size", "0".to_owned(), "give a size of 1 or more, or leave it unbounded");
        }
        _ => {}
    }
    if dim.chunk == Some(0) {
        return fault("chunk", "0".to_owned(), "give a chunk of 1 or more elements");
    }
    if dim.chunks_per_shard == Some(0) {
        return fault("chunks per shard", "0".to_owned(), "give 1 or more chunks");
    }
    match dim.scale {
        Some(s) if !(s.is_finite() && s > 0.0) => {
            fault("scale", s.to_string(), "give a finite spacing larger than 0")
        }
        _ => Ok(()),
    }
}

fn check_codec(codec: &Codec) -> Result<(), Refusal> {
    let level = |value: i64, range: std::ops::RangeInclusive<i64>, remedy| {
        let value_ok = range.contains(&value);
        if value_ok {
            Ok(())
        } else {
            Err(Refusal::Codec { field: "level", value: value.to_string(), remedy })
        }
    };
    match codec {
        Codec::None => Ok(()),
        Codec::Zstd { level: l } => level(i64::from(*l), 0..=22, "give a zstd level from 0 (default) to 22"),
        Codec::Blosc(b) => {
            if b.inner == crate::BloscInner::Fast {
                level(i64::from(b.level), 1..=1, "give 1, which is all that the fast coder has")?;
            }
            level(i64::from(b.level), 0..=9, "give a Blosc level from 0 to 9")?;
            // c-blosc's limits: a buffer below 128 bytes is not split, and three blocks must fit 31 bits.
            let range = 128..=715_827_542;
            match b.block {
                Some(block) if !range.contains(&block) => Err(Refusal::Codec {
                    field: "block size",
                    value: block.to_string(),
                    remedy: "give a Blosc block of 128 to 715827542 bytes, or leave it out to have it chosen",
                }),
                _ => Ok(()),
            }
        }
    }
}

fn check_tuning(tuning: &Tuning) -> Result<(), Refusal> {
    let fault = |field, value, remedy| Err(Refusal::Tuning { field, value, remedy });
    if !(2..=8).contains(&tuning.slots) {
        return fault("slots", u64::from(tuning.slots), "is out of range: give 2 to 8");
    }
    let sizes = [("batch bytes", tuning.batch_bytes), ("staging bytes", tuning.staging_bytes)];
    for (field, bytes) in sizes {
        if let Some(bytes) = bytes.filter(|b| !(1..=1 << 40).contains(b)) {
            return fault(field, bytes, "is out of range: give 1 to 1 TiB, or leave it out");
        }
    }
    Ok(())
}

/// The mode that was asked for, if the facts allow it, or the one that they select.
fn check_mode(asked: Option<Mode>, facts: &Facts) -> Result<Mode, Refusal> {
    let aligned = facts.alignment > 0;
    if aligned && !(facts.alignment.is_power_of_two() && facts.alignment <= MOST_ALIGNMENT) {
        return Err(Refusal::Alignment(facts.alignment));
    }
    match asked {
        Some(Mode::Pipelined) if aligned && !facts.gate => Err(Refusal::Gate),
        asked => Ok(asked.unwrap_or(Mode::select(facts, false))),
    }
}

fn check_fill(config: &Config) -> Result<Fill, Refusal> {
    let fill = config.fill.unwrap_or(Fill::zero(config.dtype));
    if fill.dtype() != config.dtype {
        return Err(Refusal::FillType { fill: fill.dtype().name(), dtype: config.dtype.name() });
    }
    Ok(fill)
}

/// The largest chunk that each codec can hold.
fn check_chunk(codec: &Codec, chunk_bytes: u64) -> Result<(), Refusal> {
    // Blosc's header counts bytes in 31 bits and its own overhead is 16; zstd and the plans' tables stay below 2^32.
    let most = if matches!(codec, Codec::Blosc(_)) { (1 << 31) - 17 } else { (1 << 32) - 1 };
    if chunk_bytes > most {
        let what = format!("a chunk of {chunk_bytes} bytes (at most {most} with this codec)");
        return Err(Refusal::TooLarge { what, remedy: "make chunks smaller" });
    }
    Ok(())
}

/// Dimensions of one epoch: a chunk of dimension 0, then the inner dimensions whole.
fn epoch_dims(dims: &[Dim], order: &Order, append: usize) -> Vec<EpochDim> {
    let chunk = |d: usize| dims[d].chunk.unwrap_or(1);
    let stored = |d: usize| order.positions.iter().position(|&p| p == d).unwrap_or(d);
    (0..dims.len())
        .map(|d| {
            let extent = if d < append { chunk(d) } else { dims[d].size.unwrap_or(1) };
            EpochDim { extent, chunk: chunk(d), stored: stored(d) }
        })
        .collect()
}

/// Refuses products that do not fit; returns the bytes of a chunk.
fn check_products(dims: &[Dim], epoch: &[EpochDim], element: u64) -> Result<u64, Refusal> {
    let total = dims.iter().map(|d| d.size.unwrap_or(1)).chain([element]);
    product(total, "the array (its bytes)", SMALLER)?;
    let padded = epoch.iter().map(|d| d.extent.div_ceil(d.chunk).saturating_mul(d.chunk)).chain([element]);
    product(padded, "one epoch (its bytes, with whole chunks)", SMALLER)?;
    let shard = dims.iter().flat_map(|d| [d.chunk.unwrap_or(1), d.chunks_per_shard.unwrap_or(1)]);
    product(
        shard.chain([element]),
        "a shard (its bytes)",
        "make chunks smaller, or give fewer of them to a shard",
    )?;
    product(dims.iter().map(|d| d.chunk.unwrap_or(1)).chain([element]), "a chunk (its bytes)", SMALLER)
}

fn grid(dims: &[Dim], order: &Order, append: usize) -> Result<ShardGrid, Refusal> {
    let stored = || order.positions.iter().map(|&d| &dims[d]);
    let chunks = stored().map(|d| d.size.map(|s| s.div_ceil(d.chunk.unwrap_or(1)))).collect();
    let per_shard = stored().map(|d| d.chunks_per_shard.unwrap_or(1)).collect();
    ShardGrid::new(append, chunks, per_shard)
}

/// Epochs of a batch: as many whole ones as the target holds, at least one, at most what the array has.
fn batch_epochs(grid: &ShardGrid, chunk_bytes: u64, target: u64) -> u32 {
    let epoch = grid.chunks_per_epoch.saturating_mul(chunk_bytes).max(1);
    // Each chunk of a batch costs entries in tables and indexes, however small it is.
    const MOST_CHUNKS: u64 = 1 << 16;
    let most = (MOST_CHUNKS / grid.chunks_per_epoch).min(grid.epochs().unwrap_or(u64::MAX));
    u32::try_from((target / epoch).clamp(1, most.max(1))).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const FACTS: Facts = Facts {
        memory: Memory::Host,
        alignment: 0,
        gate: true,
        process: 0,
        own: crate::OwnMemory { bytes: None, codec: 0, codec_per_chunk: 0, codec_most: None },
    };

    fn plan(config: &Config) -> Result<Plan, Refusal> {
        Plan::new(config, &Tuning::default(), FACTS)
    }

    fn camera() -> Vec<Dim> {
        vec![
            Dim::unbounded("t").chunk(16).chunks_per_shard(4),
            Dim::new("y", 2048).chunk(512).chunks_per_shard(4),
            Dim::new("x", 2048).chunk(512).chunks_per_shard(4),
        ]
    }

    #[test]
    fn the_camera_of_the_benchmarks() {
        let plan = plan(&Config::new(DType::U16, camera())).unwrap();
        assert_eq!(plan.chunk_bytes, 8 << 20);
        assert_eq!(plan.epoch_bytes, 16 * 2048 * 2048 * 2);
        assert_eq!(plan.batch_epochs, 1);
        assert_eq!(plan.shard_shape(), [64, 2048, 2048]);
        assert_eq!(plan.frame_bytes, 2048 * 2048 * 2);
    }

    #[test]
    fn append_dimensions_end_at_the_first_that_moves_or_is_deeper() {
        let append = |dims: &str, order: Option<&str>| {
            let dims = dims
                .split(' ')
                .map(|d| {
                    let (name, chunk) = d.split_once(':').unwrap();
                    Dim::new(name, 6).chunk(chunk.parse().unwrap())
                })
                .collect();
            let order = order.map(|o| o.split(' ').map(str::to_owned).collect());
            plan(&Config { order, plain: true, ..Config::new(DType::U8, dims) }).unwrap().grid.append
        };
        assert_eq!(append("t:2 c:1 y:4 x:4", None), 1);
        assert_eq!(append("t:1 c:1 z:1 y:4 x:4", None), 3);
        assert_eq!(append("t:1 c:1 z:3 y:4 x:4", None), 2);
        assert_eq!(append("t:1 z:1 c:1 y:4 x:4", Some("t c z y x")), 1);
        assert_eq!(append("t:1 c:1 z:1 y:4 x:4", Some("t c y z x")), 2);
    }

    fn blosc(level: u8, block: Option<u32>) -> Codec {
        let (inner, shuffle) = (crate::BloscInner::Lz4, crate::Shuffle::Byte);
        Codec::Blosc(crate::Blosc { inner, level, shuffle, block })
    }

    #[test]
    fn refusals_name_the_field_the_value_and_the_remedy() {
        let check = |edit: fn(&mut Config), words: &[&str]| {
            let mut config = Config::new(DType::U16, camera());
            edit(&mut config);
            let said = plan(&config).unwrap_err().to_string();
            assert!(words.iter().all(|w| said.contains(w)), "{said}");
        };
        check(|c| c.dims.clear(), &["0 given", "1 to 32"]);
        check(|c| c.dims[1].name.clear(), &["dimension 1", "empty"]);
        check(|c| c.dims[2].name = "t".into(), &["`t`", "earlier"]);
        check(|c| c.dims[1].size = None, &["`y`", "size 0", "first dimension"]);
        check(|c| c.dims[0].size = Some(0), &["`t`", "size 0", "1 or more"]);
        check(|c| c.dims[0].chunk = Some(0), &["`t`", "chunk 0"]);
        check(|c| c.dims[0].chunks_per_shard = Some(0), &["`t`", "chunks per shard 0"]);
        check(|c| c.dims[0].scale = Some(f64::NAN), &["`t`", "scale NaN"]);
        check(|c| c.codec = Codec::Zstd { level: 23 }, &["level 23", "22"]);
        check(|c| c.codec = blosc(10, None), &["level 10", "9"]);
        check(|c| c.codec = blosc(1, Some(68)), &["block size 68", "128"]);
        let fast = |level| match blosc(level, None) {
            Codec::Blosc(blosc) => Codec::Blosc(crate::Blosc { inner: crate::BloscInner::Fast, ..blosc }),
            other => other,
        };
        assert!(plan(&Config { codec: fast(1), ..Config::new(DType::U16, camera()) }).is_ok());
        let said =
            plan(&Config { codec: fast(2), ..Config::new(DType::U16, camera()) }).unwrap_err().to_string();
        assert!(said.contains("level 2") && said.contains("give 1"), "{said}");
        check(|c| c.fill = Some(Fill::zero(DType::F32)), &["float32", "uint16"]);
        check(|c| c.dims[2].chunk = Some(u64::MAX / 4), &["too large"]);
        check(|c| c.dims[2].chunks_per_shard = Some(1 << 40), &["a shard (its bytes)", "fewer"]);
        check(|c| c.dims[2].size = Some(1 << 62), &["the array", "smaller"]);
        check(|c| c.dims[2].chunk = Some(1 << 30), &["a chunk of", "smaller"]);
    }

    fn any_number() -> impl Strategy<Value = u64> {
        prop_oneof![
            1u64..9,
            (0u32..64).prop_map(|b| 1 << b),
            (0u32..64).prop_map(|b| u64::MAX >> b),
            any::<u64>()
        ]
    }

    proptest! {
        /// Any numbers at all are planned or refused: nothing wraps (debug builds panic), nothing is allocated for them.
        #[test]
        fn no_numbers_overflow(
            dims in prop::collection::vec((any_number(), any_number(), any_number()), 1..6),
            dtype in 0..11usize,
            (codec, batch, staging) in (0..3usize, any_number(), any_number()),
        ) {
            let dim = |(d, (size, chunk, shard)): (usize, &(u64, u64, u64))| {
                Dim::new(format!("d{d}"), *size).chunk(*chunk).chunks_per_shard(*shard)
            };
            let dims = dims.iter().enumerate().map(dim).collect();
            let codec = [Codec::None, Codec::Zstd { level: 1 }, blosc(1, None)][codec];
            let config = Config { plain: true, codec, ..Config::new(DType::ALL[dtype], dims) };
            let tuning = Tuning { slots: 8, batch_bytes: Some(batch), staging_bytes: Some(staging), mode: None, memory: None };
            if let Ok(plan) = Plan::new(&config, &tuning, FACTS) {
                prop_assert!(plan.budget.total() > 0);
                let last = plan.grid.epochs().unwrap() - 1;
                let (row, shard) = plan.grid.row_and_first_shard(last);
                prop_assert!(shard < plan.grid.shards_per_row);
                prop_assert!(plan.extent_of_rows(0, row + 1) == plan.dims[0].size.unwrap());
            }
        }
    }

    /// Counts the shards that end in each possible batch, and compares with what the plan holds for their indexes.
    #[test]
    fn indexes_of_all_shards_that_end_in_a_batch_fit() {
        for (size, chunk, shard, batch) in
            (1..40).flat_map(|s| [(s, 3, 3, 5), (s, 1, 4, 9), (s, 2, 1, 7), (s, 5, 2, 1)])
        {
            let dims =
                vec![Dim::new("t", size).chunk(chunk).chunks_per_shard(shard), Dim::new("x", 4).chunk(2)];
            let tuning = Tuning { batch_bytes: Some(batch * chunk * 4), ..Tuning::default() };
            let config = Config { plain: true, ..Config::new(DType::U8, dims) };
            let plan = Plan::new(&config, &tuning, FACTS).unwrap();
            let (grid, epochs) = (&plan.grid, plan.grid.epochs().unwrap());
            let ends = |e: u64| {
                e + 1 == epochs || grid.row_and_first_shard(e).0 != grid.row_and_first_shard(e + 1).0
            };
            for first in 0..epochs {
                let last = (first + u64::from(plan.batch_epochs)).min(epochs);
                // Besides those that end, a close in mid-row ends the last one.
                let rows = (first..last).filter(|&e| ends(e) || e + 1 == last).count() as u64;
                let index = 16 * grid.chunks_per_shard + 4;
                assert!(
                    rows * grid.shards_per_row * index <= plan.budget.bytes_of("shard indexes"),
                    "{size} {chunk} {shard} {first}"
                );
            }
        }
    }

    #[test]
    fn the_budget_names_its_holders() {
        let plan = plan(&Config::new(DType::U16, camera())).unwrap();
        assert_eq!(plan.budget.bytes_of("chunk pool"), 128 << 20);
        assert!(plan.budget.bytes_of("codec scratch") > 128 << 20);
        let sum: u64 = plan.budget.holders.iter().map(|h| h.copies * h.bytes).sum();
        assert_eq!(plan.budget.total(), sum);
        assert!(plan.budget.to_string().contains("chunk pool"));
    }
}
