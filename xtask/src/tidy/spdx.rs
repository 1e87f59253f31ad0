//! Licence expressions: names joined by AND, OR and brackets.

/// Whether the allowed names satisfy an expression. `A/B` is the old way to write `A OR B`.
pub(crate) fn satisfied(expression: &str, allowed: &[&str]) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut parser = Parser { words: &words, allowed };
    let good = parser.any();
    good && parser.words.is_empty()
}

struct Parser<'a> {
    words: &'a [&'a str],
    allowed: &'a [&'a str],
}

impl<'a> Parser<'a> {
    fn any(&mut self) -> bool {
        let mut good = self.every();
        while self.take("OR") {
            good |= self.every();
        }
        good
    }

    fn every(&mut self) -> bool {
        let mut good = self.one();
        while self.take("AND") {
            good &= self.one();
        }
        good
    }

    fn one(&mut self) -> bool {
        if self.take("(") {
            let good = self.any();
            return self.take(")") && good;
        }
        let name = self.next();
        if self.take("WITH") {
            let with = format!("{name} WITH {}", self.next());
            return self.allowed.contains(&with.as_str());
        }
        self.allowed.contains(&name)
    }

    fn take(&mut self, word: &str) -> bool {
        let there = self.words.first() == Some(&word);
        if there {
            self.words = &self.words[1..];
        }
        there
    }

    fn next(&mut self) -> &'a str {
        let Some((first, rest)) = self.words.split_first() else { return "" };
        self.words = rest;
        first
    }
}

#[cfg(test)]
mod tests {
    use super::satisfied;

    #[test]
    fn expressions_are_weighed() {
        let check = |expression, expected| {
            let allowed = ["MIT", "Unicode-3.0", "Apache-2.0 WITH LLVM-exception"];
            assert_eq!(satisfied(expression, &allowed), expected, "{expression}");
        };
        check("MIT", true);
        check("GPL-3.0", false);
        check("GPL-3.0 OR MIT", true);
        check("MIT AND GPL-3.0", false);
        check("(MIT OR GPL-3.0) AND Unicode-3.0", true);
        check("MIT AND GPL-3.0 OR Unicode-3.0", true);
        check("GPL-2.0/MIT", true);
        check("Apache-2.0 WITH LLVM-exception", true);
        check("Apache-2.0", false);
        check("(MIT", false);
        check("MIT MIT", false);
        check("", false);
    }
}
