"""What a person reads: every page, table and picture of the UI, the report and the commands.

Manifests, rows and finished shards come in; Markdown goes out. `ui_artifacts` alone hands pages to
Prefect.

It imports `tasks.jobs` and storage; whoever publishes or prints imports it. No model library, no
arithmetic on results: numbers are as stages left them.
"""
