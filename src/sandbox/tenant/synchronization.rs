//! The provisioning job that Microsoft's own service has for the application, with its schema and settings.

use serde_json::{Value, json};

/// A job of Microsoft's provisioning service.
#[derive(Debug, Clone)]
pub struct SynchronizationJob {
    pub id: String,
    /// Whether the service runs it.
    pub enabled: bool,
    pub schema: Value,
}

impl SynchronizationJob {
    pub(crate) fn render(&self) -> Value {
        let (state, code) = if self.enabled {
            ("Active", "Active")
        } else {
            ("Disabled", "Paused")
        };
        json!({
            "id": self.id,
            "templateId": self.id.split('.').next(),
            "schedule": { "expiration": null, "interval": "PT40M", "state": state },
            "status": {
                "countSuccessiveCompleteFailures": 0, "escrowsPruned": false, "code": code,
                "lastExecution": null, "lastSuccessfulExecution": null,
                "lastSuccessfulExecutionWithExports": null, "quarantine": null,
                "steadyStateFirstAchievedTime": "0001-01-01T00:00:00Z",
                "steadyStateLastAchievedTime": "0001-01-01T00:00:00Z",
                "troubleshootingUrl": null, "progress": [], "synchronizedEntryCountByType": [],
            },
            "synchronizationJobSettings": [
                { "name": "AzureIngestionAttributeOptimization", "value": "False" },
            ],
        })
    }
}
