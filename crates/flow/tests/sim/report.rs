//! What became of the mutants: a line each, the totals, and the short report on which `docs/edges.md` is built.

use std::collections::BTreeMap;

use forebay_flow::edges;
use forebay_flow::table::{Case, Mechanism, Row, Stage, rows};

use crate::hunt::{Found, Hunt, Verdict};
use crate::run::Scenario;

/// Where the checked-in report lies.
const CHECKED_IN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/mutants.txt");
/// Names a file for the report of this run.
const WRITE_TO: &str = "FOREBAY_MUTANTS";

/// A line that `cargo xtask mutants` shows.
pub(crate) fn say(line: &str) {
    println!("\n:: {line}");
}

/// What became of one row in the combinations of one table.
#[derive(Debug, Default)]
struct Lost {
    live: u32,
    killed: u32,
    /// What killed it in the combination that stands for the table.
    short: Option<String>,
}

/// One line for each mutant, and the totals.
#[derive(Debug, Default)]
pub(crate) struct Report {
    killed: u32,
    slower: u32,
    right: u32,
    calls: u32,
    apart: u32,
    agreed: u32,
    survivors: Vec<String>,
    /// Races, of mutants of rows, that name a row that is not kept, and those that do not.
    named: u32,
    unnamed: Vec<String>,
    disagreements: Vec<String>,
    /// By table (its place among `edges::TABLES`) and row.
    lost: BTreeMap<(usize, &'static str), Lost>,
    /// Rows that cost nothing.
    free: BTreeMap<&'static str, Free>,
}

/// A row that costs nothing.
#[derive(Debug, Default)]
struct Free {
    /// Whether the order of calls keeps it; otherwise that of a lane.
    by_call: bool,
    /// Combinations in which it is live.
    live: u32,
    /// Whether what waits is on a device lane.
    on_device: bool,
    /// Stages elsewhere that raced with the other stage of the row.
    left: u32,
}

impl Report {
    /// A mutant that must be killed; whether it was.
    pub(crate) fn take(&mut self, scenario: Scenario, name: &str, found: Found) -> bool {
        match &found {
            Some((seed, why)) => {
                assert!(!matches!(why, Verdict::Refused(_)), "{scenario} {name}: {why}");
                self.killed += 1;
                say(&format!("killed    {scenario} {name}: schedule {seed}: {why}"));
            }
            None => {
                say(&format!("SURVIVED  {scenario} {name}"));
                self.survivors.push(format!("{scenario} {name}"));
            }
        }
        found.is_some()
    }

    /// A mutant that is right and only slower: waits that are not met at once, before and after.
    pub(crate) fn slower(&mut self, scenario: Scenario, name: &str, (before, after): (u64, u64)) {
        self.slower += 1;
        say(&format!("slower    {scenario} {name}: waits that are not met at once {before} -> {after}"));
    }

    /// A stage elsewhere that the static check lets pass.
    pub(crate) fn right(&mut self, scenario: Scenario, name: &str, found: Found) {
        self.agree(found.is_none(), || format!("{scenario} {name} is sound, and yet {found:?}"));
        self.right += 1;
        say(&format!("right     {scenario} {name}"));
    }

    /// A call too early that orders no two uses of a buffer, by what the static check says.
    pub(crate) fn needless_call(&mut self, scenario: Scenario, name: &str, found: Found) {
        self.agree(found.is_none(), || format!("{scenario} {name}: no two uses, and yet {found:?}"));
        self.calls += 1;
        say(&format!("right     {scenario} {name}"));
    }

    /// A stage elsewhere that the static check refuses for what is no wrong order in itself.
    pub(crate) fn apart(&mut self, scenario: Scenario, name: &str, why: &str, found: Found) {
        if found.is_some() {
            self.agree(false, || format!("{scenario} {name}: {why}, and worse: {found:?}"));
        }
        self.apart += 1;
        say(&format!("apart     {scenario} {name}: {why}"));
    }

    /// Whether the static check and the simulator agree.
    pub(crate) fn agree(&mut self, agrees: bool, what: impl Fn() -> String) {
        if agrees {
            self.agreed += 1;
        } else {
            say(&format!("DISAGREE  {}", what()));
            self.disagreements.push(what());
        }
    }

    /// A row that was left out.
    pub(crate) fn dropped(&mut self, hunt: &Hunt, row: &'static str, found: &Found) {
        let (table, stands_for) = edges::table_of(hunt.case);
        let lost = self.lost.entry((table, row)).or_default();
        lost.live += 1;
        lost.killed += u32::from(found.is_some());
        if stands_for {
            lost.short = found.as_ref().map(|(_, verdict)| verdict.short(hunt.case));
        }
    }

    /// A race shows by its rows what is wrong: it names a row that is not kept.
    pub(crate) fn name(&mut self, scenario: Scenario, name: &str, rows: &[&'static str], found: &Found) {
        match found {
            Some((_, why)) if !why.leads_to(rows) => {
                say(&format!("UNNAMED   {scenario} {name}: {why}"));
                self.unnamed.push(format!("{scenario} {name}: {why}"));
            }
            Some((_, Verdict::Race(..))) => self.named += 1,
            _ => {}
        }
    }

    /// Rows that the order of a queue or of calls keeps: there is no operation to leave out.
    pub(crate) fn free(&mut self, case: Case, rows: &[Row]) {
        for row in rows {
            let free = self.free.entry(row.name).or_default();
            free.live += 1;
            free.by_call = row.mechanism(case) == Mechanism::Call;
            free.on_device = !row.to.lane(case).is_host();
        }
    }

    /// A stage has left its lane, and with it the rows that its queue has kept: those of the two that race.
    pub(crate) fn queue_left(&mut self, case: Case, stage: Stage, found: &Found) {
        let Some((_, why)) = found else { return };
        let queue = |r: &Row| r.mechanism(case) == Mechanism::Queue && [r.from, r.to].contains(&stage);
        for (_, row) in rows(case).filter(|(_, r)| queue(r) && why.lacks(*r)) {
            self.free.entry(row.name).or_default().left += 1;
        }
    }

    /// What becomes of rows that cost nothing: a line each.
    fn say_free(&self) {
        for (row, Free { by_call, live, on_device, left }) in &self.free {
            let why = if *by_call {
                "kept by the order of calls; called too early, above".to_owned()
            } else if *on_device {
                format!("kept by the order of its queue; {left} stages elsewhere show that it is missing")
            } else {
                "kept by the order of one program, which simulated runs are held to (`program`)".to_owned()
            };
            say(&format!("free      {row}, live in {live}: {why}"));
        }
    }

    /// The reference's rows, and what became of ours in their place.
    pub(crate) fn references(&self) {
        let (there, _) = edges::table_of(edges::THERE);
        let (with_levels, _) = edges::table_of(Case { pyramid: true, ..edges::THERE });
        for theirs in edges::counterparts() {
            let fate = |row: &&'static str| match self
                .lost
                .get(&(there, *row))
                .or(self.lost.get(&(with_levels, *row)))
            {
                Some(lost) if lost.killed == lost.live => format!("{row} (killed)"),
                _ => format!("{row} (NOT killed)"),
            };
            let ours: Vec<_> = theirs.rows.iter().map(fate).collect();
            let ours = if ours.is_empty() { theirs.otherwise.to_owned() } else { ours.join(", ") };
            say(&format!("reference {}: {ours}", theirs.name));
        }
    }

    /// Rows that are missed nowhere.
    fn needless(&self) -> Vec<&'static str> {
        let killed =
            |row| self.lost.iter().filter(|((_, r), _)| *r == row).map(|(_, l)| l.killed).sum::<u32>();
        self.lost.keys().map(|(_, row)| *row).filter(|row| killed(*row) == 0).collect()
    }

    /// The short report.
    fn text(&self) -> String {
        let mut text = edges::REPORT_HEAD.to_owned();
        for ((table, row), lost) in &self.lost {
            let (name, short) =
                (edges::TABLES[*table].0, lost.short.as_deref().unwrap_or("implied by other rows"));
            text += &format!("{name} | {row} | {} of {} | {short}\n", lost.killed, lost.live);
        }
        text
    }

    /// Ends with the totals.
    ///
    /// # Panics
    /// Something survived, the two checks disagree, or the checked-in report is stale.
    pub(crate) fn close(&self) {
        self.say_free();
        say(&format!("{} mutants are right and only slower", self.slower));
        say(&format!(
            "{} stages elsewhere are right: the static check lets them pass, and nothing is found",
            self.right
        ));
        say(&format!(
            "{} stages elsewhere are refused, and nothing is found: the static check is stricter, each line says why",
            self.apart
        ));
        say(&format!("{} calls too early order no two uses of a buffer, and nothing is found", self.calls));
        let judged = self.agreed + self.disagreements.len() as u32;
        say(&format!("static check and simulator agree on {} of {judged}", self.agreed));
        let races = self.named + self.unnamed.len() as u32;
        say(&format!("{} of {races} races name the row that is not kept", self.named));
        say(&format!("killed {} of {}", self.killed, self.killed + self.survivors.len() as u32));
        assert_eq!(self.survivors, Vec::<String>::new());
        assert_eq!(self.unnamed, Vec::<String>::new());
        assert_eq!(self.disagreements, Vec::<String>::new());
        assert_eq!(
            self.needless(),
            Vec::<&str>::new(),
            "implied wherever they are live: they leave the table"
        );
        let mut queued = self.free.values().filter(|f| f.live > 0 && !f.by_call && f.on_device);
        // Debug builds try fewer combinations.
        let all_left = cfg!(debug_assertions) || queued.all(|f| f.left > 0);
        assert!(all_left, "a queue keeps a row for which no stage elsewhere races");
        match std::env::var_os(WRITE_TO) {
            // Debug builds try fewer combinations.
            _ if cfg!(debug_assertions) => {}
            Some(path) => std::fs::write(path, self.text()).unwrap(),
            None => assert!(
                std::fs::read_to_string(CHECKED_IN).is_ok_and(|there| there == self.text()),
                "docs/mutants.txt is stale: run `cargo xtask mutants`"
            ),
        }
    }
}
