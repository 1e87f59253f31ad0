//! What is measured: the arrays that writers of this kind are compared by.

use forebay::{Array, Codec, DType, Dim, Pyramid, Reducer};

use super::fit;

/// Bytes of an element: all scenarios are of uint16.
pub(crate) const ELEMENT: u64 = 2;
/// Shards along the first axis, at the least: a run shall open and finish some.
const SHARDS: u64 = 4;
/// Bytes that are streamed where nothing is said, at the least.
const USUAL_BYTES: u64 = 1 << 30;

/// One axis.
pub(crate) struct Axis {
    pub(crate) name: &'static str,
    /// 0: grows.
    size: u64,
    /// Share of a chunk's bytes: see [`fit::chunk`].
    weight: i8,
}

enum Shards {
    /// So many at once, of any shape.
    Open(u64),
    /// One shape, in elements, whatever the chunks are.
    Shape(&'static [u64]),
}

/// A scenario.
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) axes: &'static [Axis],
    chunk_bytes: u64,
    shards: Shards,
    /// Writers at once.
    pub(crate) streams: usize,
    /// Whether the axes are no image that OME-Zarr knows.
    plain: bool,
    /// Axes that coarser levels halve, by the mean; none: there are no levels.
    halved: &'static [&'static str],
}

const fn axis(name: &'static str, size: u64, weight: i8) -> Axis {
    Axis { name, size, weight }
}

const CUBE: &[Axis] =
    &[axis("t", 0, 1), axis("z", 256, 4), axis("y", 256, 4), axis("x", 256, 4), axis("c", 3, 0)];

const MIB: u64 = 1 << 20;

const CUBE_ALONE: Scenario = Scenario {
    name: "256cube",
    axes: CUBE,
    chunk_bytes: MIB,
    shards: Shards::Open(16),
    streams: 1,
    plain: true,
    halved: &[],
};

const ORCA: Scenario = Scenario {
    name: "orca2",
    axes: &[axis("t", 0, 1), axis("c", 2, 0), axis("y", 2048, 2), axis("x", 2304, 2)],
    plain: false,
    ..CUBE_ALONE
};

const ALL: &[Scenario] = &[
    CUBE_ALONE,
    Scenario { name: "256cube_multiscale", halved: &["z", "y", "x"], ..CUBE_ALONE },
    Scenario { name: "256cube_multiscale_t", halved: &["t", "z", "y", "x"], ..CUBE_ALONE },
    ORCA,
    Scenario { name: "orca2_multiscale", halved: &["y", "x"], ..ORCA },
    Scenario { name: "orca2_multiscale_t", halved: &["t", "y", "x"], ..ORCA },
    Scenario {
        name: "medfmt",
        axes: &[axis("z", 0, 1), axis("c", 1, 0), axis("y", 10240, 8), axis("x", 15360, 8)],
        chunk_bytes: MIB,
        shards: Shards::Open(20),
        streams: 1,
        plain: true,
        halved: &[],
    },
    Scenario {
        name: "smallepoch",
        axes: &[axis("t", 0, 1), axis("y", 16, fit::PINNED), axis("x", 16, fit::PINNED)],
        chunk_bytes: MIB,
        shards: Shards::Open(1),
        streams: 1,
        plain: true,
        halved: &[],
    },
    Scenario { name: "two_streams", streams: 2, ..CUBE_ALONE },
    Scenario {
        name: "camera",
        // At 8 MiB these weights are 16 x 512 x 512.
        axes: &[axis("t", 0, 1), axis("y", 2048, 2), axis("x", 2048, 2)],
        chunk_bytes: 8 * MIB,
        shards: Shards::Shape(&[64, 2048, 2048]),
        streams: 1,
        plain: false,
        halved: &[],
    },
];

/// What the command line may change in a scenario.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Changes {
    pub(crate) codec: Codec,
    /// Bytes of a chunk.
    pub(crate) chunk_bytes: Option<u64>,
    /// Bytes of each stream.
    pub(crate) bytes: Option<u64>,
    /// Axes of space are so many times smaller: for tests.
    pub(crate) shrink: u64,
}

/// A scenario with all its numbers.
pub(crate) struct Shaped {
    pub(crate) array: Array,
    /// Bytes of one image: the axes from `y` on.
    pub(crate) frame: u64,
    /// Bytes of a layer: one chunk along the first axis, all of the others.
    pub(crate) layer: u64,
    /// Layers of each stream.
    pub(crate) layers: u64,
}

impl Scenario {
    /// Finds a scenario by its name.
    pub(crate) fn parse(name: &str) -> Result<&'static Scenario, String> {
        let names = || ALL.iter().map(|s| s.name).collect::<Vec<_>>().join(", ");
        ALL.iter()
            .find(|s| s.name == name)
            .ok_or_else(|| format!("`{name}` is no scenario; use one of {}", names()))
    }

    /// Fits chunks and shards.
    pub(crate) fn shape(&self, changes: &Changes) -> Result<Shaped, String> {
        let sizes = self.sizes(changes.shrink);
        let budget = changes.chunk_bytes.unwrap_or(self.chunk_bytes);
        let weighed: Vec<_> = sizes.iter().zip(self.axes).map(|(s, a)| (*s, a.weight)).collect();
        let chunk = fit::chunk(&weighed, budget / ELEMENT);
        let bytes = chunk.iter().product::<u64>() * ELEMENT;
        if bytes > budget {
            return Err(format!(
                "--chunk-bytes {budget}: the smallest chunk has {bytes} bytes; give as many"
            ));
        }
        let layer = chunk[0] * sizes[1..].iter().product::<u64>() * ELEMENT;
        let (layers, per_shard) = self.shards(&sizes, &chunk, changes.bytes, layer);
        let dims = self.axes.iter().zip(&sizes).zip(chunk.iter().zip(per_shard)).map(|((a, s), (c, n))| {
            let dim = if *s == 0 { Dim::unbounded(a.name) } else { Dim::new(a.name, *s) };
            dim.chunk(*c).chunks_per_shard(n)
        });
        let (codec, plain, pyramid) = (changes.codec, self.plain, self.pyramid());
        let array = Array { codec, plain, pyramid, ..Array::new(DType::U16, dims.collect()) };
        let plane = self.axes.iter().position(|a| a.name == "y").unwrap_or(1);
        let frame = sizes[plane..].iter().product::<u64>() * ELEMENT;
        Ok(Shaped { array, frame, layer, layers })
    }

    /// Levels until all halved axes but the one that grows fit in a chunk.
    fn pyramid(&self) -> Option<Pyramid> {
        let dims: Vec<_> = self.halved.iter().map(|&name| name.to_owned()).collect();
        let some = !dims.is_empty();
        some.then_some(Pyramid {
            dims,
            reducer: Reducer::Mean,
            append: None,
            levels: None,
            keep_aspect: false,
        })
    }

    /// Sizes, 0 for the axis that grows.
    fn sizes(&self, shrink: u64) -> Vec<u64> {
        let size = |a: &Axis| {
            if a.name == "c" || a.size == 0 { a.size } else { (a.size / shrink).max(a.size.min(16)) }
        };
        self.axes.iter().map(size).collect()
    }

    /// Layers of a run, and chunks of a shard along each axis.
    fn shards(&self, sizes: &[u64], chunk: &[u64], bytes: Option<u64>, layer: u64) -> (u64, Vec<u64>) {
        let asked = bytes.map(|b| b.div_ceil(layer).max(1));
        let usual = USUAL_BYTES.div_ceil(layer).next_multiple_of(SHARDS);
        let grid: Vec<_> = sizes.iter().zip(chunk).skip(1).map(|(s, c)| s.div_ceil(*c)).collect();
        match self.shards {
            Shards::Open(open) => {
                let layers = asked.unwrap_or(usual);
                let mut per_shard = vec![(layers / SHARDS).max(1)];
                per_shard.extend(fit::chunks_per_shard(&grid, open));
                (layers, per_shard)
            }
            Shards::Shape(shape) => {
                let per_shard: Vec<_> = shape.iter().zip(chunk).map(|(s, c)| (s / c).max(1)).collect();
                (asked.unwrap_or(SHARDS * per_shard[0]), per_shard)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changes(chunk_bytes: Option<u64>) -> Changes {
        Changes { codec: Codec::None, chunk_bytes, bytes: None, shrink: 1 }
    }

    fn shaped(name: &str, chunk_bytes: Option<u64>) -> Shaped {
        Scenario::parse(name).unwrap().shape(&changes(chunk_bytes)).unwrap()
    }

    #[test]
    fn chunks_are_those_that_others_measure() {
        let check = |name: &str, kib: u64, want: &[u64]| {
            let shaped = shaped(name, Some(kib << 10));
            let chunk: Vec<_> = shaped.array.dims.iter().map(|d| d.chunk.unwrap()).collect();
            assert_eq!(chunk, want, "{name} at {kib} KiB");
        };
        check("256cube", 1024, &[4, 32, 64, 64, 1]);
        check("orca2", 1024, &[16, 1, 128, 256]);
        check("medfmt", 1024, &[2, 1, 512, 512]);
        check("smallepoch", 1024, &[2048, 16, 16]);
        check("two_streams", 1024, &[4, 32, 64, 64, 1]);
        check("256cube", 256, &[4, 32, 32, 32, 1]);
        check("orca2", 256, &[8, 1, 128, 128]);
        check("medfmt", 256, &[2, 1, 256, 256]);
        check("smallepoch", 256, &[512, 16, 16]);
        check("camera", 8192, &[16, 512, 512]);
    }

    #[test]
    fn as_many_shards_are_open_as_is_said_and_four_follow_one_another() {
        let check = |name: &str, chunk_bytes: Option<u64>, open: u64| {
            let shaped = shaped(name, chunk_bytes);
            let mut options = forebay::Options::default();
            options.tuning.memory = Some(1 << 40);
            let grid = forebay::plan_for(&shaped.array, &options).unwrap().grid;
            assert_eq!(grid.shards_per_row, open, "{name}");
            assert!(shaped.layers.div_ceil(grid.epochs_per_row) >= 4, "{name}");
        };
        for chunk_bytes in [None, Some(256 << 10), Some(64 << 10)] {
            check("256cube", chunk_bytes, 16);
            check("orca2", chunk_bytes, 16);
            check("medfmt", chunk_bytes, 20);
            check("smallepoch", chunk_bytes, 1);
            check("camera", chunk_bytes, 1);
        }
    }

    #[test]
    fn levels_are_those_of_the_comparisons() {
        let check = |name: &str, base: &str, last: &[u32]| {
            let (with, without) = (shaped(name, None), shaped(base, None));
            let mut options = forebay::Options::default();
            options.tuning.memory = Some(1 << 40);
            let plan = forebay::plan_for(&with.array, &options).unwrap();
            assert_eq!(plan.coarser.last().unwrap().halvings, last, "{name}");
            assert_eq!((with.array.dims, with.layers), (without.array.dims, without.layers), "{name}");
            assert_eq!(without.array.pyramid, None);
        };
        check("256cube_multiscale", "256cube", &[0, 3, 2, 2, 0]);
        check("256cube_multiscale_t", "256cube", &[3, 3, 2, 2, 0]);
        check("orca2_multiscale", "orca2", &[0, 0, 4, 4]);
        check("orca2_multiscale_t", "orca2", &[4, 0, 4, 4]);
    }

    #[test]
    fn the_camera_is_that_of_the_comparisons() {
        let camera = shaped("camera", None);
        let shard: Vec<_> =
            camera.array.dims.iter().map(|d| d.chunk.unwrap() * d.chunks_per_shard.unwrap()).collect();
        assert_eq!(shard, [64, 2048, 2048]);
        assert_eq!((camera.frame, camera.layers * camera.layer), (8 << 20, 256 * (8 << 20)));
        assert_eq!(camera.array.codec, Codec::None);
    }

    #[test]
    fn bytes_are_rounded_up_to_whole_layers() {
        let scenario = Scenario::parse("orca2").unwrap();
        let shaped = scenario.shape(&Changes { bytes: Some(1), ..changes(None) }).unwrap();
        assert_eq!((shaped.layers, shaped.frame, shaped.layer), (1, 2048 * 2304 * 2, 32 * 2048 * 2304 * 2));
    }

    #[test]
    fn what_cannot_be_measured_is_refused_with_what_can() {
        let check = |name: &str, word: &str| {
            let said = Scenario::parse(name).err().unwrap();
            assert!(said.contains(word), "{said}");
        };
        check("cube", "256cube, 256cube_multiscale, 256cube_multiscale_t, orca2");
        check("camera_multiscale", "no scenario");
        check("other_multiscale", "no scenario");
        let scenario = Scenario::parse("smallepoch").unwrap();
        let said = scenario.shape(&changes(Some(100))).err().unwrap();
        assert!(said.contains("--chunk-bytes 100") && said.contains("512 bytes"), "{said}");
    }
}
