//! The part of TOML that manifests here use: tables, keys, values that may span lines, comments.

/// One `key = value`.
#[derive(Debug, PartialEq)]
pub(crate) struct Entry {
    /// From 1: of the key.
    pub(crate) line: usize,
    pub(crate) section: String,
    pub(crate) key: String,
    pub(crate) value: String,
    /// Whether the line above is a comment.
    pub(crate) commented: bool,
}

impl Entry {
    /// Name of the dependency, in a section of dependencies: `x` of `x.workspace = true`.
    pub(crate) fn dependency(&self) -> &str {
        self.key.split('.').next().unwrap_or(&self.key).trim_matches('"')
    }

    /// Whether version and features come from the workspace.
    pub(crate) fn is_inherited(&self) -> bool {
        let dotted = self.key.ends_with(".workspace") && self.value == "true";
        dotted || self.value.replace(' ', "").contains("workspace=true")
    }
}

/// All entries of a manifest.
pub(crate) fn entries(text: &str) -> Vec<Entry> {
    let mut found: Vec<Entry> = Vec::new();
    let (mut section, mut above_is_comment, mut open) = (String::new(), false, 0);
    for (i, raw) in text.lines().enumerate() {
        let line = without_comment(raw).trim();
        if open > 0 {
            open += depth(line);
            if let Some(last) = found.last_mut() {
                last.value.push_str(line);
            }
        } else if line.starts_with('[') {
            line.trim_matches(['[', ']']).clone_into(&mut section);
        } else if let Some((key, value)) = line.split_once('=') {
            open = depth(value);
            found.push(Entry {
                line: i + 1,
                section: section.clone(),
                key: key.trim().to_owned(),
                value: value.trim().to_owned(),
                commented: above_is_comment,
            });
        }
        above_is_comment = raw.trim_start().starts_with('#');
    }
    found
}

/// Strings of a list: `["a", "b"]`.
pub(crate) fn strings(value: &str) -> Vec<&str> {
    value.split('"').skip(1).step_by(2).collect()
}

fn without_comment(line: &str) -> &str {
    let mut quoted = false;
    let end = line.find(|c| {
        quoted ^= c == '"';
        c == '#' && !quoted
    });
    &line[..end.unwrap_or(line.len())]
}

/// Brackets opened less brackets closed, outside strings.
fn depth(text: &str) -> i32 {
    let mut quoted = false;
    let step = |c| match c {
        '"' => {
            quoted = !quoted;
            0
        }
        '[' | '{' if !quoted => 1,
        ']' | '}' if !quoted => -1,
        _ => 0,
    };
    text.chars().map(step).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_know_section_line_and_comment() {
        let text =
            "[a.b]\n# why\nx.workspace = true # no\ny = { version = \"1#\", features = [\n  \"f\",\n] }\n";
        let found = entries(text);
        assert_eq!(found.len(), 2);
        assert_eq!((found[0].line, found[0].dependency(), found[0].commented), (3, "x", true));
        assert!(found[0].is_inherited() && !found[1].is_inherited());
        assert_eq!((found[1].section.as_str(), found[1].commented), ("a.b", false));
        assert_eq!(found[1].value, "{ version = \"1#\", features = [\"f\",] }");
        assert_eq!(strings("[\"a\", \"b\"]"), ["a", "b"]);
    }
}
