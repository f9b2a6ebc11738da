"""Models as folders of the Hugging Face format: which files count, their digest, their copies.

`hub_model` finds a model of the hub at a commit and downloads it; `model_folder` refuses what is
incomplete or pickled and copies the rest. Nothing is loaded here.

May import `storage.objects`.
"""
