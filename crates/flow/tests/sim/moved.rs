//! The work of each stage on each other lane, as if the table said what it says and somebody had queued it there: what
//! the static check makes of it, and what the simulator finds.

use device::Lane;
use forebay_flow::proof::{self, Fault, Variant};
use forebay_flow::table::{Case, Stage};

use plan::Mode;

use crate::flawed::Wrong;
use crate::hunt::Hunt;
use crate::report::Report;

/// Every stage of a device lane on every other device lane.
pub(crate) fn misplace_stages(report: &mut Report, hunt: &Hunt) {
    let on_device = |s: &Stage| s.present(hunt.case) && !s.lane(hunt.case).is_host();
    for stage in Stage::ALL.into_iter().filter(on_device) {
        for lane in Lane::DEVICE.into_iter().filter(|l| *l != stage.lane(hunt.case)) {
            misplace(report, hunt, stage, lane);
        }
    }
}

/// Where the static check is stricter than need be, and why. It counts in batches and takes it that a dispatch may reach
/// into the next batch before that one's pool slot is prepared.
fn stricter(case: Case, stage: Stage, lane: Lane) -> Option<&'static str> {
    // Drained at once, the producer has seen every lane come to its end before it takes the slot again.
    let alone = case.mode == Mode::DrainAfterKick && lane == Lane::H2d && Stage::Upload.present(case);
    match stage {
        Stage::Zero if alone => Some("the one slot is filled once, before the first upload"),
        Stage::TailUpload
            if case.mode == Mode::DrainBeforeKick && case.compressed && lane == Lane::Compute =>
        {
            Some(
                "the last scatter of a batch is recorded when it is kicked, behind the drain of the one before",
            )
        }
        Stage::Carry if alone => Some("epochs are carried between dispatches, before the upload of the next"),
        _ => None,
    }
}

fn misplace(report: &mut Report, hunt: &Hunt, stage: Stage, lane: Lane) {
    let (scenario, name) = (hunt.scenario, format!("{} on {lane:?}", stage.name()));
    let wrong = Wrong { misplaced: Some((stage, lane)), ..Wrong::default() };
    match proof::sound(Variant::of(hunt.case).misplacing(stage, lane)) {
        // Two host lanes that feed one device lane make its order a matter of time, which by itself is no wrong order.
        Err(fault @ Fault::Submitters { .. }) => {
            report.apart(scenario, &name, &fault.to_string(), hunt.any(&wrong));
        }
        Err(fault) if let Some(why) = stricter(hunt.case, stage, lane) => {
            report.apart(scenario, &name, &format!("{fault}; but {why}"), hunt.first(&wrong));
        }
        Err(fault) => {
            let found = hunt.first(&wrong);
            report.agree(found.is_some(), || format!("{scenario} {name}: {fault}"));
            report.queue_left(hunt.case, stage, &found);
            report.take(scenario, &name, found);
        }
        Ok(()) => report.right(scenario, &name, hunt.any(&wrong)),
    }
}
