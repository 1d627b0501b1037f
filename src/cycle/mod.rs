//! One cycle of one job: read, plan, review, apply, record. The only place where source, target and state meet.
