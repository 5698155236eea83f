ALTER TABLE accounts ADD PRIMARY KEY (account_id);
ALTER TABLE subscriptions ADD PRIMARY KEY (subscription_id), ADD UNIQUE (subscription_name);
ALTER TABLE accounts_subscription
    ADD PRIMARY KEY (account_subscription_id),
    ADD FOREIGN KEY (account_id) REFERENCES accounts,
    ADD FOREIGN KEY (subscription_id) REFERENCES subscriptions,
    ADD CHECK (end_date >= start_date);
ALTER TABLE contents
    ADD PRIMARY KEY (content_id),
    ADD FOREIGN KEY (account_id) REFERENCES accounts;
ALTER TABLE content_attributes
    ADD PRIMARY KEY (content_id, attribute_name),
    ADD FOREIGN KEY (content_id) REFERENCES contents;
ALTER TABLE subscription_payments
    ADD PRIMARY KEY (payment_id),
    ADD FOREIGN KEY (account_subscription_id) REFERENCES accounts_subscription,
    ADD CHECK (billing_cycle IN ('mensual', 'trimestral', 'anual'));
ALTER TABLE premium_features ADD PRIMARY KEY (feature_id);
ALTER TABLE account_premium_features
    ADD PRIMARY KEY (account_feature_id),
    ADD FOREIGN KEY (account_id) REFERENCES accounts,
    ADD FOREIGN KEY (feature_id) REFERENCES premium_features;
CREATE INDEX ON accounts (updated_at);
CREATE INDEX ON accounts_subscription (account_id);
CREATE INDEX ON accounts_subscription (updated_at);
CREATE INDEX ON contents (account_id);
CREATE INDEX ON contents (updated_at);
CREATE INDEX ON content_attributes (updated_at);
CREATE INDEX ON subscription_payments (account_subscription_id);
CREATE INDEX ON subscription_payments (payment_date);
CREATE INDEX ON account_premium_features (account_id);
ANALYZE accounts, subscriptions, accounts_subscription, contents, content_attributes, subscription_payments,
    premium_features, account_premium_features;
