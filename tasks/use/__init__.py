"""What people do with a finished pipeline: continue, chat, explain, export, score with it.

Everything begins with the artifacts of a plan or of the newest run (`tasks.inputs.finished_run`);
`opened_models` loads their models over the ids that all tokenizers share. On top of it each module
answers a command: `joint_text` (generate and chat), `explain_token`, `export_joint` (with
`exported_facts` and `model_card`); `stored_system` is for the evaluation harness.

May import every room of tasks but `watch` and `serving`, which are beside it or above.
"""
