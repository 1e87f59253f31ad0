//! TIFF files made byte by byte: layouts that the encoder of the `tiff` crate does not write.

/// A tag with its values, as unsigned numbers of 2, 4 or 8 bytes, or text.
#[derive(Clone)]
pub(super) enum Value {
    Short(Vec<u16>),
    Long(Vec<u32>),
    Text(String),
}

/// One directory and the bytes of its strips or tiles.
#[derive(Clone)]
pub(super) struct Page {
    pub(super) tags: Vec<(u16, Value)>,
    pub(super) segments: Vec<Vec<u8>>,
    /// 273 for strips, 324 for tiles; the tag of the byte counts follows from it.
    pub(super) offsets: u16,
}

impl Page {
    /// A gray page in one strip; elements of `bits` bits in the byte order of the file.
    pub(super) fn gray(width: u16, height: u16, bits: u16, format: u16, pixels: Vec<u8>) -> Page {
        let short = |v| Value::Short(vec![v]);
        let tags = vec![
            (256, short(width)),
            (257, short(height)),
            (258, short(bits)),
            (259, short(1)),
            (262, short(1)),
            (277, short(1)),
            (278, short(height)),
            (339, short(format)),
        ];
        Page { tags, segments: vec![pixels], offsets: 273 }
    }

    /// With a tag, in place of one of that number if there is one.
    pub(super) fn with(mut self, tag: u16, value: Value) -> Page {
        self.tags.retain(|(t, _)| *t != tag);
        self.tags.push((tag, value));
        self
    }
}

/// Classic TIFF, or BigTIFF, in either byte order.
pub(super) fn file(pages: &[Page], big_endian: bool, bigtiff: bool) -> Vec<u8> {
    let mut w = Writer { out: Vec::new(), big_endian, bigtiff };
    w.out.extend(if big_endian { b"MM" } else { b"II" });
    w.number(if bigtiff { 43 } else { 42 }, 2);
    if bigtiff {
        w.number(8, 2);
        w.number(0, 2);
    }
    let mut link = w.out.len();
    w.offset(0);
    for page in pages {
        link = w.page(page, link);
    }
    w.out
}

struct Writer {
    out: Vec<u8>,
    big_endian: bool,
    bigtiff: bool,
}

impl Writer {
    fn number(&mut self, value: u64, size: usize) {
        let bytes = self.bytes(value, size);
        self.out.extend(bytes);
    }

    fn bytes(&self, value: u64, size: usize) -> Vec<u8> {
        if self.big_endian {
            value.to_be_bytes()[8 - size..].to_vec()
        } else {
            value.to_le_bytes()[..size].to_vec()
        }
    }

    fn offset(&mut self, value: u64) {
        self.number(value, if self.bigtiff { 8 } else { 4 });
    }

    /// Appends a page, links it from `link`, and gives the place of its own link.
    fn page(&mut self, page: &Page, link: usize) -> usize {
        let mut places = Vec::new();
        for segment in &page.segments {
            places.push(u32::try_from(self.out.len()).unwrap());
            self.out.extend(segment);
        }
        let counts = page.segments.iter().map(|s| u32::try_from(s.len()).unwrap()).collect();
        let counts_tag = if page.offsets == 273 { 279 } else { 325 };
        let mut tags = page.tags.clone();
        for (tag, value) in [(page.offsets, Value::Long(places)), (counts_tag, Value::Long(counts))] {
            if tags.iter().all(|(t, _)| *t != tag) {
                tags.push((tag, value));
            }
        }
        tags.sort_by_key(|(tag, _)| *tag);
        let entries: Vec<_> = tags.iter().map(|(tag, value)| self.entry(*tag, value)).collect();
        let here = self.out.len() as u64;
        let size = if self.bigtiff { 8 } else { 4 };
        let patched = self.bytes(here, size);
        self.out[link..link + size].copy_from_slice(&patched);
        self.number(entries.len() as u64, if self.bigtiff { 8 } else { 2 });
        entries.into_iter().for_each(|entry| self.out.extend(entry));
        let next = self.out.len();
        self.offset(0);
        next
    }

    fn entry(&mut self, tag: u16, value: &Value) -> Vec<u8> {
        let (kind, count, bytes): (u64, usize, Vec<u8>) = match value {
            Value::Short(v) => (3, v.len(), v.iter().flat_map(|n| self.bytes(u64::from(*n), 2)).collect()),
            Value::Long(v) => (4, v.len(), v.iter().flat_map(|n| self.bytes(u64::from(*n), 4)).collect()),
            Value::Text(text) => (2, text.len() + 1, text.bytes().chain([0]).collect()),
        };
        let size = if self.bigtiff { 8 } else { 4 };
        let mut entry = self.bytes(u64::from(tag), 2);
        entry.extend(self.bytes(kind, 2));
        entry.extend(self.bytes(count as u64, size));
        if bytes.len() <= size {
            entry.extend(&bytes);
            entry.resize(4 + 2 * size, 0);
        } else {
            let place = self.out.len() as u64;
            self.out.extend(&bytes);
            entry.extend(self.bytes(place, size));
        }
        entry
    }
}
