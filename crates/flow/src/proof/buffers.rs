//! Whether two uses of a buffer are ordered.

use device::Lane;

use super::checks::Checker;
use crate::table::{Buffer, Stage};

impl Checker {
    pub(super) const fn writes(&self, stage: usize, buffer: Buffer) -> bool {
        self.model.writes[stage] >> buffer as u32 & 1 == 1
    }

    pub(super) const fn reads(&self, stage: usize, buffer: Buffer) -> bool {
        self.model.reads[stage] >> buffer as u32 & 1 == 1
    }

    /// Whether what stage `w` writes and what stage `o` does with the same slot are not ordered: `Some(false)` where
    /// contents may come too late, `Some(true)` where the slot may be written again too early.
    pub(super) const fn clash(&self, buffer: Buffer, w: usize, o: usize) -> Option<bool> {
        if w == o {
            // A lane keeps a stage from overtaking itself; the store has no such order.
            return if matches!(self.model.lane[w], Lane::Sink) { Some(true) } else { None };
        }
        if self.reads(o, buffer)
            && let Some(again) = self.clash_with_reader(buffer, w, o)
        {
            return Some(again);
        }
        if self.writes(o, buffer) { self.clash_with_writer(buffer, w, o) } else { None }
    }

    /// Contents are read after they are written, and before the slot comes round.
    const fn clash_with_reader(&self, buffer: Buffer, w: usize, o: usize) -> Option<bool> {
        let (clock, copies) = buffer.copies(self.model.case);
        let far = &self.far[clock as usize];
        // What the generation before left: it is read by one generation more, and freed by one less.
        let back = Stage::ALL[o].looks_back(buffer) as i16;
        if far[w][o] > back {
            return Some(false);
        }
        let comes_round = !Stage::ALL[w].writes_once();
        if comes_round && far[o][w] > copies as i16 - back { Some(true) } else { None }
    }

    /// Two that write the same contents do so one after the other, and both before the slot comes round.
    const fn clash_with_writer(&self, buffer: Buffer, w: usize, o: usize) -> Option<bool> {
        let (clock, copies) = buffer.copies(self.model.case);
        let far = &self.far[clock as usize];
        let (there, back, copies) = (far[w][o], far[o][w], copies as i16);
        // What is written once lies under all that is written later.
        let (once, other_once) = (Stage::ALL[w].writes_once(), Stage::ALL[o].writes_once());
        let before = there <= 0 && (once || back <= copies);
        let after = back <= 0 && (other_once || there <= copies);
        match (once, other_once) {
            (true, false) if before => None,
            (false, true) if after => None,
            (false, false) if before || after => None,
            _ => Some(there <= 0),
        }
    }
}
