"""Secrets that tests put into the environment of a run, to look for them in what it writes."""

SECRETS = {
    "AWS_ACCESS_KEY_ID": "AKIA0TESTSENTINEL000",
    "AWS_SECRET_ACCESS_KEY": "sentinel/aws+secret/7f3a91bc04de",
    "AWS_SESSION_TOKEN": "sentinel-session-51c2ee0b",
    "HF_TOKEN": "hf_sentinel_9b1d44aa",
    "MEMDEC_API_KEY": "sentinel-memdec-key-20aa83",
    "OPENAI_API_KEY": "sk-sentinel-18c0de",
}
