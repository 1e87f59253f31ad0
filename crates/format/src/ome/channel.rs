//! How the channels of an image are shown: `omero`, which OME-Zarr 0.5 calls transitional.

use serde_json::{Value, json};

use crate::Error;

/// One channel.
#[derive(Clone, Debug, PartialEq)]
pub struct Channel {
    /// Its name; may be empty.
    pub label: String,
    /// Red, green and blue in which its largest values are shown.
    pub color: [u8; 3],
    /// Its values.
    pub window: Window,
}

/// Values of a channel.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Window {
    /// The least there may be.
    pub min: f64,
    /// The largest there may be.
    pub max: f64,
    /// The value that is shown black.
    pub start: f64,
    /// The value that is shown brightest.
    pub end: f64,
}

impl Channel {
    /// Red, green and blue of a colour as it is written: six hexadecimal digits. `None`: the text is something else.
    #[must_use]
    pub fn parse_color(text: &str) -> Option<[u8; 3]> {
        if text.len() != 6 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        let [_, red, green, blue] = u32::from_str_radix(text, 16).ok()?.to_be_bytes();
        Some([red, green, blue])
    }

    pub(super) fn check(&self, n: usize) -> Result<(), Error> {
        let Window { min, max, start, end } = self.window;
        let refuse = |what: &str, value: String, remedy| {
            Err(Error::Invalid { field: format!("{what} of channel {n}"), value, remedy })
        };
        if ![min, max, start, end].iter().all(|x| x.is_finite()) {
            return refuse("window", format!("{:?}", self.window), "give finite numbers, JSON has no others");
        }
        if start > end {
            return refuse(
                "window",
                format!("{start} to {end}"),
                "give a start that is no larger than the end",
            );
        }
        if min > max {
            return refuse(
                "range",
                format!("{min} to {max}"),
                "give a least value that is no larger than the largest",
            );
        }
        Ok(())
    }

    pub(super) fn to_json(&self) -> Value {
        let Window { min, max, start, end } = self.window;
        let [red, green, blue] = self.color;
        json!({
            "label": self.label,
            "color": format!("{red:02X}{green:02X}{blue:02X}"),
            "active": true,
            "window": { "min": min, "max": max, "start": start, "end": end },
        })
    }

    /// The channels that an image of anybody describes. Viewers' settings do not make an image unreadable: where one of
    /// them is not as the specification has it, there are none.
    pub(super) fn parse_all(ome: &Value) -> Vec<Channel> {
        let listed = ome["omero"]["channels"].as_array().map_or(&[][..], Vec::as_slice);
        listed.iter().map(Channel::parse).collect::<Option<_>>().unwrap_or_default()
    }

    fn parse(channel: &Value) -> Option<Channel> {
        let number = |key: &str| channel["window"][key].as_f64();
        let window =
            Window { min: number("min")?, max: number("max")?, start: number("start")?, end: number("end")? };
        let label = channel["label"].as_str().unwrap_or_default().to_owned();
        Some(Channel { label, color: Channel::parse_color(channel["color"].as_str()?)?, window })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn channel(start: f64, end: f64) -> Channel {
        let window = Window { min: 0.0, max: 65535.0, start, end };
        Channel { label: "LaminB1".to_owned(), color: [0, 10, 255], window }
    }

    #[test]
    fn a_channel_has_this_json_and_is_read_back() {
        let json = channel(3.5, 1500.0).to_json();
        let want = r#"{"label":"LaminB1","color":"000AFF","active":true,"window":{"min":0.0,"max":65535.0,"start":3.5,"end":1500.0}}"#;
        assert_eq!(json.to_string(), want);
        assert_eq!(Channel::parse(&json), Some(channel(3.5, 1500.0)));
    }

    #[test]
    fn windows_that_make_no_sense_are_refused_by_channel() {
        let refused = |channel: Channel, word: &str| {
            let said = channel.check(2).unwrap_err().to_string();
            assert!(said.contains(word) && said.contains("of channel 2"), "{said}");
        };
        channel(7.0, 7.0).check(0).unwrap();
        refused(channel(7.0, 6.0), "`window of channel 2` is 7 to 6");
        refused(channel(f64::NAN, 1.0), "finite");
        refused(channel(0.0, f64::INFINITY), "finite");
        let narrow = |min, max| {
            let usual = channel(0.0, 1.0);
            Channel { window: Window { min, max, ..usual.window }, ..usual }
        };
        refused(narrow(1.0, 0.0), "`range of channel 2` is 1 to 0");
        refused(narrow(f64::NEG_INFINITY, 0.0), "finite");
    }

    #[test]
    fn channels_of_others_are_read_or_passed_over() {
        let window = json!({ "min": 0, "max": 255, "start": 1, "end": 9 });
        let check = |channels: Value, want: usize| {
            let found = Channel::parse_all(&json!({ "omero": { "id": 1, "channels": channels } }));
            assert_eq!(found.len(), want, "{channels}");
        };
        check(json!([{ "color": "ff00Ff", "window": window, "family": "linear" }]), 1);
        check(json!([{ "color": "FF00FF", "window": window }, { "color": "FF00FF" }]), 0);
        for color in ["#FF00FF", "red", "FF00FF00", "+F00FF", ""] {
            check(json!([{ "color": color, "window": window }]), 0);
        }
        check(json!([{ "color": "FF00FF", "window": { "start": 1, "end": 9 } }]), 0);
        check(json!({}), 0);
        assert_eq!(Channel::parse_all(&json!({ "version": "0.5" })), []);
    }
}
