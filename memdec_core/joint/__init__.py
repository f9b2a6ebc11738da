"""A base and its memories as one model of transformers.

Importing this package registers the model: `AutoModelForCausalLM.from_pretrained` then loads what
`JointForCausalLM.save_pretrained` or `memdec export` wrote.
"""

from memdec_core.joint.config import JointConfig
from memdec_core.joint.model import JointForCausalLM

__all__ = ["JointConfig", "JointForCausalLM"]
