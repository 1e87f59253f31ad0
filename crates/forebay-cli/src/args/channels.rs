//! `--channel LABEL[:RRGGBB]` and `--window data`: how channels are shown.

use forebay::{Channel, Channels, NamedChannel, WindowOf};

/// What is asked of channels.
#[derive(clap::Args)]
#[command(next_help_heading = "Channels")]
pub(crate) struct Shown {
    /// Label of a channel, and the colour in which it is shown, as six hexadecimal digits: DAPI:0000FF
    ///
    /// Give it once for each element of the axis of channels, in order, or once where there is no such axis. Colours that are
    /// left out are chosen. Where neither this nor --window is given nothing is said of channels, and viewers choose.
    #[arg(long = "channel", value_name = "LABEL[:RRGGBB]", value_parser = parse)]
    named: Vec<NamedChannel>,

    /// Values that viewers show a channel over: type, or data
    ///
    /// type: all that the element type has; 0 to 1 for floats. data: from the least to the largest that arrived, which is known
    /// when the run is closed; every byte is read once more for it [default with --channel: type]
    #[arg(long, value_name = "OF", value_parser = window)]
    window: Option<WindowOf>,
}

impl Shown {
    /// The request.
    pub(crate) fn request(&self) -> Option<Channels> {
        let asked = !self.named.is_empty() || self.window.is_some();
        asked.then(|| Channels { named: self.named.clone(), window: self.window.unwrap_or_default() })
    }
}

fn window(text: &str) -> Result<WindowOf, String> {
    match text {
        "type" => Ok(WindowOf::Type),
        "data" => Ok(WindowOf::Data),
        _ => Err(format!("`{text}` is no range of values; use type or data")),
    }
}

/// Reads one channel. What follows the last colon is a colour.
fn parse(text: &str) -> Result<NamedChannel, String> {
    let (label, color) = text.rsplit_once(':').map_or((text, None), |(label, color)| (label, Some(color)));
    if label.is_empty() {
        return Err(format!("`{text}` has no label: write LABEL or LABEL:RRGGBB, as in DAPI:0000FF"));
    }
    let color =
        color.map(|digits| Channel::parse_color(digits).ok_or_else(|| no_color(text, digits))).transpose()?;
    Ok(NamedChannel { label: label.to_owned(), color })
}

fn no_color(text: &str, digits: &str) -> String {
    format!(
        "`{digits}` in `{text}` is no colour: write six hexadecimal digits, two each of red, green and blue: 0000FF"
    )
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[test]
    fn a_channel_is_a_label_and_a_colour() {
        let check = |text: &str, label: &str, color| {
            assert_eq!(parse(text), Ok(NamedChannel { label: label.to_owned(), color }), "{text}");
        };
        check("DAPI", "DAPI", None);
        check("DAPI:0000FF", "DAPI", Some([0, 0, 255]));
        check("a b:ff8001", "a b", Some([255, 128, 1]));
        check("a:b:FFFFFF", "a:b", Some([255; 3]));
        for bad in ["DAPI:", "DAPI:blue", "DAPI:#000FF", "DAPI:+000FF", "DAPI:0000FF0", "a:b"] {
            let said = parse(bad).unwrap_err();
            assert!(said.contains(&format!("in `{bad}` is no colour")) && said.contains("0000FF"), "{said}");
        }
        for bad in ["", ":0000FF"] {
            assert!(parse(bad).unwrap_err().contains("has no label"), "{bad}");
        }
    }

    /// The options as a command has them.
    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        asked: Shown,
    }

    #[test]
    fn either_of_the_options_asks() {
        let asked = |words: &str| {
            let command = Command::try_parse_from(["forebay"].into_iter().chain(words.split_whitespace()));
            command.map(|c| c.asked.request()).map_err(|e| e.to_string())
        };
        let named = |labels: &[&str]| labels.iter().map(|l| NamedChannel::new(*l)).collect::<Vec<_>>();
        assert_eq!(asked(""), Ok(None));
        let check = |words: &str, labels: &[&str], window| {
            assert_eq!(asked(words), Ok(Some(Channels { named: named(labels), window })), "{words}");
        };
        check("--channel a --channel b", &["a", "b"], WindowOf::Type);
        check("--window data", &[], WindowOf::Data);
        check("--window type", &[], WindowOf::Type);
        check("--channel a --window data", &["a"], WindowOf::Data);
        let said = asked("--window dtype").unwrap_err();
        assert!(said.contains("`dtype`") && said.contains("type or data"), "{said}");
    }
}
