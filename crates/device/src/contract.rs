//! What every device must do. A device's tests call [`check`].

mod reduce;

use std::sync::Arc;

use plan::{Config, DType, Dim, Facts, Memory, Plan, Tuning};

use crate::{
    AggregateJob, CopyJob, Device, EncodeJob, FillJob, Home, Lane, Name, Read, Region, ScatterJob, Sizes,
    Source, Tails, Write,
};

/// Decodes one chunk; the oracle of the encoder's contract.
pub type Decode<'a> = &'a dyn Fn(&plan::Codec, &[u8], usize, usize) -> Vec<u8>;

/// Runs the whole contract.
///
/// # Panics
/// The device breaks it.
pub fn check(device: &dyn Device, codecs: &[plan::Codec], decode: Decode<'_>) {
    memory_of_the_host_begins_on_pages(device);
    lanes_run_in_order(device);
    marks_order_lanes(device);
    waiting_before_the_record_is_an_error(device);
    generations_ascend(device);
    host_waits_block_until_the_record(device);
    either_of_two_marks_ends_a_wait(device);
    gates_open_when_the_host_says_so(device);
    fill_sets_every_element(device);
    scatter_places_every_element(device);
    reduce::every_element_is_made(device);
    aggregate_packs_and_indexes(device);
    for codec in codecs {
        encoded_chunks_decode(device, codec, decode);
    }
    device.synchronize().unwrap();
}

/// Memory of the test: device memory with a way up and down.
struct Bytes<'a> {
    device: &'a dyn Device,
    region: Region,
}

impl<'a> Bytes<'a> {
    fn new(device: &'a dyn Device, bytes: &[u8]) -> Bytes<'a> {
        let region = device.allocate(Home::Device, bytes.len(), Name::of("test")).unwrap();
        let bytes_of = Bytes { device, region };
        let up = device.allocate(Home::Host, bytes.len(), Name::of("test, going up")).unwrap();
        // SAFETY: `up` is new, nothing else reaches it.
        let mut host = unsafe { Write::mint(&up, 0..bytes.len()) };
        host.bytes().unwrap().copy_from_slice(bytes);
        // SAFETY: nothing else reaches either region; the lane is idle when this returns.
        let from = unsafe { Read::mint(&up, 0..bytes.len()) };
        device.copy(Lane::H2d, CopyJob { from, to: bytes_of.write() }).unwrap();
        device.synchronize().unwrap();
        bytes_of
    }

    fn zeroed(device: &'a dyn Device, len: usize) -> Bytes<'a> {
        Bytes::new(device, &vec![0; len])
    }

    fn write(&self) -> Write<'_> {
        // SAFETY: each test orders its own work with marks or by synchronising.
        unsafe { Write::mint(&self.region, 0..self.region.len()) }
    }

    fn read(&self) -> Read<'_> {
        // SAFETY: as above.
        unsafe { Read::mint(&self.region, 0..self.region.len()) }
    }

    fn down(&self) -> Vec<u8> {
        self.device.synchronize().unwrap();
        let down =
            self.device.allocate(Home::Host, self.region.len(), Name::of("test, coming down")).unwrap();
        // SAFETY: `down` is new; all lanes are idle before and after the copy.
        let to = unsafe { Write::mint(&down, 0..down.len()) };
        self.device.copy(Lane::D2h, CopyJob { from: self.read(), to }).unwrap();
        self.device.synchronize().unwrap();
        // SAFETY: all lanes are idle.
        unsafe { Read::mint(&down, 0..down.len()) }.bytes().unwrap().to_vec()
    }
}

/// A store that is written to past the system's cache takes bytes from whole pages only.
fn memory_of_the_host_begins_on_pages(device: &dyn Device) {
    for bytes in [1, 100, 4096, 5000, 1 << 20] {
        let region = device.allocate(Home::Host, bytes, Name::of("test, on a page")).unwrap();
        // SAFETY: nothing else reaches it.
        let view = unsafe { Read::mint(&region, 0..bytes) };
        assert_eq!(view.address().addr() % 4096, 0, "{bytes} bytes");
    }
}

fn copy(device: &dyn Device, on: Lane, from: &Bytes<'_>, to: &Bytes<'_>) {
    device.copy(on, CopyJob { from: from.read(), to: to.write() }).unwrap();
}

fn lanes_run_in_order(device: &dyn Device) {
    for lane in Lane::DEVICE {
        let sources: Vec<_> = (0..16u8).map(|i| Bytes::new(device, &[i; 4096])).collect();
        let to = Bytes::zeroed(device, 4096);
        for from in &sources {
            copy(device, lane, from, &to);
        }
        assert_eq!(to.down(), [15; 4096], "{lane:?} runs in order");
    }
}

/// A chain over all lanes and back, many times round: each copy reads what the one before wrote.
fn marks_order_lanes(device: &dyn Device) {
    let len = 1 << 16;
    let cells: Vec<_> = (0..6).map(|_| Bytes::zeroed(device, len)).collect();
    let marks: Vec<_> = (0..6).map(|_| device.mark().unwrap()).collect();
    for round in 0..32u64 {
        let seed = Bytes::new(device, &vec![round as u8 + 1; len]);
        for (i, lane) in Lane::DEVICE.into_iter().enumerate() {
            if i == 0 && round > 0 {
                device.wait(lane, marks[4], round - 1).unwrap();
            }
            if i > 0 {
                device.wait(lane, marks[i - 1], round).unwrap();
            }
            copy(device, lane, if i == 0 { &seed } else { &cells[i - 1] }, &cells[i]);
            device.record(lane, marks[i], round).unwrap();
        }
        device.wait(Lane::Producer, marks[4], round).unwrap();
        assert_eq!(cells[4].down(), vec![round as u8 + 1; len], "round {round}");
    }
}

fn waiting_before_the_record_is_an_error(device: &dyn Device) {
    let mark = device.mark().unwrap();
    let said = device.wait(Lane::Compress, mark, 0).unwrap_err().to_string();
    assert!(said.contains("not recorded"), "{said}");
    device.record(Lane::Compute, mark, 0).unwrap();
    device.wait(Lane::Compress, mark, 0).unwrap();
    assert!(device.wait(Lane::Compress, mark, 1).is_err(), "a later generation is not the one recorded");
}

fn generations_ascend(device: &dyn Device) {
    let mark = device.mark().unwrap();
    device.record(Lane::Compute, mark, 3).unwrap();
    assert!(device.record(Lane::Compute, mark, 3).is_err(), "one generation is recorded once");
    assert!(device.record(Lane::Producer, mark, 2).is_err(), "generations ascend");
}

fn host_waits_block_until_the_record(device: &dyn Device) {
    let mark = device.mark().unwrap();
    let soon = device.now() + std::time::Duration::from_millis(20);
    assert!(!device.wait_until(Lane::Courier, mark, 0, soon).unwrap());
    assert!(device.now() >= soon, "the clock and the deadline agree");
    device.record(Lane::Sink, mark, 0).unwrap();
    assert!(device.wait_until(Lane::Courier, mark, 0, soon).unwrap());
    device.wait(Lane::Producer, mark, 0).unwrap();
}

fn either_of_two_marks_ends_a_wait(device: &dyn Device) {
    let (one, other) = (device.mark().unwrap(), device.mark().unwrap());
    device.record(Lane::Sink, other, 0).unwrap();
    assert!(!device.wait_either(Lane::Producer, (one, 0), (other, 0)).unwrap());
    device.record(Lane::Sink, one, 0).unwrap();
    assert!(device.wait_either(Lane::Producer, (one, 0), (other, 0)).unwrap());
    assert!(device.wait_either(Lane::Producer, (one, 0), (other, 1)).unwrap());
}

/// Several lanes stand at one gate before it is recorded, and go on in the order of its numbers.
fn gates_open_when_the_host_says_so(device: &dyn Device) {
    assert_eq!(crate::gate_works(device), device.has_gate());
    if !device.has_gate() {
        return;
    }
    let (gate, behind) = (device.gate().unwrap(), device.mark().unwrap());
    // Made first: making them waits for all lanes.
    let (from, to) = (Bytes::new(device, &[7; 4096]), Bytes::zeroed(device, 4096));
    let aside = Bytes::zeroed(device, 4096);
    device.wait(Lane::Compress, gate, 1).unwrap();
    copy(device, Lane::Compress, &from, &to);
    device.record(Lane::Compress, behind, 0).unwrap();
    // Another lane is not in its way.
    copy(device, Lane::Drain, &from, &aside);
    device.record(Lane::Producer, gate, 0).unwrap();
    let soon = device.now() + std::time::Duration::from_millis(5);
    assert!(!device.wait_until(Lane::Producer, behind, 0, soon).unwrap(), "0 does not open for 1");
    device.record(Lane::Courier, gate, 1).unwrap();
    device.wait(Lane::Producer, behind, 0).unwrap();
    assert_eq!((to.down(), aside.down()), (vec![7; 4096], vec![7; 4096]));
    device.wait(Lane::Compress, gate, 0).unwrap();
    assert!(device.record(Lane::Producer, gate, 1).is_err(), "a number is published once");
}

fn a_plan(dtype: DType, dims: Vec<Dim>, order: Option<&str>) -> Plan {
    let facts = Facts {
        memory: Memory::Host,
        alignment: 0,
        gate: false,
        process: 0,
        own: plan::OwnMemory::default(),
    };
    let order = order.map(|o| o.split(' ').map(str::to_owned).collect());
    let config = Config { order, plain: true, ..Config::new(dtype, dims) };
    Plan::new(&config, &Tuning::default(), facts).unwrap()
}

/// Bytes that repeat with no small period.
fn noise(len: usize) -> Vec<u8> {
    (0..len).map(|i| ((i as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 56) as u8).collect()
}

fn fill_sets_every_element(device: &dyn Device) {
    for size in [1, 2, 4, 8] {
        let to = Bytes::zeroed(device, 10_007 * size);
        let element = [1, 2, 3, 4, 5, 6, 7, 8];
        device.fill(Lane::Compute, FillJob { element, size, to: to.write() }).unwrap();
        assert_eq!(to.down(), element[..size].repeat(10_007));
    }
}

fn scatter_places_every_element(device: &dyn Device) {
    let d = |n: &str, size, chunk| Dim::new(n, size).chunk(chunk);
    for dtype in [DType::U8, DType::U16, DType::F32, DType::I64] {
        for (dims, order) in [
            (vec![d("t", 4, 4), d("y", 10, 4), d("x", 9, 3)], None),
            (vec![d("t", 3, 3), d("y", 8, 8), d("x", 5, 5)], None),
            (vec![d("t", 2, 2), d("z", 3, 2), d("y", 7, 4), d("x", 6, 6)], Some("t x z y")),
            (vec![d("t", 1, 1), d("x", 70, 64)], None),
        ] {
            scatter_one(device, &a_plan(dtype, dims, order));
        }
    }
}

/// Scatters two epochs in three uneven parts, the last one with the fill value.
fn scatter_one(device: &dyn Device, plan: &Plan) {
    let size = plan.dtype.size();
    let geometry = Arc::new(plan.scatter.clone());
    let elements = 2 * geometry.epoch_elements;
    let data = noise(2 * plan.epoch_bytes as usize);
    let source = Bytes::new(device, &data);
    let pool = Bytes::zeroed(device, geometry.pool_elements(elements) as usize * size);
    let fill = [7, 6, 5, 4, 3, 2, 1, 9];
    let cuts = [0, elements / 3, elements - elements / 5, elements];
    for part in 0..3 {
        let (first, end) = (cuts[part], cuts[part + 1]);
        let bytes = first as usize * size..end as usize * size;
        let source = match part {
            2 => Source::Fill(fill),
            _ => Source::Elements(source.read().part(bytes)),
        };
        let geometry = geometry.clone();
        let job = ScatterJob { geometry, first, count: end - first, source, pool: pool.write() };
        device.scatter(Lane::Compute, job).unwrap();
    }
    let got = pool.down();
    let mut want = vec![0; got.len()];
    for i in 0..elements {
        let at = geometry.position(i) as usize * size;
        let from = if i < cuts[2] { &data[i as usize * size..][..size] } else { &fill[..size] };
        want[at..at + size].copy_from_slice(from);
    }
    assert!(got == want, "{geometry:?}");
}

fn words(values: impl IntoIterator<Item = u64>) -> Vec<u8> {
    values.into_iter().flat_map(u64::to_le_bytes).collect()
}

/// Chunks of a test in three regions: the second begins its shard, the others go on with tails of 5 and 9 bytes.
struct Packing {
    order: Vec<u32>,
    regions: [[u32; 3]; 3],
    sizes: Vec<u64>,
    tails: [(usize, u8); 4],
}

impl Packing {
    const CHUNKS: usize = 37;
    const STRIDE: usize = 1000;
    const PAGE: usize = 64;

    fn new() -> Packing {
        let chunks = Packing::CHUNKS as u32;
        Packing {
            order: (0..chunks).map(|i| (i * 5) % chunks).collect(),
            regions: [[0, 11, 2], [11, 1, crate::NO_TAIL], [12, chunks - 12, 0]],
            sizes: (0..u64::from(chunks)).map(|i| (i * 131) % (Packing::STRIDE as u64 + 1)).collect(),
            tails: [(5, 0xA0), (60, 0xA1), (9, 0xA2), (63, 0xA3)],
        }
    }

    /// Packed bytes (`None` where nothing is said about them) and offsets, by the book.
    fn want(&self, data: &[u8], fixed: bool, crc32c: bool, page: usize) -> (Vec<Option<u8>>, Vec<u64>) {
        let (mut packed, mut offsets) = (Vec::new(), Vec::new());
        for [first, chunks, shard] in self.regions {
            packed.resize(packed.len().next_multiple_of(page), None);
            if page > 1 && shard != crate::NO_TAIL {
                let (length, byte) = self.tails[shard as usize];
                packed.extend(vec![Some(byte); length]);
            }
            for &c in &self.order[first as usize..][..chunks as usize] {
                offsets.push(packed.len() as u64);
                let size = if fixed { Packing::STRIDE } else { self.sizes[c as usize] as usize };
                let chunk = &data[c as usize * Packing::STRIDE..][..size];
                packed.extend(chunk.iter().copied().map(Some));
                if crc32c {
                    packed.extend(crc_by_bits(chunk).to_le_bytes().map(Some));
                }
            }
            offsets.push(packed.len() as u64);
        }
        (packed, offsets)
    }

    fn check(&self, device: &dyn Device, fixed: bool, crc32c: bool, page: usize) {
        let data = noise(Packing::CHUNKS * Packing::STRIDE);
        let u32s = |values: &[u32]| values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>();
        let (order, source) = (Bytes::new(device, &u32s(&self.order)), Bytes::new(device, &data));
        let table = Bytes::new(device, &u32s(self.regions.as_flattened()));
        let each = Bytes::new(device, &words(self.sizes.iter().copied()));
        let lengths = Bytes::new(device, &u32s(&self.tails.map(|(length, _)| length as u32)));
        let tail = |(length, byte): (usize, u8)| {
            let mut bytes = vec![0xFF; Packing::PAGE];
            bytes[..length].fill(byte);
            bytes
        };
        let tails = Bytes::new(device, &self.tails.map(tail).concat());
        let packed = Bytes::zeroed(device, Packing::CHUNKS * (Packing::STRIDE + 4) + 6 * Packing::PAGE);
        let index = Bytes::zeroed(device, (Packing::CHUNKS + 3) * 8);
        let kept = Bytes::zeroed(device, 3 * Packing::PAGE);
        let job = AggregateJob {
            chunks: Packing::CHUNKS as u32,
            regions: 3,
            order: order.read(),
            table: table.read(),
            page: page as u64,
            tails: (page > 1).then(|| Tails { bytes: tails.read(), lengths: lengths.read() }),
            source: source.read(),
            stride: Packing::STRIDE as u64,
            sizes: if fixed { Sizes::Fixed(Packing::STRIDE as u64) } else { Sizes::Each(each.read()) },
            crc32c,
            packed: packed.write(),
            index: index.write(),
            kept: (page > 1).then(|| kept.write()),
        };
        device.aggregate(Lane::Compress, job).unwrap();
        let (want, offsets) = self.want(&data, fixed, crc32c, page);
        let case = format!("crc32c {crc32c}, fixed {fixed}, page {page}");
        assert_eq!(index.down(), words(offsets.iter().copied()), "{case}");
        let got = packed.down();
        assert!(want.iter().zip(&got).all(|(w, g)| w.is_none_or(|w| w == *g)), "{case}");
        self.check_kept(&offsets, &got, &kept.down(), page, &case);
    }

    /// What each region leaves of a page stands by itself.
    fn check_kept(&self, offsets: &[u64], packed: &[u8], kept: &[u8], page: usize, case: &str) {
        for (r, [first, chunks, _]) in self.regions.into_iter().enumerate().filter(|_| page > 1) {
            let end = offsets[first as usize + r + chunks as usize] as usize;
            let left = &packed[end / page * page..end];
            assert_eq!(kept[r * page..][..left.len()], *left, "region {r}, {case}");
        }
    }
}

fn aggregate_packs_and_indexes(device: &dyn Device) {
    for crc32c in [false, true] {
        for fixed in [true, false] {
            for page in [1, Packing::PAGE] {
                Packing::new().check(device, fixed, crc32c, page);
            }
        }
    }
}

/// CRC-32C by its polynomial, bit by bit: an oracle, not an implementation.
fn crc_by_bits(bytes: &[u8]) -> u32 {
    let mut crc = !0u32;
    for b in bytes {
        crc ^= u32::from(*b);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0x82F6_3B78 } else { crc >> 1 };
        }
    }
    !crc
}

fn encoded_chunks_decode(device: &dyn Device, codec: &plan::Codec, decode: Decode<'_>) {
    let (chunks, size, element) = (9usize, 4096usize, 2usize);
    let mut data = noise(chunks * size);
    data[size..3 * size].fill(0);
    for (i, b) in data[4 * size..6 * size].iter_mut().enumerate() {
        *b = (i / 100) as u8;
    }
    let encoder = device.prepare(codec, chunks as u64, size, element).unwrap();
    let worst = encoder.worst_case().next_multiple_of(16);
    assert!(encoder.worst_case() as u64 <= codec.worst_case(size as u64), "the plan knows the bound");
    let pool = Bytes::new(device, &data);
    let scratch = Bytes::zeroed(device, chunks * worst);
    let sizes = Bytes::zeroed(device, chunks * 8);
    let run = || {
        let (scratch, sizes) = (scratch.write(), sizes.write());
        let job =
            EncodeJob { chunks: chunks as u32, pool: pool.read(), scratch, stride: worst as u64, sizes };
        encoder.encode(Lane::Compress, job).unwrap();
    };
    // The last batch of a run may be empty.
    let nothing = (scratch.write().part(0..0), sizes.write().part(0..0));
    let stride = worst as u64;
    let job =
        EncodeJob { chunks: 0, pool: pool.read().part(0..0), scratch: nothing.0, stride, sizes: nothing.1 };
    encoder.encode(Lane::Compress, job).unwrap();
    device.synchronize().unwrap();
    run();
    let (first, first_sizes) = (scratch.down(), sizes.down());
    for (i, len) in first_sizes.chunks_exact(8).enumerate() {
        let len = u64::from_le_bytes(len.try_into().unwrap()) as usize;
        assert!(len <= worst);
        let chunk = decode(codec, &first[i * worst..][..len], size, element);
        assert!(chunk == data[i * size..][..size], "{codec:?} chunk {i}");
    }
    run();
    assert!(first_sizes == sizes.down() && first == scratch.down(), "{codec:?} is deterministic");
}
