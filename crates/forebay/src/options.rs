//! How a run is carried out: nothing here changes what is stored.

use std::time::Duration;

pub use cuda::CoderChoice;
use plan::Tuning;
use serde_json::{Map, Value};

use crate::Channels;

/// Where frames are chunked and compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeviceChoice {
    /// The first NVIDIA GPU where there is one that can do what the array asks for, otherwise the host.
    #[default]
    Auto,
    /// The host.
    Host,
    /// The NVIDIA GPU of a number, 0 being the first. Refused where it cannot be had.
    Cuda(u32),
}

/// Options of a run.
#[derive(Clone, Debug)]
pub struct Options {
    /// Numbers that trade memory against speed. Where they set no cap on memory, it is a quarter of the machine's;
    /// the plan is fitted to it or refused, and a full store blocks `append`.
    pub tuning: Tuning,
    /// Threads for kernels; 0: as many as there are cores.
    pub threads: usize,
    /// How long a whole layer of chunks may wait in memory before it is written, however slow the camera is.
    pub publish_interval: Duration,
    /// Whether an existing store is removed first. Only a folder that holds a `zarr.json` is.
    pub overwrite: bool,
    /// Name of the image, in its metadata; the empty name is left out.
    pub name: String,
    /// How the channels of the image are shown, in its metadata; `None`: nothing is said of them, and viewers choose windows by
    /// what they see.
    pub channels: Option<Channels>,
    /// Attributes of the image (or of a plain array).
    pub attributes: Map<String, Value>,
    /// Writes shards to a path with direct I/O, past the system's cache, in whole pages. Refused at open where the file
    /// system cannot. A store of one's own says by its alignment what it takes.
    pub direct: bool,
    /// Whether a device lane may wait for what the host publishes later, where the device can: what pipelined writing
    /// of whole pages needs. Without it such batches are drained before the next is sent off.
    pub gate: bool,
    /// Where the work is done.
    pub device: DeviceChoice,
    /// Who compresses on a GPU: our own kernels, or nvCOMP where that is asked for.
    pub coder: CoderChoice,
    /// Plays a device with memory of its own: every byte is copied up and down as on a GPU. For tests.
    #[doc(hidden)]
    pub device_memory: bool,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            tuning: Tuning::default(),
            threads: 0,
            publish_interval: Duration::from_secs(1),
            overwrite: false,
            name: String::new(),
            channels: None,
            attributes: Map::new(),
            direct: false,
            gate: true,
            device: DeviceChoice::Auto,
            coder: CoderChoice::default(),
            device_memory: false,
        }
    }
}
