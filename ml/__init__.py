"""The moderation library: images, model, training, inference, policy, storage. Never imports Airflow."""
