//! The synchronization API of the application: jobs, schemas, and settings without the secrets' values.

use serde_json::{Value, json};

use super::super::reply::Reply;
use super::super::tenant::SynchronizationJob;
use super::answer::{Link, Problem, object, page};
use super::read::{Permission, Reader};

/// Settings whose values are never shown.
const SECRETS: &[&str] = &["SecretToken", "Password", "Oauth2ClientSecret"];

impl Reader<'_> {
    pub(super) fn synchronization(&self, key: &str, rest: &[&str]) -> Result<Reply, Problem> {
        self.require(Permission::Synchronization)?;
        self.find_application(key)?;
        let application = &self.directory().application;
        let path = format!("servicePrincipals('{}')/synchronization", application.id);
        let find = |id: &str| -> Result<&SynchronizationJob, Problem> {
            let mut jobs = application.synchronization.iter();
            let found = jobs.find(|job| job.id.eq_ignore_ascii_case(id));
            found.ok_or_else(|| Problem::not_found(id))
        };
        match rest {
            ["jobs"] => {
                let jobs = application.synchronization.iter();
                let jobs: Vec<String> = jobs.map(|job| job.render().to_string()).collect();
                let context = self.context(&format!("{path}/jobs"));
                Ok(page(&context, &Link::None, &jobs))
            }
            ["jobs", id] => {
                let mut job = find(id)?.render();
                job["@odata.context"] = json!(self.context(&format!("{path}/jobs/$entity")));
                Ok(object(&job))
            }
            ["jobs", id, "schema"] => {
                let mut schema = find(id)?.schema.clone();
                let context = format!("{path}/jobs('{id}')/schema/$entity");
                schema["@odata.context"] = json!(self.context(&context));
                Ok(object(&schema))
            }
            ["secrets"] => {
                let settings = application.synchronization_settings.iter();
                let settings = settings.map(|(key, value)| {
                    let value = if SECRETS.contains(&key.as_str()) {
                        Value::Null
                    } else {
                        json!(value)
                    };
                    json!({ "key": key, "value": value }).to_string()
                });
                let settings: Vec<String> = settings.collect();
                let context = self.context(&format!("{path}/secrets"));
                Ok(page(&context, &Link::None, &settings))
            }
            [first, ..] => Err(Problem::no_segment(first)),
            [] => Err(Problem::no_segment("synchronization")),
        }
    }
}
