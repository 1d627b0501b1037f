//! The configuration: what was typed becomes what is meant, or a list of every problem with its remedy.

mod settings;

pub(crate) use settings::{
    Application, Config, Dialect, Job, MemberRemove, Schedule, Secret, Source, Target,
};
