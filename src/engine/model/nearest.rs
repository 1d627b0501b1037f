//! The known name that a person most likely meant by one that is not known.

/// Nothing that is known comes near a longer name, and comparing takes time.
const LONGEST: usize = 200;

/// The known names that may have been meant, the nearest first, each once.
pub(crate) fn near<'n>(name: &str, known: impl IntoIterator<Item = &'n str>) -> Vec<&'n str> {
    if name.len() > LONGEST {
        return Vec::new();
    }
    let lower = name.to_lowercase();
    let mut near: Vec<(usize, &str)> = known
        .into_iter()
        .filter_map(|known| Some((distance(&lower, &known.to_lowercase())?, known)))
        .collect();
    near.sort_unstable();
    near.dedup();
    near.into_iter().map(|(_, known)| known).collect()
}

/// How far apart they are; `None`: too far. What stands before and behind the `@` of addresses is compared apart:
/// most people of a tenant have the same domain.
fn distance(name: &str, known: &str) -> Option<usize> {
    let apart = |name: &str, known: &str| {
        let length = known.chars().count();
        let most = length.div_ceil(3);
        // They differ by as many letters at least, and to compare names takes long.
        if name == known || length.abs_diff(name.chars().count()) > most {
            return (name == known).then_some(0);
        }
        let distance = strsim::damerau_levenshtein(name, known);
        (distance <= most).then_some(distance)
    };
    match (name.rsplit_once('@'), known.rsplit_once('@')) {
        (Some((name, domain)), Some((known, of))) => Some(apart(name, known)? + apart(domain, of)?),
        (Some(_) | None, _) => apart(name, known),
    }
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
    fn another_person_of_the_same_domain_was_not_meant() {
        let known = ["wei.li@contoso.com", "ann.lee@contoso.com"];
        assert_eq!(nearest("nobody@contoso.com", known), None);
        assert_eq!(nearest("ann.le@contoso.com", known), Some(known[1]));
        assert_eq!(nearest("wei.li@contoso.con", known), Some(known[0]));
    }

    #[test]
    fn a_mistyped_name_finds_the_one_that_was_meant() {
        let known = ["wizer", "sosafe", "symantec"];
        assert_eq!(nearest("wizzer", known), Some("wizer"));
        assert_eq!(nearest("SoSafe", known), Some("sosafe"));
        assert_eq!(nearest("workday", known), None);
    }
}
