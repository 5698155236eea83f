"""CloudFormation's stacks: made whole, updated, rolled back and deleted, resource by resource."""
