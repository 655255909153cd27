//! How schedules, their slots and their firings are shown.

use super::View;

/// Schedules.
pub(crate) const SCHEDULE: View = View {
    noun: "schedule",
    id: "name",
    fields: &[
        "name",
        "cron",
        "time_zone",
        "every_ms",
        "from",
        "at",
        "overlap",
        "catch_up",
        "catch_up_max",
        "late_ms",
        "paused",
        "paused_at",
        "next",
        "waiting",
        "last_slot",
        "last_task_id",
        "last_run_id",
        "task",
        "workflow",
        "inputs",
        "created_at",
        "version",
    ],
    columns: &[
        ("SCHEDULE", "name"),
        ("CRON", "cron"),
        ("ZONE", "time_zone"),
        ("EVERY", "every_ms"),
        ("KIND", "task.kind"),
        ("OVERLAP", "overlap"),
        ("PAUSED", "paused"),
        ("NEXT", "next.0"),
        ("LAST", "last_slot"),
        ("LAST TASK", "last_task_id"),
        ("LAST RUN", "last_run_id"),
    ],
};

/// Moments at which a schedule is due.
pub(crate) const SLOT: View = View {
    noun: "slot",
    id: "slot",
    fields: &["slot"],
    columns: &[("SLOT", "slot")],
};

/// What became of the slots of a schedule.
pub(crate) const FIRING: View = View {
    noun: "firing",
    id: "n",
    fields: &[
        "n", "slot", "cause", "outcome", "count", "task_id", "run_id", "reason", "at",
    ],
    columns: &[
        ("SLOT", "slot"),
        ("CAUSE", "cause"),
        ("OUTCOME", "outcome"),
        ("SLOTS", "count"),
        ("TASK", "task_id"),
        ("RUN", "run_id"),
        ("REASON", "reason"),
    ],
};
