//! Feeds the places that read what others wrote with mutations of the shipped cases, vectors and samples,
//! and looks for panics and for inputs that take too long. Needs no instrumentation: an input whose
//! outcome is reported in words that were not seen before is kept and mutated further.
//! It is not `cargo fuzz`, because that needs a nightly compiler, and the toolchain of this project is a fixed stable one.
//!
//! `cargo bench --bench fuzz -- TARGET|all [SECONDS [SEED]]`
#![expect(clippy::print_stdout, reason = "findings are what a fuzzer is for")]

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{self, AssertUnwindSafe};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use entrain::fuzz::{PART, TARGETS, Target, VALUE};
use fastrand::Rng;
use serde_json::Value as Json;

/// More time than this for one input is a finding. It is wall time, and the machine may be busy.
const TIME_LIMIT: Duration = Duration::from_secs(2);
/// After so long an input is taken to hang, and the run ends.
const HANG: Duration = Duration::from_secs(20);
/// Below the stack of the threads in which the program does the same, to find what is too deep.
const STACK: usize = 1024 * 1024;
/// Inputs that are kept; beyond that new ones take the place of old ones.
const CORPUS: usize = 4_000;
const MAX_INPUT: usize = 100_000;
/// Findings after which a target is given up.
const ENOUGH: usize = 10;

const CASES: &[&str] = &[
    include_str!("../src/engine/expr/cases/vectors.json"),
    include_str!("../src/engine/expr/cases/functions.json"),
    include_str!("../src/engine/expr/cases/errors.json"),
];
const SAMPLES: &[&str] = &[
    include_str!("../src/config/entra/samples/synchronization-filter.json"),
    include_str!("../src/config/entra/samples/synchronization-objectmapping-salesforce.json"),
    include_str!("../src/config/entra/samples/synchronization-schema-scim-assembled.json"),
    include_str!("../src/config/entra/samples/synchronization-schema-update-customappsso.json"),
    include_str!("../src/config/entra/samples/synchronization-template-aws.json"),
];
const PRESETS: &[&str] = &[
    include_str!("../presets/generic.toml"),
    include_str!("../presets/sosafe.toml"),
];
const FILTERS: &[[&str; 3]] = &[
    ["EQUALS", "Sales", "sales"],
    ["NOT EQUALS", "Sales", "Sales\u{1e}Legal"],
    ["IS TRUE", "", "true"],
    ["is_null", "", ""],
    [
        "REGEX MATCH",
        "^(a|a)*(?=b)\\1$",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaac",
    ],
    ["REGEX MATCH", "[1-9][0-9]{2,5}(?i:x)", "4200X"],
    ["NOT REGEX MATCH", "(?<n>\\p{L}+)-\\k<n>", "ä-ä"],
    [
        "GREATER_THAN",
        "2026-03-01T07:00:00Z",
        "2026-03-01T09:00:00+02:00",
    ],
    ["GREATER_THAN_OR_EQUALS", "10", "9"],
    ["GREATER_THAN", "2026-03-01", "2026-03-01T09:00:00.123"],
    ["INCLUDES", "ale", "Sales"],
    ["ENDS_WITH", "es", "Sales"],
    ["&", "DE,FR", "DE"],
    ["!&", "DE,FR", "IT"],
];
/// Answers of targets.
const REPLIES: &[&str] = &[
    r#"{"schemas":["urn:ietf:params:scim:api:messages:2.0:ListResponse"],"totalResults":2,"itemsPerPage":"2",
        "startIndex":1,"nextCursor":"x","Resources":[{"id":"a/b","userName":"ann","name":{"givenName":"Ann"},
        "emails":[{"type":"work","value":"ann@x.example","primary":"True"}]},{"id":7,"members":["c",{"value":8}]}]}"#,
    r#"[{"id":"a"},null,{"ID":{}}]"#,
    r#"{"id":"g","displayName":"G","members":[{"value":"a","$ref":"../Users/a","type":"User"},{"display":"b"}],
        "meta":{"version":"W/"1""}}"#,
    r#"{"schemas":["urn:ietf:params:scim:api:messages:2.0:Error"],"status":"409","scimType":"uniqueness",
        "detail":"userName s3cr3t is taken"}"#,
    r#"{"Operations":[{"method":"POST","bulkId":"k1","location":"https://x.example/Users/1","status":"201 Created"},
        {"status":{"code":"400","description":"bad"}}]}"#,
    r#"{"ServiceProviderConfig":[{"patch":{"supported":"true"},"bulk":{"supported":true,"maxOperations":-1},
        "filter":{"maxResults":1e400}}],"Schemas":[{"id":"urn:x","attributes":[{"name":"a","subAttributes":[]}]}]}"#,
    "<html><head><title>Sign in</title></head><body>s3cr3t</body>",
    "",
];
/// Words that have made readers stumble, and those that a mutation would hardly find.
const WORDS: &[&str] = &[
    "\"",
    "'",
    "\\",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    ",",
    ":",
    ".",
    " ",
    "\t",
    "\r\n",
    "\0",
    "\u{1e}",
    "\u{1f}",
    "\u{feff}",
    "\u{202e}",
    "ß",
    "İ",
    "ŉ",
    "é",
    "e\u{301}",
    "𝔘",
    "東",
    "👩‍👩‍👧",
    "-",
    "+",
    "%",
    "$",
    "$1",
    "${a}",
    "0",
    "-1",
    "1e309",
    "NaN",
    "9223372036854775807",
    "-9223372036854775808",
    "18446744073709551616",
    "0.1",
    "65536",
    "null",
    "true",
    "True",
    "false",
    "[]",
    "{}",
    "\"\"",
    "\\u0000",
    "\\ud800",
    "9999-12-31T23:59:59.9999999Z",
    "0001-01-01",
    "2024-02-29",
    "+14:00",
    "-262143-01-01",
    "yyyy-MM-ddTHH:mm:ss.fffffffzzz",
    "dddd",
    "K",
    "%d",
    "G",
    "tr-TR",
    "en-us",
    "(a|a)*",
    "(?=",
    "(?<=a)",
    "(?i)",
    "\\1",
    "\\p{L}",
    "{1000000}",
    "{1,}{1,}",
    "(?<n>",
    "\\k<n>",
    ".*",
    "[^]",
    "\\b",
    "(?#",
    "urn:",
    "urn:ietf:params:scim:schemas:core:2.0:User:",
    " eq ",
    "type",
    "value",
    "[givenName]",
    "[appRoleAssignments]",
    "[IsSoftDeleted]",
    "Append(",
    "Join(",
    "Switch(",
    "IIF(",
    "Replace(",
    "ReplaceAll",
    "Mid(",
    "Not(",
    "Coalesce(",
    "FormatDateTime(",
    "DateAdd(",
    "DateDiff(",
    "RandomString(",
    "SelectUniqueValue(",
    "Redact(",
    "Split(",
    "Word(",
    "PCase(",
    "CDate(",
    "NumFromDate(",
    "RemoveDuplicates(",
    "StripSpaces(",
    "NormalizeDiacritics(",
    "IgnoreFlowIfNullOrEmpty(",
    "Item(",
    "ConvertToBase64(",
    "AppRoleAssignmentsComplex(",
    "SingleAppRoleAssignment(",
    "Guid()",
    "Now()",
    "synchronizationRules",
    "objectMappings",
    "attributeMappings",
    "expression",
    "scope",
    "groups",
    "clauses",
    "\"source\":{",
    "\"parameters\":[{\"key\":\"\",\"value\":",
    "matchingPriority",
    "flowType",
];

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let mut words = words.iter().filter(|word| !word.starts_with("--"));
    let name = words.next().map_or("all", String::as_str);
    let seconds = words.next().and_then(|word| word.parse().ok()).unwrap_or(2);
    let seed = words.next().and_then(|word| word.parse().ok()).unwrap_or(1);
    let chosen: Vec<&'static Target> = TARGETS
        .iter()
        .filter(|target| name == "all" || name == target.name)
        .collect();
    if chosen.is_empty() {
        let names: Vec<_> = TARGETS.iter().map(|target| target.name).collect();
        println!("there is no target {name}: all, {}", names.join(", "));
        return ExitCode::from(2);
    }
    println!("{seconds} s each, seed {seed}");
    let mut findings = 0;
    for target in chosen {
        let run = move || Fuzzer::new(target, seed).run(Duration::from_secs(seconds));
        let worker = thread::Builder::new().stack_size(STACK).spawn(run);
        let found = worker.expect("a thread can be started").join();
        findings += found.expect("panics of the targets are caught");
    }
    if findings == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// An input, and since when it is being run.
type Current = Mutex<Option<(Instant, Vec<u8>)>>;

struct Fuzzer {
    target: &'static Target,
    rng: Rng,
    corpus: Vec<Vec<u8>>,
    /// The outcomes so far.
    heard: BTreeSet<String>,
    /// By its place in the program: what was said, and the input.
    findings: BTreeMap<String, (String, Vec<u8>)>,
    slowest: Duration,
    /// What the last panic said and where it was.
    panic: Arc<Mutex<String>>,
    /// What is being run since when, for who watches.
    current: Arc<Current>,
}

impl Fuzzer {
    fn new(target: &'static Target, seed: u64) -> Self {
        let panic = Arc::new(Mutex::new(String::new()));
        let said = Arc::clone(&panic);
        panic::set_hook(Box::new(move |info| {
            *lock(&said) = info.to_string();
        }));
        Self {
            target,
            rng: Rng::with_seed(seed),
            corpus: seeds(target.name),
            heard: BTreeSet::new(),
            findings: BTreeMap::new(),
            slowest: Duration::ZERO,
            panic,
            current: Arc::default(),
        }
    }

    /// How many findings there were.
    fn run(mut self, time: Duration) -> usize {
        let name = self.target.name;
        watch(name, &self.current);
        let start = Instant::now();
        let mut executions: u64 = 0;
        for input in self.corpus.clone() {
            self.execute(&input);
            executions += 1;
        }
        while start.elapsed() < time && self.findings.len() < ENOUGH {
            let input = self.mutated();
            let news = self.execute(&input);
            executions += 1;
            if news && self.corpus.len() < CORPUS {
                self.corpus.push(input);
            } else if news {
                let place = self.rng.usize(..self.corpus.len());
                self.corpus[place] = input;
            }
        }
        #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
        let rate = executions as f64 / start.elapsed().as_secs_f64();
        println!(
            "{name}: {executions} executions, {rate:.0}/s, {} outcomes, slowest {:.3} s, {} findings",
            self.heard.len(),
            self.slowest.as_secs_f64(),
            self.findings.len()
        );
        let findings = std::mem::take(&mut self.findings);
        for (place, (said, input)) in &findings {
            let least = self.least(place, input.clone());
            println!("  {said}\n    b\"{}\"", least.escape_ascii());
        }
        findings.len()
    }

    /// Runs one input; whether its outcome is news.
    fn execute(&mut self, input: &[u8]) -> bool {
        let start = Instant::now();
        *lock(&self.current) = Some((start, input.to_vec()));
        let outcome = panic::catch_unwind(AssertUnwindSafe(|| (self.target.run)(input)));
        let took = start.elapsed();
        *lock(&self.current) = None;
        self.slowest = self.slowest.max(took);
        if took > TIME_LIMIT {
            let said = format!("took {:.1} s", took.as_secs_f64());
            self.found("too slow".to_owned(), said, input);
        }
        if let Ok(words) = outcome {
            return self.heard.insert(words);
        }
        let said = lock(&self.panic).clone();
        let place = said.lines().next().unwrap_or_default().to_owned();
        self.found(place, said, input);
        false
    }

    fn found(&mut self, place: String, said: String, input: &[u8]) {
        let finding = (said, input.to_vec());
        self.findings.entry(place).or_insert(finding);
    }

    /// The same finding with as little input as can be had by leaving things out.
    fn least(&mut self, place: &str, mut input: Vec<u8>) -> Vec<u8> {
        let start = Instant::now();
        let mut length = input.len() / 2;
        while length > 0 {
            let mut at = 0;
            while at < input.len() && start.elapsed() < HANG {
                let mut shorter = input.clone();
                shorter.drain(at..input.len().min(at + length));
                self.findings.clear();
                self.execute(&shorter);
                if self.findings.contains_key(place) {
                    input = shorter;
                } else {
                    at += length;
                }
            }
            length /= 2;
        }
        input
    }

    /// Some input of the corpus, changed a few times over.
    fn mutated(&mut self) -> Vec<u8> {
        let mut input = self.any();
        for _ in 0..=self.rng.u8(..4) {
            if self.rng.bool() {
                self.change_bytes(&mut input);
            } else {
                self.change_tokens(&mut input);
            }
        }
        input.truncate(MAX_INPUT);
        input
    }

    fn any(&mut self) -> Vec<u8> {
        let place = self.rng.usize(..self.corpus.len());
        self.corpus[place].clone()
    }

    fn change_bytes(&mut self, input: &mut Vec<u8>) {
        let range = self.range(input);
        match self.rng.u8(..6) {
            0 => {
                if let Some(byte) = input.get_mut(range.start) {
                    *byte ^= 1 << self.rng.u8(..8);
                }
            }
            1 => input.insert(range.start, self.rng.u8(..)),
            2 => drop(input.drain(range)),
            3 => {
                let part = input[range.clone()].to_vec();
                input.splice(range.end..range.end, part);
            }
            4 => {
                // The beginning of one and the end of another.
                let other = self.any();
                let from = self.rng.usize(..=other.len());
                input.truncate(range.start);
                input.extend_from_slice(&other[from..]);
            }
            _ => {
                let byte = self.rng.u8(..);
                input[range].fill(byte);
            }
        }
    }

    fn change_tokens(&mut self, input: &mut Vec<u8>) {
        let at = self.rng.usize(..=input.len());
        let token = token_at(input, at);
        let word = WORDS[self.rng.usize(..WORDS.len())].as_bytes();
        match self.rng.u8(..7) {
            0 => drop(input.splice(token.start..token.start, word.iter().copied())),
            1 => drop(input.splice(token, word.iter().copied())),
            2 => drop(input.drain(token)),
            3 => {
                let other = self.any();
                let place = self.rng.usize(..=other.len());
                let other = other[token_at(&other, place)].to_vec();
                input.splice(token, other);
            }
            4 => {
                let place = self.rng.usize(..=input.len());
                let (one, two) = (input[token.clone()].to_vec(), token_at(input, place));
                if token.end <= two.start {
                    let other = input[two.clone()].to_vec();
                    input.splice(two, one);
                    input.splice(token, other);
                }
            }
            // Deep and long.
            5 => {
                let most = MAX_INPUT / token.len().max(1);
                let times = self.rng.usize(..=most.min(400));
                let part = input[token.clone()].repeat(times);
                input.splice(token, part);
            }
            _ => {
                let times = self.rng.usize(..400);
                input.splice(token.start..token.start, word.repeat(times));
            }
        }
    }

    /// A part of the input, mostly a short one.
    fn range(&mut self, input: &[u8]) -> std::ops::Range<usize> {
        let start = self.rng.usize(..=input.len());
        let most = if self.rng.u8(..8) == 0 { 4_000 } else { 20 };
        let length = self.rng.usize(..most);
        start..input.len().min(start + length)
    }
}

/// The word around a place, or the one byte that is none.
fn token_at(input: &[u8], at: usize) -> std::ops::Range<usize> {
    let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte >= 0x80;
    let before = input[..at].iter().rev().take_while(|byte| is_word(byte));
    let after = input[at..].iter().take_while(|byte| is_word(byte));
    let (start, end) = (at - before.count(), at + after.count());
    if start == end {
        at..input.len().min(at + 1)
    } else {
        start..end
    }
}

/// Ends the process, with the input on record, where an input never ends.
fn watch(name: &'static str, current: &Arc<Current>) {
    let current = Arc::downgrade(current);
    thread::spawn(move || {
        while let Some(current) = current.upgrade() {
            if let Some((since, input)) = &*lock(&current)
                && since.elapsed() > HANG
            {
                println!("{name} hangs on\n    b\"{}\"", input.escape_ascii());
                std::process::abort();
            }
            drop(current);
            thread::sleep(Duration::from_secs(1));
        }
    });
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a target starts from.
fn seeds(target: &str) -> Vec<Vec<u8>> {
    let cases = CASES.iter().flat_map(|file| {
        let cases: Vec<Json> = serde_json::from_str(file).expect("the cases are JSON");
        cases
    });
    let mut texts: Vec<String> = Vec::new();
    match target {
        "expression" => {
            texts.extend(cases.filter_map(|case| Some(case["expression"].as_str()?.to_owned())));
        }
        "evaluate" => texts.extend(cases.filter_map(|case| {
            let mut text = case["expression"].as_str()?.to_owned();
            let attributes: BTreeMap<&String, &Json> = case["attributes"]
                .as_object()
                .into_iter()
                .flatten()
                .collect();
            for value in attributes.into_values() {
                text.push(PART);
                text.push_str(&written(value));
            }
            Some(text)
        })),
        "path" => {
            let quoted = PRESETS
                .iter()
                .flat_map(|preset| preset.split("target = '").skip(1));
            texts.extend(quoted.filter_map(|rest| Some(rest.split_once('\'')?.0.to_owned())));
            texts.push("Emails[Type EQ \"a\\\"b\\\\\"].value".to_owned());
            texts.push("urn:ietf:params:scim:schemas:core:2.0:User:name.givenName".to_owned());
            texts.push("roles[primary eq true].value".to_owned());
        }
        "filter" => {
            let separator = PART.to_string();
            texts.extend(FILTERS.iter().map(|parts| parts.join(&separator)));
        }
        "reply" => texts.extend(REPLIES.iter().map(|reply| (*reply).to_owned())),
        _ => texts.extend(SAMPLES.iter().map(|sample| (*sample).to_owned())),
    }
    texts.into_iter().map(String::into_bytes).collect()
}

/// A value as the targets read it.
fn written(value: &Json) -> String {
    match value {
        Json::String(text) => text.clone(),
        Json::Array(values) => {
            let values: Vec<String> = values.iter().map(written).collect();
            // One value alone is a list by what follows it.
            values.join(&VALUE.to_string()) + &VALUE.to_string()
        }
        Json::Null => String::new(),
        other => other.to_string(),
    }
}
