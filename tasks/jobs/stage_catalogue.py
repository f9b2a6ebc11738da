"""All stages, one record each, in the order in which a run goes through them.

A new stage is a record here and a module with its `WORK`; `tasks.stage_tasks.add_stage` takes a
record from elsewhere.
"""

from typing import TYPE_CHECKING, Literal, TypeAlias

from tasks.jobs.stage_record import Stage, Work

_GENERATE = ('memdec generate PIPELINE.yaml --prompt "…"', "base and base + memory side by side")

_OF_A_PIPELINE = (
    Stage(
        name="corpus",
        format_version=3,
        noun="Documents",
        run="Read the documents of {of}",
        what="Every record is kept or listed in `rejects.parquet` with the reason. A hash of a "
        "document's id decides its split, so a growing corpus moves none.",
        made="{kept} of {records} records kept",
        next_command=("memdec plan PIPELINE.yaml", "what a changed document would rebuild"),
        module="tasks.stages.build_corpus",
        does="Reads the documents into Parquet parts, split, every record kept or listed.",
    ),
    Stage(
        name="base_model",
        noun="Base model",
        run="Prepare the base model of {of}",
        other_run="Prepare {of}",
        what="A frozen language model and its tokenizer: fetched, copied, or pretrained here.",
        made="{parameters} parameters",
        module="tasks.stages.build_base_model",
        does="Copies the base model into the store, or pretrains one.",
    ),
    Stage(
        name="student",
        noun="Student",
        run="Give the student of {of} the base's vocabulary",
        what="A trained memory whose embeddings and head were made anew for the base's tokenizer.",
        made="{parameters} parameters, {copied_rows} of {vocab_size} rows from the same token",
        module="tasks.stages.transfer_vocabulary",
        does="Gives a memory of another tokenizer family the base model's vocabulary.",
    ),
    Stage(
        name="tokens",
        noun="Tokens",
        run="Tokenize the documents of {of}",
        what="The documents in corpus order as one stream of token ids per split.",
        made="{train_tokens} training tokens",
        module="tasks.stages.build_tokens",
        does="Turns the corpus into shards of token ids.",
        sharded=True,
    ),
    Stage(
        name="embeddings",
        format_version=2,
        noun="Datastore",
        run="Embed the tokens of {of}",
        what="For every position the key that the base model had for it, and the token that "
        "followed.",
        made="{train_rows} + {valid_rows} keys of width {width}",
        module="tasks.stages.build_embeddings",
        does="Turns the token stream into a datastore and its queries.",
        sharded=True,
    ),
    Stage(
        name="index",
        format_version=2,
        noun="Index",
        run="Index the datastore of {of}",
        what="Finds the nearest keys; it is only sealed once its recall against exact search "
        "suffices.",
        made="{kind} over {rows} keys",
        module="tasks.stages.build_index",
        does="Indexes the datastore's keys.",
    ),
    Stage(
        name="targets",
        format_version=2,
        noun="kNN targets",
        run="Find the neighbours of all positions of {of}",
        what="What the nearest neighbours of a position say about its next token: the distribution "
        "that the memory learns to give, compared with exact search on a sample.",
        made="{train_rows} + {valid_rows} rows, {train_entries} training entries",
        next_command=(
            'memdec explain PIPELINE.yaml --prompt "…"',
            "which passages of the corpus carry a next token",
        ),
        module="tasks.stages.build_targets",
        does="Turns neighbours into sparse training targets.",
        sharded=True,
    ),
    Stage(
        name="memory",
        noun="Memory",
        run="Train the memory of {of}",
        other_run="Train {of}",
        what="A small model that imitates the retriever; the weights with the best validation "
        "loss.",
        made="{parameters} parameters, {steps} steps",
        next_command=_GENERATE,
        module="tasks.stages.train_memory",
        does="Trains the memory to imitate the targets.",
    ),
    Stage(
        name="scores",
        noun="Scores",
        run="Score the text of {of}",
        other_run="Score {of}",
        what="The probability that a system gave each token of the validation and test splits.",
        made="perplexity {valid_perplexity} on valid",
        module="tasks.stages.score_model",
        does="Scores every position of valid and test with one model.",
        sharded=True,
        other_works=(
            Work(
                "tasks.stages.compared.score_knn_lm",
                "Scores every position of valid and test with a datastore.",
                sharded=True,
                section="knn_lm",
            ),
            Work(
                "tasks.stages.compared.score_retrieval",
                "Scores every position of valid and test with retrieved passages in the context.",
                sharded=True,
                section="retrieval",
            ),
        ),
    ),
    Stage(
        name="evaluation",
        format_version=2,
        noun="Evaluation",
        run="Measure what the memory of {of} gains",
        what="Base against base + memory on exactly the same tokens; weights tuned on `valid` "
        "alone.",
        made="memory alone: perplexity {memory_alone valid perplexity} on valid, "
        "KL to p_kNN {memory_alone valid kl}",
        next_command=("memdec compare PIPELINE.yaml", "the memory beside kNN-LM, DAPT and LoRA"),
        module="tasks.stages.evaluate_systems",
        does="Compares base, memory and base with memory.",
    ),
    Stage(
        name="report",
        noun="Report",
        run="Write the report on {of}",
        what="The run on one page.",
        made="{headline}",
        next_command=_GENERATE,
        writes_page=True,
        module="tasks.stages.write_report",
        does="Writes the page that a person reads.",
    ),
)

_BESIDE_IT = (
    Stage(
        name="adapted_model",
        noun="Adapted model",
        run="Adapt the base to {of}",
        other_run="Train {of}",
        what="What one would do without a memory: the base's own weights trained on the domain.",
        made="{method}, {parameters_trained} parameters trained",
        module="tasks.stages.compared.adapt_base_model",
        does="Trains the base model on the domain, as a baseline.",
    ),
    Stage(
        name="choice_scores",
        noun="Answers to downstream tasks",
        run="Answer the downstream tasks of {of}",
        other_run="Answer the downstream tasks with {of}",
        what="The probability of every choice of every question, as one system sees it.",
        module="tasks.stages.compared.score_choices",
        does="Scores the choices of downstream tasks with one model.",
        sharded=True,
        other_works=(
            Work(
                "tasks.stages.compared.score_knn_choices",
                "Scores the choices of downstream tasks with a datastore.",
                sharded=True,
                section="knn_lm",
            ),
        ),
    ),
    Stage(
        name="latency",
        noun="Latency",
        run="Time all systems of {of}",
        what="Time per token and memory of every system, interleaved on one machine.",
        made="base + memory takes {memory_ratio} times the base's time per token",
        module="tasks.stages.compared.measure_latency",
        does="Measures time and memory of all systems on one base.",
    ),
    Stage(
        name="memorisation_audit",
        noun="Memorisation audit",
        run="Count what was learnt by heart of {of}",
        other_run="Count what was learnt by heart, {of}",
        what="How much training text greedy decoding gives back word for word; unseen text as "
        "control.",
        module="tasks.stages.compared.audit_memorisation",
        does="Audits what a memory and its base have learnt by heart.",
    ),
    Stage(
        name="router_features",
        noun="Router features",
        run="Read the predictions of base and memory of {of}",
        other_run="Read the predictions of the memory and {of}",
        what="Nine figures per position on what base and memory predict there.",
        module="tasks.stages.compared.extract_router_features",
        does="Computes what a router sees of valid and test.",
        sharded=True,
    ),
    Stage(
        name="alpha_router",
        noun="Router of α",
        run="Fit the router of α for {of}",
        what="A small network that chooses the memory's weight anew for every token.",
        made="mean α {valid_alpha_mean} on valid",
        module="tasks.stages.compared.train_alpha_router",
        does="Fits a router of α for one base.",
    ),
    Stage(
        name="comparison",
        format_version=2,
        noun="Comparison",
        run="Compare all systems on {of}",
        what="All systems on exactly the same tokens.",
        next_command=("memdec serve PIPELINE.yaml", "base and base + memory over HTTP"),
        writes_page=True,
        module="tasks.stages.compared.compare_scores",
        does="Compares all systems on all bases.",
    ),
    Stage(
        name="domains",
        noun="Domains",
        run="Join the comparisons of {of}",
        what="Comparisons of several corpora on one page.",
        writes_page=True,
        module="tasks.stages.compared.join_comparisons",
        does="Joins the comparisons of several corpora.",
    ),
    Stage(
        name="promotion_gate",
        noun="Promotion gate",
        run="Judge the new memory of {of}",
        what="Whether a finished build is at least as good as what is in production.",
        made="{why}",
        writes_page=True,
        module="tasks.stages.judge_candidate",
        does="Compares a finished build with what is in production.",
    ),
)

STAGES = {stage.name: stage for stage in (*_OF_A_PIPELINE, *_BESIDE_IT)}
"""The stages by name."""

if TYPE_CHECKING:  # a type checker does not follow a Literal that is computed
    StageName: TypeAlias = str
    AnyStage: TypeAlias = str
else:
    StageName = Literal[tuple(stage.name for stage in _OF_A_PIPELINE)]
    """Stages of a pipeline; `student` is one only where a memory changes its tokenizer."""
    AnyStage = Literal[tuple(STAGES)]
    """Also those that only a comparison has, or that follow a finished run."""
