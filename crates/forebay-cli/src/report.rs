//! What a run came to: a closing table, and the same as JSON.

use std::path::Path;
use std::time::Duration;

use forebay::{Metrics, Plan, Report};
use serde_json::{Value, json};

use crate::{human, layout, progress};

/// Stages and waits that the table names.
const MOST: usize = 3;

/// A run that is over.
pub(crate) struct Outcome<'a> {
    pub(crate) store: &'a Path,
    pub(crate) plan: &'a Plan,
    pub(crate) report: &'a Report,
}

impl Outcome<'_> {
    fn metrics(&self) -> &Metrics {
        &self.report.metrics
    }

    /// The closing table.
    pub(crate) fn text(&self) -> String {
        let rows: Vec<_> = self.rows().into_iter().map(|(name, text)| vec![name.to_owned(), text]).collect();
        human::table(&rows, &[])
    }

    fn rows(&self) -> Vec<(&'static str, String)> {
        let m = self.metrics();
        let stages = m.stages.iter().map(|s| (s.name, s.time));
        let waits = m.waits_by_reason().into_iter();
        let mut rows = vec![
            ("store", self.store.display().to_string()),
            ("shape", self.shape()),
            ("in", self.taken()),
            ("stored", self.stored()),
        ];
        rows.extend(progress::peak().map(|p| ("memory", self.memory(p))));
        if self.report.missing_bytes > 0 {
            rows.push(("missing", self.missing()));
        }
        rows.push(("appends", self.appends()));
        rows.push(("stages", longest(stages)));
        rows.push(("waits", longest(waits)));
        rows
    }

    fn shape(&self) -> String {
        let axes = self.plan.stored_dims().zip(&self.report.shape);
        let axes: Vec<_> = axes.map(|(d, size)| format!("{} {size}", d.name)).collect();
        format!("{}  of {}", axes.join("  "), self.plan.dtype)
    }

    fn taken(&self) -> String {
        let m = self.metrics();
        let frames = m.bytes_in / self.plan.frame_bytes.max(1);
        format!(
            "{} in {}: {}, {} frames/s",
            human::data(m.bytes_in),
            human::time(m.elapsed),
            human::rate(m.bytes_in, m.elapsed),
            human::count(human::per_second(frames, m.elapsed).round() as u64),
        )
    }

    fn stored(&self) -> String {
        let m = self.metrics();
        let ratio = m.ratio().map_or(String::new(), |r| format!(", ratio {r:.2}"));
        let plural = if m.shards == 1 { "" } else { "s" };
        format!("{} in {} shard{plural}{ratio}", human::data(m.bytes_out), human::count(m.shards))
    }

    fn missing(&self) -> String {
        let bytes = human::data(self.report.missing_bytes);
        format!("the last {} is {bytes} short; the fill value stands there", self.plan.dims[0].name)
    }

    fn appends(&self) -> String {
        let a = self.metrics().appends;
        let times = [("p50", a.p50), ("p99", a.p99), ("p99.9", a.p999), ("max", a.max)];
        let words = times.map(|(name, t)| format!("{name} {}", human::time(t)));
        format!("{}: {}", human::count(a.count), words.join(", "))
    }

    fn memory(&self, peak: u64) -> String {
        format!("{} at most, {} of it buffers", human::memory(peak), human::memory(self.metrics().buffers))
    }

    /// The same as an object.
    pub(crate) fn json(&self, notes: &[String]) -> Value {
        let m = self.metrics();
        let mut object = json!({
            "store": self.store.to_string_lossy(),
            "shape": self.report.shape,
            "bytes_in": m.bytes_in,
            "bytes_out": m.bytes_out,
            "missing_bytes": self.report.missing_bytes,
            "seconds": m.elapsed.as_secs_f64(),
            "ratio": m.ratio(),
            "shards": m.shards,
            "peak_memory": progress::peak(),
            "peak_in_flight": m.peak_in_flight,
            "appends": json!({
                "count": m.appends.count,
                "p50": m.appends.p50.as_secs_f64(),
                "p99": m.appends.p99.as_secs_f64(),
                "p999": m.appends.p999.as_secs_f64(),
                "max": m.appends.max.as_secs_f64(),
            }),
            "stages": m.stages.iter().map(|s| json!({
                "name": s.name, "count": s.count, "seconds": s.time.as_secs_f64(), "bytes_in": s.bytes_in,
                "bytes_out": s.bytes_out,
            })).collect::<Vec<_>>(),
            "waits": m.waits.iter().map(|w| json!({
                "reason": w.reason, "row": w.row, "on": if w.on_host { "host" } else { "device" }, "count": w.count, "seconds": w.time.as_secs_f64(),
            })).collect::<Vec<_>>(),
            "unreached": self.report.unreached,
            "notes": notes,
        });
        if let (Value::Object(object), Value::Object(layout)) = (&mut object, layout::json(self.plan)) {
            object.extend(layout);
        }
        object
    }
}

/// The longest, by name.
fn longest<'a>(times: impl Iterator<Item = (&'a str, Duration)>) -> String {
    let mut times: Vec<_> = times.filter(|(_, t)| *t >= Duration::from_millis(1)).collect();
    times.sort_by_key(|(_, t)| std::cmp::Reverse(*t));
    if times.is_empty() {
        return "none worth naming".to_owned();
    }
    let words = times.iter().take(MOST).map(|(name, t)| format!("{name} {}", human::time(*t)));
    words.collect::<Vec<_>>().join(", ")
}
