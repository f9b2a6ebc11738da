"""The stages as Prefect tasks. Their work is imported in worker processes alone.

A flow's own process so loads no model library: it starts five seconds sooner and takes 400 MB less.
"""

from tasks.running.stage_run import stage_task

build_corpus = stage_task(
    "tasks.stages.build_corpus",
    "Reads the documents into Parquet parts, split, every record kept or listed.",
)
build_base_model = stage_task(
    "tasks.stages.build_base_model", "Copies the base model into the store, or pretrains one."
)
transfer_student = stage_task(
    "tasks.stages.transfer_vocabulary",
    "Gives a memory of another tokenizer family the base model's vocabulary.",
)
build_tokens = stage_task(
    "tasks.stages.build_tokens", "Turns the corpus into shards of token ids.", sharded=True
)
build_embeddings = stage_task(
    "tasks.stages.build_embeddings",
    "Turns the token stream into a datastore and its queries.",
    sharded=True,
)
build_index = stage_task("tasks.stages.build_index", "Indexes the datastore's keys.")
build_targets = stage_task(
    "tasks.stages.build_targets", "Turns neighbours into sparse training targets.", sharded=True
)
train_memory = stage_task("tasks.stages.train_memory", "Trains the memory to imitate the targets.")
adapt_base_model = stage_task(
    "tasks.stages.compared.adapt_base_model", "Trains the base model on the domain, as a baseline."
)
score_model = stage_task(
    "tasks.stages.score_model",
    "Scores every position of valid and test with one model.",
    sharded=True,
)
score_knn_lm = stage_task(
    "tasks.stages.compared.score_knn_lm",
    "Scores every position of valid and test with a datastore.",
    sharded=True,
)
score_retrieval = stage_task(
    "tasks.stages.compared.score_retrieval",
    "Scores every position of valid and test with retrieved passages in the context.",
    sharded=True,
)
score_choices = stage_task(
    "tasks.stages.compared.score_choices",
    "Scores the choices of downstream tasks with one model.",
    sharded=True,
)
score_knn_choices = stage_task(
    "tasks.stages.compared.score_knn_choices",
    "Scores the choices of downstream tasks with a datastore.",
    sharded=True,
)
extract_router_features = stage_task(
    "tasks.stages.compared.extract_router_features",
    "Computes what a router sees of valid and test.",
    sharded=True,
)
train_alpha_router = stage_task(
    "tasks.stages.compared.train_alpha_router", "Fits a router of α for one base."
)
audit_memorisation = stage_task(
    "tasks.stages.compared.audit_memorisation",
    "Audits what a memory and its base have learnt by heart.",
)
measure_latency = stage_task(
    "tasks.stages.compared.measure_latency", "Measures time and memory of all systems on one base."
)
compare_scores = stage_task(
    "tasks.stages.compared.compare_scores", "Compares all systems on all bases."
)
evaluate_systems = stage_task(
    "tasks.stages.evaluate_systems", "Compares base, memory and base with memory."
)
write_report = stage_task("tasks.stages.write_report", "Writes the page that a person reads.")
judge_candidate = stage_task(
    "tasks.stages.judge_candidate", "Compares a finished build with what is in production."
)
join_comparisons = stage_task(
    "tasks.stages.compared.join_comparisons", "Joins the comparisons of several corpora."
)
