//! Several files that follow one another along the outermost axis, or as points of a new axis `t`.
//!
//! Every file is opened twice: once before the first byte is read, so that a file that does not fit is
//! refused early, and once when its turn comes, so that one is open at a time however many there are.

use std::path::{Path, PathBuf};

use super::error::{InputError, Place, Refusal};
use super::{Axis, Description, Hints, Joint, Opened, Source, open_one};

/// Notes of single files that are passed on.
const MOST_NOTES: usize = 8;

struct Joined {
    description: Description,
    hints: Hints,
    current: Box<dyn Source>,
    /// Files still to come, the last first, with the axes that they had when they were checked.
    rest: Vec<(PathBuf, Vec<Axis>)>,
}

impl Source for Joined {
    fn description(&self) -> &Description {
        &self.description
    }

    fn read(&mut self, buf: &mut [u8]) -> Result<usize, InputError> {
        loop {
            let n = self.current.read(buf)?;
            if n > 0 || buf.is_empty() {
                return Ok(n);
            }
            let Some((path, axes)) = self.rest.pop() else {
                return Ok(0);
            };
            self.current = open_one(&path, &self.hints)?.source;
            if self.current.description().axes != axes {
                let refusal = Refusal::new(
                    "the file has changed since it was checked",
                    "start again when it is complete",
                );
                return Err(refusal.at(&Place::file(&path)));
            }
        }
    }
}

/// Opens `first`, and checks the others against it.
pub(super) fn open(first: &Path, rest: &[PathBuf], hints: &Hints) -> Result<Box<dyn Source>, InputError> {
    let each = one_file(hints);
    let opened = open_one(first, &each)?;
    let (joint, hinted) = (opened.joint, opened.hinted);
    let mut all = opened.source.description().clone();
    if !rest.is_empty() {
        whole(first, &all)?;
    }
    if joint == Joint::NewTime {
        all.axes.insert(0, Axis::new("t", 1));
        all.notes.push(format!("each of the {} files is one point in time", rest.len() + 1));
    }
    let mut later = Vec::with_capacity(rest.len());
    for (i, path) in rest.iter().enumerate() {
        let next = open_one(path, &each)?;
        let description = next.source.description().clone();
        if i + 1 < rest.len() || joint == Joint::NewTime {
            whole(path, &description)?;
        }
        agree(first, path, &all, &next, &description)?;
        all.axes[0].size = match (joint, description.axes[0].size) {
            (Joint::NewTime, _) => all.axes[0].size + 1,
            (Joint::Outermost, 0) => 0,
            (Joint::Outermost, size) => all.axes[0].size + size,
        };
        collect_notes(&mut all.notes, &description.notes);
        later.push((path.clone(), description.axes));
    }
    if hinted && joint == Joint::Outermost {
        all.axes[0].size = against_hint(all.axes[0].size, hints)?;
    }
    later.reverse();
    Ok(Box::new(Joined { description: all, hints: each, current: opened.source, rest: later }))
}

/// The hints for one file of several: its share of the outermost axis is what it holds.
fn one_file(hints: &Hints) -> Hints {
    let mut each = hints.clone();
    if let Some((_, size)) = each.axes.first_mut() {
        *size = 0;
    }
    each
}

/// Something follows this file, so it must not end within a frame.
fn whole(path: &Path, description: &Description) -> Result<(), InputError> {
    if description.axes[0].size > 0 {
        return Ok(());
    }
    let found = "the file ends within a frame, or its size cannot be known, and another file follows it";
    Err(Refusal::new(found, "give whole frames, or correct the sizes of `-d`").at(&Place::file(path)))
}

/// The next file must have the element type, the axes and the inner sizes of the first.
fn agree(
    first: &Path,
    path: &Path,
    all: &Description,
    next: &Opened,
    has: &Description,
) -> Result<(), InputError> {
    let differs = |what: &str, was: String, is: String| {
        let first = first.display();
        let found = format!("{what} is {is}, but that of {first} is {was}");
        Err(Refusal::new(found, "give files of one kind, or write them into arrays of their own")
            .at(&Place::file(path)))
    };
    if has.dtype != all.dtype {
        return differs("the element type", all.dtype.to_string(), has.dtype.to_string());
    }
    // The outermost axis of the whole is new, or the one that goes on: either way its size may differ.
    let (wanted, skip) =
        if all.axes.len() > has.axes.len() { (&all.axes[1..], 0) } else { (&all.axes[..], 1) };
    let names = |axes: &[Axis]| axes.iter().map(|a| a.name.as_str()).collect::<Vec<_>>().join(" ");
    if names(wanted) != names(&has.axes) {
        return differs("the order of axes", names(wanted), names(&has.axes));
    }
    let sizes =
        |axes: &[Axis]| axes.iter().skip(skip).map(|a| format!("{}={}", a.name, a.size)).collect::<Vec<_>>();
    if sizes(wanted) != sizes(&has.axes) {
        return differs("the size of a frame", sizes(wanted).join(" "), sizes(&has.axes).join(" "));
    }
    let joined_in_time = all.axes.len() > has.axes.len();
    if joined_in_time != (next.joint == Joint::NewTime) {
        let kind = |new: bool| if new { "one point in time" } else { "a series" }.to_owned();
        return differs("what the metadata call the file", kind(joined_in_time), kind(!joined_in_time));
    }
    let spacing = |axes: &[Axis]| axes.iter().map(|a| (a.scale, a.unit.clone())).collect::<Vec<_>>();
    if spacing(wanted) != spacing(&has.axes) {
        let text = |axes: &[Axis]| {
            let each = axes.iter().map(|a| match (a.scale, &a.unit) {
                (Some(scale), Some(unit)) => format!("{}={scale} {unit}", a.name),
                (Some(scale), None) => format!("{}={scale}", a.name),
                (None, _) => format!("{}=unknown", a.name),
            });
            each.collect::<Vec<_>>().join(" ")
        };
        return differs("the spacing", text(wanted), text(&has.axes));
    }
    Ok(())
}

fn collect_notes(all: &mut Vec<String>, more: &[String]) {
    for note in more {
        if !all.contains(note) && all.len() < MOST_NOTES {
            all.push(note.clone());
        }
    }
}

/// The command line may ask for more than the files hold (the writer reports what is missing), not for less.
fn against_hint(held: u64, hints: &Hints) -> Result<u64, InputError> {
    match hints.axes.first() {
        Some((name, wanted)) if *wanted > 0 && held > *wanted => Err(InputError::Usage {
            found: format!("the files hold {name}={held} together, but `-d {name}:{wanted}` asks for less"),
            remedy: format!("give fewer files, or `-d {name}:0` to take all there is"),
        }),
        Some((_, wanted)) if *wanted > 0 => Ok(*wanted),
        _ => Ok(held),
    }
}
