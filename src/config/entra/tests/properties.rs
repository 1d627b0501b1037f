//! Whatever goes out comes back.

use super::*;

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_job_comes_back_from_its_export(text in any_job()) {
        let (config, _) = load(&text).map_err(TestCaseError::fail)?;
        let exported = export(&config.jobs[0], &config.sources[0]);
        let imported = import(exported.schema.as_bytes(), Some("x")).unwrap();
        prop_assert_eq!(&imported.left, &[]);
        let again = job_of(&imported);
        prop_assert_eq!(meaning(&config.jobs[0]), meaning(&again));
    }

    #[test]
    fn any_json_is_a_job_or_an_error(schema in any_schema(), mapping in any_schema()) {
        let _ = import(schema.to_string().as_bytes(), None);
        let rules = json!({ "synchronizationRules": [schema] });
        let _ = import(rules.to_string().as_bytes(), None);
        if let Ok(imported) = import(users(&[mapping]).to_string().as_bytes(), None) {
            job_of(&imported);
        }
    }

    #[test]
    fn a_damaged_schema_is_a_job_or_an_error(at in 0..ASSEMBLED.len(), length in 0_usize..40, byte in any::<u8>()) {
        let mut bytes = ASSEMBLED.as_bytes().to_vec();
        let end = (at + length).min(bytes.len());
        bytes.splice(at..end, [byte]);
        if let Ok(imported) = import(&bytes, None) {
            job_of(&imported);
        }
        let _ = import(&ASSEMBLED.as_bytes()[..at], None);
    }
}
