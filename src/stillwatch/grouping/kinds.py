"""Kinds of tokens: what they rest on, and which of them are the same evidence twice."""

SHINGLE = "shingle"
SHINGLE_BUNDLE = "shingle_bundle"
LINKED = "linked"

ACCOUNT_TOKENS = {
    "device": "device_id",
    "email_shape": "email_shape_hash",
    "payment": "payment_fingerprint",
    "signup_address": "signup_client_address",
    "signup_prefix": "signup_client_prefix",
}
"""Token kinds that belong to an account as a whole, with their column of `accounts`."""

FAMILIES = {
    "skeleton": "prompt",
    SHINGLE_BUNDLE: "prompt",
    "address": "network",
    "prefix": "network",
    "signup_address": "network",
    "signup_prefix": "network",
}
"""Kinds that one and the same fact brings along together; a kind that is not named is a family of its own.

One copied prompt gives a skeleton and a bundle, one address gives its prefix: counting both would link on one fact.
"""
