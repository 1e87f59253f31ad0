//! Storage order of the dimensions, and the order that OME-Zarr 0.5 asks of an image.

use crate::{Config, Dim, Kind, Refusal};

/// Storage order: `positions[i]` is the acquisition dimension that is stored as dimension `i`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// Acquisition dimension of each stored dimension.
    pub positions: Vec<usize>,
    /// Whether OME-Zarr's rule for axes moved a dimension that the user had not.
    pub mended: bool,
}

/// Whether stored axes make an OME-Zarr 0.5 image.
pub struct Axes;

impl Axes {
    /// Checks the order of kinds against OME-Zarr 0.5 ("multiscales", axes): two to five axes; time, then at most
    /// one channel or other, then two or three of space.
    ///
    /// # Errors
    /// The rule that is broken, in words.
    pub fn check(kinds: &[Kind]) -> Result<(), &'static str> {
        let count = |want: fn(&Kind) -> bool| kinds.iter().filter(|k| want(k)).count();
        if !(2..=5).contains(&kinds.len()) {
            return Err("an image has two to five axes");
        }
        if !(2..=3).contains(&count(|k| *k == Kind::Space)) {
            return Err("an image has two or three axes of space");
        }
        if count(|k| *k == Kind::Time) > 1 {
            return Err("an image has at most one time axis");
        }
        if count(|k| matches!(k, Kind::Channel | Kind::Other)) > 1 {
            return Err("an image has at most one axis that is neither time nor space");
        }
        if !kinds.is_sorted_by_key(|k| rank(*k)) {
            return Err("time comes first, then channel, then space");
        }
        Ok(())
    }
}

const fn rank(kind: Kind) -> u8 {
    match kind {
        Kind::Time => 0,
        Kind::Channel | Kind::Other => 1,
        Kind::Space => 2,
    }
}

impl Order {
    /// Derives the storage order that a configuration asks for.
    pub(crate) fn derive(config: &Config) -> Result<Order, Refusal> {
        let asked = match &config.order {
            Some(names) => named(names, &config.dims)?,
            None => (0..config.dims.len()).collect(),
        };
        if config.plain {
            return Ok(Order { positions: asked, mended: false });
        }
        let fault = match Axes::check(&kinds(&asked, &config.dims)) {
            Ok(()) => {
                return Ok(Order { positions: asked, mended: false });
            }
            Err(fault) => fault,
        };
        let mut mended = asked.clone();
        mended.sort_by_key(|&d| rank(config.dims[d].axis_kind()));
        // A given order is the user's word; dimension 0 grows, so it stays first.
        let valid = Axes::check(&kinds(&mended, &config.dims)).is_ok();
        if config.order.is_none() && valid && mended[0] == 0 {
            return Ok(Order { positions: mended, mended: true });
        }
        Err(Refusal::Axes { axes: joined(&asked, &config.dims), fault })
    }

    /// Number of append dimensions: dimension 0 and, when its chunk is 1, those after it whose chunk is 1, ended by
    /// the first that the storage order moves.
    pub(crate) fn append_dims(&self, dims: &[Dim]) -> usize {
        if dims[0].chunk != Some(1) {
            return 1;
        }
        let stays = |d: &usize| self.positions[*d] == *d && dims[*d].chunk == Some(1);
        1 + (1..dims.len()).take_while(stays).count()
    }
}

fn kinds(order: &[usize], dims: &[Dim]) -> Vec<Kind> {
    order.iter().map(|&d| dims[d].axis_kind()).collect()
}

fn joined(order: &[usize], dims: &[Dim]) -> String {
    order.iter().map(|&d| dims[d].name.as_str()).collect::<Vec<_>>().join(" ")
}

fn named(names: &[String], dims: &[Dim]) -> Result<Vec<usize>, Refusal> {
    let all: Vec<_> = dims.iter().map(|d| d.name.as_str()).collect();
    let refuse = |fault: String, remedy: String| Refusal::Order { order: names.join(","), fault, remedy };
    let mut order = Vec::new();
    for name in names {
        let Some(d) = all.iter().position(|n| n == name) else {
            let fault = format!("`{name}` is no dimension");
            return Err(refuse(fault, format!("name each of `{}` once", all.join(","))));
        };
        if order.contains(&d) {
            let fault = format!("`{name}` stands twice");
            return Err(refuse(fault, format!("name each of `{}` once", all.join(","))));
        }
        order.push(d);
    }
    if order.len() != all.len() {
        let fault = format!("{} of {} dimensions are named", order.len(), all.len());
        return Err(refuse(fault, format!("name each of `{}` once", all.join(","))));
    }
    if order[0] != 0 {
        let fault = format!("`{}` is not first", all[0]);
        return Err(refuse(fault, format!("the dimension that grows, `{}`, must be stored first", all[0])));
    }
    Ok(order)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DType;

    fn order(dims: &str, asked: Option<&str>) -> Result<(String, bool), String> {
        let dims: Vec<_> = dims.split(' ').map(|n| Dim::new(n, 4)).collect();
        let order = asked.map(|o| o.split(',').map(str::to_owned).collect());
        let config = Config { order, ..Config::new(DType::U8, dims) };
        let order = Order::derive(&config).map_err(|e| e.to_string())?;
        Ok((joined(&order.positions, &config.dims), order.mended))
    }

    #[test]
    fn valid_axes_stay_and_others_are_mended_where_the_dimensions_allow_it() {
        let kept = |a: &str| assert_eq!(order(a, None), Ok((a.to_owned(), false)));
        kept("t c z y x");
        kept("y x");
        kept("t q y x");
        assert_eq!(order("t z c y x", None), Ok(("t c z y x".to_owned(), true)));
        for broken in ["z c y x", "t x", "c t y x", "t c q y x", "t t2 c z y x", "x"] {
            let said = order(broken, None).unwrap_err();
            assert!(said.contains("--plain") && said.contains("another order"), "{said}");
        }
    }

    #[test]
    fn a_given_order_is_taken_or_refused_never_changed() {
        assert_eq!(order("t y x", Some("t,x,y")), Ok(("t x y".to_owned(), false)));
        assert!(order("t z c y x", Some("t,z,c,y,x")).is_err());
        for (asked, word) in [("y,t,x", "first"), ("t,y", "2 of 3"), ("t,y,y", "twice"), ("t,y,q", "`q`")] {
            let said = order("t y x", Some(asked)).unwrap_err();
            assert!(said.contains(word), "{said}");
        }
    }
}
