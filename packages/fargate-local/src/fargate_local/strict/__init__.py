"""What AWS would refuse: permissions of whoever signs a call, an account's quotas, the ways out of a subnet."""
