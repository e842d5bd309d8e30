"""What every trainer is given: flags, data, weights, clock, record. It calls no framework."""
