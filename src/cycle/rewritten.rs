//! Values that a target makes itself, whatever it is sent: learned from what it shows of many objects, so that they
//! are neither a difference nor repaired again and again.

use std::collections::BTreeMap;

use super::drift::Seen;
use super::{Context, Error, shown};
use crate::engine::capabilities::Remark;
use crate::engine::model::{Key, ObjectKind, TargetPath};
use crate::engine::plan::{self, Origins};

/// Links that are taken from the state at once.
const CHUNK: usize = 500;
/// One object alone may have been changed by hand.
const ENOUGH: usize = 2;

/// Learns at which paths every object that differs shows a value of the target's own making, while none shows that
/// the target keeps what it is sent.
pub(super) async fn learn(
    context: &Context<'_>,
    kind: ObjectKind,
    keys: &[Key],
    seen: &Seen<'_>,
) -> Result<Vec<Remark>, Error> {
    let mappings = &context.job.rules.rules(kind).mappings;
    // `None`: the target keeps what it is sent.
    let mut made: BTreeMap<TargetPath, Option<usize>> = BTreeMap::new();
    for keys in keys.chunks(CHUNK) {
        let (job, keys) = (context.job.rules.name.clone(), keys.to_vec());
        let links = context.state(move |store| store.links(&job, &keys)).await?;
        for link in links.into_values() {
            if link.unconfirmed || !link.in_scope {
                continue;
            }
            let Some(object) = seen.object(&link.target)? else {
                continue;
            };
            let current = shown::as_sent(context, kind, object.attributes).await?;
            for (path, origin) in plan::origins(mappings, &link, &current) {
                let count = made.entry(path).or_insert(Some(0));
                *count = match origin {
                    Origins::Target => count.map(|count| count + 1),
                    Origins::Elsewhere => None,
                };
            }
        }
    }
    let known = context.known_facts();
    let is_known = |path: &TargetPath| {
        let mut known = known
            .iter()
            .filter_map(super::capabilities::Fact::as_rewritten);
        known.any(|(of, known)| of == kind && known == *path)
    };
    let mut remarks = Vec::new();
    for (path, count) in made {
        let Some(count) = count.filter(|count| *count >= ENOUGH && !is_known(&path)) else {
            continue;
        };
        let evidence = format!("all {count} {kind}s that differ show a value made of others");
        context.learn_rewritten(kind, &path, evidence).await?;
        remarks.push(Remark::Rewritten { kind, path });
    }
    Ok(remarks)
}
