//! Classes of characters: brackets, their escapes, and Unicode's categories.

use super::{MAX_DEPTH, Translator, literal};

enum ClassItem {
    Character(char),
    Set(String),
}

impl Translator<'_> {
    /// `\p{Lu}` and the like; .NET's names of blocks (`\p{IsGreek}`) are unknown to the engine.
    pub(super) fn category(&mut self, letter: char) -> Result<String, String> {
        const CATEGORIES: &[&str] = &[
            "L", "Lu", "Ll", "Lt", "Lm", "Lo", "M", "Mn", "Mc", "Me", "N", "Nd", "Nl", "No", "P",
            "Pc", "Pd", "Ps", "Pe", "Pi", "Pf", "Po", "S", "Sm", "Sc", "Sk", "So", "Z", "Zs", "Zl",
            "Zp", "C", "Cc", "Cf", "Co", "Cn",
        ];
        let name = if self.take('{') {
            self.until('}').unwrap_or_default()
        } else {
            String::new()
        };
        if CATEGORIES.contains(&name.as_str()) {
            Ok(format!("\\{letter}{{{name}}}"))
        } else {
            Err(format!("\\{letter} has no known category of characters"))
        }
    }

    /// A class after its opening bracket. `[a-z-[aeiou]]` takes one class from another.
    pub(super) fn class(&mut self, depth: usize) -> Result<String, String> {
        let unclosed = || "a bracket is not closed".to_owned();
        if depth == MAX_DEPTH {
            return Err(format!("it is nested more than {MAX_DEPTH} levels deep"));
        }
        let mut class = String::from(if self.take('^') { "[^" } else { "[" });
        let mut is_first = true;
        // The last single character, where a range could start.
        let mut from = None;
        loop {
            let c = self.next().ok_or_else(unclosed)?;
            match c {
                ']' if !is_first => {
                    class.push(']');
                    return Ok(class);
                }
                '-' if self.peek() == Some('[') && !is_first => {
                    self.next();
                    let taken = self.class(depth + 1)?;
                    if !self.take(']') {
                        return Err("a subtraction is not the last thing in its class".to_owned());
                    }
                    return Ok(format!("[{class}]--{taken}]"));
                }
                '-' if from.is_some() && self.peek() != Some(']') => {
                    let to = match self.next().ok_or_else(unclosed)? {
                        '\\' => match self.class_escape()? {
                            ClassItem::Character(c) => c,
                            ClassItem::Set(_) => {
                                return Err("a range ends with a class".to_owned());
                            }
                        },
                        c => c,
                    };
                    if from > Some(to) {
                        return Err("a range ends before it starts".to_owned());
                    }
                    class.push('-');
                    class.push_str(&literal(to));
                    from = None;
                }
                '\\' => match self.class_escape()? {
                    ClassItem::Character(c) => {
                        class.push_str(&literal(c));
                        from = Some(c);
                    }
                    ClassItem::Set(set) => {
                        class.push_str(&set);
                        from = None;
                    }
                },
                c => {
                    class.push_str(&literal(c));
                    from = Some(c);
                }
            }
            is_first = false;
        }
    }

    fn class_escape(&mut self) -> Result<ClassItem, String> {
        let c = self
            .next()
            .ok_or_else(|| "a bracket is not closed".to_owned())?;
        Ok(match c {
            'd' | 'D' | 'w' | 'W' | 's' | 'S' => ClassItem::Set(format!("\\{c}")),
            'p' | 'P' => ClassItem::Set(self.category(c)?),
            'b' => ClassItem::Character('\u{8}'),
            c => ClassItem::Character(self.character_escape(c)?),
        })
    }
}
