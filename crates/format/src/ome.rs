//! OME-Zarr 0.5 metadata of an image (OME-NGFF 0.5, "multiscales").

mod channel;
mod downsampling;
mod level;

use serde_json::{Value, json};

use crate::Error;
use crate::json::Field;

pub use channel::{Channel, Window};
pub use downsampling::Downsampling;
pub use level::{Level, Spacing};
pub use plan::Kind as AxisKind;

const VERSION: &str = "0.5";

/// One axis of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Axis {
    /// Name, unique in the image.
    pub name: String,
    /// What it measures; other kinds are written without a type.
    pub kind: AxisKind,
    /// Unit, a UDUNITS-2 name (`micrometer`, `second`).
    pub unit: Option<String>,
}

/// An image, as a group describes it.
#[derive(Clone, Debug, PartialEq)]
pub struct Multiscales {
    /// Name of the image.
    pub name: Option<String>,
    /// Axes in storage order.
    pub axes: Vec<Axis>,
    /// Resolutions, the finest first.
    pub levels: Vec<Level>,
    /// How the coarser ones were made; not written where there are none.
    pub downsampling: Option<Downsampling>,
    /// How channels are shown: none, or as many as there are along the axis of channels.
    pub channels: Vec<Channel>,
}

fn axis_json(axis: &Axis) -> Value {
    let mut value = json!({ "name": axis.name });
    if let Some(kind) = kind_name(axis.kind) {
        value["type"] = kind.into();
    }
    if let Some(unit) = &axis.unit {
        value["unit"] = unit.as_str().into();
    }
    value
}

const fn kind_name(kind: AxisKind) -> Option<&'static str> {
    match kind {
        AxisKind::Time => Some("time"),
        AxisKind::Channel => Some("channel"),
        AxisKind::Space => Some("space"),
        AxisKind::Other => None,
    }
}

impl Multiscales {
    /// The value of the group's attribute `ome`.
    ///
    /// An empty name is left out. That kinds of axes stand in OME-Zarr's order is checked by `plan::Axes::check`.
    ///
    /// # Errors
    /// There is no level, a level has not one number for each axis, a number is not finite, a scale is not above 0, or a
    /// range of a channel ends before it begins.
    pub fn to_json(&self) -> Result<Value, Error> {
        if self.levels.is_empty() {
            let remedy = "give one level at least";
            return Err(Error::Invalid { field: "datasets".to_owned(), value: "[]".to_owned(), remedy });
        }
        self.levels.iter().try_for_each(|level| level.check(self.axes.len()))?;
        self.channels.iter().enumerate().try_for_each(|(n, channel)| channel.check(n))?;
        let mut ome = json!({ "version": VERSION, "multiscales": [self.image()] });
        if !self.channels.is_empty() {
            ome["omero"] =
                json!({ "channels": self.channels.iter().map(Channel::to_json).collect::<Value>() });
        }
        Ok(ome)
    }

    fn image(&self) -> Value {
        let mut image = json!({});
        if let Some(name) = self.name.as_deref().filter(|n| !n.is_empty()) {
            image["name"] = name.into();
        }
        image["axes"] = self.axes.iter().map(axis_json).collect();
        image["datasets"] = self.levels.iter().map(Level::to_json).collect();
        if let Some(made) = self.downsampling.as_ref().filter(|_| self.levels.len() > 1) {
            image["type"] = made.method.as_str().into();
            image["metadata"] = made.metadata.clone().into();
        }
        image
    }

    /// Reads the value of a group's attribute `ome`; of several images the first.
    ///
    /// # Errors
    /// The metadata are broken, of another version than 0.5, or describe no image.
    pub fn parse(ome: &Value) -> Result<Multiscales, Error> {
        let root = Field::root("ome", ome);
        root.get("version")?.must_be(&VERSION.into(), "it reads OME-Zarr 0.5")?;
        let images = root.get("multiscales")?;
        let image =
            images.items()?.into_iter().next().ok_or_else(|| images.invalid("give one image at least"))?;
        let axes = image.get("axes")?.items()?.iter().map(parse_axis).collect::<Result<Vec<_>, _>>()?;
        let common = image.find("coordinateTransformations").map_or(Ok(vec![]), |c| c.items())?;
        let level = |dataset: &Field<'_>| Level::parse(dataset, &common, axes.len());
        let levels = image.get("datasets")?.items()?.iter().map(level).collect::<Result<_, _>>()?;
        let name = image.find("name").map(|n| n.text().map(str::to_owned)).transpose()?;
        let downsampling = Downsampling::parse(image.value());
        Ok(Multiscales { name, axes, levels, downsampling, channels: Channel::parse_all(ome) })
    }
}

fn parse_axis(axis: &Field<'_>) -> Result<Axis, Error> {
    let kind = match axis.find("type").map(|t| t.text()).transpose()? {
        Some("time") => AxisKind::Time,
        Some("channel") => AxisKind::Channel,
        Some("space") => AxisKind::Space,
        _ => AxisKind::Other,
    };
    let unit = axis.find("unit").map(|u| u.text().map(str::to_owned)).transpose()?;
    Ok(Axis { name: axis.get("name")?.text()?.to_owned(), kind, unit })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn axis(name: &str, kind: AxisKind, unit: Option<&str>) -> Axis {
        Axis { name: name.to_owned(), kind, unit: unit.map(str::to_owned) }
    }

    fn level(path: &str, scale: &[f64], translation: Option<&[f64]>) -> Level {
        Level { path: path.to_owned(), scale: scale.to_vec(), translation: translation.map(<[f64]>::to_vec) }
    }

    fn axes() -> Vec<Axis> {
        vec![
            axis("t", AxisKind::Time, Some("second")),
            axis("q", AxisKind::Other, None),
            axis("y", AxisKind::Space, Some("micrometer")),
            axis("x", AxisKind::Space, None),
        ]
    }

    fn image(name: Option<&str>, levels: &[Level]) -> Multiscales {
        let name = name.map(str::to_owned);
        Multiscales { name, axes: axes(), levels: levels.to_vec(), downsampling: None, channels: vec![] }
    }

    #[test]
    fn an_image_has_this_json_and_is_read_back() {
        let levels = [
            level("0", &[1.0, 1.0, 0.1, 0.5], None),
            level("1", &[1.0, 1.0, 0.2, 1.0], Some(&[0.0, 0.0, 0.05, 0.25])),
        ];
        let cells = image(Some("cells"), &levels);
        let want = r#"{"version":"0.5","multiscales":[{"name":"cells","axes":[{"name":"t","type":"time","unit":"second"},{"name":"q"},{"name":"y","type":"space","unit":"micrometer"},{"name":"x","type":"space"}],"datasets":[{"path":"0","coordinateTransformations":[{"type":"scale","scale":[1.0,1.0,0.1,0.5]}]},{"path":"1","coordinateTransformations":[{"type":"scale","scale":[1.0,1.0,0.2,1.0]},{"type":"translation","translation":[0.0,0.0,0.05,0.25]}]}]}]}"#;
        assert_eq!(cells.to_json().unwrap().to_string(), want);
        assert_eq!(Multiscales::parse(&serde_json::from_str(want).unwrap()).unwrap(), cells);
        let nameless = image(Some(""), &levels).to_json().unwrap();
        assert_eq!(nameless["multiscales"][0].get("name"), None);
    }

    #[test]
    fn a_pyramid_says_how_it_was_made_and_one_level_does_not() {
        let levels = [0, 1].map(|halvings| {
            let spacing = Spacing { base: 0.5, halvings, centred: true };
            Level::spaced(halvings.to_string(), &[spacing; 4])
        });
        let made = || Some(Downsampling::new(plan::Reducer::Median, &["y", "x"], None));
        let pyramid = Multiscales { downsampling: made(), ..image(None, &levels) };
        let json = pyramid.to_json().unwrap();
        let about = &json["multiscales"][0];
        assert_eq!((&about["type"], &about["metadata"]["method"]), (&"median".into(), &"forebay".into()));
        assert_eq!(Multiscales::parse(&json).unwrap(), pyramid);
        let single = Multiscales { downsampling: made(), ..image(None, &levels[..1]) }.to_json().unwrap();
        let about = &single["multiscales"][0];
        assert_eq!((about.get("type"), about.get("metadata")), (None, None));
    }

    #[test]
    fn channels_stand_beside_the_image() {
        let window = Window { min: 0.0, max: 255.0, start: 0.0, end: 255.0 };
        let channel = |label: &str| Channel { label: label.to_owned(), color: [255, 255, 255], window };
        let with = |channels| Multiscales { channels, ..image(None, &[level("0", &[1.0; 4], None)]) };
        let two = with(vec![channel("DAPI"), channel("GFP")]);
        let json = two.to_json().unwrap();
        assert_eq!(json["omero"]["channels"][1]["label"], "GFP");
        assert_eq!(Multiscales::parse(&json).unwrap(), two);
        assert_eq!(with(vec![]).to_json().unwrap().get("omero"), None);
        let broken = Channel { window: Window { start: 256.0, ..window }, ..channel("") };
        let said = with(vec![channel(""), broken]).to_json().unwrap_err().to_string();
        assert!(said.contains("window of channel 1"), "{said}");
    }

    #[test]
    fn numbers_that_make_no_sense_are_refused() {
        let refused = |levels: &[Level], word: &str| {
            let said = image(None, levels).to_json().unwrap_err().to_string();
            assert!(said.contains(word), "{said}");
        };
        refused(&[], "datasets");
        for bad in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            refused(&[level("3", &[1.0, 1.0, bad, 1.0], None)], "scale of level 3");
        }
        refused(&[level("0", &[1.0], None)], "for each axis");
        refused(&[level("0", &[1.0; 4], Some(&[0.0, 0.0, 0.0, f64::NAN]))], "translation of level 0");
    }

    #[test]
    fn images_of_others_are_read() {
        let ome = json!({ "version": "0.5", "omero": {}, "multiscales": [{
            "type": "gaussian",
            "axes": [{ "name": "y", "type": "space" }, { "name": "x", "type": "wavelength" }],
            "datasets": [{ "path": "s0", "coordinateTransformations": [
                { "type": "scale", "scale": [2, 3] }, { "type": "translation", "translation": [1, 1] },
            ] }],
            "coordinateTransformations": [{ "type": "identity" }, { "type": "scale", "scale": [10.0, 0.5] }],
        }] });
        let image = Multiscales::parse(&ome).unwrap();
        assert_eq!(image.name, None);
        assert_eq!(image.axes[1].kind, AxisKind::Other);
        assert_eq!(image.levels, [level("s0", &[20.0, 1.5], Some(&[10.0, 0.5]))]);
        assert_eq!(image.downsampling.unwrap().method, "gaussian");
    }

    #[test]
    fn metadata_that_are_no_image_are_refused_by_name() {
        let check = |ome: Value, word: &str| {
            let said = Multiscales::parse(&ome).unwrap_err().to_string();
            assert!(said.contains(word), "{said}");
        };
        check(json!({ "version": "0.4" }), "`ome.version` is \"0.4\"");
        check(json!({ "version": "0.5", "plate": {} }), "`ome.multiscales` is missing");
        check(json!({ "version": "0.5", "multiscales": [] }), "`ome.multiscales` is []");
        let image = |step: Value| {
            json!({ "version": "0.5", "multiscales": [{ "axes": [{ "name": "x" }], "datasets": [
                { "path": "0", "coordinateTransformations": [step] }] }] })
        };
        let place = "`ome.multiscales[0].datasets[0].coordinateTransformations[0].";
        check(image(json!({ "type": "affine" })), &format!("{place}type` is \"affine\""));
        check(image(json!({ "type": "scale", "scale": [1, 1] })), &format!("{place}scale` is [1,1]"));
    }
}
