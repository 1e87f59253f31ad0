//! What the process holds besides buffers, and what the machine has.

use plan::{Codec, Plan};

use crate::Error;

/// Room for threads' stacks, an input's own blocks, documents and the allocator.
const SLACK: u64 = 24 << 20;

/// Bytes of the machine's memory that a run may take where nothing is said: a quarter of it, or of the control
/// group's limit where that is less. `None` where the system does not say.
pub(crate) fn usual_cap() -> Option<u64> {
    let total = kilobytes("/proc/meminfo", "MemTotal:")?;
    let limit = std::fs::read_to_string("/sys/fs/cgroup/memory.max").ok().and_then(|s| s.trim().parse().ok());
    Some(limit.map_or(total, |l: u64| l.min(total)) / 4)
}

/// Bytes that the process holds now.
fn resident() -> u64 {
    kilobytes("/proc/self/status", "VmRSS:").unwrap_or(0)
}

fn kilobytes(file: &str, field: &str) -> Option<u64> {
    let text = std::fs::read_to_string(file).ok()?;
    let line = text.lines().find(|l| l.starts_with(field))?;
    Some(line.split_whitespace().nth(1)?.parse::<u64>().ok()? << 10)
}

/// Bytes that the process will hold besides the buffers of `plan`; `threads` compress, none where a GPU does, whose driver
/// holds its own already.
pub(crate) fn overhead(plan: &Plan, threads: Option<usize>) -> Result<u64, Error> {
    let Some(threads) = threads else { return Ok(resident() + SLACK) };
    let threads =
        if threads > 0 { threads } else { std::thread::available_parallelism().map_or(1, Into::into) };
    Ok(resident() + SLACK + threads as u64 * context_bytes(plan)?)
}

/// Bytes of one thread's codec context: asked of one that has seen a chunk, because that is when it is made.
fn context_bytes(plan: &Plan) -> Result<u64, Error> {
    if plan.codec == Codec::None {
        return Ok(0);
    }
    let refused = |e: host::codec::Error| ::device::Error::new(::device::Operation::Prepare, e);
    let chunk = plan.chunk_bytes as usize;
    let prepared = host::codec::Prepared::new(&plan.codec, chunk, plan.dtype.size()).map_err(refused)?;
    let mut context = prepared.context();
    let mut out = vec![0; prepared.worst_case()];
    prepared.encode(&mut context, &vec![0; chunk], &mut out).map_err(refused)?;
    Ok(context.bytes() as u64)
}
