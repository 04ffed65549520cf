"""Evidence, endorsements, appraisal policy and verdicts (RFC 9334)."""
