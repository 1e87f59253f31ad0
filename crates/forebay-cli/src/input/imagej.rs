//! ImageJ's ImageDescription: lines of `key=value`, the first of them `ImageJ=1.54f`.

use std::collections::HashMap;

use super::Spacing;
use super::error::Refusal;
use super::units;

/// What ImageJ says of a stack. Images are in the order channels, slices, frames, channels fastest.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Stack {
    pub(super) images: u64,
    pub(super) channels: u64,
    pub(super) slices: u64,
    pub(super) frames: u64,
    /// Axes were set on purpose: `slices` of a plain stack are often frames.
    pub(super) hyperstack: bool,
    /// Unit of x and y, as written.
    pub(super) unit: Option<String>,
    /// Unit of y, where it differs.
    pub(super) unit_y: Option<String>,
    pub(super) z: Option<Spacing>,
    pub(super) t: Option<Spacing>,
}

/// Reads the description, or `None` if ImageJ did not write it.
pub(super) fn parse(text: &str) -> Result<Option<Stack>, Refusal> {
    if !text.starts_with("ImageJ=") {
        return Ok(None);
    }
    let fields: HashMap<&str, &str> = text.lines().filter_map(|line| line.split_once('=')).collect();
    let count = |key: &str| match fields.get(key) {
        None => Ok(1),
        Some(value) => value.trim().parse::<u64>().ok().filter(|n| *n > 0).ok_or_else(|| {
            Refusal::new(
                format!("ImageJ's description says {key}={value}"),
                "save the stack again with ImageJ",
            )
        }),
    };
    let (channels, slices, frames) = (count("channels")?, count("slices")?, count("frames")?);
    let product = channels.checked_mul(slices).and_then(|n| n.checked_mul(frames));
    let images = if fields.contains_key("images") { count("images")? } else { product.unwrap_or(u64::MAX) };
    let axes_given = ["channels", "slices", "frames"].iter().any(|key| fields.contains_key(key));
    // A stack of which only the number of images is known is taken as a time series.
    let frames = if axes_given { frames } else { images };
    if axes_given && product != Some(images) {
        return Err(Refusal::new(
            format!(
                "ImageJ's description says images={images}, but channels={channels} slices={slices} frames={frames}"
            ),
            "save the stack again with ImageJ (Image > Properties shows the axes)",
        ));
    }
    let unit =
        |key: &str| fields.get(key).map(|value| unescape(value.trim())).filter(|value| !value.is_empty());
    let number = |key: &str| {
        let value = fields.get(key).and_then(|value| value.trim().parse::<f64>().ok());
        value.map(f64::abs).filter(|value| value.is_finite() && *value > 0.0)
    };
    let z_unit = unit("zunit").or_else(|| unit("unit")).and_then(|text| units::space(&text));
    let t_unit = unit("tunit").map_or(Some("second"), |text| units::time(&text));
    Ok(Some(Stack {
        images,
        channels,
        slices,
        frames,
        hyperstack: fields.get("hyperstack").is_some_and(|value| value.trim() == "true"),
        unit: unit("unit"),
        unit_y: unit("yunit"),
        z: z_unit.and_then(|name| number("spacing").map(|scale| Spacing { scale, unit: Some(name) })),
        t: t_unit.and_then(|name| number("finterval").map(|scale| Spacing { scale, unit: Some(name) })),
    }))
}

/// Java's escapes: `\u00B5m` is `µm`.
fn unescape(text: &str) -> String {
    let mut pieces = text.split("\\u");
    let mut out = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let code = piece.get(..4).and_then(|hex| u32::from_str_radix(hex, 16).ok()).and_then(char::from_u32);
        match code {
            Some(c) => {
                out.push(c);
                out.push_str(&piece[4..]);
            }
            None => {
                out.push_str("\\u");
                out.push_str(piece);
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hyperstack_is_understood() {
        let text = "ImageJ=1.54f\nimages=24\nchannels=2\nslices=3\nframes=4\nhyperstack=true\nmode=grayscale\n\
                    unit=\\u00B5m\nspacing=-0.5\nfinterval=2.5\nloop=false\n";
        let stack = parse(text).unwrap().unwrap();
        assert_eq!((stack.images, stack.channels, stack.slices, stack.frames), (24, 2, 3, 4));
        assert_eq!(stack.unit.as_deref(), Some("µm"));
        assert_eq!(stack.z, Some(Spacing { scale: 0.5, unit: Some("micrometer") }));
        assert_eq!(stack.t, Some(Spacing { scale: 2.5, unit: Some("second") }));
    }

    #[test]
    fn other_descriptions_are_none() {
        assert_eq!(parse("{\"shape\": [2, 3]}").unwrap(), None);
    }

    #[test]
    fn counts_must_agree() {
        let check = |text: &str, word: &str| {
            let refusal = parse(text).unwrap_err();
            assert!(refusal.found.contains(word), "{word} in {refusal:?}");
        };
        check("ImageJ=1\nimages=5\nslices=2\n", "images=5");
        check("ImageJ=1\nimages=many\n", "images=many");
        check("ImageJ=1\nimages=0\n", "images=0");
        check("ImageJ=1\nimages=2\nchannels=18446744073709551615\nslices=2\n", "channels");
    }

    #[test]
    fn images_alone_are_a_time_series() {
        let stack = parse("ImageJ=1.53t\nimages=7\n").unwrap().unwrap();
        assert_eq!((stack.slices, stack.frames, stack.hyperstack), (1, 7, false));
    }

    #[test]
    fn escapes_of_java_are_undone() {
        let check = |text: &str, want: &str| assert_eq!(unescape(text), want);
        check("\\u00B5m", "µm");
        check("micron", "micron");
        check("\\u00", "\\u00");
        check("a\\uZZZZb", "a\\uZZZZb");
    }
}
