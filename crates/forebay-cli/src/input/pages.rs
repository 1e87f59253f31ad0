//! Pages of a TIFF file: which there are, that they are alike, and their pixels.
//!
//! The walk along the chain of directories reads tags only, so all pages are judged before the first is
//! decoded. The decoder of the `tiff` crate then decodes one page at a time.

use std::collections::HashSet;
use std::fmt;
use std::fs::File;
use std::io::{BufReader, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use ::tiff::decoder::ifd::Value;
use ::tiff::decoder::{Decoder, Limits};
use ::tiff::tags::{ByteOrder, IfdPointer, Tag};
use ::tiff::{Directory, TiffError};
use forebay::DType;

use super::elements::{Elements, Order, to_little};
use super::error::{InputError, Place, Refusal};

/// Longest ImageDescription that is read: OME-XML lists each plane, so it grows with the file.
const LONGEST_TEXT: u64 = 256 << 20;

/// More than Deflate (1032) and LZW (about 2700) can gain: memory is bounded by the file, whatever its tags say.
const LARGEST_RATIO: u64 = 4096;

const COMPRESSIONS: &str = "save it without compression, or with LZW or Deflate";

/// What all pages of an input have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Kind {
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) dtype: DType,
}

impl Kind {
    /// Bytes of one page, if they can be addressed.
    pub(super) fn bytes(self) -> Option<usize> {
        let pixels = u64::from(self.width) * u64::from(self.height);
        usize::try_from(pixels.checked_mul(self.dtype.size() as u64)?).ok()
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} by {} pixels of {}", self.width, self.height, self.dtype)
    }
}

/// What the walk along the directories found.
#[derive(Debug)]
pub(super) struct Walk {
    pub(super) kind: Kind,
    /// Indices, in the chain of directories, of the pages at full resolution.
    pub(super) pages: Vec<usize>,
    /// Thumbnails and masks, which are skipped.
    pub(super) skipped: usize,
    /// Some page has smaller copies in sub-directories.
    pub(super) sub_ifds: bool,
    /// Values are stored with white as zero.
    pub(super) white_is_zero: bool,
}

/// Pixels per unit of length, from the resolution tags of the first page.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Density {
    pub(super) x: Option<f64>,
    pub(super) y: Option<f64>,
    pub(super) unit: DensityUnit,
}

/// ResolutionUnit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DensityUnit {
    None,
    Inch,
    Centimeter,
}

/// An open TIFF file.
pub(super) struct Tiff {
    path: PathBuf,
    length: u64,
    decoder: Decoder<BufReader<File>>,
}

impl Tiff {
    pub(super) fn open(path: &Path) -> Result<Tiff, InputError> {
        let place = Place::file(path);
        let file = File::open(path).map_err(InputError::io(&place, "open the file"))?;
        let length = file.metadata().map_err(InputError::io(&place, "ask for the file's size"))?.len();
        let decoder = Decoder::new(BufReader::new(file)).map_err(|e| first_page(path, e))?;
        // Sizes are checked here, against the file and the pages, not by fixed limits; only a tag's values are
        // allocated by the decoder, 32 bytes for each of at least one byte in the file.
        let mut limits = Limits::unlimited();
        limits.decoding_buffer_size = usize::try_from(length.saturating_mul(32)).unwrap_or(usize::MAX);
        let decoder = decoder.with_limits(limits);
        Ok(Tiff { path: path.to_owned(), length, decoder })
    }

    pub(super) fn place(&self) -> Place {
        Place::file(&self.path)
    }

    /// Looks at every directory once and refuses what is not read.
    pub(super) fn walk(&mut self) -> Result<Walk, InputError> {
        let mut next = self.decoder.ifd_pointer();
        let (mut seen, mut index) = (HashSet::new(), 0);
        let mut first: Option<(usize, Kind)> = None;
        let (mut pages, mut skipped, mut sub_ifds, mut white_is_zero) = (Vec::new(), 0, false, false);
        while let Some(pointer) = next {
            let place = Place::page(&self.path, index);
            if !seen.insert(pointer.0) {
                return Err(Refusal::new(
                    "the directories form a cycle",
                    "the file is damaged: export it again",
                )
                .at(&place));
            }
            let directory = self.directory(pointer, &place)?;
            next = directory.next();
            let mut tags = Tags { tiff: self, directory: &directory, place: &place };
            if tags.is_secondary()? {
                skipped += 1;
            } else {
                let (kind, white) = tags.kind()?;
                sub_ifds |= directory.contains(Tag::SubIfd);
                white_is_zero |= white;
                let (at, wanted) = *first.get_or_insert((index, kind));
                if kind != wanted {
                    let found = format!("the page is {kind}, but page {} is {wanted}", at + 1);
                    return Err(Refusal::new(
                        found,
                        "all pages must be alike: export them into files of their own",
                    )
                    .at(&place));
                }
                pages.push(index);
            }
            index += 1;
        }
        let Some((_, kind)) = first else {
            let found = "the file holds thumbnails or masks only, no page at full resolution";
            return Err(Refusal::new(found, "export the image again").at(&self.place()));
        };
        Ok(Walk { kind, pages, skipped, sub_ifds, white_is_zero })
    }

    fn directory(&mut self, pointer: IfdPointer, place: &Place) -> Result<Directory, InputError> {
        self.decoder.read_directory(pointer).map_err(InputError::tiff(place, "the page's directory"))
    }

    /// Makes a page the current one of the decoder.
    fn seek(&mut self, page: usize) -> Result<Place, InputError> {
        let place = Place::page(&self.path, page);
        self.decoder.seek_to_image(page).map_err(InputError::tiff(&place, "the page's directory"))?;
        Ok(place)
    }

    /// Text of ImageDescription. Old writers put Latin-1 there, although TIFF asks for ASCII.
    pub(super) fn text(&mut self, page: usize) -> Result<Option<String>, InputError> {
        let place = self.seek(page)?;
        let what = "the ImageDescription";
        let Some(entry) = self.decoder.image_ifd().find_entry(Tag::ImageDescription) else {
            return Ok(None);
        };
        if entry.count() > LONGEST_TEXT.min(self.length) {
            let found = format!("the ImageDescription says it is {} bytes long", entry.count());
            return Err(Refusal::new(found, "the file is damaged: export it again").at(&place));
        }
        // At most the file's length and 256 MiB, see above.
        let mut bytes = vec![0; entry.count() as usize];
        let mut tags = self.decoder.image_ifd();
        tags.find_tag_bytes(Tag::ImageDescription, &mut bytes, 0).map_err(InputError::tiff(&place, what))?;
        let end = bytes.iter().position(|b| *b == 0).unwrap_or(bytes.len());
        bytes.truncate(end);
        Ok(Some(
            String::from_utf8(bytes)
                .unwrap_or_else(|e| e.as_bytes().iter().map(|b| char::from(*b)).collect()),
        ))
    }

    /// Resolution tags.
    pub(super) fn density(&mut self, page: usize) -> Result<Density, InputError> {
        let place = self.seek(page)?;
        let mut along = |tag| -> Result<Option<f64>, InputError> {
            let value =
                self.decoder.find_tag(tag).map_err(InputError::tiff(&place, "the resolution tags"))?;
            Ok(value.and_then(number).filter(|density| density.is_finite() && *density > 0.0))
        };
        let (x, y) = (along(Tag::XResolution)?, along(Tag::YResolution)?);
        let unit = self.decoder.find_tag_unsigned::<u16>(Tag::ResolutionUnit);
        let unit = match unit.map_err(InputError::tiff(&place, "the resolution tags"))? {
            None | Some(2) => DensityUnit::Inch,
            Some(3) => DensityUnit::Centimeter,
            Some(_) => DensityUnit::None,
        };
        Ok(Density { x, y, unit })
    }

    /// Makes a page the current one, after a look at where its pixels lie.
    pub(super) fn check(&mut self, page: usize, kind: Kind) -> Result<Place, InputError> {
        let place = self.seek(page)?;
        let segments = self.segments(&place)?;
        segments.check(kind, self.length, &place)?;
        Ok(place)
    }

    /// Decodes a page into `pixels`, which has the size of a page, as little-endian elements.
    pub(super) fn decode(&mut self, page: usize, kind: Kind, pixels: &mut [u8]) -> Result<(), InputError> {
        let place = self.check(page, kind)?;
        let white_is_zero = self.unsigned(Tag::PhotometricInterpretation, &place)? == Some(0);
        self.decoder.read_image_bytes(pixels).map_err(InputError::tiff(&place, "the page's pixels"))?;
        if white_is_zero {
            // The decoder has inverted the values; what was stored is wanted, and inverting is its own inverse.
            for byte in pixels.iter_mut() {
                *byte = !*byte;
            }
        }
        to_little(pixels, kind.dtype.size(), Order::NATIVE);
        Ok(())
    }

    /// Frames that follow one another without directories of their own, after the one page of the file.
    pub(super) fn raw_frames(
        mut self,
        page: usize,
        kind: Kind,
        frames: u64,
    ) -> Result<Elements<BufReader<File>>, InputError> {
        let place = self.seek(page)?;
        let segments = self.segments(&place)?;
        segments.check(kind, self.length, &place)?;
        if !segments.contiguous(kind) {
            let found = format!(
                "the metadata speak of {frames} images, but there is one page, and it is compressed or in pieces"
            );
            return Err(Refusal::new(
                found,
                "save the stack again, uncompressed or with a directory for each image",
            )
            .at(&place));
        }
        let start = segments.offsets[0];
        let bytes = kind.bytes().and_then(|page| frames.checked_mul(page as u64));
        let Some(bytes) =
            bytes.filter(|bytes| start.checked_add(*bytes).is_some_and(|end| end <= self.length))
        else {
            let held = self.length.saturating_sub(start) / kind.bytes().map_or(1, |b| b as u64);
            return Err(InputError::Truncated { place, within: format!("after {held} of {frames} images") });
        };
        let order = match self.decoder.byte_order() {
            ByteOrder::LittleEndian => Order::Little,
            ByteOrder::BigEndian => Order::Big,
        };
        let mut reader =
            BufReader::new(File::open(&self.path).map_err(InputError::io(&place, "open the file"))?);
        reader.seek(SeekFrom::Start(start)).map_err(InputError::io(&place, "go to the first image"))?;
        Ok(Elements::new(reader, kind.dtype.size(), order, bytes))
    }

    fn unsigned(&mut self, tag: Tag, place: &Place) -> Result<Option<u64>, InputError> {
        self.decoder.find_tag_unsigned(tag).map_err(InputError::tiff(place, "the page's tags"))
    }

    fn list(&mut self, tag: Tag, place: &Place) -> Result<Vec<u64>, InputError> {
        let list =
            self.decoder.find_tag_unsigned_vec(tag).map_err(InputError::tiff(place, "the page's tags"))?;
        Ok(list.unwrap_or_default())
    }

    /// Strips or tiles of the current page.
    fn segments(&mut self, place: &Place) -> Result<Segments, InputError> {
        let tile = match (self.unsigned(Tag::TileWidth, place)?, self.unsigned(Tag::TileLength, place)?) {
            (Some(width), Some(length)) => Some((width, length)),
            _ => None,
        };
        let rows = self.unsigned(Tag::RowsPerStrip, place)?.unwrap_or(u64::MAX);
        let (offsets, counts) = if tile.is_some() {
            (Tag::TileOffsets, Tag::TileByteCounts)
        } else {
            (Tag::StripOffsets, Tag::StripByteCounts)
        };
        let compressed = self.unsigned(Tag::Compression, place)?.unwrap_or(1) != 1;
        Ok(Segments {
            tile,
            rows,
            compressed,
            offsets: self.list(offsets, place)?,
            counts: self.list(counts, place)?,
        })
    }
}

/// Where the strips or tiles of a page lie. The decoder believes the offsets and, for uncompressed data,
/// never looks at the byte counts: a hole would come out as bytes from elsewhere in the file.
struct Segments {
    tile: Option<(u64, u64)>,
    rows: u64,
    compressed: bool,
    offsets: Vec<u64>,
    counts: Vec<u64>,
}

impl Segments {
    fn check(&self, kind: Kind, length: u64, place: &Place) -> Result<(), InputError> {
        let held = self.counts.iter().fold(0u64, |all, count| all.saturating_add(*count));
        let bytes = kind.bytes().unwrap_or(usize::MAX) as u64;
        if bytes > held.saturating_mul(LARGEST_RATIO) {
            let found = format!("the page is {kind}, but only {held} bytes hold its pixels");
            return Err(Refusal::new(found, "the file is damaged: export it again").at(place));
        }
        let size = kind.dtype.size() as u64;
        let (width, height) = (u64::from(kind.width), u64::from(kind.height));
        for (i, (offset, count)) in self.offsets.iter().zip(&self.counts).enumerate() {
            if *offset == 0 || *count == 0 {
                let found = format!("strip or tile {i} is missing (a sparse file)");
                return Err(Refusal::new(found, "save the image again with all its pixels").at(place));
            }
            if offset.checked_add(*count).is_none_or(|end| end > length) {
                return Err(InputError::Truncated {
                    place: place.clone(),
                    within: format!("within strip or tile {i}"),
                });
            }
            let wanted = match self.tile {
                Some((across, down)) => across.saturating_mul(down).saturating_mul(size),
                None => {
                    let above = self.rows.saturating_mul(i as u64);
                    self.rows.min(height.saturating_sub(above)) * width * size
                }
            };
            if !self.compressed && *count < wanted {
                let found = format!("strip or tile {i} holds {count} bytes instead of {wanted}");
                return Err(Refusal::new(found, "the file is damaged: export it again").at(place));
            }
        }
        Ok(())
    }

    fn contiguous(&self, kind: Kind) -> bool {
        let whole =
            self.counts.iter().try_fold(0u64, |all, n| all.checked_add(*n)) == kind.bytes().map(|n| n as u64);
        let ends = self.offsets.iter().zip(&self.counts).map(|(offset, count)| offset.saturating_add(*count));
        let joined = ends.zip(self.offsets.iter().skip(1)).all(|(end, next)| end == *next);
        whole && joined && self.tile.is_none() && !self.compressed && !self.offsets.is_empty()
    }
}

/// Tags of one directory.
struct Tags<'a> {
    tiff: &'a mut Tiff,
    directory: &'a Directory,
    place: &'a Place,
}

impl Tags<'_> {
    fn get(&mut self, tag: Tag) -> Result<Option<u64>, InputError> {
        let mut tags = self.tiff.decoder.read_directory_tags(self.directory);
        tags.find_tag_unsigned(tag).map_err(InputError::tiff(self.place, "the page's tags"))
    }

    fn required(&mut self, tag: Tag) -> Result<u64, InputError> {
        let value = self.get(tag)?;
        value.ok_or_else(|| {
            Refusal::new(format!("the page has no tag {tag:?}"), "export the file again").at(self.place)
        })
    }

    fn refuse<T>(&self, found: impl Into<String>, remedy: impl Into<String>) -> Result<T, InputError> {
        Err(Refusal::new(found, remedy).at(self.place))
    }

    /// A smaller copy of another page, or its mask.
    fn is_secondary(&mut self) -> Result<bool, InputError> {
        let new = self.get(Tag::NewSubfileType)?.unwrap_or(0);
        let old = self.get(Tag::SubfileType)?;
        Ok(new & 0b101 != 0 || old == Some(2))
    }

    /// Size and element type of the page, and whether white is zero; everything else about it is judged here too.
    fn kind(&mut self) -> Result<(Kind, bool), InputError> {
        let (width, height) = (self.required(Tag::ImageWidth)?, self.required(Tag::ImageLength)?);
        let white = self.color()?;
        let dtype = self.dtype()?;
        self.compression(dtype)?;
        if white && !matches!(dtype, DType::U8 | DType::U16) {
            return self.refuse(
                format!("the page is {dtype} with white as zero (photometric interpretation 0)"),
                "save it with black as zero (photometric interpretation 1)",
            );
        }
        match (u32::try_from(width), u32::try_from(height)) {
            (Ok(width), Ok(height)) if width > 0 && height > 0 => Ok((Kind { width, height, dtype }, white)),
            _ => self.refuse(format!("the page is {width} by {height} pixels"), "export the file again"),
        }
    }

    fn color(&mut self) -> Result<bool, InputError> {
        let samples = self.get(Tag::SamplesPerPixel)?.unwrap_or(1);
        let remedy = "save one channel per page, as 8-bit or 16-bit gray values";
        let name = match self.required(Tag::PhotometricInterpretation)? {
            0 | 1 if samples == 1 => return Ok(self.get(Tag::PhotometricInterpretation)? == Some(0)),
            0 | 1 => "gray",
            2 => "RGB",
            3 => "palette colors",
            4 => "a transparency mask",
            5 => "CMYK",
            6 => "YCbCr",
            8..=10 => "Lab",
            other => return self.refuse(format!("the page has photometric interpretation {other}"), remedy),
        };
        self.refuse(format!("the page is {name} with {samples} sample(s) per pixel"), remedy)
    }

    fn dtype(&mut self) -> Result<DType, InputError> {
        let bits = self.get(Tag::BitsPerSample)?.unwrap_or(1);
        let format = self.get(Tag::SampleFormat)?.unwrap_or(1);
        match (bits, format) {
            (8, 1) => Ok(DType::U8),
            (16, 1) => Ok(DType::U16),
            (16, 2) => Ok(DType::I16),
            (32, 3) => Ok(DType::F32),
            _ => {
                let name = match format {
                    1 => "unsigned integer",
                    2 => "signed integer",
                    3 => "floating-point",
                    _ => "undefined or complex",
                };
                self.refuse(
                    format!("the page has {bits}-bit {name} samples"),
                    "save it as 8-bit or 16-bit unsigned, 16-bit signed or 32-bit float, or as .npy, which has more types",
                )
            }
        }
    }

    fn compression(&mut self, dtype: DType) -> Result<(), InputError> {
        if self.get(Tag::FillOrder)?.unwrap_or(1) != 1 {
            return self
                .refuse("the bits of each byte are reversed (FillOrder 2)", "save it with FillOrder 1");
        }
        let name = match self.get(Tag::Compression)?.unwrap_or(1) {
            1 => return self.predictor(&[1], "uncompressed"),
            5 | 8 | 32946 if dtype == DType::F32 => return self.predictor(&[1, 2, 3], dtype.name()),
            5 | 8 | 32946 => return self.predictor(&[1, 2], dtype.name()),
            2..=4 => "fax (CCITT)",
            6 => "old JPEG",
            7 => "JPEG",
            32773 => "PackBits",
            33003 | 33005 | 34712 => "JPEG 2000",
            34887 => "LERC",
            34925 => "LZMA",
            50000 => "Zstandard",
            50001 => "WebP",
            50002 => "JPEG XL",
            other => {
                return self.refuse(format!("the page is compressed with method {other}"), COMPRESSIONS);
            }
        };
        self.refuse(format!("the page is compressed with {name}"), COMPRESSIONS)
    }

    /// The decoder applies a predictor to uncompressed pages as well, where other readers ignore it.
    fn predictor(&mut self, known: &[u64], pixels: &str) -> Result<(), InputError> {
        match self.get(Tag::Predictor)?.unwrap_or(1) {
            predictor if known.contains(&predictor) => Ok(()),
            predictor => self.refuse(
                format!("the page is {pixels} with predictor {predictor}"),
                "save it with predictor 1 (none), or compressed with 2 (horizontal) or, for floats, 3",
            ),
        }
    }
}

fn number(value: Value) -> Option<f64> {
    match value {
        Value::Rational(a, b) => Some(f64::from(a) / f64::from(b)),
        Value::SRational(a, b) => Some(f64::from(a) / f64::from(b)),
        Value::Float(v) => Some(f64::from(v)),
        Value::Double(v) => Some(v),
        Value::Short(v) => Some(f64::from(v)),
        Value::Unsigned(v) => Some(f64::from(v)),
        _ => None,
    }
}

/// The decoder parses the first page as it opens the file.
fn first_page(path: &Path, error: TiffError) -> InputError {
    use ::tiff::TiffFormatError::{TiffSignatureInvalid, TiffSignatureNotFound};
    match error {
        TiffError::FormatError(TiffSignatureInvalid | TiffSignatureNotFound) => {
            let found = "this is no TIFF file (it begins with neither II nor MM and 42 or 43)";
            Refusal::new(found, "check the extension; raw bytes are read from .raw").at(&Place::file(path))
        }
        TiffError::UnsupportedError(e) => {
            Refusal::new(format!("{e}"), "save gray values, one channel per page").at(&Place::page(path, 0))
        }
        error => InputError::tiff(&Place::page(path, 0), "the first page's directory")(error),
    }
}
