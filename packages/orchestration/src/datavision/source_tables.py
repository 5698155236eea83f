"""The tables of the source, by name: what the DAGs announce and the sample business consists of.

`ingesta.tables` says how each is loaded. It and we do not import each other, so a test compares the two.
"""

SOURCE_TABLES = (
    "accounts",
    "subscriptions",
    "accounts_subscription",
    "contents",
    "content_attributes",
    "subscription_payments",
    "premium_features",
    "account_premium_features",
)
"""Each after those that it refers to, so that rows may be written in this order."""
