//! The machine, as far as it says what a rate means.

use serde_json::{Value, json};

use crate::human;

/// What is measured on.
pub(crate) struct Machine {
    /// Name of the processor; empty where the system does not say.
    pub(crate) cpu: String,
    pub(crate) cores: usize,
    /// Bytes of the last-level cache; `None` where the system does not say.
    pub(crate) cache: Option<u64>,
    /// Programs that wanted to run in the last minute, before anything was measured: what else goes on here.
    pub(crate) load: Option<f64>,
}

/// Where the system describes the caches of its first core.
const CACHES: &str = "/sys/devices/system/cpu/cpu0/cache";
/// A source is at least this large, and larger where the cache is.
const LEAST_SOURCE: u64 = 256 << 20;
/// A source is so many times the cache: with more in turn, little of it is still there when it comes round again.
const CACHES_IN_SOURCE: u64 = 4;

impl Machine {
    pub(crate) fn here() -> Machine {
        let field = |text: String, name: &str| {
            let line = text.lines().find(|l| l.starts_with(name)).unwrap_or_default();
            line.split_once(':').map_or(String::new(), |(_, value)| value.trim().to_owned())
        };
        let first = |text: String| text.split_whitespace().next()?.parse().ok();
        Machine {
            cpu: field(std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default(), "model name"),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            cache: last_level_cache(),
            load: std::fs::read_to_string("/proc/loadavg").ok().and_then(first),
        }
    }

    /// Bytes that a source has at the least, so that it does not come from the cache.
    pub(crate) fn least_source(&self) -> u64 {
        self.cache.unwrap_or(0).saturating_mul(CACHES_IN_SOURCE).max(LEAST_SOURCE)
    }

    pub(crate) fn text(&self) -> String {
        let cpu = if self.cpu.is_empty() { "unknown processor" } else { &self.cpu };
        let cache = self.cache.map_or(String::new(), |c| format!(", last-level cache {}", human::memory(c)));
        let load = self.load.map_or(String::new(), |l| format!(", load before {l:.2}"));
        format!("{cpu}, {} cores{cache}{load}", self.cores)
    }

    pub(crate) fn json(&self) -> Value {
        json!({ "cpu": self.cpu, "cores": self.cores, "cache_bytes": self.cache, "load_before": self.load })
    }
}

fn last_level_cache() -> Option<u64> {
    let caches = std::fs::read_dir(CACHES).ok()?;
    let read = |path: std::path::PathBuf| std::fs::read_to_string(path).ok();
    let size = |entry: std::fs::DirEntry| {
        let level: u32 = read(entry.path().join("level"))?.trim().parse().ok()?;
        Some((level, crate::args::size::parse(&read(entry.path().join("size"))?).ok()?))
    };
    caches.filter_map(|entry| size(entry.ok()?)).max().map(|(_, bytes)| bytes)
}
