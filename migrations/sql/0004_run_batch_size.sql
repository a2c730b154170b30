alter table moderation.audit_run
    add column batch_size integer check (batch_size > 0)
