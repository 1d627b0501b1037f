//! The table of functions: the checker, the manual page and the tests read it, and nothing else
//! knows which functions there are.

use super::eval::{Call, Evaluated};
use super::{dates, diacritics, lists, logic, random, replace, roles, text};

/// A function of the language.
#[derive(Debug)]
pub(crate) struct Function {
    pub(crate) name: &'static str,
    pub(crate) parameters: &'static [Parameter],
    /// How many of the last parameters may be given again and again, and what they are called.
    pub(crate) repeating: usize,
    pub(crate) repeated_names: &'static str,
    /// The parameter that may be left out together with its comma.
    pub(crate) may_leave_out: Option<usize>,
    /// What it does, in one line for the manual page.
    pub(crate) help: &'static str,
    pub(super) gives: Gives,
    run: for<'a, 'e> fn(&Call<'a, 'e>) -> Evaluated<'a>,
}

#[derive(Debug)]
pub(crate) struct Parameter {
    pub(crate) name: &'static str,
    pub(crate) required: bool,
    pub(super) takes: Takes,
}

/// What a function gives where it gives anything at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gives {
    Text,
    Boolean,
    Number,
    Date,
    Texts,
    Objects,
    /// What one of its arguments gives: the first of them, and how far it is to the next.
    Argument(usize, usize),
    /// One value of the first argument.
    Element,
}

/// What a parameter takes, as far as the checker can do something about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Takes {
    /// A single value.
    Value,
    /// A single value or several.
    Values,
    /// A value, or one of the words that drop the attribute or the object.
    Branch,
    Condition,
    Pattern,
    DateFormat,
    DateStyles,
    Interval,
    CompareType,
    Culture,
    /// An attribute, or its name as text.
    AttributeName,
    /// `[appRoleAssignments]` and nothing else.
    Roles,
}

impl Function {
    /// The parameter that the argument at `index` is for, counted from 0.
    pub(super) fn parameter(&self, index: usize) -> &'static Parameter {
        let count = self.parameters.len();
        if index < count || self.repeating == 0 {
            return self
                .parameters
                .get(index.min(count.saturating_sub(1)))
                .unwrap_or(&NO_PARAMETER);
        }
        let first = count - self.repeating;
        &self.parameters[first + (index - first) % self.repeating]
    }

    pub(super) fn run<'a>(&self, call: &Call<'a, '_>) -> Evaluated<'a> {
        (self.run)(call)
    }

    /// The call as the manual page shows it, such as `ToLower(source[, culture])`.
    pub(crate) fn signature(&self) -> String {
        let mut signature = format!("{}(", self.name);
        for (index, parameter) in self.parameters.iter().enumerate() {
            let (open, close) = if parameter.required {
                ("", "")
            } else {
                ("[", "]")
            };
            let comma = if index > 0 { ", " } else { "" };
            signature.extend([open, comma, parameter.name, close]);
        }
        if self.repeating > 0 {
            signature.push_str(", …");
        }
        signature.push(')');
        signature
    }
}

static NO_PARAMETER: Parameter = optional("argument", Takes::Value);

const fn required(name: &'static str, takes: Takes) -> Parameter {
    Parameter {
        name,
        required: true,
        takes,
    }
}

const fn optional(name: &'static str, takes: Takes) -> Parameter {
    Parameter {
        name,
        required: false,
        takes,
    }
}

const fn needs(name: &'static str) -> Parameter {
    required(name, Takes::Value)
}

type Run = for<'a, 'e> fn(&Call<'a, 'e>) -> Evaluated<'a>;

const fn function(
    name: &'static str,
    parameters: &'static [Parameter],
    run: Run,
    help: &'static str,
) -> Function {
    Function {
        name,
        parameters,
        repeating: 0,
        repeated_names: "",
        may_leave_out: None,
        help,
        gives: Gives::Text,
        run,
    }
}

impl Function {
    /// Text is what most functions give.
    const fn gives(self, gives: Gives) -> Self {
        Self { gives, ..self }
    }

    const fn repeating(self, count: usize, names: &'static str) -> Self {
        Self {
            repeating: count,
            repeated_names: names,
            ..self
        }
    }

    const fn may_leave_out(self, index: usize) -> Self {
        Self {
            may_leave_out: Some(index),
            ..self
        }
    }
}

/// Every function of the language, by name.
pub(crate) fn functions() -> &'static [Function] {
    FUNCTIONS
}

/// By a name in its own spelling.
pub(super) fn find(name: &str) -> Option<&'static Function> {
    FUNCTIONS.iter().find(|function| function.name == name)
}

const ROLES: &[Parameter] = &[required("appRoleAssignments", Takes::Roles)];
const ONE_SOURCE: &[Parameter] = &[needs("source")];
const ONE_EXPRESSION: &[Parameter] = &[needs("expression")];
const ANY_EXPRESSION: &[Parameter] = &[required("expression", Takes::Values)];
const ANY_ATTRIBUTE: &[Parameter] = &[required("attribute", Takes::Values)];
const ONE_VALUE: &[Parameter] = &[needs("value")];
const CASE: &[Parameter] = &[needs("source"), optional("culture", Takes::Culture)];

static FUNCTIONS: &[Function] = &[
    function(
        "Append",
        &[needs("source"), needs("suffix")],
        text::append,
        "source followed by suffix",
    ),
    function(
        "AppRoleAssignments",
        ROLES,
        roles::plain,
        "the values of all app roles that the user holds",
    )
    .gives(Gives::Texts),
    function(
        "AppRoleAssignmentsComplex",
        ROLES,
        roles::complex,
        "all app roles that the user holds, each as a JSON text; roles are added to the target and never removed",
    )
    .gives(Gives::Texts),
    function(
        "AssertiveAppRoleAssignmentsComplex",
        ROLES,
        roles::assertive,
        "all app roles that the user holds; roles that are not assigned are removed from the target",
    )
    .gives(Gives::Objects),
    function(
        "BitAnd",
        &[needs("value1"), needs("value2")],
        logic::bit_and,
        "the bits that are set in both numbers",
    )
    .gives(Gives::Number),
    function(
        "CBool",
        ONE_EXPRESSION,
        logic::cbool,
        "True for a number other than zero or a comparison that holds, else False",
    )
    .gives(Gives::Boolean),
    function(
        "CDate",
        ONE_EXPRESSION,
        dates::cdate,
        "the date that a text stands for, in UTC",
    )
    .gives(Gives::Date),
    function(
        "Coalesce",
        &[
            required("source1", Takes::Branch),
            optional("source", Takes::Branch),
        ],
        logic::coalesce,
        "the first source that has a value; the last one is the default",
    )
    .gives(Gives::Argument(0, 1))
    .repeating(1, "source"),
    function(
        "ConvertToBase64",
        ONE_SOURCE,
        text::base64,
        "the text in UTF-16 (little endian) as Base64",
    ),
    function(
        "ConvertToUTF8Hex",
        ONE_SOURCE,
        text::utf8_hex,
        "the text in UTF-8 as hexadecimal digits",
    ),
    function(
        "Count",
        ANY_ATTRIBUTE,
        lists::count,
        "how many values an attribute has",
    )
    .gives(Gives::Number),
    function("CStr", ONE_VALUE, logic::cstr, "the value as text"),
    function(
        "DateAdd",
        &[
            required("interval", Takes::Interval),
            needs("value"),
            needs("dateTime"),
        ],
        dates::date_add,
        "a date moved by a number of intervals: yyyy, m, d, ww, h, n or s",
    )
    .gives(Gives::Date),
    function(
        "DateDiff",
        &[
            required("interval", Takes::Interval),
            needs("date1"),
            needs("date2"),
        ],
        dates::date_diff,
        "how many intervals date2 is later than date1",
    )
    .gives(Gives::Number),
    function(
        "DateFromNum",
        ONE_VALUE,
        dates::date_from_num,
        "the date of an Active Directory timestamp",
    )
    .gives(Gives::Date),
    function(
        "DefaultDomain",
        &[],
        logic::default_domain,
        "the default verified domain of the tenant",
    ),
    function(
        "FormatDateTime",
        &[
            needs("source"),
            optional("dateTimeStyles", Takes::DateStyles),
            required("inputFormat", Takes::DateFormat),
            required("outputFormat", Takes::DateFormat),
        ],
        dates::format_date_time,
        "a date in another format",
    )
    .may_leave_out(1),
    function("Guid", &[], random::guid, "a new random GUID"),
    function(
        "IgnoreFlowIfNullOrEmpty",
        ANY_EXPRESSION,
        logic::ignore_if_null_or_empty,
        "the value; without one, the attribute is left as it is in the target",
    )
    .gives(Gives::Argument(0, 1)),
    function(
        "IIF",
        &[
            required("condition", Takes::Condition),
            required("valueIfTrue", Takes::Branch),
            required("valueIfFalse", Takes::Branch),
        ],
        logic::iif,
        "one of two values, by a condition",
    )
    .gives(Gives::Argument(1, 1)),
    function(
        "InStr",
        &[
            needs("value1"),
            needs("value2"),
            optional("start", Takes::Value),
            optional("compareType", Takes::CompareType),
        ],
        text::in_str,
        "the position of value2 in value1, counted from 1; 0 if it is not there",
    )
    .gives(Gives::Number),
    function(
        "IsNull",
        ANY_EXPRESSION,
        logic::is_null,
        "True if there is no value, not even an empty one",
    )
    .gives(Gives::Boolean),
    function(
        "IsNullOrEmpty",
        ANY_EXPRESSION,
        logic::is_null_or_empty,
        "True if there is no value or an empty one",
    )
    .gives(Gives::Boolean),
    function(
        "IsPresent",
        ANY_EXPRESSION,
        logic::is_present,
        "True if there is a value that is not empty",
    )
    .gives(Gives::Boolean),
    function(
        "IsString",
        ANY_EXPRESSION,
        logic::is_string,
        "True if the value can be converted to text",
    )
    .gives(Gives::Boolean),
    function(
        "Item",
        &[required("attribute", Takes::Values), needs("index")],
        lists::item,
        "one value of a multi-valued attribute, counted from 1",
    )
    .gives(Gives::Element),
    function(
        "Join",
        &[
            needs("separator"),
            required("source1", Takes::Values),
            optional("source", Takes::Values),
        ],
        lists::join,
        "all sources that have a value, with the separator between them",
    )
    .repeating(1, "source"),
    function(
        "Left",
        &[needs("string"), needs("numChars")],
        text::left,
        "the first characters of a text",
    ),
    function("Len", &[needs("string")], text::len, "how long a text is").gives(Gives::Number),
    function(
        "Mid",
        &[needs("source"), needs("start"), needs("length")],
        text::mid,
        "part of a text; start counts from 1",
    ),
    function(
        "NormalizeDiacritics",
        ONE_SOURCE,
        diacritics::normalize,
        "the text with plain letters in place of accented ones",
    ),
    function(
        "Not",
        ONE_SOURCE,
        logic::not,
        "False for \"True\", and True for anything else",
    )
    .gives(Gives::Boolean),
    function("Now", &[], dates::now, "the current date and time, in UTC").gives(Gives::Date),
    function(
        "NumFromDate",
        ONE_VALUE,
        dates::num_from_date,
        "the Active Directory timestamp of a date",
    )
    .gives(Gives::Number),
    function(
        "PCase",
        &[needs("source"), optional("wordSeparators", Takes::Value)],
        text::pcase,
        "the text with a capital letter at the start of each word and none elsewhere",
    ),
    function(
        "RandomString",
        &[
            needs("length"),
            needs("minimumNumbers"),
            needs("minimumSpecialCharacters"),
            needs("minimumCapital"),
            needs("minimumLowerCase"),
            optional("charactersToAvoid", Takes::Value),
        ],
        random::random_string,
        "a random text with a minimum of digits, special characters, capitals and small letters",
    ),
    function(
        "Redact",
        &[required("value", Takes::Branch)],
        logic::pass,
        "the value, which logs and reports show as [Redact]",
    )
    .gives(Gives::Argument(0, 1)),
    function(
        "RemoveDuplicates",
        ANY_ATTRIBUTE,
        lists::remove_duplicates,
        "the values of an attribute, each once",
    )
    .gives(Gives::Argument(0, 1)),
    function(
        "Replace",
        &[
            needs("source"),
            optional("oldValue", Takes::Value),
            optional("regexPattern", Takes::Pattern),
            optional("regexGroupName", Takes::Value),
            optional("replacementValue", Takes::Value),
            optional("replacementAttributeName", Takes::AttributeName),
            optional("template", Takes::Value),
        ],
        replace::replace,
        "the source, with a text or the matches of a regular expression replaced",
    ),
    function(
        "SelectUniqueValue",
        &[
            needs("rule1"),
            needs("rule2"),
            optional("rule", Takes::Value),
        ],
        logic::select_unique_value,
        "the first value that the target does not have yet",
    )
    .repeating(1, "rule"),
    function(
        "SingleAppRoleAssignment",
        ROLES,
        roles::single,
        "the app role of a user who holds one",
    ),
    function(
        "Split",
        &[needs("source"), needs("delimiter")],
        lists::split,
        "the parts of a text as a multi-valued attribute",
    )
    .gives(Gives::Texts),
    function(
        "StripSpaces",
        ONE_SOURCE,
        text::strip_spaces,
        "the text without its spaces",
    ),
    function(
        "Switch",
        &[
            needs("source"),
            optional("defaultValue", Takes::Branch),
            needs("key"),
            required("value", Takes::Branch),
        ],
        logic::switch,
        "the value of the first key that equals the source, else the default",
    )
    .gives(Gives::Argument(1, 2))
    .repeating(2, "key and value"),
    function("ToLower", CASE, text::to_lower, "the text in lower case"),
    function(
        "ToUpper",
        CASE,
        text::to_upper,
        "the text in upper case",
    ),
    function(
        "Word",
        &[needs("string"), needs("wordNumber"), needs("delimiters")],
        text::word,
        "one word of a text, counted from 1",
    ),
];
