"""The moderation library: images, model, training, inference, policy, storage.

It never imports Airflow, so that it runs on a GPU machine, in a service and in tests as it is.
"""
