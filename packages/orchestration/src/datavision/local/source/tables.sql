-- Times are UTC without a zone: the day of a time is its business day everywhere.
CREATE TABLE accounts (
    account_id bigint NOT NULL,
    account_name text NOT NULL,
    email text NOT NULL,
    created_at timestamp NOT NULL,
    updated_at timestamp NOT NULL
);
CREATE TABLE subscriptions (
    subscription_id integer NOT NULL,
    subscription_name text NOT NULL,
    max_contents_per_month integer NOT NULL,
    created_at timestamp NOT NULL,
    updated_at timestamp NOT NULL
);
CREATE TABLE accounts_subscription (
    account_subscription_id bigint NOT NULL,
    account_id bigint NOT NULL,
    subscription_id integer NOT NULL,
    start_date date NOT NULL,
    end_date date,
    created_at timestamp NOT NULL,
    updated_at timestamp NOT NULL
);
CREATE TABLE contents (
    content_id bigint NOT NULL,
    account_id bigint NOT NULL,
    title text,
    description text,
    content_type text,
    created_at timestamp NOT NULL,
    updated_at timestamp NOT NULL
);
CREATE TABLE content_attributes (
    content_id bigint NOT NULL,
    attribute_name text NOT NULL,
    string_value text,
    decimal_value numeric(12, 2),
    created_at timestamp NOT NULL,
    updated_at timestamp NOT NULL
);
CREATE TABLE subscription_payments (
    payment_id bigint NOT NULL,
    account_subscription_id bigint NOT NULL,
    payment_date timestamp NOT NULL,
    amount numeric(12, 2) NOT NULL,
    payment_method text NOT NULL,
    billing_cycle text NOT NULL
);
CREATE TABLE premium_features (
    feature_id integer NOT NULL,
    feature_name text NOT NULL,
    description text,
    base_price numeric(12, 2) NOT NULL,
    created_at timestamp NOT NULL,
    updated_at timestamp NOT NULL
);
CREATE TABLE account_premium_features (
    account_feature_id bigint NOT NULL,
    account_id bigint NOT NULL,
    feature_id integer NOT NULL,
    purchase_date timestamp NOT NULL,
    amount_paid numeric(12, 2) NOT NULL
);
