//! How the channels of an image are shown: labels, colours, and windows of values (`omero` in OME-Zarr 0.5).
//!
//! Ranges of the data are measured where bytes arrive, in the memory of a few numbers for each channel. Whoever does not ask for
//! them does not pay for them; whoever does pays for reading each byte once more, at about the speed of memory.

use format::{Channel, Window};
use host::kernels;
use plan::{Config, DType, Kind};

use crate::Error;

/// How the channels of an image are shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Channels {
    /// Label and colour of each: as many as the axis of channels has, or one where there is none. Empty: `Channel 0`,
    /// `Channel 1` and so on.
    pub named: Vec<NamedChannel>,
    /// Which values their windows span.
    pub window: WindowOf,
}

/// A channel by its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedChannel {
    /// What it is called.
    pub label: String,
    /// Red, green and blue in which its largest values are shown; `None`: white where it is the only one, otherwise one of a
    /// palette.
    pub color: Option<[u8; 3]>,
}

/// Which values the window of a channel spans: all four of its numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WindowOf {
    /// Those of the element type. Floats have no range that is worth to be shown: for them it is 0 to 1.
    #[default]
    Type,
    /// Those of the element type until the close, then those of the channel's elements that were appended and are finite. Where
    /// all are alike the window ends one above them, so that it has an extent.
    Data,
}

/// Channels that are listed at the most.
const MOST: u64 = 1000;

/// Cyan, magenta, yellow, red, green, blue, white, and again.
const PALETTE: [[u8; 3]; 7] =
    [[0, 255, 255], [255, 0, 255], [255, 255, 0], [255, 0, 0], [0, 255, 0], [0, 0, 255], [255; 3]];

impl NamedChannel {
    /// A channel whose colour is chosen.
    #[must_use]
    pub fn new(label: impl Into<String>) -> NamedChannel {
        NamedChannel { label: label.into(), color: None }
    }

    /// Sets the colour: red, green and blue.
    #[must_use]
    pub fn color(self, color: [u8; 3]) -> NamedChannel {
        NamedChannel { color: Some(color), ..self }
    }
}

/// The channels of an array as they are described at first; none where nobody asks: viewers then choose windows by what they
/// see.
///
/// # Errors
/// They do not fit the array.
pub(crate) fn list(array: &Config, asked: Option<&Channels>) -> Result<Vec<Channel>, Error> {
    let Some(asked) = asked else { return Ok(vec![]) };
    let count = count(array, asked)?;
    let named =
        |n: usize| asked.named.get(n).cloned().unwrap_or_else(|| NamedChannel::new(format!("Channel {n}")));
    let channel = |(n, NamedChannel { label, color }): (usize, NamedChannel)| {
        if label.is_empty() {
            return Err(refused(format!("the label of channel {n} is empty"), "give it a name"));
        }
        let usual = if count == 1 { [255; 3] } else { PALETTE[n % PALETTE.len()] };
        Ok(Channel { label, color: color.unwrap_or(usual), window: of_type(array.dtype) })
    };
    (0..count).map(named).enumerate().map(channel).collect()
}

fn refused(fault: String, remedy: impl Into<String>) -> Error {
    Error::Channels { fault, remedy: remedy.into() }
}

/// How many channels the array has, where that is as many as were named.
fn count(array: &Config, asked: &Channels) -> Result<usize, Error> {
    if array.plain {
        let remedy = "leave channels and window out, or write an image";
        return Err(refused("a plain array does not describe any".to_owned(), remedy));
    }
    let given = asked.named.len();
    let Some(axis) = axis(array) else {
        let remedy = "name one, or make an axis of channels: give it the name `c`, or its kind";
        let none = || refused(format!("{given} are named, and the array has no axis of channels"), remedy);
        return if given <= 1 { Ok(1) } else { Err(none()) };
    };
    let name = &array.dims[axis].name;
    let Some(size) = array.dims[axis].size else {
        let remedy = "leave channels and window out, or give it a size";
        return Err(refused(format!("`{name}` grows without end, so they cannot be listed"), remedy));
    };
    // What fits in one chunk is never halved. A chunk that is chosen holds one channel.
    let is_halved = size > 1 && array.dims[axis].chunk.is_none_or(|chunk| chunk < size);
    if is_halved && array.pyramid.iter().any(|p| p.dims.contains(name)) {
        let remedy = format!("leave channels and window out, or do not halve `{name}`");
        return Err(refused(format!("a coarser level would not have all of `{name}`"), remedy));
    }
    if given > 0 && given as u64 != size {
        return Err(refused(format!("{given} are named, and `{name}` has {size}"), "name each of them once"));
    }
    if size > MOST {
        let remedy = format!("leave channels and window out: at most {MOST} are listed");
        return Err(refused(format!("`{name}` has {size}"), remedy));
    }
    Ok(size as usize)
}

fn axis(array: &Config) -> Option<usize> {
    array.dims.iter().position(|d| d.axis_kind() == Kind::Channel)
}

fn of_type(dtype: DType) -> Window {
    let (min, max) = dtype.integer_range().map_or((0.0, 1.0), |(min, max)| (min as f64, max as f64));
    Window { min, max, start: min, end: max }
}

/// Ranges of the data of each channel, as bytes arrive.
#[derive(Clone)]
pub(crate) struct Ranges {
    found: kernels::Ranges,
    size: usize,
    /// Whole elements that were seen.
    seen: u64,
    /// Bytes of an element that is not whole yet.
    cut: Vec<u8>,
}

impl Ranges {
    /// Where they are asked for. The array's channels are `channels`.
    pub(crate) fn new(array: &Config, asked: Option<&Channels>, channels: &[Channel]) -> Option<Ranges> {
        asked.filter(|asked| asked.window == WindowOf::Data)?;
        let inner = axis(array).map_or(&[][..], |axis| &array.dims[axis + 1..]);
        let run = inner.iter().filter_map(|d| d.size).product();
        let found = kernels::Ranges::new(array.dtype, channels.len(), run);
        Some(Ranges { found, size: array.dtype.size(), seen: 0, cut: Vec::with_capacity(8) })
    }

    /// The next bytes of the stream, cut anywhere.
    pub(crate) fn see(&mut self, mut bytes: &[u8]) {
        if !self.cut.is_empty() {
            let (head, rest) = bytes.split_at(bytes.len().min(self.size - self.cut.len()));
            self.cut.extend_from_slice(head);
            if self.cut.len() < self.size {
                return;
            }
            self.found.add(self.seen, &self.cut);
            self.seen += 1;
            self.cut.clear();
            bytes = rest;
        }
        let (whole, rest) = bytes.split_at(bytes.len() - bytes.len() % self.size);
        self.found.add(self.seen, whole);
        self.seen += (whole.len() / self.size) as u64;
        self.cut.extend_from_slice(rest);
    }

    /// The channels with windows of what was seen; that of a channel of which there was nothing stays as it is.
    pub(crate) fn apply(&self, channels: &[Channel]) -> Vec<Channel> {
        let with = |(channel, found): (&Channel, Option<(f64, f64)>)| Channel {
            window: found.map_or(channel.window, |(least, most)| of_data(least, most)),
            ..channel.clone()
        };
        channels.iter().zip(self.found.found()).map(with).collect()
    }
}

fn of_data(least: f64, most: f64) -> Window {
    // Zero has no sign here.
    let (min, max) = (least + 0.0, most + 0.0);
    let above = (min + 1.0).max(min.next_up()).min(f64::MAX);
    Window { min, max, start: min, end: if min < max { max } else { above } }
}

#[cfg(test)]
mod tests {
    use super::*;
    use plan::Dim;

    fn array(dims: &str) -> Config {
        let dim = |text: &str| match text.split_once(':') {
            Some((name, size)) => Dim::new(name, size.parse().unwrap()),
            None => Dim::unbounded(text),
        };
        Config::new(DType::U16, dims.split(' ').map(dim).collect())
    }

    fn named(labels: &[&str]) -> Channels {
        Channels { named: labels.iter().map(|l| NamedChannel::new(*l)).collect(), window: WindowOf::Type }
    }

    /// Labels and colours, or the message.
    fn listed(dims: &str, labels: &[&str]) -> Result<String, String> {
        let channels = list(&array(dims), Some(&named(labels))).map_err(|e| e.to_string())?;
        let one = |c: &Channel| format!("{} {:02X?}", c.label, c.color);
        Ok(channels.iter().map(one).collect::<Vec<_>>().join(", "))
    }

    #[test]
    fn channels_are_named_or_numbered() {
        let check = |dims, labels: &[&str], want: &str| assert_eq!(listed(dims, labels).unwrap(), want);
        check("t y:4 x:4", &[], "Channel 0 [FF, FF, FF]");
        check("t y:4 x:4", &["GFP"], "GFP [FF, FF, FF]");
        check("t c:2 y:4 x:4", &[], "Channel 0 [00, FF, FF], Channel 1 [FF, 00, FF]");
        check("t c:2 y:4 x:4", &["a", "b"], "a [00, FF, FF], b [FF, 00, FF]");
        check("t c:1 y:4 x:4", &["a"], "a [FF, FF, FF]");
        let red = Channels { named: vec![NamedChannel::new("a").color([255, 0, 0])], ..Channels::default() };
        assert_eq!(list(&array("y:4 x:4"), Some(&red)).unwrap()[0].color, [255, 0, 0]);
        assert_eq!(list(&array("t c:2 y:4 x:4"), None).unwrap(), []);
        assert_eq!(
            list(&array(&format!("t c:{MOST} y:4 x:4")), Some(&named(&[]))).unwrap().len(),
            MOST as usize
        );
    }

    #[test]
    fn refusals_name_the_value_and_the_remedy() {
        let check = |dims: &str, labels: &[&str], words: &[&str]| {
            let said = listed(dims, labels).unwrap_err();
            assert!(said.starts_with("channels: "), "{said}");
            assert!(words.iter().all(|w| said.contains(w)), "{said}");
        };
        check("t y:4 x:4", &["a", "b"], &["2 are named", "no axis of channels", "`c`"]);
        check("t c:3 y:4 x:4", &["a", "b"], &["2 are named", "`c` has 3", "each of them once"]);
        check("c y:4 x:4", &[], &["`c` grows without end", "give it a size"]);
        check("c y:4 x:4", &["a"], &["`c` grows without end"]);
        check("t c:1001 y:4 x:4", &[], &["`c` has 1001", "at most 1000"]);
        check("t c:2 y:4 x:4", &["a", ""], &["label of channel 1 is empty"]);
        let plain = Config { plain: true, ..array("t y:4") };
        let said = list(&plain, Some(&named(&[]))).unwrap_err().to_string();
        assert!(said.contains("plain array") && said.contains("write an image"), "{said}");
    }

    /// Bytes in pieces of `step`, of two channels with 3 elements in a row each.
    fn windows(bytes: &[u8], step: usize) -> Vec<Window> {
        let (array, asked) =
            (array("t:4 c:2 y:1 x:3"), Channels { window: WindowOf::Data, ..Channels::default() });
        let channels = list(&array, Some(&asked)).unwrap();
        let mut ranges = Ranges::new(&array, Some(&asked), &channels).unwrap();
        bytes.chunks(step).for_each(|part| ranges.see(part));
        ranges.apply(&channels).iter().map(|c| c.window).collect()
    }

    #[test]
    fn windows_span_the_data_however_they_are_cut() {
        let elements: [u16; 15] = [5, 9, 7, 300, 301, 300, 8, 4, 5, 299, 65535, 5000, 6, 6, 6];
        let bytes: Vec<u8> = elements.iter().flat_map(|e| e.to_le_bytes()).collect();
        let window = |min, max| Window { min, max, start: min, end: max };
        for step in 1..=bytes.len() {
            assert_eq!(windows(&bytes, step), [window(4.0, 9.0), window(299.0, 65535.0)], "{step}");
        }
        // An element that is never whole does not count, and who has none keeps what the type has.
        assert_eq!(windows(&bytes[..5], 1), [window(5.0, 9.0), window(0.0, 65535.0)]);
    }

    #[test]
    fn a_window_has_an_extent() {
        let check = |least: f64, most: f64, end: f64| {
            let window = of_data(least, most);
            assert_eq!((window.min, window.max, window.start), (least, most, least));
            assert_eq!(window.end, end, "{window:?}");
        };
        check(7.0, 7.0, 8.0);
        check(-0.0, -0.0, 1.0);
        assert!(of_data(-0.0, 1.0).min.is_sign_positive());
        check(0.1, 0.2, 0.2);
        check(1e300, 1e300, 1e300f64.next_up());
        check(f64::MAX, f64::MAX, f64::MAX);
    }
}
