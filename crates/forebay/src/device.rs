//! Which device a run gets, and what the plan must know of it.

use std::sync::Arc;

use ::device::{Checked, Device};
use cuda::{CoderChoice, Cuda};
use host::Host;
use plan::{Blosc, BloscInner, Codec, Config, Memory, OwnMemory, Plan};

use crate::{DeviceChoice, Error, Options};

/// The device of a run.
#[derive(Clone, Debug)]
pub(crate) struct Choice {
    /// Number of the GPU; `None`: the host.
    gpu: Option<u32>,
    /// Who compresses there.
    coder: CoderChoice,
    /// Where buffers lie.
    pub(crate) memory: Memory,
    /// Memory of the device's own.
    pub(crate) own: OwnMemory,
    /// Compression as it will be.
    pub(crate) codec: Codec,
    /// What people should know of the choice.
    pub(crate) notices: Vec<String>,
}

/// Of a GPU's free memory so many tenths may be taken: others are on it too.
const TENTHS: u64 = 9;

impl Choice {
    /// Chooses for an array whose plan under any device is `free`.
    pub(crate) fn new(array: &Config, free: &Plan, options: &Options) -> Result<Choice, Error> {
        match options.device {
            _ if options.device_memory => Ok(Choice::host(array, Memory::Device)),
            DeviceChoice::Host => Ok(Choice::host(array, Memory::Host)),
            DeviceChoice::Cuda(ordinal) => Ok(Choice::gpu((ordinal, options.coder), array, free)?),
            DeviceChoice::Auto => Ok(Choice::gpu((0, options.coder), array, free).unwrap_or_else(|why| {
                // Where there is no GPU nobody asks why it is not used.
                let said = cuda::is_present().then(|| format!("runs on the host: {why}"));
                let notices = said.into_iter().collect();
                Choice { notices, ..Choice::host(array, Memory::Host) }
            })),
        }
    }

    fn host(array: &Config, memory: Memory) -> Choice {
        let (coder, own) = (CoderChoice::default(), OwnMemory::default());
        Choice { gpu: None, coder, memory, own, codec: array.codec, notices: Vec::new() }
    }

    /// Whether it is a GPU.
    pub(crate) fn is_gpu(&self) -> bool {
        self.gpu.is_some()
    }

    /// The host instead of a GPU that cannot.
    pub(crate) fn instead(&self, array: &Config, why: &Error) -> Choice {
        Choice { notices: vec![format!("runs on the host: {why}")], ..Choice::host(array, Memory::Host) }
    }

    fn gpu(
        (ordinal, coder): (u32, CoderChoice),
        array: &Config,
        free: &Plan,
    ) -> Result<Choice, ::device::Error> {
        let chunk = (free.chunk_bytes, free.dtype.size());
        // First what needs no driver: it is not woken for what it cannot do.
        cuda::takes(&array.codec, chunk, coder)?;
        cuda::probe(ordinal)?;
        let (left, _) = cuda::memory(ordinal)?;
        let workspace = cuda::workspace(ordinal, &array.codec, chunk, coder)?;
        let own = OwnMemory {
            bytes: Some(left / 10 * TENTHS),
            codec: workspace.fixed,
            codec_per_chunk: workspace.per_chunk,
            codec_most: workspace.most,
        };
        let (codec, notices) = gpu_codec(array.codec, coder);
        Ok(Choice { gpu: Some(ordinal), coder, memory: Memory::Device, own, codec, notices })
    }

    /// Opens it.
    pub(crate) fn open(&self, threads: usize) -> Result<Arc<dyn Device>, Error> {
        Ok(match self.gpu {
            Some(ordinal) => watched(Cuda::open(ordinal)?.with_coder(self.coder)),
            None => watched(Host::open(threads)?.with_memory(self.memory)),
        })
    }

    /// Threads that compress on the host.
    pub(crate) fn host_threads(&self, threads: usize) -> Option<usize> {
        self.gpu.is_none().then_some(threads)
    }
}

/// The device of a run. Debug builds check the order of every access on it, so all their tests do; release builds do not
/// pay.
fn watched(device: impl Device + 'static) -> Arc<dyn Device> {
    if cfg!(debug_assertions) { Arc::new(Checked::new(device)) } else { Arc::new(device) }
}

/// A codec as the GPU carries it out: nvCOMP's zstd has no levels.
fn gpu_codec(codec: Codec, coder: CoderChoice) -> (Codec, Vec<String>) {
    match codec {
        Codec::Zstd { level } if level != 0 && coder == CoderChoice::Nvcomp => {
            let said = format!(
                "zstd on the GPU by nvCOMP has no levels: level {level} is kept in the attributes, and the array says level 0"
            );
            (Codec::Zstd { level: 0 }, vec![said])
        }
        codec => (codec, Vec::new()),
    }
}

/// Which device a run would get, and what people should know of the choice: why it is not the GPU, or what that does
/// otherwise than it was asked.
///
/// # Errors
/// The configuration is refused; the GPU that was asked for cannot be had.
pub fn device_for(array: &Config, options: &Options) -> Result<(String, Vec<String>), Error> {
    let choice = crate::writer::choose(array, options)?;
    let name = match choice.gpu {
        Some(ordinal) => cuda::name(ordinal)?,
        None => "host".to_owned(),
    };
    Ok((name, choice.notices))
}

/// The request, where the array does not say it: the codec is carried out otherwise, or by a coder that readers need not know.
pub(crate) fn requested(array: &Config, choice: &Choice) -> Option<String> {
    match array.codec {
        Codec::Blosc(Blosc { inner: BloscInner::Fast, .. }) => Some("blosc-zstd:fast".to_owned()),
        codec if codec == choice.codec => None,
        Codec::Zstd { level } => Some(format!("zstd:{level}")),
        other => Some(format!("{other:?}")),
    }
}
