//! OME-XML: what the pages of an OME-TIFF are, and in which order.
//! <https://docs.openmicroscopy.org/ome-model/latest/ome-tiff/specification.html>

use std::collections::BTreeSet;

use roxmltree::{Document, Node};

use super::Spacing;
use super::error::Refusal;
use super::units;

/// Metadata of the one image of a file.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Pixels {
    /// Names and sizes of the axes but x and y, fastest first.
    pub(super) outer: [(char, u64); 3],
    pub(super) width: u64,
    pub(super) height: u64,
    /// `uint16` and the like, as written.
    pub(super) sample: String,
    pub(super) x: Option<Spacing>,
    pub(super) y: Option<Spacing>,
    pub(super) z: Option<Spacing>,
    pub(super) t: Option<Spacing>,
    data: Vec<TiffData>,
    /// What was left out.
    pub(super) notes: Vec<String>,
}

/// Which directories hold which planes. Positions are in the order of `Pixels::outer`.
#[derive(Clone, Debug, PartialEq)]
struct TiffData {
    ifd: Option<u64>,
    first: [u64; 3],
    count: Option<u64>,
}

/// Whether a description is OME-XML.
pub(super) fn is_ome(text: &str) -> bool {
    let text = text.trim_start_matches('\u{feff}').trim_start();
    text.starts_with('<') && (text.contains("<OME") || text.contains(":OME "))
}

/// Reads the description of a file of the given name.
pub(super) fn parse(text: &str, file: &str) -> Result<Pixels, Refusal> {
    let text = text.trim_start_matches('\u{feff}').trim();
    let document = Document::parse(text).map_err(|e| {
        Refusal::new(
            format!("the OME-XML cannot be read: {e}"),
            "export the file again, or remove its ImageDescription",
        )
    })?;
    let root = document.root_element();
    if let Some(binary) = child(root, "BinaryOnly") {
        let master = binary.attribute("MetadataFile").unwrap_or("another file");
        let found = format!("the metadata of this file are in {master} (BinaryOnly)");
        return Err(Refusal::new(found, ONE_FILE));
    }
    let images: Vec<_> = root.children().filter(|n| named(*n, "Image")).collect();
    let [image] = images.as_slice() else {
        let found = format!("the OME-XML describes {} images", images.len());
        return Err(Refusal::new(
            found,
            "export one image (series) per file, for instance with `bfconvert -series 0`",
        ));
    };
    let Some(pixels) = child(*image, "Pixels") else {
        return Err(Refusal::new("the OME-XML has an Image without Pixels", "export the file again"));
    };
    one_file(root, pixels, file)?;
    Pixels::read(pixels)
}

const ONE_FILE: &str =
    "export the whole image into one file, for instance with `bfconvert in.ome.tif out.ome.tif`";

/// Elements are told by their local names: the namespace changes with each version of the schema.
fn named(node: Node<'_, '_>, name: &str) -> bool {
    node.is_element() && node.tag_name().name() == name
}

fn child<'a, 'i>(node: Node<'a, 'i>, name: &str) -> Option<Node<'a, 'i>> {
    node.children().find(|n| named(*n, name))
}

/// Refuses images that are spread over files. One name that is not this file's is that of before a renaming.
fn one_file(root: Node<'_, '_>, pixels: Node<'_, '_>, file: &str) -> Result<(), Refusal> {
    let uuids: Vec<_> =
        pixels.children().filter(|n| named(*n, "TiffData")).filter_map(|n| child(n, "UUID")).collect();
    let names: BTreeSet<&str> = uuids.iter().filter_map(|n| n.attribute("FileName")).collect();
    let ids: BTreeSet<&str> = uuids.iter().filter_map(Node::text).map(str::trim).collect();
    if names.len() > 1 || ids.len() > 1 {
        let some: Vec<_> = names.iter().take(3).copied().collect();
        let found = format!(
            "the image is spread over {} files ({} ...)",
            names.len().max(ids.len()),
            some.join(", ")
        );
        return Err(Refusal::new(found, ONE_FILE));
    }
    let elsewhere = match (root.attribute("UUID"), ids.first()) {
        (Some(own), Some(id)) => own.trim() != *id,
        _ => false,
    };
    match names.first() {
        Some(name) if elsewhere && *name != file => {
            Err(Refusal::new(format!("the image is in another file, {name}"), ONE_FILE))
        }
        _ => Ok(()),
    }
}

impl Pixels {
    fn read(node: Node<'_, '_>) -> Result<Pixels, Refusal> {
        let order = node.attribute("DimensionOrder").unwrap_or("XYZCT");
        let mut outer = [(' ', 0); 3];
        let letters: Vec<char> = order.strip_prefix("XY").unwrap_or_default().chars().collect();
        if !matches!(letters.iter().collect::<BTreeSet<_>>().into_iter().collect::<String>().as_str(), "CTZ")
            || letters.len() != 3
        {
            return Err(Refusal::new(
                format!("the OME-XML has DimensionOrder `{order}`"),
                "export the file again",
            ));
        }
        for (axis, letter) in outer.iter_mut().zip(letters) {
            *axis = (letter.to_ascii_lowercase(), size(node, &format!("Size{letter}"))?);
        }
        let mut notes = Vec::new();
        let x = spacing(node, "PhysicalSizeX", "\u{b5}m", units::space, &mut notes);
        let y = spacing(node, "PhysicalSizeY", "\u{b5}m", units::space, &mut notes);
        let z = spacing(node, "PhysicalSizeZ", "\u{b5}m", units::space, &mut notes);
        let t = spacing(node, "TimeIncrement", "s", units::time, &mut notes);
        let data = node.children().filter(|n| named(*n, "TiffData")).map(|n| TiffData::read(n, &outer));
        Ok(Pixels {
            outer,
            width: size(node, "SizeX")?,
            height: size(node, "SizeY")?,
            sample: node.attribute("Type").or(node.attribute("PixelType")).unwrap_or_default().to_owned(),
            x,
            y,
            z,
            t,
            data: data.collect::<Result<_, _>>()?,
            notes,
        })
    }

    /// Size of an axis by its letter.
    pub(super) fn size(&self, letter: char) -> u64 {
        self.outer.iter().find(|(name, _)| *name == letter).map_or(1, |(_, size)| *size)
    }

    /// The directory of each plane, in the order of the axes, of a file whose pages have these indices.
    pub(super) fn plane_pages(&self, pages: &[usize]) -> Result<Vec<usize>, Refusal> {
        let [(a, first), (b, second), (c, third)] = self.outer;
        let planes = first.checked_mul(second).and_then(|n| n.checked_mul(third));
        let Some(planes) = planes.filter(|n| *n <= pages.len() as u64).and_then(|n| usize::try_from(n).ok())
        else {
            let sizes = format!("{a}={first} {b}={second} {c}={third}");
            let found = format!("the OME-XML describes {sizes}, but the file has {} page(s)", pages.len());
            return Err(Refusal::new(found, format!("the rest may be in other files: {ONE_FILE}")));
        };
        if self.data.is_empty() {
            return Ok(pages[..planes].to_vec());
        }
        let mut found = vec![None; planes];
        for data in &self.data {
            self.place(data, pages, &mut found)?;
        }
        let missing = found.iter().position(Option::is_none);
        if let Some(plane) = missing {
            let found = format!("the OME-XML has no TiffData for plane {}", self.name(plane as u64));
            return Err(Refusal::new(found, "export the image again with all its planes"));
        }
        Ok(found.into_iter().flatten().collect())
    }

    fn place(&self, data: &TiffData, pages: &[usize], found: &mut [Option<usize>]) -> Result<(), Refusal> {
        let [(_, first), (_, second), _] = self.outer;
        let inside = data.first.iter().zip(&self.outer).all(|(at, (_, size))| at < size);
        let start =
            if inside { data.first[0] + first * (data.first[1] + second * data.first[2]) } else { u64::MAX };
        let planes = found.len() as u64;
        let count = data.count.unwrap_or(if data.ifd.is_some() { 1 } else { planes.saturating_sub(start) });
        if start.checked_add(count).is_none_or(|end| end > planes) {
            let found = format!(
                "a TiffData of the OME-XML lies outside of the image ({count} planes from {:?})",
                data.first
            );
            return Err(Refusal::new(found, "export the file again"));
        }
        for i in 0..count {
            let page = match data.ifd {
                Some(ifd) => ifd.checked_add(i).and_then(|n| usize::try_from(n).ok()),
                None => pages.get(i as usize).copied(),
            };
            let Some(page) = page.filter(|page| pages.binary_search(page).is_ok()) else {
                let found = format!(
                    "the OME-XML puts plane {} into a page that is not in the file",
                    self.name(start + i)
                );
                return Err(Refusal::new(found, "the file is damaged or incomplete: export it again"));
            };
            let slot = &mut found[(start + i) as usize];
            if slot.is_some_and(|other| other != page) {
                let found = format!("the OME-XML puts plane {} into two pages", self.name(start + i));
                return Err(Refusal::new(found, "export the file again"));
            }
            *slot = Some(page);
        }
        Ok(())
    }

    /// Position of a plane, for messages: `z=1 c=0 t=0`.
    fn name(&self, mut plane: u64) -> String {
        let mut parts = Vec::new();
        for (letter, size) in self.outer {
            parts.push(format!("{letter}={}", plane % size));
            plane /= size;
        }
        parts.join(" ")
    }
}

impl TiffData {
    fn read(node: Node<'_, '_>, outer: &[(char, u64); 3]) -> Result<TiffData, Refusal> {
        let mut first = [0; 3];
        for (at, (letter, _)) in first.iter_mut().zip(outer) {
            *at = whole(node, &format!("First{}", letter.to_ascii_uppercase()))?.unwrap_or(0);
        }
        Ok(TiffData { ifd: whole(node, "IFD")?, first, count: whole(node, "PlaneCount")? })
    }
}

fn whole(node: Node<'_, '_>, name: &str) -> Result<Option<u64>, Refusal> {
    let Some(text) = node.attribute(name) else {
        return Ok(None);
    };
    let number = text.trim().parse().map_err(|_| {
        let element = node.tag_name().name();
        Refusal::new(
            format!("the OME-XML has {name}=\"{text}\" in {element}, which is no whole number"),
            "export the file again",
        )
    });
    number.map(Some)
}

fn size(node: Node<'_, '_>, name: &str) -> Result<u64, Refusal> {
    whole(node, name)?.filter(|n| *n > 0).ok_or_else(|| {
        Refusal::new(format!("the OME-XML gives no {name} above zero"), "export the file again")
    })
}

fn spacing(
    node: Node<'_, '_>,
    name: &str,
    default: &str,
    unit: fn(&str) -> Option<&'static str>,
    notes: &mut Vec<String>,
) -> Option<Spacing> {
    let text = node.attribute(name)?;
    let written = node.attribute(format!("{name}Unit").as_str()).unwrap_or(default);
    let scale = text.trim().parse::<f64>().ok().filter(|v| v.is_finite() && *v > 0.0);
    match (scale, unit(written)) {
        (Some(scale), Some(unit)) => Some(Spacing { scale, unit: Some(unit) }),
        _ => {
            notes.push(format!(
                "{name} = {text} {written} of the OME-XML is left out: no positive number with a known unit"
            ));
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn xml(attributes: &str, inner: &str) -> String {
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<OME xmlns=\"http://www.openmicroscopy.org/Schemas/OME/2016-06\" \
             UUID=\"urn:uuid:1\"><Image ID=\"Image:0\"><Pixels ID=\"Pixels:0\" SizeX=\"5\" SizeY=\"4\" Type=\"uint16\" \
             {attributes}><Channel ID=\"Channel:0:0\"/>{inner}</Pixels></Image></OME>"
        )
    }

    const SIZES: &str = "DimensionOrder=\"XYZCT\" SizeZ=\"3\" SizeC=\"2\" SizeT=\"1\"";

    fn pages(inner: &str, pages: usize) -> Result<Vec<usize>, Refusal> {
        parse(&xml(SIZES, inner), "a.tif")?.plane_pages(&(0..pages).collect::<Vec<_>>())
    }

    #[test]
    fn spacing_and_axes_are_read_with_their_default_units() {
        let more = "PhysicalSizeX=\"0.1\" PhysicalSizeY=\"200\" PhysicalSizeYUnit=\"nm\" PhysicalSizeZ=\"1\" \
                    PhysicalSizeZUnit=\"reference frame\" TimeIncrement=\"0.5\"";
        let pixels = parse(&xml(&format!("{SIZES} {more}"), ""), "a.tif").unwrap();
        assert_eq!(pixels.outer, [('z', 3), ('c', 2), ('t', 1)]);
        assert_eq!(pixels.x, Some(Spacing { scale: 0.1, unit: Some("micrometer") }));
        assert_eq!(pixels.y, Some(Spacing { scale: 200.0, unit: Some("nanometer") }));
        assert_eq!(pixels.z, None);
        assert_eq!(pixels.t, Some(Spacing { scale: 0.5, unit: Some("second") }));
        assert_eq!(pixels.notes.len(), 1);
    }

    #[test]
    fn planes_lie_where_tiff_data_says() {
        let check = |inner: &str, want: &[usize]| assert_eq!(pages(inner, 6).as_deref(), Ok(want), "{inner}");
        check("", &[0, 1, 2, 3, 4, 5]);
        check("<TiffData/>", &[0, 1, 2, 3, 4, 5]);
        check("<TiffData IFD=\"0\" PlaneCount=\"6\"/>", &[0, 1, 2, 3, 4, 5]);
        // Channels fastest in the file, z fastest in DimensionOrder.
        let each: String = (0..6)
            .map(|ifd| {
                format!(
                    "<TiffData IFD=\"{ifd}\" FirstC=\"{}\" FirstZ=\"{}\" PlaneCount=\"1\"/>",
                    ifd % 2,
                    ifd / 2
                )
            })
            .collect();
        check(&each, &[0, 2, 4, 1, 3, 5]);
        check(
            "<TiffData IFD=\"3\" PlaneCount=\"3\"/><TiffData IFD=\"0\" FirstC=\"1\" PlaneCount=\"3\"/>",
            &[3, 4, 5, 0, 1, 2],
        );
    }

    #[test]
    fn what_does_not_fit_the_file_is_refused() {
        let check = |inner: &str, n: usize, word: &str| {
            let refusal = pages(inner, n).unwrap_err();
            assert!(refusal.found.contains(word), "{word} in {refusal:?}");
        };
        check("", 5, "5 page(s)");
        check("<TiffData IFD=\"0\" PlaneCount=\"5\"/>", 6, "z=2 c=1 t=0");
        check("<TiffData IFD=\"1\" PlaneCount=\"6\"/>", 6, "not in the file");
        check("<TiffData IFD=\"0\" PlaneCount=\"7\"/>", 6, "outside");
        check("<TiffData IFD=\"0\" FirstZ=\"3\"/>", 6, "outside");
        check("<TiffData IFD=\"0\"/><TiffData IFD=\"1\"/>", 6, "two pages");
        check("<TiffData IFD=\"x\"/>", 6, "IFD=\"x\"");
    }

    #[test]
    fn images_in_several_files_or_several_images_are_refused() {
        let check = |text: &str, word: &str| {
            let refusal = parse(text, "a.tif").unwrap_err();
            assert!(refusal.found.contains(word) && !refusal.remedy.is_empty(), "{word} in {refusal:?}");
        };
        let two = "<TiffData IFD=\"0\"><UUID FileName=\"a.tif\">urn:uuid:1</UUID></TiffData>\
                   <TiffData IFD=\"0\" FirstC=\"1\"><UUID FileName=\"b.tif\">urn:uuid:2</UUID></TiffData>";
        check(&xml(SIZES, two), "b.tif");
        let other = "<TiffData><UUID FileName=\"b.tif\">urn:uuid:2</UUID></TiffData>";
        check(&xml(SIZES, other), "b.tif");
        check("<OME><Image/><Image/></OME>", "2 images");
        check("<OME><BinaryOnly MetadataFile=\"m.companion.ome\"/></OME>", "m.companion.ome");
        check("<OME><Image>", "cannot be read");
        check(&xml("DimensionOrder=\"XYZZT\" SizeZ=\"1\" SizeT=\"1\" SizeC=\"1\"", ""), "XYZZT");
        check(&xml("DimensionOrder=\"XYZCT\" SizeZ=\"0\" SizeT=\"1\" SizeC=\"1\"", ""), "SizeZ");
    }

    #[test]
    fn a_renamed_file_is_read() {
        let own = "<TiffData><UUID FileName=\"before.tif\">urn:uuid:1</UUID></TiffData>";
        assert!(parse(&xml(SIZES, own), "after.tif").is_ok());
    }

    #[test]
    fn ome_is_told_from_other_descriptions() {
        assert!(is_ome(&xml(SIZES, "")));
        assert!(is_ome("\u{feff}<ome:OME xmlns:ome=\"x\">"));
        assert!(!is_ome("<MetaData><PlaneInfo/></MetaData>"));
        assert!(!is_ome("ImageJ=1.54f"));
    }
}
