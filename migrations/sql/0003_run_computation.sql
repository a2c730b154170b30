alter table moderation.audit_run
    add column backend text check (backend in ('torch', 'openvino')),
    add column number_type text check (number_type in ('float32', 'bfloat16', 'int8')),
    add column variant text,
    add column fallback text
