//! TIFF, BigTIFF and OME-TIFF: pages in the order that the metadata tell, one decoded at a time.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use forebay::DType;

use super::elements::Elements;
use super::error::{InputError, Place, Refusal};
use super::imagej::{self, Stack};
use super::ome_xml::{self, Pixels};
use super::pages::{Density, DensityUnit, Kind, Tiff, Walk};
use super::{Axis, Description, Joint, Opened, Source, Spacing, units};

/// Pages that have a directory each.
struct Pages {
    tiff: Tiff,
    kind: Kind,
    description: Description,
    /// Directories in reading order.
    order: std::vec::IntoIter<usize>,
    /// The page that does not fit the caller's buffer, and how much of it has been given.
    page: Vec<u8>,
    given: usize,
}

impl Source for Pages {
    fn description(&self) -> &Description {
        &self.description
    }

    fn read(&mut self, buf: &mut [u8]) -> Result<usize, InputError> {
        if buf.is_empty() {
            return Ok(0);
        }
        if self.given == self.page.len() {
            let Some(next) = self.order.next() else {
                return Ok(0);
            };
            // `open` made sure that a page can be addressed.
            let bytes = self.kind.bytes().unwrap_or(0);
            if let Some(whole) = buf.get_mut(..bytes) {
                self.tiff.decode(next, self.kind, whole)?;
                return Ok(bytes);
            }
            self.hold(next, bytes)?;
        }
        let rest = &self.page[self.given..];
        let n = rest.len().min(buf.len());
        buf[..n].copy_from_slice(&rest[..n]);
        self.given += n;
        Ok(n)
    }
}

impl Pages {
    fn hold(&mut self, page: usize, bytes: usize) -> Result<(), InputError> {
        let more = bytes.saturating_sub(self.page.len());
        if self.page.try_reserve_exact(more).is_err() {
            let found = format!("a page of {} takes {bytes} bytes, more memory than there is", self.kind);
            return Err(
                Refusal::new(found, "the file is damaged, or needs a larger machine").at(&self.tiff.place())
            );
        }
        self.page.resize(bytes, 0);
        self.tiff.decode(page, self.kind, &mut self.page)?;
        self.given = 0;
        Ok(())
    }
}

/// ImageJ's stacks above 4 GiB: one directory, and the frames after it without any.
struct Frames {
    place: Place,
    description: Description,
    elements: Elements<BufReader<File>>,
}

impl Source for Frames {
    fn description(&self) -> &Description {
        &self.description
    }

    fn read(&mut self, buf: &mut [u8]) -> Result<usize, InputError> {
        self.elements.read(buf).map_err(InputError::io(&self.place, "read the images"))
    }
}

/// What the metadata make of the pages.
struct Layout {
    /// All axes but y and x, outermost first, and those of size 1 left out.
    outer: Vec<Axis>,
    y: Option<Spacing>,
    x: Option<Spacing>,
    order: Order,
    joint: Joint,
    notes: Vec<String>,
}

enum Order {
    /// Directories, in reading order.
    Pages(Vec<usize>),
    /// So many frames follow the one directory.
    Frames(u64),
}

/// Opens a TIFF file.
pub(super) fn open(path: &Path) -> Result<Opened, InputError> {
    let mut tiff = Tiff::open(path)?;
    let place = tiff.place();
    let walk = tiff.walk()?;
    if walk.kind.bytes().is_none() {
        let found = format!("a page has {}, more than can be addressed", walk.kind);
        return Err(Refusal::new(found, "the file is damaged: export it again").at(&place));
    }
    let text = tiff.text(walk.pages[0])?.unwrap_or_default();
    let density = tiff.density(walk.pages[0])?;
    let layout = layout(path, &text, density, &walk).map_err(|refusal| refusal.at(&place))?;
    let Layout { outer, y, x, order, joint, mut notes } = layout;
    notes.extend(remarks(&walk).map(|note| format!("{place}: {note}")));
    let mut axes = outer;
    axes.push(Axis::new("y", u64::from(walk.kind.height)).spaced(y));
    axes.push(Axis::new("x", u64::from(walk.kind.width)).spaced(x));
    let description = Description { dtype: walk.kind.dtype, axes, notes };
    let source: Box<dyn Source> = match order {
        Order::Pages(order) => {
            tiff.check(walk.pages[0], walk.kind)?;
            let order = order.into_iter();
            Box::new(Pages { tiff, kind: walk.kind, description, order, page: Vec::new(), given: 0 })
        }
        Order::Frames(frames) => {
            let elements = tiff.raw_frames(walk.pages[0], walk.kind, frames)?;
            Box::new(Frames { place, description, elements })
        }
    };
    Ok(Opened { source, joint, hinted: false })
}

/// The first metadata that apply.
fn layout(path: &Path, text: &str, density: Density, walk: &Walk) -> Result<Layout, Refusal> {
    if ome_xml::is_ome(text) {
        let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        return of_ome(ome_xml::parse(text, &name)?, walk);
    }
    if let Some(stack) = imagej::parse(text)? {
        return of_imagej(&stack, density, walk);
    }
    check_shaped(text, walk)?;
    Ok(of_pages(density, walk))
}

/// Things about the pages that the user should know.
fn remarks(walk: &Walk) -> impl Iterator<Item = String> {
    let skipped = walk.skipped;
    let skipped =
        (skipped > 0).then(|| format!("{skipped} page(s) of reduced resolution or masks are skipped"));
    let levels = "the smaller copies of the image in sub-directories (a pyramid) are left out";
    let levels = walk.sub_ifds.then(|| levels.to_owned());
    let white = "white is stored as zero; the values are kept as they are stored";
    let white = walk.white_is_zero.then(|| white.to_owned());
    [skipped, levels, white].into_iter().flatten()
}

fn of_ome(pixels: Pixels, walk: &Walk) -> Result<Layout, Refusal> {
    let kind = walk.kind;
    if (pixels.width, pixels.height) != (u64::from(kind.width), u64::from(kind.height)) {
        let found = format!(
            "the OME-XML says {} by {} pixels, but the pages are {kind}",
            pixels.width, pixels.height
        );
        return Err(Refusal::new(found, "export the file again"));
    }
    let sample = if pixels.sample == "float" { "float32" } else { pixels.sample.as_str() };
    if sample.parse::<DType>() != Ok(kind.dtype) && !sample.is_empty() {
        return Err(Refusal::new(
            format!("the OME-XML says {sample}, but the pages are {kind}"),
            "export the file again",
        ));
    }
    let order = pixels.plane_pages(&walk.pages)?;
    let mut notes = pixels.notes.clone();
    if order.len() < walk.pages.len() {
        notes.push(format!(
            "{} page(s) that the OME-XML does not describe are left out",
            walk.pages.len() - order.len()
        ));
    }
    let spacing = |letter| match letter {
        'z' => pixels.z,
        't' => pixels.t,
        _ => None,
    };
    let outer = pixels.outer.iter().rev().filter(|(_, size)| *size > 1);
    Ok(Layout {
        outer: outer.map(|(letter, size)| Axis::new(*letter, *size).spaced(spacing(*letter))).collect(),
        y: pixels.y,
        x: pixels.x,
        order: Order::Pages(order),
        joint: if pixels.size('t') == 1 { Joint::NewTime } else { Joint::Outermost },
        notes,
    })
}

fn of_imagej(stack: &Stack, density: Density, walk: &Walk) -> Result<Layout, Refusal> {
    let pages = walk.pages.len() as u64;
    let order = match (stack.images, pages) {
        (images, pages) if images == pages => Order::Pages(walk.pages.clone()),
        (images, 1) => Order::Frames(images),
        (images, pages) => {
            let found =
                format!("ImageJ's description says images={images}, but the file has {pages} page(s)");
            return Err(Refusal::new(found, "save the stack again with ImageJ"));
        }
    };
    let axes = [("t", stack.frames, stack.t), ("z", stack.slices, stack.z), ("c", stack.channels, None)];
    let outer = axes.into_iter().filter(|(_, size, _)| *size > 1);
    let mut notes = Vec::new();
    let unit = stack.unit.as_deref();
    let unit_y = stack.unit_y.as_deref().or(unit);
    let calibrated = |density_along: Option<f64>, unit: Option<&str>, notes: &mut Vec<String>| match unit {
        None => from_tags(density_along, density.unit, notes),
        Some(unit) => {
            let unit = units::space(unit)?;
            density_along.map(|d| Spacing { scale: d.recip(), unit: Some(unit) })
        }
    };
    let y = calibrated(density.y, unit_y, &mut notes);
    let x = calibrated(density.x, unit, &mut notes);
    if let Some(unit) = unit.filter(|unit| units::space(unit).is_none() && !unit.starts_with("pixel")) {
        notes.push(format!("ImageJ's unit `{unit}` is none that OME-Zarr has: the pixel size is left out"));
    }
    notes.dedup();
    // A plain stack says neither way whether its images are slices or frames, so a next file continues it.
    let still = stack.frames == 1 && (stack.hyperstack || stack.images == 1);
    Ok(Layout {
        outer: outer.map(|(name, size, spacing)| Axis::new(name, size).spaced(spacing)).collect(),
        y,
        x,
        order,
        joint: if still { Joint::NewTime } else { Joint::Outermost },
        notes,
    })
}

/// Pages of which nothing more is known: points in time.
fn of_pages(density: Density, walk: &Walk) -> Layout {
    let mut notes = Vec::new();
    let series = walk.pages.len() > 1;
    if series {
        notes.push("the pages are not named in the file: they are taken as points in time (t)".to_owned());
    }
    let y = from_tags(density.y, density.unit, &mut notes);
    let x = from_tags(density.x, density.unit, &mut notes);
    notes.dedup();
    Layout {
        outer: if series { vec![Axis::new("t", walk.pages.len() as u64)] } else { Vec::new() },
        y,
        x,
        order: Order::Pages(walk.pages.clone()),
        joint: if series { Joint::Outermost } else { Joint::NewTime },
        notes,
    }
}

/// Pixels per inch of screens: programs write them into pictures that have no pixel size.
const SCREENS: [f64; 2] = [72.0, 96.0];

/// Pixel size from the resolution tags, in micrometers.
fn from_tags(density: Option<f64>, unit: DensityUnit, notes: &mut Vec<String>) -> Option<Spacing> {
    let density = density?;
    let micrometers = match unit {
        // 1 per inch is what is written when nothing is known.
        DensityUnit::Inch if density == 1.0 => return None,
        DensityUnit::Inch if SCREENS.contains(&density) => {
            notes.push(format!(
                "{density} pixels per inch is a screen's resolution: no pixel size is taken from it"
            ));
            return None;
        }
        DensityUnit::Inch => 25_400.0,
        DensityUnit::Centimeter => 10_000.0,
        DensityUnit::None => return None,
    };
    Some(Spacing { scale: micrometers / density, unit: Some("micrometer") })
}

/// tifffile can write a stack with one directory and say so only in JSON: reading one page of it would lose the rest.
fn check_shaped(text: &str, walk: &Walk) -> Result<(), Refusal> {
    let Some(shape) = text
        .starts_with("{\"shape\"")
        .then(|| serde_json::from_str::<serde_json::Value>(text).ok())
        .flatten()
    else {
        return Ok(());
    };
    let sizes = shape["shape"].as_array().map(Vec::as_slice).unwrap_or_default();
    let pixels = sizes.iter().try_fold(1u64, |all, size| all.checked_mul(size.as_u64()?));
    let page = u64::from(walk.kind.width) * u64::from(walk.kind.height);
    match pixels {
        Some(pixels) if pixels > page.saturating_mul(walk.pages.len() as u64) => Err(Refusal::new(
            format!(
                "tifffile's description says shape {}, but the file has {} page(s)",
                shape["shape"],
                walk.pages.len()
            ),
            "write it with truncate=False, or as ome=True",
        )),
        _ => Ok(()),
    }
}
