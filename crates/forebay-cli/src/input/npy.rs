//! NumPy's `.npy`, versions 1 to 3.
//!
//! Ten fixed bytes (twelve from version 2 on), then a Python dict as text, then the elements.
//! <https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html>

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use forebay::DType;

use super::elements::{Elements, Order};
use super::error::{InputError, Place, Refusal};
use super::{Axis, Description, Joint, Opened, Source};

/// Longest header that is read; numpy itself writes far less than this.
const LONGEST_HEADER: u32 = 1 << 20;

struct Npy {
    place: Place,
    description: Description,
    elements: Elements<BufReader<File>>,
}

impl Source for Npy {
    fn description(&self) -> &Description {
        &self.description
    }

    fn read(&mut self, buf: &mut [u8]) -> Result<usize, InputError> {
        self.elements.read(buf).map_err(InputError::io(&self.place, "read the elements"))
    }
}

/// Opens an npy file.
pub(super) fn open(path: &Path) -> Result<Opened, InputError> {
    let place = Place::file(path);
    let file = File::open(path).map_err(InputError::io(&place, "open the file"))?;
    let length = file.metadata().map_err(InputError::io(&place, "ask for the file's size"))?.len();
    let mut reader = BufReader::new(file);
    let (start, text) = header_text(&mut reader, &place)?;
    let header = Header::parse(&text).map_err(|refusal| refusal.at(&place))?;
    let (mut description, bytes) = header.describe().map_err(|refusal| refusal.at(&place))?;
    let held = length.saturating_sub(start);
    if held < bytes {
        return Err(InputError::Truncated {
            place,
            within: format!(
                "within the elements (shape and dtype ask for {bytes} bytes, {held} follow the header)"
            ),
        });
    }
    if held > bytes {
        description.notes.push(format!("{place}: {} bytes after the array are left out", held - bytes));
    }
    let joint = if header.shape.len() == 2 { Joint::NewTime } else { Joint::Outermost };
    let elements = Elements::new(reader, header.dtype.size(), header.order, bytes);
    Ok(Opened { source: Box::new(Npy { place, description, elements }), joint, hinted: false })
}

/// Offset of the elements, and the dict before them.
fn header_text(reader: &mut impl Read, place: &Place) -> Result<(u64, String), InputError> {
    let within =
        |_| InputError::Truncated { place: place.clone(), within: "within the npy header".to_owned() };
    let refuse = |found: String, remedy: &str| Err(Refusal::new(found, remedy).at(place));
    let mut fixed = [0; 8];
    reader.read_exact(&mut fixed).map_err(within)?;
    if &fixed[..6] != b"\x93NUMPY" {
        return refuse(
            "this is no npy file (it does not begin with \\x93NUMPY)".to_owned(),
            "write it with numpy.save",
        );
    }
    let (length, before) = match fixed[6] {
        1 => {
            let mut b = [0; 2];
            reader.read_exact(&mut b).map_err(within)?;
            (u32::from(u16::from_le_bytes(b)), 10)
        }
        2 | 3 => {
            let mut b = [0; 4];
            reader.read_exact(&mut b).map_err(within)?;
            (u32::from_le_bytes(b), 12)
        }
        v => {
            return refuse(format!("npy version {v}.{} is not known", fixed[7]), "write version 1, 2 or 3");
        }
    };
    if length > LONGEST_HEADER {
        return refuse(
            format!("the npy header says it is {length} bytes long"),
            "write the array again with numpy.save",
        );
    }
    let mut text = vec![0; length as usize];
    reader.read_exact(&mut text).map_err(within)?;
    Ok((before + u64::from(length), String::from_utf8_lossy(&text).into_owned()))
}

/// The dict, understood.
#[derive(Debug, PartialEq)]
struct Header {
    dtype: DType,
    order: Order,
    shape: Vec<u64>,
}

impl Header {
    fn parse(text: &str) -> Result<Header, Refusal> {
        let damaged = |what: &str| Refusal::new(what, "write the array again with numpy.save");
        let fields = dict(text)
            .ok_or_else(|| damaged("the npy header is no dict of descr, fortran_order and shape"))?;
        let field = |name: &str| {
            let found = fields.iter().find(|(key, _)| *key == name).map(|(_, value)| *value);
            found.ok_or_else(|| damaged(&format!("the npy header has no `{name}`")))
        };
        let (dtype, order) = element(field("descr")?)?;
        let sizes = field("shape")?;
        let shape = shape(sizes).ok_or_else(|| damaged(&format!("the npy header has shape `{sizes}`")))?;
        if field("fortran_order")? == "True" && shape.len() != 1 {
            return Err(Refusal::new(
                "the array is in Fortran order (fortran_order: True)",
                "save it in C order: numpy.save(path, numpy.ascontiguousarray(array))",
            ));
        }
        Ok(Header { dtype, order, shape })
    }

    /// The description, and the bytes of all elements.
    fn describe(&self) -> Result<(Description, u64), Refusal> {
        if self.shape.is_empty() || self.shape.contains(&0) {
            let found = format!("the array has shape {:?} and so holds no frames", self.shape);
            return Err(Refusal::new(found, "save an array with at least one axis and one element"));
        }
        let bytes = self.shape.iter().try_fold(self.dtype.size() as u64, |all, size| all.checked_mul(*size));
        let Some(bytes) = bytes else {
            let found = format!("the array has shape {:?}, more than a file can hold", self.shape);
            return Err(Refusal::new(found, "write the array again with numpy.save"));
        };
        let names = names(self.shape.len());
        let notes = vec![format!("npy files name no axes: {} assumed", names.join(" "))];
        let axes = names.into_iter().zip(&self.shape).map(|(name, size)| Axis::new(name, *size)).collect();
        Ok((Description { dtype: self.dtype, axes, notes }, bytes))
    }
}

/// Names of axes that have none, by their number.
fn names(rank: usize) -> Vec<String> {
    let letters = match rank {
        1 => "t",
        2 => "yx",
        3 => "tyx",
        4 => "tzyx",
        5 => "tczyx",
        _ => return (0..rank).map(|i| format!("dim_{i}")).collect(),
    };
    letters.chars().map(String::from).collect()
}

/// Keys and values, as text, of a Python dict that is printed on one line.
fn dict(text: &str) -> Option<Vec<(&str, &str)>> {
    let inner = text.trim().strip_prefix('{')?.strip_suffix('}')?;
    parts(inner)?
        .into_iter()
        .map(|part| {
            let (key, value) = part.split_once(':')?;
            Some((quoted(key)?, value.trim()))
        })
        .collect()
}

/// Pieces between the commas that lie outside of brackets and quotes; an empty last one is left out.
fn parts(text: &str) -> Option<Vec<&str>> {
    let (mut found, mut start, mut depth, mut quote) = (Vec::new(), 0, 0usize, None);
    for (i, c) in text.char_indices() {
        match (quote, c) {
            (Some(q), c) if q == c => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(c),
            (None, '(' | '[' | '{') => depth += 1,
            (None, ')' | ']' | '}') => depth = depth.checked_sub(1)?,
            (None, ',') if depth == 0 => {
                found.push(&text[start..i]);
                start = i + 1;
            }
            _ => {}
        }
    }
    found.push(&text[start..]);
    if found.last().is_some_and(|last| last.trim().is_empty()) {
        found.pop();
    }
    (depth == 0 && quote.is_none()).then_some(found)
}

fn quoted(text: &str) -> Option<&str> {
    let text = text.trim();
    ['\'', '"'].into_iter().find_map(|q| text.strip_prefix(q)?.strip_suffix(q))
}

fn shape(text: &str) -> Option<Vec<u64>> {
    let inner = text.strip_prefix('(')?.strip_suffix(')')?;
    parts(inner)?.into_iter().map(|part| part.trim().trim_end_matches('L').parse().ok()).collect()
}

/// Element type and byte order of a `descr`.
fn element(descr: &str) -> Result<(DType, Order), Refusal> {
    let supported =
        "save one of u1, u2, u4, u8, i1, i2, i4, i8, f2, f4, f8, for instance with array.astype('u2')";
    let refuse =
        |what: &str| Err(Refusal::new(format!("dtype {descr} is {what}, which is not read"), supported));
    let Some(text) = quoted(descr) else {
        return refuse("structured");
    };
    let (order, code) = match text.split_at_checked(1) {
        Some(("<" | "|", code)) => (Order::Little, code),
        Some((">", code)) => (Order::Big, code),
        Some(("=", code)) => (Order::NATIVE, code),
        _ => (Order::NATIVE, text),
    };
    let dtype = match code {
        "u1" => DType::U8,
        "u2" => DType::U16,
        "u4" => DType::U32,
        "u8" => DType::U64,
        "i1" => DType::I8,
        "i2" => DType::I16,
        "i4" => DType::I32,
        "i8" => DType::I64,
        "f2" => DType::F16,
        "f4" => DType::F32,
        "f8" => DType::F64,
        "b1" => {
            return Err(Refusal::new(
                format!("dtype {descr} is bool, which is not read"),
                "save it as bytes: numpy.save(path, array.view('u1'))",
            ));
        }
        c if c.starts_with('c') => {
            return Err(Refusal::new(
                format!("dtype {descr} is complex, which is not read"),
                "save real and imaginary part as an axis, for instance numpy.stack([array.real, array.imag])",
            ));
        }
        c if c.starts_with('V') => return refuse("structured or void"),
        c if c.starts_with(['U', 'S']) => return refuse("text"),
        c if c.starts_with('O') => return refuse("Python objects"),
        c if c.starts_with(['M', 'm']) => return refuse("a date or a duration"),
        "f16" | "f12" => return refuse("long double"),
        _ => return refuse("of a kind unknown here"),
    };
    Ok((dtype, order))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(descr: &str, fortran: &str, shape: &str) -> Result<Header, Refusal> {
        Header::parse(&format!("{{'descr': {descr}, 'fortran_order': {fortran}, 'shape': {shape}, }}   \n"))
    }

    #[test]
    fn headers_of_numpy_are_understood() {
        let check = |descr: &str, text: &str, dtype: DType, order: Order, shape: &[u64]| {
            let want = Header { dtype, order, shape: shape.to_vec() };
            assert_eq!(header(descr, "False", text), Ok(want));
        };
        check("'<u2'", "(2, 3)", DType::U16, Order::Little, &[2, 3]);
        check("'>f8'", "(7,)", DType::F64, Order::Big, &[7]);
        check("'|i1'", "()", DType::I8, Order::Little, &[]);
        check("\"<f2\"", "(1L, 2L, 3L)", DType::F16, Order::Little, &[1, 2, 3]);
    }

    #[test]
    fn refusals_name_what_was_found_and_the_remedy() {
        let check = |descr: &str, fortran: &str, shape: &str, words: &[&str]| {
            let refusal = header(descr, fortran, shape).unwrap_err();
            for word in words {
                assert!(
                    refusal.found.contains(word) || refusal.remedy.contains(word),
                    "{word} in {refusal:?}"
                );
            }
        };
        check("'<u2'", "True", "(2, 3)", &["Fortran", "ascontiguousarray"]);
        check("'|b1'", "False", "(2,)", &["bool", "view('u1')"]);
        check("'<c8'", "False", "(2,)", &["complex", "<c8"]);
        check("[('a', '<u2'), ('b', '<f4')]", "False", "(2,)", &["structured", "astype"]);
        check("'<U3'", "False", "(2,)", &["text"]);
        check("'|O'", "False", "(2,)", &["objects"]);
        check("'<u2'", "False", "(2, x)", &["(2, x)"]);
        check("'<M8[ns]'", "False", "(2,)", &["date"]);
    }

    #[test]
    fn fortran_order_of_one_axis_is_c_order() {
        assert!(header("'<u2'", "True", "(5,)").is_ok());
    }

    #[test]
    fn axes_are_named_by_their_number() {
        let check = |rank, want: &str| assert_eq!(names(rank).join(" "), want);
        check(1, "t");
        check(2, "y x");
        check(3, "t y x");
        check(4, "t z y x");
        check(5, "t c z y x");
        check(6, "dim_0 dim_1 dim_2 dim_3 dim_4 dim_5");
    }
}
