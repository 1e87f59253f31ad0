//! `-d name:size:chunk:chunks-per-shard`, and how it agrees with what the input says.

use forebay::Dim;

use crate::input::Axis;

/// One dimension as given; what was left out is `None`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Given {
    pub(crate) name: String,
    /// 0: unbounded.
    pub(crate) size: Option<u64>,
    pub(crate) chunk: Option<u64>,
    pub(crate) chunks_per_shard: Option<u64>,
}

/// Reads one dimension.
pub(crate) fn parse(text: &str) -> Result<Given, String> {
    let how = "write name:size:chunk:chunks-per-shard, where what follows the name may be left out: t:0:16:4";
    let fields: Vec<_> = text.split(':').map(str::trim).collect();
    if fields[0].is_empty() {
        return Err(format!("`{text}` has no name: {how}"));
    }
    if fields.len() > 4 {
        return Err(format!("`{text}` has more than four fields: {how}"));
    }
    let number = |i: usize| match fields.get(i) {
        None | Some(&"") => Ok(None),
        Some(n) => n.parse().map(Some).map_err(|_| format!("`{n}` in `{text}` is no whole number: {how}")),
    };
    Ok(Given {
        name: fields[0].to_owned(),
        size: number(1)?,
        chunk: number(2)?,
        chunks_per_shard: number(3)?,
    })
}

/// Dimensions of the array: the input's axes, with what is given for them. Notes say what was not meant as given.
pub(crate) fn agree(axes: &[Axis], given: &[Given], notes: &mut Vec<String>) -> Result<Vec<Dim>, String> {
    let pairs = pair(axes, given)?;
    let names = |names: Vec<&str>| names.join(" ");
    let old = names(axes.iter().map(|a| a.name.as_str()).collect());
    let new = names(pairs.iter().zip(axes).map(|(g, a)| g.map_or(&*a.name, |g| &*g.name)).collect());
    if old != new {
        notes.push(format!("axes {old} of the input are named {new}, as given"));
    }
    axes.iter().zip(pairs).enumerate().map(|(i, (axis, given))| dim(i, axis, given, notes)).collect()
}

/// What is given for each axis: by position where all are given, by name where some are.
fn pair<'a>(axes: &[Axis], given: &'a [Given]) -> Result<Vec<Option<&'a Given>>, String> {
    let listed = || axes.iter().map(|a| a.name.as_str()).collect::<Vec<_>>().join(" ");
    if given.len() == axes.len() {
        return Ok(given.iter().map(Some).collect());
    }
    if given.len() > axes.len() {
        let (g, a, l) = (given.len(), axes.len(), listed());
        return Err(format!("-d gives {g} dimensions, the input has {a} ({l}); give each of them once"));
    }
    let mut pairs = vec![None; axes.len()];
    for g in given {
        let Some(i) = axes.iter().position(|a| a.name == g.name) else {
            let (name, l) = (&g.name, listed());
            return Err(format!(
                "dimension `{name}`: the input has {l}; give one of these, or all {} in order to name them anew",
                axes.len()
            ));
        };
        if pairs[i].replace(g).is_some() {
            return Err(format!("dimension `{}` is given twice; give it once", g.name));
        }
    }
    Ok(pairs)
}

fn dim(position: usize, axis: &Axis, given: Option<&Given>, notes: &mut Vec<String>) -> Result<Dim, String> {
    let name = given.map_or(&axis.name, |g| &g.name);
    let size = match given.and_then(|g| g.size) {
        None => axis.size,
        Some(size) if size == axis.size || position == 0 && axis.size == 0 => size,
        Some(0) if position == 0 => 0,
        Some(size) if position == 0 && size > axis.size => {
            notes.push(format!("`{name}` is given as {size}, the input holds {}: it ends there", axis.size));
            size
        }
        Some(size) => return Err(differs(position, name, size, axis.size)),
    };
    Ok(Dim {
        size: (size > 0).then_some(size),
        chunk: given.and_then(|g| g.chunk),
        chunks_per_shard: given.and_then(|g| g.chunks_per_shard),
        unit: axis.unit.clone(),
        scale: axis.scale,
        ..Dim::unbounded(name)
    })
}

fn differs(position: usize, name: &str, given: u64, held: u64) -> String {
    let remedy = if position == 0 {
        format!("give {held} or more, or 0 for all there is")
    } else {
        format!("give {held}, or leave the size out (`-d {name}`)")
    };
    format!("dimension `{name}`: size {given} is given, the input has {held}; {remedy}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_may_be_left_out() {
        let check = |text: &str, want: (&str, [Option<u64>; 3])| {
            let g = parse(text).unwrap();
            assert_eq!((&*g.name, [g.size, g.chunk, g.chunks_per_shard]), want, "{text}");
        };
        check("t", ("t", [None; 3]));
        check("t:0", ("t", [Some(0), None, None]));
        check("y:2048:512:4", ("y", [Some(2048), Some(512), Some(4)]));
        check("y::512", ("y", [None, Some(512), None]));
        check("y:::4", ("y", [None, None, Some(4)]));
        check(" y : 7 ", ("y", [Some(7), None, None]));
        for bad in ["", ":5", "t:x", "t:-1", "t:1.5", "t:1:2:3:4", "t:99999999999999999999"] {
            let said = parse(bad).unwrap_err();
            assert!(said.contains("t:0:16:4"), "{said}");
        }
    }

    /// Sizes and names that come of it, or the message; and the number of notes.
    fn agreed(axes: &[(&str, u64)], given: &str) -> Result<(String, usize), String> {
        let axes: Vec<_> = axes.iter().map(|(n, s)| Axis::new(*n, *s)).collect();
        let given: Vec<_> = given.split_whitespace().map(|g| parse(g).unwrap()).collect();
        let mut notes = Vec::new();
        let dims = agree(&axes, &given, &mut notes)?;
        let text: Vec<_> = dims.iter().map(|d| format!("{}:{}", d.name, d.size.unwrap_or(0))).collect();
        Ok((text.join(" "), notes.len()))
    }

    const FILE: &[(&str, u64)] = &[("t", 12), ("y", 30), ("x", 40)];
    const STREAM: &[(&str, u64)] = &[("t", 0), ("y", 30), ("x", 40)];

    #[test]
    fn what_is_given_agrees_with_the_input() {
        let check = |axes, given: &str, want: &str, notes| {
            assert_eq!(agreed(axes, given), Ok((want.to_owned(), notes)), "{given}");
        };
        check(FILE, "", "t:12 y:30 x:40", 0);
        check(FILE, "x::10", "t:12 y:30 x:40", 0);
        check(FILE, "t:0", "t:0 y:30 x:40", 0);
        check(FILE, "t:20", "t:20 y:30 x:40", 1);
        check(FILE, "z:12 y:30 x:40", "z:12 y:30 x:40", 1);
        check(FILE, "z y x", "z:12 y:30 x:40", 1);
        check(STREAM, "t:5 y:30 x:40", "t:5 y:30 x:40", 0);
        check(STREAM, "t:0", "t:0 y:30 x:40", 0);
    }

    #[test]
    fn what_does_not_agree_is_refused_with_both_numbers() {
        let check = |given: &str, words: &[&str]| {
            let said = agreed(FILE, given).unwrap_err();
            assert!(words.iter().all(|w| said.contains(w)), "{said}");
        };
        check("t:5", &["`t`", "5", "12", "0 for all"]);
        check("y:31", &["`y`", "31", "30"]);
        check("t:12 x:40 y:30", &["`x`", "40", "30"]);
        check("t y:0", &["`y`", "0", "30"]);
        check("c:3", &["`c`", "t y x"]);
        check("t c z y x", &["5", "3", "t y x"]);
        check("t t", &["`t`", "twice"]);
    }
}
