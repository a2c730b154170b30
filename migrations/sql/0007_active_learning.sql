alter table moderation.review_task
    drop constraint review_task_route,
    add constraint review_task_route
        check (route in ('spot_check', 'active_learning', 'second_review'));

alter table moderation.human_label
    drop constraint human_label_route,
    add constraint human_label_route check (
        route in (
            'uncertain', 'violation', 'spot_check', 'active_learning', 'second_review', 'import'
        )
    );

create index review_task_active_learning on moderation.review_task (created_at)
where route = 'active_learning'
