//! The same as one object: what varies from round to round as all its values.

use forebay::AppendTime;
use serde_json::{Map, Value, json};

use super::Outcome;
use crate::bench::kernels;
use crate::bench::run::Run;
use crate::bench::yardsticks::Limit;
use crate::{layout, levels, progress};

impl Outcome<'_> {
    /// The object.
    pub(crate) fn json(&self) -> Value {
        let (job, plan) = (self.job, self.plan());
        let mut object = json!({
            "scenario": job.asked.scenario.name,
            "fill": job.asked.fill.name(),
            "ingest": job.asked.ingest.name(),
            "ingest_is": job.asked.ingest.text(),
            "reserved": self.slots().map(|(slots, bytes)| json!({
                "slots": slots, "bytes": bytes, "filled": "once, before the time", "handed_back": "untouched",
            })),
            "device": self.first().device,
            "device_memory": self.memory().map(|m| json!({
                "used": m.used.json(), "planned": m.planned, "ratio": m.ratio(), "kept_by_driver": m.kept,
            })),
            "sink": job.asked.sink.name(),
            "streams": job.streams(),
            "rounds": self.measured.runs.len(),
            "bytes_in": job.bytes_in(),
            "bytes_out": self.first().bytes_out,
            "ratio": self.ratio(),
            "append_bytes": job.append,
            "source_bytes": job.source.len(),
            "chunk_bytes": plan.chunk_bytes,
            "shard_bytes": plan.grid.chunks_per_shard * plan.chunk_bytes,
            "batch_bytes": plan.batch_chunks() * plan.chunk_bytes,
            "staging_bytes": plan.staging_bytes,
            "batch_epochs": plan.batch_epochs,
            "slots": plan.slots,
            "mode": plan.mode.name(),
            "levels": levels::json(plan, &job.array),
            "shards": self.first().shards,
            "shards_open": self.open(),
            "threads": self.threads(),
            "limit_threads": self.measured.threads,
            "buffer_bytes": self.buffers(),
            "peak_memory": progress::peak(),
            "machine": job.machine.json(),
            "forebay": self.pipeline(),
            "limits": self.measured.limits.iter().map(|l| self.limit(l)).collect::<Vec<_>>(),
            "coder": self.kernels().map(|shares| kernels::json(&shares)),
            "binds": self.binds().map(|l| l.name),
            "share": self.share().map(|s| s.json()),
            "one_stream": self.alone().map(|alone| json!({
                "gb_per_second": alone.json(),
                "sum_reaches": self.rate().with(&alone, |sum, one| sum / one).json(),
            })),
            "against": self.against(),
            "notes": self.notes(),
        });
        if let (Value::Object(object), Value::Object(layout)) = (&mut object, layout::json(plan)) {
            object.extend(layout);
        }
        object
    }

    fn pipeline(&self) -> Value {
        let runs = &self.measured.runs;
        let appends = |of: fn(&AppendTime) -> f64| runs.iter().map(|r| of(&r.appends)).collect::<Vec<_>>();
        json!({
            "seconds": self.seconds().json(),
            "gb_per_second": self.rate().json(),
            "open_seconds": self.of_runs(|r| r.opened).json(),
            "free_seconds": self.of_runs(|r| r.freed).json(),
            "append_seconds": {
                "count": runs.iter().map(|r| r.appends.count).collect::<Vec<_>>(),
                "p50": appends(|a| a.p50.as_secs_f64()),
                "p99": appends(|a| a.p99.as_secs_f64()),
                "p999": appends(|a| a.p999.as_secs_f64()),
                "max": appends(|a| a.max.as_secs_f64()),
            },
            "stage_seconds": named(runs, |r| r.stages.iter().map(|s| (s.name, s.time.as_secs_f64())).collect()),
            "wait_seconds": named(runs, |r| r.waits.iter().map(|w| (w.reason, w.time.as_secs_f64())).collect()),
        })
    }

    fn limit(&self, limit: &Limit) -> Value {
        let mut object = json!({ "name": limit.name, "what": limit.what, "applies": limit.applies });
        match &limit.absent {
            Some(reason) => object["absent"] = json!(reason),
            None => {
                let rate = self.in_input(limit);
                object["bytes"] = json!(limit.bytes);
                object["seconds"] = limit.seconds.json();
                object["gb_per_second"] = limit.seconds.map(|s| limit.bytes as f64 / 1e9 / s).json();
                object["input_gb_per_second"] = rate.json();
                object["forebay_reaches"] = json!(self.rate().median() / rate.median());
            }
        }
        object
    }

    fn against(&self) -> Value {
        self.measured.against.as_ref().map_or(Value::Null, |other| {
            json!({
                "program": other.program.to_string_lossy(),
                "gb_per_second": other.rates.json(),
                "forebay_reaches": self.rate().median() / other.rates.median(),
            })
        })
    }
}

/// Times by name, one for each run; 0 where a run had none of that name.
fn named(runs: &[Run], times: impl Fn(&Run) -> Vec<(&'static str, f64)>) -> Value {
    let all: Vec<_> = runs.iter().map(times).collect();
    let mut object = Map::new();
    for (name, _) in all.iter().flatten() {
        let of = |run: &Vec<(&str, f64)>| run.iter().find(|t| t.0 == *name).map_or(0.0, |t| t.1);
        object.insert((*name).to_owned(), all.iter().map(of).collect());
    }
    Value::Object(object)
}
