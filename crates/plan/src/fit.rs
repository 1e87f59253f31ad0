//! Fitting a plan to a memory cap.
//!
//! What costs least speed goes first: batches get shorter, staging smaller, slots fewer; last, batches are drained by the
//! producer from a single slot. Only when that is still too large is the plan refused.

use crate::plan::{Plan, Tuning};
use crate::{Holder, Mode, Refusal};

/// More than a memory holds.
#[derive(Clone, Copy)]
struct Excess {
    place: &'static str,
    on_device: bool,
    cap: u64,
    least: u64,
}

/// Staging below this costs a dispatch for every few frames.
const LEAST_STAGING: u64 = 256 << 10;

impl Plan {
    /// The largest arrangement that fits the caps.
    pub(crate) fn fit(mut self, tuning: &Tuning) -> Result<Plan, Refusal> {
        for step in [Plan::shorter_batch, Plan::smaller_staging, Plan::fewer_slots] {
            let before = self.fitted_numbers();
            while self.too_large().is_some() && step(&mut self) {
                self.budget = self.derive_budget()?;
            }
            self.note(before);
        }
        if self.too_large().is_some() && tuning.mode.is_none() {
            (self.mode, self.slots) = (Mode::select(&self.facts, true), 1);
            self.budget = self.derive_budget()?;
            self.fitted.push("mode drain-after-kick, one slot".to_owned());
        }
        match self.too_large() {
            None => Ok(self),
            Some(excess) => Err(self.refuse(excess)),
        }
    }

    fn shorter_batch(&mut self) -> bool {
        let longer = self.batch_epochs > 1;
        self.batch_epochs = (self.batch_epochs / 2).max(1);
        longer
    }

    fn smaller_staging(&mut self) -> bool {
        let least = self.frame_bytes.max(LEAST_STAGING).next_multiple_of(4096);
        let larger = self.staging_bytes > least;
        self.staging_bytes =
            (self.staging_bytes / 2).max(least).next_multiple_of(4096).min(self.staging_bytes);
        self.dispatch_bytes = self.dispatch_bytes.min(self.staging_bytes);
        larger
    }

    fn fewer_slots(&mut self) -> bool {
        let more = self.slots > 2;
        self.slots = if more { self.slots - 1 } else { self.slots };
        more
    }

    fn fitted_numbers(&self) -> [(&'static str, u64); 3] {
        [
            ("epochs a batch", u64::from(self.batch_epochs)),
            ("bytes of staging", self.staging_bytes),
            ("slots", u64::from(self.slots)),
        ]
    }

    fn note(&mut self, before: [(&'static str, u64); 3]) {
        for ((name, old), (_, new)) in before.into_iter().zip(self.fitted_numbers()) {
            if old != new {
                self.fitted.push(format!("{name} {old} to {new}"));
            }
        }
    }

    /// The memory that does not suffice: the host's, or the device's own.
    fn too_large(&self) -> Option<Excess> {
        let (device, host) = self.budget.split();
        let (of_host, of_device) = (self.cap.unwrap_or(u64::MAX), self.facts.own.bytes.unwrap_or(u64::MAX));
        if host > of_host {
            return Some(Excess { place: "memory", on_device: false, cap: of_host, least: host });
        }
        let excess = Excess { place: "device memory", on_device: true, cap: of_device, least: device };
        (device > of_device).then_some(excess)
    }

    fn refuse(&self, excess: Excess) -> Refusal {
        let Excess { place, on_device, cap, least } = excess;
        let there = self.budget.holders.iter().filter(|h| h.on_device == on_device);
        let (holder, held) = there.max_by_key(|h| h.total()).map_or(("nothing", 0), |h| (h.name, h.total()));
        let (slots, remedy) = (self.slots, self.chunk_that_fits(excess));
        Refusal::Memory { place, cap, least, slots, holder, held, remedy }
    }

    /// A smaller chunk along dimension 0 makes epochs smaller by as much: what the buffers of a batch need.
    fn chunk_that_fits(&self, excess: Excess) -> String {
        let more = || format!("give more {}, or smaller frames", excess.place);
        let chunk = self.dims[0].chunk.unwrap_or(1);
        let of_batch = [
            "chunk pool",
            "pyramid",
            "codec scratch",
            "packed",
            "host payload",
            "host tables",
            "lookup tables",
            "packed index",
            "host index",
        ];
        let there = self.budget.holders.iter().filter(|h| h.on_device == excess.on_device);
        let scaled: u64 = there.filter(|h| of_batch.contains(&h.name)).map(Holder::total).sum();
        let fixed = excess.least - scaled;
        // Frames must still meet that are halved.
        let meets = |c: u64| {
            let mut dims = self.dims.clone();
            dims[0].chunk = Some(c);
            let append = self.order.append_dims(&dims);
            self.halved().all(|d| d + 1 >= append)
        };
        let fits = |c: &u64| {
            scaled.div_ceil(chunk).saturating_mul(*c).saturating_add(fixed) <= excess.cap && meets(*c)
        };
        let Some(fit) = (0..63).map(|b| chunk >> b).take_while(|c| *c > 0).find(fits) else { return more() };
        let shape = self.dims.iter().enumerate();
        let shape: Vec<_> =
            shape.map(|(d, dim)| if d == 0 { fit } else { dim.chunk.unwrap_or(1) }.to_string()).collect();
        format!("give more {}, or chunks of {}, which would fit", excess.place, shape.join("x"))
    }
}

#[cfg(test)]
mod tests {
    use crate::{Codec, Config, DType, Dim, Facts, Memory, Mode, Plan, Pyramid, Reducer, Refusal, Tuning};

    const FACTS: Facts = Facts {
        memory: Memory::Host,
        alignment: 0,
        gate: true,
        process: 20 << 20,
        own: crate::OwnMemory { bytes: None, codec: 0, codec_per_chunk: 0, codec_most: None },
    };

    fn camera(chunk: u64, memory: u64, mode: Option<Mode>) -> Result<Plan, Refusal> {
        let side = |n: &str| Dim::new(n, 2048).chunk(512).chunks_per_shard(4);
        let dims = vec![Dim::unbounded("t").chunk(chunk).chunks_per_shard(4), side("y"), side("x")];
        let config = Config { codec: Codec::Zstd { level: 1 }, ..Config::new(DType::U16, dims) };
        let tuning = Tuning {
            slots: 4,
            batch_bytes: Some(256 << 20),
            memory: Some(memory),
            mode,
            ..Tuning::default()
        };
        Plan::new(&config, &tuning, FACTS)
    }

    #[test]
    fn every_cap_is_kept_or_refused_and_more_memory_is_never_worse() {
        let mut last = None;
        for mib in (40..3000).step_by(10) {
            match camera(4, mib << 20, None) {
                Ok(plan) => {
                    assert!(plan.budget.total() <= mib << 20, "{mib} MiB");
                    let now = (
                        plan.mode != Mode::DrainAfterKick,
                        plan.slots,
                        plan.staging_bytes,
                        plan.batch_epochs,
                    );
                    assert!(last.is_none_or(|l| l <= now), "{mib} MiB: {last:?} to {now:?}");
                    last = Some(now);
                }
                Err(_) => assert!(last.is_none(), "{mib} MiB is refused, less was not"),
            }
        }
        let most = last.unwrap();
        assert_eq!(most, (true, 4, 8 << 20, 8), "with enough memory nothing is made smaller");
    }

    #[test]
    fn a_refusal_names_both_numbers_the_holder_and_a_chunk_that_fits() {
        let said = camera(16, 200 << 20, None).unwrap_err().to_string();
        let words = ["209715200", "codec scratch", "134742144", "chunks of", "x512x512"];
        assert!(words.iter().all(|w| said.contains(w)), "{said}");
        let fit: u64 = said.split("chunks of ").nth(1).unwrap().split('x').next().unwrap().parse().unwrap();
        assert!(camera(fit, 200 << 20, None).is_ok(), "{said}");
        assert!(camera(1, 21 << 20, None).unwrap_err().to_string().contains("more memory"));
    }

    /// A chunk of one along `t` would be refused for the pyramid's sake.
    #[test]
    fn no_chunk_is_proposed_with_which_frames_do_not_meet() {
        let planned = |t: Dim, memory| {
            let asked = Pyramid {
                dims: ["t", "y", "x"].map(str::to_owned).to_vec(),
                reducer: Reducer::Mean,
                append: None,
                levels: Some(1),
                keep_aspect: false,
            };
            let dims =
                vec![t, Dim::new("c", 8), Dim::new("y", 1024).chunk(512), Dim::new("x", 1024).chunk(512)];
            let config = Config { pyramid: Some(asked), ..Config::new(DType::U16, dims) };
            Plan::new(&config, &Tuning { memory: Some(memory), ..Tuning::default() }, FACTS)
        };
        let refused = |t: Dim, memory: u64| planned(t, memory).unwrap_err().to_string();
        let said = refused(Dim::unbounded("t").chunk(4), 160 << 20);
        assert!(said.contains("chunks of 2x1x512x512"), "{said}");
        planned(Dim::unbounded("t").chunk(2), 160 << 20).unwrap();
        let said = refused(Dim::unbounded("t"), 100 << 20);
        assert!(said.contains("give more memory, or smaller frames"), "{said}");
    }

    #[test]
    fn a_mode_that_was_asked_for_is_kept() {
        let plan = camera(4, 150 << 20, None).unwrap();
        assert_eq!(plan.mode, Mode::DrainAfterKick);
        assert!(plan.fitted.iter().any(|f| f.contains("one slot")), "{:?}", plan.fitted);
        assert!(camera(4, 150 << 20, Some(Mode::Pipelined)).is_err());
    }
}
