//! The known name that a person most likely meant by one that is not known.

/// Nothing that is known comes near a longer name, and comparing takes time.
const LONGEST: usize = 200;

/// The known names that may have been meant, the nearest first, each once.
pub(crate) fn near<'n>(name: &str, known: impl IntoIterator<Item = &'n str>) -> Vec<&'n str> {
    if name.len() > LONGEST {
        return Vec::new();
    }
    let lower = name.to_lowercase();
    let length = lower.chars().count();
    let mut near: Vec<(usize, &str)> = known
        .into_iter()
        // They differ by as many letters at least, and to compare names takes long.
        .filter(|known| {
            let known = known.chars().count();
            known.abs_diff(length) <= known.div_ceil(3) + 2
        })
        .map(|known| {
            let distance = strsim::damerau_levenshtein(&lower, &known.to_lowercase());
            (distance, known)
        })
        .filter(|(distance, known)| *distance <= known.chars().count().div_ceil(3))
        .collect();
    near.sort_unstable();
    near.dedup();
    near.into_iter().map(|(_, known)| known).collect()
}

/// The one that was most likely meant, if any is close.
pub(crate) fn nearest<'n>(name: &str, known: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    near(name, known).first().copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_names_come_first_and_others_are_left_out() {
        let known = ["Engineering", "Sales", "Company Choir", "Engineering"];
        assert_eq!(near("enginering", known), ["Engineering"]);
        assert_eq!(near("Company Chior", known), ["Company Choir"]);
        assert_eq!(near("Nope", known), Vec::<&str>::new());
        assert_eq!(near(&"x".repeat(201), known), Vec::<&str>::new());
        assert_eq!(near("salas", ["Salsa", "Sales"]), ["Sales", "Salsa"]);
    }

    #[test]
    fn a_mistyped_name_finds_the_one_that_was_meant() {
        let known = ["wizer", "sosafe", "symantec"];
        assert_eq!(nearest("wizzer", known), Some("wizer"));
        assert_eq!(nearest("SoSafe", known), Some("sosafe"));
        assert_eq!(nearest("workday", known), None);
    }
}
