//! Codecs beside one another, on the same chunks in the same rounds:
//! `cargo test --release -p forebay-cli --bin forebay -- --ignored --nocapture codecs_side_by_side`.
//!
//! `FOREBAY_FILLS` names what the chunks hold: `FILL:Y:X:T` for frames of Y x X and chunks of T such frames (of T parts of at
//! most 512 x 512), with commas between several; otherwise it is the synthetic camera.

use forebay::limits::{Chunks, Threads};
use forebay::{Array, Codec, DType, Dim, Options};

use super::Fill;
use super::series::Series;
use crate::args::codec;

const CODECS: [&str; 4] = ["zstd:1", "blosc-zstd:1", "blosc-lz4:5", "blosc-zstd:fast"];
const ROUNDS: usize = 7;
/// Bytes of a source, and of each measured time.
const SOURCE: u64 = 128 << 20;
const BYTES: u64 = 192 << 20;

struct Shape {
    fill: Fill,
    y: u64,
    x: u64,
    t: u64,
}

impl Shape {
    fn parse(text: &str) -> Shape {
        let mut parts = text.rsplitn(4, ':');
        let mut number = || parts.next().and_then(|n| n.parse().ok()).expect("FILL:Y:X:T");
        let (t, x, y) = (number(), number(), number());
        Shape { fill: Fill::parse(parts.next().expect("FILL:Y:X:T")).unwrap(), y, x, t }
    }

    fn array(&self, codec: Codec) -> Array {
        let part = |size: u64| size.min(512);
        let dims = vec![
            Dim::unbounded("t").chunk(self.t),
            Dim::new("y", self.y).chunk(part(self.y)),
            Dim::new("x", self.x).chunk(part(self.x)),
        ];
        Array { codec, ..Array::new(DType::U16, dims) }
    }

    /// Whole epochs.
    fn source(&self) -> Vec<u8> {
        let epoch = self.t * self.y * self.x * 2;
        self.fill.make(&[("t", 0), ("y", self.y), ("x", self.x)], (SOURCE / epoch * epoch) as usize).unwrap()
    }
}

/// Measures each codec once a round, every second round backwards; rates of input, and what the chunks shrink to.
fn measure(shape: &Shape, threads: &Threads) {
    let source = shape.source();
    let mut desks: Vec<_> = CODECS.map(|text| desk(shape, threads, text, &source)).into();
    for round in 0..=ROUNDS {
        for at in 0..desks.len() {
            let last = desks.len() - 1;
            let (_, chunks, chunk, rates, ratio) = &mut desks[if round % 2 == 0 { at } else { last - at }];
            let count = BYTES / *chunk;
            let (time, bytes) = chunks.encode(threads, count).unwrap();
            // The first round warms up.
            if round > 0 {
                rates.push((count * *chunk) as f64 / 1e9 / time.as_secs_f64());
            }
            *ratio = (count * *chunk) as f64 / bytes as f64;
        }
    }
    println!("{}, {} threads, chunks of {} bytes", shape.fill.name(), threads.count(), desks[0].2);
    let first = desks[0].3.clone();
    for (name, _, _, rates, ratio) in &desks {
        let times = rates.with(&first, |rate, first| rate / first);
        println!(
            "{name:<16} {:.3} GB/s ({:.3} to {:.3}), {:.2} times the first ({:.2} to {:.2}), ratio {ratio:.3}",
            rates.median(),
            rates.min(),
            rates.max(),
            times.median(),
            times.min(),
            times.max()
        );
    }
}

type Desk = (&'static str, Chunks, u64, Series, f64);

fn desk(shape: &Shape, threads: &Threads, text: &'static str, source: &[u8]) -> Desk {
    let plan = forebay::plan_for(&shape.array(codec::parse(text).unwrap()), &Options::default()).unwrap();
    (text, Chunks::new(threads, &plan, source).unwrap(), plan.chunk_bytes, Series::default(), 0.0)
}

#[test]
#[ignore = "a measurement"]
fn codecs_side_by_side() {
    let fills = std::env::var("FOREBAY_FILLS").unwrap_or_else(|_| "camera:2048:2048:1".to_owned());
    for count in [1, 2] {
        let threads = Threads::new(count).unwrap();
        fills.split(',').for_each(|text| measure(&Shape::parse(text), &threads));
    }
}
