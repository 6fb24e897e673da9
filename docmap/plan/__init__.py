"""The planner: splits a query into what the engine does natively and what is left over."""
