//! What webhooks are sent: JSON of our own, and the forms of Slack and Teams.

use serde_json::{Value as Json, json};

use super::{Item, Notice};
use crate::report::json::{FORMAT, time_json};

impl Notice {
    /// Fields are added, never renamed or removed, while `format` stays.
    pub(crate) fn json(&self, key: &str) -> Json {
        let events = self.items.iter().map(|item| {
            let Item {
                topic,
                event,
                job,
                source,
                since,
                title,
                sentences,
                list,
                commands,
                is_good,
            } = item;
            let commands = commands
                .iter()
                .map(|(what, command)| json!({ "what": what, "command": command }));
            json!({
                "topic": topic,
                "event": event,
                "job": job,
                "source": source,
                "since": time_json(*since),
                "good": is_good,
                "title": title,
                "sentences": sentences,
                "objects": list,
                "commands": commands.collect::<Vec<_>>(),
            })
        });
        json!({
            "format": FORMAT,
            "id": key,
            "at": time_json(self.at),
            "from": self.from,
            "summary": self.subject(),
            "events": events.collect::<Vec<_>>(),
        })
    }

    /// Slack's incoming webhooks (docs.slack.dev, "Formatting text": only these three characters are escaped).
    pub(crate) fn slack(&self) -> Json {
        let escaped = |text: &str| {
            text.replace('&', "&amp;")
                .replace('<', "&lt;")
                .replace('>', "&gt;")
        };
        let items = self.items.iter().map(|item| {
            let mut lines = vec![format!("*{}*", escaped(&item.title))];
            lines.extend(item.sentences.iter().map(|one| escaped(one)));
            lines.extend(item.list.iter().map(|one| format!("• {}", escaped(one))));
            let commands = item.commands.iter();
            lines.extend(commands.map(|(what, one)| format!("{what}: `{}`", escaped(one))));
            lines.join("\n")
        });
        let mut parts: Vec<String> = items.collect();
        parts.push(format!("_{}_", escaped(&self.from)));
        json!({ "text": parts.join("\n\n") })
    }

    /// An Adaptive Card, as webhooks of Teams take it (learn.microsoft.com, "Create incoming webhooks").
    pub(crate) fn teams(&self) -> Json {
        let text = |text: &str| json!({ "type": "TextBlock", "text": plain(text), "wrap": true });
        let mut body = Vec::new();
        for item in &self.items {
            let mut title = text(&item.title);
            title["weight"] = json!("Bolder");
            title["color"] = json!(if item.is_good { "Good" } else { "Attention" });
            body.push(title);
            body.extend(item.sentences.iter().map(|one| text(one)));
            if !item.list.is_empty() {
                let lines = item.list.iter().map(|one| format!("- {}", plain(one)));
                let lines = lines.collect::<Vec<_>>().join("\n");
                body.push(json!({ "type": "TextBlock", "text": lines, "wrap": true }));
            }
            for (what, command) in &item.commands {
                body.push(json!({
                    "type": "TextBlock",
                    "text": format!("{what}: {}", plain(command)),
                    "fontType": "Monospace",
                    "wrap": true,
                }));
            }
        }
        let mut from = text(&self.from);
        from["isSubtle"] = json!(true);
        body.push(from);
        json!({
            "type": "message",
            "attachments": [{
                "contentType": "application/vnd.microsoft.card.adaptive",
                "contentUrl": null,
                "content": {
                    "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
                    "type": "AdaptiveCard",
                    "version": "1.4",
                    "body": body,
                },
            }],
        })
    }
}

/// Without what a card would take for a link or for emphasis.
fn plain(text: &str) -> String {
    let mut plain = String::new();
    for character in text.chars() {
        if matches!(character, '[' | ']' | '*' | '_' | '\\' | '`') {
            plain.push('\\');
        }
        plain.push(character);
    }
    plain
}
