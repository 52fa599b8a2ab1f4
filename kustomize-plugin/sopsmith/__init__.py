"""sopsmith: SOPS-encrypted components in, correct Kubernetes Secrets out."""

__version__ = "0.1.0"
